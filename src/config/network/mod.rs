//! Configures what `llc train`, `llc curve` and `llc estimate` share: a network, images to train it on, a training.
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
pub mod trained_on;

use serde::ser::Error as _;
use serde::{Serialize, Serializer};

pub use data::{DataConfig, DataDefaults, LabelCorruption, PreprocessingConfig};
pub use model::ModelDefaults;
pub use train::{BatchSize, Length, TrainConfig, TrainDefaults};
pub use trained_on::{Deviation, Overrides, TrainedOn};

pub use crate::loss::Loss;

use super::sampler::keys::text;

/// Serialises a section without the settings at the paths `not_here`, which an experiment has its own ways for, so that a printed file reads
/// back.
pub(in crate::config) fn without<S: Serializer>(
    section: &impl Serialize,
    not_here: &[&str],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut table = serde_json::to_value(section).map_err(S::Error::custom)?;
    if let Some(table) = table.as_object_mut() {
        table.retain(|name, _| not_here.iter().all(|path| path.split_once('.').is_none_or(|(_, last)| last != name)));
    }
    table.serialize(serializer)
}
