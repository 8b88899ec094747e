//! What `llc toy` reports: small potentials by every sampler, beside the exact value.

use serde::{Deserialize, Serialize};

use super::Estimate;
use super::profile::Timing;
use crate::diagnostics::nan_for_null;

/// Every potential by every sampler.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Toys {
    pub points: Vec<Point>,
    /// Points that were sampled.
    pub num_compared: usize,
    /// Those that agree with the exact value.
    pub num_agreeing: usize,
    /// Standard errors that λ̂ may be off and still agree.
    pub max_z: f64,
    pub num_chains: usize,
    pub timing: Timing,
}

/// One potential by one sampler.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point {
    pub potential: String,
    pub formula: String,
    /// Null where nβ was given.
    pub n: Option<u64>,
    pub lambda_true: f64,
    pub lambda_true_exact: String,
    pub multiplicity: u64,
    /// E[nβ·K], which λ̂ is compared with.
    pub llc_exact: f64,
    /// What is known of it to leading order.
    #[serde(deserialize_with = "nan_for_null")]
    pub lambda_at_n_beta: f64,
    pub sampler: String,
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What became of a point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Outcome {
    /// It was sampled.
    Compared(Box<Compared>),
    /// The sampler does not fit.
    LeftOut {
        /// Why.
        left_out: String,
        n_beta: f64,
        gamma: f64,
    },
}

/// λ̂ beside the exact value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    #[serde(flatten)]
    pub estimate: Estimate,
    /// (λ̂ − exact value)/mcse.
    #[serde(deserialize_with = "nan_for_null")]
    pub z: f64,
    /// That in a word: `agrees`, `too low`, `too high`, `diverged`, `unknown`.
    pub agreement: String,
    pub num_diverged: usize,
}

impl Point {
    /// nβ and γ.
    pub fn scale(&self) -> [f64; 2] {
        match &self.outcome {
            Outcome::Compared(compared) => [compared.estimate.n_beta, compared.estimate.gamma],
            Outcome::LeftOut { n_beta, gamma, .. } => [*n_beta, *gamma],
        }
    }

    /// What was sampled, if anything was.
    pub fn compared(&self) -> Option<&Compared> {
        match &self.outcome {
            Outcome::Compared(compared) => Some(compared),
            Outcome::LeftOut { .. } => None,
        }
    }
}
