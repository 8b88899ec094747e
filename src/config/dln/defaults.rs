//! States every default of `llc dln`, and nothing else: tune the numbers here.
//!
//! None of them depends on the machine, except how many threads there are, which moves no law. The defaults aim at one
//! thing: with nothing but widths and a seed, up to about 10⁴ parameters, a run ends within a minute in an estimate that
//! can be trusted. The help texts of [`super::KEYS`] repeat these numbers; a test compares them.

use super::{Gradient, LossTrace, OptimizerConfig, Precision, SamplerKind};
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
/// Mean leapfrog steps of an HMC trajectory. Of 8, 16, 20, 64 and 256 at equal cost, 8 to 20 gave the most effective draws of the loss
/// on aligned truths up to d = 6,425; 8 had not reached the plateau of the largest.
pub const LEAPFROG_STEPS: usize = 20;
/// Steps from one acceptance diagnostic of SGLD to the next, as published.
pub const MALA_EVERY: usize = 20;
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

/// Steps of a chain, warm-up included.
pub fn num_steps(sampler: SamplerKind) -> usize {
    match sampler {
        SamplerKind::Gibbs => 4_000,
        SamplerKind::Hmc => 6_000,
        SamplerKind::Mala => 20_000,
        SamplerKind::Sgld => 20_000,
    }
}

/// Share of a chain that is warm-up. SGLD starts from w* at a small step and climbs for long; the presets
/// keep the published 0.9.
pub fn warmup(sampler: SamplerKind) -> f64 {
    match sampler {
        SamplerKind::Gibbs | SamplerKind::Hmc | SamplerKind::Mala => 0.25,
        SamplerKind::Sgld => 0.5,
    }
}

/// Acceptance that MALA's tuning aims at: the optimal rate of Roberts and Rosenthal (1998) in high dimension.
pub const MALA_TARGET_ACCEPTANCE: f64 = 0.574;
/// Acceptance that HMC's tuning aims at, as in Stan.
pub const HMC_TARGET_ACCEPTANCE: f64 = 0.8;

/// Arithmetic of the chain. An exact method must resolve nβ·L, and Gibbs small singular values, which f32 doesn't; SGLD, whose own
/// error is larger, takes f32 for half the memory traffic.
pub fn precision(sampler: SamplerKind) -> Precision {
    match sampler {
        SamplerKind::Gibbs | SamplerKind::Hmc | SamplerKind::Mala => Precision::F64,
        SamplerKind::Sgld => Precision::F32,
    }
}

/// The loss that is averaged: what the sampler has at hand without another pass.
pub fn loss_trace(gradient: Gradient) -> LossTrace {
    match gradient {
        Gradient::Minibatch { .. } => LossTrace::Minibatch,
        Gradient::Exact => LossTrace::Full,
    }
}

/// Threads of one chain, where `threads` serve all. Gibbs spends its time in singular value decompositions, which one thread does
/// as fast as several: its chains run side by side at any size.
pub fn threads_per_chain(sampler: SamplerKind, num_parameters: usize, threads: usize) -> usize {
    if sampler == SamplerKind::Gibbs || num_parameters < LARGE { 1 } else { threads }
}

/// Rank of an aligned truth.
pub fn rank(smallest_width: usize) -> usize {
    smallest_width / 2
}
