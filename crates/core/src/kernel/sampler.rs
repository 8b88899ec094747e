//! Defines what a sampler consists of: a kernel with its state, what a step tells, and why a chain can't go on.

use super::{About, GradientNeed};
use crate::chain::{Chain, ChainRun};
use crate::memory::MemoryError;
use crate::params::Params;
use crate::rng::Key;
use crate::store::{Snapshot, StoreError};
use crate::target::{Batch, Target, TargetError};

/// What the chain loop reads from a state.
pub trait State {
    /// The current point.
    fn w(&self) -> &Params;

    /// ∇L_n at the current point, where the kernel holds it and it is exact.
    fn exact_gradient(&self) -> Option<&Params> {
        None
    }

    /// The statistics of the last step, as many as [`Kernel::STATISTICS`].
    fn statistics(&self) -> &[f64] {
        &[]
    }

    /// Adds what the next step needs beside the point and what [`Kernel::init`] makes of it: momenta, thermostats, adapted factors. Names
    /// begin with `state.`.
    ///
    /// # Errors
    /// [`MemoryError`] where the device fails.
    fn save(&self, _snapshot: &mut Snapshot) -> Result<(), MemoryError> {
        Ok(())
    }

    /// Takes what [`State::save`] added, in a state that was just made of the point; `None` where something is missing.
    fn restore(&mut self, _snapshot: &Snapshot) -> Option<()> {
        Some(())
    }
}

/// What one step tells of itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Info {
    /// Loss on the step's batch. A kernel whose need is [`GradientNeed::Exact`] or [`GradientNeed::None`] tells that of the new point; one
    /// for minibatches that of the old point, where it took its gradient.
    pub loss: f64,
    /// Metropolis acceptance probability of the step, where it was computed.
    pub acceptance: Option<f64>,
    /// ‖w − w*‖² of the new point, where the step's own pass gave it.
    pub squared_distance: Option<f64>,
}

/// Turns a state into the next one.
pub trait Kernel {
    /// The least that the next step needs.
    type State: State;

    /// What the kernel needs of the loss.
    const GRADIENT: GradientNeed;

    /// Names of what each draw records beside loss, distance and acceptance: columns of `draws.zarr`.
    const STATISTICS: &'static [&'static str] = &[];

    /// ε and its factor per tensor (1 everywhere where there is none), of a Langevin step without an accept step: its law is the
    /// posterior's only up to terms of first order in ε.
    fn unadjusted_step(&self) -> Option<(f64, &[f64])> {
        None
    }

    /// The state that starts at `at`.
    fn init(&self, at: &Params, target: &mut dyn Target, batch: Batch) -> Result<Self::State, KernelError>;

    /// One step; every random number comes from `key`.
    fn step(
        &self,
        key: Key,
        state: &mut Self::State,
        target: &mut dyn Target,
        batch: Batch,
    ) -> Result<Info, KernelError>;
}

/// A sampler with its settings: it prepares its kernel (a step-size search, say) and runs one chain.
pub trait Sampler: Sync {
    /// What the sampler says of itself.
    fn about(&self) -> &'static About;

    /// What the kernel needs of the loss.
    fn gradient(&self) -> GradientNeed {
        self.about().gradient
    }

    /// Whether the posterior is its stationary law at any step size.
    fn is_exact(&self) -> bool {
        self.about().is_exact
    }

    /// Gradients (or sweeps of exact draws) that a step takes, a step-size search spread over the steps: what a run costs before it
    /// has begun.
    fn passes_per_step(&self) -> f64;

    /// Runs one chain on `target` from `start`.
    fn run_chain(&self, chain: Chain, start: &Params, target: &mut dyn Target) -> ChainRun;
}

/// Says why a chain can't go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KernelError {
    /// The loss is no longer finite.
    #[error("the loss is no longer finite; a smaller ε, a larger γ or a smaller nβ keeps the chain closer to w*")]
    Diverged,
    /// No step size was found that works.
    #[error(
        "no step size between {smallest:e} and {largest:e} works from w*; check that the loss is finite there, or \
         give one with --epsilon"
    )]
    NoStepSize { smallest: f64, largest: f64 },
    /// The target could not be evaluated.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// What the chain did can't be kept, or what was kept can't be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Memory for parameters could not be had or worked on.
    #[error(transparent)]
    Memory(#[from] MemoryError),
}

/// `loss`, or the error that ends the chain.
pub(super) fn finite(loss: f64) -> Result<f64, KernelError> {
    if loss.is_finite() { Ok(loss) } else { Err(KernelError::Diverged) }
}

// Parts of a step's stream beside its Gaussian noise.
pub(super) const ACCEPT: u64 = u64::MAX;
pub(super) const JITTER: u64 = u64::MAX - 1;
