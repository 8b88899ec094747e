//! Configures `llc saddle`: λ̂ followed while a deep linear network learns one singular value of its teacher after another.
//!
//! The tables are `model`, `data`, `train`, `saddle`, `sampler` and `run`. Defaults are those of the published experiment, but for four
//! chains where one was published.

mod keys;

use serde::Serialize;

use super::dln::InputDist;
use super::experiment::{CommandLine, Configuration};
use super::run::Work;
use super::sampler::check::Subject;
use super::sampler::{self, ConfigWarning, ExtrapolateStep, Gamma, LossTrace, SamplerConfig, SamplerDefaults, Switch};
use super::typed::to_usize;
use super::{ConfigError, PositiveF64, RawConfig, RunConfig, Setting, Value, run};
use crate::kernel::SamplerKind;

const EXAMPLES: &str = "\
Examples:
  llc saddle
      The published dynamics: five singular values, four hidden layers of width 10, an estimate every 50 of 20,000 steps.
  llc saddle --hidden-widths 5,5,5,5 --seed 3
      Narrower layers, for which the exact λ grows with the rank.
  llc saddle --train-steps 3000 --logging-period 100 --gibbs-sweeps 0
      A quick look, without Gibbs.
  llc-analysis figures dln-saddle-to-saddle -F runs
      The figure.

Exit codes: 0 done, 1 failed, 2 bad usage or configuration, 3 diverged, 75 interrupted.";

const HEADINGS: [(&str, &str); 6] = [
    ("model.", "The network"),
    ("data.", "The teacher and its samples"),
    ("train.", "The training"),
    ("saddle.", "The points, and comparisons with λ̂"),
    ("sampler.", "The sampler"),
    ("", "The run"),
];

const HIDDEN_WIDTHS: [usize; 4] = [10; 4];
const INITIALISATION_EXPONENT: f64 = 1.5;
const TEACHER: [f64; 5] = [10.0, 20.0, 30.0, 40.0, 50.0];
const NUM_TRAINING_DATA: usize = 10_000;
const LEARNING_RATE: PositiveF64 = PositiveF64::literal(1e-4);
const BATCH_SIZE: usize = 128;
const TRAIN_STEPS: usize = 20_000;
const LOGGING_PERIOD: usize = 50;
/// Sweeps of Gibbs's chains: the effective draws of a hundred or more of them give λ̂ to a few percent.
const GIBBS_SWEEPS: usize = 200;
const GIBBS_CHAINS: usize = 2;
/// Share of the sweeps that is warm-up.
const GIBBS_WARMUP: f64 = 0.3;
const EPSILON: f64 = 1e-6;
const SEED: u64 = 0;

const SAMPLER: SamplerDefaults = SamplerDefaults {
    kind: SamplerKind::Sgld,
    num_steps: Some(100),
    warmup: Some(0.0),
    batch_size: BATCH_SIZE,
    num_chains: 4,
    minibatch_trace: LossTrace::Minibatch,
    // A second run at every point would double the cost.
    check_localisation: Switch::Off,
    gamma: Gamma::Fixed(sampler::defaults::GAMMA),
    extrapolate_step: ExtrapolateStep::Off,
};

/// A legal configuration of `llc saddle`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SaddleConfig {
    experiment: &'static str,
    seed: u64,
    model: ModelSection,
    data: DataSection,
    train: TrainSection,
    saddle: SaddleSection,
    sampler: SamplerConfig,
    run: RunConfig,
    /// What Gibbs is, where it runs; follows from the rest.
    #[serde(skip)]
    gibbs: Option<SamplerConfig>,
}

/// The network, in files the table `model`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ModelSection {
    /// H_1 … H_(L−1), each at least 1; none for a single layer.
    pub hidden_widths: Vec<usize>,
    /// Weights start as N(0, H^−exponent), H the largest hidden width.
    pub initialisation_exponent: f64,
}

