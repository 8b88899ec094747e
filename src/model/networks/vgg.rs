//! Describes VGG with 11, 13, 16 or 19 layers: stacks of conv3×3 [norm] relu with a pool after each, then three linear layers with
//! dropout.
//!
//! The linear layers have 512 units, as is usual for 32 × 32 images; those of the paper have 4096. Names are torchvision's.
//!
//! *Reference*: Simonyan and Zisserman 2015, <https://arxiv.org/abs/1409.1556>, table 1; Garipov et al. 2018,
//! <https://arxiv.org/abs/1802.10026>, for the head.
//! *Tested by*: parameter counts (`counts`), passes against PyTorch (tests/models.rs).

use crate::model::init::Start;
use crate::model::layer::{Activation, BatchNorm, Conv2d, Layer, Linear, Padding};
use crate::model::options::ModelOptions;
use crate::model::registry::{Entry, Family, Request};

/// The one family of this file.
pub const VGG: Entry = Entry {
    name: "vgg16",
    family: Some(Family { prefix: "vgg", form: "vgg11, vgg13, vgg16, vgg19", read }),
    summary: "VGG with batch norm and dropout, for 32×32 images; also vgg11, vgg13, vgg19",
    options: &["batch-norm", "dropout"],
    input_shape: [3, 32, 32],
    num_classes: 10,
    layers: |request| Ok(layers(request)),
};

fn read(text: &str) -> Option<ModelOptions> {
    let depth = text.parse().ok().filter(|depth| [11, 13, 16, 19].contains(depth))?;
    Some(ModelOptions { depth: Some(depth), ..ModelOptions::default() })
}

/// Convolutions in each of the five stacks.
fn stacks(depth: usize) -> [usize; 5] {
    match depth {
        11 => [1, 1, 2, 2, 2],
        13 => [2, 2, 2, 2, 2],
        16 => [2, 2, 3, 3, 3],
        _ => [2, 2, 4, 4, 4],
    }
}

fn layers(request: &Request) -> Vec<Layer> {
    let has_norm = request.options.batch_norm.unwrap_or(true);
    let probability = request.options.dropout.unwrap_or(0.5);
    let mut features: Vec<Layer> = Vec::new();
    // A layer's name is its place, as in a PyTorch `Sequential`.
    for (stack, num_convs) in stacks(request.options.depth.unwrap_or(16)).into_iter().enumerate() {
        for _ in 0..num_convs {
            let conv = Conv2d::new(features.len().to_string(), (64 << stack).min(512), 3);
            let conv = Conv2d { padding: Padding::Each(1), has_bias: true, start: Start::FanOutNormal, ..conv };
            features.push(conv.into());
            if has_norm {
                features.push(BatchNorm::new(features.len().to_string()).into());
            }
            features.push(Activation::Relu.into());
        }
        features.push(Layer::MaxPool { kernel: 2, stride: 2, padding: Padding::Each(0) });
    }
    let classifier = vec![
        Layer::Dropout { probability },
        Linear::new("1", 512).into(),
        Activation::Relu.into(),
        Layer::Dropout { probability },
        Linear::new("4", 512).into(),
        Activation::Relu.into(),
        Linear::new("6", request.num_classes).into(),
    ];
    vec![Layer::named("features", features), Layer::Flatten, Layer::named("classifier", classifier)]
}
