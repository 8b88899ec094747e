//! What `llc dln` reports: λ̂ of a deep linear network beside its exact λ, at w* and where a training ended.

use serde::{Deserialize, Serialize};

use super::{Chains, Estimate, Judgement, Lambda};
use crate::diagnostics::nan_for_null;
use crate::observe::Status;
use crate::wbic_slope::WbicSlope;

/// What a run found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dln {
    /// Widths, input first.
    pub network: Vec<usize>,
    /// How the true network was drawn.
    pub truth: String,
    pub n: usize,
    pub d: usize,
    #[serde(flatten)]
    pub chains: Chains,
    #[serde(flatten)]
    pub known: Known,
    /// What is known exactly of λ̂ at this nβ.
    #[serde(deserialize_with = "nan_for_null")]
    pub lambda_at_n_beta: f64,
    /// (λ̂ − λ)/λ.
    #[serde(deserialize_with = "nan_for_null")]
    pub relative_error: f64,
    /// L_n(w*).
    pub init_loss: f64,
    #[serde(flatten)]
    pub point: Point,
    /// What was found where the training ended, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trained: Option<Trained>,
}

/// What is known of a deep linear network exactly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Known {
    #[serde(flatten)]
    pub lambda: Lambda,
    /// What encloses the local λ.
    pub lambda_bounds: [f64; 2],
    pub rank_true: usize,
    pub rank_resolved: usize,
}

/// What was measured at one point; what was not asked for is left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point {
    #[serde(flatten)]
    pub estimate: Estimate,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub llc_wbic_slope: Option<WbicSlope>,
    /// Root mean square distance from w* of each layer; null where the chains were interrupted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distance_per_layer: Option<Option<Vec<f64>>>,
    /// The rank of the Jacobian; null where it was too large.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub functional_rank: Option<Option<usize>>,
    /// Null where a signal came before two probes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hessian_trace: Option<Option<HessianTrace>>,
}

/// The trace of the Hessian with its standard error.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct HessianTrace {
    #[serde(deserialize_with = "nan_for_null")]
    pub mean: f64,
    #[serde(deserialize_with = "nan_for_null")]
    pub mcse: f64,
    pub num_probes: usize,
}

/// The point where the training ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trained {
    #[serde(flatten)]
    pub training: Training,
    pub status: Status,
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What is known of the training, as far as it came.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Training {
    pub train_loss: Option<f64>,
    /// ‖w − w*‖.
    pub distance: Option<f64>,
    pub num_steps: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train_s: Option<f64>,
}

/// The estimate at the trained point, or why there is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Outcome {
    Estimated(Box<Point>),
    Nothing {
        /// Null in JSON.
        llc: (),
        #[serde(flatten)]
        judgement: Judgement,
    },
}

impl Outcome {
    /// What was judged, an estimate or not.
    pub fn judgement(&self) -> &Judgement {
        match self {
            Outcome::Estimated(point) => &point.estimate.judgement,
            Outcome::Nothing { judgement, .. } => judgement,
        }
    }
}
