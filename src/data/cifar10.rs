//! Reads CIFAR-10's binary layout: five training batches and a test batch of records, each a label byte and 3,072 pixel bytes (the red,
//! the green and the blue plane, row by row).
//!
//! *Reference*: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
//! *Tested by*: the fixture, truncations, a batch of another length, a label out of range.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::{DataError, DatasetName, Pictures, Split};

/// Channels, rows, columns.
pub(super) const SHAPE: [usize; 3] = [3, 32, 32];

/// Bytes of the pixels of one image.
pub(super) const PICTURE_LEN: usize = 3 * 32 * 32;

/// A label and an image.
const RECORD_LEN: usize = 1 + PICTURE_LEN;

/// The most bytes of one file that are read: thirty times the published size.
pub(super) const MAX_BYTES: u64 = 1 << 30;

/// The files of a split, in order, without the end of their names.
pub(super) fn batches(split: Split) -> &'static [&'static str] {
    match split {
        Split::Train => &["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"],
        Split::Test => &["test_batch"],
    }
}

/// Reads a split from the folder that holds its files.
///
/// The training batches must be of one length: a batch that was cut between two records is found out by that.
pub(super) fn load(dir: &Path, split: Split) -> Result<Pictures, DataError> {
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    let mut first_len = None;
    for name in batches(split) {
        let path = dir.join(format!("{name}.bin"));
        let bytes = read_whole(&path)?;
        if bytes.is_empty() || !bytes.len().is_multiple_of(RECORD_LEN) {
            let expected = format!("a whole number of records of {RECORD_LEN} bytes (30730000 bytes as published)");
            return Err(malformed(&path, expected, format!("{} bytes", bytes.len())));
        }
        let expected = *first_len.get_or_insert(bytes.len());
        if bytes.len() != expected {
            let expected = format!("{expected} bytes, like the first batch");
            return Err(malformed(&path, expected, bytes.len().to_string()));
        }
        for record in bytes.chunks_exact(RECORD_LEN) {
            if record[0] > 9 {
                let found = format!("{} in record {}", record[0], labels.len() % (expected / RECORD_LEN));
                return Err(malformed(&path, "labels from 0 to 9".into(), found));
            }
            labels.push(record[0]);
            pixels.extend_from_slice(&record[1..]);
        }
    }
    Ok(pictures(pixels, labels))
}

/// CIFAR-10's images of these bytes.
pub(super) fn pictures(pixels: Vec<u8>, labels: Vec<u8>) -> Pictures {
    let classes = DatasetName::Cifar10.classes().iter().map(|class| (*class).to_owned()).collect();
    Pictures { shape: SHAPE, pixels, labels, classes }
}

/// A file's bytes, if they are not absurdly many.
pub(super) fn read_whole(path: &Path) -> Result<Vec<u8>, DataError> {
    let file = File::open(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => DataError::Missing { path: path.to_path_buf(), dataset: DatasetName::Cifar10 },
        _ => DataError::Read { path: path.to_path_buf(), source },
    })?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(DataError::read(path))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(malformed(path, "30730000 bytes".into(), format!("more than {MAX_BYTES}")));
    }
    Ok(bytes)
}

pub(super) fn malformed(path: &Path, expected: String, found: String) -> DataError {
    DataError::Malformed { path: PathBuf::from(path), expected, found, dataset: DatasetName::Cifar10 }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::data::test_fixture;

    /// What the test batch reads as, its bytes changed.
    fn error_of(change: impl FnOnce(&mut Vec<u8>)) -> String {
        let folder = tempfile::tempdir().unwrap();
        let mut bytes = fs::read(test_fixture("cifar10").join("test_batch.bin")).unwrap();
        change(&mut bytes);
        fs::write(folder.path().join("test_batch.bin"), bytes).unwrap();
        load(folder.path(), Split::Test).unwrap_err().to_string()
    }

    #[test]
    fn the_records_of_all_batches_follow_one_another() {
        let train = load(&test_fixture("cifar10"), Split::Train).unwrap();
        assert_eq!((train.len(), train.shape, train.class_counts()), (200, SHAPE, vec![20; 10]));
        assert_eq!(train.labels[..12], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]);
        let second = fs::read(test_fixture("cifar10").join("data_batch_2.bin")).unwrap();
        assert_eq!(train.picture(41), &second[RECORD_LEN + 1..2 * RECORD_LEN]);
    }

    #[test]
    fn a_cut_or_lengthened_file_and_a_strange_label_are_errors() {
        for len in [0, 1, 3072, 3074, 307_299] {
            let error = error_of(|bytes| bytes.truncate(len));
            assert!(error.contains(&format!("found {len} bytes; `llc data fetch cifar10`")), "{error}");
        }
        assert!(error_of(|bytes| bytes.push(0)).contains("found 307301 bytes"));
        assert!(error_of(|bytes| bytes[2 * RECORD_LEN] = 10).contains("found 10 in record 2"));
    }

    #[test]
    fn a_training_batch_that_is_missing_or_shorter_than_the_others_is_named() {
        let folder = tempfile::tempdir().unwrap();
        for (name, records) in [("data_batch_1.bin", 40), ("data_batch_2.bin", 40), ("data_batch_3.bin", 39)] {
            let bytes = fs::read(test_fixture("cifar10").join(name)).unwrap();
            fs::write(folder.path().join(name), &bytes[..records * RECORD_LEN]).unwrap();
        }
        let error = load(folder.path(), Split::Train).unwrap_err().to_string();
        assert!(
            error.contains("data_batch_3.bin: expected 122920 bytes, like the first batch, found 119847"),
            "{error}"
        );
        fs::copy(test_fixture("cifar10").join("data_batch_3.bin"), folder.path().join("data_batch_3.bin")).unwrap();
        let error = load(folder.path(), Split::Train).unwrap_err().to_string();
        assert!(error.contains("data_batch_4.bin: the file is missing"), "{error}");
    }
}
