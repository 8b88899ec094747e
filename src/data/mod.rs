//! Provides the samples that losses are taken over: drawn from a key, or read from files.

mod augmentation;
mod cifar10;
mod dataset;
mod error;
mod idx;
mod image_folder;
pub mod minibatch;
mod pictures;
mod preprocessing;
#[cfg(feature = "torch")]
mod samples;
#[cfg(feature = "torch")]
pub mod synthetic;

pub use augmentation::{Augmentation, Movement};
pub use dataset::{DatasetName, Layout, Split, find_dir, load};
pub use error::DataError;
pub use pictures::Pictures;
pub use preprocessing::{Normalise, Preprocessing};
#[cfg(feature = "torch")]
pub use samples::Samples;

/// The folder `name` of tests/fixtures.
#[cfg(test)]
fn test_fixture(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}
