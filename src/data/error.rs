//! Says what is wrong with data, in one sentence that names the file, what was expected, what is there, and what to do.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::DatasetName;

/// Why a dataset can't be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DataError {
    /// No folder that was looked in holds the dataset.
    #[error("no {dataset} in {}; {}, and --data-dir or LLC_DATA give the folder", list(tried), dataset.remedy())]
    NotFound {
        /// What was looked for.
        dataset: DatasetName,
        /// Where.
        tried: Vec<PathBuf>,
    },
    /// A folder holds a part of the dataset.
    #[error("{}: the file is missing; {}", path.display(), dataset.remedy())]
    Missing {
        /// The missing file.
        path: PathBuf,
        /// What it belongs to.
        dataset: DatasetName,
    },
    /// The system can't read a file or folder.
    #[error("{}: cannot be read", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system can't write a file.
    #[error("{}: cannot be written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is not what its name says.
    #[error("{}: expected {expected}, found {found}; {}", path.display(), dataset.remedy())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What belongs there.
        expected: String,
        /// What is there.
        found: String,
        /// What it belongs to.
        dataset: DatasetName,
    },
    /// A crop that has no centre.
    #[error("a crop to {size} from {height}×{width} has no centre: the difference must be even; give {}", size + 1)]
    Crop {
        /// The crop.
        size: usize,
        /// Rows of the images.
        height: usize,
        /// Columns of the images.
        width: usize,
    },
    /// A number of samples that the classes can't share.
    #[error("{size} samples can't be divided equally among {num_classes} classes: give a multiple of {num_classes}")]
    NotBalanced {
        /// The samples asked for.
        size: usize,
        /// Number of classes.
        num_classes: usize,
    },
    /// A class with too few samples.
    #[error("class `{class}` has {found} samples, but {needed} are needed: use fewer samples")]
    TooFew {
        /// The class.
        class: String,
        /// Samples that it has.
        found: usize,
        /// Samples asked for.
        needed: usize,
    },
    /// A class that the dataset doesn't have.
    #[error("no class is called `{class}`: the classes are {}", classes.join(", "))]
    UnknownClass {
        /// The class as given.
        class: String,
        /// Those that there are.
        classes: Vec<String>,
    },
    /// Settings or sets that don't go together.
    #[error("{reason}")]
    Unfit {
        /// What doesn't fit what, and what to do.
        reason: String,
    },
}

impl DataError {
    pub(super) fn read(path: &Path) -> impl FnOnce(io::Error) -> DataError {
        let path = path.to_path_buf();
        |source| DataError::Read { path, source }
    }

    pub(super) fn write(path: &Path) -> impl FnOnce(io::Error) -> DataError {
        let path = path.to_path_buf();
        |source| DataError::Write { path, source }
    }
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}
