//! Keeps what a training's steps measured on the device until it is read: a GPU is asked once for many steps.

use tch::Tensor;

use super::{NetworkTrainer, StepLosses, TrainError};

/// What one step measured, still on the device.
pub(super) struct Unread {
    pub step: u64,
    pub num_samples: u64,
    /// Mean loss, number of samples classified rightly, ‖∇L‖; f64.
    pub measured: Tensor,
}

impl NetworkTrainer {
    /// Reads what the last steps measured, and reports their losses.
    pub(super) fn read(&mut self, on_losses: &mut dyn FnMut(StepLosses)) -> Result<(), TrainError> {
        let unread = std::mem::take(&mut self.unread);
        let Some(first) = unread.first() else { return Ok(()) };
        let first_step = first.step;
        let measured: Vec<&Tensor> = unread.iter().map(|one| &one.measured).collect();
        let measured = Vec::<f64>::try_from(Tensor::f_stack(&measured, 0)?.f_flatten(0, -1)?)?;
        let (rows, _) = measured.as_chunks::<3>();
        let mut loss = Vec::with_capacity(rows.len());
        let mut diverged = None;
        for (one, &[mean, correct, norm]) in unread.iter().zip(rows) {
            loss.push(mean);
            if !mean.is_finite() || !norm.is_finite() {
                diverged = Some((one.step, mean));
                break;
            }
            self.running.num_samples += one.num_samples;
            self.running.loss_sum += mean * one.num_samples as f64;
            self.running.num_correct += correct;
            self.running.gradient_norm = norm;
        }
        on_losses(StepLosses { first_step, loss: &loss });
        match diverged {
            Some((step, loss)) => Err(TrainError::Diverged { step, loss, learning_rate: self.learning_rate_before() }),
            None => Ok(()),
        }
    }
}
