//! Runs the training loop: w ← optimiser(w, ∇L on a minibatch), for a given number of steps.
//!
//! It ends early where it is cancelled, and fails where a loss is not finite: a network that diverged is not a network. Now and then it keeps
//! where it is in the run's journal, and continues from there where the run was killed.
//!
//! *Tested by*: gradient descent on a quadratic against its closed form, divergence and cancelling, below.

use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use llc_core::target::{Batch, Target, TargetError};
use serde_json::{Map, Value, json};

use super::{Optimizer, OptimizerState};
use crate::checkpoint::{Checkpoint, Header, NamedTensor};
use crate::data::minibatch::Minibatches;
use crate::journal::{Entry, JournalError};
use crate::params::Params;
use crate::rng::Key;

use crate::tensors::Tensors;

/// Longest time between two reports of losses.
const REPORT_EVERY: Duration = Duration::from_millis(100);

/// The length and the data of a training.
#[derive(Debug, Clone, Copy)]
pub struct Trainer {
    /// The stream of the minibatches.
    pub key: Key,
    /// Steps made before the start, 0 except for a training in parts: earlier entries of the journal are skipped.
    pub first_step: u64,
    /// Steps, including those before the start.
    pub num_steps: u64,
    /// Whether another part follows: the next part then repeats the write of this one's final state, if that fails at once.
    pub has_next: bool,
    /// Samples per step; `None` for all of them, and for a target without samples.
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

/// Progress of a training.
#[derive(Debug, Clone, Copy)]
pub enum Progress<'a> {
    /// The losses of steps made.
    Losses(Losses<'a>),
    /// It is about to write to the journal.
    Saving,
}

/// Where a training ended.
#[derive(Debug)]
pub struct Trained {
    /// The trained point.
    pub w: Params,
    /// Steps made; fewer than planned if it was cancelled.
    pub num_steps: u64,
    /// Whether it was cancelled.
    pub is_cancelled: bool,
    /// Seconds that it took.
    pub train_s: f64,
}

/// Why a training failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The loss was no longer finite.
    #[error(
        "the training diverged: its loss is {loss} at step {step}, with learning rate {learning_rate}; try a smaller --learning-rate"
    )]
    Diverged { step: u64, loss: f64, learning_rate: f64 },
    /// There is not enough memory for a minibatch.
    #[error(
        "out of memory with {batch_size} samples at a time: {}",
        fits.map_or("not even one fits; use a smaller network".to_owned(), |fits| format!("{fits} fit; give --batch-size {fits}"))
    )]
    OutOfMemory { batch_size: usize, fits: Option<u64> },
    /// The network can't be trained on these samples.
    #[error("{reason}")]
    Data { reason: String },
    /// The training's state can't be saved, or the saved state can't be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A training can't continue from a checkpoint.
    #[error(transparent)]
    Resume(#[from] super::ResumeError),
    /// libtorch's own error (first line).
    #[error("libtorch: {}", .0.to_string().lines().next().unwrap_or_default())]
    Torch(tch::TchError),
    /// An operation on the memory of parameters failed.
    #[error(transparent)]
    Memory(#[from] llc_core::memory::MemoryError),
    /// The loss or its gradient could not be computed.
    #[error(transparent)]
    Target(#[from] TargetError),
}

impl From<tch::TchError> for TrainError {
    fn from(error: tch::TchError) -> Self {
        Self::Torch(error)
    }
}

impl Trainer {
    /// Trains `target` with `optimizer` from `start`, or from the saved state in `entry`, and reports progress to `on_progress`.
    ///
    /// # Errors
    /// [`TrainError`].
    pub fn run(
        &self,
        optimizer: &mut dyn Optimizer,
        target: &mut dyn Target,
        start: Params,
        entry: &mut Entry,
        cancel: &AtomicBool,
        on_progress: &mut dyn FnMut(Progress),
    ) -> Result<Trained, TrainError> {
        let began = Instant::now();
        let mut minibatches = match (self.batch_size, target.num_samples()) {
            (Some(size), Some(n)) => Some(Minibatches::new(self.key, n, size)),
            _ => None,
        };
        let mut w = start;
        let (mut step, before_s) =
            restored(entry, self.first_step..=self.num_steps, optimizer, &mut w)?.unwrap_or((self.first_step, 0.0));
        let train_s = || before_s + began.elapsed().as_secs_f64();
        let mut grad = w.zeros_like().map_err(TargetError::from)?;
        let mut unreported = Vec::new();
        let mut last_reported = Instant::now();
        while step < self.num_steps && !cancel.load(Ordering::Relaxed) {
            let batch = match &mut minibatches {
                Some(minibatches) => Batch::Minibatch { key: self.key.step(step), indices: minibatches.at(step) },
                None => Batch::Full,
            };
            let loss = target.loss_and_grad(&w, batch, &mut grad)?;
            unreported.push(loss);
            let is_over = !loss.is_finite() || step + 1 == self.num_steps;
            let is_due = entry.is_due();
            if is_over || is_due || last_reported.elapsed() > REPORT_EVERY {
                on_progress(Progress::Losses(Losses {
                    first_step: step + 1 - unreported.len() as u64,
                    loss: &unreported,
                }));
                unreported.clear();
                last_reported = Instant::now();
            }
            if !loss.is_finite() {
                return Err(TrainError::Diverged { step, loss, learning_rate: self.learning_rate });
            }
            optimizer.step(self.learning_rate, &grad, &mut w).map_err(TargetError::from)?;
            step += 1;
            if is_due {
                on_progress(Progress::Saving);
                entry.write(content(step, train_s(), optimizer, &w)?)?;
            }
        }
        if !unreported.is_empty() {
            on_progress(Progress::Losses(Losses { first_step: step - unreported.len() as u64, loss: &unreported }));
        }
        let is_cancelled = step < self.num_steps;
        if entry.is_kept() {
            on_progress(Progress::Saving);
            let content = content(step, train_s(), optimizer, &w)?;
            match self.has_next && !is_cancelled {
                true => entry.write(content)?,
                false => entry.write_now(content)?,
            }
        }
        // The loss of the last step is of the point before it.
        let loss = target.loss(&w, Batch::Full)?;
        if !loss.is_finite() {
            return Err(TrainError::Diverged { step, loss, learning_rate: self.learning_rate });
        }
        Ok(Trained { w, num_steps: step, is_cancelled, train_s: train_s() })
    }
}

// Names in an entry.
const POINT: &str = "w";
const OPTIMIZER: &str = "optimizer.";
const STEP: &str = "step";
const OPTIMIZER_STEPS: &str = "optimizer_steps";
const TRAIN_S: &str = "train_s";

/// The contents of an entry after `step` steps.
fn content(step: u64, train_s: f64, optimizer: &dyn Optimizer, w: &Params) -> Result<Checkpoint, tch::TchError> {
    let OptimizerState { num_steps, tensors } = optimizer.state();
    let facts = [(STEP, json!(step)), (TRAIN_S, json!(train_s)), (OPTIMIZER_STEPS, json!(num_steps))];
    let facts = Map::from_iter(facts.map(|(name, value)| (name.to_owned(), value)));
    let mut named = vec![NamedTensor::from_tensor(POINT, w.flat())?];
    for (name, tensor) in tensors {
        named.push(NamedTensor::from_tensor(&format!("{OPTIMIZER}{name}"), &tensor)?);
    }
    Ok(Checkpoint { header: Header { model: None, facts }, tensors: named })
}

/// Restores `optimizer` and `w` from `entry`, and returns the steps made and the seconds they took. `None` if it has no state within
/// `steps`: an entry may be missing, since a failed write is not an error at once, or be ahead of the other saved states.
fn restored(
    entry: &Entry,
    steps: RangeInclusive<u64>,
    optimizer: &mut dyn Optimizer,
    w: &mut Params,
) -> Result<Option<(u64, f64)>, TrainError> {
    let Some(content) = entry.read()? else { return Ok(None) };
    let incomplete = |what| TrainError::from(entry.incomplete(what));
    let fact = |name: &str| content.header.facts.get(name);
    let step = fact(STEP).and_then(Value::as_u64).ok_or_else(|| incomplete(STEP))?;
    if !steps.contains(&step) {
        return Ok(None);
    }
    let num_steps = fact(OPTIMIZER_STEPS).and_then(Value::as_i64).ok_or_else(|| incomplete(OPTIMIZER_STEPS))?;
    let mut state = OptimizerState { num_steps: num_steps as i32, tensors: Vec::new() };
    let mut has_point = false;
    for tensor in &content.tensors {
        let read = tensor.to_tensor()?;
        if read.size() != [w.len() as i64] || read.kind() != w.kind() {
            return Err(incomplete(POINT));
        }
        match tensor.name.strip_prefix(OPTIMIZER) {
            Some(name) => state.tensors.push((name.to_owned(), read.f_to_device(w.device())?)),
            None => {
                w.flat().shallow_clone().f_copy_(&read)?;
                has_point = true;
            }
        }
    }
    if !has_point {
        return Err(incomplete(POINT));
    }
    optimizer.restore(&state)?;
    Ok(Some((step, fact(TRAIN_S).and_then(Value::as_f64).unwrap_or_default())))
}

#[cfg(test)]
mod tests {
    use super::super::{Adam, Sgd};
    use super::*;
    use crate::journal::{Journal, Pace};
    use llc_core::target::law::{GradientNoise, Law, LawTarget};

    const CURVATURES: [f64; 3] = [0.5, 2.0, 9.0];

    fn quadratic() -> LawTarget {
        LawTarget::new(Law::Quadratic { curvatures: CURVATURES.to_vec() }, GradientNoise::None, 1.0, 1.0).unwrap()
    }

    fn start(target: &LawTarget) -> Params {
        let layout = target.local().w_star().layout();
        let mut start = Params::zeros_on(layout, tch::Kind::Double, tch::Device::Cpu).unwrap();
        start.as_mut_slice::<f64>().unwrap().copy_from_slice(&[1.0, -2.0, 3.0]);
        start
    }

    /// An entry that saves nothing.
    fn none() -> Entry {
        Journal::default().entry("training")
    }

    fn trainer(learning_rate: f64, num_steps: u64) -> Trainer {
        Trainer { key: Key::new(1), first_step: 0, num_steps, has_next: false, batch_size: None, learning_rate }
    }

    /// On ½hw² each coordinate obeys w_(t+1) = (1 + μ − ηh)·w_t − μ·w_(t−1): powers of the roots of x² − (1 + μ − ηh)x + μ.
    #[test]
    fn descent_on_a_quadratic_is_the_closed_form_with_and_without_momentum() {
        let (rate, num_steps) = (0.005, 40);
        for momentum in [0.0, 0.5] {
            let mut target = quadratic();
            let from = start(&target);
            let trained = trainer(rate, num_steps)
                .run(&mut Sgd::new(momentum), &mut target, from, &mut none(), &AtomicBool::new(false), &mut |_| {})
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
            w = trainer.run(&mut adam, &mut target, w, &mut none(), &AtomicBool::new(false), &mut |_| {}).unwrap().w;
        }
        let loss = target.loss(&w, Batch::Full).unwrap();
        assert!(loss < 1e-10, "{loss}");
    }

    #[test]
    fn a_training_in_parts_ends_where_one_of_a_piece_does() {
        let cancel = AtomicBool::new(false);
        let run = |trainer: Trainer, optimizer: &mut Sgd, from| {
            trainer.run(optimizer, &mut quadratic(), from, &mut none(), &cancel, &mut |_| {}).unwrap()
        };
        let whole = run(trainer(0.01, 90), &mut Sgd::new(0.9), start(&quadratic()));
        let (mut w, mut sgd) = (start(&quadratic()), Sgd::new(0.9));
        for (first_step, num_steps) in [(0, 40), (40, 41), (41, 90)] {
            let part = run(Trainer { first_step, ..trainer(0.01, num_steps) }, &mut sgd, w);
            assert_eq!(part.num_steps, num_steps);
            w = part.w;
        }
        assert_eq!(w.as_slice::<f64>(), whole.w.as_slice::<f64>());
    }

    #[test]
    fn a_part_passes_over_an_entry_beyond_its_start_and_a_later_process_continues_from_it() {
        let cancel = AtomicBool::new(false);
        let run = |trainer: Trainer, optimizer: &mut Sgd, from, entry: &mut Entry| {
            trainer.run(optimizer, &mut quadratic(), from, entry, &cancel, &mut |_| {}).unwrap().w
        };
        let whole = run(trainer(0.01, 90), &mut Sgd::new(0.9), start(&quadratic()), &mut none());
        for is_resumed in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let journal = Journal::new(folder.path(), "hash", Pace::default());
            let mut sgd = Sgd::new(0.9);
            let first = Trainer { has_next: true, ..trainer(0.01, 40) };
            let w = run(first, &mut sgd, start(&quadratic()), &mut journal.entry("training"));
            // The second part saves nothing, as if it could not be written.
            let w = run(Trainer { first_step: 40, ..trainer(0.01, 60) }, &mut sgd, w, &mut none());
            let (first_step, mut sgd, from) =
                if is_resumed { (0, Sgd::new(0.9), start(&quadratic())) } else { (60, sgd, w) };
            let last = Trainer { first_step, ..trainer(0.01, 90) };
            let w = run(last, &mut sgd, from, &mut journal.entry("training"));
            assert_eq!(w.as_slice::<f64>(), whole.as_slice::<f64>(), "resumed: {is_resumed}");
        }
    }

    #[test]
    fn an_entry_ahead_of_where_a_part_ends_is_passed_over() {
        let run = |num_steps, entry: &mut Entry| {
            let from = start(&quadratic());
            trainer(0.01, num_steps)
                .run(&mut Sgd::new(0.9), &mut quadratic(), from, entry, &AtomicBool::new(false), &mut |_| {})
                .unwrap()
        };
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::new(folder.path(), "hash", Pace::default());
        run(60, &mut journal.entry("training"));
        let (found, expected) = (run(40, &mut journal.entry("training")), run(40, &mut none()));
        assert_eq!((found.num_steps, found.w.as_slice::<f64>()), (40, expected.w.as_slice::<f64>()));
    }

    #[test]
    fn every_loss_is_reported_once_and_in_order() {
        let mut target = quadratic();
        let from = start(&target);
        let (mut reported, mut next) = (Vec::new(), 0);
        let mut on_progress = |progress: Progress| {
            let Progress::Losses(losses) = progress else { return };
            assert_eq!(losses.first_step, next);
            next += losses.loss.len() as u64;
            reported.extend_from_slice(losses.loss);
        };
        trainer(0.1, 500)
            .run(&mut Sgd::new(0.0), &mut target, from, &mut none(), &AtomicBool::new(false), &mut on_progress)
            .unwrap();
        assert_eq!(reported.len(), 500);
        assert_eq!(reported[0], 0.5 * (0.5 + 2.0 * 4.0 + 9.0 * 9.0));
        assert!(reported.is_sorted_by(|a, b| a >= b));
    }

    #[test]
    fn a_step_past_stability_ends_in_an_error_that_names_the_step_and_the_rate() {
        let mut target = quadratic();
        let from = start(&target);
        let mut last = f64::NAN;
        let error = trainer(1.0, 100_000)
            .run(&mut Sgd::new(0.0), &mut target, from, &mut none(), &AtomicBool::new(false), &mut |progress| {
                if let Progress::Losses(losses) = progress {
                    last = losses.loss[losses.loss.len() - 1];
                }
            })
            .unwrap_err();
        // |1 − ηh| = 8 for h = 9: the square of 8ᵗ overflows at t = 171.
        let TrainError::Diverged { step, learning_rate, .. } = error else { panic!("{error}") };
        assert!((165..175).contains(&step) && learning_rate == 1.0, "{error}");
        assert!(!last.is_finite(), "the loss that ended it is reported too: {last}");
    }

    #[test]
    fn a_cancelled_training_says_how_far_it_came() {
        let mut target = quadratic();
        let from = start(&target);
        let trained = trainer(0.1, 10)
            .run(&mut Sgd::new(0.0), &mut target, from, &mut none(), &AtomicBool::new(true), &mut |_| {})
            .unwrap();
        assert_eq!((trained.num_steps, trained.is_cancelled), (0, true));
    }

    /// Steps as another does, and cancels the training after this number of steps.
    struct Stops<'a> {
        optimizer: Box<dyn Optimizer>,
        after: Option<u64>,
        cancel: &'a AtomicBool,
    }

    impl Optimizer for Stops<'_> {
        fn step(&mut self, learning_rate: f64, grad: &Params, w: &mut Params) -> Result<(), tch::TchError> {
            self.after = self.after.map(|after| after - 1);
            self.cancel.store(self.after == Some(0), Ordering::Relaxed);
            self.optimizer.step(learning_rate, grad, w)
        }

        fn state(&self) -> OptimizerState {
            self.optimizer.state()
        }

        fn restore(&mut self, state: &OptimizerState) -> Result<(), tch::TchError> {
            self.optimizer.restore(state)
        }
    }

    #[test]
    fn a_training_that_was_stopped_continues_to_the_same_point_bit_for_bit() {
        let optimizers: [fn() -> Box<dyn Optimizer>; 2] = [|| Box::new(Sgd::new(0.9)), || Box::new(Adam::new())];
        for new in optimizers {
            let run = |journal: &Journal, after: Option<u64>| {
                let mut target = quadratic();
                let (from, cancel) = (start(&target), AtomicBool::new(false));
                let mut reported = Vec::new();
                let mut on_progress = |progress: Progress| {
                    let Progress::Losses(losses) = progress else { return };
                    reported.extend((losses.first_step..).zip(losses.loss.to_vec()));
                };
                let mut optimizer = Stops { optimizer: new(), after, cancel: &cancel };
                let entry = &mut journal.entry("training");
                let trained = trainer(0.01, 300)
                    .run(&mut optimizer, &mut target, from, entry, &cancel, &mut on_progress)
                    .unwrap();
                (trained.w.as_slice::<f64>().unwrap().to_vec(), trained.num_steps, reported)
            };
            let folder = tempfile::tempdir().unwrap();
            let journal = Journal::new(folder.path(), "hash", Pace::default());
            let (whole, _, losses) = run(&Journal::default(), None);
            let mut reported = Vec::new();
            for (after, expected_steps) in [(Some(7), 7), (Some(150), 157), (None, 300)] {
                let (w, num_steps, new_losses) = run(&journal, after);
                reported.extend(new_losses);
                assert_eq!((w == whole, num_steps), (after.is_none(), expected_steps));
            }
            assert_eq!(reported, losses, "every loss is reported once");
        }
    }
}
