//! States the defaults of `llc dln`, and nothing else: tune the numbers here. What depends on the sampler is stated in its file
//! ([`crate::kernel::About`]).
//!
//! None of them depends on the machine, except how many threads there are, which moves no law. The defaults aim at one
//! thing: with nothing but widths and a seed, up to about 10⁴ parameters, a run ends within a minute in an estimate that
//! can be trusted. The help texts of [`super::keys`] repeat these numbers; a test compares them.

use super::{Gradient, LossTrace, OptimizerConfig, SamplerKind};
use crate::config::PositiveF64;

/// Seed of everything random.
pub const SEED: u64 = 0;
/// Width of the input, as in the published experiment.
pub const INPUT_DIM: usize = 10;
/// Widths of the layers, the output last: small enough for seconds, deep enough to be singular.
pub const LAYER_WIDTHS: [usize; 3] = [20, 20, 10];
/// Samples n.
pub const NUM_TRAINING_DATA: usize = 100_000;
/// Samples in a minibatch (or n, where that is less), as published.
pub const BATCH_SIZE: usize = 500;
/// The sampler that needs no tuning.
pub const SAMPLER: SamplerKind = SamplerKind::Gibbs;
/// Localisation γ, as published.
pub const GAMMA: f64 = 1.0;
/// Chains: the least from which R-hat says something.
pub const NUM_CHAINS: usize = 4;
/// Steps from one draw to the next.
pub const THIN: usize = 1;
/// Share of layers whose rank is reduced, as published.
pub const PROP_RANK_REDUCE: f64 = 0.5;
/// Mean of the singular values of `rand-rank-sv`, as published.
pub const SV_MEAN: f64 = 0.0;
/// Standard deviation of the singular values of `rand-rank-sv`, as published.
pub const SV_STD: f64 = 5.0;
/// The least number of draws kept: fewer cannot be split in two halves of two for R-hat.
pub const MIN_KEPT_DRAWS: usize = 4;
/// The most chains: more is surely a slip, and would end in a want of memory rather than in a sentence.
pub const MAX_CHAINS: u64 = 10_000;
/// The most threads, for the same reason.
pub const MAX_THREADS: u64 = 4_096;
/// The most draws of all chains: at some ten numbers a draw, 80 GB.
pub const MAX_DRAWS: usize = 1_000_000_000;
/// From this many parameters on chains run in turn with all threads, below it side by side with one thread each.
pub const LARGE: usize = 100_000;

/// Momentum of the training, as published.
pub const MOMENTUM: f64 = 0.9;
/// Steps of the training, as published.
pub const TRAIN_STEPS: usize = 50_000;
/// Learning rate of the training: SGD's as published, Adam's as in PyTorch.
pub fn learning_rate(optimizer: &OptimizerConfig) -> PositiveF64 {
    match optimizer {
        OptimizerConfig::Sgd { .. } => SGD_LEARNING_RATE,
        OptimizerConfig::Adam => ADAM_LEARNING_RATE,
    }
}
const SGD_LEARNING_RATE: PositiveF64 = PositiveF64::literal(0.01);
const ADAM_LEARNING_RATE: PositiveF64 = PositiveF64::literal(0.001);
/// Share of the largest eigenvalue of JᵀJ/n above which one counts for the functional rank: 10⁵ times the rounding of f64, and above the
/// square of that of f32, in which a truth may have been stored.
pub const FUNCTIONAL_RANK_THRESHOLD: f64 = 1e-10;
/// Hessian-vector products of the trace's estimate: its error is then √(2/100) of the root of the sum of the squared off-diagonals.
pub const HESSIAN_PROBES: usize = 100;

/// The loss that is averaged: what the sampler has at hand without another pass.
pub fn loss_trace(gradient: Gradient) -> LossTrace {
    match gradient {
        Gradient::Minibatch { .. } => LossTrace::Minibatch,
        Gradient::Exact => LossTrace::Full,
    }
}

/// Threads of one chain, where `threads` serve all.
pub fn threads_per_chain(sampler: SamplerKind, num_parameters: usize, threads: usize) -> usize {
    if sampler.about().is_single_threaded || num_parameters < LARGE { 1 } else { threads }
}

/// Rank of an aligned truth.
pub fn rank(smallest_width: usize) -> usize {
    smallest_width / 2
}
