//! Configures what is sampled around a trained network: on which labels, towards which targets, and which of its tensors.

use llc_core::setting::{Choice, choice};
use serde::Serialize;

use super::data::DataConfig;
use crate::config::sampler::check::Subject;
use crate::config::{ConfigError, ConfigWarning, Kind, RawConfig, Setting};
use crate::loss::Loss;

/// The loss around a trained network, in files the table `point`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PointConfig {
    /// Which labels the loss is taken on.
    pub labels: PointLabels,
    /// What the loss compares the network's outputs with.
    pub loss_around: LossAround,
    /// Number of training images used, the first ones; `None` for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<usize>,
    /// Which of its tensors are sampled.
    #[serde(flatten)]
    pub part: Part,
}

/// The part of a model that is sampled.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Part {
    /// The names of the tensors that are sampled, with `*` for any part of a name; all if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub params: Option<String>,
}

/// Which labels the loss around a point is taken on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PointLabels {
    /// The data's own, as they were before a corruption.
    Clean,
    /// Those that the training saw.
    Training,
}

choice!(PointLabels: Clean = "clean", Training = "training");

/// What the loss around a point compares the network's outputs with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossAround {
    /// The outputs of the trained network itself, which is a minimum of this loss by construction.
    OwnFunction,
    /// Labels.
    Labels,
}

choice!(LossAround: OwnFunction = "own-function", Labels = "labels");

/// What an experiment takes where the user says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PointDefaults {
    /// Which labels.
    pub labels: PointLabels,
    /// What the loss is taken around.
    pub loss_around: LossAround,
}

/// The key that says what the loss is taken around.
pub(in crate::config) const LOSS_AROUND: &str = "point.loss_around";
/// Fewest samples of a loss: below 3, 1/ln n is not a sensible β.
pub const MIN_SAMPLES: u64 = 3;

/// The key of the tensors that are sampled.
const PARAMS: &str = "point.params";
/// The switch that said so before: on for [`OWN_FUNCTION`], off for [`LABELS`].
pub(in crate::config) const FORCE_REALISABLE: &str = "point.force_realisable";
pub(in crate::config) const OWN_FUNCTION: &str = "own-function";
pub(in crate::config) const LABELS: &str = "labels";

/// Puts what a recorded configuration says by the former switch under its present name.
pub(crate) fn by_present_name(config: &mut serde_json::Value) {
    let Some(point) = config.get_mut("point").and_then(serde_json::Value::as_object_mut) else { return };
    if let Some(switch) = point.remove("force_realisable") {
        let around = if switch == true { OWN_FUNCTION } else { LABELS };
        point.entry("loss_around").or_insert_with(|| around.into());
    }
}

/// The settings of a point, in the order of `--help`.
pub fn keys(defaults: PointDefaults) -> Vec<Setting> {
    let help = match defaults.labels {
        PointLabels::Clean => {
            "Labels of the loss around the network: clean, as published, or those of its training [default: clean]"
        }
        PointLabels::Training => {
            "Labels of the loss around the network: those of its training, corrupted by --label-corruption, or clean \
             ones [default: training]"
        }
    };
    let around = match defaults.loss_around {
        LossAround::OwnFunction => {
            "Targets of the loss around the network: own-function, its outputs at w*, so that w* is always a minimum; \
             or labels, those of --llc-labels [default: own-function, or labels for a --loss that a network's own \
             outputs do not minimise]"
        }
        LossAround::Labels => {
            "Targets of the loss around the network: labels; or own-function, its outputs at w*, so that w* is a \
             minimum even if the training has not converged [default: labels]"
        }
    };
    vec![
        Setting::new(LOSS_AROUND, "loss-around", Kind::Choice(LossAround::NAMES), "own-function|labels", around),
        Setting::new("point.labels", "llc-labels", Kind::Choice(PointLabels::NAMES), "clean|training", help),
        Setting::new(
            FORCE_REALISABLE,
            "force-realisable",
            Kind::Switch,
            "on|off",
            "Former name of --loss-around: on for own-function, off for labels",
        ),
        Setting::new(
            "point.size",
            "llc-size",
            Kind::Whole,
            "N",
            "Use only the first N training images; n of the posterior is then N [default: all]",
        ),
        part_key(),
    ]
}

/// The setting of the part that is sampled.
pub(in crate::config) fn part_key() -> Setting {
    Setting::new(
        PARAMS,
        "params",
        Kind::Text,
        "NAMES",
        "Sample only these tensors, where * matches any part of a name: 'layer3.*' or 'fc.weight,fc.bias'; the \
         others are fixed, and the estimate is a refined coefficient [default: all]",
    )
}

