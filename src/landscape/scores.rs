//! Says how well a network does at one point.

use serde::{Deserialize, Serialize};

use crate::diagnostics::nan_for_null;

/// Loss and accuracy on training and test samples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Mean loss over the training samples.
    #[serde(deserialize_with = "nan_for_null")]
    pub train_loss: f64,
    /// Share of them whose largest output is their label's.
    pub train_accuracy: f64,
    /// Mean loss over the test samples.
    #[serde(deserialize_with = "nan_for_null")]
    pub test_loss: f64,
    /// Standard error of that mean.
    #[serde(deserialize_with = "nan_for_null")]
    pub test_loss_error: f64,
    /// Share of the test samples whose largest output is their label's.
    pub test_accuracy: f64,
}
