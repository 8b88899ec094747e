//! Averages what the steps of an epoch measure, as they come.

use super::Evaluation;

/// What the steps of an epoch measured so far: each minibatch counts as the network was before its step.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Running {
    /// Samples.
    pub num_samples: u64,
    /// Sum of their losses.
    pub loss_sum: f64,
    /// How many of them were classified rightly.
    pub num_correct: f64,
    /// ‖∇L‖ on the last minibatch.
    pub gradient_norm: f64,
}

impl Running {
    /// Means over the samples so far; NaN before the first.
    pub fn evaluation(&self) -> Evaluation {
        let n = self.num_samples as f64;
        Evaluation { loss: self.loss_sum / n, accuracy: self.num_correct / n }
    }
}

/// Consecutive losses of a training, each on its minibatch before its step.
#[derive(Debug, Clone, Copy)]
pub struct StepLosses<'a> {
    /// Number of the first step, counted from 0.
    pub first_step: u64,
    /// The loss of each step.
    pub loss: &'a [f64],
}
