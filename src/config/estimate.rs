//! Configures `llc estimate`: λ̂ of a trained network, from a checkpoint.
//!
//! The tables are `model` (what the checkpoint doesn't say of itself), `data`, `train` (the loss), `point`, `sampler` and `run`. Where
//! nothing is said, `data` and the loss are those that the checkpoint carries ([`TrainedOn`]).

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde::Serialize;

use super::experiment::{CommandLine, Configuration};
use super::network::point::{LossAround, PointConfig, PointDefaults, PointLabels};
use super::network::{DataConfig, DataDefaults, ModelDefaults, Overrides, TrainedOn, data, model, point, train};
use super::run::Work;
use super::sampler::{self, ConfigWarning, ExtrapolateStep, Gamma, LossTrace, SamplerConfig, SamplerDefaults, Switch};
use super::{ConfigError, Kind, RawConfig, RunConfig, Setting, run};
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

Exit codes: 0 done, 1 failed, 2 bad usage or configuration, 3 diverged, 75 interrupted.";

/// The sections of a file, under which `--help` shows their flags.
const HEADINGS: [(&str, &str); 8] = [
    ("checkpoint", "The trained network"),
    (OVERRIDES, "The trained network"),
    ("train.", "The trained network"),
    ("model.", "The trained network"),
    ("data.", "The images (default: those that the checkpoint was trained on)"),
    ("point.", "The loss around the network"),
    ("sampler.", "The sampler"),
    ("", "The run"),
];

const CHECKPOINT: &str = "checkpoint";
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
    checkpoint: String,
    /// The settings that may differ from those of the training, as they were named.
    #[serde(skip_serializing_if = "Option::is_none")]
    override_checkpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<ModelSpec>,
    data: DataConfig,
    train: MinimisedConfig,
    point: PointConfig,
    sampler: SamplerConfig,
    run: RunConfig,
}

/// What the network was trained to minimise, in files the table `train`.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct MinimisedConfig {
    loss: Loss,
}

/// What can be wrong with the files that `--checkpoint` names.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointFilesError {
    /// A pattern that no file matches.
    #[error(
        "--checkpoint: no file matches `{pattern}`; put the pattern in quotes, so that the shell does not expand it"
    )]
    NoMatch { pattern: String },
    /// A malformed pattern.
    #[error("--checkpoint: `{pattern}` is not a valid pattern: {reason}; * matches any part of a name")]
    Pattern { pattern: String, reason: &'static str },
    /// A folder that can't be searched.
    #[error("--checkpoint: {error}")]
    Search { error: glob::GlobError },
}

impl EstimateConfig {
    /// The name of the experiment, in files and records.
    pub const EXPERIMENT: &'static str = "estimate";

    /// Seed of everything random, below 2⁶³.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The file, or the files: a pattern, or several of either, separated by commas.
    pub fn checkpoint(&self) -> &str {
        &self.checkpoint
    }

    /// Whether it may be several files, which are estimated as the points of one record.
    pub fn is_of_several(&self) -> bool {
        is_of_several(&self.checkpoint)
    }

    /// The files, in the order of the patterns and then of their names, each once.
    ///
    /// # Errors
    /// [`CheckpointFilesError`] for a pattern that is malformed or that no file matches.
    pub fn checkpoints(&self) -> Result<Vec<PathBuf>, CheckpointFilesError> {
        files(&self.checkpoint)
    }

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

    /// The sampler.
    pub fn sampler(&self) -> &SamplerConfig {
        &self.sampler
    }

    /// Threads, device, precision.
    pub fn run(&self) -> &RunConfig {
        &self.run
    }
}

/// Whether `text` names several files: a list or a pattern, and not a file that is called so.
fn is_of_several(text: &str) -> bool {
    text.contains([',', '*', '?', '[']) && !Path::new(text).is_file()
}

