//! Configures `llc noisy-weights`: a training with log-normal noise on the weights, and the forgetting of samples that are taken away.
//!
//! The tables are `model`, `data`, `train`, `noise`, `forgetting` and `run`. Defaults are those of the published branch: α = 0.05 for
//! each weight, learnt, SGD at 0.1 (0.01 for perceptrons there) with momentum 0.9 and weight decay 10⁻⁴ given by `--weight-decay`.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize, Serializer};

use super::experiment::{CommandLine, Configuration};
use super::machine::{self, MachineConfig};
use super::network::{
    DataConfig, DataDefaults, Length, ModelDefaults, TrainConfig, TrainDefaults, data, model, train, without,
};
use super::{ConfigError, ConfigWarning, Kind, PositiveF64, RawConfig, Setting, Value, run};
use crate::data::DatasetName;
use crate::model::ModelSpec;

const EXAMPLES: &str = "\
Examples:
  llc noisy-weights --model mlp-512 --num-epochs 30 --learning-rate 0.01
      A perceptron on CIFAR-10 with noise on its weights, and the samples that stay right from one epoch to the next.
  llc noisy-weights --model mlp-512 --learn-noise=off --noise-doubling-epochs 5 --num-epochs 40
      The noise doubles every five epochs, to see how much a network tolerates.
  llc noisy-weights --model mlp-512 --noise 0 --val-label-corruption 1 --num-epochs 40 --retrain-epochs 20
      Training and validation samples are learnt together, then the training samples alone, to see how fast the others are forgotten.
  llc noisy-weights --model mlp --widths 100 --data mnist --information-penalty 1 --optimizer adam

Exit codes: 0 done, 1 failed, 2 bad usage or configuration, 3 diverged, 75 interrupted.";

/// The sections of a file, under which `--help` shows their flags.
const HEADINGS: [(&str, &str); 6] = [
    ("model.", "The network"),
    ("data.", "The images"),
    ("train.", "The training"),
    ("noise.", "The weights: noise and start"),
    ("forgetting.", "The validation samples"),
    ("", "The run"),
];

const MODEL: ModelDefaults = ModelDefaults { name: None };
const DATA: DataDefaults = DataDefaults { name: DatasetName::Cifar10, is_normalised: true };
const TRAIN: TrainDefaults = TrainDefaults {
    is_beside_sampler: false,
    sgd_learning_rate: PositiveF64::literal(0.1),
    momentum: 0.9,
    batch_size: 128,
    length: Length::Epochs(200),
    evaluate_train: true,
};
/// Settings of a training that this one has its own ways for.
const NOT_HERE: [&str; 3] = ["train.evaluate_train", "train.log_every", "train.stop_at_threshold"];
/// The validation samples are the test split, and have a corruption of their own.
const CORRUPT_TEST: &str = "data.corrupt_test";
const ALPHA: f64 = 0.05;
const LOG_UNIFORM: [f64; 2] = [-8.0, 1.0];
const SEED: u64 = 0;

/// A legal configuration of `llc noisy-weights`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NoisyWeightsConfig {
    experiment: &'static str,
    seed: u64,
    model: ModelSpec,
    #[serde(serialize_with = "data_here")]
    data: DataConfig,
    #[serde(serialize_with = "train_here")]
    train: TrainConfig,
    noise: NoiseConfig,
    forgetting: ForgettingConfig,
    run: MachineConfig,
}

fn data_here<S: Serializer>(data: &DataConfig, serializer: S) -> Result<S::Ok, S::Error> {
    without(data, &[CORRUPT_TEST], serializer)
}

fn train_here<S: Serializer>(train: &TrainConfig, serializer: S) -> Result<S::Ok, S::Error> {
    without(train, &NOT_HERE, serializer)
}

