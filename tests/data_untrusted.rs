//! Loads data files whose bytes were changed at random: each is read or refused by a sentence, and none ends the program.

use std::fs;
use std::path::{Path, PathBuf};

use llc::data::{DatasetName, Split, load};
use llc::rng::{Key, Role};
use tempfile::tempdir;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// Changes one to eight bytes, most of them near the beginning, where headers are; or cuts the file, or doubles its end.
fn mutated(bytes: &[u8], key: Key) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let len = bytes.len() as u64;
    match key.below(0, 8) {
        0 => bytes.truncate(key.below(1, len) as usize),
        1 => bytes.extend_from_within(key.below(1, len) as usize..),
        _ => {
            for change in 0..=key.below(2, 8) {
                let span = if key.below(100 + change, 4) == 0 { len } else { len.min(64) };
                let at = key.below(200 + change, span) as usize;
                // Extreme values are what headers lie with.
                bytes[at] = match key.below(300 + change, 3) {
                    0 => 0xff,
                    1 => 0,
                    _ => key.below(400 + change, 256) as u8,
                };
            }
        }
    }
    bytes
}

#[test]
fn changed_files_of_every_format_are_read_or_refused_and_never_panic() {
    let digits = fs::read(fixture("mnist/t10k-images-idx3-ubyte.gz")).unwrap();
    let labels = fs::read(fixture("mnist/t10k-labels-idx1-ubyte.gz")).unwrap();
    let batch = fs::read(fixture("cifar10/test_batch.bin")).unwrap()[..5 * 3073].to_vec();
    let pickled = fs::read(fixture("checkpoints/batch-2.pkl")).unwrap();
    let picture = image::RgbImage::from_fn(16, 16, |x, y| image::Rgb([x as u8 * 16, y as u8 * 16, (x * y) as u8]));
    let encoded = |format| {
        let mut bytes = std::io::Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    };
    let (png, jpeg) = (encoded(image::ImageFormat::Png), encoded(image::ImageFormat::Jpeg));
    let plain = [&[0, 0, 8, 3, 0, 0, 0, 100, 0, 0, 0, 28, 0, 0, 0, 28][..], &[9; 78_400]].concat();
    for (dataset, file, bytes) in [
        (DatasetName::Mnist, "t10k-images-idx3-ubyte.gz", &digits),
        (DatasetName::Mnist, "t10k-images-idx3-ubyte", &plain),
        (DatasetName::Mnist, "t10k-labels-idx1-ubyte.gz", &labels),
        (DatasetName::Cifar10, "test_batch.bin", &batch),
        (DatasetName::Cifar10, "test_batch", &pickled),
        (DatasetName::ImageFolder, "test/a/1.png", &png),
        (DatasetName::ImageFolder, "test/a/1.jpg", &jpeg),
    ] {
        let folder = tempdir().unwrap();
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if dataset == DatasetName::Mnist {
            fs::write(folder.path().join("t10k-images-idx3-ubyte.gz"), &digits).unwrap();
            fs::write(folder.path().join("t10k-labels-idx1-ubyte.gz"), &labels).unwrap();
        }
        let key = Key::new(11).role(Role::Data);
        let mut num_refused = 0;
        for trial in 0..150 {
            fs::write(&path, mutated(bytes, key.step(trial))).unwrap();
            match load(dataset, folder.path(), Split::Test) {
                Ok(pictures) => {
                    assert_eq!(pictures.pixels.len(), pictures.len() * pictures.picture_len(), "{file}, trial {trial}");
                    assert!(pictures.labels.iter().all(|label| usize::from(*label) < pictures.classes.len()));
                }
                Err(error) => {
                    num_refused += 1;
                    assert!(error.to_string().contains(file) || error.to_string().contains("no "), "{file}: {error}");
                }
            }
        }
        assert!(num_refused > 10, "{file}: {num_refused} refused");
    }
}
