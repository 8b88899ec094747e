//! Says why a checkpoint can't be read or written.

use std::io;
use std::path::PathBuf;

use super::{Dtype, Mismatch};
use crate::model::ModelError;
use crate::pickle::PickleError;

/// Why a file is not a checkpoint of the network asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The file is missing, or may not be read.
    #[error("cannot read the checkpoint {}: {error}", path.display())]
    Read { path: PathBuf, error: io::Error },
    /// The file can't be written.
    #[error("cannot write the checkpoint {}: {error}", path.display())]
    Write { path: PathBuf, error: io::Error },
    /// The file's content is not what it should be.
    #[error("the checkpoint {}: {error}", path.display())]
    Format { path: PathBuf, error: FormatError },
    /// The header's network is none that this program knows.
    #[error(
        "the checkpoint's header describes a network that can't be built: {error}; was it written by another version of llc?"
    )]
    Model { error: ModelError },
    /// The header's network is another one than was asked for.
    #[error(
        "the checkpoint is of another network: {found} with {num_found} parameters, not {expected} with \
         {num_expected}; give the checkpoint's --model and options"
    )]
    OtherNetwork { found: String, expected: String, num_found: usize, num_expected: usize },
    /// The tensors are not the network's.
    #[error(
        "the checkpoint is not of the network `{network}`: {mismatch}; give its network by --model (`llc model list`) \
         and options"
    )]
    Mismatch { network: String, mismatch: Mismatch },
    /// Weights or running statistics that are not finite.
    #[error(
        "the checkpoint's tensor {} has {} of {num_elements} elements that are NaN or infinite{}: its training had \
         diverged; use an earlier checkpoint, or train again with a smaller --learning-rate",
        tensor.escape_debug(),
        num_not_finite,
        others(*num_others)
    )]
    NotFinite { tensor: String, num_not_finite: usize, num_elements: usize, num_others: usize },
    /// libtorch refused.
    #[cfg(feature = "torch")]
    #[error("the checkpoint's tensors can't be used: {}", .0.to_string().lines().next().unwrap_or_default())]
    Libtorch(tch::TchError),
}

/// Its message has the first line; the others are a stack of C++ calls.
#[cfg(feature = "torch")]
impl From<tch::TchError> for CheckpointError {
    fn from(error: tch::TchError) -> Self {
        Self::Libtorch(error)
    }
}

/// How many further tensors a message is about.
fn others(num_others: usize) -> String {
    match num_others {
        0 => String::new(),
        1 => ", and another tensor has some too".to_owned(),
        _ => format!(", and {num_others} other tensors have some too"),
    }
}

/// Why a file's bytes are no checkpoint.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// No bytes.
    #[error("the file is empty; save or download it again")]
    Empty,
    /// Another kind of file.
    #[error(
        "it is neither safetensors nor a PyTorch file (.pt, .pth): it starts with {start:?}; give a file that `llc train`, \
         torch.save or safetensors wrote"
    )]
    Unknown { start: String },
    /// A safetensors file that contradicts itself.
    #[error("its safetensors header is wrong: {reason}; the file is damaged or cut short: copy or download it again")]
    Safetensors { reason: String },
    /// `llc`'s own header.
    #[error("its header (`llc` in `__metadata__`) can't be read: {reason}; was it written by a newer llc?")]
    Header { reason: String },
    /// A format of numbers that is not read.
    #[error("tensor {tensor:?} has the format {dtype}, which is not supported; convert it to float32 before saving")]
    Dtype { tensor: String, dtype: String },
    /// A pickle inside.
    #[error("{member}: {error}")]
    Pickle { member: &'static str, error: PickleError },
    /// A PyTorch archive that is not a proper zip file.
    #[error("its zip archive is damaged or cut short: {reason}; copy or download it again")]
    Zip { reason: String },
    /// A zip file of something else.
    #[error(
        "it is a zip archive, but not PyTorch's, since it has no data.pkl; save the network by \
         torch.save(model.state_dict(), path)"
    )]
    NotPyTorch,
    /// An archive that was packed anew.
    #[error("its member {member:?} is compressed, which PyTorch never does; save it again by torch.save")]
    Compressed { member: String },
    /// Numbers of the wrong byte order.
    #[error("it was written on a big-endian machine; save it again on a little-endian one, or as safetensors")]
    BigEndian,
    /// The format of PyTorch before 0.2.
    #[error("it has PyTorch's oldest format, a tar archive; load it in PyTorch and save it again by torch.save")]
    Tar,
    /// A file of several pickles that ends or continues wrongly.
    #[error(
        "it looks like a file from before PyTorch 1.6, but has {found} instead of {expected}; it is damaged or cut \
         short"
    )]
    Legacy { expected: String, found: String },
    /// A tensor whose numbers are not there.
    #[error(
        "numbers of tensor {tensor:?} are missing: expected {expected} bytes in {key:?}, found {found}; the file is \
         damaged"
    )]
    Storage { tensor: String, key: String, expected: u128, found: usize },
    /// A tensor that reaches beyond its numbers, or repeats them.
    #[error(
        "tensor {tensor:?} of shape {shape:?} needs more than the {found} numbers that the file has for it: the file \
         is damaged, or the tensor was expanded (call .contiguous() before saving)"
    )]
    Extent { tensor: String, shape: Vec<usize>, found: usize },
    /// One name for two tensors.
    #[error("two tensors have the name {name:?}; rename one of them")]
    Duplicate { name: String },
    /// A tensor whose bytes are not as many as its shape says.
    #[error("tensor {tensor:?} of shape {shape:?} and format {dtype} can't have {found} bytes")]
    Length { tensor: String, shape: Vec<usize>, dtype: Dtype, found: usize },
    /// A small file that would make a large tree.
    #[error("it is not a file of parameters: it refers to the same values too often, or nests them too deeply")]
    TooLarge,
}

impl FormatError {
    pub(super) fn unknown(bytes: &[u8]) -> FormatError {
        // A tar archive identifies itself after its first file's header.
        if bytes.get(257..262) == Some(b"ustar") {
            return FormatError::Tar;
        }
        FormatError::Unknown { start: String::from_utf8_lossy(&bytes[..bytes.len().min(16)]).into_owned() }
    }
}
