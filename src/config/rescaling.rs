//! Configures `llc rescaling`: λ̂ of ReLU networks whose parameters are rescaled without changing their function.
//!
//! The tables are `model`, `data`, `rescaling`, `sampler` and `run`. Defaults are those of the published experiment, but for the warm-up, and
//! for the loss on all samples, which is looked at every ten steps.

use llc_core::setting::{Choice, choice};
use std::fmt;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize, Serializer};

use super::experiment::{CommandLine, Configuration};
use super::relu::{self, ReluRun};
use super::sampler::{
    self, ConfigWarning, Epsilon, ExtrapolateStep, Gamma, Gradient, LossTrace, SamplerConfig, Switch,
};
use super::{ConfigError, Kind, PositiveF64, RawConfig, Setting};
use crate::kernel::KernelConfig;
use crate::kernel::sgld::Sgld;
use crate::words::counted;

const EXAMPLES: &str = "\
Examples:
  llc rescaling
      Three networks, 17 factors from 1e-4 to 1e4, five seeds, as published; prints an estimate of its time.
  llc rescaling --networks 10-20-10 --factors 0.0625,1,16 --num-seeds 2 --num-steps 1000
      Powers of two: λ̂ must agree bit for bit, which `llc-analysis check-rescaling RUN` checks.
  llc rescaling --networks 10-20-10 --factors 0.1,0.3,1,3,10 --preconditioner none
      Without the preconditioner that matches the factor: a different chain, which is not invariant.

Exit codes: 0 done, 1 failed, 2 bad usage or configuration, 3 diverged, 75 interrupted.";

/// The sections of a file, under which `--help` shows their flags.
const HEADINGS: [(&str, &str); 5] = [
    ("model.", "The networks"),
    ("data.", "The data"),
    ("rescaling.", "The rescaling"),
    ("sampler.", "The sampler"),
    ("", "The run"),
];

const NETWORKS: &str = "10-20-10,20-30-20,30-40-30";
/// First-layer units that are copies of unit 0.
const COPIES: [usize; 6] = [1, 2, 3, 4, 5, 8];
const NUM_TRAINING_DATA: usize = 10_000;
const NUM_SEEDS: usize = 5;
const MAX_SEEDS: u64 = 1_000;
/// Largest factor, and one over the smallest: ε is scaled by its square.
const MAX_FACTOR: f64 = 1e15;
const EPSILON: PositiveF64 = PositiveF64::literal(1e-5);
const NUM_STEPS: usize = 10_000;
const WARMUP: f64 = 0.5;
const THIN: usize = 10;
const BATCH_SIZE: usize = 500;
const SEED: u64 = 0;

/// A legal configuration of `llc rescaling`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RescalingConfig {
    experiment: &'static str,
    seed: u64,
    model: ReluModels,
    data: RescalingData,
    rescaling: Rescaling,
    sampler: RescalingSampler,
    run: ReluRun,
}

/// The networks, in files the table `model`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ReluModels {
    /// Each network's widths: input, one hidden layer, output.
    #[serde(serialize_with = "joined")]
    pub networks: Vec<Widths>,
    /// Units of the first layer that are copies of its unit 0.
    pub copies: Vec<usize>,
}

/// Widths of a network, input first; written `10-20-10`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Widths(pub Vec<usize>);

impl fmt::Display for Widths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self.0.iter().map(usize::to_string).collect();
        f.write_str(&words.join("-"))
    }
}

fn joined<S: Serializer>(networks: &[Widths], serializer: S) -> Result<S::Ok, S::Error> {
    let words: Vec<String> = networks.iter().map(Widths::to_string).collect();
    serializer.serialize_str(&words.join(","))
}

/// The samples, in files the table `data`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RescalingData {
    /// Samples n, at least 3.
    pub num_training_data: usize,
}

/// What is rescaled, in files the table `rescaling`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Rescaling {
    /// The factors s.
    pub factors: Vec<PositiveF64>,
    /// What the sampler's noise and drift are scaled by.
    pub preconditioner: Preconditioner,
    /// Networks, with data and noise of their own, of each shape.
    pub num_seeds: usize,
}

/// What the sampler's noise and drift are scaled by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preconditioner {
    /// s² for what is multiplied by s, 1/s² for what is divided by it: the chain is the original's image.
    Invariant,
    /// 1: another chain at each factor.
    None,
}

