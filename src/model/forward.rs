//! Computes a network's outputs: one walk over its tree, which takes parameters and buffers in the order of their specifications.
//!
//! No weight is copied, and memory formats are left as they come: a pass over channels-last images stays channels-last, one in
//! bfloat16 stays in bfloat16 (norms keep their statistics in the buffers' own kind).
//!
//! *Tested by*: passes against PyTorch programs for every network (tests/models.rs), the published vector of the response norm, below.

use std::sync::Arc;

use tch::{Device, Kind, TchError, Tensor};

use super::batch_norm;
use super::buffers::Buffers;
use super::dropout::dropout;
use super::init::Init;
use super::layer::{Activation, Conv2d, Layer, LocalResponseNorm, Padding};
use super::network::Network;
use crate::params::{Layout, ParamSpec, Params};
use crate::rng::{Key, Mt19937, Role};
use crate::tensors::Tensors;

/// What a pass is for.
#[derive(Debug, Clone, Copy)]
pub enum Mode {
    /// Training: norms use the batch's statistics and move the running ones; dropout draws from `key`.
    Train {
        /// The stream of this pass.
        key: Key,
    },
    /// A pure function of w: norms use the running statistics, and nothing is dropped.
    Frozen,
    /// Gathering statistics: norms use the batch's and move the running ones by `momentum`, and nothing is dropped.
    Statistics {
        /// The weight of this batch: its share of the samples so far makes the running statistics plain means.
        momentum: f64,
    },
}

impl Network {
    /// The parameters' places in a flat buffer.
    pub fn layout(&self) -> Arc<Layout> {
        let spec = |spec: &super::TensorSpec| ParamSpec {
            name: spec.name.clone(),
            shape: spec.shape.iter().map(|&side| side as i64).collect(),
        };
        Arc::new(Layout::new(self.params().iter().map(spec).collect()))
    }

    /// A random start, f32 on the CPU; tensor number i comes from `key.part(i)`.
    ///
    /// # Errors
    /// Errors of libtorch.
    pub fn init(&self, key: Key) -> Result<Params, TchError> {
        let layout = self.layout();
        let mut w = Params::zeros_on(&layout, Kind::Float, Device::Cpu)?;
        if let Some(flat) = w.as_mut_slice::<f32>() {
            for (index, spec) in self.params().iter().enumerate() {
                spec.init.fill(key.part(index as u64), &mut flat[layout.range(index)]);
            }
        }
        Ok(w)
    }

    /// The parameters with which PyTorch starts after `torch.manual_seed(seed)`, layer by layer, where all of them start as in its own layers;
    /// else [`Network::init`] of a key of that seed.
    ///
    /// # Errors
    /// Errors of libtorch.
    pub fn init_as_torch(&self, seed: u32) -> Result<Params, TchError> {
        if self.params().iter().any(|spec| !matches!(spec.init, Init::Uniform { .. } | Init::Zeros | Init::Ones)) {
            return self.init(Key::new(seed.into()).role(Role::Init));
        }
        let mut generator = Mt19937::new(seed);
        let layout = self.layout();
        let mut w = Params::zeros_on(&layout, Kind::Float, Device::Cpu)?;
        if let Some(flat) = w.as_mut_slice::<f32>() {
            for (index, spec) in self.params().iter().enumerate() {
                let out = &mut flat[layout.range(index)];
                match spec.init {
                    Init::Uniform { bound } => {
                        let bound = bound as f32;
                        out.iter_mut().for_each(|w| *w = generator.torch_uniform(-bound, bound));
                    }
                    // PyTorch draws nothing for these.
                    constant => constant.fill(Key::new(0), out),
                }
            }
        }
        Ok(w)
    }

    /// The buffers that a training starts with, f32 on the CPU.
    ///
    /// # Errors
    /// Errors of libtorch.
    pub fn initial_buffers(&self) -> Result<Buffers, TchError> {
        Buffers::initial(self.buffers())
    }

    /// The outputs of `x`, of shape `[num_samples, channels, height, width]`: `[num_samples, num_outputs]`, not normalised.
    ///
    /// `w` are the parameters in the order of [`Network::params`]. [`Mode::Frozen`] only reads `buffers`.
    ///
    /// # Errors
    /// [`TchError::Shape`] for another number of parameters or buffers, or a batch that a norm can't train on; whatever libtorch reports.
    pub fn forward(&self, w: &[Tensor], buffers: &mut Buffers, x: &Tensor, mode: Mode) -> Result<Tensor, TchError> {
        let (found, expected) = ([w.len(), buffers.specs().len()], [self.params().len(), self.buffers().len()]);
        if found != expected {
            let message = format!("{found:?} parameters and buffers, but {} has {expected:?}", self.name());
            return Err(TchError::Shape(message));
        }
        let mut pass = Pass { w: w.iter(), buffers, next_buffer: 0, num_dropouts: 0, mode };
        Ok(pass.sequence(self.layers(), Value::shared(x))?.x)
    }
}

