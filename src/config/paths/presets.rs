//! Holds the published experiments on paths between minima.
//!
//! `lab` is a university's exercise on MNIST: two perceptrons with Adam, segments to t = 1.5, a chain with one bend, the plane on 30 × 30
//! points; `lab/deeper`, `lab/wider` and `lab/sigmoid` are its variations. `garipov/vgg16` follows the program published with the paper:
//! CIFAR-10 with shifts and mirrors, SGD with weight decay, 61 points of the curve, 21 × 21 of the plane.
//!
//! *Reference*: Garipov, Izmailov, Podoprikhin, Vetrov and Wilson, "Loss surfaces, mode connectivity, and fast ensembling of DNNs" (2018),
//! <https://arxiv.org/abs/1802.10026>.

use crate::config::RawConfig;
use crate::config::preset::{Settings, lay};

/// What `--preset` takes.
pub(super) const NAMES: [&str; 6] =
    ["lab", "lab/deeper", "lab/wider", "lab/sigmoid", "garipov/vgg16", "garipov/vgg16-bn"];

const LAB: Settings = &[
    ("data.name", "mnist"),
    ("model.name", "mlp"),
    ("train.optimizer", "adam"),
    ("train.learning_rate", "0.001"),
    ("train.schedule", "cosine"),
    ("train.batch_size", "128"),
    ("train.num_epochs", "100"),
    ("fit.curve", "chain"),
    ("fit.num_bends", "1"),
    ("fit.optimizer", "adam"),
    ("fit.learning_rate", "0.001"),
    ("fit.schedule", "cosine"),
    ("fit.num_epochs", "100"),
];
const ONE_LAYER: Settings = &[("model.widths", "64")];
const DEEPER: Settings = &[("model.widths", "64,64,64")];
const WIDER: Settings = &[("model.widths", "512")];
const SIGMOID: Settings = &[("model.widths", "64"), ("model.activation", "sigmoid")];

const GARIPOV: Settings = &[
    ("data.name", "cifar10"),
    ("data.preprocessing", "channels"),
    ("train.optimizer", "sgd"),
    ("train.learning_rate", "0.05"),
    ("train.momentum", "0.9"),
    ("train.weight_decay", "5e-4"),
    ("train.schedule", "plateaus"),
    ("train.batch_size", "128"),
    ("train.num_epochs", "200"),
    ("train.augmentation", "on"),
    ("paths.plane_points", "21"),
    ("paths.plane_from", "-0.2"),
    ("paths.plane_to", "1.2"),
    ("fit.curve", "bezier"),
    ("fit.num_bends", "1"),
    ("fit.optimizer", "sgd"),
    ("fit.learning_rate", "0.015"),
    ("fit.momentum", "0.9"),
    ("fit.weight_decay", "5e-4"),
    ("fit.schedule", "plateaus"),
    ("fit.num_epochs", "600"),
];
const VGG16: Settings = &[("model.name", "vgg16"), ("model.batch_norm", "off")];
const VGG16_BN: Settings = &[("model.name", "vgg16"), ("model.batch_norm", "on")];

/// Lays the preset `name` under what `raw` has.
pub(super) fn fill(name: &str, raw: &mut RawConfig) {
    let groups: [Settings; 2] = match name {
        "lab" => [LAB, ONE_LAYER],
        "lab/deeper" => [LAB, DEEPER],
        "lab/wider" => [LAB, WIDER],
        "lab/sigmoid" => [LAB, SIGMOID],
        "garipov/vgg16" => [GARIPOV, VGG16],
        "garipov/vgg16-bn" => [GARIPOV, VGG16_BN],
        _ => return,
    };
    lay(&groups.concat(), raw);
}
