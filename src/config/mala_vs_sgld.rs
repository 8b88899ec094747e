//! Configures `llc mala-vs-sgld`: λ̂ of a ReLU network by minibatch SGLD, by MALA on all samples, and by HMC, against n.
//!
//! The tables are `model`, `comparison`, `sampler` and `run`. Defaults are those of the published experiment; HMC, which was not part of
//! it, is the yardstick: it finds its own step size and leaves out a warm-up, where the other two average from the first step.

use std::sync::LazyLock;

use serde::{Serialize, Serializer};

use super::experiment::{CommandLine, Configuration};
use super::relu::{self, ReluRun};
use super::sampler::{
    self, ConfigWarning, Epsilon, ExtrapolateStep, Gamma, Gradient, LossTrace, SamplerConfig, Switch,
};
use super::{ConfigError, Kind, PositiveF64, RawConfig, Setting};
use crate::kernel::hmc::Hmc;
use crate::kernel::mala::Mala;
use crate::kernel::sgld::Sgld;
use crate::kernel::{KernelConfig, SamplerKind};
use crate::words::counted;

const EXAMPLES: &str = "\
Examples:
  llc mala-vs-sgld
      Seven sizes of data from 100 to 1e5, three samplers, five runs each; prints an estimate of its time.
  llc mala-vs-sgld --n 100,1000 --num-runs 2 --num-steps 2000
      A quick look, in a minute.
  llc mala-vs-sgld --samplers sgld,mala --warmup 0.9 --n 1000
      Only the last tenth is averaged.

Exit codes: 0 done, 1 failed, 2 bad usage or configuration, 3 diverged, 75 interrupted.";

/// The sections of a file, under which `--help` shows their flags.
const HEADINGS: [(&str, &str); 4] =
    [("model.", "The network"), ("comparison.", "The comparison"), ("sampler.", "The samplers"), ("", "The run")];

const WIDTHS: [usize; 4] = [10, 20, 20, 10];
/// 10², 10^2.5, …, 10⁵.
const N: [usize; 7] = [100, 316, 1_000, 3_162, 10_000, 31_623, 100_000];
/// All samples are held in memory: 80 GB of them at the widths above.
const MAX_N: u64 = 1_000_000_000;
const SAMPLERS: [SamplerKind; 3] = [SamplerKind::Sgld, SamplerKind::Mala, SamplerKind::Hmc];
const NUM_RUNS: usize = 5;
const MAX_RUNS: u64 = 1_000;
const EPSILON: PositiveF64 = PositiveF64::literal(1e-5);
const GAMMA: f64 = 1.0;
const NUM_STEPS: usize = 10_000;
const WARMUP: f64 = 0.0;
const BATCH_SIZE: usize = 32;
const LEAPFROG_STEPS: usize = 20;
const HMC_WARMUP: f64 = 0.5;
/// As in Stan.
const HMC_ACCEPTANCE: f64 = 0.8;
const SEED: u64 = 0;

/// A legal configuration of `llc mala-vs-sgld`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MalaVsSgldConfig {
    experiment: &'static str,
    seed: u64,
    model: ReluModel,
    comparison: Comparison,
    sampler: ComparedSamplers,
    run: ReluRun,
}

/// The network, in files the table `model`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ReluModel {
    /// Widths of input, hidden layers and output.
    pub widths: Vec<usize>,
}

/// What is compared, in files the table `comparison`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Comparison {
    /// Numbers of samples, each at least 3.
    pub n: Vec<usize>,
    /// The samplers, each once.
    #[serde(serialize_with = "joined")]
    pub samplers: Vec<SamplerKind>,
    /// Networks, with data and noise of their own, at each n.
    pub num_runs: usize,
}

fn joined<S: Serializer>(samplers: &[SamplerKind], serializer: S) -> Result<S::Ok, S::Error> {
    let names: Vec<&str> = samplers.iter().map(|sampler| sampler.name()).collect();
    serializer.serialize_str(&names.join(","))
}

