//! Describes a small Inception for 28 × 28 images: modules of a 1×1 and a 3×3 convolution side by side, with and without batch norm.
//!
//! Every convolution goes without bias, followed by a norm (ε = 10⁻³) and a relu; without norms it stays without bias.
//!
//! *Reference*: Zhang et al. 2017, <https://arxiv.org/abs/1611.03530>, appendix A; here norms have scales, so 1,651,114 parameters for the
//! paper's 1,649,402.
//! *Tested by*: parameter counts (`counts`), passes against PyTorch (tests/models.rs).

use crate::model::layer::{Activation, BatchNorm, Conv2d, Layer, Linear, Padding};
use crate::model::registry::{Entry, Request};

/// The one network of this file.
pub const INCEPTION_SMALL: Entry = Entry {
    name: "inception-small",
    family: None,
    summary: "small Inception, with or without batch norm, on the centre of a colour image (Zhang et al. 2017)",
    options: &["batch-norm"],
    input_shape: [3, 28, 28],
    num_classes: 10,
    layers: |request| Ok(layers(request)),
};

/// A module in the body.
enum Module {
    /// 1×1 and 3×3 in parallel, with these numbers of channels.
    Inception(usize, usize),
    /// 3×3 at stride 2 with this number of channels, and a pool.
    Downsample(usize),
}

const MODULES: [Module; 10] = [
    Module::Inception(32, 32),
    Module::Inception(32, 48),
    Module::Downsample(80),
    Module::Inception(112, 48),
    Module::Inception(96, 64),
    Module::Inception(80, 80),
    Module::Inception(48, 96),
    Module::Downsample(96),
    Module::Inception(176, 160),
    Module::Inception(176, 160),
];

fn layers(request: &Request) -> Vec<Layer> {
    let has_norm = request.options.batch_norm.unwrap_or(true);
    let conv = |name: &str, channels, kernel: usize, stride| {
        let padding = Padding::Each(kernel / 2);
        let mut layers = vec![Conv2d { stride, padding, ..Conv2d::new("conv", channels, kernel) }.into()];
        if has_norm {
            layers.push(BatchNorm { epsilon: 1e-3, ..BatchNorm::new("bn") }.into());
        }
        layers.push(Activation::Relu.into());
        Layer::named(name, layers)
    };
    let mut layers = vec![conv("conv1", 96, 3, 1)];
    for (i, module) in MODULES.iter().enumerate() {
        let branches = match *module {
            Module::Inception(one, three) => vec![vec![conv("conv1x1", one, 1, 1)], vec![conv("conv3x3", three, 3, 1)]],
            Module::Downsample(three) => {
                let pool = Layer::MaxPool { kernel: 3, stride: 2, padding: Padding::Each(1) };
                vec![vec![conv("conv3x3", three, 3, 2)], vec![pool]]
            }
        };
        layers.push(Layer::named(format!("module{}", i + 1), vec![Layer::Concat(branches)]));
    }
    layers.extend([Layer::GlobalMean, Linear::new("fc", request.num_classes).into()]);
    layers
}
