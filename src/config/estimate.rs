//! Configures `llc estimate`: λ̂ of a network that was trained before, out of a checkpoint.
//!
//! The tables are `model` (what the checkpoint doesn't say of itself), `data`, `point`, `sampler` and `run`.

use std::path::PathBuf;
use std::sync::LazyLock;

use serde::Serialize;

use super::experiment::{CommandLine, Configuration};
use super::network::point::{LossAround, PointConfig, PointDefaults, PointLabels};
use super::network::{DataConfig, DataDefaults, ModelDefaults, data, model, point};
use super::run::Work;
use super::sampler::{self, ConfigWarning, ExtrapolateStep, Gamma, LossTrace, SamplerConfig, SamplerDefaults, Switch};
use super::{ConfigError, Key, Kind, RawConfig, RunConfig, run};
use crate::data::DatasetName;
use crate::kernel::SamplerKind;
use crate::loss::Loss;
use crate::model::ModelSpec;

const EXAMPLES: &str = "\
Examples:
  llc estimate --checkpoint runs/3/checkpoint/latest.safetensors --data mnist
      A checkpoint of `llc train` or `llc curve` knows its network.
  llc estimate --checkpoint resnet18.pth --model resnet18-torchvision --data cifar10 --preprocessing channels
      A PyTorch state dict: nothing in the file is executed.
  llc estimate --checkpoint model.safetensors --model resnet18 --params 'layer3.*' --sampler sgld --epsilon 1e-7
      A refined coefficient: only these tensors are sampled.

Exit codes: 0 done, 1 failed, 2 bad usage or configuration, 3 diverged, 75 interrupted.";

/// The sections of a file, under which `--help` shows their flags.
const HEADINGS: [(&str, &str); 6] = [
    ("checkpoint", "The trained network"),
    ("model.", "The trained network"),
    ("data.", "The pictures"),
    ("point.", "The loss around the network"),
    ("sampler.", "The sampler"),
    ("", "The run"),
];

const CHECKPOINT: &str = "checkpoint";
const MODEL_NAME: &str = "model.name";
const MODEL: ModelDefaults = ModelDefaults { name: None };
const DATA: DataDefaults = DataDefaults { name: DatasetName::Cifar10, is_normalised: false };
const POINT: PointDefaults = PointDefaults { labels: PointLabels::Training, loss_around: LossAround::Labels };
const SEED: u64 = 0;

const SAMPLER: SamplerDefaults = SamplerDefaults {
    kind: SamplerKind::Sgld,
    num_steps: Some(2000),
    warmup: Some(0.5),
    batch_size: 256,
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
    checkpoint: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<ModelSpec>,
    data: DataConfig,
    point: PointConfig,
    sampler: SamplerConfig,
    run: RunConfig,
}

impl EstimateConfig {
    /// The name of the experiment, in files and records.
    pub const EXPERIMENT: &'static str = "estimate";

    /// Seed of everything random, below 2⁶³.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The file.
    pub fn checkpoint(&self) -> &PathBuf {
        &self.checkpoint
    }

    /// The network, where it was given; else the file says which it is.
    pub fn model(&self) -> Option<&ModelSpec> {
        self.model.as_ref()
    }

    /// The pictures.
    pub fn data(&self) -> &DataConfig {
        &self.data
    }

    /// The loss around the network.
    pub fn point(&self) -> &PointConfig {
        &self.point
    }

    /// What the network was trained to minimise.
    pub fn loss(&self) -> Loss {
        Loss::CrossEntropy
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

impl Configuration for EstimateConfig {
    const COMMAND_LINE: CommandLine = CommandLine {
        name: Self::EXPERIMENT,
        about: "Estimate the learning coefficient of a trained network out of a checkpoint",
        examples: EXAMPLES,
        headings: &HEADINGS,
        presets: &[],
        presets_value: "",
        presets_help: "",
    };

    fn keys() -> &'static [Key] {
        static KEYS: LazyLock<Vec<Key>> = LazyLock::new(|| {
            let mut keys = vec![
                Key::new("experiment", "", Kind::Choice(&[EstimateConfig::EXPERIMENT]), "", ""),
                Key::new(
                    CHECKPOINT,
                    "checkpoint",
                    Kind::Text,
                    "FILE",
                    "The trained parameters: safetensors, or a PyTorch .pt or .pth file [needed]",
                ),
            ];
            keys.extend(model::keys(&MODEL));
            keys.extend(data::keys(&DATA));
            keys.extend(point::keys(POINT));
            keys.extend(sampler::keys::keys(&SAMPLER, false));
            keys.push(Key::new("seed", "seed", Kind::Whole, "SEED", "Seed of everything random [default: 0]"));
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
                    let reason =
                        "a checkpoint that knows its network knows this too: give --model as well, or leave it out";
                    return Err(ConfigError::Refused { key: raw.key(path)?, reason: reason.to_owned() });
                }
                None
            }
        };
        let point = point::check(raw, POINT)?;
        let sampler = sampler::check::sampler(raw, &SAMPLER, point.subject(&data))?;
        let work = Work::Network { num_chains: sampler.num_chains };
        let run = run::check(raw, work, sampler.kernel.kind(), threads)?;
        let seed = raw.whole("seed").unwrap_or(SEED);
        Ok(Self { experiment: Self::EXPERIMENT, seed, checkpoint: checkpoint.into(), model, data, point, sampler, run })
    }

    fn warnings(&self, raw: &RawConfig) -> Vec<ConfigWarning> {
        sampler::check::warnings(raw, &self.sampler)
    }

    fn remark(&self) -> String {
        format!("the network of {} on {}", self.checkpoint.display(), self.data.name)
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
            "--checkpoint x.pt --llc-labels clean --params fc.* --llc-size 5000 --check-localisation off",
        ]);
    }

    #[test]
    fn the_commands_that_help_shows_are_legal() {
        assert_examples_are_legal::<EstimateConfig>(3);
    }
}
