//! Configures `llc descent`: plain gradient descent on a few classes, with losses of one's own.
//!
//! The tables are `model`, `data`, `train`, `descent` and `run`. Defaults are those of the published experiment: 512 threes and sevens
//! of MNIST, all of them in every step, rate 0.1, 10,000 epochs.

mod data;
mod help;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use serde::{Serialize, Serializer};

pub use data::SelectedDataConfig;

use super::experiment::{CommandLine, Configuration};
use super::network::train::{Length, TrainDefaults};
use super::network::{ModelDefaults, TrainConfig, model, train, without};
use super::{ConfigError, ConfigWarning, Device, Kind, PositiveF64, RawConfig, Setting, Value, preset, run};
use crate::model::ModelSpec;

const MODEL: ModelDefaults = ModelDefaults { name: Some("mlp") };
const TRAIN: TrainDefaults = TrainDefaults {
    is_beside_sampler: false,
    sgd_learning_rate: PositiveF64::literal(0.1),
    momentum: 0.0,
    // Where none is given a step takes all samples.
    batch_size: 512,
    length: Length::Epochs(10_000),
    evaluate_train: true,
};
/// Settings of a training that a descent has no use for.
const NOT_HERE: [&str; 7] = [
    "train.augmentation",
    "train.channels_last",
    "train.checkpoint_every",
    "train.evaluate_train",
    "train.log_every",
    "train.num_steps",
    "train.stop_at_threshold",
];
const SEED: u32 = 0;
const METRICS_EVERY: usize = 1;
const NICKNAME: &str = "descent";

/// A legal configuration of `llc descent`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DescentConfig {
    experiment: &'static str,
    seed: u32,
    model: ModelSpec,
    data: SelectedDataConfig,
    #[serde(serialize_with = "of_a_descent")]
    train: TrainConfig,
    descent: OutputConfig,
    run: DescentRun,
}

fn of_a_descent<S: Serializer>(train: &TrainConfig, serializer: S) -> Result<S::Ok, S::Error> {
    without(train, &NOT_HERE, serializer)
}

/// Measurements and output, in files the table `descent`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct OutputConfig {
    /// Epochs from one measurement to the next; the first and the last are measured in any case.
    pub metrics_every: usize,
    /// Whether every measured epoch is printed, instead of the first ten, then every tenth of the first hundred, and so on.
    pub trace: bool,
    /// The start of the run's name.
    pub nickname: String,
    /// Whether the initial and the trained network are saved.
    pub save: bool,
    /// Whether figures are drawn at the end.
    pub plot: bool,
    /// Whether the terminal's bell rings at the end.
    pub beep: bool,
}

/// Where a descent runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct DescentRun {
    /// Total number of threads, at least 1.
    pub threads: usize,
    /// Where it runs.
    pub device: Device,
}

impl DescentConfig {
    /// The name of the experiment, in files and records.
    pub const EXPERIMENT: &'static str = "descent";

    /// Seed of the start and of the order of minibatches.
    pub fn seed(&self) -> u32 {
        self.seed
    }

    /// The network as it was asked for; [`model::for_data`] fits it to the data.
    pub fn model(&self) -> &ModelSpec {
        &self.model
    }

    /// The samples.
    pub fn data(&self) -> &SelectedDataConfig {
        &self.data
    }

    /// The descent.
    pub fn train(&self) -> &TrainConfig {
        &self.train
    }

    /// Measurements and output.
    pub fn output(&self) -> &OutputConfig {
        &self.descent
    }

    /// Threads and device.
    pub fn run(&self) -> &DescentRun {
        &self.run
    }

    /// The run's name by the original's rule; `identity` makes it unique.
    ///
    /// ```
    /// use llc::config::{DescentConfig, ExperimentArgs};
    /// let config = ExperimentArgs::<DescentConfig>::try_parse_from(["--preset", "test"])?.resolve()?.config;
    /// assert_eq!(config.run_name("62675cf5"), "TEST-EXPERIMENT-lr_0&1-bs_512-eps_10000_62675cf5");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn run_name(&self, identity: &str) -> String {
        let rate = match &self.train.schedule {
            crate::schedule::Schedule::Constant => self.train.learning_rate.get().to_string(),
            _ => "variable".to_owned(),
        };
        let epochs = match self.train.length {
            Length::Epochs(num_epochs) => num_epochs,
            Length::Steps(num_steps) => num_steps,
        };
        let (nickname, size) = (&self.descent.nickname, self.data.train_size);
        let name = format!("{nickname}-lr_{rate}-bs_{size}-eps_{epochs}_{identity}");
        name.replace(['.', ','], "&").replace(' ', "")
    }
}

impl Configuration for DescentConfig {
    const COMMAND_LINE: CommandLine = CommandLine {
        name: Self::EXPERIMENT,
        about: "Record plain gradient descent on a few classes, with custom losses",
        examples: help::EXAMPLES,
        headings: &help::HEADINGS,
        presets: &help::PRESETS,
        presets_value: "test|cifar10",
        presets_help: help::PRESETS_HELP,
    };