/// What one layer hands to the next.
struct Value {
    x: Tensor,
    /// Whether nothing else needs these numbers, neither another branch nor a gradient, so that they may be overwritten.
    is_free: bool,
}

impl Value {
    fn free(x: Tensor) -> Value {
        Value { x, is_free: true }
    }

    fn kept(x: Tensor) -> Value {
        Value { x, is_free: false }
    }

    fn shared(x: &Tensor) -> Value {
        Value::kept(x.shallow_clone())
    }
}

/// Where a walk over the tree has come to.
struct Pass<'a> {
    w: std::slice::Iter<'a, Tensor>,
    buffers: &'a mut Buffers,
    next_buffer: usize,
    num_dropouts: u64,
    mode: Mode,
}

impl<'a> Pass<'a> {
    fn sequence(&mut self, layers: &[Layer], value: Value) -> Result<Value, TchError> {
        layers.iter().try_fold(value, |value, layer| self.layer(layer, value))
    }

    fn layer(&mut self, layer: &Layer, Value { mut x, is_free }: Value) -> Result<Value, TchError> {
        match layer {
            Layer::Linear(linear) => {
                let weight = self.param()?;
                let bias = if linear.has_bias { Some(self.param()?) } else { None };
                x.f_linear(weight, bias).map(Value::free)
            }
            Layer::Conv2d(conv) => {
                let weight = self.param()?;
                let bias = if conv.has_bias { Some(self.param()?) } else { None };
                convolve(conv, &x, weight, bias).map(Value::free)
            }
            Layer::BatchNorm(norm) => {
                let (weight, bias) = (self.param()?, self.param()?);
                let buffers = self.buffers.slice_mut(self.next_buffer, batch_norm::NUM_BUFFERS);
                self.next_buffer += batch_norm::NUM_BUFFERS;
                let y = match self.mode {
                    Mode::Frozen => batch_norm::frozen(norm, &x, weight, bias, buffers),
                    Mode::Train { .. } => batch_norm::train(norm, &x, weight, bias, buffers, None),
                    Mode::Statistics { momentum } => batch_norm::train(norm, &x, weight, bias, buffers, Some(momentum)),
                };
                y.map(Value::free)
            }
            // A gradient needs the values of these three, and of a pool's input.
            Layer::Activation(Activation::Relu) => if is_free { x.f_relu_() } else { x.f_relu() }.map(Value::kept),
            Layer::Activation(Activation::Sigmoid) => x.f_sigmoid().map(Value::kept),
            Layer::Activation(Activation::Tanh) => x.f_tanh().map(Value::kept),
            Layer::MaxPool { kernel, stride, padding } => max_pool(&x, *kernel, *stride, *padding).map(Value::free),
            Layer::MeanPool { output } => x.f_adaptive_avg_pool2d([*output as i64; 2]).map(Value::free),
            Layer::GlobalMean => x.f_mean_dim([2i64, 3].as_slice(), false, None::<Kind>).map(Value::free),
            Layer::LocalResponseNorm(norm) => local_response_norm(norm, &x).map(Value::free),
            Layer::Dropout { probability } => {
                self.num_dropouts += 1;
                match self.mode {
                    Mode::Train { key } => dropout(key.part(self.num_dropouts - 1), *probability, x).map(Value::kept),
                    Mode::Frozen | Mode::Statistics { .. } => Ok(Value { x, is_free }),
                }
            }
            Layer::Flatten => x.f_flatten(1, -1).map(Value::kept),
            Layer::Named { layers, .. } => self.sequence(layers, Value { x, is_free }),
            Layer::Residual { body, shortcut } => {
                let mut output = self.sequence(body, Value::shared(&x))?;
                let short = self.sequence(shortcut, Value::kept(x))?.x;
                if output.is_free { output.x.f_add_(&short) } else { output.x.f_add(&short) }.map(Value::free)
            }
            Layer::Concat(branches) => {
                let branch = |layers: &Vec<Layer>| Ok(self.sequence(layers, Value::shared(&x))?.x);
                let branches = branches.iter().map(branch).collect::<Result<Vec<_>, TchError>>()?;
                Tensor::f_cat(&branches, 1).map(Value::free)
            }
        }
    }

    fn param(&mut self) -> Result<&'a Tensor, TchError> {
        // `forward` has counted them.
        self.w.next().ok_or_else(|| TchError::Shape("too few parameters".into()))
    }
}

