//! Configures `llc profile`: λ̂ over a ladder of scales around a checkpoint, a deep linear network or a toy potential.
//!
//! The tables are `profile` (the ladder and its budget), those of the one source, `sampler` and `run`. What belongs to a source is checked as
//! `llc estimate` and `llc dln` check it.

mod keys;
mod ladder;
mod potential;
#[cfg(test)]
mod tests;

use serde::ser::Error as _;
use serde::{Serialize, Serializer};

use super::experiment::{CommandLine, Configuration};
use super::sampler::{self, ConfigWarning, SamplerConfig};
use super::{ConfigError, DlnConfig, EstimateConfig, RawConfig, RunConfig, Setting};

pub use ladder::{Along, LadderConfig, ProfileSection};
pub use potential::PotentialConfig;

const EXAMPLES: &str = "\
Examples:
  llc profile --checkpoint runs/3/checkpoint/latest.safetensors --loss-around own-function --time 10m
      From a narrow region to a wide one, gamma falling by a factor of 1000, within ten minutes.
  llc profile --checkpoint model.pt --model resnet18 --ladder 1e5,1e4,1e3 --half-width 0.05
      Three values of gamma, each sampled until the 90 % interval is within ±5 % of the estimate.
  llc profile --module loss.pt --data-file data.safetensors
      A model of your own: a TorchScript module that returns the loss of each sample, and its inputs.
  llc profile --layer-widths 20,20,10 --truth aligned --rank 5 --to 1
      A deep linear network: at small gamma the estimate stays at the exact value.
  llc profile --potential regular --along n-beta --from 1e4 --to 1
      A toy potential over n_beta, with the exact curve.
  llc-analysis figures profile -F runs
      The estimate over the radius of its region.

Exit codes: 0 done (even if a rung did not converge), 1 failed, 2 bad usage or configuration, 3 diverged, 75 interrupted.";

const TRAINED: &str = "A trained network, from a checkpoint";
const OWN: &str = "Or a model of your own";
const DEEP_LINEAR: &str = "Or a deep linear network";

/// The sections of a file, under which `--help` shows their flags; the first that fits counts.
const HEADINGS: [(&str, &str); 16] = [
    ("profile.", "The ladder"),
    ("checkpoint", TRAINED),
    ("override_checkpoint", TRAINED),
    ("module", OWN),
    ("data_file", OWN),
    ("model.input_dim", DEEP_LINEAR),
    ("model.layer_widths", DEEP_LINEAR),
    ("data.num_training_data", DEEP_LINEAR),
    ("data.input_dist", DEEP_LINEAR),
    ("truth.", DEEP_LINEAR),
    ("potential", "Or a toy potential"),
    ("model.", TRAINED),
    ("data.", "Its images"),
    ("point.", "The loss around it"),
    ("sampler.", "The sampler"),
    ("", "The run"),
];

const SEED: u64 = 0;

/// What the ladder is climbed around.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// A trained network from a checkpoint, or a module, as `llc estimate` takes them.
    Trained(Box<EstimateConfig>),
    /// A deep linear network, as `llc dln` takes it.
    DeepLinear(Box<DlnConfig>),
    /// A toy potential.
    Potential(Box<PotentialConfig>),
}

impl Source {
    /// The word in reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Trained(config) => config.source().name(),
            Self::DeepLinear(_) => "deep-linear",
            Self::Potential(_) => "potential",
        }
    }
}

/// A legal configuration of `llc profile`.
#[derive(Debug, Clone, PartialEq)]
pub struct ProfileConfig {
    seed: u64,
    profile: ProfileSection,
    source: Source,
}

impl ProfileConfig {
    /// The name of the experiment, in files and records.
    pub const EXPERIMENT: &'static str = "profile";

    /// Seed of everything random, below 2⁶³.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The ladder and its budget.
    pub fn profile(&self) -> &ProfileSection {
        &self.profile
    }

    /// What it is climbed around.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The sampler; what the ladder runs along, γ or nβ, is not to be taken from it.
    pub fn sampler(&self) -> &SamplerConfig {
        match &self.source {
            Source::Trained(config) => config.sampler(),
            Source::DeepLinear(config) => config.sampler(),
            Source::Potential(config) => config.sampler(),
        }
    }

    /// Threads, device, precision.
    pub fn run(&self) -> &RunConfig {
        match &self.source {
            Source::Trained(config) => config.run(),
            Source::DeepLinear(config) => config.run(),
            Source::Potential(config) => config.run(),
        }
    }
}

impl Serialize for ProfileConfig {
    /// The layout of its file: what the source has, of the settings that are there, and the table `profile`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut table = match &self.source {
            Source::Trained(config) => serde_json::to_value(config),
            Source::DeepLinear(config) => serde_json::to_value(config),
            Source::Potential(config) => serde_json::to_value(config),
        }
        .map_err(S::Error::custom)?;
        table["experiment"] = Self::EXPERIMENT.into();
        table["seed"] = self.seed.into();
        table["profile"] = serde_json::to_value(&self.profile).map_err(S::Error::custom)?;
        let not_here: &[&str] = match (self.profile.along, &self.source) {
            (Along::Gamma, _) => &["sampler.gamma"],
            (Along::NBeta, _) => &["sampler.beta", "sampler.n_beta"],
        };
        let is_here = |path: &str| Self::keys().iter().any(|key| key.path == path) && !not_here.contains(&path);
        retain(&mut table, "", &is_here);
        table.serialize(serializer)
    }
}

