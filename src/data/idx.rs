//! Reads IDX files, MNIST's format, plain or compressed by gzip.
//!
//! Two zero bytes, a byte for the type (8: unsigned bytes), a byte for the number of dimensions, the dimensions as big-endian u32,
//! then the elements. A header is believed only as far as there are bytes: nothing is allocated by its word.
//!
//! *Reference*: Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits".
//! *Tested by*: the fixtures, all truncations of one, and headers that lie.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;

use super::{DataError, DatasetName, Pictures, Split};

/// The most bytes of elements that are read: a hundred times MNIST.
const MAX_BYTES: u64 = 1 << 32;

/// Reads a split of an MNIST-like dataset from the folder that holds its files.
pub(super) fn load(dataset: DatasetName, dir: &Path, split: Split, classes: &[&str]) -> Result<Pictures, DataError> {
    let images_path = file(dataset, dir, split, "images", 3)?;
    let labels_path = file(dataset, dir, split, "labels", 1)?;
    let (dims, pixels) = read::<3>(dataset, &images_path)?;
    let ([num_labels], labels) = read::<1>(dataset, &labels_path)?;
    let [n, height, width] = dims;
    let malformed = |path: &Path, expected: String, found: String| DataError::Malformed {
        path: path.to_path_buf(),
        expected,
        found,
        dataset,
    };
    if n == 0 || height == 0 || width == 0 {
        return Err(malformed(&images_path, "images".into(), format!("{n} of {height}×{width} pixels")));
    }
    if n != num_labels {
        return Err(malformed(&labels_path, format!("{n} labels, one for each image"), num_labels.to_string()));
    }
    if let Some(index) = labels.iter().position(|label| usize::from(*label) >= classes.len()) {
        let found = format!("{} at index {index}", labels[index]);
        return Err(malformed(&labels_path, format!("labels from 0 to {}", classes.len() - 1), found));
    }
    let classes = classes.iter().map(|class| (*class).to_owned()).collect();
    Ok(Pictures { shape: [1, height, width], pixels, labels, classes })
}

/// Whether a folder holds one of the files of either split.
pub(super) fn is_here(dir: &Path) -> bool {
    [Split::Train, Split::Test].iter().any(|split| candidates(dir, *split, "images", 3).any(|path| path.is_file()))
}

fn candidates(dir: &Path, split: Split, what: &str, order: u8) -> impl Iterator<Item = PathBuf> {
    let start = if split == Split::Train { "train" } else { "t10k" };
    let name = move |separator, end| format!("{start}-{what}{separator}idx{order}-ubyte{end}");
    let names = [name("-", ""), name("-", ".gz"), name(".", ""), name(".", ".gz")];
    names.map(|name| dir.join(name)).into_iter()
}

fn file(dataset: DatasetName, dir: &Path, split: Split, what: &str, order: u8) -> Result<PathBuf, DataError> {
    let mut paths: Vec<PathBuf> = candidates(dir, split, what, order).collect();
    let found = paths.iter().position(|path| path.is_file());
    // The second is the name that is published.
    found.map(|at| paths.swap_remove(at)).ok_or_else(|| DataError::Missing { path: paths.swap_remove(1), dataset })
}

/// The dimensions and the elements of a file of `N` dimensions.
pub(super) fn read<const N: usize>(dataset: DatasetName, path: &Path) -> Result<([usize; N], Vec<u8>), DataError> {
    let start = start_of(path).map_err(DataError::read(path))?;
    let file = BufReader::new(File::open(path).map_err(DataError::read(path))?);
    let is_gzip = start == [0x1f, 0x8b];
    let parsed = if is_gzip { parse(GzDecoder::new(file)) } else { parse(file) };
    parsed.map_err(|wrong| match wrong {
        Wrong::System(source) if is_gzip && source.kind() != io::ErrorKind::PermissionDenied => DataError::Malformed {
            path: path.to_path_buf(),
            expected: "a whole gzip file".into(),
            found: source.to_string(),
            dataset,
        },
        Wrong::System(source) => DataError::Read { path: path.to_path_buf(), source },
        Wrong::Content { expected, found } => {
            DataError::Malformed { path: path.to_path_buf(), expected, found, dataset }
        }
    })
}

fn start_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    File::open(path)?.take(2).read_to_end(&mut start)?;
    Ok(start)
}

enum Wrong {
    System(io::Error),
    Content { expected: String, found: String },
}

