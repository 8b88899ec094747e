//! Configures `llc estimate`: λ̂ of a trained network, from a checkpoint, or of your own model.
//!
//! Around a checkpoint the tables are `model` (what the checkpoint doesn't say of itself), `data`, `train` (the loss), `point`, `sampler` and `run`. Where
//! nothing is said, `data` and the loss are those that the checkpoint carries ([`TrainedOn`]).

use std::path::Path;
use std::sync::LazyLock;

use serde::Serialize;

use super::experiment::{CommandLine, Configuration};
use super::network::point::{LossAround, Part, PointConfig, PointDefaults, PointLabels};
use super::network::{DataConfig, DataDefaults, ModelDefaults, Overrides, TrainedOn, data, model, point, train};
use super::run::Work;
use super::sampler::check::Subject;
use super::sampler::{self, ConfigWarning, ExtrapolateStep, Gamma, LossTrace, SamplerConfig, SamplerDefaults, Switch};
use super::{ConfigError, Kind, RawConfig, RunConfig, Setting, files, run};
use crate::checkpoint::Header;
use crate::data::DatasetName;
use crate::kernel::SamplerKind;
use crate::loss::Loss;
use crate::model::ModelSpec;

const EXAMPLES: &str = "\
Examples:
  llc estimate --checkpoint runs/3/checkpoint/latest.safetensors
      A checkpoint of `llc train` or `llc curve` knows its network, its dataset with preprocessing and label corruption, and its loss.
  llc estimate --checkpoint 'runs/3/checkpoint/e_*.safetensors'
      All checkpoints of a training, as the points of one record at one scale.
  llc estimate --checkpoint runs/3/checkpoint/latest.safetensors --label-corruption 0 --override-checkpoint label-corruption
      Deliberately with other data than in the training.
  llc estimate --checkpoint resnet18.pth --model resnet18-torchvision --data cifar10 --preprocessing channels
      A PyTorch state dict: nothing in the file is executed.
  llc estimate --checkpoint model.safetensors --model resnet18 --params 'layer3.*' --sampler sgld --epsilon 1e-7
      A refined coefficient: only these tensors are sampled.
  llc estimate --module loss.pt --data-file data.safetensors --params 'fc.*'
      A model of your own: a TorchScript module that returns the loss of each sample, and its inputs.

Exit codes: 0 done, 1 failed, 2 bad usage or configuration, 3 diverged, 75 interrupted.";

/// The sections of a file, under which `--help` shows their flags.
const HEADINGS: [(&str, &str); 10] = [
    ("checkpoint", "The trained network"),
    (MODULE, "Or a model of your own"),
    (DATA_FILE, "Or a model of your own"),
    (OVERRIDES, "The trained network"),
    ("train.", "The trained network"),
    ("model.", "The trained network"),
    ("data.", "The images (default: those that the checkpoint was trained on)"),
    ("point.", "The loss around the network"),
    ("sampler.", "The sampler"),
    ("", "The run"),
];

const CHECKPOINT: &str = "checkpoint";
const MODULE: &str = "module";
const DATA_FILE: &str = "data_file";
const OVERRIDES: &str = "override_checkpoint";
const MODEL_NAME: &str = "model.name";
const MODEL: ModelDefaults = ModelDefaults { name: None };
const DATA: DataDefaults = DataDefaults { name: DatasetName::Cifar10, is_normalised: false };
pub(super) const POINT: PointDefaults =
    PointDefaults { labels: PointLabels::Training, loss_around: LossAround::Labels };
const SEED: u64 = 0;

pub(super) const SAMPLER: SamplerDefaults = SamplerDefaults {
    kind: SamplerKind::Sgld,
    num_steps: Some(2000),
    warmup: Some(0.5),
    batch_size: sampler::BATCH_SIZE,
    num_chains: 4,
    // The losses at w* are known for every sample, so that it costs nothing.
    minibatch_trace: LossTrace::ControlVariate,
    check_localisation: Switch::On,
    gamma: Gamma::Auto,
    extrapolate_step: ExtrapolateStep::Auto,
};

/// A legal configuration of `llc estimate`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EstimateConfig {
    experiment: &'static str,
    seed: u64,
    #[serde(flatten)]
    source: Source,
    sampler: SamplerConfig,
    run: RunConfig,
}

/// What is sampled around.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Source {
    /// A network that `llc` knows, from a checkpoint.
    Checkpoint(Box<CheckpointConfig>),
    /// A module that computes its own loss.
    Module(ModuleConfig),
}

/// A trained network from a checkpoint, or several.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckpointConfig {
    checkpoint: String,
    /// The settings that may differ from those of the training, as they were named.
    #[serde(skip_serializing_if = "Option::is_none")]
    override_checkpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<ModelSpec>,
    data: DataConfig,
    train: MinimisedConfig,
    point: PointConfig,
}

/// A TorchScript module that returns the loss of each sample, or several, with the samples.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModuleConfig {
    module: String,
    data_file: String,
    point: Part,
}

