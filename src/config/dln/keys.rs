//! Lists every setting of `llc dln`: its place in a file, its flag, its help.

use std::sync::LazyLock;

use super::{Precision, SamplerKind, defaults};
use crate::config::error::minibatch_samplers;
use crate::config::{Key, Kind};
use crate::kernel::About;

/// Every setting of `llc dln`, in the order of `--help`.
pub fn keys() -> &'static [Key] {
    static KEYS: LazyLock<Vec<Key>> = LazyLock::new(|| shared().into_iter().chain(samplers_own()).collect());
    &KEYS
}

const SAMPLER: &str = "sampler.kind";
const TRUTH: &str = "truth.kind";
const TRAIN: &str = "train.enabled";
const OPTIMIZER: &str = "train.optimizer";
const FUNCTIONAL_RANK: &str = "measure.functional_rank";
const HESSIAN_TRACE: &str = "measure.hessian_trace";
const TRUTHS: &[&str] = &["random", "zero", "rand-rank", "rand-rank-sv", "aligned"];

/// The settings that no sampler has to itself. What depends on the sampler says of each what it says of itself.
fn shared() -> Vec<Key> {
    let minibatch = minibatch_samplers();
    let adjusted = SamplerKind::those(|about| about.target_acceptance.is_some());
    let single = SamplerKind::those(|about| about.precision == Precision::F32);
    let serial = SamplerKind::those(|about| about.is_single_threaded);
    let summaries = each(". ", |about| Some(about.summary.to_owned()));
    let num_steps = each(", ", |about| Some(about.num_steps.to_string()));
    let warmup = each(", ", |about| Some(about.warmup.to_string()));
    let target_acceptance = each(", ", |about| Some(about.target_acceptance?.to_string()));
    vec![
        Key::new("experiment", "", Kind::Choice(&["dln"]), "", ""),
        Key::new("model.input_dim", "input-dim", Kind::Whole, "WIDTH", "Width of the input [default: 10]"),
        Key::new(
            "model.layer_widths",
            "layer-widths",
            Kind::WholeList,
            "WIDTHS",
            "Width of each layer, the output last: 20,20,10 or '[20, 20, 10]' [default: 20,20,10]",
        ),
        Key::new(
            "data.num_training_data",
            "num-training-data",
            Kind::Whole,
            "N",
            "Samples n, at least 3; memory doesn't grow with it [default: 1e5]",
        ),
        Key::new(
            "data.input_dist",
            "input-dist",
            Kind::Choice(&["uniform", "unit-ball"]),
            "uniform|unit-ball",
            "Law of the inputs: each coordinate on (-10, 10), or the unit ball [default: uniform]",
        ),
        Key::new(
            TRUTH,
            "truth",
            Kind::Choice(TRUTHS),
            "KIND",
            "How w* is made: random, zero, rand-rank, rand-rank-sv or aligned. The known λ is the local one at \
             aligned, zero and full-rank random truths and for two layers; elsewhere it is a lower bound, and the \
             report says so [default: random]",
        ),
        Key::new(
            "truth.rank",
            "rank",
            Kind::Whole,
            "RANK",
            "aligned: rank of every layer [default: half the smallest width, rounded down]",
        )
        .chosen_for(&[TRUTH]),
        Key::new(
            "truth.prop_rank_reduce",
            "prop-rank-reduce",
            Kind::Real,
            "SHARE",
            "rand-rank, rand-rank-sv: probability that a layer's rank is reduced [default: 0.5]",
        )
        .chosen_for(&[TRUTH]),
        Key::new(
            "truth.sv_mean",
            "sv-mean",
            Kind::Real,
            "MEAN",
            "rand-rank-sv: mean of the singular values [default: 0]",
        )
        .chosen_for(&[TRUTH]),
        Key::new(
            "truth.sv_std",
            "sv-std",
            Kind::Real,
            "STD",
            "rand-rank-sv: standard deviation of the singular values [default: 5]",
        )
        .chosen_for(&[TRUTH]),
        Key::new("truth.seed", "truth-seed", Kind::Whole, "SEED", "Seed of the truth alone [default: --seed]"),
        Key::new(
            SAMPLER,
            "sampler",
            Kind::Choice(SamplerKind::NAMES),
            text(SamplerKind::NAMES.join("|")),
            text(format!("How w is drawn. {summaries} [default: {}]", defaults::SAMPLER.name())),
        ),
        Key::new(
            "sampler.gradient",
            "gradient",
            Kind::Choice(&["minibatch", "exact"]),
            "minibatch|exact",
            text(format!(
                "What a gradient is taken over; minibatch is for {minibatch} only [default: {minibatch} minibatch, \
                 else exact]"
            )),
        )
        .chosen_for(&[SAMPLER]),
        Key::new(
            "sampler.epsilon",
            "epsilon",
            Kind::RealOrAuto,
            "EPSILON",
            "Step size: drift epsilon/2, noise variance epsilon; for hmc the square of the leapfrog step \
             [default: auto]",
        )
        .chosen_for(&[SAMPLER]),
        Key::new(
            "sampler.gamma",
            "gamma",
            Kind::Real,
            "GAMMA",
            "Localisation: gamma/2 |w - w*|^2 is added to the potential, untempered [default: 1]",
        ),
        Key::new("sampler.beta", "beta", Kind::Real, "BETA", "Inverse temperature [default: 1/ln n]"),
        Key::new(
            "sampler.n_beta",
            "n-beta",
            Kind::Real,
            "N_BETA",
            "n times beta, in place of --beta [default: n/ln n]",
        ),
        Key::new(
            "sampler.num_steps",
            "num-steps",
            Kind::Whole,
            "STEPS",
            text(format!("Steps of a chain, warm-up included [default: {num_steps}]")),
        ),
        Key::new(
            "sampler.warmup",
            "warmup",
            Kind::Real,
            "SHARE",
            text(format!(
                "Leading share of the draws that is recorded but not averaged, in [0, 1) [default: {warmup}; \
                 presets: 0.9]"
            )),
        ),
        Key::new("sampler.thin", "thin", Kind::Whole, "STEPS", "Steps from one draw to the next [default: 1]"),
        Key::new("sampler.num_chains", "num-chains", Kind::Whole, "CHAINS", "Chains; R-hat wants 4 [default: 4]"),
        Key::new(
            "sampler.batch_size",
            "batch-size",
            Kind::Whole,
            "SAMPLES",
            text(format!("{minibatch}: samples in a minibatch [default: 500, or n if less]")),
        )
        .chosen_for(&[SAMPLER]),
        Key::new(
            "sampler.target_acceptance",
            "target-acceptance",
            Kind::Real,
            "RATE",
            text(format!(
                "{adjusted}: acceptance that --epsilon auto aims at, in (0, 1) [default: {target_acceptance}]"
            )),
        )
        .chosen_for(&[SAMPLER]),
        Key::new(
            "sampler.loss_trace",
            "loss-trace",
            Kind::Choice(&["minibatch", "control-variate", "full"]),
            "minibatch|control-variate|full",
            "Loss that is averaged: the minibatch's, the same less its value at w*, or the full data's [default: \
             minibatch where there are minibatches, else full]",
        )
        .chosen_for(&[SAMPLER]),
        Key::new(
            "sampler.check_localisation",
            "check-localisation",
            Kind::Choice(&["on", "off"]),
            "on|off",
            "Whether the run is repeated, half as long, at a quarter of gamma: without it no estimate that gamma holds \
             is called trusted [default: on; presets: off]",
        ),
        Key::new(
            TRAIN,
            "train",
            Kind::Switch,
            "on|off",
            "Train a network of the same widths from a random start on the same data, and estimate its coefficient too [default: off]",
        ),
        Key::new(
            OPTIMIZER,
            "optimizer",
            Kind::Choice(&["sgd", "adam"]),
            "sgd|adam",
            "What turns gradients into steps, as PyTorch defines it [default: sgd]",
        )
        .chosen_for(&[TRAIN]),
        Key::new(
            "train.learning_rate",
            "learning-rate",
            Kind::Real,
            "RATE",
            "Learning rate, the same at all steps [default: sgd 0.01, adam 0.001]",
        )
        .chosen_for(&[TRAIN, OPTIMIZER]),
        Key::new(
            "train.momentum",
            "momentum",
            Kind::Real,
            "SHARE",
            "sgd: momentum, in [0, 1); 0 for none [default: 0.9]",
        )
        .chosen_for(&[TRAIN, OPTIMIZER]),
        Key::new(
            "train.batch_size",
            "train-batch-size",
            Kind::Whole,
            "SAMPLES",
            "Samples in a minibatch of the training [default: 500, or n if less]",
        )
        .chosen_for(&[TRAIN]),
        Key::new("train.num_steps", "train-steps", Kind::Whole, "STEPS", "Steps of the training [default: 5e4]")
            .chosen_for(&[TRAIN]),
        Key::new(
            "measure.estimator",
            "estimator",
            Kind::Choice(&["mean", "wbic-slope"]),
            "mean|wbic-slope",
            "The mean of the kept losses alone, or beside it the slope over five inverse temperatures, which needs no loss at w* \
         [default: mean]",
        ),
        Key::new(
            FUNCTIONAL_RANK,
            "functional-rank",
            Kind::Switch,
            "on|off",
            "Rank of the Jacobian of the network's function, where it can be afforded [default: off]",
        ),
        Key::new(
            "measure.functional_rank_threshold",
            "functional-rank-threshold",
            Kind::Real,
            "SHARE",
            "Share of the largest eigenvalue of J'J/n above which one counts, in (0, 1) [default: 1e-10]",
        )
        .chosen_for(&[FUNCTIONAL_RANK]),
        Key::new(
            HESSIAN_TRACE,
            "hessian-trace",
            Kind::Switch,
            "on|off",
            "Trace of the loss's Hessian, by random probes [default: off]",
        ),
        Key::new(
            "measure.hessian_probes",
            "hessian-probes",
            Kind::Whole,
            "PROBES",
            "Probes of the trace [default: 100]",
        )
        .chosen_for(&[HESSIAN_TRACE]),
        Key::new(
            "measure.distance",
            "compute-distance",
            Kind::Switch,
            "on|off",
            "Root mean square distance of the draws from the centre, layer by layer [default: off]",
        ),
        Key::new(
            "measure.save_true_param",
            "save-true-param",
            Kind::Switch,
            "on|off",
            "Write w*, and the trained parameter, to the record as files that NumPy opens [default: off]",
        ),
        Key::new("seed", "seed", Kind::Whole, "SEED", "Seed of everything random [default: 0]"),
        Key::new(
            "run.threads",
            "threads",
            Kind::Whole,
            "THREADS",
            "Threads in all, also while data are read and networks trained [default: what SLURM grants, else all processors]",
        ),
        Key::new(
            "run.threads_per_chain",
            "threads-per-chain",
            Kind::Whole,
            "THREADS",
            text(format!("Threads for one chain [default: 1 for {serial} and below 100,000 parameters, else all]")),
        ),
        Key::new("run.device", "device", Kind::Text, "cpu|cuda|cuda:N", "Where the chains run [default: cpu]"),
        Key::new(
            "run.precision",
            "precision",
            Kind::Choice(&["auto", "f32", "f64"]),
            "auto|f32|f64",
            text(format!("Arithmetic of the chains; auto is f32 for {single}, else f64 [default: auto]")),
        )
        .chosen_for(&[SAMPLER]),
    ]
}

/// The settings that belong to some samplers alone, with their names before the text. Where several declare the same one, the
/// first one's text stands.
fn samplers_own() -> Vec<Key> {
    let mut own: Vec<Key> = Vec::new();
    for key in SamplerKind::ALL.iter().flat_map(|kind| kind.about().keys) {
        if own.iter().all(|other| other.path != key.path) {
            let users = SamplerKind::those(|about| about.takes(key.path));
            own.push(Key { help: text(format!("{users}: {}", key.help)), ..*key }.chosen_for(&[SAMPLER]));
        }
    }
    own
}

/// What `tell` says of each sampler, behind its name: `gibbs 4000, hmc 6000`.
fn each(separator: &str, tell: impl Fn(&About) -> Option<String>) -> String {
    let told = |kind: SamplerKind| Some(format!("{} {}", kind.name(), tell(kind.about())?));
    SamplerKind::ALL.into_iter().filter_map(told).collect::<Vec<_>>().join(separator)
}

/// Keeps a text for as long as the program runs: there is one table of keys.
fn text(text: String) -> &'static str {
    text.leak()
}