/// Settings of the samplers, in files the table `sampler`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ComparedSamplers {
    /// Step size of SGLD and MALA.
    pub epsilon: PositiveF64,
    /// Localisation γ.
    pub gamma: f64,
    /// Steps of SGLD and MALA; gradients of HMC.
    pub num_steps: usize,
    /// Share of SGLD's and MALA's draws that is warm-up, in [0, 1).
    pub warmup: f64,
    /// Samples in SGLD's minibatches, or n if that is less.
    pub batch_size: usize,
    /// Squared leapfrog step of HMC.
    pub hmc_epsilon: Epsilon,
    /// Mean leapfrog steps of a trajectory of HMC.
    pub leapfrog_steps: usize,
    /// Share of HMC's draws that is warm-up, in [0, 1).
    pub hmc_warmup: f64,
}

impl MalaVsSgldConfig {
    /// The name of the experiment, in files and records.
    pub const EXPERIMENT: &'static str = "mala-vs-sgld";

    /// Seed of everything random, below 2⁶³: that of the first run at each n, the next ones' follow.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Widths of the network, input first.
    pub fn widths(&self) -> &[usize] {
        &self.model.widths
    }

    /// What is compared.
    pub fn comparison(&self) -> &Comparison {
        &self.comparison
    }

    /// Settings of the samplers.
    pub fn samplers(&self) -> &ComparedSamplers {
        &self.sampler
    }

    /// Threads and precision.
    pub fn run(&self) -> &ReluRun {
        &self.run
    }

    /// What `kind` does on `n` samples; one chain. MALA and HMC have exact gradients and losses; SGLD records the loss of its minibatch.
    pub fn sampler(&self, kind: SamplerKind, n: usize) -> SamplerConfig {
        let given = &self.sampler;
        let batch_size = given.batch_size.min(n);
        let is_hmc = kind == SamplerKind::Hmc;
        let kernel = match kind {
            SamplerKind::Hmc => KernelConfig::Hmc(Hmc {
                epsilon: given.hmc_epsilon,
                leapfrog_steps: given.leapfrog_steps,
                target_acceptance: HMC_ACCEPTANCE,
            }),
            SamplerKind::Mala => KernelConfig::Mala(Mala {
                epsilon: Epsilon::Fixed(given.epsilon),
                target_acceptance: SamplerKind::Mala.about().target_acceptance.unwrap_or_default(),
            }),
            _ => KernelConfig::Sgld(Sgld {
                epsilon: Epsilon::Fixed(given.epsilon),
                gradient: Gradient::Minibatch { batch_size },
                mala_every: MALA_EVERY,
                preconditioner: None,
            }),
        };
        SamplerConfig {
            kernel,
            tempering: None,
            gamma: Gamma::Fixed(given.gamma),
            num_steps: if is_hmc { given.num_steps.div_ceil(given.leapfrog_steps) } else { given.num_steps },
            warmup: if is_hmc { given.hmc_warmup } else { given.warmup },
            thin: 1,
            num_chains: 1,
            loss_trace: if kind == SamplerKind::Sgld { LossTrace::Minibatch } else { LossTrace::Full },
            check_localisation: Switch::Off,
            extrapolate_step: None,
            default_extrapolate_step: ExtrapolateStep::Off,
        }
    }
}

/// Steps from one acceptance diagnostic of SGLD to the next.
const MALA_EVERY: usize = 20;

impl Configuration for MalaVsSgldConfig {
    const COMMAND_LINE: CommandLine = CommandLine {
        name: Self::EXPERIMENT,
        about: "Compare minibatch SGLD with MALA and HMC on exact gradients around a ReLU network",
        examples: EXAMPLES,
        headings: &HEADINGS,
        ..CommandLine::WITHOUT_PRESETS
    };

