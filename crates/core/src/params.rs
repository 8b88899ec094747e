//! Holds parameters in one flat buffer of consecutive named tensors.
//!
//! A sampler's update is one pass over the flat buffer. Where it lives is a matter of its [`Memory`]: [`Params::zeros`] takes the host's.

use std::sync::Arc;

use crate::memory::{Host, HostMemory, HostMut, Memory, MemoryError};
use crate::rng::Real;
use crate::slices;

/// Names one tensor of a network: its place in records and its shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParamSpec {
    pub name: String,
    pub shape: Vec<i64>,
}

impl ParamSpec {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product::<i64>() as usize
    }

    /// Whether it has no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Which tensors a flat buffer holds, in which order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    specs: Vec<ParamSpec>,
    offsets: Vec<usize>,
}

impl Layout {
    /// Consecutive tensors, in the given order.
    pub fn new(specs: Vec<ParamSpec>) -> Layout {
        let mut offsets = vec![0];
        for spec in &specs {
            offsets.push(offsets[offsets.len() - 1] + spec.len());
        }
        Layout { specs, offsets }
    }

    /// One tensor `name` of `len` elements.
    pub fn vector(name: &str, len: usize) -> Layout {
        Layout::new(vec![ParamSpec { name: name.into(), shape: vec![len as i64] }])
    }

    /// Number of parameters d.
    pub fn num_parameters(&self) -> usize {
        self.offsets[self.specs.len()]
    }

    /// The tensors in order.
    pub fn specs(&self) -> &[ParamSpec] {
        &self.specs
    }

    /// Elements of tensor `index` in the flat buffer.
    pub fn range(&self, index: usize) -> std::ops::Range<usize> {
        self.offsets[index]..self.offsets[index + 1]
    }
}

/// The number format of a flat buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FloatType {
    /// Single precision.
    F32,
    /// Double precision.
    F64,
}

/// Numbers that a flat buffer may consist of.
pub trait Element: Real {
    /// The name of this type.
    const TYPE: FloatType;

