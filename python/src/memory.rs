//! Keeps parameters in NumPy arrays, which Python sees as they are.

use std::any::Any;

use llc_core::memory::{Host, HostMut, Memory, MemoryError};
use llc_core::params::{FloatType, Params};
use numpy::{Element, PyArray1, PyArrayMethods as _, PyUntypedArrayMethods as _};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

/// The elements of a `llc._evaluator.Buffer`.
#[derive(Debug)]
pub struct BufferMemory {
    /// Owns the array.
    buffer: Py<PyAny>,
    elements: Elements,
}

#[derive(Debug, Clone, Copy)]
enum Elements {
    F32(*mut f32, usize),
    F64(*mut f64, usize),
}

// SAFETY: the elements are owned by `buffer`, which may be held and dropped on any thread. They are reached through a reference to
// `self` alone; Python reads or writes them only while `PythonTarget` calls it, which holds the references for as long.
unsafe impl Send for BufferMemory {}

impl BufferMemory {
    /// The elements of `buffer.array`, a contiguous array of float32 or float64.
    pub fn of(buffer: &Bound<PyAny>) -> PyResult<BufferMemory> {
        let array = buffer.getattr("array")?;
        let elements = match (pointer::<f32>(&array), pointer::<f64>(&array)) {
            (Some((first, len)), _) => Elements::F32(first, len),
            (None, Some((first, len))) => Elements::F64(first, len),
            (None, None) => {
                return Err(PyTypeError::new_err("a buffer holds a contiguous array of float32 or float64"));
            }
        };
        Ok(BufferMemory { buffer: buffer.clone().unbind(), elements })
    }
}

fn pointer<T: Element>(array: &Bound<PyAny>) -> Option<(*mut T, usize)> {
    let array = array.cast::<PyArray1<T>>().ok().filter(|array| array.is_c_contiguous())?;
    Some((array.data(), array.len()))
}

/// The Python object that holds `params`.
pub fn buffer_of(params: &Params) -> Result<&Py<PyAny>, MemoryError> {
    let memory: &dyn Any = params.memory();
    let memory = memory.downcast_ref::<BufferMemory>();
    memory
        .map(|memory| &memory.buffer)
        .ok_or_else(|| MemoryError::new("these parameters are not in a buffer of Python"))
}

impl Memory for BufferMemory {
    fn zeros_like(&self) -> Result<Box<dyn Memory>, MemoryError> {
        let zeros = Python::attach(|py| BufferMemory::of(&self.buffer.bind(py).call_method0("zeros_like")?));
        Ok(Box::new(zeros.map_err(MemoryError::new)?))
    }

    fn float_type(&self) -> FloatType {
        match self.elements {
            Elements::F32(..) => FloatType::F32,
            Elements::F64(..) => FloatType::F64,
        }
    }

    fn host(&self) -> Option<Host<'_>> {
        // SAFETY: `of` has read first element and length from a contiguous array that `self` keeps alive, and NumPy does not move the
        // elements of an array that others refer to.
        Some(match self.elements {
            Elements::F32(first, len) => Host::F32(unsafe { std::slice::from_raw_parts(first, len) }),
            Elements::F64(first, len) => Host::F64(unsafe { std::slice::from_raw_parts(first, len) }),
        })
    }

    fn host_mut(&mut self) -> Option<HostMut<'_>> {
        // SAFETY: as in `host`; `&mut self` rules out another slice of them.
        Some(match self.elements {
            Elements::F32(first, len) => HostMut::F32(unsafe { std::slice::from_raw_parts_mut(first, len) }),
            Elements::F64(first, len) => HostMut::F64(unsafe { std::slice::from_raw_parts_mut(first, len) }),
        })
    }
}
