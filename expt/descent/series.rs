//! Keeps what a descent measured: an epoch's gradient at once, its loss and accuracy when they are known.

use serde::{Deserialize, Serialize};

use llc::train::Evaluation;

/// Measured epochs, in order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Loss and accuracy before the first step.
    pub initial: Option<[f64; 2]>,
    /// The epochs, counted from 0.
    pub epoch: Vec<u64>,
    /// ‖∇L‖ on the last minibatch of each, before its step.
    pub gradient_norm: Vec<f64>,
    /// The loss of all samples after each; of the last epoch perhaps not known yet.
    pub loss: Vec<f64>,
    /// The share that is classified rightly, likewise.
    pub accuracy: Vec<f64>,
}

/// One epoch of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Measured {
    pub epoch: u64,
    pub loss: f64,
    pub accuracy: f64,
    pub gradient_norm: f64,
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

    /// The epochs of which all is known.
    pub fn measured(&self) -> impl DoubleEndedIterator<Item = Measured> {
        (0..self.loss.len()).map(|i| Measured {
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
