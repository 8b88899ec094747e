//! Holds the published experiments on pictures with random labels.
//!
//! *Reference*: Zhang, Bengio, Hardt, Recht and Vinyals, "Understanding deep learning requires rethinking generalization" (2017),
//! <https://arxiv.org/abs/1611.03530>. `zhang-fig1` and `zhang-fig2` follow a published reproduction of its first two figures:
//! CIFAR-10's middle 28×28, normalised, never augmented; labels and pixels are corrupted in one stream through training and test data.
//! `fitting-random-labels` follows the program of that name: whole pictures, training and test labels corrupted from the same seed.

use crate::config::{RawConfig, Value};

/// What `--preset` takes.
pub(super) const NAMES: [&str; 11] = [
    "zhang-fig1/mlp1",
    "zhang-fig1/mlp3",
    "zhang-fig1/alexnet-small",
    "zhang-fig1/inception-small",
    "zhang-fig1/wide-resnet",
    "zhang-fig2/inception",
    "zhang-fig2/inception-nobn",
    "fitting-random-labels/mlp",
    "fitting-random-labels/wrn28-1",
    "fitting-random-labels/wrn28-10",
    "fitting-random-labels/wrn16-4",
];

/// Settings by key, as `--set` takes them.
type Settings = &'static [(&'static str, &'static str)];

/// What both figures share.
const ZHANG: Settings = &[
    ("seed", "42"),
    ("data.name", "cifar10"),
    ("data.crop", "28"),
    ("data.preprocessing", "channels"),
    ("data.mean", "0.489255,0.475775,0.439889"),
    ("data.deviation", "0.243047,0.239315,0.255997"),
    ("data.label_corruption_kind", "random-joint"),
    ("data.corruption_seed", "42"),
    ("train.optimizer", "sgd"),
    ("train.momentum", "0.9"),
    ("train.batch_size", "128"),
    ("train.num_epochs", "300"),
    ("run.style", "zhang"),
];
const TO_THE_THRESHOLD: Settings = &[("train.stop_at_threshold", "on")];
const EXPONENTIAL: Settings = &[("train.schedule", "exponential"), ("train.decay", "0.95")];
/// The published curves of MLP1 end too late for the exponential decay of the others.
const MULTI_STEP: Settings =
    &[("train.schedule", "multi-step"), ("train.milestones", "100,200"), ("train.decay", "0.1")];
const SLOW: Settings = &[("train.learning_rate", "0.01")];
const FAST: Settings = &[("train.learning_rate", "0.1")];
const NO_NORMS: Settings = &[("model.batch_norm", "off")];

const FITTING_RANDOM_LABELS: Settings = &[
    ("data.name", "cifar10"),
    ("data.label_corruption_kind", "random"),
    ("data.corruption_seed", "12345"),
    ("train.optimizer", "sgd"),
    ("train.momentum", "0.9"),
    ("train.weight_decay", "1e-4"),
    ("train.batch_size", "128"),
    ("train.num_epochs", "300"),
    ("train.schedule", "multi-step"),
    ("train.milestones", "150,225"),
    ("train.decay", "0.1"),
    ("train.evaluate_train", "on"),
    ("run.style", "fitting-random-labels"),
];

/// The network of the preset `name`, and its settings.
fn preset(name: &str) -> Option<(&'static str, Vec<Settings>)> {
    let figure_1 = |rate, schedule| vec![rate, schedule, TO_THE_THRESHOLD, ZHANG];
    Some(match name {
        "zhang-fig1/mlp1" => ("mlp1", figure_1(SLOW, MULTI_STEP)),
        "zhang-fig1/mlp3" => ("mlp3", figure_1(SLOW, EXPONENTIAL)),
        "zhang-fig1/alexnet-small" => ("alexnet-small", figure_1(SLOW, EXPONENTIAL)),
        "zhang-fig1/inception-small" => ("inception-small", figure_1(FAST, EXPONENTIAL)),
        "zhang-fig1/wide-resnet" => ("wide-resnet", figure_1(SLOW, EXPONENTIAL)),
        "zhang-fig2/inception" => ("inception-small", vec![FAST, EXPONENTIAL, ZHANG]),
        "zhang-fig2/inception-nobn" => ("inception-small", vec![FAST, EXPONENTIAL, NO_NORMS, ZHANG]),
        "fitting-random-labels/mlp" => ("mlp-512", vec![SLOW, FITTING_RANDOM_LABELS]),
        "fitting-random-labels/wrn28-1" => ("wrn-28-1", vec![FAST, FITTING_RANDOM_LABELS]),
        "fitting-random-labels/wrn28-10" => ("wrn-28-10", vec![FAST, FITTING_RANDOM_LABELS]),
        "fitting-random-labels/wrn16-4" => ("wrn-16-4", vec![FAST, FITTING_RANDOM_LABELS]),
        _ => return None,
    })
}

/// Lays the preset `name` under what `raw` has: a setting that is there wins, and so does one that excludes the preset's. Where a choice
/// (the network, the optimiser, the schedule) is another one, the preset's settings for its own choice are left out.
pub(super) fn fill(name: &str, raw: &mut RawConfig) {
    let Some((network, groups)) = preset(name) else { return };
    let settings: Vec<(&str, &str)> =
        std::iter::once(("model.name", network)).chain(groups.into_iter().flatten().copied()).collect();
    let mut filled = Vec::new();
    for &(path, text) in &settings {
        // Every path and text here is legal: a test fills every preset.
        let (Ok(key), Some(value)) = (raw.key(path), read(raw, path, text)) else { continue };
        let is_other = |choice: &&str| {
            let preset = settings.iter().find(|(path, _)| path == choice);
            let wanted = preset.and_then(|(path, text)| read(raw, path, text));
            raw.get(choice).is_some_and(|chosen| Some(chosen) != wanted.as_ref())
        };
        let excluded = match path {
            "train.num_epochs" => raw.get("train.num_steps").is_some(),
            "train.batch_size" => raw.get("train.full_batch").is_some(),
            "train.learning_rate" => raw.get("train.learning_rates").is_some(),
            _ => false,
        };
        if !excluded && !key.chosen_for.iter().any(is_other) {
            filled.push((key.path, value));
        }
    }
    filled.into_iter().for_each(|(path, value)| raw.fill(path, value));
}

fn read(raw: &RawConfig, path: &str, text: &str) -> Option<Value> {
    raw.key(path).and_then(|key| key.parse(text)).ok()
}