fn parse<const N: usize>(mut reader: impl Read) -> Result<([usize; N], Vec<u8>), Wrong> {
    let mut header = Vec::new();
    let header_len = 4 + 4 * N;
    reader.by_ref().take(header_len as u64).read_to_end(&mut header).map_err(Wrong::System)?;
    if header.len() < header_len {
        let found = format!("{} bytes", header.len());
        return Err(Wrong::Content { expected: format!("a header of {header_len} bytes"), found });
    }
    if header[..4] != [0, 0, 8, N as u8] {
        let expected = format!("IDX of unsigned bytes in {N} dimensions (it begins with 00 00 08 0{N})");
        let found = header[..4].iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
        return Err(Wrong::Content { expected, found });
    }
    let mut dims = [0u32; N];
    for (dim, bytes) in dims.iter_mut().zip(header[4..].as_chunks::<4>().0) {
        *dim = u32::from_be_bytes(*bytes);
    }
    let len = dims.iter().try_fold(1u64, |len, dim| len.checked_mul(u64::from(*dim)));
    let sizes = dims.map(|dim| dim.to_string()).join("×");
    let Some(len) = len.filter(|len| *len <= MAX_BYTES) else {
        let found = format!("{sizes} in its header");
        return Err(Wrong::Content { expected: format!("at most {MAX_BYTES} bytes of elements"), found });
    };
    // Grows with what is there, not with what the header says; the byte too many, if there is one, is found as well.
    let mut elements = Vec::new();
    reader.take(len + 1).read_to_end(&mut elements).map_err(Wrong::System)?;
    if elements.len() as u64 != len {
        let found = match elements.len() as u64 {
            more if more > len => "more".to_owned(),
            fewer => fewer.to_string(),
        };
        return Err(Wrong::Content { expected: format!("{len} bytes of elements ({sizes} in its header)"), found });
    }
    Ok((dims.map(|dim| dim as usize), elements))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;
    use crate::data::test_fixture;

    fn error_of(bytes: &[u8]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("train-images-idx3-ubyte");
        fs::write(&path, bytes).unwrap();
        read::<3>(DatasetName::Mnist, &path).unwrap_err().to_string()
    }

    #[test]
    fn a_digit_reads_the_same_plain_and_compressed() {
        let path = test_fixture("mnist").join("train-images-idx3-ubyte.gz");
        let (dims, pixels) = read::<3>(DatasetName::Mnist, &path).unwrap();
        assert_eq!(dims, [200, 28, 28]);
        let folder = tempfile::tempdir().unwrap();
        let plain = folder.path().join("plain");
        let mut bytes = Vec::new();
        GzDecoder::new(File::open(&path).unwrap()).read_to_end(&mut bytes).unwrap();
        fs::write(&plain, &bytes).unwrap();
        assert_eq!(read::<3>(DatasetName::Mnist, &plain).unwrap(), (dims, pixels));
    }

    #[test]
    fn every_truncation_is_an_error_and_so_is_a_byte_too_many() {
        let bytes: Vec<u8> = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8].to_vec();
        for len in 0..bytes.len() {
            assert!(error_of(&bytes[..len]).contains("expected"), "{len}");
        }
        assert!(error_of(&[bytes.as_slice(), &[9]].concat()).contains("found more"));
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&bytes).unwrap();
        let gzip = gzip.finish().unwrap();
        for len in 0..gzip.len() {
            assert!(error_of(&gzip[..len]).contains("expected"), "{len}");
        }
        for at in 10..gzip.len() {
            let mut flipped = gzip.clone();
            flipped[at] ^= 0x10;
            assert!(error_of(&flipped).contains("expected"), "a bit of byte {at} is flipped");
        }
    }

    #[test]
    fn a_header_that_lies_is_refused_without_an_allocation_of_its_size() {
        let lie = [0, 0, 8, 3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
        assert!(error_of(&lie).contains("4294967295×4294967295×4294967295 in its header"));
        let large = [0, 0, 8, 3, 0, 1, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 1, 1];
        assert!(error_of(&large).contains("found 1; `llc data fetch mnist`"), "{}", error_of(&large));
        assert!(error_of(b"<html>not found</html>").contains("begins with 00 00 08 03"));
    }

    #[test]
    fn pictures_and_labels_must_be_as_many() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (test_fixture("mnist"), folder.path());
        fs::copy(from.join("train-images-idx3-ubyte.gz"), to.join("train-images-idx3-ubyte.gz")).unwrap();
        let load = || load(DatasetName::Mnist, to, Split::Train, DatasetName::Mnist.classes()).unwrap_err().to_string();
        assert!(load().contains("train-labels-idx1-ubyte.gz: the file is missing"), "{}", load());
        fs::copy(from.join("t10k-labels-idx1-ubyte.gz"), to.join("train-labels-idx1-ubyte.gz")).unwrap();
        assert!(load().contains("expected 200 labels, one for each image, found 100"), "{}", load());
        fs::write(to.join("train-labels-idx1-ubyte"), [&[0, 0, 8, 1, 0, 0, 0, 200], [10; 200].as_slice()].concat())
            .unwrap();
        assert!(load().contains("labels from 0 to 9, found 10 at index 0"), "{}", load());
    }
}
