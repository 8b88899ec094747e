//! Configures a training: the optimiser, its learning rates, the minibatches, and when it ends.

use serde::Serialize;

use crate::config::dln::OptimizerConfig;
use crate::config::{ConfigError, PositiveF64, RawConfig, Value};
use crate::kernel::Precision;
use crate::loss::{Loss, LossError};
use crate::schedule::Schedule;

pub use super::train_keys::{keys, loss_key};

pub(super) const OPTIMIZER: &str = "train.optimizer";
pub(super) const SCHEDULE: &str = "train.schedule";

/// How a network is trained, in files the table `train`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TrainConfig {
    /// What turns gradients into steps.
    #[serde(flatten)]
    pub optimizer: OptimizerConfig,
    /// The base learning rate.
    pub learning_rate: PositiveF64,
    /// δ: adds δ·w to the gradient; 0 or more.
    pub weight_decay: f64,
    /// How the learning rate goes with the epochs.
    #[serde(flatten)]
    pub schedule: Schedule,
    /// Samples of a step.
    #[serde(flatten)]
    pub batch_size: BatchSize,
    /// When it ends at the latest.
    #[serde(flatten)]
    pub length: Length,
    /// What is minimised.
    pub loss: Loss,
    /// Whether images are shifted and mirrored at random.
    #[serde(rename = "augmentation")]
    pub has_augmentation: bool,
    /// Whether the training ends at the interpolation threshold.
    pub stop_at_threshold: bool,
    /// Whether an epoch's training loss and accuracy are those of a pass over the training data after it, rather than running means.
    pub evaluate_train: bool,
    /// Steps from one evaluation to the next within epochs; 0 for none but at the ends of epochs.
    pub log_every: u64,
    /// Epochs from one checkpoint to the next; 0 for none but the last.
    pub checkpoint_every: u64,
    /// The arithmetic of the forward and backward pass.
    pub precision: Precision,
    /// Whether images are laid out with their channels last in memory.
    #[serde(rename = "channels_last")]
    pub has_channels_last: bool,
}

/// Samples of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum BatchSize {
    /// So many, and fewer at the end of an epoch; at least 1.
    #[serde(rename = "batch_size")]
    Samples(usize),
    /// All of them (always `true`).
    #[serde(rename = "full_batch")]
    Full(bool),
}

/// When a training ends at the latest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Length {
    /// After this number of passes over the data.
    #[serde(rename = "num_epochs")]
    Epochs(u64),
    /// After this number of steps, even in the middle of an epoch.
    #[serde(rename = "num_steps")]
    Steps(u64),
}

/// What an experiment takes where nothing is said.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrainDefaults {
    /// Whether the experiment has a sampler as well, whose `--batch-size`, `--num-steps` and `--precision` these are then: the
    /// training's get `train-` before their names.
    pub is_beside_sampler: bool,
    /// Learning rate of SGD.
    pub sgd_learning_rate: PositiveF64,
    /// Momentum of SGD.
    pub momentum: f64,
    /// Samples of a step.
    pub batch_size: usize,
    /// Length.
    pub length: Length,
    /// Whether training loss and accuracy are evaluated again after an epoch.
    pub evaluate_train: bool,
}

/// Adam's learning rate, as in PyTorch.
pub(super) const ADAM_LEARNING_RATE: PositiveF64 = PositiveF64::literal(0.001);
/// γ of the exponential schedule, as published.
pub(super) const EXPONENTIAL_DECAY: f64 = 0.95;
/// γ of the multi-step schedule, as in PyTorch.
pub(super) const MULTI_STEP_DECAY: f64 = 0.1;

