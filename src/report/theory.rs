//! What `llc theory` prints as JSON.

use serde::{Deserialize, Serialize};

use crate::theory;

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

impl From<&theory::DeepLinear> for DeepLinear {
    fn from(network: &theory::DeepLinear) -> Self {
        let known = network.learning_coefficient();
        Self {
            lambda_true: known.lambda_f64(),
            lambda_true_exact: known.to_string(),
            multiplicity: known.multiplicity,
            rank_true: network.rank(),
            widths: network.widths().to_vec(),
            d: network.num_parameters(),
        }
    }
}
