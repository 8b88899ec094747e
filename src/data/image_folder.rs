//! Reads images that lie in a folder for each class, as torchvision's `ImageFolder` and fast.ai lay them out: `train/CLASS/*.png` with
//! `test/` or `valid/` beside, or `CLASS/*.png` alone. PNG and JPEG, grey or colour, all of one size.
//!
//! Classes and files go in the order of their names as text (`10.png` before `2.png`), as both of these libraries have them.
//!
//! JPEG leaves a decoder some freedom: another one's pixels may differ from these by a few levels.
//!
//! *Tested by*: images written and read back, both layouts, files that lie about their size, truncations.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use image::{ColorType, DynamicImage, ImageReader, Limits};

use super::{DataError, DatasetName, Pictures, Split};

/// The most rows or columns of an image.
const MAX_SIDE: u32 = 4096;

/// The most classes: a label is a byte.
const MAX_CLASSES: usize = 256;

/// Whether a folder holds class folders, or splits that do.
pub(super) fn is_here(dir: &Path) -> bool {
    [Split::Train, Split::Test].iter().any(|split| split_dir(dir, *split).is_some())
}

/// The folder of the classes of a split. A folder without splits is all for training.
fn split_dir(dir: &Path, split: Split) -> Option<PathBuf> {
    let names: &[&str] = match split {
        Split::Train => &["train", "training"],
        Split::Test => &["test", "valid", "val", "testing"],
    };
    let inside = names.iter().map(|name| dir.join(name)).find(|dir| has_classes(dir));
    inside.or_else(|| (split == Split::Train && has_classes(dir)).then(|| dir.to_path_buf()))
}

fn has_classes(dir: &Path) -> bool {
    let has_picture = |dir: &PathBuf| matches!(sorted(dir, is_picture), Ok(files) if !files.is_empty());
    sorted(dir, Path::is_dir).is_ok_and(|dirs| dirs.iter().any(has_picture))
}

fn is_picture(path: &Path) -> bool {
    let end = path.extension().map(|end| end.to_string_lossy().to_lowercase());
    matches!(end.as_deref(), Some("png" | "jpg" | "jpeg")) && path.is_file()
}

/// The entries of a folder in the order of names, without hidden ones.
fn sorted(dir: &Path, is_wanted: impl Fn(&Path) -> bool) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let path = entry.path();
        if !entry.file_name().to_string_lossy().starts_with('.') && is_wanted(&path) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// Reads a split. The first image says how large all are, and whether they are grey.
pub(super) fn load(dataset: DatasetName, dir: &Path, split: Split) -> Result<Pictures, DataError> {
    let malformed = |path: &Path, expected: String, found: String| DataError::Malformed {
        path: path.to_path_buf(),
        expected,
        found,
        dataset,
    };
    let no_split = || malformed(dir, format!("a folder `{}` of class folders", split.as_str()), "none".into());
    let root = split_dir(dir, split).ok_or_else(no_split)?;
    let class_dirs = sorted(&root, Path::is_dir).map_err(DataError::read(&root))?;
    if class_dirs.len() > MAX_CLASSES {
        return Err(malformed(&root, format!("at most {MAX_CLASSES} class folders"), class_dirs.len().to_string()));
    }
    let name_of = |dir: &PathBuf| dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let classes: Vec<String> = class_dirs.iter().map(name_of).collect();
    let known = dataset.classes();
    if let Some(class) = classes.iter().find(|class| !known.is_empty() && !known.contains(&class.as_str())) {
        return Err(malformed(&root, format!("the classes of {dataset}"), format!("a folder `{class}`")));
    }
    let mut pictures = Pictures { shape: [0; 3], pixels: Vec::new(), labels: Vec::new(), classes };
    for (label, class_dir) in class_dirs.iter().enumerate() {
        let files = sorted(class_dir, is_picture).map_err(DataError::read(class_dir))?;
        if files.is_empty() {
            return Err(malformed(class_dir, "PNG or JPEG files".into(), "none".into()));
        }
        for path in files {
            let decoded = decode(&path).map_err(|found| malformed(&path, "a PNG or JPEG image".into(), found))?;
            let is_grey = !decoded.color().has_color();
            let channels = if is_grey { 1 } else { 3 };
            let [height, width] = [decoded.height() as usize, decoded.width() as usize];
            if pictures.is_empty() {
                pictures.shape = [channels, height, width];
            }
            let [wanted_channels, wanted_height, wanted_width] = pictures.shape;
            if [height, width] != [wanted_height, wanted_width] || channels > wanted_channels {
                let [expected, found] =
                    [describe(wanted_channels, wanted_height, wanted_width), describe(channels, height, width)];
                return Err(malformed(&path, format!("{expected}, like the first image"), found));
            }
            push_planes(decoded, wanted_channels, &mut pictures.pixels);
            // At most MAX_CLASSES, as just checked.
            pictures.labels.push(label as u8);
        }
    }
    Ok(relabelled(pictures, known))
}

