//! What `llc theory` prints as JSON.

use serde::{Deserialize, Serialize};

/// The exact coefficient of a deep linear network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeepLinear {
    pub lambda_true: f64,
    /// The same as a fraction: `67/2`.
    pub lambda_true_exact: String,
    pub multiplicity: u64,
    /// The rank of the product.
    pub rank_true: usize,
    /// Input first.
    pub widths: Vec<usize>,
    pub d: u64,
}
