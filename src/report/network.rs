//! What `llc estimate` and `llc curve` report: λ̂ of a network, at one point or at several of a training.

use serde::{Deserialize, Serialize};

use super::{Chains, Estimate, Scores};
use crate::data::DatasetName;
use crate::diagnostics::nan_for_null;

/// What an estimate around one network finds: a checkpoint or a module of `llc estimate`, or a model that Python handed over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Network {
    /// The file, if there is one: a checkpoint, or a module.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
    /// The network's name, the file of the module, or the class of the model.
    pub network: String,
    /// The dataset, if it is one that `llc` knows by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<DatasetName>,
    /// Samples that the loss is taken on.
    pub n: usize,
    /// Parameters that are sampled.
    pub d: usize,
    /// All parameters.
    pub num_parameters: usize,
    /// L_n(w*).
    #[serde(deserialize_with = "nan_for_null")]
    pub init_loss: f64,
    /// Where they were measured.
    #[serde(flatten)]
    pub scores: Option<Scores>,
    #[serde(flatten)]
    pub chains: Chains,
    #[serde(flatten)]
    pub estimate: Estimate,
}

/// λ̂ at one point of a training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point {
    pub step: u64,
    /// Null where the checkpoint does not say.
    pub epoch: Option<f64>,
    /// Seconds of training until here, where the run trains.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train_s: Option<f64>,
    /// The place among the files, where it is of a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<usize>,
    /// The file, if it is of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
    /// L_n(w*).
    #[serde(deserialize_with = "nan_for_null")]
    pub init_loss: f64,
    #[serde(flatten)]
    pub scores: Option<Scores>,
    #[serde(flatten)]
    pub estimate: Estimate,
}

/// The points of a training, all at one nβ and γ: of `llc curve`, or of several checkpoints of `llc estimate`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// The network's name.
    pub network: String,
    pub num_parameters: usize,
    /// The dataset, if it is one that `llc` knows by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<DatasetName>,
    /// Samples that the loss is taken on.
    pub n: usize,
    pub n_beta: f64,
    pub gamma: f64,
    #[serde(flatten)]
    pub chains: Chains,
    pub points: Vec<Point>,
    #[serde(flatten)]
    pub subject: Subject,
}

/// What is particular to a training or to checkpoints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Subject {
    /// Files of `llc estimate`.
    Checkpoints {
        /// The pattern that names them.
        checkpoint: String,
        /// Parameters that are sampled.
        d: usize,
    },
    /// The training of `llc curve`.
    Training {
        /// Steps that it made.
        num_steps: u64,
        /// Whether the loss compares outputs with labels or with the network's own; version 0.1.0 did not say.
        #[serde(default)]
        loss_around: Option<String>,
    },
}
