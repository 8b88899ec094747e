//! Reads CIFAR-10's Python layout, the pickled batches, as data: nothing in the file is run.
//!
//! Each batch is a dict; its `data` is an array of bytes [n, 3072], its `labels` a list of n integers.
//!
//! *Reference*: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
//! *Tested by*: the fixture's batches as Python 2 would have pickled them, all truncations of a small one, dicts that are no batch.

use std::path::Path;

use super::cifar10::{PICTURE_LEN, batches, malformed, pictures, read_whole};
use super::{DataError, Pictures, Split};
use crate::dtype::Dtype;
use crate::pickle;

/// Reads a split from the folder that holds its files.
pub(super) fn load(dir: &Path, split: Split) -> Result<Pictures, DataError> {
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    let mut first_len = None;
    for name in batches(split) {
        let path = dir.join(name);
        let bytes = read_whole(&path)?;
        let num_before = labels.len();
        append(&bytes, &mut pixels, &mut labels).map_err(|(expected, found)| malformed(&path, expected, found))?;
        let num_pictures = labels.len() - num_before;
        let expected = *first_len.get_or_insert(num_pictures);
        if num_pictures != expected {
            let expected = format!("{expected} images, like the first batch");
            return Err(malformed(&path, expected, num_pictures.to_string()));
        }
    }
    Ok(pictures(pixels, labels))
}

/// Appends a batch's pixels and labels; an error is what was expected and what is there.
fn append(bytes: &[u8], pixels: &mut Vec<u8>, labels: &mut Vec<u8>) -> Result<(), (String, String)> {
    let pickle = pickle::parse(bytes).map_err(|error| ("a pickled batch".to_owned(), error.to_string()))?;
    let entry = |key: &str| {
        let kind = pickle.root().kind();
        pickle.root().get(key).ok_or_else(|| (format!("a dict with the key `{key}`"), format!("{kind} without")))
    };
    let data = entry("data")?;
    let data_expected = || format!("`data` to be bytes of shape [n, {PICTURE_LEN}], n at least 1");
    let array = data.as_array().ok_or_else(|| (data_expected(), data.kind().to_owned()))?;
    let num_pictures = match array.shape {
        &[n, PICTURE_LEN] if n > 0 && array.dtype == Dtype::U8 && !array.is_fortran => n,
        shape => return Err((data_expected(), format!("{:?} of shape {shape:?}", array.dtype))),
    };
    let list = entry("labels")?;
    let labels_expected = || format!("`labels` to be {num_pictures} integers from 0 to 9");
    let items = list.items().ok_or_else(|| (labels_expected(), list.kind().to_owned()))?;
    if items.len() != num_pictures {
        return Err((labels_expected(), items.len().to_string()));
    }
    for item in items {
        match item.as_i64() {
            // A digit fits a byte.
            Some(label @ 0..=9) => labels.push(label as u8),
            Some(label) => return Err((labels_expected(), label.to_string())),
            None => return Err((labels_expected(), item.kind().to_owned())),
        }
    }
    pixels.extend_from_slice(array.bytes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::data::{DatasetName, Layout, cifar10, load as load_any, test_fixture};

    /// A batch as Python 2 pickled it: protocol 2, text and array elements as `str`.
    fn python2_batch(pixels: &[u8], num_columns: usize, labels: &[u8]) -> Vec<u8> {
        let text = |value: &[u8]| [b"T", (value.len() as u32).to_le_bytes().as_slice(), value].concat();
        let number = |value: usize| [b"J", (value as u32).to_le_bytes().as_slice()].concat();
        let mut bytes = b"\x80\x02}(".to_vec();
        for part in [text(b"batch_label"), text(b"testing batch 1 of 1"), text(b"labels"), b"](".to_vec()] {
            bytes.extend(part);
        }
        labels.iter().for_each(|label| bytes.extend(number(usize::from(*label))));
        bytes.push(b'e');
        for part in [
            text(b"data"),
            b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01".to_vec(),
            number(pixels.len() / num_columns),
            number(num_columns),
            b"\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
                .to_vec(),
            text(pixels),
            b"tbu.".to_vec(),
        ] {
            bytes.extend(part);
        }
        bytes
    }

    #[test]
    fn pickled_batches_hold_what_the_binary_ones_hold() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("cifar-10-batches-py");
        fs::create_dir(&inside).unwrap();
        for split in [Split::Train, Split::Test] {
            let binary = cifar10::load(&test_fixture("cifar10"), split).unwrap();
            let num_batches = batches(split).len();
            let parts = binary.pixels.chunks(binary.pixels.len() / num_batches);
            for ((name, pixels), labels) in
                batches(split).iter().zip(parts).zip(binary.labels.chunks(binary.len() / num_batches))
            {
                fs::write(inside.join(name), python2_batch(pixels, PICTURE_LEN, labels)).unwrap();
            }
            assert_eq!(load_any(DatasetName::Cifar10, folder.path(), split).unwrap(), binary);
        }
        assert_eq!(DatasetName::Cifar10.locate(folder.path()), Some((inside, Layout::CifarPython)));
    }

    #[test]
    fn every_truncation_is_an_error() {
        let bytes = python2_batch(&[7; PICTURE_LEN], PICTURE_LEN, &[3]);
        for len in (0..bytes.len()).filter(|len| *len < 250 || *len > bytes.len() - 50) {
            assert!(append(&bytes[..len], &mut Vec::new(), &mut Vec::new()).is_err(), "{len} of {}", bytes.len());
        }
        append(&bytes, &mut Vec::new(), &mut Vec::new()).unwrap();
    }

    #[test]
    fn what_is_not_a_batch_is_reported_as_such() {
        let found = |bytes: &[u8]| append(bytes, &mut Vec::new(), &mut Vec::new()).unwrap_err();
        for (bytes, expected, there) in [
            (python2_batch(&[7; PICTURE_LEN], PICTURE_LEN, &[10]), "1 integers from 0 to 9", "10"),
            (python2_batch(&[7; PICTURE_LEN], PICTURE_LEN, &[1, 2]), "1 integers from 0 to 9", "2"),
            (python2_batch(&[7; 24], 12, &[1, 2]), "[n, 3072]", "U8 of shape [2, 12]"),
            (b"\x80\x02]q\x00.".to_vec(), "the key `data`", "a list without"),
            (b"cos\nsystem\n(S'ls'\ntR.".to_vec(), "a pickled batch", "os.system"),
        ] {
            let (e, f) = found(&bytes);
            assert!(e.contains(expected) && f.contains(there), "{e}: {f}");
        }
    }
}
