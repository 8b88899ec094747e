//! What `llc paths` reports: minima of one network, the loss between them, and λ̂ along the curve that joins them.

use serde::{Deserialize, Serialize};

use super::{Chains, Estimate};
use crate::config::Gamma;
use crate::data::DatasetName;
use crate::diagnostics::nan_for_null;
use crate::landscape::{Profile, Scores};
use crate::model::ModelSpec;

/// What a run found, as far as it came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Paths {
    pub model: ModelSpec,
    /// The network's name.
    pub network: String,
    pub num_parameters: usize,
    pub data: DatasetName,
    pub num_train: usize,
    pub num_test: usize,
    pub minima: Vec<Minimum>,
    pub segments: Vec<Segment>,
    pub curve: Option<Curve>,
    pub plane: Option<Plane>,
    /// Sentences about what there is not.
    #[serde(default)]
    pub notes: Vec<String>,
    pub answers: Vec<Answer>,
    /// The estimates along the curve, where they were asked for.
    #[serde(flatten)]
    pub estimates: Option<Estimates>,
}

/// A trained network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Minimum {
    pub scores: Scores,
    /// Where its training began.
    pub init: Scores,
    pub num_steps: u64,
    pub train_s: f64,
}

/// Scores at every place of a path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Columns {
    pub t: Vec<f64>,
    #[serde(deserialize_with = "nan_for_null")]
    pub train_loss: Vec<f64>,
    pub train_accuracy: Vec<f64>,
    #[serde(deserialize_with = "nan_for_null")]
    pub test_loss: Vec<f64>,
    #[serde(deserialize_with = "nan_for_null")]
    pub test_loss_error: Vec<f64>,
    pub test_accuracy: Vec<f64>,
}

impl Columns {
    /// `scores` at the places `t`.
    pub fn new(t: &[f64], scores: &[Scores]) -> Self {
        let column = |quantity: fn(&Scores) -> f64| scores.iter().map(quantity).collect();
        Self {
            t: t.to_vec(),
            train_loss: column(|at| at.train_loss),
            train_accuracy: column(|at| at.train_accuracy),
            test_loss: column(|at| at.test_loss),
            test_loss_error: column(|at| at.test_loss_error),
            test_accuracy: column(|at| at.test_accuracy),
        }
    }
}

/// What a path does up to t = 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profiles {
    pub train_loss: Profile,
    pub train_error: Profile,
    pub test_loss: Profile,
    pub test_error: Profile,
}

/// The straight way between two points.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// Between what: `minima`, `own-init`, `other-init`, `inits`.
    pub mode: String,
    /// What is at t = 1, and at t = 0.
    pub at_one: String,
    pub at_zero: String,
    pub length: f64,
    #[serde(flatten)]
    pub columns: Columns,
    pub profiles: Profiles,
}

/// The fitted curve between the first two minima.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    pub shape: String,
    pub num_bends: usize,
    /// What is at t = 1, and at t = 0.
    pub at_one: String,
    pub at_zero: String,
    /// Places up to t = 1.
    pub num_within: usize,
    /// Up to there.
    pub length: f64,
    /// From each place to the next.
    pub steps: Vec<f64>,
    #[serde(flatten)]
    pub columns: Columns,
    pub profiles: Profiles,
    /// The largest difference between scores at the ends and at the minima.
    #[serde(deserialize_with = "nan_for_null")]
    pub end_difference: f64,
    pub fit_s: f64,
}

/// The plane through both minima and the bend.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plane {
    /// Coordinates of rows and columns.
    pub grid: Vec<f64>,
    /// Of the two directions.
    pub lengths: [f64; 2],
    /// The minima and the bend in the plane.
    pub points: Vec<[f64; 2]>,
    /// The curve in the plane.
    pub curve: Vec<[f64; 2]>,
    /// Training samples that it is evaluated on.
    pub num_train: usize,
    /// Row by row.
    #[serde(deserialize_with = "nan_for_null")]
    pub train_loss: Vec<Vec<f64>>,
    pub train_accuracy: Vec<Vec<f64>>,
    #[serde(deserialize_with = "nan_for_null")]
    pub test_loss: Vec<Vec<f64>>,
    pub test_accuracy: Vec<Vec<f64>>,
}

/// A question in a word or two, and its answer in a sentence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    pub question: String,
    pub answer: String,
}

/// λ̂ along the curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Estimates {
    pub points: Vec<Point>,
    /// Samples that the loss is taken on.
    pub n: usize,
    pub n_beta: f64,
    /// As it was configured; a point has the number.
    pub gamma: Gamma,
    #[serde(flatten)]
    pub chains: Chains,
}

/// λ̂ at one point of the curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Its place on the curve.
    pub index: usize,
    pub t: f64,
    /// L_n(w*).
    #[serde(deserialize_with = "nan_for_null")]
    pub init_loss: f64,
    #[serde(deserialize_with = "nan_for_null")]
    pub train_loss: f64,
    #[serde(deserialize_with = "nan_for_null")]
    pub test_loss: f64,
    #[serde(flatten)]
    pub estimate: Estimate,
}
