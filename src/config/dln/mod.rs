//! Configures `llc dln`: sampling around a deep linear network whose learning coefficient is known.
//!
//! Serialised, a [`DlnConfig`] has the layout of its TOML file: `experiment`, `seed`, and the tables `model`, `data`,
//! `truth`, `sampler`, `train`, `measure` and `run`. What the chosen sampler or truth doesn't use is not there at all.

mod check;
pub mod defaults;
mod help;
mod keys;
mod measure;
mod presets;
#[cfg(test)]
mod tests;
mod train;

use serde::{Deserialize, Deserializer, Serialize};

use super::experiment::{self, CommandLine, Configuration};
use super::sampler::{self, ConfigWarning, SamplerConfig};
use super::{ConfigError, RawConfig, RunConfig, available_threads};

pub use crate::model::Truth;
pub use keys::keys;
pub use llc_core::synthetic::InputDist;
pub use measure::{Estimator, FunctionalRank, HessianTrace, MeasureConfig};
pub use presets::Preset;
pub use train::{OptimizerConfig, OptimizerKind, TrainConfig, Training};

/// A legal configuration of `llc dln`.
///
/// It can only come out of [`Configuration::check`], which deserialising goes through as well.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DlnConfig {
    experiment: &'static str,
    seed: u64,
    model: ModelConfig,
    data: DataConfig,
    truth: TruthConfig,
    sampler: SamplerConfig,
    train: Training,
    measure: MeasureConfig,
    run: RunConfig,
}

impl DlnConfig {
    /// The name of the experiment, in files and records.
    pub const EXPERIMENT: &'static str = "dln";

    /// Seed of everything random, below 2⁶³.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The network.
    pub fn model(&self) -> &ModelConfig {
        &self.model
    }

    /// The data.
    pub fn data(&self) -> &DataConfig {
        &self.data
    }

    /// The true parameter w*.
    pub fn truth(&self) -> &TruthConfig {
        &self.truth
    }

    /// The sampler.
    pub fn sampler(&self) -> &SamplerConfig {
        &self.sampler
    }

    /// Whether and how a network is trained.
    pub fn train(&self) -> &Training {
        &self.train
    }

    /// What is measured beside λ̂.
    pub fn measure(&self) -> &MeasureConfig {
        &self.measure
    }

    /// Threads, device, precision.
    pub fn run(&self) -> &RunConfig {
        &self.run
    }

    /// Seed of the truth: its own, or the run's.
    pub fn truth_seed(&self) -> u64 {
        self.truth.seed.unwrap_or(self.seed)
    }

    /// nβ, which multiplies the mean loss: as given, or n·β, or n/ln n where neither is.
    pub fn n_beta(&self) -> f64 {
        self.sampler.n_beta(self.data.num_training_data)
    }
}

impl Configuration for DlnConfig {
    const COMMAND_LINE: CommandLine = CommandLine {
        name: Self::EXPERIMENT,
        about: "Estimate the learning coefficient of a deep linear network whose true value is known",
        examples: help::EXAMPLES,
        headings: &help::HEADINGS,
        presets: &Preset::NAMES,
        presets_value: "1k|10k|100k|1m|10m|100m",
        presets_help: "A network drawn by --seed from a published group of about that many parameters, with its SGLD \
                       settings, which all other settings override",
    };

    fn keys() -> &'static [super::Setting] {
        keys()
    }

    fn build(raw: &RawConfig, threads: usize) -> Result<Self, ConfigError> {
        check::build(raw, threads)
    }

    fn fill_preset(name: &str, raw: &mut RawConfig) {
        if let Some(preset) = Preset::from_name(name) {
            preset.fill(raw);
        }
    }

    fn warnings(&self, raw: &RawConfig) -> Vec<ConfigWarning> {
        sampler::check::warnings(raw, &self.sampler)
    }

    fn remark(&self) -> String {
        format!("d = {} parameters, n_beta = {}", self.model.num_parameters(), self.n_beta())
    }

    fn threads(&self) -> usize {
        self.run.threads
    }
}

impl<'de> Deserialize<'de> for DlnConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let table = toml::Table::deserialize(deserializer)?;
        experiment::from_table(&table, available_threads()).map_err(serde::de::Error::custom)
    }
}

/// A deep linear network: f(x) = x·W_1·…·W_L, without biases.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ModelConfig {
    /// Width of the input H_0, at least 1.
    pub input_dim: usize,
    /// Widths H_1 … H_L, the output last; at least one, each at least 1.
    pub layer_widths: Vec<usize>,
}

impl ModelConfig {
    /// H_0, …, H_L: the input's width, then each layer's.
    pub fn dims(&self) -> Vec<usize> {
        std::iter::once(self.input_dim).chain(self.layer_widths.iter().copied()).collect()
    }

    /// The number of parameters d = Σ H_{l−1}·H_l. The check has made sure that it doesn't overflow.
    pub fn num_parameters(&self) -> usize {
        self.dims().windows(2).map(|pair| pair[0] * pair[1]).sum()
    }

    /// min H_l: the largest rank that the product can have.
    pub fn smallest_width(&self) -> usize {
        self.layer_widths.iter().copied().fold(self.input_dim, usize::min)
    }
}

/// The samples.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct DataConfig {
    /// Samples n, at least 3: below, 1/ln n is not a sensible β.
    pub num_training_data: usize,
    /// The law of the inputs.
    pub input_dist: InputDist,
}

/// The true parameter w*.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TruthConfig {
    /// How it is made.
    #[serde(flatten)]
    pub kind: Truth,
    /// Its own seed, if it was given one; see [`DlnConfig::truth_seed`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}