    fn keys() -> &'static [Setting] {
        static KEYS: LazyLock<Vec<Setting>> = LazyLock::new(|| {
            let mut keys = vec![Setting::new("experiment", "", Kind::Choice(&[DescentConfig::EXPERIMENT]), "", "")];
            // The data say how many classes there are.
            keys.extend(model::keys(&MODEL).into_iter().filter(|key| key.path != "model.num_classes"));
            keys.extend(data::keys());
            keys.extend(train_keys());
            keys.extend(own());
            keys.extend(run::bare_keys());
            keys
        });
        &KEYS
    }

    fn build(raw: &RawConfig, threads: usize) -> Result<Self, ConfigError> {
        let data = data::check(raw)?;
        let model = model::check(raw, &MODEL, data.shape())?;
        let mut with_batch = raw.clone();
        if raw.get("train.batch_size").is_none() {
            with_batch.fill("train.full_batch", Value::Text("on".to_owned()));
        }
        let train = train::check(&with_batch, &TRAIN)?;
        if !data.classes.is_empty() {
            train::check_classes(raw, &train.loss, data.classes.len())?;
        }
        let switch = |path: &str| raw.word(path) != Some("off");
        let descent = OutputConfig {
            metrics_every: raw.count("descent.metrics_every", 1)?.unwrap_or(METRICS_EVERY),
            trace: raw.is_on("descent.trace"),
            nickname: raw.word("descent.nickname").unwrap_or(NICKNAME).to_owned(),
            save: switch("descent.save"),
            plot: switch("descent.plot"),
            beep: switch("descent.beep"),
        };
        let (threads, device) = run::bare(raw, threads)?;
        let run = DescentRun { threads, device };
        let seed = data::seed(raw, "seed")?.unwrap_or(SEED);
        Ok(Self { experiment: Self::EXPERIMENT, seed, model, data, train, descent, run })
    }

    fn fill_preset(name: &str, raw: &mut RawConfig) {
        if let Some(settings) = help::preset(name) {
            preset::lay(settings, raw);
        }
    }

    fn warnings(&self, _raw: &RawConfig) -> Vec<ConfigWarning> {
        Vec::new()
    }

    fn remark(&self) -> String {
        format!(
            "{} on {} samples of {}, loss {}",
            self.model.name, self.data.train_size, self.data.name, self.train.loss
        )
    }

    fn threads(&self) -> usize {
        self.run.threads
    }
}

/// The settings of the training, with the original's names beside those that differ.
fn train_keys() -> Vec<Setting> {
    let mut keys: Vec<Setting> = train::keys(&TRAIN).into_iter().filter(|key| !NOT_HERE.contains(&key.path)).collect();
    for key in &mut keys {
        match key.path {
            "train.learning_rate" => {
                key.kind = Kind::RealList;
                key.value_name = "RATE|RATES";
                key.help = "Learning rate, or a list with one for each epoch: 0.1 or 0.1,0.1,0.01 [default: sgd 0.1, adam 0.001]";
            }
            "train.batch_size" => key.help = "Samples in a minibatch [default: all of them]",
            "train.full_batch" => {
                key.help = "Use all samples in every step instead of --batch-size [default: on without --batch-size]";
            }
            "train.num_epochs" => key.help = "Passes over the samples (epochs) [default: 10000]",
            _ => {}
        }
    }
    keys
}

/// The settings that no other experiment has.
fn own() -> Vec<Setting> {
    let switch = |path, flag, help| Setting::new(path, flag, Kind::Switch, "on|off", help);
    vec![
        Setting::new(
            "seed",
            "seed",
            Kind::Whole,
            "SEED",
            "Seed of the network's start, the same as PyTorch's, and of the order of minibatches (parameters_seed) \
             [default: 0]",
        ),
        Setting::new(
            "descent.metrics_every",
            "metrics-every",
            Kind::Whole,
            "EPOCHS",
            "Epochs between two measurements of loss, accuracy and gradient (compute_metrics_every) [default: 1]",
        ),
        switch(
            "descent.trace",
            "trace",
            "Print every measured epoch, instead of fewer and fewer as the run continues [default: off]",
        ),
        Setting::new(
            "descent.nickname",
            "nickname",
            Kind::Text,
            "NAME",
            "Start of the run's name (experiment_nickname), followed by rate, samples, epochs and a random word \
             [default: descent]",
        ),
        switch("descent.save", "save", "Save the initial and the trained network with the record [default: on]"),
        switch("descent.plot", "plot", "Draw learning curves and the loss at the end, with llc-analysis [default: on]"),
        switch("descent.beep", "beep", "Ring the terminal's bell at the end [default: on]"),
    ]
}
