//! Runs several chains: small models in parallel with one thread each, large ones in turn with all threads.
//!
//! The number of threads of a chain is part of the configuration, so that chain 3 of 4 equals chain 3 of 8.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};

use crate::chain::saved::{self, Saved};
use crate::chain::{Chain, ChainRun, End, Plan};
use crate::draws::DrawBlock;
use crate::kernel::{ExtrapolateStep, LossTrace, Sampler};
use crate::memory::MemoryError;
use crate::openmp;
use crate::params::Params;
use crate::rng::Key;
use crate::store::{Nowhere, Store};
use crate::target::{Target, TargetError};

/// The chains of a run and their threads.
#[derive(Debug, Clone)]
pub struct Chains {
    /// The run's root stream.
    pub key: Key,
    /// Number of chains.
    pub num_chains: usize,
    /// Total number of threads.
    pub threads: usize,
    /// Threads of one chain; `threads / threads_per_chain` chains run in parallel.
    pub threads_per_chain: usize,
    /// What each chain does.
    pub plan: Plan,
    /// Where they save their state; nowhere by default.
    pub store: Arc<dyn Store>,
    /// Whether an estimate repeats them at half the step size.
    pub extrapolate_step: ExtrapolateStep,
}

/// Where a chain starts.
#[derive(Debug)]
pub struct Start {
    /// The point.
    pub w: Params,
    /// The step size, if known: it overrides the configured one, and no search runs.
    pub epsilon: Option<f64>,
}

impl Start {
    /// The last draws of `runs`, each with its step size times `factor`, for chains that continue them. `None` unless every chain reached
    /// its end and [`Plan::keep_last`] was set.
    pub fn after(runs: &[ChainRun], factor: f64) -> Result<Option<Vec<Start>>, MemoryError> {
        let of = |run: &ChainRun| {
            let w = run.last.as_ref().map(Params::try_clone).transpose()?;
            Ok(w.map(|w| Start { w, epsilon: run.epsilon.map(|epsilon| factor * epsilon) }))
        };
        runs.iter().map(of).collect()
    }

    fn try_clone(&self) -> Result<Start, MemoryError> {
        Ok(Start { w: self.w.try_clone()?, epsilon: self.epsilon })
    }
}

/// Progress reported while chains run.
#[derive(Debug)]
pub enum Progress {
    /// A stage without draws of the run begins.
    Stage(&'static str),
    /// Draws `first_draw..` of `chain`.
    Draws { chain: usize, first_draw: usize, block: DrawBlock },
    /// `chain` ended after `num_draws` draws; `error` is set if it did not reach its end.
    Ended { chain: usize, num_draws: usize, error: Option<String> },
}

/// Why chains could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The target could not be copied for a chain.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// A pool of threads could not be made.
    #[error("cannot start {threads} threads: {error}")]
    Threads { threads: usize, error: rayon::ThreadPoolBuildError },
    /// The number of starts is neither one nor the number of chains.
    #[error("{found} starts were given for {num_chains} chains")]
    Starts { found: usize, num_chains: usize },
}

/// Least number of kept draws between two records of the virial terms: each costs a gradient, so at most a tenth of a step's cost.
const VIRIAL_EVERY: usize = 10;

/// Approximate limit on the rows of virial terms of a chain: they give the ratio to a few percent of its own spread.
const MAX_VIRIAL_ROWS: usize = 1000;

/// Number of draws, of `num_kept`, between two records of the virial terms.
pub fn virial_every(num_kept: usize) -> usize {
    VIRIAL_EVERY.max(num_kept / MAX_VIRIAL_ROWS)
}

impl Chains {
    /// `num_chains` chains of `num_draws` draws around a point of loss `init_loss`, with random numbers from `key`. The first quarter of the
    /// draws is warm-up; each chain has one thread, of as many as the pool has, and uses all samples. Every field can be changed.
    ///
    /// ```
    /// use llc_core::rng::Key;
    /// use llc_core::run::Chains;
    ///
    /// let mut chains = Chains::new(4, 2_000, 0.0, Key::new(1));
    /// chains.plan.batch_size = Some(64);
    /// assert_eq!(chains.plan.num_warmup, 500);
    /// ```
    pub fn new(num_chains: usize, num_draws: usize, init_loss: f64, key: Key) -> Chains {
        let num_warmup = num_draws / 4;
        let plan = Plan {
            num_draws,
            num_warmup,
            thin: 1,
            batch_size: None,
            loss_trace: LossTrace::Full,
            init_loss,
            virial_every: virial_every(num_draws - num_warmup),
            tensor_distances: false,
            largest_curvature: None,
            keep_last: false,
        };
        Chains {
            key,
            num_chains,
            threads: rayon::current_num_threads(),
            threads_per_chain: 1,
            plan,
            store: Arc::new(Nowhere),
            extrapolate_step: ExtrapolateStep::Auto,
        }
    }

