//! Turns checkpoints into a network's parameters and buffers, and back.

use serde_json::{Map, Value};
use tch::{Device, Kind, TchError, Tensor};

use super::{Checkpoint, CheckpointError, Header, NamedTensor, TRAINING, assign};
use crate::dtype::Dtype;
use crate::model::{Buffers, ModelSpec, Network};
use crate::params::Params;
use crate::tensors::Tensors;

/// The parameters and buffers of `network` in `checkpoint`: f32 on the CPU, whatever the file's format is.
///
/// Names of PyTorch's wrappers (`module.`, `model.`, `_orig_mod.`) may stand before the network's own; [`assign`] says how the tensors are found.
///
/// # Errors
///
/// [`CheckpointError::OtherNetwork`], [`CheckpointError::Mismatch`], [`CheckpointError::NotFinite`] or [`CheckpointError::Libtorch`].
///
/// ```
/// use llc::checkpoint::{Checkpoint, load_into};
/// use llc::model::ModelSpec;
/// use llc::rng::Key;
/// let spec = ModelSpec::named("mlp");
/// let network = spec.build()?;
/// let (w, buffers) = (network.init(Key::new(1))?, network.initial_buffers()?);
/// let checkpoint = Checkpoint::from_parts(&spec, &w, &buffers, serde_json::Map::new(), vec![])?;
/// let (read, _) = load_into(&checkpoint, &network)?;
/// assert_eq!(read.as_slice::<f32>(), w.as_slice::<f32>());
///
/// let other = ModelSpec::named("mlp1").build()?;
/// assert!(load_into(&checkpoint, &other).unwrap_err().to_string().contains("--model"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn load_into(checkpoint: &Checkpoint, network: &Network) -> Result<(Params, Buffers), CheckpointError> {
    let assignment = assign(checkpoint, network)?;
    let used = assignment.params.iter().chain(assignment.buffers.iter().flatten());
    check_finite(used.map(|&index| &checkpoint.tensors[index]))?;
    let load = || -> Result<(Params, Buffers), TchError> {
        let w = Params::zeros_on(&network.layout(), Kind::Float, Device::Cpu)?;
        for (view, &index) in w.views().iter().zip(&assignment.params) {
            view.shallow_clone().f_copy_(&checkpoint.tensors[index].to_tensor()?)?;
        }
        let mut buffers = network.initial_buffers()?;
        for (spec, index) in network.buffers().iter().zip(&assignment.buffers) {
            if let Some(index) = index {
                buffers.set(&spec.name, &checkpoint.tensors[*index].to_tensor()?)?;
            }
        }
        Ok((w, buffers))
    };
    load().map_err(CheckpointError::from)
}

/// Refuses tensors with an element that is NaN or infinite: the first of them is named.
fn check_finite<'a>(tensors: impl Iterator<Item = &'a NamedTensor>) -> Result<(), CheckpointError> {
    let mut first: Option<(&NamedTensor, usize)> = None;
    let mut num_wrong = 0;
    for tensor in tensors {
        let finite = tensor.to_tensor()?.f_isfinite()?.f_sum(Kind::Int64)?.f_int64_value(&[])?;
        let num_not_finite = tensor.num_elements() - finite as usize;
        if num_not_finite > 0 {
            num_wrong += 1;
            first.get_or_insert((tensor, num_not_finite));
        }
    }
    first.map_or(Ok(()), |(tensor, num_not_finite)| {
        Err(CheckpointError::NotFinite {
            tensor: tensor.name.clone(),
            num_not_finite,
            num_elements: tensor.num_elements(),
            num_others: num_wrong - 1,
        })
    })
}

