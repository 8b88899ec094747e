//! Holds the tensors that a training moves without a gradient: running means and variances, and how many batches they have seen.
//!
//! They are apart from the parameters, so that a sampler, which freezes them, sees a loss that is a pure function of w.

use std::sync::Arc;

use tch::{Device, Kind, TchError, Tensor};

use super::network::BufferSpec;

/// The buffers of one network, in the order of [`super::Network::buffers`].
#[derive(Debug)]
pub struct Buffers {
    specs: Arc<[BufferSpec]>,
    tensors: Vec<Tensor>,
}

impl Buffers {
    /// Their initial values, f32 on the CPU; counts are whole numbers.
    pub(super) fn initial(specs: &[BufferSpec]) -> Result<Buffers, TchError> {
        let tensor = |spec: &BufferSpec| {
            let shape: Vec<i64> = spec.shape.iter().map(|&side| side as i64).collect();
            let kind = if spec.is_count { Kind::Int64 } else { Kind::Float };
            Tensor::f_full(shape, spec.initial, (kind, Device::Cpu))
        };
        let tensors = specs.iter().map(tensor).collect::<Result<_, _>>()?;
        Ok(Buffers { specs: specs.into(), tensors })
    }

    /// A copy with memory of its own.
    pub fn try_clone(&self) -> Result<Buffers, TchError> {
        self.map(copy)
    }

    /// A copy of another kind and on another device; counts stay whole numbers on the CPU, where they are read without waiting.
    pub fn to(&self, kind: Kind, device: Device) -> Result<Buffers, TchError> {
        self.map(|tensor| match tensor.kind() {
            Kind::Int64 => copy(tensor),
            _ => tensor.f_to_device_(device, kind, false, true),
        })
    }

    /// The specifications, in order.
    pub fn specs(&self) -> &[BufferSpec] {
        &self.specs
    }

    /// Names and tensors, in order.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.specs.iter().map(|spec| spec.name.as_str()).zip(&self.tensors)
    }

    /// The tensor of that name.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.tensors().find(|(known, _)| *known == name).map(|(_, tensor)| tensor)
    }

    /// Gives the tensor of that name the values of `value`, of whatever kind and device.
    ///
    /// # Errors
    /// [`TchError::Shape`] if there is no such buffer, or its shape is another one.
    pub fn set(&mut self, name: &str, value: &Tensor) -> Result<(), TchError> {
        let unknown = || TchError::Shape(format!("the network has no buffer `{name}`"));
        let index = self.specs.iter().position(|spec| spec.name == name).ok_or_else(unknown)?;
        let tensor = &mut self.tensors[index];
        if tensor.size() != value.size() {
            let (expected, found) = (tensor.size(), value.size());
            return Err(TchError::Shape(format!("buffer `{name}` has shape {expected:?}, not {found:?}")));
        }
        tensor.f_copy_(value)
    }

    /// The `len` tensors from `first`, to be moved.
    pub(super) fn slice_mut(&mut self, first: usize, len: usize) -> &mut [Tensor] {
        &mut self.tensors[first..first + len]
    }

    fn map(&self, copy: impl Fn(&Tensor) -> Result<Tensor, TchError>) -> Result<Buffers, TchError> {
        let tensors = self.tensors.iter().map(copy).collect::<Result<_, _>>()?;
        Ok(Buffers { specs: self.specs.clone(), tensors })
    }
}

fn copy(tensor: &Tensor) -> Result<Tensor, TchError> {
    tensor.f_to_device_(tensor.device(), tensor.kind(), false, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_have_memory_of_their_own_and_counts_stay_whole() {
        let spec = |name: &str, is_count| {
            let shape = if is_count { vec![] } else { vec![2] };
            BufferSpec { name: name.into(), shape, initial: 0.0, is_count }
        };
        let buffers = Buffers::initial(&[spec("mean", false), spec("count", true)]).unwrap();
        let mut copy = buffers.to(Kind::Double, Device::Cpu).unwrap();
        copy.set("mean", &Tensor::from_slice(&[1f32, 2.0])).unwrap();
        assert_eq!(copy.get("mean").unwrap().double_value(&[1]), 2.0);
        assert_eq!(copy.get("count").unwrap().kind(), Kind::Int64);
        assert_eq!(buffers.get("mean").unwrap().double_value(&[1]), 0.0);
        let same_kind = buffers.to(Kind::Float, Device::Cpu).unwrap();
        assert_ne!(same_kind.get("mean").unwrap().data_ptr(), buffers.get("mean").unwrap().data_ptr());
        assert!(copy.set("variance", &Tensor::zeros([2], (Kind::Float, Device::Cpu))).is_err());
        assert!(copy.set("mean", &Tensor::zeros([3], (Kind::Float, Device::Cpu))).is_err());
    }
}
