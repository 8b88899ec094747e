//! Configures `llc train`: a network trained on images, as the published random-label experiments do.
//!
//! Serialised, a [`TrainingConfig`] has the layout of its TOML file: `experiment`, `seed`, and the tables `model`, `data`, `train`
//! and `run`.

mod help;
mod presets;
#[cfg(test)]
mod tests;

use llc_core::setting::{Choice, choice};
use std::path::PathBuf;
use std::sync::LazyLock;

use serde::Serialize;

use super::network::{self, DataConfig, DataDefaults, Length, ModelDefaults, TrainConfig, TrainDefaults};
use super::{
    CommandLine, ConfigError, ConfigWarning, Configuration, Device, Kind, PositiveF64, RawConfig, Setting, run,
};
use crate::data::DatasetName;
use crate::model::ModelSpec;

/// What `llc train` takes where nothing is said.
const MODEL: ModelDefaults = ModelDefaults { name: None };
const DATA: DataDefaults = DataDefaults { name: DatasetName::Cifar10, is_normalised: true };
const TRAIN: TrainDefaults = TrainDefaults {
    is_beside_sampler: false,
    sgd_learning_rate: PositiveF64::literal(0.01),
    momentum: 0.9,
    batch_size: 128,
    length: Length::Epochs(100),
    evaluate_train: false,
};
/// Seed of everything random but corruptions.
const SEED: u64 = 0;

/// A legal configuration of `llc train`; it can only come out of [`Configuration::build`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrainingConfig {
    experiment: &'static str,
    seed: u64,
    model: ModelSpec,
    data: DataConfig,
    train: TrainConfig,
    run: TrainingRun,
}

/// Where a training runs, and the format of its output.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TrainingRun {
    /// Threads in all, at least 1.
    pub threads: usize,
    /// Where it runs.
    pub device: Device,
    /// The format of epoch lines and the names of checkpoints.
    pub style: Style,
    /// A run's folder, or a checkpoint, from which the training continues.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resume: Option<PathBuf>,
}

/// The format of epoch lines and the names of checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Style {
    /// As this program does.
    Llc,
    /// As the published reproduction of figures 1 and 2 of Zhang et al. does.
    Zhang,
    /// As the published `fitting-random-labels` does.
    FittingRandomLabels,
}

choice!(Style: Llc = "llc", Zhang = "zhang", FittingRandomLabels = "fitting-random-labels");

impl TrainingConfig {
    /// The name of the experiment, in files and records.
    pub const EXPERIMENT: &'static str = "train";

    /// Seed of everything random but corruptions, below 2⁶³.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The network as it was asked for; [`network::model::for_data`] fits it to the data.
    pub fn model(&self) -> &ModelSpec {
        &self.model
    }

    /// The data.
    pub fn data(&self) -> &DataConfig {
        &self.data
    }

    /// The training.
    pub fn train(&self) -> &TrainConfig {
        &self.train
    }

    /// Threads, device, style.
    pub fn run(&self) -> &TrainingRun {
        &self.run
    }
}

impl Configuration for TrainingConfig {
    const COMMAND_LINE: CommandLine = CommandLine {
        name: Self::EXPERIMENT,
        about: "Train a network on images, with true or random labels, to the interpolation threshold or for a number \
                of epochs",
        examples: help::EXAMPLES,
        headings: &help::HEADINGS,
        presets: &presets::NAMES,
        presets_value: "NAME",
        presets_help: help::PRESETS,
    };

    fn keys() -> &'static [Setting] {
        static KEYS: LazyLock<Vec<Setting>> = LazyLock::new(|| {
            let experiment = Setting::new("experiment", "", Kind::Choice(&[TrainingConfig::EXPERIMENT]), "", "");
            let sections = [
                network::model::keys(&MODEL),
                network::data::keys(&DATA),
                network::train::keys(&TRAIN),
                own(),
                run::bare_keys(),
            ];
            std::iter::once(experiment).chain(sections.into_iter().flatten()).collect()
        });
        &KEYS
    }

    fn build(raw: &RawConfig, threads: usize) -> Result<Self, ConfigError> {
        let data = network::data::check(raw, &DATA)?;
        let model = network::model::check(raw, &MODEL, data.shape())?;
        let train = network::train::check(raw, &TRAIN)?;
        if let Some((_, num_classes)) = data.shape() {
            network::train::check_classes(raw, &train.loss, num_classes)?;
        }
        let (threads, device) = run::bare(raw, threads)?;
        let run = TrainingRun {
            threads,
            device,
            style: raw.choice("run.style").unwrap_or(Style::Llc),
            resume: raw.word("run.resume").map(PathBuf::from),
        };
        let seed = raw.whole("seed").unwrap_or(SEED);
        Ok(Self { experiment: Self::EXPERIMENT, seed, model, data, train, run })
    }

    fn fill_preset(name: &str, raw: &mut RawConfig) {
        presets::fill(name, raw);
    }

    fn warnings(&self, _raw: &RawConfig) -> Vec<ConfigWarning> {
        Vec::new()
    }

    fn remark(&self) -> String {
        let built = self
            .data
            .shape()
            .and_then(|(shape, num_classes)| network::model::for_data(&self.model, shape, num_classes).build().ok());
        built.map_or_else(
            || "d depends on the images".to_owned(),
            |built| format!("d = {} parameters", built.num_parameters()),
        )
    }

    fn threads(&self) -> usize {
        self.run.threads
    }
}

/// The settings that no other experiment has.
fn own() -> Vec<Setting> {
    vec![
        Setting::new("seed", "seed", Kind::Whole, "SEED", "Seed of everything random except corruptions [default: 0]"),
        Setting::new(
            "run.resume",
            "resume",
            Kind::Text,
            "RUN|FILE",
            "Resume from the newest checkpoint of this run, or from this file; give the other settings as before, or \
             more epochs",
        ),
        Setting::new(
            "run.style",
            "style",
            Kind::Choice(Style::NAMES),
            "llc|zhang|fitting-random-labels",
            "Format of epoch lines and names of checkpoints: llc's, or those of the presets' originals [default: llc]",
        ),
    ]
}