impl Checkpoint {
    /// The checkpoint of a network: its parameters and buffers by PyTorch's names, `facts`, and the state of its training (`extras`, any
    /// names), which other readers can leave alone: all of it has names that start with `train.`.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Libtorch`].
    pub fn from_parts(
        spec: &ModelSpec,
        w: &Params,
        buffers: &Buffers,
        facts: Map<String, Value>,
        extras: Vec<(String, Tensor)>,
    ) -> Result<Checkpoint, CheckpointError> {
        let mut tensors = Vec::new();
        for (spec, view) in w.layout().specs().iter().zip(w.views()) {
            tensors.push(NamedTensor::from_tensor(&spec.name, view)?);
        }
        for (name, tensor) in buffers.tensors() {
            tensors.push(NamedTensor::from_tensor(name, tensor)?);
        }
        for (name, tensor) in extras {
            tensors.push(NamedTensor::from_tensor(&format!("{TRAINING}{name}"), &tensor)?);
        }
        Ok(Checkpoint { header: Header { model: Some(spec.clone()), facts }, tensors })
    }
}

impl NamedTensor {
    /// A copy of `tensor`, from whatever device.
    ///
    /// # Errors
    ///
    /// A format that checkpoints don't hold (complex, quantised), or what libtorch says.
    pub fn from_tensor(name: &str, tensor: &Tensor) -> Result<NamedTensor, TchError> {
        let dtype = dtype(tensor.kind()).ok_or_else(|| {
            TchError::Kind(format!("{name}: checkpoints don't support tensors of kind {:?}", tensor.kind()))
        })?;
        let tensor = tensor.f_to_device(Device::Cpu)?.f_contiguous()?;
        let shape = tensor.size().into_iter().map(|length| length as usize).collect();
        let num_elements = tensor.numel();
        let mut bytes = vec![0; num_elements * dtype.size_bytes()];
        if num_elements > 0 {
            tensor.f_copy_data_u8(&mut bytes, num_elements)?;
        }
        Ok(NamedTensor { name: name.to_owned(), shape, dtype, bytes })
    }

    /// A tensor on the CPU of the file's own format.
    ///
    /// # Errors
    ///
    /// A format that libtorch does not compute with (unsigned beyond 8 bits), a length that doesn't fit, or what libtorch says.
    pub fn to_tensor(&self) -> Result<Tensor, TchError> {
        let kind = kind(self.dtype).ok_or_else(|| {
            TchError::Kind(format!("{}: libtorch does not support the format {}", self.name, self.dtype))
        })?;
        self.check().map_err(|error| TchError::Shape(error.to_string()))?;
        let shape: Vec<i64> = self.shape.iter().map(|&length| length as i64).collect();
        if self.dtype == Dtype::Bool {
            // A byte that is neither 0 nor 1 is not a bool to C++.
            return Tensor::f_from_data_size(&self.bytes, &shape, Kind::Uint8)?.f_ne(0);
        }
        Tensor::f_from_data_size(&self.bytes, &shape, kind)
    }
}

fn kind(dtype: Dtype) -> Option<Kind> {
    Some(match dtype {
        Dtype::Bool => Kind::Bool,
        Dtype::U8 => Kind::Uint8,
        Dtype::I8 => Kind::Int8,
        Dtype::I16 => Kind::Int16,
        Dtype::I32 => Kind::Int,
        Dtype::I64 => Kind::Int64,
        Dtype::F16 => Kind::Half,
        Dtype::Bf16 => Kind::BFloat16,
        Dtype::F32 => Kind::Float,
        Dtype::F64 => Kind::Double,
        Dtype::U16 | Dtype::U32 | Dtype::U64 => return None,
    })
}

fn dtype(kind: Kind) -> Option<Dtype> {
    const ALL: [Dtype; 10] = [
        Dtype::Bool,
        Dtype::U8,
        Dtype::I8,
        Dtype::I16,
        Dtype::I32,
        Dtype::I64,
        Dtype::F16,
        Dtype::Bf16,
        Dtype::F32,
        Dtype::F64,
    ];
    ALL.into_iter().find(|&dtype| self::kind(dtype) == Some(kind))
}
