//! Finds a dataset on the disk by its name, and loads it by what is in the folder.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{DataError, Pictures, cifar10, cifar10_python, idx, image_folder};

/// The datasets that can be loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DatasetName {
    /// Ten classes of 32×32 colour images.
    Cifar10,
    /// Handwritten digits, 28×28.
    Mnist,
    /// Pieces of clothing, 28×28, in MNIST's format.
    FashionMnist,
    /// A folder for each class, with PNG or JPEG files.
    ImageFolder,
}

/// The part of a dataset that a network learns from, or the part that it is tested on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// To learn from.
    Train,
    /// To test on.
    Test,
}

impl Split {
    /// `train` or `test`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Test => "test",
        }
    }
}

/// How a folder holds a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// CIFAR-10's binary batches.
    CifarBinary,
    /// CIFAR-10's batches as Python pickled them.
    CifarPython,
    /// IDX files, plain or gzip.
    Idx,
    /// A folder for each class.
    ClassFolders,
}

impl Layout {
    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CifarBinary => "binary batches",
            Self::CifarPython => "pickled batches",
            Self::Idx => "IDX files",
            Self::ClassFolders => "class folders",
        }
    }

    fn is_in(self, dir: &Path) -> bool {
        match self {
            Self::CifarBinary => ["data_batch_1.bin", "test_batch.bin"].iter().any(|name| dir.join(name).is_file()),
            Self::CifarPython => ["data_batch_1", "test_batch"].iter().any(|name| dir.join(name).is_file()),
            Self::Idx => idx::is_here(dir),
            Self::ClassFolders => image_folder::is_here(dir),
        }
    }
}

const DIGITS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

impl DatasetName {
    /// All of them.
    pub const ALL: [DatasetName; 4] = [Self::Cifar10, Self::Mnist, Self::FashionMnist, Self::ImageFolder];

    /// As on the command line and in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cifar10 => "cifar10",
            Self::Mnist => "mnist",
            Self::FashionMnist => "fashion-mnist",
            Self::ImageFolder => "image-folder",
        }
    }

    /// Names of the classes in the order of the labels; none for [`DatasetName::ImageFolder`], whose folders name them.
    pub fn classes(self) -> &'static [&'static str] {
        match self {
            Self::Cifar10 => {
                &["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
            }
            Self::Mnist => &DIGITS,
            Self::FashionMnist => &[
                "T-shirt/top",
                "Trouser",
                "Pullover",
                "Dress",
                "Coat",
                "Sandal",
                "Shirt",
                "Sneaker",
                "Bag",
                "Ankle boot",
            ],
            Self::ImageFolder => &[],
        }
    }

    /// Number of published images of a split, where there is one.
    pub fn published_len(self, split: Split) -> Option<usize> {
        match (self, split) {
            (Self::ImageFolder, _) => None,
            (Self::Cifar10, Split::Train) => Some(50_000),
            (Self::Mnist | Self::FashionMnist, Split::Train) => Some(60_000),
            (_, Split::Test) => Some(10_000),
        }
    }

    /// How to get it, as a clause.
    pub(super) fn remedy(self) -> String {
        match self {
            Self::ImageFolder => "a folder of images has the files train/CLASS/*.png or CLASS/*.png (or .jpg)".into(),
            name => format!("`llc data fetch {name}` downloads the published files"),
        }
    }

    /// Folders below a data folder in which it may lie, the data folder itself last.
    fn folders(self) -> &'static [&'static str] {
        match self {
            Self::Cifar10 => &[
                "cifar-10-batches-bin",
                "cifar10/cifar-10-batches-bin",
                "cifar-10-batches-py",
                "cifar10/cifar-10-batches-py",
                "cifar10",
                "",
            ],
            Self::Mnist => &["mnist", "MNIST/raw", "MNIST", ""],
            Self::FashionMnist => &["fashion-mnist", "FashionMNIST/raw", "FashionMNIST", "fashion", ""],
            Self::ImageFolder => &[""],
        }
    }

    fn layouts(self) -> &'static [Layout] {
        match self {
            Self::Cifar10 => &[Layout::CifarBinary, Layout::CifarPython, Layout::ClassFolders],
            Self::Mnist | Self::FashionMnist => &[Layout::Idx, Layout::ClassFolders],
            Self::ImageFolder => &[Layout::ClassFolders],
        }
    }

    /// The folder at or below `dir` that holds it, and how.
    pub fn locate(self, dir: &Path) -> Option<(PathBuf, Layout)> {
        self.folders().iter().find_map(|folder| {
            let dir = if folder.is_empty() { dir.to_path_buf() } else { dir.join(folder) };
            let layout = self.layouts().iter().find(|layout| layout.is_in(&dir))?;
            Some((dir, *layout))
        })
    }

    /// What a folder seems to hold: MNIST where it might be Fashion-MNIST, for their files have the same names.
    pub fn guess(dir: &Path) -> Option<DatasetName> {
        let looks_like =
            |name: &&DatasetName| name.locate(dir).is_some_and(|(_, layout)| layout != Layout::ClassFolders);
        let fashion = dir.to_string_lossy().to_lowercase().contains("fashion");
        let order: &[DatasetName] = match fashion {
            true => &[Self::Cifar10, Self::FashionMnist],
            false => &[Self::Cifar10, Self::Mnist, Self::FashionMnist],
        };
        let folders = image_folder::is_here(dir).then_some(Self::ImageFolder);
        order.iter().find(looks_like).copied().or(folders)
    }
}

