//! Reads checkpoints that PyTorch wrote (tests/fixtures/checkpoints/make.py), of every format and kind of number.

use std::path::PathBuf;

use llc::checkpoint::{Checkpoint, CheckpointError, Dtype, FormatError, NamedTensor};
use serde_json::json;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/checkpoints").join(name)
}

fn read(name: &str) -> Checkpoint {
    Checkpoint::read(&fixture(name)).unwrap()
}

fn message(name: &str) -> String {
    let error = Checkpoint::read(&fixture(name)).unwrap_err();
    assert!(error.to_string().contains(name), "{error}");
    error.to_string()
}

/// The elements as numbers.
fn numbers(tensor: &NamedTensor) -> Vec<f64> {
    let bits = |bytes: &[u8]| bytes.iter().rev().fold(0u64, |bits, &byte| bits << 8 | u64::from(byte));
    let number = |bytes: &[u8]| match tensor.dtype {
        Dtype::F64 => f64::from_bits(bits(bytes)),
        Dtype::F32 => f64::from(f32::from_bits(bits(bytes) as u32)),
        // The upper half of an f32.
        Dtype::Bf16 => f64::from(f32::from_bits((bits(bytes) as u32) << 16)),
        Dtype::F16 => half(bits(bytes) as u16),
        Dtype::I64 => bits(bytes) as i64 as f64,
        Dtype::I32 => f64::from(bits(bytes) as i32),
        Dtype::I16 => f64::from(bits(bytes) as i16),
        Dtype::I8 => f64::from(bits(bytes) as i8),
        _ => bits(bytes) as f64,
    };
    tensor.bytes.chunks(tensor.dtype.size_bytes()).map(number).collect()
}

/// A normal number or zero of IEEE 754's binary16.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    match i32::from(bits >> 10 & 31) {
        0 => 0.0 * sign,
        exponent => sign * (1.0 + f64::from(bits & 1023) / 1024.0) * 2f64.powi(exponent - 15),
    }
}

fn floats(count: usize) -> Vec<f64> {
    (0..count).map(|i| i as f64 / 8.0 - 1.0).collect()
}

#[test]
fn every_format_of_numbers_and_every_kind_of_stride_is_read_from_both_of_pytorch_s_formats() {
    for name in ["dtypes.pt", "dtypes-legacy.pt"] {
        let checkpoint = read(name);
        let get = |name: &str| checkpoint.tensor(name).unwrap();
        for (tensor, dtype) in
            [("float32", Dtype::F32), ("float64", Dtype::F64), ("float16", Dtype::F16), ("bfloat16", Dtype::Bf16)]
        {
            assert_eq!((get(tensor).dtype, &get(tensor).shape[..]), (dtype, &[2, 3][..]));
            assert_eq!(numbers(get(tensor)), floats(6), "{tensor} of {name}");
        }
        for (tensor, dtype) in
            [("int64", Dtype::I64), ("int32", Dtype::I32), ("int16", Dtype::I16), ("int8", Dtype::I8)]
        {
            assert_eq!(get(tensor).dtype, dtype);
            assert_eq!(numbers(get(tensor)), [-3.0, -2.0, -1.0, 0.0, 1.0, 2.0], "{tensor} of {name}");
        }
        assert_eq!((get("uint8").dtype, &get("uint8").bytes[..]), (Dtype::U8, &[0, 1, 2, 3, 4, 5][..]));
        assert_eq!((get("bool").dtype, &get("bool").bytes[..]), (Dtype::Bool, &[1, 0, 0, 1, 0, 0][..]));

        assert_eq!((get("scalar").shape.len(), numbers(get("scalar"))), (0, vec![-1.0]));
        assert_eq!((&get("empty").shape[..], get("empty").bytes.len()), (&[0, 4][..], 0));
        let all = floats(24);
        assert_eq!(&get("transposed").shape, &[2, 3]);
        assert_eq!(numbers(get("transposed")), [0, 2, 4, 1, 3, 5].map(|i| all[i]));
        assert_eq!(&get("every_other").shape, &[3, 3]);
        assert_eq!(numbers(get("every_other")), [6, 8, 10, 12, 14, 16, 18, 20, 22].map(|i| all[i]));
        assert_eq!(numbers(get("parameter")), floats(5));
        assert_eq!(numbers(get("tied.second")), all[2..5]);
        assert_eq!(checkpoint.tensors.len(), 17);
    }
}