/// What the network was trained to minimise, in files the table `train`.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct MinimisedConfig {
    loss: Loss,
}

impl EstimateConfig {
    /// The name of the experiment, in files and records.
    pub const EXPERIMENT: &'static str = "estimate";

    /// Seed of everything random, below 2⁶³.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// What is sampled around.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The file, or the files: a pattern, or several of either, separated by commas.
    pub fn files(&self) -> &str {
        match &self.source {
            Source::Checkpoint(config) => &config.checkpoint,
            Source::Module(config) => &config.module,
        }
    }

    /// Which of the tensors are sampled.
    pub fn part(&self) -> &Part {
        match &self.source {
            Source::Checkpoint(config) => &config.point.part,
            Source::Module(config) => &config.point,
        }
    }

    /// The sampler.
    pub fn sampler(&self) -> &SamplerConfig {
        &self.sampler
    }

    /// Threads, device, precision.
    pub fn run(&self) -> &RunConfig {
        &self.run
    }
}

impl Source {
    /// The word in reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Checkpoint(_) => "checkpoint",
            Self::Module(_) => "module",
        }
    }
}

impl CheckpointConfig {
    /// The settings that may differ from those of the training.
    pub fn overrides(&self) -> Overrides {
        // The check has read it.
        self.override_checkpoint.as_deref().and_then(|text| Overrides::parse(text).ok()).unwrap_or_default()
    }

    /// The network, if it was given; else the file says which it is.
    pub fn model(&self) -> Option<&ModelSpec> {
        self.model.as_ref()
    }

    /// The images.
    pub fn data(&self) -> &DataConfig {
        &self.data
    }

    /// The loss around the network.
    pub fn point(&self) -> &PointConfig {
        &self.point
    }

    /// What the network was trained to minimise.
    pub fn loss(&self) -> Loss {
        self.train.loss.clone()
    }
}

impl ModuleConfig {
    /// The file of the samples.
    pub fn data_file(&self) -> &Path {
        Path::new(&self.data_file)
    }
}

impl Configuration for EstimateConfig {
    const COMMAND_LINE: CommandLine = CommandLine {
        name: Self::EXPERIMENT,
        about: "Estimate the learning coefficient of a trained network, from a checkpoint or a TorchScript module",
        examples: EXAMPLES,
        headings: &HEADINGS,
        ..CommandLine::WITHOUT_PRESETS
    };

    fn keys() -> &'static [Setting] {
        static KEYS: LazyLock<Vec<Setting>> = LazyLock::new(|| {
            let mut keys = vec![
                Setting::new("experiment", "", Kind::Choice(&[EstimateConfig::EXPERIMENT]), "", ""),
                Setting::new(
                    CHECKPOINT,
                    "checkpoint",
                    Kind::Text,
                    "FILES",
                    "The trained parameters: safetensors, or a PyTorch .pt or .pth file; several files, separated by commas or as a pattern \
                     in quotes such as 'DIR/*.safetensors', are points of one record, at one n*beta and gamma [required unless --module is given]",
                ),
                Setting::new(
                    MODULE,
                    "module",
                    Kind::Text,
                    "FILES",
                    "Instead of --checkpoint: a TorchScript module whose forward returns the loss of each sample, as llc.export_module of the \
                     Python package writes it; several files as for --checkpoint",
                ),
                Setting::new(
                    DATA_FILE,
                    "data-file",
                    Kind::Text,
                    "FILE",
                    "The inputs of the module, tensors with a row for each sample: safetensors or .pt. Passed in the order of their names, or \
                     in the order that the metadata key `inputs` lists [required with --module]",
                ),
                Setting::new(
                    OVERRIDES,
                    "override-checkpoint",
                    Kind::Text,
                    "NAMES",
                    "Settings that may differ from the checkpoint's: names of flags, separated by commas, such as \
                     preprocessing,label-corruption; or all. Other flags that contradict the checkpoint are errors \
                     [default: none]",
                ),
            ];
            keys.extend(model::keys(&MODEL));
            let help = "Loss that the network was trained on, as for `llc train --loss` [default: the checkpoint's, \
                        else cross-entropy]";
            keys.push(Setting { help, ..train::loss_key() });
            keys.extend(data::keys(&DATA));
            keys.extend(point::keys(POINT));
            keys.extend(sampler::keys::keys(&SAMPLER, false));
            keys.push(Setting::new("seed", "seed", Kind::Whole, "SEED", "Seed of everything random [default: 0]"));
            keys.extend(run::network_keys());
            keys
        });
        &KEYS
    }

    fn build(raw: &RawConfig, threads: usize) -> Result<Self, ConfigError> {
        let (source, subject) = match raw.word(MODULE) {
            Some(module) => (Source::Module(of_module(raw, module)?), Subject { num_samples: None, num_tensors: None }),
            None => {
                let config = of_checkpoint(raw)?;
                let subject = config.point.subject(&config.data);
                (Source::Checkpoint(Box::new(config)), subject)
            }
        };
        let sampler = sampler::check::sampler(raw, &SAMPLER, subject)?;
        let work = Work::Network { num_chains: sampler.num_chains };
        let run = run::check(raw, work, sampler.kernel.kind(), threads)?;
        let seed = raw.whole("seed").unwrap_or(SEED);
        Ok(Self { experiment: Self::EXPERIMENT, seed, source, sampler, run })
    }

    fn fill_from_files(raw: &mut RawConfig) -> Result<(), ConfigError> {
        let first = raw.word(CHECKPOINT).and_then(|text| files::named(text).ok()?.into_iter().next());
        let known = first.and_then(|path| TrainedOn::of(&Header::peek(&path)?));
        known.map_or(Ok(()), |known| raw.layer_under(&known.settings(Self::keys())))
    }

    fn warnings(&self, raw: &RawConfig) -> Vec<ConfigWarning> {
        sampler::check::warnings(raw, &self.sampler)
    }

    fn remark(&self) -> String {
        match &self.source {
            Source::Checkpoint(config) => format!("the network of {} on {}", config.checkpoint, config.data.name),
            Source::Module(config) => format!("the module {} on {}", config.module, config.data_file),
        }
    }

    fn threads(&self) -> usize {
        self.run.threads
    }
}