/// Labels in the published order of the classes, where there is one.
fn relabelled(mut pictures: Pictures, known: &[&str]) -> Pictures {
    if !known.is_empty() {
        let place = |class: &String| known.iter().position(|known| known == class).unwrap_or_default() as u8;
        let places: Vec<u8> = pictures.classes.iter().map(place).collect();
        pictures.labels.iter_mut().for_each(|label| *label = places[usize::from(*label)]);
        pictures.classes = known.iter().map(|class| (*class).to_owned()).collect();
    }
    pictures
}

fn describe(channels: usize, height: usize, width: usize) -> String {
    format!("a {} image of {height}×{width}", if channels == 1 { "grey" } else { "colour" })
}

/// The image, or what is there instead. The size in its header is checked before anything of that size is allocated.
fn decode(path: &Path) -> Result<DynamicImage, String> {
    let open = || ImageReader::open(path)?.with_guessed_format();
    let mut reader = open().map_err(|error| error.to_string())?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(u64::from(MAX_SIDE) * u64::from(MAX_SIDE) * 4);
    reader.limits(limits);
    reader.decode().map_err(|error| error.to_string())
}

/// Appends an image's planes.
fn push_planes(picture: DynamicImage, channels: usize, pixels: &mut Vec<u8>) {
    if channels == 1 {
        let grey = if picture.color() == ColorType::L8 { picture.into_luma8() } else { picture.to_luma8() };
        pixels.extend_from_slice(grey.as_raw());
    } else {
        let colour = picture.into_rgb8();
        (0..3).for_each(|channel| pixels.extend(colour.as_raw().iter().skip(channel).step_by(3)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::load;
    use image::{GrayImage, RgbImage};

    /// An image whose pixels encode their position.
    fn colour(start: u8) -> RgbImage {
        RgbImage::from_fn(4, 3, |x, y| image::Rgb([start + x as u8, 10 * y as u8, 200]))
    }

    fn save(picture: impl Into<DynamicImage>, path: PathBuf) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        picture.into().save(path).unwrap();
    }

    #[test]
    fn classes_and_files_go_by_name_and_pixels_by_plane() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for (name, start) in
            [("train/owl/2.png", 2), ("train/owl/10.png", 10), ("train/cat/x.png", 0), ("valid/cat/y.png", 7)]
        {
            save(colour(start), root.join(name));
        }
        fs::create_dir_all(root.join("train/.hidden")).unwrap();
        fs::write(root.join("train/owl/notes.txt"), "no image").unwrap();
        let train = load(DatasetName::ImageFolder, root, Split::Train).unwrap();
        assert_eq!((train.shape, &train.classes[..]), ([3, 3, 4], &["cat".to_owned(), "owl".to_owned()][..]));
        assert_eq!(train.labels, [0, 1, 1]);
        assert_eq!(train.picture(1)[..14], [10, 11, 12, 13, 10, 11, 12, 13, 10, 11, 12, 13, 0, 0]);
        assert_eq!(train.picture(2)[..4], [2, 3, 4, 5]);
        assert_eq!(load(DatasetName::ImageFolder, root, Split::Test).unwrap().picture(0)[0], 7);
        // Without a folder for each split all is for training.
        let flat = load(DatasetName::ImageFolder, &root.join("train"), Split::Train).unwrap();
        assert_eq!(flat, train);
        let error = load(DatasetName::ImageFolder, &root.join("train"), Split::Test).unwrap_err().to_string();
        assert!(error.contains("expected a folder `test` of class folders"), "{error}");
    }

    #[test]
    fn grey_pictures_have_one_channel_and_jpeg_ones_are_close() {
        let folder = tempfile::tempdir().unwrap();
        let grey = GrayImage::from_fn(28, 28, |x, y| image::Luma([(4 * x + 3 * y) as u8]));
        save(grey.clone(), folder.path().join("3/1.png"));
        save(grey.clone(), folder.path().join("7/2.jpg"));
        let both = load(DatasetName::ImageFolder, folder.path(), Split::Train).unwrap();
        assert_eq!((both.shape, both.picture(0)), ([1, 28, 28], grey.as_raw().as_slice()));
        let furthest = both.picture(1).iter().zip(grey.as_raw()).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(furthest < Some(8), "{furthest:?}");
    }

    #[test]
    fn class_folders_of_a_known_data_set_keep_its_numbers() {
        let folder = tempfile::tempdir().unwrap();
        for (class, start) in [("truck", 9), ("airplane", 0), ("cat", 3)] {
            save(colour(start), folder.path().join(format!("test/{class}/1.png")));
        }
        let test = load(DatasetName::Cifar10, folder.path(), Split::Test).unwrap();
        assert_eq!((test.labels.as_slice(), test.classes.len()), (&[0, 3, 9][..], 10));
        assert_eq!(test.picture(2)[0], 9);
        save(colour(1), folder.path().join("test/unicorn/1.png"));
        let error = load(DatasetName::Cifar10, folder.path(), Split::Test).unwrap_err().to_string();
        assert!(error.contains("expected the classes of cifar10, found a folder `unicorn`"), "{error}");
    }

    #[test]
    fn pictures_of_two_sizes_and_colour_among_grey_are_named() {
        let folder = tempfile::tempdir().unwrap();
        save(GrayImage::new(4, 3), folder.path().join("a/1.png"));
        save(colour(0), folder.path().join("a/2.png"));
        let error = || load(DatasetName::ImageFolder, folder.path(), Split::Train).unwrap_err().to_string();
        assert!(error().contains("2.png: expected a grey image of 3×4, like the first image, found a colour image"));
        save(GrayImage::new(5, 3), folder.path().join("a/2.png"));
        assert!(error().contains("found a grey image of 3×5"), "{}", error());
    }

    #[test]
    fn every_cut_and_every_flipped_byte_of_a_header_is_an_error_or_a_picture_and_never_large() {
        let folder = tempfile::tempdir().unwrap();
        for end in ["png", "jpg"] {
            let path = folder.path().join(format!("image.{end}"));
            save(RgbImage::from_fn(32, 32, |x, y| image::Rgb([x as u8 * 8, y as u8 * 8, (x * y) as u8])), path.clone());
            let bytes = fs::read(&path).unwrap();
            for len in (0..bytes.len()).step_by(7) {
                fs::write(&path, &bytes[..len]).unwrap();
                // A JPEG may be decoded without its last blocks, a PNG without its end mark and last checksum.
                let is_harmless = end == "jpg" && len > 600 || bytes.len() - len <= 16;
                assert!(decode(&path).is_err() || is_harmless, "{end} of {len} bytes");
            }
            for at in 0..bytes.len().min(200) {
                let mut changed = bytes.clone();
                changed[at] ^= 0xff;
                fs::write(&path, &changed).unwrap();
                if let Ok(picture) = decode(&path) {
                    assert!(picture.width() <= MAX_SIDE && picture.height() <= MAX_SIDE);
                }
            }
        }
        let lie = folder.path().join("lie.png");
        let mut bytes = Vec::new();
        GrayImage::new(1, 1).write_to(&mut io::Cursor::new(&mut bytes), image::ImageFormat::Png).unwrap();
        bytes[16..24].copy_from_slice(&[0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff]);
        let mut crc = flate2::Crc::new();
        crc.update(&bytes[12..29]);
        bytes[29..33].copy_from_slice(&crc.sum().to_be_bytes());
        fs::write(&lie, bytes).unwrap();
        assert!(decode(&lie).unwrap_err().contains("limit"), "{}", decode(&lie).unwrap_err());
    }
}
