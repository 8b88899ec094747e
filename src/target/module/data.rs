//! Reads the samples that a module is called with: one tensor for each of its inputs, a row for each sample.

use std::path::{Path, PathBuf};

use tch::{Device, TchError, Tensor};

use crate::checkpoint::{Checkpoint, CheckpointError, NamedTensor};
use crate::config::network::point::MIN_SAMPLES;

/// The key of a file's metadata that lists the inputs in the order of `forward`, separated by commas.
const INPUTS: &str = "inputs";
/// The key under which `true` says that the trained parameters are a minimum of the loss by construction.
const AT_MINIMUM: &str = "at_minimum";

/// What a module is called with.
#[derive(Debug)]
pub struct ModuleData {
    /// The inputs of `forward` in its order, shape `[n, …]` each, with their names.
    inputs: Vec<(String, Tensor)>,
    num_samples: usize,
    is_at_minimum: bool,
}

impl ModuleData {
    /// The tensors of the file `path`: all of them in the order of their names, or those that the `inputs` of its metadata list.
    ///
    /// # Errors
    /// [`DataFileError`].
    pub fn read(path: &Path, device: Device) -> Result<ModuleData, DataFileError> {
        let Checkpoint { header, mut tensors } =
            Checkpoint::read(path).map_err(|error| DataFileError::Read(Box::new(error)))?;
        let path = path.to_owned();
        if let Some(listed) = header.facts.get(INPUTS).and_then(|listed| listed.as_str()) {
            let names: Vec<&str> = listed.split(',').map(str::trim).collect();
            if let Some(name) = names.iter().find(|name| tensors.iter().all(|tensor| tensor.name != **name)) {
                return Err(DataFileError::Missing { path, name: (*name).to_owned() });
            }
            tensors.retain(|tensor| names.contains(&tensor.name.as_str()));
            tensors.sort_by_key(|tensor| names.iter().position(|name| *name == tensor.name));
        } else {
            tensors.sort_by(|a, b| a.name.cmp(&b.name));
        }
        let rows = |shape: &[usize]| shape.first().copied().unwrap_or(0);
        let num_samples = tensors.first().map_or(0, |tensor| rows(&tensor.shape));
        if (num_samples as u64) < MIN_SAMPLES || tensors.iter().any(|tensor| rows(&tensor.shape) != num_samples) {
            let shape = |tensor: &NamedTensor| format!("{} {:?}", tensor.name, tensor.shape);
            let shapes = tensors.iter().map(shape).collect::<Vec<_>>().join(", ");
            return Err(DataFileError::Rows { path, shapes });
        }
        let input = |tensor: NamedTensor| Ok((tensor.name.clone(), tensor.to_tensor()?.f_to_device(device)?));
        Ok(ModuleData {
            inputs: tensors.into_iter().map(input).collect::<Result<_, TchError>>()?,
            num_samples,
            is_at_minimum: header.facts.get(AT_MINIMUM).is_some_and(|value| value == "true"),
        })
    }

    /// The same tensors on the same memory.
    pub fn shallow_clone(&self) -> ModuleData {
        let inputs = self.inputs.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect();
        ModuleData { inputs, ..*self }
    }

    /// Number of samples n.
    pub fn len(&self) -> usize {
        self.num_samples
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.num_samples == 0
    }

    /// Whether the trained parameters are a minimum of the loss by construction.
    pub fn is_at_minimum(&self) -> bool {
        self.is_at_minimum
    }

    /// The inputs in the order of `forward`, shape `[n, …]` each, with their names.
    pub fn inputs(&self) -> &[(String, Tensor)] {
        &self.inputs
    }
}

/// Why a data file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataFileError {
    /// A file that can't be read.
    #[error(transparent)]
    Read(Box<CheckpointError>),
    /// An input that is listed and not there.
    #[error("{}: its metadata lists the input `{name}`, but no tensor has that name", path.display())]
    Missing { path: PathBuf, name: String },
    /// Tensors whose rows are not samples.
    #[error(
        "{}: row i of each tensor must belong to sample i, so all need the same number of rows, at least {MIN_SAMPLES}; found {}",
        path.display(), if shapes.is_empty() { "no tensor" } else { shapes }
    )]
    Rows { path: PathBuf, shapes: String },
    /// What libtorch reports of a tensor.
    #[error(transparent)]
    Torch(#[from] TchError),
}