/// Leaves of a nested `table` only what stands at paths that `is_here`.
fn retain(table: &mut serde_json::Value, prefix: &str, is_here: &dyn Fn(&str) -> bool) {
    let Some(entries) = table.as_object_mut() else { return };
    for (name, value) in entries.iter_mut().filter(|(_, value)| value.is_object()) {
        retain(value, &format!("{prefix}{name}."), is_here);
    }
    entries.retain(|name, value| match value {
        serde_json::Value::Object(inner) => !inner.is_empty(),
        _ => is_here(&format!("{prefix}{name}")),
    });
}

impl Configuration for ProfileConfig {
    const COMMAND_LINE: CommandLine = CommandLine {
        name: Self::EXPERIMENT,
        about: "Estimate the learning coefficient over a ladder of scales, from a narrow region around w* to a wide one",
        examples: EXAMPLES,
        headings: &HEADINGS,
        ..CommandLine::WITHOUT_PRESETS
    };

    fn keys() -> &'static [Setting] {
        keys::keys()
    }

    fn build(raw: &RawConfig, threads: usize) -> Result<Self, ConfigError> {
        refuse_what_falls(raw)?;
        let kind = keys::kind(raw)?;
        if kind != keys::SourceKind::Trained && raw.word("sampler.gamma").is_some() {
            let reason = "auto is only for a --checkpoint: give a number".to_owned();
            return Err(ConfigError::Refused { key: raw.key("sampler.gamma")?, reason });
        }
        let source = match kind {
            keys::SourceKind::Trained => Source::Trained(Box::new(checkpoint(raw, threads)?)),
            keys::SourceKind::DeepLinear => Source::DeepLinear(Box::new(deep_linear(raw, threads)?)),
            keys::SourceKind::Potential => Source::Potential(Box::new(potential::check(raw, threads)?)),
        };
        let mut config = Self { seed: raw.whole("seed").unwrap_or(SEED), profile: ProfileSection::default(), source };
        config.profile = ladder::check(raw, config.sampler())?;
        Ok(config)
    }

    fn fill_from_files(raw: &mut RawConfig) -> Result<(), ConfigError> {
        EstimateConfig::fill_from_files(raw)
    }

    fn warnings(&self, raw: &RawConfig) -> Vec<ConfigWarning> {
        sampler::check::warnings(raw, self.sampler())
    }

    fn remark(&self) -> String {
        let of = match &self.source {
            Source::Trained(config) => Configuration::remark(config.as_ref()),
            Source::DeepLinear(config) => {
                format!("a deep linear network of {} parameters", config.model().num_parameters())
            }
            Source::Potential(config) => format!("the potential {}", config.toy().name()),
        };
        format!("a ladder along {} around {of}", self.profile.along.name())
    }

    fn threads(&self) -> usize {
        self.run().threads
    }
}

/// What `raw` says to `llc estimate`.
fn checkpoint(raw: &RawConfig, threads: usize) -> Result<EstimateConfig, ConfigError> {
    EstimateConfig::build(&keys::those_of::<EstimateConfig>(raw), threads)
}

/// What `raw` says to `llc dln`.
fn deep_linear(raw: &RawConfig, threads: usize) -> Result<DlnConfig, ConfigError> {
    if raw.word("run.precision") == Some("bf16") {
        let reason = "deep linear networks are computed in f32 or f64: leave it out".to_owned();
        return Err(ConfigError::Refused { key: raw.key("run.precision")?, reason });
    }
    DlnConfig::build(&keys::those_of::<DlnConfig>(raw), threads)
}

/// The ladder that `raw` asks for, of chains that `sampler` draws: for another experiment that has the settings of [`ladder_keys`].
pub(super) fn section(raw: &RawConfig, sampler: &SamplerConfig) -> Result<ProfileSection, ConfigError> {
    refuse_what_falls(raw)?;
    ladder::check(raw, sampler)
}

/// The settings of the ladder and its budget.
pub(super) fn ladder_keys() -> Vec<Setting> {
    keys::ladder()
}

/// Refuses a value of its own for what the ladder runs along.
fn refuse_what_falls(raw: &RawConfig) -> Result<(), ConfigError> {
    let along = ladder::along(raw);
    let set_by_ladder: &[&str] = match along {
        Along::Gamma => &["sampler.gamma"],
        Along::NBeta => &["sampler.beta", "sampler.n_beta"],
    };
    if let Some(path) = set_by_ladder.iter().find(|path| raw.get(path).is_some()) {
        let reason =
            format!("the ladder varies it: give --from and --to or --ladder, or --along {}", along.other().name());
        return Err(ConfigError::Refused { key: raw.key(path)?, reason });
    }
    Ok(())
}