fn files(text: &str) -> Result<Vec<PathBuf>, CheckpointFilesError> {
    if !is_of_several(text) {
        return Ok(vec![text.into()]);
    }
    let mut files: Vec<PathBuf> = Vec::new();
    for pattern in text.split(',').map(str::trim).filter(|pattern| !pattern.is_empty()) {
        let pattern = pattern.to_owned();
        let found = match glob::glob(&pattern) {
            Ok(found) => found.collect::<Result<Vec<_>, _>>(),
            Err(error) => return Err(CheckpointFilesError::Pattern { pattern, reason: error.msg }),
        };
        let mut found = found.map_err(|error| CheckpointFilesError::Search { error })?;
        found.sort_by_cached_key(|file| natural(&file.to_string_lossy()));
        if found.is_empty() {
            return Err(CheckpointFilesError::NoMatch { pattern });
        }
        for file in found {
            if !files.contains(&file) {
                files.push(file);
            }
        }
    }
    Ok(files)
}

/// The parts of a name in turn, text and numbers, so that `e_2` comes before `e_10`.
fn natural(name: &str) -> Vec<(String, u64)> {
    let is_digit = |c: char| c.is_ascii_digit();
    let mut parts = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let (text, behind) = rest.split_at(rest.find(is_digit).unwrap_or(rest.len()));
        let (digits, behind) = behind.split_at(behind.find(|c| !is_digit(c)).unwrap_or(behind.len()));
        parts.push((text.to_owned(), digits.parse().unwrap_or(0)));
        rest = behind;
    }
    parts
}

impl Configuration for EstimateConfig {
    const COMMAND_LINE: CommandLine = CommandLine {
        name: Self::EXPERIMENT,
        about: "Estimate the learning coefficient of a trained network from a checkpoint",
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
                     in quotes such as 'DIR/*.safetensors', are points of one record, at one n*beta and gamma [required]",
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
        let key = raw.key(CHECKPOINT)?;
        let what = "give the file of a trained network, for example --checkpoint runs/3/checkpoint/latest.safetensors";
        let checkpoint = raw.word(CHECKPOINT).ok_or(ConfigError::Missing { key, what })?;
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
        let sampler = sampler::check::sampler(raw, &SAMPLER, point.subject(&data))?;
        let work = Work::Network { num_chains: sampler.num_chains };
        let run = run::check(raw, work, sampler.kernel.kind(), threads)?;
        let seed = raw.whole("seed").unwrap_or(SEED);
        Ok(Self {
            experiment: Self::EXPERIMENT,
            seed,
            checkpoint: checkpoint.to_owned(),
            override_checkpoint: raw.word(OVERRIDES).map(str::to_owned),
            model,
            data,
            train: MinimisedConfig { loss },
            point,
            sampler,
            run,
        })
    }

    fn fill_from_files(raw: &mut RawConfig) -> Result<(), ConfigError> {
        let first = raw.word(CHECKPOINT).and_then(|text| files(text).ok()?.into_iter().next());
        let known = first.and_then(|path| TrainedOn::of(&Header::peek(&path)?));
        known.map_or(Ok(()), |known| raw.layer_under(&known.settings(Self::keys())))
    }

    fn warnings(&self, raw: &RawConfig) -> Vec<ConfigWarning> {
        sampler::check::warnings(raw, &self.sampler)
    }

    fn remark(&self) -> String {
        format!("the network of {} on {}", self.checkpoint, self.data.name)
    }

    fn threads(&self) -> usize {
        self.run.threads
    }
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
            "--checkpoint x.pt --llc-labels clean --params fc.* --llc-size 5000 --check-localisation off",
        ]);
    }

    #[test]
    fn a_pattern_gives_files_in_the_order_of_their_numbers_and_each_once() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["e_10.pt", "e_2.pt", "other,name.pt"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let at = |name: &str| folder.path().join(name);
        let text =
            |names: &[&str]| names.iter().map(|name| at(name).display().to_string()).collect::<Vec<_>>().join(",");
        assert_eq!(files(&text(&["e_*.pt", "e_2.pt"])).unwrap(), [at("e_2.pt"), at("e_10.pt")]);
        assert_eq!(files(&text(&["other,name.pt"])).unwrap(), [at("other,name.pt")], "a file that is called so");
        assert_eq!(files("x.pt").unwrap(), [PathBuf::from("x.pt")], "the run says that it is not there");
        let error = files(&text(&["z*"])).unwrap_err().to_string();
        assert!(error.contains("no file matches") && error.contains("in quotes"), "{error}");
    }

    #[test]
    fn the_commands_that_help_shows_are_legal() {
        assert_examples_are_legal::<EstimateConfig>(5);
    }
}