impl fmt::Display for DatasetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for DatasetName {
    type Err = String;

    fn from_str(text: &str) -> Result<DatasetName, String> {
        let names = Self::ALL.map(Self::as_str);
        let known = Self::ALL.into_iter().find(|name| name.as_str() == text);
        known.ok_or_else(|| format!("`{text}` is not one of {}", names.join(", ")))
    }
}

/// Loads a split of the dataset `name` that lies in `dir` or in a folder of its usual name below.
///
/// # Errors
///
/// [`DataError`]: nothing there, or a file that is missing, cut or not what its name says.
pub fn load(name: DatasetName, dir: &Path, split: Split) -> Result<Pictures, DataError> {
    let not_found = || DataError::NotFound { dataset: name, tried: vec![dir.to_path_buf()] };
    let (dir, layout) = name.locate(dir).ok_or_else(not_found)?;
    match layout {
        Layout::CifarBinary => cifar10::load(&dir, split),
        Layout::CifarPython => cifar10_python::load(&dir, split),
        Layout::Idx => idx::load(name, &dir, split, name.classes()),
        Layout::ClassFolders => image_folder::load(name, &dir, split),
    }
}

/// The folder of the dataset `name`: in `data_dir` if one is given, else in `$LLC_DATA`, else in `data/`.
///
/// # Errors
///
/// [`DataError::NotFound`], with the folders that were looked in.
pub fn find_dir(name: DatasetName, data_dir: Option<&Path>) -> Result<PathBuf, DataError> {
    let roots: Vec<PathBuf> = match data_dir {
        Some(dir) => vec![dir.to_path_buf()],
        None => env::var_os("LLC_DATA").map(PathBuf::from).into_iter().chain([PathBuf::from("data")]).collect(),
    };
    let found = roots.iter().find_map(|root| name.locate(root));
    found.map(|(dir, _)| dir).ok_or(DataError::NotFound { dataset: name, tried: roots })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::test_fixture;

    #[test]
    fn a_data_set_is_found_in_a_folder_of_its_name_and_loaded_from_above() {
        let fixtures = test_fixture("");
        for (name, n, shape) in [(DatasetName::Cifar10, 100, [3, 32, 32]), (DatasetName::Mnist, 100, [1, 28, 28])] {
            assert_eq!(find_dir(name, Some(&fixtures)).unwrap(), fixtures.join(name.as_str()));
            let test = load(name, &fixtures, Split::Test).unwrap();
            assert_eq!((test.len(), test.shape, test.classes.len()), (n, shape, 10));
            assert_eq!(DatasetName::guess(&fixtures.join(name.as_str())), Some(name));
        }
    }

    #[test]
    fn what_is_not_there_is_named_with_where_it_was_looked_for_and_how_to_get_it() {
        let folder = tempfile::tempdir().unwrap();
        let error = find_dir(DatasetName::Cifar10, Some(folder.path())).unwrap_err().to_string();
        let path = folder.path().display();
        assert_eq!(
            error,
            format!(
                "no cifar10 in {path}; `llc data fetch cifar10` downloads the published files, and --data-dir or \
                 LLC_DATA give the folder"
            )
        );
        assert_eq!(load(DatasetName::Cifar10, folder.path(), Split::Test).unwrap_err().to_string(), error);
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for name in DatasetName::ALL {
            assert_eq!(name.to_string().parse(), Ok(name));
            assert_eq!(serde_json::to_value(name).unwrap(), name.as_str());
        }
        assert!("cifar".parse::<DatasetName>().unwrap_err().contains("cifar10, mnist"));
    }
}