    /// Runs `sampler` on copies of `target` from `start`, and reports to `progress` from the calling thread. Returns the chains in
    /// order, each with its draws, even if it failed or `cancel` was set.
    ///
    /// # Errors
    /// [`RunError`] if no chain could be started; a chain's own failure is in its [`ChainRun`].
    pub fn run(
        &self,
        sampler: &dyn Sampler,
        target: &dyn Target,
        start: &Params,
        cancel: &AtomicBool,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Vec<ChainRun>, RunError> {
        let start = Start { w: start.try_clone().map_err(TargetError::from)?, epsilon: None };
        self.run_from(sampler, target, &[start], cancel, progress)
    }

    /// As [`Chains::run`], but chain c starts from `starts[c]`, or all of them from the only start.
    ///
    /// # Errors
    /// As [`Chains::run`]; [`RunError::Starts`] unless there are one or `num_chains` starts.
    pub fn run_from(
        &self,
        sampler: &dyn Sampler,
        target: &dyn Target,
        starts: &[Start],
        cancel: &AtomicBool,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Vec<ChainRun>, RunError> {
        let (first, is_shared) = match starts {
            [only] => (only, true),
            [first, ..] if starts.len() == self.num_chains => (first, false),
            _ => return Err(RunError::Starts { found: starts.len(), num_chains: self.num_chains }),
        };
        let side_by_side = (self.threads / self.threads_per_chain.max(1)).clamp(1, self.num_chains);
        // Another device has one generator, which each step seeds: chains take turns there.
        let num_workers = if first.w.is_on_host() { side_by_side } else { 1 };
        let mut workers = Vec::new();
        for _ in 0..num_workers {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(self.threads_per_chain)
                .build()
                .map_err(|error| RunError::Threads { threads: self.threads_per_chain, error })?;
            let copy = target.with_gamma(target.local().gamma())?;
            workers.push((pool, copy));
        }
        // A tensor belongs to one thread at a time: each chain takes its own start out of here, or copies the shared one.
        let starts = if is_shared { &starts[..1] } else { starts };
        let starts: Result<Vec<_>, _> = starts.iter().map(|start| start.try_clone().map(Some)).collect();
        let starts = Mutex::new(starts.map_err(TargetError::from)?);
        let own = |index: usize| {
            // Nothing panics while it holds them.
            let mut starts = starts.lock().unwrap_or_else(PoisonError::into_inner);
            match is_shared {
                true => starts[0].as_ref().map(Start::try_clone).transpose(),
                false => Ok(starts[index].take()),
            }
        };
        let waiting = Mutex::new(0..self.num_chains);
        let next = || waiting.lock().map(|mut chains| chains.next()).unwrap_or(None);
        let (sender, receiver) = mpsc::channel();
        let mut runs: Vec<Option<ChainRun>> = (0..self.num_chains).map(|_| None).collect();
        // This thread waits from here on.
        openmp::end_team();
        std::thread::scope(|scope| {
            for (pool, mut target) in workers {
                let sender = sender.clone();
                let (next, own) = (&next, &own);
                scope.spawn(move || {
                    pool.install(move || {
                        target.use_threads(self.threads_per_chain);
                        while let Some(index) = next() {
                            let start = if cancel.load(Ordering::Relaxed) { Ok(None) } else { own(index) };
                            let run = match start {
                                Ok(None) => ChainRun::empty(End::Cancelled),
                                Ok(Some(start)) => {
                                    self.run_one(index, sampler, target.as_mut(), &start, cancel, &sender)
                                }
                                Err(error) => ChainRun::failed(error.into()),
                            };
                            // The receiver lives until every worker has ended.
                            let _ = sender.send(Message::Done(index, Box::new(run)));
                        }
                    });
                });
            }
            drop(sender);
            for message in receiver {
                match message {
                    Message::Progress(event) => progress(event),
                    Message::Done(index, run) => {
                        let error = match &run.end {
                            End::Failed(error) => Some(error.to_string()),
                            End::Cancelled => Some("interrupted".to_string()),
                            End::Completed => None,
                        };
                        progress(Progress::Ended { chain: index, num_draws: run.trace.loss.len(), error });
                        runs[index] = Some(*run);
                    }
                }
            }
        });
        // Every index was taken from the queue once and its result sent before the channel closed.
        Ok(runs.into_iter().flatten().collect())
    }

    fn run_one(
        &self,
        index: usize,
        sampler: &dyn Sampler,
        target: &mut dyn Target,
        start: &Start,
        cancel: &AtomicBool,
        sender: &mpsc::Sender<Message>,
    ) -> ChainRun {
        let mut emit = |first_draw: usize, block: &DrawBlock| {
            let event = Progress::Draws { chain: index, first_draw, block: block.clone() };
            let _ = sender.send(Message::Progress(event));
        };
        let slot = self.store.slot(&format!("chain-{index}"));
        let saved = match saved::read(&*slot, &start.w) {
            Ok(saved) => saved,
            Err(error) => return ChainRun::failed(error),
        };
        let mut epsilon = start.epsilon;
        if let Some(Saved { run, .. }) = &saved {
            epsilon = run.epsilon;
            emit(0, &run.trace);
        }
        match saved {
            Some(Saved { run, point: None }) => run,
            saved => {
                let plan = &self.plan;
                let chain = Chain { index, key: self.key, plan, epsilon, slot, saved, cancel, emit: &mut emit };
                sampler.run_chain(chain, &start.w, target)
            }
        }
    }
}

enum Message {
    Progress(Progress),
    Done(usize, Box<ChainRun>),
}
