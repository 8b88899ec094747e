//! Walks a tree of layers without libtorch and notes shapes, names and counts.

use super::error::{ModelError, shape};
use super::init::Init;
use super::layer::{BatchNorm, Conv2d, Layer, Linear, Padding, Running};
use super::network::{BufferSpec, LayerRow, TensorSpec};

/// What has been noted so far.
pub(super) struct Survey<'a> {
    model: &'a str,
    /// What stands before a layer's name: `layer1.0.`.
    prefix: String,
    pub params: Vec<TensorSpec>,
    pub buffers: Vec<BufferSpec>,
    pub rows: Vec<LayerRow>,
    pub num_parameters: usize,
}

impl<'a> Survey<'a> {
    pub fn new(model: &'a str) -> Survey<'a> {
        let (params, buffers, rows) = (Vec::new(), Vec::new(), Vec::new());
        Survey { model, prefix: String::new(), params, buffers, rows, num_parameters: 0 }
    }

    /// Records layers in a row; returns the output shape of the last.
    pub fn sequence(&mut self, layers: &[Layer], input: Vec<usize>) -> Result<Vec<usize>, ModelError> {
        layers.iter().try_fold(input, |input, layer| self.layer(layer, input))
    }

    /// Records one layer; returns its output shape.
    fn layer(&mut self, layer: &Layer, input: Vec<usize>) -> Result<Vec<usize>, ModelError> {
        let before = self.num_parameters;
        let (name, output) = match layer {
            Layer::Named { name, layers } => {
                let outer = self.prefix.len();
                self.prefix.push_str(name);
                self.prefix.push('.');
                let output = self.sequence(layers, input);
                self.prefix.truncate(outer);
                return output;
            }
            Layer::Residual { body, shortcut } => {
                let output = self.sequence(body, input.clone())?;
                let short = self.sequence(shortcut, input.clone())?;
                if short != output {
                    let reason = format!("its branches give {} and {}", shape(&output), shape(&short));
                    return Err(self.impossible(layer, input, reason));
                }
                return Ok(self.row(layer, self.block(), output, 0));
            }
            Layer::Concat(branches) => {
                let output = self.concat(layer, branches, input)?;
                return Ok(self.row(layer, self.block(), output, 0));
            }
            Layer::Linear(linear) => (self.full(&linear.name), self.linear(layer, linear, input)?),
            Layer::Conv2d(conv) => (self.full(&conv.name), self.conv(layer, conv, input)?),
            Layer::BatchNorm(norm) => (self.full(&norm.name), self.batch_norm(norm, input)?),
            Layer::Activation(_) | Layer::Dropout { .. } => (self.block(), input),
            Layer::LocalResponseNorm(_) => {
                self.picture(layer, &input)?;
                (self.block(), input)
            }
            Layer::MaxPool { kernel, stride, padding } => {
                let [channels, height, width] = self.picture(layer, &input)?;
                let [height, width] = self.windows(layer, [height, width], (*kernel, *stride, *padding), &input)?;
                (self.block(), vec![channels, height, width])
            }
            Layer::MeanPool { output } => {
                let [channels, ..] = self.picture(layer, &input)?;
                (self.block(), vec![channels, *output, *output])
            }
            Layer::GlobalMean => {
                let [channels, ..] = self.picture(layer, &input)?;
                (self.block(), vec![channels])
            }
            Layer::Flatten => (self.block(), vec![self.product(layer, &input)?]),
        };
        let num_parameters = self.num_parameters - before;
        Ok(self.row(layer, name, output, num_parameters))
    }

    fn linear(&mut self, layer: &Layer, linear: &Linear, input: Vec<usize>) -> Result<Vec<usize>, ModelError> {
        let &[fan_in] = input.as_slice() else {
            return Err(self.impossible(layer, input, "it needs one row of numbers: flatten the input first".into()));
        };
        let fan_out = linear.num_outputs;
        let weight = linear.start.weight(fan_in, fan_out);
        self.param(&linear.name, "weight", vec![fan_out, fan_in], weight)?;
        if linear.has_bias {
            self.param(&linear.name, "bias", vec![fan_out], linear.start.bias(fan_in))?;
        }
        Ok(vec![fan_out])
    }

    fn conv(&mut self, layer: &Layer, conv: &Conv2d, input: Vec<usize>) -> Result<Vec<usize>, ModelError> {
        let [channels, height, width] = self.picture(layer, &input)?;
        let window = (conv.kernel, conv.stride, conv.padding);
        let [height, width] = self.windows(layer, [height, width], window, &input)?;
        let shape = vec![conv.num_channels, channels, conv.kernel, conv.kernel];
        let fan_in = self.product(layer, &shape[1..])?;
        let fan_out = self.product(layer, &[conv.num_channels, conv.kernel, conv.kernel])?;
        self.param(&conv.name, "weight", shape, conv.start.weight(fan_in, fan_out))?;
        if conv.has_bias {
            self.param(&conv.name, "bias", vec![conv.num_channels], conv.start.bias(fan_in))?;
        }
        Ok(vec![conv.num_channels, height, width])
    }

    fn batch_norm(&mut self, norm: &BatchNorm, input: Vec<usize>) -> Result<Vec<usize>, ModelError> {
        let channels = vec![input[0]];
        self.param(&norm.name, "weight", channels.clone(), Init::Ones)?;
        self.param(&norm.name, "bias", channels.clone(), Init::Zeros)?;
        let variance = match norm.running {
            Running::Torch => 1.0,
            Running::Haiku => 0.0,
        };
        let buffers = [
            ("running_mean", channels.clone(), 0.0, false),
            ("running_var", channels, variance, false),
            ("num_batches_tracked", vec![], 0.0, true),
        ];
        for (part, shape, initial, is_count) in buffers {
            let name = format!("{}.{part}", self.full(&norm.name));
            self.buffers.push(BufferSpec { name, shape, initial, is_count });
        }
        Ok(input)
    }

    fn concat(&mut self, layer: &Layer, branches: &[Vec<Layer>], input: Vec<usize>) -> Result<Vec<usize>, ModelError> {
        let mut output: Option<Vec<usize>> = None;
        for branch in branches {
            let one = self.sequence(branch, input.clone())?;
            output = match output {
                None => Some(one),
                Some(mut all) if all[1..] == one[1..] => {
                    all[0] += one[0];
                    Some(all)
                }
                Some(all) => {
                    let reason = format!("its branches give {} and {}", shape(&all), shape(&one));
                    return Err(self.impossible(layer, input, reason));
                }
            };
        }
        Ok(output.unwrap_or(input))
    }

    /// Places of a window along both sides.
    fn windows(
        &self,
        layer: &Layer,
        sides: [usize; 2],
        (kernel, stride, padding): (usize, usize, Padding),
        input: &[usize],
    ) -> Result<[usize; 2], ModelError> {
        let mut places = [0; 2];
        for (places, side) in places.iter_mut().zip(sides) {
            let padded = side + padding.around(side, kernel, stride).iter().sum::<usize>();
            if padded < kernel {
                let reason = format!("its windows of {kernel}×{kernel} are larger; give larger images");
                return Err(self.impossible(layer, input.to_vec(), reason));
            }
            *places = (padded - kernel) / stride + 1;
        }
        Ok(places)
    }

    fn picture(&self, layer: &Layer, input: &[usize]) -> Result<[usize; 3], ModelError> {
        input
            .try_into()
            .map_err(|_| self.impossible(layer, input.to_vec(), "it needs images, channels × height × width".into()))
    }

    fn param(&mut self, layer: &str, part: &str, shape: Vec<usize>, init: Init) -> Result<(), ModelError> {
        let too_large = || ModelError::TooLarge { model: self.model.into(), layer: self.full(layer) };
        // Eight bytes an element must still be a number of bytes.
        let len = shape.iter().try_fold(1usize, |len, &side| len.checked_mul(side)).ok_or_else(too_large)?;
        let all = self.num_parameters.checked_add(len).filter(|all| all.checked_mul(8).is_some());
        self.num_parameters = all.ok_or_else(too_large)?;
        let name = format!("{}.{part}", self.full(layer));
        self.params.push(TensorSpec { name, shape, init });
        Ok(())
    }

    fn product(&self, layer: &Layer, shape: &[usize]) -> Result<usize, ModelError> {
        let product = shape.iter().try_fold(1usize, |len, &side| len.checked_mul(side));
        product.ok_or_else(|| ModelError::TooLarge { model: self.model.into(), layer: self.name_of(layer) })
    }

    fn row(&mut self, layer: &Layer, name: String, output: Vec<usize>, num_parameters: usize) -> Vec<usize> {
        self.rows.push(LayerRow { name, kind: layer.kind(), output: output.clone(), num_parameters });
        output
    }

    fn impossible(&self, layer: &Layer, input: Vec<usize>, reason: String) -> ModelError {
        ModelError::Impossible {
            model: self.model.into(),
            layer: self.name_of(layer),
            kind: layer.kind(),
            input,
            reason,
        }
    }

    fn name_of(&self, layer: &Layer) -> String {
        match layer {
            Layer::Linear(Linear { name, .. })
            | Layer::Conv2d(Conv2d { name, .. })
            | Layer::BatchNorm(BatchNorm { name, .. }) => self.full(name),
            _ => self.block(),
        }
    }

    /// A layer's name with those of the blocks around it.
    fn full(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// The name of the block that is being walked.
    fn block(&self) -> String {
        self.prefix.trim_end_matches('.').into()
    }
}

#[cfg(test)]
mod tests {
    use crate::model::layer::{Activation, Conv2d, Layer, Linear};
    use crate::model::{ModelError, Network};

    fn error(input_shape: [usize; 3], layers: Vec<Layer>) -> String {
        Network::new("test", input_shape, layers).unwrap_err().to_string()
    }

    #[test]
    fn an_impossible_layer_is_named_with_what_it_was_given() {
        let conv = || Layer::named("stem", vec![Conv2d::new("conv1", 8, 5).into()]);
        assert_eq!(
            error([3, 4, 32], vec![conv()]),
            "test: layer `stem.conv1` (conv 5×5) can't take an input of shape 3×4×32: its windows of 5×5 are larger; \
             give larger images"
        );
        let message = error([3, 32, 32], vec![Linear::new("fc", 10).into()]);
        assert!(message.contains("`fc` (linear) can't take an input of shape 3×32×32: it needs one row"), "{message}");
        let body = vec![conv(), Activation::Relu.into()];
        let message = error([3, 32, 32], vec![Layer::Residual { body, shortcut: vec![] }]);
        assert!(message.contains("its branches give 8×28×28 and 3×32×32"), "{message}");
        assert!(error([3, 32, 32], vec![conv()]).contains("has shape 8×28×28, but it must be one number for each"));
    }

    #[test]
    fn counts_that_overflow_are_an_error() {
        let wide = vec![Layer::Flatten, Linear::new("fc1", 1 << 40).into(), Linear::new("fc2", 1 << 40).into()];
        let error = Network::new("test", [3, 32, 32], wide).unwrap_err();
        assert_eq!(error, ModelError::TooLarge { model: "test".into(), layer: "fc2".into() });
    }
}
