//! States the defaults of the sampler's settings: tune the numbers here. What depends on the sampler is stated in its file
//! ([`crate::kernel::About`]); the help texts are made of the same numbers.

use super::{ExtrapolateStep, Gamma, LossTrace, Switch};
use crate::kernel::SamplerKind;

/// What an experiment's sampler is where nothing is said.
#[derive(Debug, Clone, Copy)]
pub struct SamplerDefaults {
    /// The sampler.
    pub kind: SamplerKind,
    /// Steps of a chain, warm-up included; `None` for what each sampler says of itself.
    pub num_steps: Option<usize>,
    /// Share of a chain that is warm-up; `None` likewise.
    pub warmup: Option<f64>,
    /// Samples in a minibatch, or n where that is less.
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
/// The most chains: more is surely a slip, and would end in a want of memory rather than in a sentence.
pub const MAX_CHAINS: u64 = 10_000;
/// The most draws of all chains: at some ten numbers a draw, 80 GB.
pub const MAX_DRAWS: usize = 1_000_000_000;
