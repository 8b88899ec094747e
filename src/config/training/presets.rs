//! Holds the published experiments on images with random labels.
//!
//! *Reference*: Zhang, Bengio, Hardt, Recht and Vinyals, "Understanding deep learning requires rethinking generalization" (2017),
//! <https://arxiv.org/abs/1611.03530>. `zhang-fig1` and `zhang-fig2` follow a published reproduction of its first two figures:
//! CIFAR-10's middle 28×28, normalised, never augmented; labels and pixels are corrupted in one stream through training and test data.
//! `fitting-random-labels` follows the program of that name: whole images, training and test labels corrupted from the same seed.

use crate::config::RawConfig;
use crate::config::preset::{Settings, lay};

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

/// Lays the preset `name` under what `raw` has.
pub(super) fn fill(name: &str, raw: &mut RawConfig) {
    let Some((network, groups)) = preset(name) else { return };
    let settings: Vec<(&str, &str)> =
        std::iter::once(("model.name", network)).chain(groups.into_iter().flatten().copied()).collect();
    lay(&settings, raw);
}
