//! Defines where the elements of a parameter buffer live: in the host's memory, or wherever a target keeps its own.
//!
//! Samplers run on any [`Memory`]. What the host can address is worked on in slices, by the passes of [`crate::update`]; other memory (a
//! GPU's) has its own passes ([`DevicePasses`]).

use std::any::Any;
use std::fmt;
use std::ops::Range;

use crate::params::FloatType;
use crate::rng::Key;

/// The elements of a flat buffer, all of one type.
///
/// Implementations: [`HostMemory`]; the tensors of the torch side.
pub trait Memory: Any + Send + fmt::Debug {
    /// Zeros of the same number, type and place.
    ///
    /// # Errors
    /// [`MemoryError`] where there is no room.
    fn zeros_like(&self) -> Result<Box<dyn Memory>, MemoryError>;

    /// What type the elements have.
    fn float_type(&self) -> FloatType;

    /// The elements, where the host can address them.
    fn host(&self) -> Option<Host<'_>>;

    /// The elements to write, where the host can address them.
    fn host_mut(&mut self) -> Option<HostMut<'_>>;

    /// The passes of memory that the host can't address.
    fn device(&self) -> Option<&dyn DevicePasses> {
        None
    }

    /// The same, to write.
    fn device_mut(&mut self) -> Option<&mut dyn DevicePasses> {
        None
    }
}

/// Elements that the host can read.
#[derive(Debug, Clone, Copy)]
pub enum Host<'a> {
    /// In single precision.
    F32(&'a [f32]),
    /// In double precision.
    F64(&'a [f64]),
}

/// Elements that the host can read and write.
#[derive(Debug)]
pub enum HostMut<'a> {
    /// In single precision.
    F32(&'a mut [f32]),
    /// In double precision.
    F64(&'a mut [f64]),
}

/// Memory of the host.
#[derive(Debug, Clone, PartialEq)]
pub enum HostMemory {
    /// In single precision.
    F32(Vec<f32>),
    /// In double precision.
    F64(Vec<f64>),
}

impl HostMemory {
    /// `len` zeros.
    pub fn zeros(float_type: FloatType, len: usize) -> HostMemory {
        match float_type {
            FloatType::F32 => HostMemory::F32(vec![0.0; len]),
            FloatType::F64 => HostMemory::F64(vec![0.0; len]),
        }
    }
}

impl Memory for HostMemory {
    fn zeros_like(&self) -> Result<Box<dyn Memory>, MemoryError> {
        let len = match self {
            HostMemory::F32(elements) => elements.len(),
            HostMemory::F64(elements) => elements.len(),
        };
        Ok(Box::new(HostMemory::zeros(self.float_type(), len)))
    }

    fn float_type(&self) -> FloatType {
        match self {
            HostMemory::F32(_) => FloatType::F32,
            HostMemory::F64(_) => FloatType::F64,
        }
    }

    fn host(&self) -> Option<Host<'_>> {
        Some(match self {
            HostMemory::F32(elements) => Host::F32(elements),
            HostMemory::F64(elements) => Host::F64(elements),
        })
    }

    fn host_mut(&mut self) -> Option<HostMut<'_>> {
        Some(match self {
            HostMemory::F32(elements) => HostMut::F32(elements),
            HostMemory::F64(elements) => HostMut::F64(elements),
        })
    }
}

/// What a Langevin move adds to each element: `pull`·g + `back`·(w − w*) + `kick`·N(0, 1).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LangevinMove {
    /// Factor of the gradient.
    pub pull: f64,
    /// Factor of the distance from the centre.
    pub back: f64,
    /// Factor of the noise.
    pub kick: f64,
}

/// The passes of [`crate::update`] over memory that the host can't address. Operands are memory of the same kind and size; sums are formed
/// in f64. Noise comes from the device's generator, seeded from the key.
pub trait DevicePasses {
    /// Takes the values of `other`.
    fn copy_from(&mut self, other: &dyn Memory) -> Result<(), MemoryError>;

    /// A copy on the host.
    fn to_host(&self) -> Result<HostMemory, MemoryError>;

    /// Takes the values of `host`, of the same type.
    fn copy_from_host(&mut self, host: &HostMemory) -> Result<(), MemoryError>;

    /// Fills with independent standard normal numbers.
    fn fill_normal(&mut self, key: Key) -> Result<(), MemoryError>;

    /// y ← a·y.
    fn scale(&mut self, a: f64) -> Result<(), MemoryError>;

    /// y ← y + a·x.
    fn add_scaled(&mut self, a: f64, x: &dyn Memory) -> Result<(), MemoryError>;

    /// y ← y + c_g·g + c_w·(w − w*).
    fn add_potential_gradient(&mut self, c: [f64; 2], g: &dyn Memory, w: [&dyn Memory; 2]) -> Result<(), MemoryError>;

    /// Moves the elements `range`, all of them by `by`, around `w_star`.
    fn langevin(
        &mut self,
        key: Key,
        range: Range<usize>,
        by: LangevinMove,
        g: &dyn Memory,
        w_star: &dyn Memory,
    ) -> Result<(), MemoryError>;

    /// Σ xᵢ·yᵢ over `range`.
    fn dot(&self, range: Range<usize>, other: &dyn Memory) -> Result<f64, MemoryError>;

    /// Σ (xᵢ − yᵢ)² over `range`.
    fn squared_distance(&self, range: Range<usize>, other: &dyn Memory) -> Result<f64, MemoryError>;

    /// Σ (wᵢ − w*ᵢ)·(nβ·gᵢ + γ(wᵢ − w*ᵢ)) over `range`, for w these elements.
    fn virial_term(
        &self,
        range: Range<usize>,
        density: [f64; 2],
        g: &dyn Memory,
        w_star: &dyn Memory,
    ) -> Result<f64, MemoryError>;
}

/// Why memory could not be had or worked on.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct MemoryError(Box<dyn std::error::Error + Send + Sync>);

impl MemoryError {
    /// With `reason` as its text or its cause.
    pub fn new(reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> MemoryError {
        MemoryError(reason.into())
    }
}