    /// The elements of `host`, if they are of this type.
    fn of_host(host: Host<'_>) -> Option<&[Self]>;

    /// The elements of `host` to write, if they are of this type.
    fn of_host_mut(host: HostMut<'_>) -> Option<&mut [Self]>;
}

impl Element for f32 {
    const TYPE: FloatType = FloatType::F32;

    fn of_host(host: Host<'_>) -> Option<&[f32]> {
        match host {
            Host::F32(elements) => Some(elements),
            Host::F64(_) => None,
        }
    }

    fn of_host_mut(host: HostMut<'_>) -> Option<&mut [f32]> {
        match host {
            HostMut::F32(elements) => Some(elements),
            HostMut::F64(_) => None,
        }
    }
}

impl Element for f64 {
    const TYPE: FloatType = FloatType::F64;

    fn of_host(host: Host<'_>) -> Option<&[f64]> {
        match host {
            Host::F64(elements) => Some(elements),
            Host::F32(_) => None,
        }
    }

    fn of_host_mut(host: HostMut<'_>) -> Option<&mut [f64]> {
        match host {
            HostMut::F64(elements) => Some(elements),
            HostMut::F32(_) => None,
        }
    }
}

/// A point in parameter space.
///
/// ```
/// use std::sync::Arc;
/// use llc_core::params::{FloatType, Layout, Params};
///
/// let mut w = Params::zeros(&Arc::new(Layout::vector("w", 3)), FloatType::F64);
/// w.as_mut_slice::<f64>().unwrap()[1] = 2.0;
/// assert_eq!(w.as_slice::<f64>(), Some(&[0.0, 2.0, 0.0][..]));
/// assert_eq!(w.as_slice::<f32>(), None);
/// ```
#[derive(Debug)]
pub struct Params {
    layout: Arc<Layout>,
    memory: Box<dyn Memory>,
}

impl Params {
    /// Zeros in the host's memory.
    pub fn zeros(layout: &Arc<Layout>, float_type: FloatType) -> Params {
        Params::new(layout, Box::new(HostMemory::zeros(float_type, layout.num_parameters())))
    }

    /// The elements of `memory`, as many as `layout` has parameters.
    pub fn new(layout: &Arc<Layout>, memory: Box<dyn Memory>) -> Params {
        Params { layout: layout.clone(), memory }
    }

    /// Zeros of the same layout, type and place.
    ///
    /// # Errors
    /// [`MemoryError`] where there is no room.
    pub fn zeros_like(&self) -> Result<Params, MemoryError> {
        Ok(Params { layout: self.layout.clone(), memory: self.memory.zeros_like()? })
    }

    /// A copy with memory of its own.
    ///
    /// # Errors
    /// [`MemoryError`] where there is no room.
    pub fn try_clone(&self) -> Result<Params, MemoryError> {
        let mut copy = self.zeros_like()?;
        copy.copy_from(self)?;
        Ok(copy)
    }

    /// Takes the values of `other`, which must have the same layout, type and place.
    ///
    /// # Errors
    /// [`MemoryError`] where they have not, or the device fails.
    pub fn copy_from(&mut self, other: &Params) -> Result<(), MemoryError> {
        debug_assert_eq!(self.layout, other.layout);
        if slices::copied::<f64>(self, other).is_some() || slices::copied::<f32>(self, other).is_some() {
            return Ok(());
        }
        match self.memory.device_mut() {
            Some(device) => device.copy_from(other.memory()),
            None => Err(MemoryError::new("parameters can only be copied from parameters of the same type and device")),
        }
    }

    /// The elements in memory of the host.
    ///
    /// # Errors
    /// [`MemoryError`] where the device fails.
    pub fn to_host(&self) -> Result<HostMemory, MemoryError> {
        match (self.memory.host(), self.memory.device()) {
            (Some(Host::F32(elements)), _) => Ok(HostMemory::F32(elements.to_vec())),
            (Some(Host::F64(elements)), _) => Ok(HostMemory::F64(elements.to_vec())),
            (None, Some(device)) => device.to_host(),
            (None, None) => Err(MemoryError::new("this memory can't be read")),
        }
    }

    /// Takes the values of `host`; `None` unless they are as many, and of the same type.
    ///
    /// # Errors
    /// [`MemoryError`] where the device fails.
    pub fn copy_from_host(&mut self, host: &HostMemory) -> Result<Option<()>, MemoryError> {
        let len = match host {
            HostMemory::F32(elements) => elements.len(),
            HostMemory::F64(elements) => elements.len(),
        };
        if len != self.len() || host.float_type() != self.float_type() {
            return Ok(None);
        }
        match (self.memory.host_mut(), host) {
            (Some(HostMut::F32(to)), HostMemory::F32(from)) => to.copy_from_slice(from),
            (Some(HostMut::F64(to)), HostMemory::F64(from)) => to.copy_from_slice(from),
            _ => match self.memory.device_mut() {
                Some(device) => device.copy_from_host(host)?,
                None => return Ok(None),
            },
        }
        Ok(Some(()))
    }

    /// Which tensors these are.
    pub fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// Where the elements live.
    pub fn memory(&self) -> &dyn Memory {
        &*self.memory
    }

    /// The same, to write.
    pub fn memory_mut(&mut self) -> &mut dyn Memory {
        &mut *self.memory
    }

    /// Number of parameters d.
    pub fn len(&self) -> usize {
        self.layout.num_parameters()
    }

    /// Whether there is no parameter.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number format.
    pub fn float_type(&self) -> FloatType {
        self.memory.float_type()
    }

    /// Whether the host can address the elements.
    pub fn is_on_host(&self) -> bool {
        self.memory.host().is_some()
    }

    /// The flat buffer as a slice; `None` unless the host can address it and it is of type `T`.
    pub fn as_slice<T: Element>(&self) -> Option<&[T]> {
        T::of_host(self.memory.host()?)
    }

    /// The flat buffer as a mutable slice; `None` unless the host can address it and it is of type `T`.
    pub fn as_mut_slice<T: Element>(&mut self) -> Option<&mut [T]> {
        T::of_host_mut(self.memory.host_mut()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_lie_one_behind_the_other_and_copies_have_memory_of_their_own() {
        let layout = Arc::new(Layout::new(vec![
            ParamSpec { name: "a".into(), shape: vec![2, 3] },
            ParamSpec { name: "b".into(), shape: vec![4] },
        ]));
        let mut w = Params::zeros(&layout, FloatType::F64);
        let copy = w.try_clone().unwrap();
        w.as_mut_slice::<f64>().unwrap()[7] = 5.0;
        assert_eq!(w.as_slice::<f64>().unwrap()[layout.range(1)], [0.0, 5.0, 0.0, 0.0]);
        assert_eq!(copy.as_slice::<f64>().unwrap(), [0.0; 10]);
        assert!(w.as_slice::<f32>().is_none());
        assert!(w.copy_from(&Params::zeros(&layout, FloatType::F32)).is_err());
        assert_eq!(w.copy_from_host(&HostMemory::F64(vec![1.0; 9])).unwrap(), None);
        assert_eq!(w.copy_from_host(&HostMemory::F64(vec![1.0; 10])).unwrap(), Some(()));
        assert_eq!(w.to_host().unwrap(), HostMemory::F64(vec![1.0; 10]));
    }
}