    fn keys() -> &'static [Setting] {
        static KEYS: LazyLock<Vec<Setting>> = LazyLock::new(|| {
            let mut keys = vec![
                Setting::new("experiment", "", Kind::Choice(&[MalaVsSgldConfig::EXPERIMENT]), "", ""),
                Setting::new(
                    "model.widths",
                    "widths",
                    Kind::WholeList,
                    "WIDTHS",
                    "Widths of input, hidden layers and output [default: 10,20,20,10]",
                ),
                Setting::new(
                    "comparison.n",
                    "n",
                    Kind::WholeList,
                    "N,...",
                    "Numbers of samples, each at least 3, x uniform on (-10, 10) [default: \
                     100,316,1000,3162,10000,31623,100000]",
                ),
                Setting::new(
                    "comparison.samplers",
                    "samplers",
                    Kind::Text,
                    "NAMES",
                    "Samplers to compare, from sgld, mala and hmc [default: sgld,mala,hmc]",
                ),
                Setting::new(
                    "comparison.num_runs",
                    "num-runs",
                    Kind::Whole,
                    "RUNS",
                    "Runs at each n, with different networks, data and noise: seeds --seed, --seed + 1, ... [default: \
                     5]",
                ),
                Setting::new(
                    "sampler.epsilon",
                    "epsilon",
                    Kind::Real,
                    "EPSILON",
                    "Step size of sgld and mala [default: 1e-5]",
                ),
                Setting::new("sampler.gamma", "gamma", Kind::Real, "GAMMA", "Localisation [default: 1]"),
                Setting::new(
                    "sampler.num_steps",
                    "num-steps",
                    Kind::Whole,
                    "STEPS",
                    "Steps of sgld and mala, gradients of hmc [default: 10000]",
                ),
                Setting::new(
                    "sampler.warmup",
                    "warmup",
                    Kind::Real,
                    "SHARE",
                    "Leading share of sgld's and mala's draws that is recorded but not averaged, in [0, 1) [default: 0, \
                     as published]",
                ),
                Setting::new(
                    "sampler.batch_size",
                    "batch-size",
                    Kind::Whole,
                    "SAMPLES",
                    "Samples in a minibatch of sgld, at most n [default: 32]",
                ),
                Setting::new(
                    "sampler.hmc_epsilon",
                    "hmc-epsilon",
                    Kind::RealOrAuto,
                    "EPSILON",
                    "Squared leapfrog step of hmc [default: auto]",
                ),
                Setting::new(
                    "sampler.leapfrog_steps",
                    "leapfrog-steps",
                    Kind::Whole,
                    "STEPS",
                    "Mean leapfrog steps of a trajectory of hmc [default: 20]",
                ),
                Setting::new(
                    "sampler.hmc_warmup",
                    "hmc-warmup",
                    Kind::Real,
                    "SHARE",
                    "Leading share of hmc's draws that is recorded but not averaged, in [0, 1) [default: 0.5]",
                ),
                Setting::new("seed", "seed", Kind::Whole, "SEED", "Seed of everything random [default: 0]"),
            ];
            keys.extend(relu::run_keys());
            keys
        });
        &KEYS
    }

    fn build(raw: &RawConfig, threads: usize) -> Result<Self, ConfigError> {
        let widths = relu::whole_list(raw, "model.widths", 1, relu::MAX_WIDTH)?.unwrap_or(WIDTHS.to_vec());
        if widths.len() < 2 {
            let reason = "give at least the widths of input and output, such as 10,20,20,10".to_owned();
            return Err(ConfigError::Refused { key: raw.key("model.widths")?, reason });
        }
        let share = |value: f64| (0.0..1.0).contains(&value);
        let config = Self {
            experiment: Self::EXPERIMENT,
            seed: raw.whole("seed").unwrap_or(SEED),
            model: ReluModel { widths },
            comparison: Comparison {
                n: relu::whole_list(raw, "comparison.n", 3, MAX_N)?.unwrap_or(N.to_vec()),
                samplers: samplers(raw)?,
                num_runs: raw.count_to("comparison.num_runs", MAX_RUNS)?.unwrap_or(NUM_RUNS),
            },
            sampler: ComparedSamplers {
                epsilon: raw.positive("sampler.epsilon")?.unwrap_or(EPSILON),
                gamma: raw.non_negative("sampler.gamma")?.unwrap_or(GAMMA),
                num_steps: raw.count("sampler.num_steps", 1)?.unwrap_or(NUM_STEPS),
                warmup: raw.within("sampler.warmup", "[0, 1)", share)?.unwrap_or(WARMUP),
                batch_size: raw.count("sampler.batch_size", 1)?.unwrap_or(BATCH_SIZE),
                hmc_epsilon: raw.positive("sampler.hmc_epsilon")?.map_or(Epsilon::Auto, Epsilon::Fixed),
                leapfrog_steps: raw.count("sampler.leapfrog_steps", 1)?.unwrap_or(LEAPFROG_STEPS),
                hmc_warmup: raw.within("sampler.hmc_warmup", "[0, 1)", share)?.unwrap_or(HMC_WARMUP),
            },
            run: relu::run(raw, threads)?,
        };
        for &kind in &config.comparison.samplers {
            // HMC makes a trajectory of several gradients in a step.
            let per_step = if kind == SamplerKind::Hmc { config.sampler.leapfrog_steps } else { 1 };
            let sampler = config.sampler(kind, config.comparison.n[0]);
            sampler::check::ensure_enough_draws(raw.key("sampler.num_steps")?, &sampler, per_step)?;
        }
        Ok(config)
    }

    fn warnings(&self, _: &RawConfig) -> Vec<ConfigWarning> {
        if self.sampler.gamma == 0.0 { vec![ConfigWarning::FlatDirectionsAreFree] } else { Vec::new() }
    }

    fn remark(&self) -> String {
        let d: usize = self.model.widths.windows(2).map(|pair| (pair[0] + 1) * pair[1]).sum();
        let Comparison { n, samplers, num_runs } = &self.comparison;
        format!("d = {d} parameters, {}", counted(n.len() * samplers.len() * num_runs, "chain"))
    }

    fn threads(&self) -> usize {
        self.run.threads
    }
}