/// The training that `raw` asks for.
///
/// # Errors
///
/// The [`ConfigError`] of the first setting that is not legal.
pub fn check(raw: &RawConfig, defaults: &TrainDefaults) -> Result<TrainConfig, ConfigError> {
    let optimizer = OptimizerConfig::read(raw, OPTIMIZER, "train.momentum", defaults.momentum)?;
    let batch_size = match raw.count("train.batch_size", 1)? {
        _ if raw.is_on("train.full_batch") => BatchSize::Full(true),
        Some(batch_size) => BatchSize::Samples(batch_size),
        None => BatchSize::Samples(defaults.batch_size),
    };
    let epochs = raw.count("train.num_epochs", 1)?;
    let steps = raw.count("train.num_steps", 1)?;
    let length = match (epochs, steps) {
        (Some(_), Some(_)) => {
            let (first, second) = (raw.key("train.num_epochs")?, raw.key("train.num_steps")?);
            return Err(ConfigError::Alternatives { first, second });
        }
        (Some(num_epochs), None) => Length::Epochs(num_epochs as u64),
        (None, Some(num_steps)) => Length::Steps(num_steps as u64),
        (None, None) => defaults.length,
    };
    let schedule = schedule(raw, length)?;
    Ok(TrainConfig {
        learning_rate: learning_rate(raw, &optimizer, &schedule, defaults)?,
        optimizer,
        weight_decay: raw.non_negative("train.weight_decay")?.unwrap_or(0.0),
        schedule,
        batch_size,
        length,
        loss: loss(raw)?,
        has_augmentation: raw.is_on("train.augmentation"),
        stop_at_threshold: raw.is_on("train.stop_at_threshold"),
        evaluate_train: raw.word("train.evaluate_train").map_or(defaults.evaluate_train, |word| word == "on"),
        log_every: raw.whole("train.log_every").unwrap_or(0),
        checkpoint_every: raw.whole("train.checkpoint_every").unwrap_or(0),
        precision: raw.choice("train.precision").unwrap_or(Precision::F32),
        has_channels_last: raw.is_on("train.channels_last"),
    })
}

/// The loss that `raw` asks for; cross-entropy where it says nothing.
pub(in crate::config) fn loss(raw: &RawConfig) -> Result<Loss, ConfigError> {
    let path = "train.loss";
    let key = raw.key(path)?;
    let refused = |error: LossError| ConfigError::Refused { key, reason: error.to_string() };
    raw.word(path).map_or(Ok(Loss::CrossEntropy), |text| text.parse().map_err(refused))
}

/// Refuses a loss that is of fewer classes than `num_classes`.
pub(crate) fn check_classes(raw: &RawConfig, loss: &Loss, num_classes: usize) -> Result<(), ConfigError> {
    let key = raw.key("train.loss")?;
    loss.check_classes(num_classes).map_err(|error| ConfigError::Refused { key, reason: error.to_string() })
}

/// The base learning rate; the first one of a list.
fn learning_rate(
    raw: &RawConfig,
    optimizer: &OptimizerConfig,
    schedule: &Schedule,
    defaults: &TrainDefaults,
) -> Result<PositiveF64, ConfigError> {
    // A list of one is a number; a longer one is a schedule.
    let given = match raw.get("train.learning_rate") {
        Some(Value::RealList(rates)) => match rates[..] {
            [found] => {
                let key = raw.key("train.learning_rate")?;
                Some(PositiveF64::new(found).ok_or(ConfigError::NotPositive { key, found })?)
            }
            _ => None,
        },
        _ => raw.positive("train.learning_rate")?,
    };
    if let Schedule::List { learning_rates } = schedule
        && let Some(first) = learning_rates.first().copied().and_then(PositiveF64::new)
    {
        return match given {
            Some(given) if given != first => {
                let (first, second) = (raw.key("train.learning_rate")?, raw.key("train.learning_rates")?);
                Err(ConfigError::Alternatives { first, second })
            }
            _ => Ok(first),
        };
    }
    Ok(given.unwrap_or(match optimizer {
        OptimizerConfig::Adam => ADAM_LEARNING_RATE,
        OptimizerConfig::Sgd { .. } => defaults.sgd_learning_rate,
    }))
}

