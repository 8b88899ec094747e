//! Runs the training loop: w ← optimiser(w, ∇L on a minibatch), as often as asked.
//!
//! It ends early where it is cancelled, and fails where a loss is not finite: a network that diverged is no network.
//!
//! *Tested by*: gradient descent on a quadratic against its closed form, divergence and cancelling, below.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::Optimizer;
use crate::data::minibatch::Minibatches;
use crate::params::Params;
use crate::rng::Key;
use crate::target::{Batch, Target, TargetError};

/// Longest time between two blocks of losses that a training tells.
const TELL_EVERY: Duration = Duration::from_millis(100);

/// Says how long a training is, and on what.
#[derive(Debug, Clone, Copy)]
pub struct Trainer {
    /// The stream of the minibatches.
    pub key: Key,
    /// Steps.
    pub num_steps: u64,
    /// Samples per step; `None` for all of them, and where the target has none to choose from.
    pub batch_size: Option<usize>,
    /// The learning rate of every step.
    pub learning_rate: f64,
}

/// Consecutive losses of a training, each of the point before its step.
#[derive(Debug, Clone, Copy)]
pub struct Losses<'a> {
    /// Number of the first step, counted from 0.
    pub first_step: u64,
    /// The loss of each step, on its minibatch.
    pub loss: &'a [f64],
}

/// Where a training ended.
#[derive(Debug)]
pub struct Trained {
    /// The trained point.
    pub w: Params,
    /// Steps made; fewer than planned where it was cancelled.
    pub num_steps: u64,
    /// Whether it was cancelled.
    pub is_cancelled: bool,
    /// Seconds that it took.
    pub train_s: f64,
}

