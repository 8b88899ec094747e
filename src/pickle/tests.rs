use super::{Pickle, PickleError, parse, parse_prefix};
use crate::dtype::Dtype;

fn int(bytes: &[u8]) -> i64 {
    parse(bytes).unwrap().root().as_i64().unwrap()
}

#[test]
fn integers_of_every_opcode_have_python_s_values() {
    assert_eq!(int(b"I-12\n."), -12);
    assert_eq!(int(b"L9007199254740993L\n."), 9_007_199_254_740_993);
    assert_eq!(int(b"K\xff."), 255);
    assert_eq!(int(b"M\x00\x01."), 256);
    assert_eq!(int(b"J\xfe\xff\xff\xff."), -2);
    assert_eq!(int(b"\x8a\x00."), 0);
    assert_eq!(int(b"\x8a\x01\xff."), -1);
    assert_eq!(int(b"\x8a\x02\xff\x00."), 255);
    assert_eq!(int(b"\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x80."), i64::MIN);
    let large = parse(b"\x8b\x09\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80.").unwrap();
    assert_eq!(large.root().as_large().unwrap().len(), 9);
    assert_eq!(
        (parse(b"I01\n.").unwrap().root().as_bool(), parse(b"\x89.").unwrap().root().as_bool()),
        (Some(true), Some(false))
    );
}

#[test]
fn floats_and_texts_of_every_opcode_have_python_s_values() {
    assert_eq!(parse(b"G\x3f\xd0\x00\x00\x00\x00\x00\x00.").unwrap().root().as_f64(), Some(0.25));
    assert_eq!(parse(b"F-1e3\n.").unwrap().root().as_f64(), Some(-1000.0));
    let texts: [&[u8]; 5] = [
        b"X\x05\x00\x00\x00\xce\xbb\xcc\x82!.",
        b"\x8c\x05\xce\xbb\xcc\x82!.",
        b"V\\u03bb\\u0302!\n.",
        b"\x8d\x05\x00\x00\x00\x00\x00\x00\x00\xce\xbb\xcc\x82!.",
        b"S'\\xce\\xbb\\xcc\\x82!'\n.",
    ];
    for text in texts {
        assert_eq!(parse(text).unwrap().root().as_str(), Some("\u{3bb}\u{302}!"));
    }
    assert_eq!(parse(b"S\"it's\\n\"\n.").unwrap().root().as_bytes(), Some(&b"it's\n"[..]));
}

#[test]
fn collections_nest_and_the_last_of_equal_keys_counts() {
    // {'a': [1, (2, 3)], 'a': 4}, with marks, appends and the memo.
    let pickle = parse(b"\x80\x02}q\x00(U\x01aq\x01](K\x01K\x02K\x03\x86eh\x01K\x04u.").unwrap();
    let entries: Vec<_> = pickle.root().entries().unwrap().collect();
    assert_eq!(entries.len(), 2);
    let list: Vec<_> = entries[0].1.items().unwrap().collect();
    assert_eq!((list[0].as_i64(), list[1].items().unwrap().len()), (Some(1), 2));
    assert_eq!(pickle.root().get("a").unwrap().as_i64(), Some(4));
}

#[test]
fn a_list_that_contains_itself_is_read() {
    let pickle = parse(b"]q\x00h\x00a.").unwrap();
    let inner = pickle.root().items().unwrap().next().unwrap();
    assert_eq!(inner.items().unwrap().len(), 1);
}

#[test]
fn the_end_is_known_so_that_pickles_may_follow_one_another() {
    let bytes = b"\x80\x02K\x07.K\x08.";
    let (first, taken) = parse_prefix(bytes).unwrap();
    assert_eq!((first.root().as_i64(), taken), (Some(7), 5));
    assert_eq!(int(&bytes[taken..]), 8);
}

fn check_batch(pickle: &Pickle) {
    let root = pickle.root();
    let data = root.get("data").unwrap().as_array().unwrap();
    assert_eq!((data.dtype, data.shape, data.is_fortran), (Dtype::U8, &[2, 12][..], false));
    assert_eq!(data.bytes, (0..24).collect::<Vec<u8>>());
    let labels: Vec<_> = root.get("labels").unwrap().items().unwrap().map(|label| label.as_i64().unwrap()).collect();
    assert_eq!(labels, [6, 9]);
    assert_eq!(root.get("batch_label").unwrap().as_bytes(), Some(&b"testing"[..]));
}

