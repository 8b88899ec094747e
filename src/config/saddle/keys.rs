//! Lists every setting of `llc saddle`: its place in a file, its flag, its help.

use llc_core::setting::Choice;
use std::sync::LazyLock;

use super::{SAMPLER, SaddleConfig};
use crate::config::dln::InputDist;
use crate::config::{Kind, Setting, run, sampler};

/// Every setting of `llc saddle`, in the order of `--help`.
pub(super) fn keys() -> &'static [Setting] {
    static KEYS: LazyLock<Vec<Setting>> = LazyLock::new(|| {
        let seed = Setting::new("seed", "seed", Kind::Whole, "SEED", "Seed of everything random [default: 0]");
        [own(), sampler(), vec![seed], run::keys()].concat()
    });
    &KEYS
}

/// The sampler's settings, with the step size that is published.
fn sampler() -> Vec<Setting> {
    let help = "Step size: drift epsilon/2, noise variance epsilon; for hmc the square of the leapfrog step [default: sgld 1e-6, else auto]";
    let with_default = |key: Setting| if key.path == "sampler.epsilon" { Setting { help, ..key } } else { key };
    sampler::keys::keys(&SAMPLER, true).into_iter().map(with_default).collect()
}

fn own() -> Vec<Setting> {
    vec![
        Setting::new("experiment", "", Kind::Choice(&[SaddleConfig::EXPERIMENT]), "", ""),
        Setting::new(
            "model.hidden_widths",
            "hidden-widths",
            Kind::WholeList,
            "WIDTHS",
            "Width of each hidden layer [default: 10,10,10,10]",
        ),
        Setting::new(
            "model.initialisation_exponent",
            "initialisation-exponent",
            Kind::Real,
            "EXPONENT",
            "Weights start as N(0, width^-EXPONENT), with the largest hidden width; above 1 training moves from \
             saddle to saddle [default: 1.5]",
        ),
        Setting::new(
            "data.teacher",
            "teacher",
            Kind::RealList,
            "VALUES",
            "Diagonal of the teacher; the number of values is the width of input and output [default: 10,20,30,40,50]",
        ),
        Setting::new(
            "data.num_training_data",
            "num-training-data",
            Kind::Whole,
            "N",
            "Number of samples n, at least 3 [default: 1e4]",
        ),
        Setting::new(
            "data.input_dist",
            "input-dist",
            Kind::Choice(InputDist::NAMES),
            "uniform|unit-ball|normal",
            "Distribution of the inputs: each coordinate uniform on (-10, 10), uniform in the unit ball, or each \
             coordinate standard normal [default: normal]",
        ),
        Setting::new(
            "train.learning_rate",
            "learning-rate",
            Kind::Real,
            "RATE",
            "Learning rate, constant over the training [default: 1e-4]",
        ),
        Setting::new("train.momentum", "momentum", Kind::Real, "SHARE", "Momentum, in [0, 1) [default: 0]"),
        Setting::new(
            "train.batch_size",
            "train-batch-size",
            Kind::Whole,
            "SAMPLES",
            "Samples in a minibatch of the training [default: 128, or n if less]",
        ),
        Setting::new(
            "train.num_steps",
            "train-steps",
            Kind::Whole,
            "STEPS",
            "Number of training steps [default: \
            20000]",
        ),
        Setting::new(
            "saddle.logging_period",
            "logging-period",
            Kind::Whole,
            "STEPS",
            "Training steps between two estimates [default: 50]",
        ),
        Setting::new(
            "saddle.rank_tolerance",
            "rank-tolerance",
            Kind::Real,
            "VALUE",
            "The rank counts singular values of the product above this [default: 5 sqrt(out/(2 n_beta)), which the \
             loss can distinguish from zero at this n_beta]",
        ),
        Setting::new(
            "saddle.gibbs_sweeps",
            "gibbs-sweeps",
            Kind::Whole,
            "SWEEPS",
            "Sweeps of Gibbs chains at each estimate, the first 0.3 of them warm-up; 0 for no Gibbs [default: 200]",
        ),
        Setting::new(
            "saddle.gibbs_chains",
            "gibbs-chains",
            Kind::Whole,
            "CHAINS",
            "Number of Gibbs chains at each estimate [default: 2]",
        ),
    ]
}
