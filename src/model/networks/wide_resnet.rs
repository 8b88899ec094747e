//! Describes a small wide ResNet for 28 × 28 images: three groups of two pre-activated blocks, each group halving the image.
//!
//! A block is body(x) + shortcut(x) with the body norm, relu, conv3×3, [dropout], norm, relu, conv3×3. Where the channels change, the
//! shortcut has a norm, a relu and a conv1×1 of its own (`wrn` shares the body's first norm); elsewhere it is x.
//!
//! *Reference*: Zagoruyko and Komodakis 2016, <https://arxiv.org/abs/1605.07146>; the shapes are those of a reproduction of Zhang et al.
//! 2017, <https://arxiv.org/abs/1611.03530>.
//! *Tested by*: parameter counts (`counts`), passes against PyTorch (tests/models.rs).

use crate::model::layer::{Activation, BatchNorm, Conv2d, Layer, Linear, Padding};
use crate::model::registry::{Entry, Request};

/// The one network of this file.
pub const WIDE_RESNET: Entry = Entry {
    name: "wide-resnet",
    family: None,
    summary: "small wide ResNet of three groups, on the centre of a colour image",
    options: &["width-factor", "dropout"],
    input_shape: [3, 28, 28],
    num_classes: 10,
    layers: |request| Ok(layers(request)),
};

fn layers(request: &Request) -> Vec<Layer> {
    let width_factor = request.options.width_factor.unwrap_or(3);
    let dropout = request.options.dropout;
    let mut layers = vec![conv("conv1", 16, 3, 1)];
    for group in 0..3 {
        let channels = (16 << group) * width_factor;
        let blocks = (0..2).map(|block| Layer::named(block.to_string(), vec![residual(channels, block == 0, dropout)]));
        layers.push(Layer::named(format!("group{}", group + 1), blocks.collect()));
    }
    layers.extend([
        BatchNorm::new("bn").into(),
        Activation::Relu.into(),
        Layer::GlobalMean,
        Linear::new("fc", request.num_classes).into(),
    ]);
    layers
}

fn residual(channels: usize, halves: bool, dropout: Option<f64>) -> Layer {
    let stride = if halves { 2 } else { 1 };
    let mut body = vec![BatchNorm::new("bn1").into(), Activation::Relu.into(), conv("conv1", channels, 3, stride)];
    body.extend(dropout.map(|probability| Layer::Dropout { probability }));
    body.extend([BatchNorm::new("bn2").into(), Activation::Relu.into(), conv("conv2", channels, 3, 1)]);
    let projection = [BatchNorm::new("bn").into(), Activation::Relu.into(), conv("conv", channels, 1, stride)];
    let shortcut = if halves { vec![Layer::named("shortcut", projection.into())] } else { vec![] };
    Layer::Residual { body, shortcut }
}

fn conv(name: &str, channels: usize, kernel: usize, stride: usize) -> Layer {
    Conv2d { stride, padding: Padding::Each(kernel / 2), ..Conv2d::new(name, channels, kernel) }.into()
}
