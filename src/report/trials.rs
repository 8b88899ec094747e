//! What `llc rescaling` and `llc mala-vs-sgld` report: λ̂ of many chains of small networks, and its means over seeds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::config::Precision;
use crate::config::rescaling::Preconditioner;
use crate::diagnostics::{Trend, nan_for_null};

/// One chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    pub seed: u64,
    #[serde(deserialize_with = "nan_for_null")]
    pub llc: f64,
    #[serde(deserialize_with = "nan_for_null")]
    pub llc_mcse: f64,
    #[serde(deserialize_with = "nan_for_null")]
    pub ci90: [f64; 2],
    pub epsilon: Option<f64>,
    pub acceptance: Option<f64>,
    #[serde(deserialize_with = "nan_for_null")]
    pub variance_ratio: f64,
    #[serde(deserialize_with = "nan_for_null")]
    pub virial: f64,
    pub trend: Trend,
    #[serde(deserialize_with = "nan_for_null")]
    pub radius: f64,
    #[serde(deserialize_with = "nan_for_null")]
    pub ess_bulk: f64,
    pub num_steps: u64,
    pub sampling_s: f64,
    pub has_diverged: bool,
}

/// A mean over seeds, of those that did not diverge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OverSeeds {
    #[serde(deserialize_with = "nan_for_null")]
    pub mean: f64,
    #[serde(deserialize_with = "nan_for_null")]
    pub standard_error: f64,
    #[serde(deserialize_with = "nan_for_null")]
    pub ci90: [f64; 2],
    pub num_seeds: usize,
    /// NaN for a seed that diverged or was not run to its end.
    #[serde(deserialize_with = "nan_for_null")]
    pub per_seed: Vec<f64>,
}

/// λ̂ of networks rescaled without changing their function.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rescaling {
    pub preconditioner: Preconditioner,
    pub precision: Precision,
    pub n: usize,
    pub n_beta: f64,
    pub gamma: f64,
    pub num_draws: usize,
    pub num_warmup: usize,
    pub points: Vec<Rescaled>,
    /// By network, the largest relative difference of a seed's λ̂ between a factor and the factor nearest to 1; null where there is none.
    pub spread: BTreeMap<String, Option<f64>>,
}

/// One network at one factor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rescaled {
    /// Its widths: `10-20-10`.
    pub network: String,
    pub d: usize,
    pub factor: f64,
    pub llc: OverSeeds,
    pub num_diverged: usize,
    pub trials: Vec<Trial>,
}

/// Samplers on the same networks and data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    pub d: usize,
    pub gamma: f64,
    /// Step size of SGLD and MALA.
    pub epsilon: f64,
    pub precision: Precision,
    pub points: Vec<Sampled>,
}

/// One sampler at one number of samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sampled {
    pub n: usize,
    pub n_beta: f64,
    pub sampler: String,
    pub num_draws: usize,
    pub num_warmup: usize,
    pub llc: OverSeeds,
    pub acceptance: OverSeeds,
    pub sampling_s: OverSeeds,
    pub num_diverged: usize,
    pub trials: Vec<Trial>,
}