choice!(Preconditioner: Invariant = "invariant", None = "none");

impl Preconditioner {
    /// The word in files and records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Invariant => "invariant",
            Self::None => "none",
        }
    }
}

/// The sampler, SGLD, in files the table `sampler`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RescalingSampler {
    /// Step size at the factor 1.
    pub epsilon: PositiveF64,
    /// Localisation γ.
    pub gamma: f64,
    /// Steps of a chain, warm-up included.
    pub num_steps: usize,
    /// Share of the draws that is warm-up, in [0, 1).
    pub warmup: f64,
    /// Steps from one look at the loss on all samples to the next, at least 1.
    pub thin: usize,
    /// Samples in a minibatch.
    pub batch_size: usize,
}

impl RescalingConfig {
    /// The name of the experiment, in files and records.
    pub const EXPERIMENT: &'static str = "rescaling";

    /// Seed of everything random, below 2⁶³: that of the first network of each shape, the next ones' follow.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The networks.
    pub fn model(&self) -> &ReluModels {
        &self.model
    }

    /// Samples n.
    pub fn num_training_data(&self) -> usize {
        self.data.num_training_data
    }

    /// What is rescaled.
    pub fn rescaling(&self) -> &Rescaling {
        &self.rescaling
    }

    /// Threads and precision.
    pub fn run(&self) -> &ReluRun {
        &self.run
    }

    /// The sampler with `preconditioner`, a factor of ε for each tensor; one chain.
    pub fn sampler(&self, preconditioner: &[f64]) -> SamplerConfig {
        let factors = preconditioner.iter().copied().filter_map(PositiveF64::new).collect();
        SamplerConfig {
            kernel: KernelConfig::Sgld(Sgld {
                epsilon: Epsilon::Fixed(self.sampler.epsilon),
                gradient: Gradient::Minibatch { batch_size: self.sampler.batch_size },
                mala_every: 0,
                preconditioner: Some(factors),
            }),
            tempering: None,
            gamma: Gamma::Fixed(self.sampler.gamma),
            num_steps: self.sampler.num_steps,
            warmup: self.sampler.warmup,
            thin: self.sampler.thin,
            num_chains: 1,
            loss_trace: LossTrace::Full,
            check_localisation: Switch::Off,
            extrapolate_step: None,
            default_extrapolate_step: ExtrapolateStep::Off,
        }
    }
}

impl Configuration for RescalingConfig {
    const COMMAND_LINE: CommandLine = CommandLine {
        name: Self::EXPERIMENT,
        about: "Check that the learning coefficient of ReLU networks doesn't change when they are rescaled",
        examples: EXAMPLES,
        headings: &HEADINGS,
        ..CommandLine::WITHOUT_PRESETS
    };