/// The teacher and its samples, in files the table `data`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct DataSection {
    /// The diagonal of the teacher: inputs and outputs are as many.
    pub teacher: Vec<f64>,
    /// Samples n, at least 3.
    pub num_training_data: usize,
    /// The law of the inputs.
    pub input_dist: InputDist,
}

/// The training, in files the table `train`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TrainSection {
    /// Learning rate of every step.
    pub learning_rate: PositiveF64,
    /// Momentum, in [0, 1).
    pub momentum: f64,
    /// Samples of a minibatch, from 1 to n.
    pub batch_size: usize,
    /// Steps.
    pub num_steps: usize,
}

/// The points, in files the table `saddle`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SaddleSection {
    /// Steps from one estimate to the next; the first is at step 0, the last at the end.
    pub logging_period: usize,
    /// Singular values of the product above this count for the rank; by default those that the loss can distinguish from zero.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rank_tolerance: Option<PositiveF64>,
    /// Sweeps of Gibbs's chains beside each estimate, warm-up included; 0 for none.
    pub gibbs_sweeps: usize,
    /// Gibbs's chains.
    pub gibbs_chains: usize,
}

impl SaddleConfig {
    /// The name of the experiment, in files and records.
    pub const EXPERIMENT: &'static str = "saddle";

    /// Seed of everything random, below 2⁶³.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The network.
    pub fn model(&self) -> &ModelSection {
        &self.model
    }

    /// The teacher and its samples.
    pub fn data(&self) -> &DataSection {
        &self.data
    }

    /// The training.
    pub fn train(&self) -> &TrainSection {
        &self.train
    }

    /// The points.
    pub fn saddle(&self) -> &SaddleSection {
        &self.saddle
    }

    /// The sampler.
    pub fn sampler(&self) -> &SamplerConfig {
        &self.sampler
    }

    /// Gibbs, where it runs beside the sampler.
    pub fn gibbs(&self) -> Option<&SamplerConfig> {
        self.gibbs.as_ref()
    }

    /// Threads, device, precision.
    pub fn run(&self) -> &RunConfig {
        &self.run
    }

    /// H_0 … H_L.
    pub fn widths(&self) -> Vec<usize> {
        let ends = self.data.teacher.len();
        [&[ends], self.model.hidden_widths.as_slice(), &[ends]].concat()
    }

    /// The standard deviation of a weight at the start.
    pub fn initial_deviation(&self) -> f64 {
        let width = self.model.hidden_widths.iter().copied().max().unwrap_or(self.data.teacher.len());
        (width as f64).powf(-0.5 * self.model.initialisation_exponent)
    }

    /// nβ, which multiplies the mean loss.
    pub fn n_beta(&self) -> f64 {
        self.sampler.n_beta(self.data.num_training_data)
    }
}

impl Configuration for SaddleConfig {
    const COMMAND_LINE: CommandLine = CommandLine {
        name: Self::EXPERIMENT,
        about: "Track the learning coefficient of a deep linear network as its training moves from saddle to saddle",
        examples: EXAMPLES,
        headings: &HEADINGS,
        presets: &["published"],
        presets_value: "published",
        presets_help: "Exactly the published settings: one chain of SGLD",
    };

