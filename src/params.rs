//! Holds a network's parameters in one flat buffer with an ordered view per tensor.
//!
//! A sampler's update is one pass over the flat buffer; a network's forward pass uses the views, which share its memory.

use std::sync::Arc;

use tch::{Device, Kind, Tensor};

use crate::rng::Real;

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

/// Says which tensors a flat buffer holds, in which order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    specs: Vec<ParamSpec>,
    offsets: Vec<usize>,
}

impl Layout {
    /// Tensors one behind the other, in the order given.
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

/// Numbers that a flat buffer on the CPU may be viewed as.
pub trait Element: Real {
    /// libtorch's name of this type.
    const KIND: Kind;
}

impl Element for f32 {
    const KIND: Kind = Kind::Float;
}

impl Element for f64 {
    const KIND: Kind = Kind::Double;
}

/// Up to so many parameters are copied without libtorch.
const SMALL: usize = 1 << 12;

/// A point in parameter space.
///
/// The views share the buffer's memory, and so does every shallow copy of a tensor that was taken from here. Whoever holds a slice of
/// it must let nobody write through one of these meanwhile; all of this crate's passes take their slices, and give them up, inside
/// one function that calls nothing of libtorch's on the same buffer.
#[derive(Debug)]
pub struct Params {
    layout: Arc<Layout>,
    /// Contiguous; never another tensor, of another kind or elsewhere, than it was made as.
    flat: Tensor,
    /// What libtorch says of `flat`: asking it costs more than a pass over a few parameters.
    kind: Kind,
    device: Device,
    views: Vec<Tensor>,
    /// Views of the matrices with rows and columns exchanged; of anything else, the view itself.
    transposed: Vec<Tensor>,
}

impl Params {
    /// Zeros, on `device`, as f32 or f64 (`kind`).
    pub fn zeros(layout: &Arc<Layout>, kind: Kind, device: Device) -> Result<Params, tch::TchError> {
        let flat = Tensor::f_zeros([layout.num_parameters() as i64], (kind, device))?;
        let mut views: Vec<Tensor> = Vec::with_capacity(layout.specs.len());
        for (index, spec) in layout.specs.iter().enumerate() {
            let range = layout.range(index);
            views.push(flat.f_narrow(0, range.start as i64, range.len() as i64)?.f_view(spec.shape.as_slice())?);
        }
        let turn = |view: &Tensor| if view.dim() == 2 { view.f_tr() } else { view.f_view_as(view) };
        let transposed = views.iter().map(turn).collect::<Result<_, _>>()?;
        Ok(Params { layout: layout.clone(), kind, device: flat.device(), flat, views, transposed })
    }

    /// Zeros of the same layout, kind and device.
    pub fn zeros_like(&self) -> Result<Params, tch::TchError> {
        Params::zeros(&self.layout, self.kind, self.device)
    }

    /// A copy with memory of its own.
    pub fn try_clone(&self) -> Result<Params, tch::TchError> {
        self.to(self.kind, self.device)
    }

    /// A copy of another kind or on another device.
    pub fn to(&self, kind: Kind, device: Device) -> Result<Params, tch::TchError> {
        let mut copy = Params::zeros(&self.layout, kind, device)?;
        copy.copy_from(self)?;
        Ok(copy)
    }

    /// Takes the values of `other`, which must have the same layout.
    pub fn copy_from(&mut self, other: &Params) -> Result<(), tch::TchError> {
        debug_assert_eq!(self.layout, other.layout);
        if self.len() <= SMALL
            && let (Some(to), Some(from)) = (self.as_mut_slice::<f64>(), other.as_slice::<f64>())
        {
            to.copy_from_slice(from);
            return Ok(());
        }
        self.flat.f_copy_(&other.flat)
    }

    /// Which tensors these are.
    pub fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// All elements, shape `[d]`.
    pub fn flat(&self) -> &Tensor {
        &self.flat
    }

