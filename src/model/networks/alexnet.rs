//! Describes a small AlexNet for 28 × 28 images: two convolutions, each with pool and response norm, and three linear layers.
//!
//! *Reference*: Zhang et al. 2017, <https://arxiv.org/abs/1611.03530>, appendix A; the shapes are those of a later reproduction, with
//! 1,375,690 parameters (the paper's table has 1,387,786).
//! *Tested by*: parameter counts (`counts`), passes against PyTorch (tests/models.rs).

use crate::model::layer::{Activation, Conv2d, Layer, Linear, LocalResponseNorm, Padding};
use crate::model::registry::{Entry, Request};

/// The one network of this file.
pub const ALEXNET_SMALL: Entry = Entry {
    name: "alexnet-small",
    family: None,
    summary: "small AlexNet with response norm, on the centre of a colour image (Zhang et al. 2017)",
    options: &[],
    input_shape: [3, 28, 28],
    num_classes: 10,
    layers: |request| Ok(layers(request)),
};

fn layers(request: &Request) -> Vec<Layer> {
    let mut layers = Vec::new();
    for (name, channels) in [("conv1", 64), ("conv2", 256)] {
        let conv = Conv2d { padding: Padding::Each(1), has_bias: true, ..Conv2d::new(name, channels, 5) };
        layers.extend([
            conv.into(),
            Activation::Relu.into(),
            Layer::MaxPool { kernel: 3, stride: 2, padding: Padding::Each(0) },
            Layer::LocalResponseNorm(LocalResponseNorm { size: 5, alpha: 1e-4, beta: 0.75, k: 2.0 }),
        ]);
    }
    layers.extend([Layer::MeanPool { output: 3 }, Layer::Flatten]);
    for (name, width) in [("fc1", 384), ("fc2", 192)] {
        layers.extend([Linear::new(name, width).into(), Activation::Relu.into()]);
    }
    layers.push(Linear::new("fc", request.num_classes).into());
    layers
}