fn schedule(raw: &RawConfig, length: Length) -> Result<Schedule, ConfigError> {
    if let Some(Value::RealList(rates)) = raw.get("train.learning_rate")
        && rates.len() != 1
    {
        let alternatives = [SCHEDULE, "train.learning_rates"].into_iter().find(|path| raw.get(path).is_some());
        return match alternatives {
            Some(path) => {
                let (first, second) = (raw.key("train.learning_rate")?, raw.key(path)?);
                Err(ConfigError::Alternatives { first, second })
            }
            None => Ok(Schedule::List { learning_rates: learning_rates(raw, "train.learning_rate", length)? }),
        };
    }
    let name = raw.word(SCHEDULE).unwrap_or("constant");
    for (path, used_by) in [
        ("train.decay", "exponential or multi-step"),
        ("train.milestones", "multi-step"),
        ("train.cosine_epochs", "cosine"),
        ("train.final_learning_rate", "cosine"),
        ("train.learning_rates", "list"),
    ] {
        if raw.get(path).is_some() && !used_by.split(" or ").any(|user| user == name) {
            let (key, choice) = (raw.key(path)?, raw.key(SCHEDULE)?);
            return Err(ConfigError::NotForThisChoice { key, choice, chosen: name.to_owned(), used_by });
        }
    }
    let decay = raw.within("train.decay", "(0, 1]", |value| value > 0.0 && value <= 1.0)?;
    Ok(match name {
        "exponential" => Schedule::Exponential { decay: decay.unwrap_or(EXPONENTIAL_DECAY) },
        "multi-step" => Schedule::MultiStep { milestones: milestones(raw)?, decay: decay.unwrap_or(MULTI_STEP_DECAY) },
        "cosine" => {
            let path = "train.cosine_epochs";
            let cosine_epochs = match (raw.count(path, 1)?, length) {
                (Some(cosine_epochs), _) => cosine_epochs as u64,
                (None, Length::Epochs(num_epochs)) => num_epochs,
                (None, Length::Steps(_)) => {
                    let what = "the length of the training is given in steps, so the cosine needs its number of \
                                epochs: give for example --cosine-epochs 100";
                    return Err(ConfigError::Missing { key: raw.key(path)?, what });
                }
            };
            let final_learning_rate = raw.non_negative("train.final_learning_rate")?.unwrap_or(0.0);
            Schedule::Cosine { cosine_epochs, final_learning_rate }
        }
        "plateaus" => match length {
            Length::Epochs(num_epochs) => Schedule::Plateaus { num_epochs },
            Length::Steps(_) => {
                let what = "the plateaus are shares of the epochs: give for example --num-epochs 100 instead of a \
                            number of steps";
                return Err(ConfigError::Missing { key: raw.key("train.num_epochs")?, what });
            }
        },
        "list" => Schedule::List { learning_rates: learning_rates(raw, "train.learning_rates", length)? },
        _ => Schedule::Constant,
    })
}

fn milestones(raw: &RawConfig) -> Result<Vec<u64>, ConfigError> {
    let key = raw.key("train.milestones")?;
    match raw.get(key.path) {
        Some(Value::WholeList(milestones)) if milestones.is_sorted_by(|a, b| a < b) && !milestones.is_empty() => {
            Ok(milestones.clone())
        }
        Some(_) => {
            Err(ConfigError::Refused { key, reason: "give epochs in ascending order, such as 150,225".to_owned() })
        }
        None => Err(ConfigError::Missing { key, what: "give the epochs at which the rate drops, such as 150,225" }),
    }
}

/// One rate for each epoch, as `path` lists them.
fn learning_rates(raw: &RawConfig, path: &str, length: Length) -> Result<Vec<f64>, ConfigError> {
    let key = raw.key(path)?;
    let Some(Value::RealList(rates)) = raw.get(key.path) else {
        return Err(ConfigError::Missing { key, what: "give one rate for each epoch, such as 0.1,0.1,0.01" });
    };
    if let Some(&found) = rates.iter().find(|&&rate| PositiveF64::new(rate).is_none()) {
        return Err(ConfigError::NotPositive { key, found });
    }
    let wanted = match length {
        Length::Epochs(num_epochs) => num_epochs,
        Length::Steps(_) => rates.len().max(1) as u64,
    };
    if rates.len() as u64 != wanted {
        let reason = format!("{} rates for {wanted} epochs: give one for each, or change --num-epochs", rates.len());
        return Err(ConfigError::Refused { key, reason });
    }
    Ok(rates.clone())
}