    /// Tensor `index`, in its own shape; it shares memory with [`Params::flat`].
    pub fn view(&self, index: usize) -> &Tensor {
        &self.views[index]
    }

    /// The matrix of index `index` with rows and columns exchanged, a view of the same memory; a tensor of another order as it is.
    pub fn transposed(&self, index: usize) -> &Tensor {
        &self.transposed[index]
    }

    /// All tensors in order.
    pub fn views(&self) -> &[Tensor] {
        &self.views
    }

    /// Number of parameters d.
    pub fn len(&self) -> usize {
        self.layout.num_parameters()
    }

    /// Whether there is no parameter.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// f32 or f64.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Where the buffer lives.
    pub fn device(&self) -> Device {
        self.device
    }

    /// The flat buffer as a slice; `None` unless it is on the CPU and of type `T`.
    pub fn as_slice<T: Element>(&self) -> Option<&[T]> {
        if self.device != Device::Cpu || self.kind != T::KIND {
            return None;
        }
        if self.is_empty() {
            return Some(&[]);
        }
        // SAFETY: as in `tensor_slice`; `flat` is what it was made as, and has as many elements as its layout.
        Some(unsafe { std::slice::from_raw_parts(self.flat.data_ptr().cast(), self.len()) })
    }

    /// The flat buffer as a mutable slice; `None` unless it is on the CPU and of type `T`.
    pub fn as_mut_slice<T: Element>(&mut self) -> Option<&mut [T]> {
        if self.device != Device::Cpu || self.kind != T::KIND {
            return None;
        }
        if self.is_empty() {
            return Some(&mut []);
        }
        // SAFETY: as in `tensor_slice_mut`; `flat` is what it was made as, and has as many elements as its layout.
        Some(unsafe { std::slice::from_raw_parts_mut(self.flat.data_ptr().cast(), self.len()) })
    }
}

/// The elements of a contiguous CPU tensor of type `T`, in row order; `None` for any other tensor.
pub(crate) fn tensor_slice<T: Element>(tensor: &Tensor) -> Option<&[T]> {
    if tensor.device() != Device::Cpu || tensor.kind() != T::KIND || !tensor.is_contiguous() {
        return None;
    }
    if tensor.numel() == 0 {
        return Some(&[]);
    }
    // SAFETY: not empty, contiguous, on the CPU and of type T, as just checked; it lives as long as the borrowed tensor, and nobody
    // writes through an alias meanwhile (see `Params`).
    Some(unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast(), tensor.numel()) })
}

/// As [`tensor_slice`], to write.
pub(crate) fn tensor_slice_mut<T: Element>(tensor: &mut Tensor) -> Option<&mut [T]> {
    if tensor.device() != Device::Cpu || tensor.kind() != T::KIND || !tensor.is_contiguous() {
        return None;
    }
    if tensor.numel() == 0 {
        return Some(&mut []);
    }
    // SAFETY: not empty, contiguous, on the CPU and of type T, as just checked; borrowed mutably, and nobody reads or writes through
    // an alias meanwhile (see `Params`).
    Some(unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast(), tensor.numel()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_share_the_flat_buffer_and_copies_do_not() {
        let layout = Arc::new(Layout::new(vec![
            ParamSpec { name: "a".into(), shape: vec![2, 3] },
            ParamSpec { name: "b".into(), shape: vec![4] },
        ]));
        let mut w = Params::zeros(&layout, Kind::Double, Device::Cpu).unwrap();
        let copy = w.try_clone().unwrap();
        w.as_mut_slice::<f64>().unwrap()[7] = 5.0;
        assert_eq!(w.view(1).double_value(&[1]), 5.0);
        assert_eq!(copy.view(1).double_value(&[1]), 0.0);
        assert_eq!(layout.range(1), 6..10);
        assert!(w.as_slice::<f32>().is_none());
    }
}