    fn keys() -> &'static [Setting] {
        keys::keys()
    }

    fn build(raw: &RawConfig, threads: usize) -> Result<Self, ConfigError> {
        let mut raw = raw.clone();
        // The step size belongs to SGLD at these settings, and to no other sampler.
        if raw.word("sampler.kind").is_none_or(|kind| kind == SamplerKind::Sgld.name()) {
            raw.fill("sampler.epsilon", Value::Real(EPSILON));
        }
        let raw = &raw;
        let model = model(raw)?;
        let data = data(raw)?;
        let train = train(raw, data.num_training_data)?;
        let saddle = SaddleSection {
            logging_period: raw.count("saddle.logging_period", 1)?.unwrap_or(LOGGING_PERIOD),
            rank_tolerance: raw.positive("saddle.rank_tolerance")?,
            gibbs_sweeps: raw.count("saddle.gibbs_sweeps", 0)?.unwrap_or(GIBBS_SWEEPS),
            gibbs_chains: raw.count_to("saddle.gibbs_chains", sampler::defaults::MAX_CHAINS)?.unwrap_or(GIBBS_CHAINS),
        };
        let num_tensors = model.hidden_widths.len() + 1;
        let subject = Subject { num_samples: Some(data.num_training_data), num_tensors: Some(num_tensors) };
        let sampler = sampler::check::sampler(raw, &SAMPLER, subject)?;
        let gibbs = gibbs(raw, &saddle, &sampler, subject)?;
        let run = run::check(raw, Work::DeepLinear { num_parameters: 1 }, sampler.kernel.kind(), threads)?;
        let seed = raw.whole("seed").unwrap_or(SEED);
        Ok(Self { experiment: Self::EXPERIMENT, seed, model, data, train, saddle, sampler, run, gibbs })
    }

    fn fill_preset(name: &str, raw: &mut RawConfig) {
        if name == "published" {
            raw.fill("sampler.num_chains", Value::Whole(1));
        }
    }

    fn warnings(&self, raw: &RawConfig) -> Vec<ConfigWarning> {
        sampler::check::warnings(raw, &self.sampler)
    }

    fn remark(&self) -> String {
        let widths: Vec<String> = self.widths().iter().map(usize::to_string).collect();
        format!("widths {}, n_beta = {}", widths.join(" "), self.n_beta())
    }

    fn threads(&self) -> usize {
        self.run.threads
    }
}

fn model(raw: &RawConfig) -> Result<ModelSection, ConfigError> {
    let path = "model.hidden_widths";
    let hidden_widths: Vec<usize> = match raw.get(path) {
        Some(Value::WholeList(widths)) => widths.iter().map(|&width| to_usize(width)).collect(),
        _ => HIDDEN_WIDTHS.to_vec(),
    };
    if let Some(index) = hidden_widths.iter().position(|&width| width == 0) {
        return Err(ConfigError::ZeroWidth { key: raw.key(path)?, layer: index + 1 });
    }
    let exponent = raw.non_negative("model.initialisation_exponent")?;
    Ok(ModelSection { hidden_widths, initialisation_exponent: exponent.unwrap_or(INITIALISATION_EXPONENT) })
}

fn data(raw: &RawConfig) -> Result<DataSection, ConfigError> {
    let path = "data.teacher";
    let teacher = match raw.get(path) {
        Some(Value::RealList(teacher)) => teacher.clone(),
        _ => TEACHER.to_vec(),
    };
    if teacher.is_empty() {
        return Err(ConfigError::EmptyItem { key: raw.key(path)?, found: String::new() });
    }
    if let Some(&found) = teacher.iter().find(|value| !value.is_finite()) {
        return Err(ConfigError::NotFinite { key: raw.key(path)?, found });
    }
    Ok(DataSection {
        teacher,
        num_training_data: raw.count("data.num_training_data", 3)?.unwrap_or(NUM_TRAINING_DATA),
        input_dist: raw.choice("data.input_dist").unwrap_or(InputDist::Normal),
    })
}

fn train(raw: &RawConfig, n: usize) -> Result<TrainSection, ConfigError> {
    let path = "train.batch_size";
    let batch_size = raw.count(path, 1)?.unwrap_or(BATCH_SIZE.min(n));
    if batch_size > n {
        return Err(ConfigError::BatchTooLarge { key: raw.key(path)?, batch_size, num_training_data: n });
    }
    Ok(TrainSection {
        learning_rate: raw.positive("train.learning_rate")?.unwrap_or(LEARNING_RATE),
        momentum: raw.within("train.momentum", "[0, 1)", |share| (0.0..1.0).contains(&share))?.unwrap_or(0.0),
        batch_size,
        num_steps: raw.count("train.num_steps", 1)?.unwrap_or(TRAIN_STEPS),
    })
}