    fn keys() -> &'static [Setting] {
        static KEYS: LazyLock<Vec<Setting>> = LazyLock::new(|| {
            let mut keys = vec![
                Setting::new("experiment", "", Kind::Choice(&[RescalingConfig::EXPERIMENT]), "", ""),
                Setting::new(
                    "model.networks",
                    "networks",
                    Kind::Text,
                    "WIDTHS,...",
                    "Widths of input, hidden layer and output of each network [default: 10-20-10,20-30-20,30-40-30]",
                ),
                Setting::new(
                    "model.copies",
                    "copies",
                    Kind::WholeList,
                    "UNITS",
                    "Units of the first layer that are copies of its unit 0 [default: 1,2,3,4,5,8]",
                ),
                Setting::new(
                    "data.num_training_data",
                    "num-training-data",
                    Kind::Whole,
                    "N",
                    "Samples n, at least 3, x uniform on (-10, 10) [default: 1e4]",
                ),
                Setting::new(
                    "rescaling.factors",
                    "factors",
                    Kind::RealList,
                    "FACTORS",
                    "Factors that multiply the first layer and divide the second layer's weights [default: 17 from \
                     1e-4 to 1e4, evenly spaced on a log scale]",
                ),
                Setting::new(
                    "rescaling.preconditioner",
                    "preconditioner",
                    Kind::Choice(Preconditioner::NAMES),
                    "invariant|none",
                    "Factor of epsilon: invariant, the square of the tensor's own factor; or none, to see the \
                     invariance fail [default: invariant]",
                ),
                Setting::new(
                    "rescaling.num_seeds",
                    "num-seeds",
                    Kind::Whole,
                    "SEEDS",
                    "Networks of each shape, with different data and noise: seeds --seed, --seed + 1, ... [default: 5]",
                ),
                Setting::new(
                    "sampler.epsilon",
                    "epsilon",
                    Kind::Real,
                    "EPSILON",
                    "Step size at the factor 1 [default: 1e-5]",
                ),
                Setting::new(
                    "sampler.gamma",
                    "gamma",
                    Kind::Real,
                    "GAMMA",
                    "Localisation; above 0 it acts on rescaled parameters with another strength, and breaks the \
                     invariance [default: 0]",
                ),
                Setting::new(
                    "sampler.num_steps",
                    "num-steps",
                    Kind::Whole,
                    "STEPS",
                    "Steps of a chain, warm-up included [default: 10000]",
                ),
                Setting::new(
                    "sampler.warmup",
                    "warmup",
                    Kind::Real,
                    "SHARE",
                    "Leading share of the draws that is recorded but not averaged, in [0, 1) [default: 0.5]",
                ),
                Setting::new(
                    "sampler.thin",
                    "thin",
                    Kind::Whole,
                    "STEPS",
                    "Steps between two evaluations of the loss on all samples [default: 10]",
                ),
                Setting::new(
                    "sampler.batch_size",
                    "batch-size",
                    Kind::Whole,
                    "SAMPLES",
                    "Samples in a minibatch [default: 500, or n if less]",
                ),
                Setting::new("seed", "seed", Kind::Whole, "SEED", "Seed of everything random [default: 0]"),
            ];
            keys.extend(relu::run_keys());
            keys
        });
        &KEYS
    }

    fn build(raw: &RawConfig, threads: usize) -> Result<Self, ConfigError> {
        let networks = networks(raw)?;
        let copies = relu::whole_list(raw, "model.copies", 1, relu::MAX_WIDTH - 1)?.unwrap_or(COPIES.to_vec());
        if let Some(narrow) = networks.iter().find(|widths| copies.iter().any(|&unit| unit >= widths.0[1])) {
            let reason = format!(
                "{narrow} does not have all these units: give numbers below its hidden width, \
                                  counted from 0"
            );
            return Err(ConfigError::Refused { key: raw.key("model.copies")?, reason });
        }
        let n = raw.count("data.num_training_data", 3)?.unwrap_or(NUM_TRAINING_DATA);
        let factors = relu::positive_list(raw, "rescaling.factors")?.unwrap_or_else(default_factors);
        let is_extreme = |factor: &&PositiveF64| !(1.0 / MAX_FACTOR..=MAX_FACTOR).contains(&factor.get());
        if let Some(factor) = factors.iter().find(is_extreme) {
            let reason = format!("{:e} is not between 1e-15 and 1e15: its square would not fit into f32", factor.get());
            return Err(ConfigError::Refused { key: raw.key("rescaling.factors")?, reason });
        }
        let preconditioner = raw.choice("rescaling.preconditioner").unwrap_or(Preconditioner::Invariant);
        let share = |value: f64| (0.0..1.0).contains(&value);
        let batch_size = raw.count("sampler.batch_size", 1)?.unwrap_or(BATCH_SIZE.min(n));
        if batch_size > n {
            let key = raw.key("sampler.batch_size")?;
            return Err(ConfigError::BatchTooLarge { key, batch_size, num_training_data: n });
        }
        let config = Self {
            experiment: Self::EXPERIMENT,
            seed: raw.whole("seed").unwrap_or(SEED),
            model: ReluModels { networks, copies },
            data: RescalingData { num_training_data: n },
            rescaling: Rescaling {
                factors,
                preconditioner,
                num_seeds: raw.count_to("rescaling.num_seeds", MAX_SEEDS)?.unwrap_or(NUM_SEEDS),
            },
            sampler: RescalingSampler {
                epsilon: raw.positive("sampler.epsilon")?.unwrap_or(EPSILON),
                gamma: raw.non_negative("sampler.gamma")?.unwrap_or(0.0),
                num_steps: raw.count("sampler.num_steps", 1)?.unwrap_or(NUM_STEPS),
                warmup: raw.within("sampler.warmup", "[0, 1)", share)?.unwrap_or(WARMUP),
                thin: raw.count("sampler.thin", 1)?.unwrap_or(THIN),
                batch_size,
            },
            run: relu::run(raw, threads)?,
        };
        sampler::check::ensure_enough_draws(raw.key("sampler.num_steps")?, &config.sampler(&[]), 1)?;
        Ok(config)
    }

    fn warnings(&self, _: &RawConfig) -> Vec<ConfigWarning> {
        // γ = 0 is what the experiment is about.
        Vec::new()
    }

    fn remark(&self) -> String {
        let chains = self.model.networks.len() * self.rescaling.factors.len() * self.rescaling.num_seeds;
        counted(chains, "chain")
    }

    fn threads(&self) -> usize {
        self.run.threads
    }
}

