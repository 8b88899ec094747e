//! Defines the defaults of the sampler's settings: change the numbers here. Defaults that depend on the sampler are in its file
//! ([`crate::kernel::About`]); the help texts use the same numbers.

use super::{ExtrapolateStep, Gamma, LossTrace, Switch};
use crate::kernel::SamplerKind;

/// The defaults of an experiment's sampler.
#[derive(Debug, Clone, Copy)]
pub struct SamplerDefaults {
    /// The sampler.
    pub kind: SamplerKind,
    /// Steps of a chain, warm-up included; `None` for each sampler's own default.
    pub num_steps: Option<usize>,
    /// Share of a chain that is warm-up; `None` for each sampler's own default.
    pub warmup: Option<f64>,
    /// Samples in a minibatch, or n if that is less.
    pub batch_size: usize,
    /// Number of chains.
    pub num_chains: usize,
    /// Which loss of minibatches is averaged.
    pub minibatch_trace: LossTrace,
    /// Whether the run is repeated at a smaller γ.
    pub check_localisation: Switch,
    /// Localisation γ.
    pub gamma: Gamma,
    /// Whether the run is repeated at half the step size, by a sampler without an accept step.
    pub extrapolate_step: ExtrapolateStep,
}

/// Localisation γ, as published.
pub const GAMMA: f64 = 1.0;
/// Steps from one draw to the next.
pub const THIN: usize = 1;
/// The least number of draws kept: fewer cannot be split in two halves of two for R-hat.
pub const MIN_KEPT_DRAWS: usize = 4;
/// The most chains: more is surely a mistake, and would run out of memory instead of giving an error.
pub const MAX_CHAINS: u64 = 10_000;
/// The most draws of all chains: at some ten numbers a draw, 80 GB.
pub const MAX_DRAWS: usize = 1_000_000_000;
