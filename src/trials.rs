//! Runs many chains of different targets side by side, each on its own thread: an experiment that compares small networks.
//!
//! A trial is one chain around one w*, with what is needed to sum it up. As its numbers are functions of its own key, and it has one thread,
//! neither the order of trials nor the number of threads changes a bit of any of them.
//!
//! *Tested by*: the order of results and the first error, below; equal λ̂ on one thread and on two (tests/rescaling.rs).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, mpsc};

use crate::config::{RunConfig, SamplerConfig};
use crate::estimate::{EstimateError, density, kept};
use crate::journal::Journal;
use crate::kernel::KernelError;
use crate::llc::LlcEstimate;
use crate::rng::Key;
use crate::run::RunError;
use crate::summary::{Diagnostics, summarise};
use crate::target::{Batch, Target, TargetError};

/// One chain, ready to run.
pub struct Trial {
    /// The loss around w*.
    pub target: Box<dyn Target>,
    /// What draws, and for how long.
    pub sampler: SamplerConfig,
    /// Precision and threads of the chain.
    pub run: RunConfig,
    /// The chain's root stream.
    pub key: Key,
    /// Where it keeps what it has done.
    pub journal: Journal,
}

/// What a trial came to.
#[derive(Debug)]
pub struct Measured {
    /// λ̂ with its error.
    pub llc: LlcEstimate,
    /// How well the draws represent the density.
    pub diagnostics: Diagnostics,
    /// Step size, for samplers that have one.
    pub epsilon: Option<f64>,
    /// Whether the loss was no longer finite: λ̂ is then NaN.
    pub has_diverged: bool,
    /// Whether it was cancelled before its end.
    pub is_interrupted: bool,
    /// Steps made, a step-size search excluded.
    pub num_steps: u64,
    /// Seconds in the loop, a step-size search excluded.
    pub sampling_s: f64,
}

impl Trial {
    /// Runs the chain; `cancel` ends it early.
    ///
    /// # Errors
    /// [`EstimateError`]; a chain that diverges is not an error.
    pub fn run(mut self, cancel: &AtomicBool) -> Result<Measured, EstimateError> {
        let w_star = self.target.local().w_star().try_clone().map_err(KernelError::from)?;
        let init_loss = self.target.loss(&w_star, Batch::Full).map_err(KernelError::from)?;
        let mut chains = self.sampler.chains(&self.run, self.key, init_loss);
        chains.store = Arc::new(self.journal);
        let sampler = self.sampler.kernel.sampler();
        let runs = chains.run(sampler.as_ref(), self.target.as_ref(), &w_star, cancel, &mut |_| {})?;
        let epsilon = runs.iter().find_map(|run| run.epsilon);
        let has_diverged = runs.iter().any(|run| run.has_diverged());
        let num_steps = runs.iter().map(|run| run.num_steps).sum();
        let sampling_s = runs.iter().map(|run| run.sampling_s).sum();
        let num_draws: usize = runs.iter().map(|run| run.trace.loss.len()).sum();
        let is_interrupted = !has_diverged && num_draws < chains.plan.num_draws * runs.len();
        let density = density(self.target.as_ref(), init_loss);
        let (llc, diagnostics) = summarise(&kept(runs, chains.plan.num_warmup)?, &density);
        Ok(Measured { llc, diagnostics, epsilon, has_diverged, is_interrupted, num_steps, sampling_s })
    }
}

/// Does `work` on each of `order`, on `threads` threads, starting in that order, and calls `done` on the
/// calling thread as each ends. What comes back stands at its number; `None` where `cancel` came first.
///
/// ```
/// use std::sync::atomic::AtomicBool;
/// use llc::trials::side_by_side;
/// let squares = side_by_side(&[2, 0, 1], 2, &AtomicBool::new(false), &|i| Ok::<_, ()>(i * i), &mut |_, _| {});
/// assert_eq!(squares, Ok(vec![Some(0), Some(1), Some(4)]));
/// ```
///
/// # Errors
/// The first that `work` reports; what runs besides ends first, and nothing more is begun.
pub fn side_by_side<R: Send, E: Send>(
    order: &[usize],
    threads: usize,
    cancel: &AtomicBool,
    work: &(dyn Fn(usize) -> Result<R, E> + Sync),
    done: &mut dyn FnMut(usize, &R),
) -> Result<Vec<Option<R>>, E> {
    let mut results: Vec<Option<R>> = order.iter().map(|_| None).collect();
    let waiting = Mutex::new(order.iter().copied());
    let next = || waiting.lock().map(|mut order| order.next()).unwrap_or(None);
    let has_failed = AtomicBool::new(false);
    let (sender, receiver) = mpsc::channel();
    let mut failure = None;
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, order.len().max(1)) {
            let (sender, next, has_failed) = (sender.clone(), &next, &has_failed);
            scope.spawn(move || {
                while let Some(index) = next() {
                    if cancel.load(Ordering::Relaxed) || has_failed.load(Ordering::Relaxed) {
                        break;
                    }
                    // The receiver lives until every worker has ended.
                    let _ = sender.send((index, work(index)));
                }
            });
        }
        drop(sender);
        for (index, result) in receiver {
            match result {
                Ok(result) => {
                    done(index, &result);
                    results[index] = Some(result);
                }
                Err(error) => {
                    has_failed.store(true, Ordering::Relaxed);
                    failure.get_or_insert(error);
                }
            }
        }
    });
    failure.map_or(Ok(results), Err)
}

/// A target's error, as one of an estimate.
pub fn cannot_build(error: TargetError) -> EstimateError {
    EstimateError::Run(RunError::Target(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_result_stands_at_its_number_and_is_reported_once() {
        let order = [3, 1, 0, 2, 4];
        for threads in [1, 3, 9] {
            let mut reported = Vec::new();
            let never = AtomicBool::new(false);
            let found =
                side_by_side(&order, threads, &never, &|i| Ok::<_, ()>(10 * i), &mut |i, &r| reported.push((i, r)));
            assert_eq!(found, Ok((0..5).map(|i| Some(10 * i)).collect()));
            reported.sort();
            assert_eq!(reported, (0..5).map(|i| (i, 10 * i)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_first_error_ends_it_and_a_cancelled_one_leaves_the_rest_open() {
        let cancel = AtomicBool::new(false);
        let failed = side_by_side(&[0, 1, 2], 1, &cancel, &|i| if i == 1 { Err(i) } else { Ok(i) }, &mut |_, _| {});
        assert_eq!(failed, Err(1));
        let raise = |i: usize| {
            cancel.store(i == 1, Ordering::Relaxed);
            Ok::<_, ()>(i)
        };
        let cancelled = side_by_side(&[0, 1, 2], 1, &cancel, &raise, &mut |_, _| {});
        assert_eq!(cancelled, Ok(vec![Some(0), Some(1), None]));
    }
}