/// The noise on the weights and where they start, in files the table `noise`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NoiseConfig {
    /// α of each weight at the start, the variance of the noise's logarithm; 0 for no noise.
    pub alpha: f64,
    /// Whether each weight's α is learnt.
    #[serde(rename = "learn")]
    pub is_learnt: bool,
    /// β: adds β·(−½·mean ln|α|) to the loss; 0 or more.
    pub penalty: f64,
    /// Epochs from one doubling of every α to the next; 0 for none.
    pub doubling_epochs: u64,
    /// Where the weights start.
    #[serde(flatten)]
    pub start: WeightStart,
}

/// Where the weights start.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "start", rename_all = "kebab-case")]
pub enum WeightStart {
    /// As the network's layers do.
    Network,
    /// ln|w| uniform between these ends, of either sign, for matrices and kernels; the rest as the network's layers do.
    LogUniform { log_uniform_range: [f64; 2] },
}

/// The validation samples (the test split), in files the table `forgetting`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ForgettingConfig {
    /// Share of their labels that are drawn again, in [0, 1].
    pub val_label_corruption: f64,
    /// Epochs of a second phase on the training samples alone, after a first one on both; 0 for no second phase, and a first one on the
    /// training samples.
    pub retrain_epochs: u64,
}

impl NoisyWeightsConfig {
    /// The name of the experiment, in files and records.
    pub const EXPERIMENT: &'static str = "noisy-weights";

    /// Seed of everything random but corruptions, below 2⁶³.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The network as it was asked for; [`model::for_data`] fits it to the data.
    pub fn model(&self) -> &ModelSpec {
        &self.model
    }

    /// The training samples; the validation samples have a corruption of their own, [`NoisyWeightsConfig::val_data`].
    pub fn data(&self) -> &DataConfig {
        &self.data
    }

    /// The same images with the corruption of the validation samples.
    pub fn val_data(&self) -> DataConfig {
        DataConfig { label_corruption: self.forgetting.val_label_corruption, corrupt_test: true, ..self.data.clone() }
    }

    /// The training, of the first phase.
    pub fn train(&self) -> &TrainConfig {
        &self.train
    }

    /// The noise and the start.
    pub fn noise(&self) -> &NoiseConfig {
        &self.noise
    }

    /// The validation samples.
    pub fn forgetting(&self) -> &ForgettingConfig {
        &self.forgetting
    }

    /// Threads and device.
    pub fn run(&self) -> &MachineConfig {
        &self.run
    }
}

impl Configuration for NoisyWeightsConfig {
    const COMMAND_LINE: CommandLine = CommandLine {
        name: Self::EXPERIMENT,
        about: "Train with log-normal noise on the weights, and report which samples a network keeps, learns and \
                forgets",
        examples: EXAMPLES,
        headings: &HEADINGS,
        ..CommandLine::WITHOUT_PRESETS
    };

    fn keys() -> &'static [Setting] {
        static KEYS: LazyLock<Vec<Setting>> = LazyLock::new(|| {
            let mut keys =
                vec![Setting::new("experiment", "", Kind::Choice(&[NoisyWeightsConfig::EXPERIMENT]), "", "")];
            keys.extend(model::keys(&MODEL));
            // The validation samples have a corruption of their own.
            keys.extend(data::keys(&DATA).into_iter().filter(|key| key.path != CORRUPT_TEST));
            keys.extend(train::keys(&TRAIN).into_iter().filter(|key| !NOT_HERE.contains(&key.path)));
            keys.extend(own());
            keys.extend(run::bare_keys());
            keys
        });
        &KEYS
    }

    fn build(raw: &RawConfig, threads: usize) -> Result<Self, ConfigError> {
        let data = data::check(raw, &DATA)?;
        let model = model::check(raw, &MODEL, data.shape())?;
        let train = train::check(raw, &TRAIN)?;
        let unit = |value: f64| (0.0..=1.0).contains(&value);
        let forgetting = ForgettingConfig {
            val_label_corruption: raw.within("forgetting.val_label_corruption", "[0, 1]", unit)?.unwrap_or(0.0),
            retrain_epochs: raw.whole("forgetting.retrain_epochs").unwrap_or(0),
        };
        let (noise, run) = (noise(raw)?, machine::check(raw, threads)?);
        let seed = raw.whole("seed").unwrap_or(SEED);
        Ok(Self { experiment: Self::EXPERIMENT, seed, model, data, train, noise, forgetting, run })
    }

    fn warnings(&self, _raw: &RawConfig) -> Vec<ConfigWarning> {
        Vec::new()
    }

    fn remark(&self) -> String {
        format!("{} on {}, noise {}", self.model.name, self.data.name, self.noise.alpha)
    }

    fn threads(&self) -> usize {
        self.run.threads
    }
}

