//! Says why a kernel regression has no result.

/// Why there is no fit.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KernelRegressionError {
    /// It was cancelled; what was kept is the last whole iteration's.
    #[error("cancelled")]
    Cancelled,
    /// The matrix is singular to the precision of f64.
    #[error(
        "the kernel matrix of {n} samples at ridge {ridge:e} is singular to rounding: some images are (nearly) the same; \
         give a larger --ridge, such as {suggested:e}, or a larger --bandwidth"
    )]
    Singular { n: usize, ridge: f64, suggested: f64 },
    /// There is not so much memory.
    #[error("{what} needs {needed_gb:.1} GB, but {available_gb:.1} GB are free: {remedy}")]
    Memory { what: String, needed_gb: f64, available_gb: f64, remedy: &'static str },
    /// Errors of libtorch.
    #[error("libtorch: {}", .0.to_string().lines().next().unwrap_or_default())]
    Torch(tch::TchError),
}

impl From<tch::TchError> for KernelRegressionError {
    fn from(error: tch::TchError) -> Self {
        Self::Torch(error)
    }
}

impl KernelRegressionError {
    /// That of a matrix of `n` rows at `ridge`: rounding alone makes eigenvalues of n times the unit of rounding.
    pub(super) fn singular(n: usize, ridge: f64) -> KernelRegressionError {
        KernelRegressionError::Singular { n, ridge, suggested: (10.0 * ridge).max(1e-8) }
    }
}
