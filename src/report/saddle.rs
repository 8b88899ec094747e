//! What `llc saddle` reports: λ̂ followed over the training of a deep linear network.

use serde::{Deserialize, Serialize};

use super::{Chains, point};
use crate::diagnostics::nan_for_null;
use crate::llc::LlcEstimate;
use crate::verdict::Verdict;

/// A training with what was estimated along it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Saddle {
    /// Widths, input first.
    pub network: Vec<usize>,
    pub num_parameters: usize,
    /// The teacher's singular values.
    pub teacher: Vec<f64>,
    pub n: usize,
    pub n_beta: f64,
    pub gamma: f64,
    #[serde(flatten)]
    pub chains: Chains,
    pub points: Vec<Point>,
    pub stages: Vec<Stage>,
    /// Steps of the training so far.
    pub num_steps: Option<u64>,
}

/// λ̂ at one step, and what is known there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point {
    pub step: u64,
    #[serde(deserialize_with = "nan_for_null")]
    pub train_loss: f64,
    /// Of the product of all layers, descending.
    pub singular_values: Vec<f64>,
    /// How many of them the loss can tell from zero.
    pub rank: usize,
    /// Aoyagi's λ of that rank.
    pub lambda_exact: f64,
    pub multiplicity: u64,
    /// What encloses the local λ.
    pub lambda_bounds: [f64; 2],
    #[serde(flatten)]
    pub summary: Summary,
    /// Gibbs's estimate, where there is one.
    pub gibbs: Option<Summary>,
}

/// The part of an estimate that each of several hundred points has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    pub llc: LlcEstimate,
    pub epsilon: Vec<f64>,
    #[serde(deserialize_with = "nan_for_null")]
    pub rhat: f64,
    #[serde(deserialize_with = "nan_for_null")]
    pub ess_bulk: f64,
    #[serde(deserialize_with = "nan_for_null")]
    pub virial: f64,
    #[serde(deserialize_with = "nan_for_null")]
    pub variance_ratio: f64,
    #[serde(deserialize_with = "nan_for_null")]
    pub descent: f64,
    pub verdict: Verdict,
    pub reasons: Vec<String>,
    pub num_diverged: usize,
    pub sampling_s: f64,
}

impl Summary {
    /// Whether a chain met a loss that is not finite.
    pub fn has_diverged(&self) -> bool {
        point::has_diverged(&self.reasons)
    }
}

/// A stretch of points of one rank, with means over them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// Steps and ranks are floats in JSON.
    pub from_step: f64,
    pub to_step: f64,
    pub num_points: usize,
    pub rank: f64,
    pub lambda_exact: f64,
    pub lambda_bounds: [f64; 2],
    pub llc: Option<f64>,
    pub llc_gibbs: Option<f64>,
}
