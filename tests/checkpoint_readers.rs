//! Opens checkpoints with the readers that others use: the safetensors package and, where it is installed, PyTorch.

#[path = "common/skip.rs"]
mod skip;

mod slow {
    use std::env;
    use std::path::Path;
    use std::process::Command;

    use llc::checkpoint::{Checkpoint, Dtype, NamedTensor};
    use serde_json::{Value, json};

    use super::skip;

    #[test]
    #[ignore = "slow: needs Python readers in a venv"]
    fn safetensors_and_pytorch_see_the_numbers_and_the_header_of_a_checkpoint() {
        let python = env::var("LLC_TEST_PYTHON").expect(
            "LLC_TEST_PYTHON must name a Python with tests/requirements.txt: run `./x test slow`, which makes one",
        );
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        let floats: Vec<f32> = vec![1.5, -2.0, 0.1, 1e-40, 3.0, -0.0];
        let bytes = floats.iter().flat_map(|number| number.to_le_bytes()).collect();
        let mut checkpoint = Checkpoint::default();
        checkpoint.header.facts.insert("epoch".into(), json!(7));
        checkpoint.tensors.push(NamedTensor { name: "fc.weight".into(), shape: vec![2, 3], dtype: Dtype::F32, bytes });
        checkpoint.tensors.push(NamedTensor {
            name: "bn.num_batches_tracked".into(),
            shape: vec![],
            dtype: Dtype::I64,
            bytes: 42i64.to_le_bytes().to_vec(),
        });
        checkpoint.write(&path).unwrap();

        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/checkpoint_readers.py");
        let output =
            Command::new(python).arg(script).arg(&path).output().expect("the Python of LLC_TEST_PYTHON starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let seen: Value = serde_json::from_slice(&output.stdout).unwrap();
        let header: Value = serde_json::from_str(seen["metadata"]["llc"].as_str().unwrap()).unwrap();
        assert_eq!(header["facts"]["epoch"], 7);
        let rows = json!([floats[..3], floats[3..]]);
        assert_eq!(seen["numpy"]["fc.weight"], json!(["float32", rows]));
        assert_eq!(seen["numpy"]["bn.num_batches_tracked"], json!(["int64", 42]));
        match seen.get("torch") {
            Some(torch) => {
                assert_eq!(torch["fc.weight"], json!(["torch.float32", rows]));
                assert_eq!(torch["bn.num_batches_tracked"], json!(["torch.int64", 42]));
            }
            // With CUDA it takes gigabytes, too many for tests/requirements.txt.
            None => skip::unavailable("PyTorch is not installed for this Python; safetensors' own reader was asked"),
        }
    }
}