#[test]
fn batches_of_pictures_are_read_as_numpy_wrote_them_in_every_protocol_and_in_python_2() {
    check_batch(&parse(include_bytes!("../../tests/fixtures/checkpoints/batch-0.pkl")).unwrap());
    check_batch(&parse(include_bytes!("../../tests/fixtures/checkpoints/batch-2.pkl")).unwrap());
    check_batch(&parse(include_bytes!("../../tests/fixtures/checkpoints/batch-5.pkl")).unwrap());
    check_batch(&parse(include_bytes!("../../tests/fixtures/checkpoints/batch-python2.pkl")).unwrap());
}

#[test]
fn names_that_are_no_data_are_refused_by_name() {
    for (bytes, name) in [
        (&b"cos\nsystem\n(S'ls'\ntR."[..], "os.system"),
        (b"(S'ls'\nios\nsystem\n.", "0x69"),
        (b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93.", "builtins.eval"),
        (b"\x80\x02ctorch.hub\nload\n.", "torch.hub.load"),
    ] {
        let message = parse(bytes).unwrap_err().to_string();
        assert!(message.contains(name), "{message}");
    }
}

#[test]
fn a_length_that_lies_is_an_error_and_allocates_nothing() {
    let lies: [&[u8]; 6] = [
        b"\x8e\x00\x00\x00\x00\x00\x00\x00\x10.",
        b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff.",
        b"\x96\x00\x00\x00\x00\x00\x00\x00\x10.",
        b"X\xff\xff\xff\xff.",
        b"T\xff\xff\xff\x7f.",
        b"\x8b\xff\xff\xff\xff.",
    ];
    for lie in lies {
        assert!(matches!(parse(lie), Err(PickleError::Truncated { .. })), "{lie:?}");
    }
}

#[test]
fn an_array_whose_shape_does_not_fit_its_bytes_is_refused() {
    let batch = include_bytes!("../../tests/fixtures/checkpoints/batch-python2.pkl");
    let at = batch.windows(5).position(|bytes| bytes == b"K\x02K\x0c\x86").unwrap();
    let mut wrong = batch.to_vec();
    wrong[at + 1] = 3;
    let message = parse(&wrong).unwrap_err().to_string();
    assert!(message.contains("shape does not fit"), "{message}");
}

#[test]
fn text_repeated_through_the_memo_does_not_multiply() {
    // A text of 1000 letters, encoded again and again: 5 bytes a call.
    let mut bytes = b"\x80\x02c_codecs\nencode\nq\x00X\xe8\x03\x00\x00".to_vec();
    bytes.extend([b'a'; 1000]);
    bytes.extend(b"X\x06\x00\x00\x00latin1\x86q\x01R");
    for _ in 0..1000 {
        bytes.extend(b"h\x00h\x01R");
    }
    bytes.push(b'.');
    let message = parse(&bytes).unwrap_err().to_string();
    assert!(message.contains("repeats"), "{message}");
}

#[test]
fn parameters_of_the_first_pytorch_are_their_tensors() {
    // torch.nn.parameter.Parameter(_rebuild_tensor(storage, 2, (3,), (1,))), then its state, as PyTorch 0.1 wrote them.
    let bytes = b"\x80\x02ctorch.nn.parameter\nParameter\nctorch._utils\n_rebuild_tensor\n\
        ((U\x07storagectorch\nFloatStorage\nU\x0294U\x03cpuK\x08NtQK\x02K\x03\x85K\x01\x85tR\x85R(\x89\x88}tb.";
    let pickle = parse(bytes).unwrap();
    let tensor = pickle.root().as_tensor().unwrap();
    assert_eq!((tensor.offset, tensor.shape, tensor.strides), (2, &[3][..], &[1][..]));
    assert_eq!((tensor.storage.key.as_str(), tensor.storage.dtype, tensor.storage.num_elements), ("94", Dtype::F32, 8));
}
