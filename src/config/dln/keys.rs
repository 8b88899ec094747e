//! Lists every setting of `llc dln`: its place in a file, its flag, its help.

use super::measure::Estimator;
use super::train::OptimizerKind;
use crate::model::TruthKind;
use llc_core::setting::Choice;
use std::sync::LazyLock;

use super::{InputDist, defaults};
use crate::config::{Kind, Setting, run, sampler};

/// Every setting of `llc dln`, in the order of `--help`.
pub fn keys() -> &'static [Setting] {
    static KEYS: LazyLock<Vec<Setting>> = LazyLock::new(|| {
        let seed = Setting::new("seed", "seed", Kind::Whole, "SEED", "Seed of everything random [default: 0]");
        [problem(), sampler::keys::keys(&defaults::SAMPLER, true), beside(), vec![seed], run::keys()].concat()
    });
    &KEYS
}

const TRUTH: &str = "truth.kind";
const TRAIN: &str = "train.enabled";
const OPTIMIZER: &str = "train.optimizer";
const FUNCTIONAL_RANK: &str = "measure.functional_rank";
const HESSIAN_TRACE: &str = "measure.hessian_trace";
/// The network, the data and the truth.
fn problem() -> Vec<Setting> {
    vec![
        Setting::new("experiment", "", Kind::Choice(&["dln"]), "", ""),
        Setting::new("model.input_dim", "input-dim", Kind::Whole, "WIDTH", "Width of the input [default: 10]"),
        Setting::new(
            "model.layer_widths",
            "layer-widths",
            Kind::WholeList,
            "WIDTHS",
            "Width of each layer, the output last: 20,20,10 or '[20, 20, 10]' [default: 20,20,10]",
        ),
        Setting::new(
            "data.num_training_data",
            "num-training-data",
            Kind::Whole,
            "N",
            "Number of samples n, at least 3; memory doesn't grow with n [default: 1e5]",
        ),
        Setting::new(
            "data.input_dist",
            "input-dist",
            Kind::Choice(InputDist::NAMES),
            "uniform|unit-ball|normal",
            "Distribution of the inputs: each coordinate uniform on (-10, 10), uniform in the unit ball, or each \
             coordinate standard normal [default: uniform]",
        ),
        Setting::new(
            TRUTH,
            "truth",
            Kind::Choice(TruthKind::NAMES),
            "KIND",
            "How w* is made: random, zero, rand-rank, rand-rank-sv or aligned. The known λ is the local one at \
             aligned, zero and full-rank random truths and for two layers; otherwise it is a lower bound, and the \
             report says so [default: random]",
        ),
        Setting::new(
            "truth.rank",
            "rank",
            Kind::Whole,
            "RANK",
            "aligned: rank of every layer [default: half the smallest width, rounded down]",
        )
        .chosen_for(&[TRUTH]),
        Setting::new(
            "truth.prop_rank_reduce",
            "prop-rank-reduce",
            Kind::Real,
            "SHARE",
            "rand-rank, rand-rank-sv: probability that a layer's rank is reduced [default: 0.5]",
        )
        .chosen_for(&[TRUTH]),
        Setting::new(
            "truth.sv_mean",
            "sv-mean",
            Kind::Real,
            "MEAN",
            "rand-rank-sv: mean of the singular values [default: 0]",
        )
        .chosen_for(&[TRUTH]),
        Setting::new(
            "truth.sv_std",
            "sv-std",
            Kind::Real,
            "STD",
            "rand-rank-sv: standard deviation of the singular values [default: 5]",
        )
        .chosen_for(&[TRUTH]),
        Setting::new("truth.seed", "truth-seed", Kind::Whole, "SEED", "Seed of the truth alone [default: --seed]"),
    ]
}

/// The trained point, and what is measured at both.
fn beside() -> Vec<Setting> {
    vec![
        Setting::new(
            TRAIN,
            "train",
            Kind::Switch,
            "on|off",
            "Also train a network of the same widths from a random start on the same data, and estimate its \
             coefficient [default: off]",
        ),
        Setting::new(
            OPTIMIZER,
            "optimizer",
            Kind::Choice(OptimizerKind::NAMES),
            "sgd|adam",
            "Optimiser of the training, as PyTorch defines it [default: sgd]",
        )
        .chosen_for(&[TRAIN]),
        Setting::new(
            "train.learning_rate",
            "learning-rate",
            Kind::Real,
            "RATE",
            "Learning rate, constant over the training [default: sgd 0.01, adam 0.001]",
        )
        .chosen_for(&[TRAIN, OPTIMIZER]),
        Setting::new(
            "train.momentum",
            "momentum",
            Kind::Real,
            "SHARE",
            "sgd: momentum, in [0, 1); 0 for none [default: 0.9]",
        )
        .chosen_for(&[TRAIN, OPTIMIZER]),
        Setting::new(
            "train.batch_size",
            "train-batch-size",
            Kind::Whole,
            "SAMPLES",
            "Samples in a minibatch of the training [default: 500, or n if less]",
        )
        .chosen_for(&[TRAIN]),
        Setting::new("train.num_steps", "train-steps", Kind::Whole, "STEPS", "Number of training steps [default: 5e4]")
            .chosen_for(&[TRAIN]),
        Setting::new(
            "measure.estimator",
            "estimator",
            Kind::Choice(Estimator::NAMES),
            "mean|wbic-slope",
            "mean: the mean of the kept losses; wbic-slope: also the slope over five inverse temperatures, which \
             needs no loss at w* [default: mean]",
        ),
        Setting::new(
            FUNCTIONAL_RANK,
            "functional-rank",
            Kind::Switch,
            "on|off",
            "Compute the rank of the Jacobian of the network's function, unless it is too large [default: off]",
        ),
        Setting::new(
            "measure.functional_rank_threshold",
            "functional-rank-threshold",
            Kind::Real,
            "SHARE",
            "Share of the largest eigenvalue of J'J/n above which an eigenvalue counts, in (0, 1) [default: 1e-10]",
        )
        .chosen_for(&[FUNCTIONAL_RANK]),
        Setting::new(
            HESSIAN_TRACE,
            "hessian-trace",
            Kind::Switch,
            "on|off",
            "Estimate the trace of the loss's Hessian by random probes [default: off]",
        ),
        Setting::new(
            "measure.hessian_probes",
            "hessian-probes",
            Kind::Whole,
            "PROBES",
            "Number of probes of the trace [default: 100]",
        )
        .chosen_for(&[HESSIAN_TRACE]),
        Setting::new(
            "measure.spectra",
            "spectra",
            Kind::Switch,
            "on|off",
            "Record all singular values of the Jacobian and all eigenvalues of the loss's Hessian, up to 5,000 \
             [default: off]",
        ),
        Setting::new(
            "measure.distance",
            "compute-distance",
            Kind::Switch,
            "on|off",
            "Report the root mean square distance of the draws from the centre for each layer [default: off]",
        ),
        Setting::new(
            "measure.save_true_param",
            "save-true-param",
            Kind::Switch,
            "on|off",
            "Save w* and the trained parameter in the record as NumPy files [default: off]",
        ),
    ]
}