/// The point that `raw` asks for.
///
/// # Errors
/// The [`ConfigError`] of the first setting that is not legal.
pub fn check(raw: &RawConfig, defaults: PointDefaults) -> Result<PointConfig, ConfigError> {
    Ok(PointConfig {
        labels: raw.choice("point.labels").unwrap_or(defaults.labels),
        loss_around: raw.choice(LOSS_AROUND).unwrap_or(defaults.loss_around),
        size: raw.count("point.size", MIN_SAMPLES)?,
        part: check_part(raw)?,
    })
}

/// The part that `raw` asks for.
///
/// # Errors
/// A malformed pattern.
pub(in crate::config) fn check_part(raw: &RawConfig) -> Result<Part, ConfigError> {
    let params = raw.word(PARAMS).map(str::to_owned);
    for pattern in params.iter().flat_map(|params| patterns(params)) {
        if let Err(error) = glob::Pattern::new(pattern) {
            let reason = format!("`{pattern}` is not a valid pattern: {}", error.msg);
            return Err(ConfigError::Refused { key: raw.key(PARAMS)?, reason });
        }
    }
    Ok(Part { params })
}

/// Refuses a loss that a network's own outputs don't minimise, where they are the targets of `point`.
pub(in crate::config) fn check_loss(raw: &RawConfig, point: &PointConfig, loss: &Loss) -> Result<(), ConfigError> {
    if point.loss_around == LossAround::OwnFunction && !loss.is_minimal_at_own_outputs() {
        let reason = format!(
            "a network's own outputs are not a minimum of the loss {}: give --loss-around labels, or another --loss",
            loss.name()
        );
        return Err(ConfigError::Refused { key: raw.key(LOSS_AROUND)?, reason });
    }
    Ok(())
}

/// What is legal in `point`, which was made of `raw` where `usual` is the default of an experiment, but probably not meant.
pub(in crate::config) fn warnings(raw: &RawConfig, point: &PointConfig, usual: LossAround) -> Vec<ConfigWarning> {
    match (raw.get(LOSS_AROUND), point.loss_around) {
        (None, LossAround::Labels) if usual == LossAround::OwnFunction => vec![ConfigWarning::LabelsAreTheTargets],
        (None, LossAround::OwnFunction) if raw.get("point.labels").is_some() => vec![ConfigWarning::LabelsAreUnused],
        _ => Vec::new(),
    }
}

impl PointConfig {
    /// What is sampled around a network that was trained on `data`, as far as that is known before they are read.
    pub(in crate::config) fn subject(&self, data: &DataConfig) -> Subject {
        let num_samples = [self.size, data.train_size].into_iter().flatten().min();
        Subject { num_samples, num_tensors: None }
    }
}

impl Part {
    /// Which of the tensors called `names` are sampled: their indices in ascending order, or `None` for all of them.
    ///
    /// # Errors
    /// The pattern that no name matches, in a sentence with some of the names.
    pub fn sampled(&self, names: &[&str]) -> Result<Option<Vec<usize>>, UnknownTensors> {
        let Some(params) = &self.params else { return Ok(None) };
        let mut is_sampled = vec![false; names.len()];
        for pattern in patterns(params) {
            let mut is_found = false;
            for (name, is_sampled) in names.iter().zip(&mut is_sampled) {
                // The check has compiled every pattern once.
                if glob::Pattern::new(pattern).is_ok_and(|pattern| pattern.matches(name)) {
                    *is_sampled = true;
                    is_found = true;
                }
            }
            if !is_found {
                return Err(UnknownTensors { pattern: pattern.to_owned(), names: names.join(", ") });
            }
        }
        Ok(Some((0..names.len()).filter(|&index| is_sampled[index]).collect()))
    }
}

/// A pattern that matches no tensor of the network.
#[derive(Debug, thiserror::Error)]
#[error("--params (point.params): no tensor is called `{pattern}`; the network has {names}")]
pub struct UnknownTensors {
    /// The pattern.
    pub pattern: String,
    /// The names that there are.
    pub names: String,
}

fn patterns(params: &str) -> impl Iterator<Item = &str> {
    params.split(',').map(str::trim).filter(|pattern| !pattern.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_choose_tensors_in_the_network_s_order_and_an_unknown_one_is_named() {
        let names = ["conv1.weight", "layer1.0.conv1.weight", "layer1.0.bn1.weight", "fc.weight", "fc.bias"];
        let config = |params: &str| Part { params: Some(params.to_owned()) };
        assert_eq!(config("fc.*, layer1.*").sampled(&names).unwrap(), Some(vec![1, 2, 3, 4]));
        assert_eq!(config("*.weight").sampled(&names).unwrap(), Some(vec![0, 1, 2, 3]));
        let error = config("fc.*,layer9.*").sampled(&names).unwrap_err().to_string();
        assert!(error.contains("`layer9.*`") && error.contains("conv1.weight"), "{error}");
    }
}
