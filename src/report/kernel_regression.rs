//! What `llc kernel-regression` reports: a fit at each number of samples.

use serde::{Deserialize, Serialize};

use crate::data::DatasetName;
use crate::diagnostics::nan_for_null;

/// Fits of the same labels at several numbers of samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KernelRegression {
    pub data: DatasetName,
    pub input_dim: usize,
    pub num_train: usize,
    pub num_test: usize,
    pub bandwidth: f64,
    pub ridge: f64,
    /// The share of labels that is drawn again, and that which is not the true one then.
    pub label_corruption: f64,
    pub label_corruption_observed: f64,
    pub points: Vec<Fit>,
}

/// One fit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    pub n: usize,
    /// `direct`, `iterative` or `both`.
    pub solver: String,
    /// Seconds of the direct solver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direct_s: Option<f64>,
    #[serde(flatten)]
    pub iterative: Option<Iterative>,
    pub test_error: f64,
    pub test_error_ci90: [f64; 2],
    #[serde(deserialize_with = "nan_for_null")]
    pub test_loss: f64,
    pub train_error: f64,
    #[serde(deserialize_with = "nan_for_null")]
    pub train_loss: f64,
    /// The norm of the solution, and that of each class.
    #[serde(deserialize_with = "nan_for_null")]
    pub norm: f64,
    #[serde(deserialize_with = "nan_for_null")]
    pub norms: Vec<f64>,
    #[serde(deserialize_with = "nan_for_null")]
    pub residual: f64,
    /// Between what both solvers predict.
    pub max_difference: Option<f64>,
    pub total_s: f64,
    pub peak_memory_gb: Option<f64>,
}

/// What the iterative solver took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Iterative {
    /// How the kernel was held.
    pub storage: String,
    pub kernel_gb: f64,
    pub num_iterations: u64,
    pub is_converged: bool,
    /// By iteration.
    #[serde(deserialize_with = "nan_for_null")]
    pub residuals: Vec<f64>,
    pub num_inner_steps: Vec<u64>,
    pub iteration_s: Vec<f64>,
    pub iterative_s: f64,
}
