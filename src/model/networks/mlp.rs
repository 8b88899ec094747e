//! Describes multilayer perceptrons: x₀ = all pixels in a row, x_l = φ(W_l·x_(l−1) + b_l), and the last layer without φ.
//!
//! *Reference*: Zhang et al. 2017, <https://arxiv.org/abs/1611.03530>, for MLP 1×512 and 3×512.
//! *Tested by*: published parameter counts (`counts`), passes against PyTorch (tests/models.rs).

use crate::model::init::Start;
use crate::model::layer::{Activation, Layer, Linear};
use crate::model::options::ModelOptions;
use crate::model::registry::{Entry, Family, Request};

/// Of any widths.
pub const MLP: Entry = Entry {
    name: "mlp",
    family: None,
    summary: "perceptron of any widths; 64 hidden units on MNIST's images by default",
    options: &["widths", "bias", "activation"],
    input_shape: [1, 28, 28],
    num_classes: 10,
    layers: |request| {
        let options = request.options;
        let widths = options.widths.as_deref().unwrap_or(&[64]);
        let activation = Some(options.activation.unwrap_or(Activation::Relu));
        Ok(perceptron(request, widths, activation, options.has_bias.unwrap_or(true), Start::Torch))
    },
};

/// One hidden layer of 512 units on 28 × 28 of a colour image.
pub const MLP1: Entry = Entry {
    name: "mlp1",
    family: None,
    summary: "one hidden layer of 512 units, on the centre of a colour image (Zhang et al. 2017)",
    options: &[],
    input_shape: [3, 28, 28],
    num_classes: 10,
    layers: |request| Ok(perceptron(request, &[512], Some(Activation::Relu), true, Start::Torch)),
};

/// Three hidden layers of 512 units on 28 × 28 of a colour image.
pub const MLP3: Entry = Entry {
    name: "mlp3",
    summary: "three hidden layers of 512 units, on the centre of a colour image (Zhang et al. 2017)",
    layers: |request| Ok(perceptron(request, &[512; 3], Some(Activation::Relu), true, Start::Torch)),
    ..MLP1
};

/// The widths in the name, no biases, Glorot's normal start.
pub const MLP_BY_WIDTHS: Entry = Entry {
    name: "mlp-512",
    family: Some(Family { prefix: "mlp-", form: "mlp-WIDTHxWIDTHx…", read: widths }),
    summary: "perceptron without biases, hidden widths in its name: mlp-512x128x512",
    options: &[],
    input_shape: [3, 32, 32],
    num_classes: 10,
    layers: |request| {
        let widths = request.options.widths.as_deref().unwrap_or_default();
        Ok(perceptron(request, widths, Some(Activation::Relu), false, Start::GlorotNormal))
    },
};

/// No function between the layers.
pub const DEEP_LINEAR: Entry = Entry {
    name: "deep-linear",
    family: None,
    summary: "deep linear network, no biases; for λ known exactly see llc dln",
    options: &["widths"],
    input_shape: [1, 1, 10],
    num_classes: 10,
    layers: |request| {
        let widths = request.options.widths.as_deref().unwrap_or(&[20, 20]);
        Ok(perceptron(request, widths, None, false, Start::FanInTruncatedNormal))
    },
};

/// Layers `fc1`, `fc2`, …, and `fc` as the last.
fn perceptron(
    request: &Request,
    widths: &[usize],
    activation: Option<Activation>,
    has_bias: bool,
    start: Start,
) -> Vec<Layer> {
    let mut layers = vec![Layer::Flatten];
    for (l, &width) in widths.iter().enumerate() {
        layers.push(Linear { has_bias, start, ..Linear::new(format!("fc{}", l + 1), width) }.into());
        layers.extend(activation.map(Layer::Activation));
    }
    layers.push(Linear { has_bias, start, ..Linear::new("fc", request.num_classes) }.into());
    layers
}

fn widths(text: &str) -> Option<ModelOptions> {
    let widths = text.split('x').map(|width| width.parse().ok()).collect::<Option<_>>()?;
    Some(ModelOptions { widths: Some(widths), ..ModelOptions::default() })
}
