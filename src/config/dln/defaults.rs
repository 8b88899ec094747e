//! States the defaults of `llc dln`, and nothing else: tune the numbers here. What depends on the sampler is stated in its file
//! ([`crate::kernel::About`]).
//!
//! None of them depends on the machine, except how many threads there are, which moves no law. The defaults aim at one
//! thing: with nothing but widths and a seed, up to about 10⁴ parameters, a run ends within a minute in an estimate that
//! can be trusted. The help texts of [`super::keys`] repeat these numbers; a test compares them.

use super::OptimizerConfig;
use crate::config::PositiveF64;
use crate::config::sampler::{ExtrapolateStep, Gamma, LossTrace, SamplerDefaults, Switch};
use crate::kernel::SamplerKind;

/// Seed of everything random.
pub const SEED: u64 = 0;
/// Width of the input, as in the published experiment.
pub const INPUT_DIM: usize = 10;
/// Widths of the layers, the output last: small enough for seconds, deep enough to be singular.
pub const LAYER_WIDTHS: [usize; 3] = [20, 20, 10];
/// Samples n.
pub const NUM_TRAINING_DATA: usize = 100_000;
/// Samples in a minibatch of the training (or n, if that is less), as published.
pub const BATCH_SIZE: usize = 500;
/// The sampler that needs no tuning, with as many chains as R-hat needs to say something.
pub const SAMPLER: SamplerDefaults = SamplerDefaults {
    kind: SamplerKind::Gibbs,
    num_steps: None,
    warmup: None,
    batch_size: BATCH_SIZE,
    num_chains: 4,
    // What the sampler has at hand without another pass.
    minibatch_trace: LossTrace::Minibatch,
    check_localisation: Switch::On,
    gamma: Gamma::Fixed(crate::config::sampler::defaults::GAMMA),
    extrapolate_step: ExtrapolateStep::Off,
};
/// Share of layers whose rank is reduced, as published.
pub const PROP_RANK_REDUCE: f64 = 0.5;
/// Mean of the singular values of `rand-rank-sv`, as published.
pub const SV_MEAN: f64 = 0.0;
/// Standard deviation of the singular values of `rand-rank-sv`, as published.
pub const SV_STD: f64 = 5.0;

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

/// Rank of an aligned truth.
pub fn rank(smallest_width: usize) -> usize {
    smallest_width / 2
}
