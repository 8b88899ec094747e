//! Defines the parts of a sampler: a kernel with its state, the result of a step, and the errors that end a chain.

use super::{About, GradientNeed};
use crate::chain::{Chain, ChainRun};
use crate::memory::MemoryError;
use crate::params::Params;
use crate::rng::Key;
use crate::store::{Snapshot, StoreError};
use crate::target::{Batch, Target, TargetError};

/// The state of a kernel, as the chain loop reads it.
pub trait State {
    /// The current point.
    fn w(&self) -> &Params;

    /// ∇L_n at the current point, if the kernel has it and it is exact.
    fn exact_gradient(&self) -> Option<&Params> {
        None
    }

    /// The statistics of the last step, as many as [`Kernel::STATISTICS`].
    fn statistics(&self) -> &[f64] {
        &[]
    }

    /// Saves what the next step needs besides the point and the result of [`Kernel::init`]: momenta, thermostats, adapted factors. Names
    /// begin with `state.`.
    ///
    /// # Errors
    /// [`MemoryError`] if the device fails.
    fn save(&self, _snapshot: &mut Snapshot) -> Result<(), MemoryError> {
        Ok(())
    }

    /// Restores what [`State::save`] saved, in a state that was just made from the point; `None` if something is missing.
    fn restore(&mut self, _snapshot: &Snapshot) -> Option<()> {
        Some(())
    }
}

/// The diagnostics of one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Info {
    /// Loss on the step's batch. For a kernel with [`GradientNeed::Exact`] or [`GradientNeed::None`] it is that of the new point; for a
    /// minibatch kernel that of the old point, where the gradient was computed.
    pub loss: f64,
    /// Metropolis acceptance probability of the step, if it was computed.
    pub acceptance: Option<f64>,
    /// ‖w − w*‖² of the new point, if the step's own pass computed it.
    pub squared_distance: Option<f64>,
}

/// Turns a state into the next one.
pub trait Kernel {
    /// The minimum that the next step needs.
    type State: State;

    /// What the kernel needs of the loss.
    const GRADIENT: GradientNeed;

    /// Names of the statistics that each draw records besides loss, distance and acceptance: columns of `draws.zarr`.
    const STATISTICS: &'static [&'static str] = &[];

    /// ε and its factor per tensor (empty for 1 everywhere) of a Langevin step without an accept step, whose law is the
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

/// A sampler with its settings: it prepares its kernel (by a step-size search, for example) and runs one chain.
pub trait Sampler: Sync {
    /// The description of the sampler.
    fn about(&self) -> &'static About;

    /// What the kernel needs of the loss.
    fn gradient(&self) -> GradientNeed {
        self.about().gradient
    }

    /// Whether the posterior is its stationary law at any step size.
    fn is_exact(&self) -> bool {
        self.about().is_exact
    }

    /// Gradients (or sweeps of exact draws) per step, with a step-size search spread over the steps, to estimate the cost of a run at
    /// its start.
    fn passes_per_step(&self) -> f64;

    /// Runs one chain on `target` from `start`.
    fn run_chain(&self, chain: Chain, start: &Params, target: &mut dyn Target) -> ChainRun;
}

/// Why a chain can't continue.
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
    /// The chain's state can't be saved, or the saved state can't be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An operation on the memory of parameters failed.
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
