//! Configures an estimate around a model that Python holds: the same sampler settings as `llc estimate`, without a checkpoint.
//!
//! The tables are `python` (what the record says of model, loss and data), `point`, `sampler` and `run`, and `profile` where λ̂ is estimated over a
//! ladder of scales.

use std::sync::LazyLock;

use serde::Serialize;

use super::experiment::{CommandLine, Configuration};
use super::network::point::{self, Part};
use super::profile::{self, ProfileSection};
use super::run::{self, Work};
use super::sampler::check::Subject;
use super::sampler::{self, ConfigWarning, SamplerConfig};
use super::{ConfigError, EstimateConfig, Kind, ProfileConfig, RawConfig, RunConfig, Setting, estimate};

/// The table that only these records have.
pub const SECTION: &str = "python";
const MODEL: &str = "python.model";
const LOSS: &str = "python.loss";
const DATA: &str = "python.data";
const NUM_SAMPLES: &str = "python.num_samples";
const EXPERIMENTS: [&str; 2] = [EstimateConfig::EXPERIMENT, ProfileConfig::EXPERIMENT];

/// A legal configuration of an estimate around a model that Python holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PythonConfig {
    experiment: &'static str,
    seed: u64,
    python: PythonModel,
    point: Part,
    sampler: SamplerConfig,
    /// The ladder, where it is a profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<ProfileSection>,
    run: RunConfig,
}

/// What the record says of the model: Python knows the rest.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PythonModel {
    /// The class of the model.
    pub model: String,
    /// The loss, by its name.
    pub loss: String,
    /// The class of the data.
    pub data: String,
    /// Samples n.
    pub num_samples: usize,
}

impl PythonConfig {
    /// Seed of everything random, below 2⁶³.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The model, as the record knows it.
    pub fn python(&self) -> &PythonModel {
        &self.python
    }

    /// Which of its tensors are sampled.
    pub fn part(&self) -> &Part {
        &self.point
    }

    /// The name of the experiment: `estimate` or `profile`.
    pub fn experiment(&self) -> &'static str {
        self.experiment
    }

    /// The ladder, where it is a profile.
    pub fn profile(&self) -> Option<&ProfileSection> {
        self.profile.as_ref()
    }

    /// The sampler.
    pub fn sampler(&self) -> &SamplerConfig {
        &self.sampler
    }

    /// Threads.
    pub fn run(&self) -> &RunConfig {
        &self.run
    }
}

impl Configuration for PythonConfig {
    // Python has no flags; the record is that of an estimate.
    const COMMAND_LINE: CommandLine = CommandLine { name: EstimateConfig::EXPERIMENT, ..CommandLine::WITHOUT_PRESETS };

    fn keys() -> &'static [Setting] {
        static KEYS: LazyLock<Vec<Setting>> = LazyLock::new(|| {
            let mut keys = vec![
                Setting::new("experiment", "", Kind::Choice(&EXPERIMENTS), "", ""),
                Setting::new(MODEL, "", Kind::Text, "", "Class of the model"),
                Setting::new(LOSS, "", Kind::Text, "", "Name of the loss"),
                Setting::new(DATA, "", Kind::Text, "", "Class of the data"),
                Setting::new(NUM_SAMPLES, "num-samples", Kind::Whole, "N", "Samples n"),
            ];
            keys.extend(profile::ladder_keys());
            keys.push(point::part_key());
            keys.extend(sampler::keys::keys(&estimate::SAMPLER, false));
            keys.push(Setting::new("seed", "seed", Kind::Whole, "SEED", "Seed of everything random [default: 0]"));
            keys.extend(run::network_keys());
            keys
        });
        &KEYS
    }

    fn build(raw: &RawConfig, threads: usize) -> Result<Self, ConfigError> {
        let text = |path: &str| raw.word(path).unwrap_or_default().to_owned();
        let what = "give the number of samples that the loss is a mean over, at least 3";
        let num_samples = raw
            .count(NUM_SAMPLES, point::MIN_SAMPLES)?
            .ok_or(ConfigError::Missing { key: raw.key(NUM_SAMPLES)?, what })?;
        let point = point::check_part(raw)?;
        let subject = Subject { num_samples: Some(num_samples), num_tensors: None };
        let sampler = sampler::check::sampler(raw, &estimate::SAMPLER, subject)?;
        let experiment = match raw.word("experiment") {
            Some(ProfileConfig::EXPERIMENT) => ProfileConfig::EXPERIMENT,
            _ => EstimateConfig::EXPERIMENT,
        };
        let is_profile = experiment == ProfileConfig::EXPERIMENT;
        let profile = if is_profile { Some(profile::section(raw, &sampler)?) } else { None };
        let run = run::check(raw, Work::InTurn, sampler.kernel.kind(), threads)?;
        Ok(Self {
            experiment,
            profile,
            seed: raw.whole("seed").unwrap_or(0),
            python: PythonModel { model: text(MODEL), loss: text(LOSS), data: text(DATA), num_samples },
            point,
            sampler,
            run,
        })
    }

    fn warnings(&self, raw: &RawConfig) -> Vec<ConfigWarning> {
        sampler::check::warnings(raw, &self.sampler)
    }

    fn remark(&self) -> String {
        format!("{} on {} samples, in Python", self.python.model, self.python.num_samples)
    }

    fn threads(&self) -> usize {
        self.run.threads
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(given: &[(&str, &str)]) -> Result<PythonConfig, ConfigError> {
        let mut raw = RawConfig::new(PythonConfig::keys());
        raw.layer_text(given.iter().copied())?;
        PythonConfig::build(&raw, 4)
    }

    #[test]
    fn chains_run_in_turn_on_all_threads_with_the_defaults_of_estimate() {
        let python = config(&[(NUM_SAMPLES, "1000")]).unwrap();
        assert_eq!((python.run().threads, python.run().threads_per_chain), (4, 4));
        let mut raw = RawConfig::new(EstimateConfig::keys());
        raw.layer_text([("checkpoint", "x.pt")]).unwrap();
        assert_eq!(python.sampler(), EstimateConfig::build(&raw, 4).unwrap().sampler());
    }

    #[test]
    fn a_record_reads_back_to_an_equal_configuration_and_the_number_of_samples_is_needed() {
        let python = config(&[(NUM_SAMPLES, "50"), (MODEL, "CNN"), ("point.params", "fc.*"), ("seed", "7")]).unwrap();
        let again = super::super::experiment::from_table::<PythonConfig>(&python.to_toml().parse().unwrap(), 4);
        assert_eq!(again.unwrap(), python);
        assert!(config(&[]).unwrap_err().to_string().contains("number of samples"));
    }
}