/// 10^(−4), 10^(−3.5), …, 10^4.
fn default_factors() -> Vec<PositiveF64> {
    (-8..=8).filter_map(|half| PositiveF64::new(10f64.powf(f64::from(half) / 2.0))).collect()
}

fn networks(raw: &RawConfig) -> Result<Vec<Widths>, ConfigError> {
    let path = "model.networks";
    let read = |word: &str| {
        let widths: Option<Vec<usize>> = word.trim().split('-').map(|width| width.parse().ok()).collect();
        let is_legal = |width: &usize| (1..=relu::MAX_WIDTH as usize).contains(width);
        widths.filter(|widths| widths.len() == 3 && widths.iter().all(is_legal)).map(Widths)
    };
    let networks: Option<Vec<Widths>> = raw.word(path).unwrap_or(NETWORKS).split(',').map(read).collect();
    match networks {
        Some(networks) if (1..networks.len()).all(|i| !networks[..i].contains(&networks[i])) => Ok(networks),
        _ => {
            let reason = "give widths of input, hidden layer and output, each network once, such as 10-20-10,20-30-20"
                .to_owned();
            Err(ConfigError::Refused { key: raw.key(path)?, reason })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::{self, assert_examples_are_legal, assert_printed_reads_back};

    fn config(line: &str) -> Result<RescalingConfig, ConfigError> {
        testing::resolved(line)
    }

    #[test]
    fn a_printed_configuration_reads_back_to_an_equal_one() {
        assert_printed_reads_back::<RescalingConfig>([
            "",
            "--networks 4-9-3 --copies 1,8 --factors 0.5,2 --preconditioner none --num-seeds 2 --precision f64 --seed 7",
            "--epsilon 1e-6 --gamma 2 --num-steps 100 --warmup 0 --thin 1 --batch-size 32 --num-training-data 300 --threads 1",
        ]);
    }

    #[test]
    fn the_commands_that_help_shows_are_legal() {
        assert_examples_are_legal::<RescalingConfig>(3);
    }

    #[test]
    fn the_defaults_are_the_published_factors_and_networks() {
        let config = config("").unwrap();
        let factors: Vec<f64> = config.rescaling.factors.iter().map(|factor| factor.get()).collect();
        assert_eq!(factors.len(), 17);
        assert!((factors[0] - 1e-4).abs() < 1e-18 && factors[8] == 1.0 && (factors[16] - 1e4).abs() < 1e-9);
        assert_eq!(config.remark(), "255 chains");
        let words: Vec<String> = config.model.networks.iter().map(Widths::to_string).collect();
        assert_eq!(words.join(","), NETWORKS);
    }

    #[test]
    fn what_cannot_be_rescaled_is_refused_with_what_to_do() {
        for (line, words) in [
            ("--networks 10-20", "give widths of input, hidden layer and output"),
            ("--networks 10-20-10,10-20-10", "each network once"),
            ("--networks 10-8-10", "10-8-10 does not have all these units"),
            ("--factors 1,0", "is 0: give a finite number"),
            ("--factors 1,1e160", "1e160 is not between 1e-15 and 1e15"),
            ("--num-steps 30", "keeps"),
            ("--batch-size 20000", "20000"),
        ] {
            let message = config(line).unwrap_err().to_string();
            assert!(message.contains(words), "{line}: {message}");
        }
    }
}
