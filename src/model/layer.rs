//! Describes what networks are made of: a network is a tree of layers, and a tree is data.
//!
//! Shapes, names and counts follow from the tree alone ([`super::Network`]); a forward pass walks it (`forward`, with libtorch).
//! Shapes are those of one sample: `[channels, height, width]`, or `[features]` after [`Layer::Flatten`] and [`Layer::GlobalMean`].

use serde::{Deserialize, Serialize};

use super::init::Start;

/// One layer, or several in one.
#[derive(Debug, Clone, PartialEq)]
pub enum Layer {
    /// x·Wᵀ + b.
    Linear(Linear),
    /// A convolution with a square kernel.
    Conv2d(Conv2d),
    /// Normalisation over the samples and places of each channel.
    BatchNorm(BatchNorm),
    /// A function of each element.
    Activation(Activation),
    /// Maximum over square windows.
    MaxPool { kernel: usize, stride: usize, padding: Padding },
    /// Means over a grid of `output` × `output` windows that cover the image.
    MeanPool { output: usize },
    /// Mean over all places: `[channels]`.
    GlobalMean,
    /// Normalisation over neighbouring channels.
    LocalResponseNorm(LocalResponseNorm),
    /// Sets elements to zero with this probability while training, and scales the others by 1/(1 − probability).
    Dropout { probability: f64 },
    /// All elements in one row.
    Flatten,
    /// Layers in a row, under a name of their own: `name.` stands before the names within.
    Named { name: String, layers: Vec<Layer> },
    /// body(x) + shortcut(x); an empty shortcut is x itself.
    Residual { body: Vec<Layer>, shortcut: Vec<Layer> },
    /// The channels of all branches, one branch after the other.
    Concat(Vec<Vec<Layer>>),
}

impl Layer {
    /// Layers in a row, under a name of their own.
    pub fn named(name: impl Into<String>, layers: Vec<Layer>) -> Layer {
        Layer::Named { name: name.into(), layers }
    }

    /// What it is, in a few words; the names of its layers, where it has some, are not among them.
    pub fn kind(&self) -> String {
        match self {
            Layer::Linear(_) => "linear".into(),
            Layer::Conv2d(Conv2d { kernel, stride: 1, .. }) => format!("conv {kernel}×{kernel}"),
            Layer::Conv2d(Conv2d { kernel, stride, .. }) => format!("conv {kernel}×{kernel}, stride {stride}"),
            Layer::BatchNorm(_) => "batch norm".into(),
            Layer::Activation(activation) => activation.name().into(),
            Layer::MaxPool { kernel, stride, .. } => format!("max pool {kernel}×{kernel}, stride {stride}"),
            Layer::MeanPool { output } => format!("mean pool to {output}×{output}"),
            Layer::GlobalMean => "global mean".into(),
            Layer::LocalResponseNorm(norm) => format!("response norm over {}", norm.size),
            Layer::Dropout { probability } => format!("dropout {probability}"),
            Layer::Flatten => "flatten".into(),
            Layer::Named { .. } => "layers".into(),
            Layer::Residual { .. } => "sum".into(),
            Layer::Concat(_) => "concat".into(),
        }
    }
}

/// A matrix `weight` of shape `[outputs, inputs]` and, as the case may be, a `bias` of shape `[outputs]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Linear {
    pub name: String,
    pub num_outputs: usize,
    pub has_bias: bool,
    pub start: Start,
}

impl Linear {
    /// With bias, and PyTorch's start.
    pub fn new(name: impl Into<String>, num_outputs: usize) -> Linear {
        Linear { name: name.into(), num_outputs, has_bias: true, start: Start::Torch }
    }
}

impl From<Linear> for Layer {
    fn from(linear: Linear) -> Layer {
        Layer::Linear(linear)
    }
}

/// A kernel `weight` of shape `[channels, input channels, kernel, kernel]` and, as the case may be, a `bias` of shape `[channels]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Conv2d {
    pub name: String,
    pub num_channels: usize,
    pub kernel: usize,
    pub stride: usize,
    pub padding: Padding,
    pub has_bias: bool,
    pub start: Start,
}

