//! What `llc profile` reports: λ̂ and the region that it describes, rung by rung.

use serde::{Deserialize, Serialize};

use super::{Chains, Estimate, Lambda, Scores, dln};
use crate::data::DatasetName;
use crate::diagnostics::nan_for_null;
use crate::observe::Status;

/// λ̂ at one scale.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rung {
    /// Its place on the ladder, from 0.
    pub rung: usize,
    #[serde(flatten)]
    pub estimate: Estimate,
    /// E[nβ·(L − L(w*))] at this scale, where it is known.
    pub llc_exact: Option<f64>,
    /// Half of the 90 % interval, as a share of λ̂.
    #[serde(deserialize_with = "nan_for_null")]
    pub half_width: f64,
    pub has_converged: bool,
    /// Whether it has converged and nothing else is against λ̂.
    pub is_certified: bool,
    #[serde(deserialize_with = "nan_for_null")]
    pub radius: f64,
    /// `radius` over ‖w*‖.
    #[serde(deserialize_with = "nan_for_null")]
    pub relative_radius: f64,
    #[serde(deserialize_with = "nan_for_null")]
    pub llc_per_ln_gamma: f64,
    #[serde(deserialize_with = "nan_for_null")]
    pub llc_per_ln_gamma_mcse: f64,
    #[serde(deserialize_with = "nan_for_null")]
    pub held_by_gamma: f64,
    /// On test data, the mean over the chains' last draws, where there are such data.
    pub test_loss: Option<f64>,
    pub test_accuracy: Option<f64>,
    pub num_rounds: usize,
    /// Draws of a chain, warm-up included.
    pub num_draws: usize,
    /// Steps of all chains.
    pub num_steps: u64,
    pub num_diverged: usize,
    pub seconds: f64,
}

/// A ladder of scales.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    #[serde(flatten)]
    pub subject: Subject,
    /// What falls from rung to rung: `gamma` or `n-beta`.
    pub along: String,
    /// Its value on every rung that was planned.
    pub ladder: Vec<f64>,
    /// nβ, where γ falls.
    pub n_beta: Option<f64>,
    /// γ, where nβ falls.
    pub gamma: Option<f64>,
    /// The half-width that was asked for.
    pub half_width: f64,
    #[serde(flatten)]
    pub chains: Chains,
    /// Parameters that are sampled.
    pub d: usize,
    /// L_n(w*).
    #[serde(deserialize_with = "nan_for_null")]
    pub init_loss: f64,
    /// ‖w*‖.
    #[serde(deserialize_with = "nan_for_null")]
    pub w_star_norm: f64,
    #[serde(deserialize_with = "nan_for_null")]
    pub largest_curvature: f64,
    pub rungs: Vec<Rung>,
    pub num_certified: usize,
    /// Why the ladder ended before its last rung, if it did.
    pub stopped: Option<String>,
    pub timing: Timing,
}

impl Profile {
    /// How a run ended that found this: it failed where every chain of every rung diverged.
    pub fn status(&self, is_interrupted: bool) -> Status {
        let has_failed =
            !self.rungs.is_empty() && self.rungs.iter().all(|rung| rung.num_diverged == self.chains.num_chains);
        match (is_interrupted, has_failed) {
            (true, _) => Status::Interrupted,
            (false, true) => Status::Failed,
            (false, false) => Status::Completed,
        }
    }
}

/// Seconds of all rungs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    pub sampling_s: f64,
}

/// What the ladder is around.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "source", rename_all = "kebab-case")]
pub enum Subject {
    Checkpoint {
        /// The file.
        checkpoint: String,
        /// The network's name.
        network: String,
        data: DatasetName,
        /// Samples that the loss is taken on.
        n: usize,
        num_parameters: usize,
        #[serde(flatten)]
        scores: Scores,
        /// What a reader should know of the checkpoint.
        #[serde(default)]
        notes: Vec<String>,
    },
    /// A model from Python, or a module.
    Model {
        /// Its class, or the file of the module.
        network: String,
        /// Samples that the loss is taken on.
        n: usize,
        num_parameters: usize,
        /// What a reader should know of model and data.
        notes: Vec<String>,
    },
    DeepLinear {
        /// Widths, input first.
        network: Vec<usize>,
        /// How the true network was drawn.
        truth: String,
        n: usize,
        num_parameters: usize,
        #[serde(flatten)]
        known: dln::Known,
    },
    Potential {
        potential: String,
        formula: String,
        #[serde(flatten)]
        lambda: Lambda,
    },
}

impl Subject {
    /// λ, where it is known.
    pub fn lambda(&self) -> Option<&Lambda> {
        match self {
            Subject::Checkpoint { .. } | Subject::Model { .. } => None,
            Subject::DeepLinear { known, .. } => Some(&known.lambda),
            Subject::Potential { lambda, .. } => Some(lambda),
        }
    }
}