/// Says why a training has no end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The loss was no longer finite.
    #[error(
        "the training diverged: its loss is {loss} at step {step}, with learning rate {learning_rate}; try a smaller --learning-rate"
    )]
    Diverged { step: u64, loss: f64, learning_rate: f64 },
    /// The memory does not suffice for a minibatch.
    #[error(
        "out of memory with {batch_size} samples at a time: {}",
        fits.map_or("not even one fits; take a smaller network".to_owned(), |fits| format!("{fits} fit; give --batch-size {fits}"))
    )]
    OutOfMemory { batch_size: usize, fits: Option<u64> },
    /// The samples are none that the network can be trained on.
    #[error("{reason}")]
    Data { reason: String },
    /// A training can't go on from a checkpoint.
    #[error(transparent)]
    Resume(#[from] super::ResumeError),
    /// Libtorch reports an error.
    #[error(transparent)]
    Torch(#[from] tch::TchError),
    /// The loss or its gradient could not be computed.
    #[error(transparent)]
    Target(#[from] TargetError),
}

impl Trainer {
    /// Trains `target` from `start` by `optimizer`, telling the losses of the steps to `tell`.
    ///
    /// # Errors
    /// [`TrainError`].
    pub fn run(
        &self,
        optimizer: &mut dyn Optimizer,
        target: &mut dyn Target,
        start: Params,
        cancel: &AtomicBool,
        tell: &mut dyn FnMut(Losses),
    ) -> Result<Trained, TrainError> {
        let began = Instant::now();
        let mut minibatches = match (self.batch_size, target.num_samples()) {
            (Some(size), Some(n)) => Some(Minibatches::new(self.key, n, size)),
            _ => None,
        };
        let mut w = start;
        let mut grad = w.zeros_like().map_err(TargetError::from)?;
        let mut unsaid = Vec::new();
        let mut last_told = Instant::now();
        let mut step = 0;
        while step < self.num_steps && !cancel.load(Ordering::Relaxed) {
            let batch = match &mut minibatches {
                Some(minibatches) => Batch::Minibatch { key: self.key.step(step), indices: minibatches.at(step) },
                None => Batch::Full,
            };
            let loss = target.loss_and_grad(&w, batch, &mut grad)?;
            unsaid.push(loss);
            let is_over = !loss.is_finite() || step + 1 == self.num_steps;
            if is_over || last_told.elapsed() > TELL_EVERY {
                tell(Losses { first_step: step + 1 - unsaid.len() as u64, loss: &unsaid });
                unsaid.clear();
                last_told = Instant::now();
            }
            if !loss.is_finite() {
                return Err(TrainError::Diverged { step, loss, learning_rate: self.learning_rate });
            }
            optimizer.step(self.learning_rate, &grad, &mut w).map_err(TargetError::from)?;
            step += 1;
        }
        if !unsaid.is_empty() {
            tell(Losses { first_step: step - unsaid.len() as u64, loss: &unsaid });
        }
        // The loss of the last step is of the point before it.
        let loss = target.loss(&w, Batch::Full)?;
        if !loss.is_finite() {
            return Err(TrainError::Diverged { step, loss, learning_rate: self.learning_rate });
        }
        let is_cancelled = step < self.num_steps;
        Ok(Trained { w, num_steps: step, is_cancelled, train_s: began.elapsed().as_secs_f64() })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Adam, Sgd};
    use super::*;
    use crate::target::law::{GradientNoise, Law, LawTarget};

    const CURVATURES: [f64; 3] = [0.5, 2.0, 9.0];

    fn quadratic() -> LawTarget {
        LawTarget::new(Law::Quadratic { curvatures: CURVATURES.to_vec() }, GradientNoise::None, 1.0, 1.0).unwrap()
    }

    fn start(target: &LawTarget) -> Params {
        let mut start = target.local().w_star().try_clone().unwrap();
        start.as_mut_slice::<f64>().unwrap().copy_from_slice(&[1.0, -2.0, 3.0]);
        start
    }

    fn trainer(learning_rate: f64, num_steps: u64) -> Trainer {
        Trainer { key: Key::new(1), num_steps, batch_size: None, learning_rate }
    }

    /// On ½hw² each coordinate obeys w_(t+1) = (1 + μ − ηh)·w_t − μ·w_(t−1): powers of the roots of x² − (1 + μ − ηh)x + μ.
    #[test]
    fn descent_on_a_quadratic_is_the_closed_form_with_and_without_momentum() {
        let (rate, num_steps) = (0.005, 40);
        for momentum in [0.0, 0.5] {
            let mut target = quadratic();
            let from = start(&target);
            let trained = trainer(rate, num_steps)
                .run(&mut Sgd::new(momentum), &mut target, from, &AtomicBool::new(false), &mut |_| {})
                .unwrap();
            let w = trained.w.as_slice::<f64>().unwrap();
            for (i, h) in CURVATURES.into_iter().enumerate() {
                let w_0 = [1.0, -2.0, 3.0][i];
                let (b, t) = (1.0 + momentum - rate * h, num_steps as i32);
                let root = (b * b - 4.0 * momentum).sqrt();
                let (x, y) = (0.5 * (b + root), 0.5 * (b - root));
                // w₀ = p + q and w₁ = (1 − ηh)·w₀ = p·x + q·y.
                let p = w_0 * (1.0 - rate * h - y) / (x - y);
                let expected = p * x.powi(t) + (w_0 - p) * y.powi(t);
                assert!((w[i] - expected).abs() < 1e-12, "μ = {momentum}, h = {h}: {} against {expected}", w[i]);
            }
            assert_eq!((trained.num_steps, trained.is_cancelled), (num_steps, false));
        }
    }

    #[test]
    fn adam_reaches_the_minimum_of_a_quadratic() {
        let mut target = quadratic();
        let (mut w, mut adam) = (start(&target), Adam::new());
        // At a constant rate Adam's steps stay about as large as the rate: it comes down in stages.
        for rate in [0.05, 5e-3, 5e-4, 5e-5, 5e-6] {
            let trainer = trainer(rate, 1000);
            w = trainer.run(&mut adam, &mut target, w, &AtomicBool::new(false), &mut |_| {}).unwrap().w;
        }
        let loss = target.loss(&w, Batch::Full).unwrap();
        assert!(loss < 1e-10, "{loss}");
    }

    #[test]
    fn every_loss_is_told_once_and_in_order() {
        let mut target = quadratic();
        let from = start(&target);
        let (mut told, mut next) = (Vec::new(), 0);
        let mut tell = |losses: Losses| {
            assert_eq!(losses.first_step, next);
            next += losses.loss.len() as u64;
            told.extend_from_slice(losses.loss);
        };
        trainer(0.1, 500).run(&mut Sgd::new(0.0), &mut target, from, &AtomicBool::new(false), &mut tell).unwrap();
        assert_eq!(told.len(), 500);
        assert_eq!(told[0], 0.5 * (0.5 + 2.0 * 4.0 + 9.0 * 9.0));
        assert!(told.is_sorted_by(|a, b| a >= b));
    }

    #[test]
    fn a_step_past_stability_ends_in_an_error_that_names_the_step_and_the_rate() {
        let mut target = quadratic();
        let from = start(&target);
        let mut last = f64::NAN;
        let error = trainer(1.0, 100_000)
            .run(&mut Sgd::new(0.0), &mut target, from, &AtomicBool::new(false), &mut |losses| {
                last = losses.loss[losses.loss.len() - 1];
            })
            .unwrap_err();
        // |1 − ηh| = 8 for h = 9: the square of 8ᵗ overflows at t = 171.
        let TrainError::Diverged { step, learning_rate, .. } = error else { panic!("{error}") };
        assert!((165..175).contains(&step) && learning_rate == 1.0, "{error}");
        assert!(!last.is_finite(), "the loss that ended it is told too: {last}");
    }

    #[test]
    fn a_cancelled_training_says_how_far_it_came() {
        let mut target = quadratic();
        let from = start(&target);
        let trained =
            trainer(0.1, 10).run(&mut Sgd::new(0.0), &mut target, from, &AtomicBool::new(true), &mut |_| {}).unwrap();
        assert_eq!((trained.num_steps, trained.is_cancelled), (0, true));
    }
}
