//! Keeps what a descent measured: an epoch's gradient at once, its loss and accuracy when they are known.

use llc::diagnostics::nan_for_null;
use llc::report::training::Epoch;
use llc::train::Evaluation;
use serde::{Deserialize, Serialize};

/// Measured epochs, in order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Loss and accuracy before the first step.
    pub initial: Option<[f64; 2]>,
    /// The epochs, counted from 0.
    pub epoch: Vec<u64>,
    /// ‖∇L‖ on the last minibatch of each, before its step.
    #[serde(deserialize_with = "nan_for_null")]
    pub gradient_norm: Vec<f64>,
    /// The loss of all samples after each; of the last epoch perhaps not known yet.
    #[serde(deserialize_with = "nan_for_null")]
    pub loss: Vec<f64>,
    /// The share that is classified rightly, likewise.
    pub accuracy: Vec<f64>,
}

impl Series {
    /// Whether the last epoch waits for its loss.
    pub fn is_waiting(&self) -> bool {
        self.loss.len() < self.epoch.len()
    }

    /// Adds an epoch with its gradient.
    pub fn begin(&mut self, epoch: u64, gradient_norm: f64) {
        self.epoch.push(epoch);
        self.gradient_norm.push(gradient_norm);
    }

    /// Adds the loss and accuracy of the epoch that waits for them.
    pub fn complete(&mut self, Evaluation { loss, accuracy }: Evaluation) {
        self.loss.push(loss);
        self.accuracy.push(accuracy);
    }

    /// The complete epochs.
    pub fn measured(&self) -> impl DoubleEndedIterator<Item = Epoch> {
        (0..self.loss.len()).map(|i| Epoch {
            epoch: self.epoch[i],
            loss: self.loss[i],
            accuracy: self.accuracy[i],
            gradient_norm: self.gradient_norm[i],
        })
    }

    /// The same as comma-separated values.
    pub fn csv(&self) -> anyhow::Result<Vec<u8>> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        self.measured().try_for_each(|measured| writer.serialize(measured))?;
        Ok(writer.into_inner().map_err(csv::IntoInnerError::into_error)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_none_survive_being_kept() {
        let mut series = Series::default();
        series.begin(0, f64::INFINITY);
        series.complete(Evaluation { loss: f64::NAN, accuracy: 0.5 });
        let read: Series = serde_json::from_value(serde_json::json!(series)).unwrap();
        assert!(read.loss[0].is_nan() && read.gradient_norm[0].is_nan());
        assert_eq!((read.epoch, read.accuracy), (vec![0], vec![0.5]));
    }
}