#[test]
fn a_checkpoint_of_training_gives_its_tensors_dotted_names_and_its_other_entries_as_facts() {
    for (name, wrap) in [("training.pt", "model."), ("training-legacy.pt", "model.module.")] {
        let checkpoint = read(name);
        let get = |name: &str| checkpoint.tensor(name).unwrap();
        assert_eq!(&get(&format!("{wrap}conv.weight")).shape, &[2, 1, 3, 3]);
        assert_eq!(numbers(get(&format!("{wrap}bn.running_var"))), floats(2));
        assert_eq!(get(&format!("{wrap}bn.num_batches_tracked")).dtype, Dtype::I64);
        assert_eq!(&get("optimizer.state.4.momentum_buffer").shape, &[3, 8]);

        let facts = &checkpoint.header.facts;
        assert_eq!(checkpoint.header.model, None);
        assert_eq!((&facts["epoch"], &facts["step"], &facts["runtime"]), (&json!(7), &json!(2744), &json!(12.5)));
        assert_eq!((&facts["best"], &facts["is_done"], &facts["note"]), (&json!(0.25), &json!(false), &json!(null)));
        assert_eq!(facts["name"], "MLP1_0.5_none");
        assert_eq!(facts["optimizer"]["param_groups"][0]["momentum"], json!(0.9));
        assert_eq!(facts["optimizer"]["param_groups"][0]["params"], json!([0, 1, 2, 3, 4, 5]));
        assert_eq!(facts["scheduler"]["milestones"], json!({"3": 1, "5": 1}));
        assert!(!facts.contains_key("model"), "{facts:?}");
    }
}

#[test]
fn a_state_dict_has_the_names_of_its_network_and_no_facts() {
    let checkpoint = read("network.pth");
    let names: Vec<&str> = checkpoint.tensors.iter().map(|tensor| tensor.name.as_str()).collect();
    assert_eq!(names[..4], ["conv.weight", "conv.bias", "bn.weight", "bn.bias"]);
    assert!(checkpoint.header.facts.is_empty());
}

#[test]
fn arrays_of_a_plain_pickle_are_tensors() {
    let checkpoint = read("batch-2.pkl");
    let data = checkpoint.tensor("data").unwrap();
    assert_eq!((data.dtype, &data.shape[..]), (Dtype::U8, &[2, 12][..]));
    assert_eq!(checkpoint.header.facts["labels"], json!([6, 9]));
}

#[test]
fn what_would_run_code_is_refused_by_the_name_of_what_it_would_run() {
    let evil = message("evil.pt");
    assert!(evil.contains("`posix.system`") && evil.contains("never run"), "{evil}");
    let module = message("module.pt");
    assert!(module.contains("torch.nn.modules.container.Sequential") && module.contains("state_dict"), "{module}");
}

#[test]
fn a_checkpoint_written_and_read_is_the_same_and_has_the_same_bytes_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("all.safetensors");
    let mut original = read("dtypes.pt");
    original.header.facts.insert("runtime".into(), json!(0.1));
    original.write(&path).unwrap();
    let mut copy = Checkpoint::read(&path).unwrap();
    assert_eq!(copy.to_bytes().unwrap(), original.to_bytes().unwrap());
    assert_eq!(std::fs::read(&path).unwrap(), original.to_bytes().unwrap());
    copy.tensors.sort_by(|a, b| a.name.cmp(&b.name));
    original.tensors.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(copy, original);
}

#[test]
fn two_tensors_of_one_name_or_bytes_that_do_not_fit_are_not_written() {
    let tensor = NamedTensor { name: "w".into(), shape: vec![2], dtype: Dtype::U8, bytes: vec![1, 2] };
    let twice = Checkpoint { tensors: vec![tensor.clone(), tensor.clone()], ..Checkpoint::default() };
    assert!(matches!(twice.to_bytes(), Err(FormatError::Duplicate { name }) if name == "w"));
    let long = Checkpoint { tensors: vec![NamedTensor { shape: vec![3], ..tensor }], ..Checkpoint::default() };
    assert!(matches!(long.to_bytes(), Err(FormatError::Length { found: 2, .. })));
}

#[test]
fn other_files_are_refused_with_what_they_begin_with() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.pt");
    for (bytes, word) in
        [(&b""[..], "empty"), (b"<html>", "<html>"), (b"PK\x05\x06", "zip"), (b"\x80\x02", "cut short")]
    {
        std::fs::write(&path, bytes).unwrap();
        let error = Checkpoint::read(&path).unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
    }
    let missing = Checkpoint::read(&folder.path().join("none.pt")).unwrap_err();
    assert!(matches!(missing, CheckpointError::Read { .. }));
    let mut archive = std::fs::read(fixture("network.pth")).unwrap();
    let at = archive.windows(4).position(|bytes| bytes == (-0.75f32).to_le_bytes()).unwrap();
    archive[at] ^= 1;
    let damaged = Checkpoint::read_bytes(&archive).unwrap_err().to_string();
    assert!(damaged.contains("checksum"), "{damaged}");
}