fn of_checkpoint(raw: &RawConfig) -> Result<CheckpointConfig, ConfigError> {
    let key = raw.key(CHECKPOINT)?;
    let what = "give the file of a trained network, for example --checkpoint runs/3/checkpoint/latest.safetensors, or a \
                model of your own by --module";
    let checkpoint = raw.word(CHECKPOINT).ok_or(ConfigError::Missing { key, what })?;
    if raw.word(DATA_FILE).is_some() {
        let reason = "--data-file applies only to --module; a checkpoint takes its images from --data".to_owned();
        return Err(ConfigError::Refused { key: raw.key(DATA_FILE)?, reason });
    }
    let data = data::check(raw, &DATA)?;
    let model = match raw.word(MODEL_NAME) {
        Some(_) => Some(model::check(raw, &MODEL, data.shape())?),
        None => {
            if let Some(path) = raw.paths().find(|path| path.starts_with("model.")) {
                let reason = "it needs --model: give --model as well, or remove this flag, since a checkpoint of llc \
                     records its network";
                return Err(ConfigError::Refused { key: raw.key(path)?, reason: reason.to_owned() });
            }
            None
        }
    };
    if let Some(text) = raw.word(OVERRIDES) {
        let key = raw.key(OVERRIDES)?;
        let refused = |reason| ConfigError::Refused { key, reason };
        Overrides::parse(text).map_err(refused)?;
    }
    let loss = train::loss(raw)?;
    if let Some((_, num_classes)) = data.shape() {
        train::check_classes(raw, &loss, num_classes)?;
    }
    let point = point::check(raw, POINT)?;
    point::check_loss(raw, &point, &loss)?;
    Ok(CheckpointConfig {
        checkpoint: checkpoint.to_owned(),
        override_checkpoint: raw.word(OVERRIDES).map(str::to_owned),
        model,
        data,
        train: MinimisedConfig { loss },
        point,
    })
}

fn of_module(raw: &RawConfig, module: &str) -> Result<ModuleConfig, ConfigError> {
    let is_network_s = |path: &&str| {
        let sections = ["checkpoint", OVERRIDES, "model.", "data.", "train.", "point."];
        sections.iter().any(|section| path.starts_with(section)) && *path != point::part_key().path
    };
    if let Some(path) = raw.paths().find(is_network_s) {
        let reason = "a module defines its own network, loss and targets: remove this flag".to_owned();
        return Err(ConfigError::Refused { key: raw.key(path)?, reason });
    }
    if raw.word("run.precision") == Some("bf16") {
        let reason = "bf16 is not available for modules: give f32 or f64, whichever its parameters have".to_owned();
        return Err(ConfigError::Refused { key: raw.key("run.precision")?, reason });
    }
    let what = "give the inputs of the module, for example --data-file data.safetensors";
    let data_file = raw.word(DATA_FILE).ok_or(ConfigError::Missing { key: raw.key(DATA_FILE)?, what })?;
    Ok(ModuleConfig { module: module.to_owned(), data_file: data_file.to_owned(), point: point::check_part(raw)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::{assert_examples_are_legal, assert_printed_reads_back};

    #[test]
    fn a_printed_configuration_reads_back_to_an_equal_one() {
        assert_printed_reads_back::<EstimateConfig>([
            "--checkpoint x.pt",
            "--checkpoint x.pt --model resnet18 --width-factor 8 --data cifar10 --preprocessing channels --sampler mala --epsilon 1e-7",
            "--checkpoint x.pt,y.pt --loss squared-error --override-checkpoint loss,data.crop",
            "--module loss.pt --data-file x.safetensors --params fc.* --precision f64",
            "--checkpoint x.pt --llc-labels clean --params fc.* --llc-size 5000 --check-localisation off",
        ]);
    }

    #[test]
    fn the_commands_that_help_shows_are_legal() {
        assert_examples_are_legal::<EstimateConfig>(6);
    }
}
