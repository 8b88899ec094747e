//! Reads PyTorch's tensors as pickles hold them: a place in a storage, whose numbers lie outside the pickle.

use super::value::{Id, Node, Pickle};
use crate::dtype::Dtype;

/// A run of numbers of one format, which the file holds apart from the pickle, under `key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// Its name in the file.
    pub key: String,
    /// The format of its elements.
    pub dtype: Dtype,
    /// How many elements the pickle says that it has.
    pub num_elements: usize,
}

/// A tensor as the pickle gives it.
#[derive(Debug, Clone)]
pub(super) struct TensorNode {
    storage: Id,
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

/// A tensor: element (i, j, …) is number offset + i·strides\[0\] + j·strides\[1\] + … of its storage.
#[derive(Debug, Clone, Copy)]
pub struct TensorView<'a> {
    /// Where its numbers are.
    pub storage: &'a Storage,
    /// The number of its first element.
    pub offset: usize,
    /// Its length along each axis.
    pub shape: &'a [usize],
    /// How far the next element along each axis is; as many as `shape` has.
    pub strides: &'a [usize],
}

impl Storage {
    /// The storage of a persistent id: ('storage', class, key, device, number of elements, …).
    pub(super) fn from_persistent_id(pickle: &Pickle, id: Id) -> Result<Storage, &'static str> {
        let (class, key, num_elements) = match pickle.sequence(id) {
            Some(&[tag, class, key, _device, num_elements]) if pickle.value(tag).as_str() == Some("storage") => {
                (class, key, num_elements)
            }
            Some(&[tag, class, key, _device, num_elements, view]) if pickle.value(tag).as_str() == Some("storage") => {
                if !pickle.value(view).is_none() {
                    return Err("a storage is part of another; load the file in PyTorch and save it again");
                }
                (class, key, num_elements)
            }
            _ => return Err("a persistent id is not a PyTorch storage"),
        };
        let Node::Global(super::global::Global::StorageClass(dtype)) = *pickle.node(class) else {
            return Err("a storage has an unknown class");
        };
        let key = pickle.value(key).as_str().ok_or("a storage's key is not text")?.to_owned();
        let num_elements = pickle.size(num_elements).ok_or("a storage's length is not a number")?;
        Ok(Storage { key, dtype, num_elements })
    }
}

impl TensorNode {
    /// The tensor of `_rebuild_tensor`'s arguments: (storage, offset, shape, strides, …).
    pub fn new(pickle: &Pickle, arguments: &[Id]) -> Result<TensorNode, &'static str> {
        let &[storage, offset, shape, strides, ..] = arguments else {
            return Err("expected (storage, offset, shape, strides, …)");
        };
        if !matches!(pickle.node(storage), Node::Storage(_)) {
            return Err("a tensor's storage is missing");
        }
        let offset = pickle.size(offset).ok_or("a tensor's offset is not a number")?;
        let shape = pickle.sizes(shape).ok_or("a tensor's shape is not a tuple of lengths")?;
        let strides = pickle.sizes(strides).ok_or("a tensor's strides are not a tuple of numbers")?;
        if shape.len() != strides.len() {
            return Err("a tensor has different numbers of strides and axes");
        }
        Ok(TensorNode { storage, offset, shape, strides })
    }

    pub fn view<'a>(&'a self, pickle: &'a Pickle<'a>) -> Option<TensorView<'a>> {
        let Node::Storage(storage) = pickle.node(self.storage) else { return None };
        Some(TensorView { storage, offset: self.offset, shape: &self.shape, strides: &self.strides })
    }
}
