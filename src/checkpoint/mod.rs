//! Reads and writes networks' parameters on disk: safetensors with a JSON header, and PyTorch's files.
//!
//! | written by | read here |
//! |---|---|
//! | `llc` | safetensors; the header (the network's name and options, epoch, step, …) is JSON under the key `llc` of `__metadata__` |
//! | anything else that writes safetensors | its tensors; other metadata become facts |
//! | PyTorch ≥ 1.6, `torch.save` | the zip archive of a pickle and the numbers |
//! | PyTorch < 1.6, `torch.save` | the older sequence of pickles |
//! | Python, `pickle.dump` | NumPy's and JAX's arrays in dicts; Haiku's ResNet gets PyTorch's names (`haiku`) |
//!
//! What a file is, its bytes say, not its name. Nothing in it is executed ([`crate::pickle`]), and every length is held against the bytes
//! that are there before memory is asked for. Dicts of dicts become names with dots: `model.conv1.weight`, `optimizer.state.0.exp_avg`;
//! what is not a tensor is a fact of the header.
//!
//! *Reference*: <https://huggingface.co/docs/safetensors>, <https://docs.pytorch.org/docs/stable/notes/serialization.html>.
//! *Tested by*: `tests/checkpoints.rs` on files that PyTorch wrote; `tests/untrusted_files.rs` on mutated ones; PyTorch reads ours in
//! `tests/checkpoint_readers.rs`.

mod assignment;
mod error;
mod haiku;
mod legacy;
mod nested;
#[cfg(feature = "torch")]
mod network;
mod safetensors;
mod tensor;
mod zip;

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use assignment::{Assignment, Mismatch, assign};
pub use error::{CheckpointError, FormatError};
#[cfg(feature = "torch")]
pub use network::load_into;
pub use tensor::NamedTensor;

pub use crate::dtype::Dtype;
use crate::model::ModelSpec;
use crate::record::atomic::{self, Durability};

/// What the names of a training's state begin with, so that they are no network's.
const TRAINING: &str = "train.";

/// Where the file before that at `path` is kept.
fn previous(path: &Path) -> PathBuf {
    path.with_extension("previous")
}

/// Tensors by name, and what is known about them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Checkpoint {
    /// Whose they are, and when.
    pub header: Header,
    /// Each name once; in the file's order.
    pub tensors: Vec<NamedTensor>,
}

/// What a checkpoint says about its tensors.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// The network whose parameters these are, where `llc` wrote the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelSpec>,
    /// Epoch, step, optimiser, …
    #[serde(default)]
    pub facts: Map<String, Value>,
}

impl Header {
    /// The header that `llc` wrote into the file `path`, without reading its tensors; `None` for any other file.
    pub fn peek(path: &Path) -> Option<Header> {
        safetensors::peek(path)
    }
}

impl Checkpoint {
    /// Reads the file `path`, whichever of the formats it has.
    ///
    /// # Errors
    ///
    /// [`CheckpointError`], with the file's name: it can't be read, or is not what it seems.
    ///
    /// ```
    /// use llc::checkpoint::{Checkpoint, Dtype, NamedTensor};
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("w.safetensors");
    /// let mut checkpoint = Checkpoint::default();
    /// checkpoint.header.facts.insert("epoch".into(), 7.into());
    /// let bytes = [1.5f32, -2.0].into_iter().flat_map(f32::to_le_bytes).collect();
    /// checkpoint.tensors.push(NamedTensor { name: "w".into(), shape: vec![2], dtype: Dtype::F32, bytes });
    /// checkpoint.write(&path)?;
    /// assert_eq!(Checkpoint::read(&path)?, checkpoint);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read(path: &Path) -> Result<Checkpoint, CheckpointError> {
        let bytes = fs::read(path).map_err(|error| CheckpointError::Read { path: path.to_owned(), error })?;
        Checkpoint::read_bytes(&bytes).map_err(|error| CheckpointError::Format { path: path.to_owned(), error })
    }

    /// Reads a file's bytes, as [`Checkpoint::read`].
    ///
    /// # Errors
    ///
    /// [`FormatError`] if they are not what they seem.
    pub fn read_bytes(bytes: &[u8]) -> Result<Checkpoint, FormatError> {
        let read = match bytes {
            [] => Err(FormatError::Empty),
            bytes if safetensors::seems(bytes) => safetensors::read(bytes),
            [b'P', b'K', ..] => zip::read(bytes),
            // Protocols 2 to 5 begin so; older ones hold no binary numbers, so that nobody writes checkpoints with them.
            [0x80, 2..=5, ..] => legacy::read(bytes),
            _ => Err(FormatError::unknown(bytes)),
        };
        read.map(|Checkpoint { header, tensors }| Checkpoint { header, tensors: haiku::renamed(tensors) })
    }

    /// Writes the file `path` as safetensors, in one step: a reader sees the old file or the new one.
    ///
    /// # Errors
    ///
    /// [`CheckpointError`], with the file's name: two tensors of one name, bytes that don't fit a shape, or what the file system says.
    pub fn write(&self, path: &Path) -> Result<(), CheckpointError> {
        let bytes = self.to_bytes().map_err(|error| CheckpointError::Format { path: path.to_owned(), error })?;
        let written = atomic::replace(path, &bytes, Durability::Power);
        written.map_err(|error| CheckpointError::Write { path: path.to_owned(), error })
    }

    /// Writes the file `path` as [`Checkpoint::write`], and keeps the one that was there under its name with the ending `previous`: at
    /// every moment there is a whole one under one of the two names. The folder is made if it is missing.
    ///
    /// # Errors
    ///
    /// As [`Checkpoint::write`]; what was there stays.
    pub fn write_keeping(&self, path: &Path) -> Result<(), CheckpointError> {
        let error = |error| CheckpointError::Write { path: path.to_owned(), error };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(error)?;
        }
        let next = path.with_extension("next");
        // The first error is the one worth telling; there may be no file to remove.
        self.write(&next).inspect_err(|_| drop(fs::remove_file(&next)))?;
        if path.exists() {
            fs::rename(path, previous(path)).map_err(error)?;
        }
        fs::rename(&next, path).map_err(error)
    }

    /// The newest that [`Checkpoint::write_keeping`] left at `path`, or the previous one if that can't be read; `None` if there is
    /// neither.
    ///
    /// # Errors
    ///
    /// [`CheckpointError`] where there are files and none can be read.
    pub fn read_newest(path: &Path) -> Result<Option<Checkpoint>, CheckpointError> {
        let previous = previous(path);
        match Checkpoint::read(path) {
            Ok(read) => Ok(Some(read)),
            Err(_) if previous.exists() => Checkpoint::read(&previous).map(Some),
            Err(error) => {
                if path.exists() {
                    Err(error)
                } else {
                    Ok(None)
                }
            }
        }
    }

    /// The bytes of the safetensors file; the same for the same checkpoint.
    ///
    /// # Errors
    ///
    /// [`FormatError`] where two tensors have one name, or bytes don't fit a shape.
    pub fn to_bytes(&self) -> Result<Vec<u8>, FormatError> {
        safetensors::to_bytes(self)
    }

    /// The tensor `name`.
    pub fn tensor(&self, name: &str) -> Option<&NamedTensor> {
        self.tensors.iter().find(|tensor| tensor.name == name)
    }
}
