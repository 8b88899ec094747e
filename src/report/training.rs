//! What the experiments that train and estimate nothing report: `llc train`, `llc descent` and `llc noisy-weights`.

use serde::{Deserialize, Serialize};

use crate::config::noisy_weights::NoiseConfig;
use crate::data::DatasetName;
use crate::diagnostics::nan_for_null;
use crate::model::ModelSpec;

/// Loss and accuracy on a set of samples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    #[serde(deserialize_with = "nan_for_null")]
    pub loss: f64,
    pub accuracy: f64,
}

#[cfg(feature = "torch")]
impl From<crate::train::Evaluation> for Evaluation {
    fn from(crate::train::Evaluation { loss, accuracy }: crate::train::Evaluation) -> Self {
        Self { loss, accuracy }
    }
}

/// A training of `llc train`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Training {
    pub model: ModelSpec,
    pub d: usize,
    pub data: DatasetName,
    pub n: usize,
    pub num_test: usize,
    /// The share of labels that is drawn again, and that which is not the true one then.
    pub label_corruption: f64,
    pub label_corruption_observed: f64,
    pub num_epochs: u64,
    pub num_steps: u64,
    /// After the last epoch that ended, if one did.
    pub train: Option<Evaluation>,
    pub test: Option<Evaluation>,
    pub test_error: Option<f64>,
    /// Where it met the interpolation threshold, if it did.
    pub threshold: Option<Threshold>,
    pub epochs_to_overfit: Option<u64>,
    /// Minutes.
    pub time_to_overfit: Option<f64>,
    pub runtime_s: f64,
    #[serde(deserialize_with = "nan_for_null")]
    pub samples_per_s: f64,
}

/// Where a training met the interpolation threshold; checkpoints carry it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// Epochs made by then.
    pub epoch: u64,
    /// Seconds of training by then.
    pub runtime_s: f64,
    /// On the test data, there.
    pub test: Evaluation,
}

/// A descent of `llc descent`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Descent {
    pub name: String,
    pub model: ModelSpec,
    pub d: usize,
    pub data: DatasetName,
    pub classes: Vec<String>,
    pub n: usize,
    pub share_of_changed_labels: f64,
    pub loss: String,
    pub batch_size: u64,
    pub num_epochs: u64,
    /// Before the first step.
    pub initial: Option<Evaluation>,
    /// The first and the last epoch that was measured.
    pub first: Option<Epoch>,
    pub last: Option<Epoch>,
    pub best_accuracy: Option<f64>,
    /// The first epoch after which every sample is right.
    pub epochs_to_memorise: Option<u64>,
    /// Files in the record.
    pub outputs: Outputs,
    pub runtime_s: f64,
    #[serde(deserialize_with = "nan_for_null")]
    pub epochs_per_s: f64,
}

/// One epoch of a descent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Counted from 0.
    pub epoch: u64,
    #[serde(deserialize_with = "nan_for_null")]
    pub loss: f64,
    pub accuracy: f64,
    #[serde(deserialize_with = "nan_for_null")]
    pub gradient_norm: f64,
}

/// What a descent leaves in its record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outputs {
    pub initial_model: Option<String>,
    pub model: Option<String>,
    pub losses: String,
    pub accuracies: String,
    pub gradients: String,
}

/// A training with noise on its weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NoisyWeights {
    pub model: ModelSpec,
    pub data: DatasetName,
    pub n: usize,
    pub num_val: usize,
    pub train_label_corruption: f64,
    pub val_label_corruption: f64,
    pub noise: NoiseConfig,
    /// After the last epoch, if there was one.
    pub train: Option<WithInterval>,
    pub val: Option<WithInterval>,
    /// Where there were two phases.
    pub forgotten: Option<Forgotten>,
    pub epochs: Vec<NoisyEpoch>,
}

/// Loss and accuracy with the interval of the latter.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WithInterval {
    #[serde(flatten)]
    pub evaluation: Evaluation,
    pub accuracy_ci90: [f64; 2],
}

/// The accuracy on the validation samples at the end of the first phase and now, and how much of it is gone.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Forgotten {
    pub val_accuracy_before: f64,
    pub val_accuracy_after: f64,
    pub difference: f64,
}

/// One epoch of a training with noise on its weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NoisyEpoch {
    /// Counted from 1, over all phases.
    pub epoch: usize,
    pub phase: String,
    pub learning_rate: f64,
    #[serde(deserialize_with = "nan_for_null")]
    pub weight_norm: f64,
    #[serde(deserialize_with = "nan_for_null")]
    pub gradient_norm: f64,
    pub train_s: f64,
    /// Of the noise, where there is some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean_alpha: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub information: Option<f64>,
    pub train: OnSet,
    pub val: OnSet,
}

/// How an epoch did on one set of samples, and which it has right, compared with the epoch before.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct OnSet {
    #[serde(flatten)]
    pub evaluation: Evaluation,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intersection: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub union: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreement: Option<f64>,
}
