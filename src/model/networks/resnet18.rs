//! Describes ResNet18 of width factor k: a stem, then four groups of two residual blocks with k, 2k, 4k, 8k channels, the mean over all
//! places, and one linear layer.
//!
//! A block is relu(body(x) + shortcut(x)) with the body conv3×3, norm, relu, conv3×3, norm. The first block of the last three groups
//! halves the image and has a shortcut conv1×1, norm; every other shortcut is x. Three variants, which differ in
//!
//! | | padding | stem | start | norm | head |
//! |---|---|---|---|---|---|
//! | `resnet18` | SAME: lopsided at stride 2 | 7×7 at stride 2, pool | fan-in, truncated | Haiku's | starts at 0: loss ln 10 |
//! | `resnet18-torchvision` | 1 (3 in the stem) | 7×7 at stride 2, pool | fan-out | PyTorch's | PyTorch's |
//! | `resnet18-cifar` | 1 | 3×3 at stride 1, no pool | fan-out | PyTorch's | PyTorch's |
//!
//! *Reference*: He et al. 2016, <https://arxiv.org/abs/1512.03385>, table 1; Lau et al. 2023, <https://arxiv.org/abs/2308.12108>, for the
//! width factor.
//! *Tested by*: published parameter counts (`counts`), passes against PyTorch (tests/models.rs), the loss at the start.

use crate::model::init::Start;
use crate::model::layer::{Activation, BatchNorm, Conv2d, Layer, Linear, Padding, Running};
use crate::model::registry::{Entry, Request};

/// The published variant, as Haiku builds it.
pub const RESNET18: Entry = Entry {
    name: "resnet18",
    family: None,
    summary: "ResNet18 as Haiku builds it, with a head that starts at zero (Lau et al. 2023)",
    options: &["width-factor"],
    input_shape: [3, 32, 32],
    num_classes: 10,
    layers: |request| Ok(layers(request, Variant::Haiku)),
};

/// torchvision's.
pub const RESNET18_TORCHVISION: Entry = Entry {
    name: "resnet18-torchvision",
    summary: "ResNet18 as torchvision builds it",
    layers: |request| Ok(layers(request, Variant::Torchvision)),
    ..RESNET18
};

/// torchvision's, with a stem for small images.
pub const RESNET18_CIFAR: Entry = Entry {
    name: "resnet18-cifar",
    summary: "torchvision's ResNet18 with a stem for small images: 3×3, no pool",
    layers: |request| Ok(layers(request, Variant::Cifar)),
    ..RESNET18
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Variant {
    Haiku,
    Torchvision,
    Cifar,
}

fn layers(request: &Request, variant: Variant) -> Vec<Layer> {
    let k = request.options.width_factor.unwrap_or(64);
    let mut layers = match variant {
        Variant::Cifar => vec![variant.conv("conv1", k, 3, 1), variant.norm("bn1")],
        _ => vec![variant.conv("conv1", k, 7, 2), variant.norm("bn1")],
    };
    layers.push(Activation::Relu.into());
    if variant != Variant::Cifar {
        layers.push(Layer::MaxPool { kernel: 3, stride: 2, padding: variant.padding(3) });
    }
    for group in 0..4 {
        let blocks = (0..2).map(|block| {
            let halves = group > 0 && block == 0;
            Layer::named(block.to_string(), variant.block(k << group, halves))
        });
        layers.push(Layer::named(format!("layer{}", group + 1), blocks.collect()));
    }
    let start = if variant == Variant::Haiku { Start::Zeros } else { Start::Torch };
    layers.extend([Layer::GlobalMean, Linear { start, ..Linear::new("fc", request.num_classes) }.into()]);
    layers
}

impl Variant {
    fn block(self, channels: usize, halves: bool) -> Vec<Layer> {
        let stride = if halves { 2 } else { 1 };
        let body = vec![
            self.conv("conv1", channels, 3, stride),
            self.norm("bn1"),
            Activation::Relu.into(),
            self.conv("conv2", channels, 3, 1),
            self.norm("bn2"),
        ];
        let shortcut = match halves {
            true => vec![Layer::named("downsample", vec![self.conv("0", channels, 1, stride), self.norm("1")])],
            false => vec![],
        };
        vec![Layer::Residual { body, shortcut }, Activation::Relu.into()]
    }

    fn conv(self, name: &str, channels: usize, kernel: usize, stride: usize) -> Layer {
        let start = if self == Variant::Haiku { Start::FanInTruncatedNormal } else { Start::FanOutNormal };
        Conv2d { stride, padding: self.padding(kernel), start, ..Conv2d::new(name, channels, kernel) }.into()
    }

    fn norm(self, name: &str) -> Layer {
        let running = if self == Variant::Haiku { Running::Haiku } else { Running::Torch };
        BatchNorm { running, ..BatchNorm::new(name) }.into()
    }

    fn padding(self, kernel: usize) -> Padding {
        if self == Variant::Haiku { Padding::Same } else { Padding::Each(kernel / 2) }
    }
}
