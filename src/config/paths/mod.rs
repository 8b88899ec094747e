//! Configures `llc paths`: what lies between the minima that several trainings of one network end at.
//!
//! The tables are `model`, `data`, `train`, `paths`, `fit`, `point`, `sampler` and `run`. Defaults train a perceptron on MNIST by SGD; the
//! presets are those of the published experiments.

mod fit;
mod help;
mod points;
mod presets;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use serde::{Serialize, Serializer};

pub use fit::{CurveShape, FitConfig, FitSchedule};
pub use points::PointsConfig;

use super::experiment::{CommandLine, Configuration};
use super::network::point::{LossAround, PointConfig, PointDefaults, PointLabels};
use super::network::train::{Length, TrainDefaults};
use super::network::{DataConfig, DataDefaults, ModelDefaults, TrainConfig, data, model, point, train, without};
use super::run::Work;
use super::sampler::{self, ConfigWarning, ExtrapolateStep, Gamma, LossTrace, SamplerConfig, SamplerDefaults, Switch};
use super::{ConfigError, Kind, PositiveF64, RawConfig, RunConfig, Setting, run};
use crate::data::DatasetName;
use crate::kernel::SamplerKind;
use crate::model::ModelSpec;

const MODEL: ModelDefaults = ModelDefaults { name: Some("mlp") };
const DATA: DataDefaults = DataDefaults { name: DatasetName::Mnist, is_normalised: false };
const POINT: PointDefaults = PointDefaults { labels: PointLabels::Training, loss_around: LossAround::Labels };
const SEED: u64 = 0;

const TRAIN: TrainDefaults = TrainDefaults {
    is_beside_sampler: true,
    sgd_learning_rate: PositiveF64::literal(0.05),
    momentum: 0.9,
    batch_size: 128,
    length: Length::Epochs(50),
    evaluate_train: true,
};

/// Settings of a training that are none of an experiment with several.
const NOT_HERE: [&str; 3] = ["train.evaluate_train", "train.log_every", "train.checkpoint_every"];

const SAMPLER: SamplerDefaults = SamplerDefaults {
    kind: SamplerKind::Sgld,
    num_steps: Some(1000),
    warmup: Some(0.5),
    batch_size: sampler::BATCH_SIZE,
    num_chains: 4,
    // The losses at a point are known for every sample, so that it costs nothing.
    minibatch_trace: LossTrace::ControlVariate,
    // A second run at every point would double the cost of the path.
    check_localisation: Switch::Off,
    gamma: Gamma::Auto,
    extrapolate_step: ExtrapolateStep::Auto,
};

/// A legal configuration of `llc paths`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PathsConfig {
    experiment: &'static str,
    seed: u64,
    model: ModelSpec,
    data: DataConfig,
    #[serde(serialize_with = "of_paths")]
    train: TrainConfig,
    paths: PointsConfig,
    fit: FitConfig,
    point: PointConfig,
    sampler: SamplerConfig,
    run: RunConfig,
}

fn of_paths<S: Serializer>(train: &TrainConfig, serializer: S) -> Result<S::Ok, S::Error> {
    without(train, &NOT_HERE, serializer)
}

impl PathsConfig {
    /// The name of the experiment, in files and records.
    pub const EXPERIMENT: &'static str = "paths";

    /// Seed of everything random but corruptions, below 2⁶³.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The network.
    pub fn model(&self) -> &ModelSpec {
        &self.model
    }

    /// The images.
    pub fn data(&self) -> &DataConfig {
        &self.data
    }

    /// The training of each minimum.
    pub fn train(&self) -> &TrainConfig {
        &self.train
    }

    /// How many minima, and which points are looked at.
    pub fn points(&self) -> &PointsConfig {
        &self.paths
    }

    /// The curve between two minima.
    pub fn fit(&self) -> &FitConfig {
        &self.fit
    }

    /// The loss around points of the curve.
    pub fn point(&self) -> &PointConfig {
        &self.point
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

impl Configuration for PathsConfig {
    const COMMAND_LINE: CommandLine = CommandLine {
        name: Self::EXPERIMENT,
        about: "Measure the loss between minima: segments, fitted curves, their plane, and the learning coefficient \
                along them",
        examples: help::EXAMPLES,
        headings: &help::HEADINGS,
        presets: &presets::NAMES,
        presets_value: "NAME",
        presets_help: help::PRESETS,
    };

    fn keys() -> &'static [Setting] {
        static KEYS: LazyLock<Vec<Setting>> = LazyLock::new(|| {
            let mut keys = vec![Setting::new("experiment", "", Kind::Choice(&[PathsConfig::EXPERIMENT]), "", "")];
            keys.extend(model::keys(&MODEL));
            keys.extend(data::keys(&DATA));
            keys.extend(train::keys(&TRAIN).into_iter().filter(|key| !NOT_HERE.contains(&key.path)));
            keys.extend(points::keys());
            keys.extend(fit::keys());
            keys.extend(point::keys(POINT));
            keys.extend(sampler::keys::keys(&SAMPLER, false));
            keys.push(Setting::new(
                "seed",
                "seed",
                Kind::Whole,
                "SEED",
                "Seed of everything random except corruptions [default: 0]",
            ));
            keys.extend(run::network_keys());
            keys
        });
        &KEYS
    }

    fn build(raw: &RawConfig, threads: usize) -> Result<Self, ConfigError> {
        let data = data::check(raw, &DATA)?;
        let model = model::check(raw, &MODEL, data.shape())?;
        let train = train::check(raw, &TRAIN)?;
        if let Some((_, num_classes)) = data.shape() {
            train::check_classes(raw, &train.loss, num_classes)?;
        }
        let paths = points::check(raw)?;
        let fit = fit::check(raw)?;
        let point = point::check(raw, POINT)?;
        point::check_loss(raw, &point, &train.loss)?;
        let sampler = sampler::check::sampler(raw, &SAMPLER, point.subject(&data))?;
        let work = Work::Network { num_chains: sampler.num_chains };
        let run = run::check(raw, work, sampler.kernel.kind(), threads)?;
        let seed = raw.whole("seed").unwrap_or(SEED);
        Ok(Self { experiment: Self::EXPERIMENT, seed, model, data, train, paths, fit, point, sampler, run })
    }

    fn fill_preset(name: &str, raw: &mut RawConfig) {
        presets::fill(name, raw);
    }

    fn warnings(&self, raw: &RawConfig) -> Vec<ConfigWarning> {
        sampler::check::warnings(raw, &self.sampler)
    }

    fn remark(&self) -> String {
        format!("{} minima of {} on {}", self.paths.num_minima, self.model.name, self.data.name)
    }

    fn threads(&self) -> usize {
        self.run.threads
    }
}
