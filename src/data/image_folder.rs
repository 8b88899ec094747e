//! Reads pictures that lie in a folder for each class, as torchvision's `ImageFolder` and fast.ai lay them out: `train/CLASS/*.png` with
//! `test/` or `valid/` beside, or `CLASS/*.png` alone. PNG and JPEG, grey or colour, all of one size.
//!
//! Classes and files go in the order of their names as text (`10.png` before `2.png`), as both of these libraries have them.
//!
//! *Tested by*: pictures written and read back, both layouts, files that lie about their size, truncations.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use image::{ColorType, DynamicImage, ImageReader, Limits};

use super::{DataError, DatasetName, Pictures, Split};

/// The most rows or columns of a picture.
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

/// What lies in a folder and is wanted, in the order of names; hidden things are not.
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

/// Reads a split. The first picture says how large all are, and whether they are grey.
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
            let decoded = decode(&path).map_err(|found| malformed(&path, "a PNG or JPEG picture".into(), found))?;
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
                return Err(malformed(&path, format!("{expected}, as the first picture is"), found));
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
    format!("a {} picture of {height}×{width}", if channels == 1 { "grey" } else { "colour" })
}

/// The picture, or what is there instead. The size in its header is checked before anything of that size is allocated.
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

/// Appends a picture's planes.
fn push_planes(picture: DynamicImage, channels: usize, pixels: &mut Vec<u8>) {
    if channels == 1 {
        let grey = if picture.color() == ColorType::L8 { picture.into_luma8() } else { picture.to_luma8() };
        pixels.extend_from_slice(grey.as_raw());
    } else {
        let colour = picture.into_rgb8();
        (0..3).for_each(|channel| pixels.extend(colour.as_raw().iter().skip(channel).step_by(3)));
    }
}