impl Conv2d {
    /// Stride 1, no padding, no bias, and PyTorch's start.
    pub fn new(name: impl Into<String>, num_channels: usize, kernel: usize) -> Conv2d {
        let padding = Padding::Each(0);
        Conv2d { name: name.into(), num_channels, kernel, stride: 1, padding, has_bias: false, start: Start::Torch }
    }
}

impl From<Conv2d> for Layer {
    fn from(conv: Conv2d) -> Layer {
        Layer::Conv2d(conv)
    }
}

/// What is laid around an image before windows slide over it: zeros, or −∞ for a maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// That much on each of the four sides.
    Each(usize),
    /// As little as makes ⌈size/stride⌉ windows; where it is odd, the larger half goes to the right and the bottom. TensorFlow's and
    /// JAX's `SAME`.
    Same,
}

impl Padding {
    /// Before and after a side of `size` elements.
    pub fn around(self, size: usize, kernel: usize, stride: usize) -> [usize; 2] {
        match self {
            Padding::Each(padding) => [padding, padding],
            Padding::Same => {
                let covered = size.div_ceil(stride).saturating_sub(1) * stride + kernel;
                let all = covered.saturating_sub(size);
                [all / 2, all - all / 2]
            }
        }
    }
}

/// (x − mean)/√(variance + ε)·`weight` + `bias` in each channel.
///
/// While training, mean and (biased) variance are those of the batch; else they are the running ones of the buffers.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchNorm {
    pub name: String,
    pub running: Running,
    pub epsilon: f64,
}

impl BatchNorm {
    /// PyTorch's, with ε = 10⁻⁵.
    pub fn new(name: impl Into<String>) -> BatchNorm {
        BatchNorm { name: name.into(), running: Running::Torch, epsilon: 1e-5 }
    }
}

impl From<BatchNorm> for Layer {
    fn from(norm: BatchNorm) -> Layer {
        Layer::BatchNorm(norm)
    }
}

/// How running statistics follow those of the batches; both forget a tenth per batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Running {
    /// r ← 0.9·r + 0.1·s from (0, 1), with the unbiased variance: PyTorch's.
    Torch,
    /// The same average of all batches so far with weights that sum to 1, and the biased variance: Haiku's. Before the first batch mean
    /// and variance are 0, so that a pass without batch statistics means nothing yet.
    Haiku,
}

/// x/(k + α·s)^β where s is the mean of x² over `size` neighbouring channels; beyond the first and the last there are zeros, and the
/// mean divides by `size` there too. Others sum instead, with α/size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LocalResponseNorm {
    pub size: usize,
    pub alpha: f64,
    pub beta: f64,
    pub k: f64,
}

/// A function of one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// max(x, 0).
    Relu,
    /// 1/(1 + e⁻ˣ).
    Sigmoid,
    /// Hyperbolic tangent.
    Tanh,
}

impl Activation {
    /// All of them.
    pub const ALL: [Activation; 3] = [Activation::Relu, Activation::Sigmoid, Activation::Tanh];

    /// The name in files and flags.
    pub fn name(self) -> &'static str {
        match self {
            Activation::Relu => "relu",
            Activation::Sigmoid => "sigmoid",
            Activation::Tanh => "tanh",
        }
    }

    /// The one of that name.
    pub fn from_name(name: &str) -> Option<Activation> {
        Activation::ALL.into_iter().find(|activation| activation.name() == name)
    }
}

impl From<Activation> for Layer {
    fn from(activation: Activation) -> Layer {
        Layer::Activation(activation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_padding_is_lopsided_where_the_stride_leaves_an_odd_number() {
        // The published ResNet18 on 32 × 32: stem, pool, 3 × 3 and 1 × 1 at stride 2, 3 × 3 at stride 1.
        assert_eq!(Padding::Same.around(32, 7, 2), [2, 3]);
        assert_eq!(Padding::Same.around(16, 3, 2), [0, 1]);
        assert_eq!(Padding::Same.around(8, 1, 2), [0, 0]);
        assert_eq!(Padding::Same.around(8, 3, 1), [1, 1]);
        assert_eq!(Padding::Same.around(7, 3, 2), [1, 1]);
    }

    #[test]
    fn activations_are_found_by_the_names_that_files_have() {
        for activation in Activation::ALL {
            assert_eq!(Activation::from_name(activation.name()), Some(activation));
            assert_eq!(serde_json::to_value(activation).unwrap(), activation.name());
        }
    }
}