fn convolve(conv: &Conv2d, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor, TchError> {
    let stride = [conv.stride as i64; 2];
    let [[top, bottom], [left, right]] = around(x, conv.kernel, conv.stride, conv.padding)?;
    if (top, left) == (bottom, right) {
        return x.f_conv2d(weight, bias, stride, [top, left], [1, 1], 1);
    }
    x.f_constant_pad_nd([left, right, top, bottom])?.f_conv2d(weight, bias, stride, [0, 0], [1, 1], 1)
}

fn max_pool(x: &Tensor, kernel: usize, stride: usize, padding: Padding) -> Result<Tensor, TchError> {
    let [[top, bottom], [left, right]] = around(x, kernel, stride, padding)?;
    let (kernel, stride) = ([kernel as i64; 2], [stride as i64; 2]);
    if (top, left) == (bottom, right) {
        return x.f_max_pool2d(kernel, stride, [top, left], [1, 1], false);
    }
    // Windows may end beyond the last element: what pads right and bottom by less than a stride, without a copy.
    if (top, left) == (0, 0) && bottom < stride[0] && right < stride[1] {
        return x.f_max_pool2d(kernel, stride, [0, 0], [1, 1], true);
    }
    let padded = x.f_pad([left, right, top, bottom], "constant", f64::NEG_INFINITY)?;
    padded.f_max_pool2d(kernel, stride, [0, 0], [1, 1], false)
}

/// What pads `x` above and below, left and right.
fn around(x: &Tensor, kernel: usize, stride: usize, padding: Padding) -> Result<[[i64; 2]; 2], TchError> {
    let (_, _, height, width) = x.size4()?;
    let pads = |side: i64| padding.around(side as usize, kernel, stride).map(|pad| pad as i64);
    Ok([pads(height), pads(width)])
}

fn local_response_norm(norm: &LocalResponseNorm, x: &Tensor) -> Result<Tensor, TchError> {
    let size = norm.size as i64;
    // Channels as the depth of a volume of one channel.
    let squares = x.f_square()?.f_unsqueeze(1)?.f_constant_pad_nd([0, 0, 0, 0, size / 2, (size - 1) / 2])?;
    let means = squares.f_avg_pool3d([size, 1, 1], [1, 1, 1], [0, 0, 0], false, true, None::<i64>)?.f_squeeze_dim(1)?;
    x.f_div(&means.f_mul_scalar(norm.alpha)?.f_add_scalar(norm.k)?.f_pow_tensor_scalar(norm.beta)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ModelOptions, ModelSpec};
    use crate::rng::{Role, fill_normal};

    fn pictures(shape: [i64; 4]) -> Tensor {
        let mut z = vec![0f32; shape.iter().product::<i64>() as usize];
        fill_normal(Key::new(1), 0, &mut z);
        Tensor::from_slice(&z).view(shape)
    }

    fn network(name: &str, options: ModelOptions) -> Network {
        ModelSpec { name: name.into(), options }.build().unwrap()
    }

    #[test]
    fn the_response_norm_gives_the_published_vector() {
        let norm = LocalResponseNorm { size: 5, alpha: 1e-4, beta: 0.75, k: 2.0 };
        let x = Tensor::from_slice(&[1f32, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]).view([1, 7, 1, 1]);
        let y: Vec<f32> = local_response_norm(&norm, &x).unwrap().view(-1).try_into().unwrap();
        let expected = [0.5945411f64, 1.1889396, 1.7830752, 2.3768101, 2.9700105, 3.5642536, 4.1587944];
        assert!(y.iter().zip(expected).all(|(y, expected)| (f64::from(*y) - expected).abs() < 1e-6), "{y:?}");
    }

    #[test]
    fn a_pool_without_a_copy_equals_the_one_over_padded_pictures() {
        let x = pictures([2, 3, 16, 10]);
        let padded = x.pad([0, 1, 0, 1], "constant", f64::NEG_INFINITY);
        let expected = padded.max_pool2d([3, 3], [2, 2], [0, 0], [1, 1], false);
        let pooled = max_pool(&x, 3, 2, Padding::Same).unwrap();
        assert_eq!(pooled.size(), [2, 3, 8, 5]);
        assert!(pooled.equal(&expected));
    }

    #[test]
    fn a_start_as_in_pytorch_has_the_numbers_that_pytorch_draws() {
        let options = ModelOptions { widths: Some(vec![32]), num_classes: Some(2), ..Default::default() };
        let w = network("mlp", options).init_as_torch(0).unwrap();
        let flat = w.as_slice::<f32>().unwrap();
        let (bias, second) = (784 * 32, 784 * 32 + 32);
        for (start, expected) in [
            (0, &[-0.000_267_39, 0.019_158_70, -0.029_394_47, -0.026_283_54][..]),
            (bias, &[0.022_934_02, 0.001_268_47, 0.016_349_58]),
            (second, &[0.025_897_21, 0.013_048_18, 0.096_105_52]),
            (second + 64, &[0.154_144_50, -0.057_028_31]),
        ] {
            for (found, expected) in flat[start..].iter().zip(expected) {
                assert!((f64::from(*found) - expected).abs() < 1e-8, "{found} for {expected}");
            }
        }
        let norm: f64 = flat[..bias].iter().map(|w| f64::from(*w).powi(2)).sum::<f64>().sqrt();
        assert!((norm - 3.262_148_9).abs() < 1e-6, "{norm}");
        // Of another law than PyTorch's layers: a key's start.
        let linear = network("deep-linear", ModelOptions::default());
        assert_eq!(linear.init_as_torch(3).unwrap().flat(), linear.init(Key::new(3).role(Role::Init)).unwrap().flat());
    }

    #[test]
    fn the_published_resnet18_starts_with_zero_outputs_and_loss_ln_10() {
        let network = network("resnet18", ModelOptions { width_factor: Some(4), ..Default::default() });
        let w = network.init(Key::new(1).role(Role::Init)).unwrap();
        let mut buffers = network.initial_buffers().unwrap();
        let labels = Tensor::from_slice(&[3i64, 1, 4, 1, 5]);
        for mode in [Mode::Train { key: Key::new(2) }, Mode::Frozen] {
            let outputs = network.forward(w.views(), &mut buffers, &pictures([5, 3, 32, 32]), mode).unwrap();
            assert_eq!(outputs.abs().max().double_value(&[]), 0.0);
            let loss = outputs.cross_entropy_for_logits(&labels).double_value(&[]);
            assert!((loss - 10f64.ln()).abs() < 1e-6, "{loss}");
        }
    }

    #[test]
    fn after_one_batch_haiku_s_running_statistics_are_that_batch_s() {
        let network = network("resnet18", ModelOptions { width_factor: Some(4), ..Default::default() });
        let mut w = network.init(Key::new(1).role(Role::Init)).unwrap();
        // A head that is not zero, so that there is something to compare.
        fill_normal(Key::new(9), 0, &mut w.as_mut_slice::<f32>().unwrap()[45_102 - 330..]);
        let mut buffers = network.initial_buffers().unwrap();
        let x = pictures([8, 3, 32, 32]);
        let trained = network.forward(w.views(), &mut buffers, &x, Mode::Train { key: Key::new(2) }).unwrap();
        let frozen = network.forward(w.views(), &mut buffers, &x, Mode::Frozen).unwrap();
        let difference = (&trained - &frozen).abs().max().double_value(&[]);
        let size = trained.abs().max().double_value(&[]);
        assert!(difference < 1e-5 * size, "{difference} of {size}");
    }

    #[test]
    fn a_frozen_pass_leaves_the_buffers_alone_and_a_training_pass_does_not() {
        let network = network("wide-resnet", ModelOptions { width_factor: Some(1), ..Default::default() });
        let w = network.init(Key::new(1).role(Role::Init)).unwrap();
        let mut buffers = network.initial_buffers().unwrap();
        let x = pictures([2, 3, 28, 28]);
        let _ = network.forward(w.views(), &mut buffers, &x, Mode::Frozen).unwrap();
        let initial = network.initial_buffers().unwrap();
        assert!(buffers.tensors().zip(initial.tensors()).all(|((_, now), (_, then))| now.equal(then)));
        let _ = network.forward(w.views(), &mut buffers, &x, Mode::Train { key: Key::new(2) }).unwrap();
        assert!(buffers.tensors().zip(initial.tensors()).all(|((_, now), (_, then))| !now.equal(then)));
    }

    #[test]
    fn dropout_follows_its_key_while_training_and_does_nothing_when_frozen() {
        let options = ModelOptions { width_factor: Some(1), dropout: Some(0.3), ..Default::default() };
        let with = network("wide-resnet", options.clone());
        let without = network("wide-resnet", ModelOptions { dropout: None, ..options });
        let w = with.init(Key::new(1).role(Role::Init)).unwrap();
        let (mut buffers, x) = (with.initial_buffers().unwrap(), pictures([4, 3, 28, 28]));
        let mut train = |key| with.forward(w.views(), &mut buffers, &x, Mode::Train { key }).unwrap();
        let first = train(Key::new(2));
        assert!(first.equal(&train(Key::new(2))));
        assert!(!first.equal(&train(Key::new(3))));
        let frozen = with.forward(w.views(), &mut buffers, &x, Mode::Frozen).unwrap();
        assert!(frozen.equal(&without.forward(w.views(), &mut buffers, &x, Mode::Frozen).unwrap()));
    }

    #[test]
    fn another_number_of_tensors_is_an_error() {
        let network = network("mlp", ModelOptions::default());
        let w = network.init(Key::new(1)).unwrap();
        let mut buffers = network.initial_buffers().unwrap();
        let x = pictures([2, 1, 28, 28]);
        assert!(network.forward(&w.views()[1..], &mut buffers, &x, Mode::Frozen).is_err());
    }
}