fn noise(raw: &RawConfig) -> Result<NoiseConfig, ConfigError> {
    let range = "noise.log_uniform_range";
    let start = match raw.word("noise.start") {
        Some("log-uniform") => WeightStart::LogUniform { log_uniform_range: log_uniform_range(raw)? },
        chosen if raw.get(range).is_some() => {
            let (key, choice) = (raw.key(range)?, raw.key("noise.start")?);
            let chosen = chosen.unwrap_or("network").to_owned();
            return Err(ConfigError::NotForThisChoice { key, choice, chosen, used_by: "log-uniform" });
        }
        _ => WeightStart::Network,
    };
    let alpha = raw.non_negative("noise.alpha")?.unwrap_or(ALPHA);
    let penalty = raw.non_negative("noise.penalty")?.unwrap_or(0.0);
    let doubling_epochs = raw.whole("noise.doubling_epochs").unwrap_or(0);
    let asks = [
        ("noise.penalty", penalty > 0.0),
        ("noise.doubling_epochs", doubling_epochs > 0),
        ("noise.learn", raw.word("noise.learn") == Some("on")),
    ];
    if let Some((path, _)) = asks.into_iter().find(|(_, is_asked)| alpha == 0.0 && *is_asked) {
        let reason = "--noise 0 means no noise: leave it out, or give a --noise above 0".to_owned();
        return Err(ConfigError::Refused { key: raw.key(path)?, reason });
    }
    Ok(NoiseConfig {
        alpha,
        is_learnt: alpha > 0.0 && raw.word("noise.learn") != Some("off"),
        penalty,
        doubling_epochs,
        start,
    })
}

fn log_uniform_range(raw: &RawConfig) -> Result<[f64; 2], ConfigError> {
    let key = raw.key("noise.log_uniform_range")?;
    match raw.get(key.path) {
        None => Ok(LOG_UNIFORM),
        Some(Value::RealList(ends)) => match ends[..] {
            [low, high] if low.is_finite() && high.is_finite() && low < high => Ok([low, high]),
            _ => Err(ConfigError::Refused {
                key,
                reason: "give two ends of ln|w|, such as --log-uniform-range=-8,1".to_owned(),
            }),
        },
        Some(_) => Ok(LOG_UNIFORM),
    }
}