fn samplers(raw: &RawConfig) -> Result<Vec<SamplerKind>, ConfigError> {
    let path = "comparison.samplers";
    let Some(words) = raw.word(path) else { return Ok(SAMPLERS.to_vec()) };
    let kinds: Option<Vec<SamplerKind>> = words
        .split(',')
        .map(|word| SamplerKind::from_name(word.trim()).filter(|kind| SAMPLERS.contains(kind)))
        .collect();
    let is_each_once = |kinds: &Vec<SamplerKind>| (1..kinds.len()).all(|i| !kinds[..i].contains(&kinds[i]));
    match kinds.filter(is_each_once) {
        Some(kinds) => Ok(kinds),
        None => {
            let reason = "give one or more of sgld, mala and hmc, each once, such as sgld,mala".to_owned();
            Err(ConfigError::Refused { key: raw.key(path)?, reason })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::{self, assert_examples_are_legal, assert_printed_reads_back};

    fn config(line: &str) -> Result<MalaVsSgldConfig, ConfigError> {
        testing::resolved(line)
    }

    #[test]
    fn a_printed_configuration_reads_back_to_an_equal_one() {
        assert_printed_reads_back::<MalaVsSgldConfig>([
            "",
            "--widths 3,4,2 --n 10,20 --samplers mala,hmc --num-runs 2 --hmc-epsilon 1e-4 --hmc-warmup 0.2 --seed 7",
            "--epsilon 1e-6 --gamma 2 --num-steps 400 --warmup 0.5 --batch-size 8 --leapfrog-steps 10 --precision f64",
        ]);
    }

    #[test]
    fn the_commands_that_help_shows_are_legal() {
        assert_examples_are_legal::<MalaVsSgldConfig>(3);
    }

    #[test]
    fn the_defaults_are_the_published_sizes_and_the_network_of_850_parameters() {
        let config = config("").unwrap();
        assert_eq!(config.remark(), "d = 850 parameters, 105 chains");
        for (i, n) in config.comparison.n.iter().enumerate() {
            assert_eq!(*n as f64, 10f64.powf(2.0 + i as f64 / 2.0).round());
        }
        // HMC takes as many gradients as the others take steps.
        assert_eq!(config.sampler(SamplerKind::Hmc, 100).num_steps, 500);
    }

    #[test]
    fn what_cannot_be_compared_is_refused_with_what_to_do() {
        for (line, words) in [
            ("--samplers sgld,gibbs", "one or more of sgld, mala and hmc"),
            ("--samplers sgld,sgld", "each once"),
            ("--n 2", "from 3 to"),
            ("--widths 10", "at least the widths of input and output"),
            (
                "--num-steps 60",
                "--num-steps (sampler.num_steps) is 60: it keeps 2 draws of the 4 needed; give 160 or more",
            ),
        ] {
            let message = config(line).unwrap_err().to_string();
            assert!(message.contains(words), "{line}: {message}");
        }
    }
}
