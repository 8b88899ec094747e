//! Lists every setting of `llc dln`: its place in a file, its flag, its help.

use crate::config::{Key, Kind};

const TRUTHS: &[&str] = &["random", "zero", "rand-rank", "rand-rank-sv", "aligned"];

/// Every setting of `llc dln`, in the order of `--help`.
pub const KEYS: &[Key] = &[
    key("experiment", "", Kind::Choice(&["dln"]), "", ""),
    key("model.input_dim", "input-dim", Kind::Whole, "WIDTH", "Width of the input [default: 10]"),
    key(
        "model.layer_widths",
        "layer-widths",
        Kind::WholeList,
        "WIDTHS",
        "Width of each layer, the output last: 20,20,10 or '[20, 20, 10]' [default: 20,20,10]",
    ),
    key(
        "data.num_training_data",
        "num-training-data",
        Kind::Whole,
        "N",
        "Samples n, at least 3; memory doesn't grow with it [default: 1e5]",
    ),
    key(
        "data.input_dist",
        "input-dist",
        Kind::Choice(&["uniform", "unit-ball"]),
        "uniform|unit-ball",
        "Law of the inputs: each coordinate on (-10, 10), or the unit ball [default: uniform]",
    ),
    key(
        "truth.kind",
        "truth",
        Kind::Choice(TRUTHS),
        "KIND",
        "How w* is made: random, zero, rand-rank, rand-rank-sv or aligned. The known λ is the local one at aligned, zero \
         and full-rank random truths and for two layers; elsewhere it is a lower bound, and the report says so [default: random]",
    ),
    key(
        "truth.rank",
        "rank",
        Kind::Whole,
        "RANK",
        "aligned: rank of every layer [default: half the smallest width, rounded down]",
    ),
    key(
        "truth.prop_rank_reduce",
        "prop-rank-reduce",
        Kind::Real,
        "SHARE",
        "rand-rank, rand-rank-sv: probability that a layer's rank is reduced [default: 0.5]",
    ),
    key("truth.sv_mean", "sv-mean", Kind::Real, "MEAN", "rand-rank-sv: mean of the singular values [default: 0]"),
    key(
        "truth.sv_std",
        "sv-std",
        Kind::Real,
        "STD",
        "rand-rank-sv: standard deviation of the singular values [default: 5]",
    ),
    key("truth.seed", "truth-seed", Kind::Whole, "SEED", "Seed of the truth alone [default: --seed]"),
    key(
        "sampler.kind",
        "sampler",
        Kind::Choice(&["gibbs", "hmc", "mala", "sgld"]),
        "gibbs|hmc|mala|sgld",
        "How w is drawn. gibbs draws each layer exactly: no step size to tune, and it mixes where gradients crawl. hmc and \
         mala are exact too and tune their step; sgld is the published method, biased by its step [default: gibbs]",
    ),
    key(
        "sampler.gradient",
        "gradient",
        Kind::Choice(&["minibatch", "exact"]),
        "minibatch|exact",
        "What a gradient is taken over; hmc and mala need exact [default: sgld minibatch, else exact]",
    ),
    key(
        "sampler.epsilon",
        "epsilon",
        Kind::RealOrAuto,
        "EPSILON",
        "Step size: drift epsilon/2, noise variance epsilon; for hmc the square of the leapfrog step [default: auto]",
    ),
    key(
        "sampler.gamma",
        "gamma",
        Kind::Real,
        "GAMMA",
        "Localisation: gamma/2 |w - w*|^2 is added to the potential, untempered [default: 1]",
    ),
    key("sampler.beta", "beta", Kind::Real, "BETA", "Inverse temperature [default: 1/ln n]"),
    key("sampler.n_beta", "n-beta", Kind::Real, "N_BETA", "n times beta, in place of --beta [default: n/ln n]"),
    key(
        "sampler.num_steps",
        "num-steps",
        Kind::Whole,
        "STEPS",
        "Steps of a chain, warm-up included [default: gibbs 4000, hmc 6000, mala 20000, sgld 20000]",
    ),
    key(
        "sampler.warmup",
        "warmup",
        Kind::Real,
        "SHARE",
        "Leading share of the draws that is recorded but not averaged, in [0, 1) [default: sgld 0.5, else 0.25; presets: 0.9]",
    ),
    key("sampler.thin", "thin", Kind::Whole, "STEPS", "Steps from one draw to the next [default: 1]"),
    key("sampler.num_chains", "num-chains", Kind::Whole, "CHAINS", "Chains; R-hat wants 4 [default: 4]"),
    key(
        "sampler.batch_size",
        "batch-size",
        Kind::Whole,
        "SAMPLES",
        "sgld: samples in a minibatch [default: 500, or n if less]",
    ),
    key(
        "sampler.leapfrog_steps",
        "leapfrog-steps",
        Kind::Whole,
        "STEPS",
        "hmc: mean leapfrog steps of a trajectory [default: 20]",
    ),
    key(
        "sampler.target_acceptance",
        "target-acceptance",
        Kind::Real,
        "RATE",
        "hmc, mala: acceptance that --epsilon auto aims at, in (0, 1) [default: mala 0.574, hmc 0.8]",
    ),
    key(
        "sampler.loss_trace",
        "loss-trace",
        Kind::Choice(&["minibatch", "control-variate", "full"]),
        "minibatch|control-variate|full",
        "Loss that is averaged: the minibatch's, the same less its value at w*, or the full data's [default: minibatch \
         where there are minibatches, else full]",
    ),
    key(
        "sampler.check_localisation",
        "check-localisation",
        Kind::Choice(&["on", "off"]),
        "on|off",
        "Whether the run is repeated, half as long, at a quarter of gamma: without it no estimate that gamma holds is \
         called trusted [default: on; presets: off]",
    ),
    key(
        "sampler.mala_every",
        "mala-every",
        Kind::Whole,
        "STEPS",
        "sgld: steps from one acceptance diagnostic to the next, 0 for none [default: 20]",
    ),
    key(
        "sampler.preconditioner",
        "preconditioner",
        Kind::RealList,
        "FACTORS",
        "sgld: a positive factor of epsilon for each layer, such as 1,0.5,2 [default: all 1]",
    ),
    key("seed", "seed", Kind::Whole, "SEED", "Seed of everything random [default: 0]"),
    key(
        "run.threads",
        "threads",
        Kind::Whole,
        "THREADS",
        "Threads for all chains [default: what SLURM grants, else all processors]",
    ),
    key(
        "run.threads_per_chain",
        "threads-per-chain",
        Kind::Whole,
        "THREADS",
        "Threads for one chain [default: 1 below 100,000 parameters, else all]",
    ),
    key("run.device", "device", Kind::Text, "cpu|cuda|cuda:N", "Where the chains run [default: cpu]"),
    key(
        "run.precision",
        "precision",
        Kind::Choice(&["auto", "f32", "f64"]),
        "auto|f32|f64",
        "Arithmetic of the chains; auto is f32 for sgld, else f64 [default: auto]",
    ),
];

const fn key(path: &'static str, flag: &'static str, kind: Kind, value_name: &'static str, help: &'static str) -> Key {
    Key { path, flag, kind, value_name, help }
}