/// Gibbs at the γ and nβ of `sampler`.
fn gibbs(
    raw: &RawConfig,
    saddle: &SaddleSection,
    sampler: &SamplerConfig,
    subject: Subject,
) -> Result<Option<SamplerConfig>, ConfigError> {
    if saddle.gibbs_sweeps == 0 {
        return Ok(None);
    }
    let key = raw.key("saddle.gibbs_sweeps")?;
    if sampler.gamma == Gamma::Fixed(0.0) {
        let reason =
            "without localisation Gibbs has no normalised density to draw from: give --gibbs-sweeps 0 with --gamma 0"
                .to_owned();
        return Err(ConfigError::Refused { key, reason });
    }
    let settings = [
        ("sampler.num_steps", Value::Whole(saddle.gibbs_sweeps as u64)),
        ("sampler.warmup", Value::Real(GIBBS_WARMUP)),
        ("sampler.num_chains", Value::Whole(saddle.gibbs_chains as u64)),
        ("sampler.gamma", Value::Real(sampler.fixed_gamma())),
    ];
    let gibbs = sampler::check::of_kind(SamplerKind::Gibbs, &settings, &SAMPLER, subject);
    gibbs.map(Some).map_err(|error| match error {
        ConfigError::TooFewDraws { num_steps, kept, needed, enough, .. } => {
            ConfigError::TooFewDraws { key, num_steps, kept, needed, enough }
        }
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::{self, assert_examples_are_legal, assert_printed_reads_back};

    fn resolved(line: &str) -> Result<SaddleConfig, ConfigError> {
        testing::resolved(line)
    }

    #[test]
    fn defaults_are_the_published_ones() {
        let config = resolved("").unwrap();
        assert_eq!(config.widths(), [5, 10, 10, 10, 10, 5]);
        // Variance 10^−1.5.
        assert!((config.initial_deviation().powi(2) - 10f64.powf(-1.5)).abs() < 1e-15);
        assert!((config.n_beta() - 1e4 / 1e4f64.ln()).abs() < 1e-9);
        let printed = config.to_toml();
        for line in
            ["epsilon = 0.000001", "num_steps = 100", "warmup = 0.0", "batch_size = 128", "learning_rate = 0.0001"]
        {
            assert!(printed.contains(line), "{line} is not in\n{printed}");
        }
        assert_eq!(resolved("--preset published").unwrap().sampler().num_chains, 1);
    }

    #[test]
    fn a_printed_configuration_reads_back_to_an_equal_one() {
        assert_printed_reads_back::<SaddleConfig>([
            "",
            "--hidden-widths 5,5 --teacher 3,2,1 --input-dist uniform --rank-tolerance 0.1 --gibbs-sweeps 0 --seed 7",
            "--sampler hmc --train-steps 100 --logging-period 10 --momentum 0.9 --n-beta 50 --gibbs-chains 3",
        ]);
    }

    #[test]
    fn what_is_not_legal_is_refused_with_what_to_do() {
        for (line, expected) in [
            ("--hidden-widths 10,0", "--hidden-widths"),
            ("--gamma 0", "give --gibbs-sweeps 0 with --gamma 0"),
            ("--gibbs-sweeps 3", "--gibbs-sweeps (saddle.gibbs_sweeps)"),
            ("--train-batch-size 20000", "--train-batch-size"),
            ("--learning-rate 0", "--learning-rate"),
        ] {
            let error = resolved(line).unwrap_err().to_string();
            assert!(error.contains(expected), "{line}: {error}");
        }
        assert!(resolved("--gamma 0 --gibbs-sweeps 0").is_ok());
    }

    #[test]
    fn the_commands_that_help_shows_are_legal() {
        assert_examples_are_legal::<SaddleConfig>(3);
    }
}
