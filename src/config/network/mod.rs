//! Configures what `llc train`, `llc curve` and `llc estimate` share: a network, pictures to train it on, a training.
//!
//! Each section has a function that lists its keys, for the table of an experiment, and one that checks a
//! [`RawConfig`](crate::config::RawConfig) into a struct whose values are legal. What differs between experiments, their defaults, is
//! an argument of both, so that a help text never names another default than the one that is taken.
//!
//! *Tested by* `tests`: help texts against defaults, and every refusal's sentence.

pub mod data;
pub mod model;
pub mod point;
#[cfg(test)]
mod tests;
pub mod train;
mod train_keys;

pub use data::{DataConfig, DataDefaults, LabelCorruption, PreprocessingConfig};
pub use model::ModelDefaults;
pub use train::{BatchSize, Length, NetworkPrecision, TrainConfig, TrainDefaults};

pub use crate::loss::Loss;

use super::sampler::keys::text;
