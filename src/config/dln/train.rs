//! Configures the training of a network of the same architecture, whose end is a second point to estimate λ at.

use llc_core::setting::choice;
use serde::Serialize;

use super::{DataConfig, defaults};
use crate::config::{ConfigError, PositiveF64, RawConfig};

/// Whether a network is trained, in files the table `train`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "enabled", rename_all = "kebab-case")]
pub enum Training {
    /// No: λ is estimated at w* alone.
    Off,
    /// Yes, and λ is estimated at the trained point as well.
    On(TrainConfig),
}

/// How it is trained.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TrainConfig {
    /// What turns gradients into steps.
    #[serde(flatten)]
    pub optimizer: OptimizerConfig,
    /// The learning rate, the same at all steps.
    pub learning_rate: PositiveF64,
    /// Samples in a minibatch, from 1 to n.
    pub batch_size: usize,
    /// Steps, at least 1.
    pub num_steps: usize,
}

/// An optimiser and what belongs to it alone.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "optimizer", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum OptimizerConfig {
    /// Stochastic gradient descent.
    Sgd {
        /// Share of the former step that is kept, in [0, 1); 0 for none.
        momentum: f64,
    },
    /// Adam, at PyTorch's own β₁, β₂ and ε.
    Adam,
}

/// The optimisers by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptimizerKind {
    /// [`OptimizerConfig::Sgd`].
    Sgd,
    /// [`OptimizerConfig::Adam`].
    Adam,
}

choice!(OptimizerKind: Sgd = "sgd", Adam = "adam");

impl OptimizerConfig {
    /// The optimiser that `raw` asks for at `path`, with the momentum at `momentum_path`, `momentum` where nothing is said.
    ///
    /// # Errors
    /// [`ConfigError::AdamHasNoMomentum`], or for a momentum outside [0, 1).
    pub(in crate::config) fn read(
        raw: &RawConfig,
        path: &str,
        momentum_path: &str,
        momentum: f64,
    ) -> Result<OptimizerConfig, ConfigError> {
        let asked = raw.within(momentum_path, "[0, 1)", |value| (0.0..1.0).contains(&value))?;
        match raw.choice(path).unwrap_or(OptimizerKind::Sgd) {
            OptimizerKind::Adam if asked.is_some() => {
                Err(ConfigError::AdamHasNoMomentum { key: raw.key(momentum_path)? })
            }
            OptimizerKind::Adam => Ok(OptimizerConfig::Adam),
            OptimizerKind::Sgd => Ok(OptimizerConfig::Sgd { momentum: asked.unwrap_or(momentum) }),
        }
    }
}

impl OptimizerConfig {
    /// The name in files and flags.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sgd { .. } => "sgd",
            Self::Adam => "adam",
        }
    }
}

/// The settings that mean nothing where no network is trained.
const SETTINGS: [&str; 5] =
    ["train.optimizer", "train.learning_rate", "train.momentum", "train.batch_size", "train.num_steps"];

/// The training that `raw` asks for, on data that are legal already.
pub(super) fn training(raw: &RawConfig, data: &DataConfig) -> Result<Training, ConfigError> {
    let switch = raw.key("train.enabled")?;
    if !raw.is_on(switch.path) {
        return match SETTINGS.into_iter().find(|path| raw.get(path).is_some()) {
            Some(path) => Err(ConfigError::NeedsSwitch { key: raw.key(path)?, switch }),
            None => Ok(Training::Off),
        };
    }
    let optimizer = OptimizerConfig::read(raw, "train.optimizer", "train.momentum", defaults::MOMENTUM)?;
    let learning_rate = match raw.positive("train.learning_rate")? {
        Some(learning_rate) => learning_rate,
        None => defaults::learning_rate(&optimizer),
    };
    let (path, n) = ("train.batch_size", data.num_training_data);
    let batch_size = raw.count(path, 1)?.unwrap_or(defaults::BATCH_SIZE.min(n));
    if batch_size > n {
        return Err(ConfigError::BatchTooLarge { key: raw.key(path)?, batch_size, num_training_data: n });
    }
    let num_steps = raw.count("train.num_steps", 1)?.unwrap_or(defaults::TRAIN_STEPS);
    Ok(Training::On(TrainConfig { optimizer, learning_rate, batch_size, num_steps }))
}
