//! Holds one tensor as a checkpoint does: a name, a shape and bytes.

use llc_core::memory::HostMemory;

use super::FormatError;
use crate::dtype::Dtype;

/// A tensor; its elements are in row order, little-endian.
#[derive(Clone, PartialEq)]
pub struct NamedTensor {
    /// Its name, with dots where dicts or layers nest.
    pub name: String,
    /// Its length along each axis.
    pub shape: Vec<usize>,
    /// The format of its elements.
    pub dtype: Dtype,
    /// The elements.
    pub bytes: Vec<u8>,
}

impl NamedTensor {
    /// The tensor of `elements`, as many as `shape` has.
    pub fn from_host(name: &str, shape: &[usize], elements: &HostMemory) -> NamedTensor {
        let (dtype, bytes) = match elements {
            HostMemory::F32(elements) => (Dtype::F32, elements.iter().flat_map(|x| x.to_le_bytes()).collect()),
            HostMemory::F64(elements) => (Dtype::F64, elements.iter().flat_map(|x| x.to_le_bytes()).collect()),
        };
        NamedTensor { name: name.to_owned(), shape: shape.to_vec(), dtype, bytes }
    }

    /// The elements; `None` unless they are f32 or f64.
    pub fn to_host(&self) -> Option<HostMemory> {
        match self.dtype {
            Dtype::F32 => Some(HostMemory::F32(numbers(&self.bytes, f32::from_le_bytes))),
            Dtype::F64 => Some(HostMemory::F64(numbers(&self.bytes, f64::from_le_bytes))),
            _ => None,
        }
    }

    /// Number of its elements.
    pub fn num_elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether the bytes are as many as shape and format say.
    ///
    /// # Errors
    ///
    /// [`FormatError::Length`] if they are not.
    pub fn check(&self) -> Result<(), FormatError> {
        if self.dtype.tensor_bytes(&self.shape) == Some(self.bytes.len()) {
            return Ok(());
        }
        let (tensor, shape) = (self.name.clone(), self.shape.clone());
        Err(FormatError::Length { tensor, shape, dtype: self.dtype, found: self.bytes.len() })
    }
}

/// The numbers of `N` bytes each that `bytes` consist of.
fn numbers<T, const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks::<N>().0.iter().map(|&bytes| number(bytes)).collect()
}

impl std::fmt::Debug for NamedTensor {
    /// Without the elements.
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{} {}{:?}", self.name, self.dtype, self.shape)
    }
}

/// The elements of a strided tensor in row order: element (i, j, …) is number offset + i·strides\[0\] + j·strides\[1\] + … of `storage`.
///
/// `None` where one of them is beyond the storage's end, or where they are more than the storage holds.
pub(super) fn gather(
    storage: &[u8],
    dtype: Dtype,
    offset: usize,
    shape: &[usize],
    strides: &[usize],
) -> Option<Vec<u8>> {
    let size = dtype.size_bytes();
    let num_bytes = dtype.tensor_bytes(shape).filter(|&bytes| bytes <= storage.len())?;
    if num_bytes == 0 {
        return Some(Vec::new());
    }
    let last = shape.iter().zip(strides).try_fold(offset, |place, (&length, &stride)| {
        // No length is 0 here.
        place.checked_add((length - 1).checked_mul(stride)?)
    })?;
    if last.checked_add(1)?.checked_mul(size)? > storage.len() {
        return None;
    }
    if is_contiguous(shape, strides) {
        return Some(storage[offset * size..][..num_bytes].to_vec());
    }
    let mut bytes = Vec::with_capacity(num_bytes);
    let mut index = vec![0; shape.len()];
    while bytes.len() < num_bytes {
        let place = offset + index.iter().zip(strides).map(|(i, stride)| i * stride).sum::<usize>();
        bytes.extend_from_slice(&storage[place * size..][..size]);
        // The next index in row order: the last axis runs fastest.
        for (i, &length) in index.iter_mut().zip(shape).rev() {
            *i += 1;
            if *i < length {
                break;
            }
            *i = 0;
        }
    }
    Some(bytes)
}

/// The strides of a tensor of `shape`, which is known to fit memory, in row order or in Fortran's.
pub(super) fn strides(shape: &[usize], is_fortran: bool) -> Vec<usize> {
    let mut strides = vec![0; shape.len()];
    let mut next = 1usize;
    let mut set = |(stride, &length): (&mut usize, &usize)| {
        *stride = next;
        next = next.saturating_mul(length);
    };
    if is_fortran {
        strides.iter_mut().zip(shape).for_each(&mut set);
    } else {
        strides.iter_mut().zip(shape).rev().for_each(&mut set);
    }
    strides
}

fn is_contiguous(shape: &[usize], actual: &[usize]) -> bool {
    // The stride along an axis of one element means nothing.
    shape.iter().zip(actual).zip(strides(shape, false)).all(|((&length, &actual), row)| length == 1 || actual == row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transposed_matrix_and_every_other_column_come_in_row_order() {
        let storage: Vec<u8> = (0..12).collect();
        assert_eq!(gather(&storage, Dtype::U8, 0, &[3, 2], &[1, 3]).unwrap(), [0, 3, 1, 4, 2, 5]);
        assert_eq!(gather(&storage, Dtype::U8, 4, &[2, 2], &[4, 2]).unwrap(), [4, 6, 8, 10]);
        assert_eq!(gather(&storage, Dtype::U16, 1, &[2, 1], &[3, 9]).unwrap(), [2, 3, 8, 9]);
        assert_eq!(gather(&storage, Dtype::U8, 0, &[2, 3], &strides(&[2, 3], true)).unwrap(), [0, 2, 4, 1, 3, 5]);
    }

    #[test]
    fn what_reaches_beyond_the_storage_or_repeats_it_is_refused() {
        let storage = [0; 12];
        assert!(gather(&storage, Dtype::U8, 1, &[12], &[1]).is_none());
        assert!(gather(&storage, Dtype::U8, 0, &[2, 2], &[11, 1]).is_none());
        assert!(gather(&storage, Dtype::U8, usize::MAX, &[2], &[1]).is_none());
        assert!(gather(&storage, Dtype::U8, 0, &[2, 2], &[usize::MAX, 1]).is_none());
        assert!(gather(&storage, Dtype::U8, 0, &[1 << 60], &[0]).is_none());
        assert!(gather(&storage, Dtype::F64, 0, &[1 << 61], &[1]).is_none());
        assert!(gather(&storage, Dtype::U8, usize::MAX, &[0, 1 << 60], &[0, 0]).unwrap().is_empty());
    }
}
