//! Turns errors of `tch` into those of the core, and back, for targets that compute with libtorch: no other crate may implement these
//! conversions, since neither side of them is its own.

use tch::TchError;

use crate::kernel::KernelError;
use crate::memory::MemoryError;
use crate::target::TargetError;

/// The first line: the others are a stack of C++ calls.
impl From<TchError> for MemoryError {
    fn from(error: TchError) -> MemoryError {
        MemoryError::new(format!("libtorch: {}", error.to_string().lines().next().unwrap_or_default()))
    }
}

impl From<MemoryError> for TchError {
    fn from(error: MemoryError) -> TchError {
        TchError::Torch(error.to_string())
    }
}

impl From<TchError> for TargetError {
    fn from(error: TchError) -> TargetError {
        TargetError::Memory(error.into())
    }
}

impl From<TchError> for KernelError {
    fn from(error: TchError) -> KernelError {
        KernelError::Memory(error.into())
    }
}
