//! Describes WRN-d-k, wide ResNets of d layers and width k: three groups of (d − 4)/6 pre-activated blocks with 16k, 32k, 64k channels.
//!
//! A block is body(x) + x with the body norm, relu, conv3×3, norm, relu, [dropout], conv3×3. Where the channels change, body and
//! shortcut both start from relu(norm(x)), and the shortcut is a conv1×1 alone.
//!
//! *Reference*: Zagoruyko and Komodakis 2016, <https://arxiv.org/abs/1605.07146>, table 1.
//! *Tested by*: published parameter counts (`counts`), passes against PyTorch (tests/models.rs).

use crate::model::error::ModelError;
use crate::model::init::Start;
use crate::model::layer::{Activation, BatchNorm, Conv2d, Layer, Linear, Padding};
use crate::model::options::ModelOptions;
use crate::model::registry::{Entry, Family, Request};

/// The one family of this file.
pub const WRN: Entry = Entry {
    name: "wrn-28-1",
    family: Some(Family { prefix: "wrn-", form: "wrn-DEPTH-WIDTH", read }),
    summary: "wide ResNet, depth and width in its name: wrn-28-10 (Zagoruyko and Komodakis 2016)",
    options: &["dropout"],
    input_shape: [3, 32, 32],
    num_classes: 10,
    layers,
};

fn read(text: &str) -> Option<ModelOptions> {
    let (depth, width_factor) = text.split_once('-')?;
    let (depth, width_factor) = (depth.parse().ok()?, width_factor.parse().ok()?);
    Some(ModelOptions { depth: Some(depth), width_factor: Some(width_factor), ..ModelOptions::default() })
}

fn layers(request: &Request) -> Result<Vec<Layer>, ModelError> {
    let (depth, width_factor) = (request.options.depth.unwrap_or(28), request.options.width_factor.unwrap_or(1));
    if depth < 10 || (depth - 4) % 6 != 0 {
        return Err(ModelError::BadOption {
            model: request.model.into(),
            option: "depth",
            found: depth.to_string(),
            requirement: "4 more than a multiple of 6: 10, 16, 22, 28, …",
        });
    }
    let mut layers = vec![conv("conv1", 16, 3, 1)];
    let mut inputs = 16;
    for group in 0..3 {
        let channels = (16 << group) * width_factor;
        let mut blocks = Vec::new();
        for block in 0..(depth - 4) / 6 {
            let stride = if group > 0 && block == 0 { 2 } else { 1 };
            blocks.push(Layer::named(block.to_string(), residual(inputs, channels, stride, request.options.dropout)));
            inputs = channels;
        }
        layers.push(Layer::named(format!("block{}", group + 1), vec![Layer::named("layer", blocks)]));
    }
    let head = Linear { start: Start::GlorotNormal, ..Linear::new("fc", request.num_classes) };
    layers.extend([BatchNorm::new("bn1").into(), Activation::Relu.into(), Layer::GlobalMean, head.into()]);
    Ok(layers)
}

fn residual(inputs: usize, channels: usize, stride: usize, dropout: Option<f64>) -> Vec<Layer> {
    let mut layers = vec![BatchNorm::new("bn1").into(), Activation::Relu.into()];
    let mut body = vec![conv("conv1", channels, 3, stride), BatchNorm::new("bn2").into(), Activation::Relu.into()];
    body.extend(dropout.map(|probability| Layer::Dropout { probability }));
    body.push(conv("conv2", channels, 3, 1));
    if inputs == channels && stride == 1 {
        layers.append(&mut body);
        return vec![Layer::Residual { body: layers, shortcut: vec![] }];
    }
    layers.push(Layer::Residual { body, shortcut: vec![conv("convShortcut", channels, 1, stride)] });
    layers
}

fn conv(name: &str, channels: usize, kernel: usize, stride: usize) -> Layer {
    let padding = Padding::Each(kernel / 2);
    Conv2d { stride, padding, start: Start::FanOutNormal, ..Conv2d::new(name, channels, kernel) }.into()
}