/// The settings that no other experiment has.
fn own() -> Vec<Setting> {
    vec![
        Setting::new(
            "noise.alpha",
            "noise",
            Kind::Real,
            "ALPHA",
            "Multiply each weight by exp(-a/2 + sqrt(a) e), with e standard normal and new at every step, and a = \
             |ALPHA| at the start; 0 for no noise [default: 0.05]",
        ),
        Setting::new(
            "noise.learn",
            "learn-noise",
            Kind::Switch,
            "on|off",
            "Learn the ALPHA of each weight by the same optimiser; `--learn-noise=off` fixes it [default: on]",
        ),
        Setting::new(
            "noise.penalty",
            "information-penalty",
            Kind::Real,
            "BETA",
            "Add BETA (-1/2 mean ln a) to the loss, a penalty on the information per weight in nats [default: 0]",
        ),
        Setting::new(
            "noise.doubling_epochs",
            "noise-doubling-epochs",
            Kind::Whole,
            "EPOCHS",
            "Epochs after which every ALPHA doubles; 0 for never [default: 0]",
        ),
        Setting::new(
            "noise.start",
            "start",
            Kind::Choice(&["network", "log-uniform"]),
            "network|log-uniform",
            "Start of matrices and kernels: that of the network's layers, or ln|w| uniform on --log-uniform-range \
             [default: network]",
        ),
        Setting::new(
            "noise.log_uniform_range",
            "log-uniform-range",
            Kind::RealList,
            "LOW,HIGH",
            "log-uniform: ends of ln|w| [default: -8,1]",
        )
        .chosen_for(&["noise.start"]),
        Setting::new(
            "forgetting.val_label_corruption",
            "val-label-corruption",
            Kind::Real,
            "SHARE",
            "Share of the validation labels (the test split) that are redrawn; --label-corruption is for the training \
             labels alone [default: 0]",
        ),
        Setting::new(
            "forgetting.retrain_epochs",
            "retrain-epochs",
            Kind::Whole,
            "EPOCHS",
            "Train for --num-epochs on training and validation samples, then for this number of epochs on the \
             training samples alone, with the schedule from its start [default: 0, on the training samples only]",
        ),
        Setting::new("seed", "seed", Kind::Whole, "SEED", "Seed of everything random except corruptions [default: 0]"),
    ]
}

#[cfg(all(test, feature = "torch"))]
pub(crate) mod testing {
    use super::*;

    /// Noise that is learnt.
    pub fn noise(alpha: f64, penalty: f64) -> NoiseConfig {
        NoiseConfig { alpha, is_learnt: true, penalty, doubling_epochs: 0, start: WeightStart::Network }
    }

    /// A plain training.
    pub fn train() -> TrainConfig {
        let raw = RawConfig::new(NoisyWeightsConfig::keys());
        train::check(&raw, &TRAIN).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::{self, assert_examples_are_legal, assert_printed_reads_back};

    fn config(line: &str) -> Result<NoisyWeightsConfig, ConfigError> {
        testing::resolved(line)
    }

    #[test]
    fn a_printed_configuration_reads_back_to_an_equal_one() {
        assert_printed_reads_back::<NoisyWeightsConfig>([
            "--model mlp-512",
            "--model mlp --widths 20 --data mnist --noise 0 --retrain-epochs 3 --val-label-corruption 0.5 --start log-uniform",
            "--model mlp-512 --learn-noise=off --noise-doubling-epochs 4 --start log-uniform --log-uniform-range=-4,0 --seed 2",
            "--model mlp-512 --information-penalty 0.5 --optimizer adam --checkpoint-every 3 --label-corruption 1",
        ]);
    }

    #[test]
    fn the_commands_that_help_shows_are_legal() {
        assert_examples_are_legal::<NoisyWeightsConfig>(4);
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_what_to_do() {
        let refused = |line: &str| config(&format!("--model mlp-512 {line}")).unwrap_err().to_string();
        assert!(refused("--noise 0 --information-penalty 1").contains("--noise 0 means no noise"));
        assert!(refused("--noise -1").contains("0 or more"));
        assert!(refused("--log-uniform-range=-3,1").contains("log-uniform only"));
        assert!(refused("--start log-uniform --log-uniform-range 1").contains("--log-uniform-range=-8,1"));
        assert!(refused("--val-label-corruption 2").contains("[0, 1]"));
    }

    #[test]
    fn training_and_validation_labels_are_corrupted_apart() {
        let config = config("--model mlp-512 --label-corruption 0.2 --val-label-corruption 0.7").unwrap();
        assert_eq!((config.data().label_corruption, config.val_data().label_corruption), (0.2, 0.7));
        assert!(!config.val_data().corruption().has_clean_test);
    }
}
