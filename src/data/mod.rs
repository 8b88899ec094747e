//! Provides the samples that losses are taken over: drawn from a key, or read from files.

mod augmentation;
mod cifar10;
mod cifar10_python;
mod corruption;
mod dataset;
mod error;
pub mod fetch;
#[cfg(feature = "torch")]
mod gram;
mod grid;
mod idx;
mod image_folder;
pub mod labels;
mod pictures;
pub mod pixels;
mod preprocessing;
mod selection;
mod statistics;

pub use augmentation::{Augmentation, Movement};
pub use corruption::{Corrupted, Corruption, LabelCorruption, PixelCorruption, Stream};
pub use dataset::{DatasetName, Layout, Split, find_dir, load};
pub use error::DataError;
#[cfg(feature = "torch")]
pub use gram::gram;
pub use grid::grid;
pub use llc_core::{minibatch, synthetic};
pub use pictures::Pictures;
pub use preprocessing::{Normalise, Preprocessing};
pub use selection::NameOrder;
pub use statistics::Statistics;

/// The folder `name` of tests/fixtures.
#[cfg(test)]
pub(crate) fn test_fixture(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}
