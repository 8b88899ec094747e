//! Describes fully connected ReLU networks for regression, draws true parameters for them, and moves these along their symmetries.
//!
//! x₀ = x, x_l = max(0, W_l·x_(l−1) + b_l), and f(x) = x_L without the maximum. The tensors stand in the order W₁, b₁, W₂, b₂, …, W_l of
//! shape `[H_l, H_(l−1)]`, as PyTorch has them.
//!
//! **Rescaling.** max(0, s·z) = s·max(0, z) for s > 0, so that s·W₁, s·b₁, W₂/s computes the same function. Of a parameter θ′ = s·θ the
//! gradient is ∇L/s: a Langevin step with G′ = s²·G takes θ′ to s times where the step with G takes θ, noise included.
//!
//! *Tested by*: the moments of what is drawn, below; the same function and the image of a chain, bit for bit where s is a power of two
//! (tests/rescaling.rs).

use std::sync::Arc;

use tch::{Device, Kind};

use super::init::{Init, Start};
use crate::params::{Layout, ParamSpec, Params};
use crate::rng::Key;
use crate::tensors::Tensors;

/// The tensors of a network of widths H₀ … H_L: "layer1.weight", "layer1.bias", and so on.
pub fn layout(widths: &[usize]) -> Arc<Layout> {
    let specs = widths.windows(2).enumerate().flat_map(|(l, pair)| {
        let (name, fan_in, fan_out) = (format!("layer{}", l + 1), pair[0] as i64, pair[1] as i64);
        [
            ParamSpec { name: format!("{name}.weight"), shape: vec![fan_out, fan_in] },
            ParamSpec { name: format!("{name}.bias"), shape: vec![fan_out] },
        ]
    });
    Arc::new(Layout::new(specs.collect()))
}

/// Draws w* for `widths`, in f64 on the CPU: weights N(0, 1/fan_in) redrawn beyond two deviations (Haiku's default), biases of hidden
/// units as `bias` says, those of the outputs 0.
///
/// # Errors
/// Errors of libtorch.
pub fn draw(key: Key, widths: &[usize], bias: Init) -> Result<Params, tch::TchError> {
    let mut w = Params::zeros_on(&layout(widths), Kind::Double, Device::Cpu)?;
    let last = widths.len() - 2;
    for (l, pair) in widths.windows(2).enumerate() {
        let weight = Start::FanInTruncatedNormal.weight(pair[0], pair[1]);
        let bias = if l < last { bias } else { Init::Zeros };
        for (tensor, init) in [(2 * l, weight), (2 * l + 1, bias)] {
            init.fill(key.part(tensor as u64), slice(&mut w, tensor));
        }
    }
    Ok(w)
}

/// Makes the first layer's units `copies` equal to its unit 0, weights and bias.
pub fn copy_first_unit(w: &mut Params, copies: &[usize]) {
    let fan_in = w.layout().specs()[0].shape[1] as usize;
    for &unit in copies {
        slice(w, 0).copy_within(..fan_in, unit * fan_in);
        slice(w, 1).copy_within(..1, unit);
    }
}

/// Multiplies the first layer's weights and biases by `factor` and divides the second layer's weights by it: the same function.
pub fn rescale(w: &mut Params, factor: f64) {
    for tensor in [0, 1] {
        slice(w, tensor).iter_mut().for_each(|w| *w *= factor);
    }
    slice(w, 2).iter_mut().for_each(|w| *w /= factor);
}

/// The preconditioner, a factor of ε for each of `num_tensors` tensors, under which a chain around the rescaled parameter is the image of
/// the chain around the original one.
pub fn invariant_preconditioner(num_tensors: usize, factor: f64) -> Vec<f64> {
    let square = factor * factor;
    (0..num_tensors)
        .map(|tensor| match tensor {
            0 | 1 => square,
            2 => 1.0 / square,
            _ => 1.0,
        })
        .collect()
}

/// The elements of one tensor.
fn slice(w: &mut Params, tensor: usize) -> &mut [f64] {
    let range = w.layout().range(tensor);
    // Only the functions above call this: with a parameter in f64 on the CPU, as `draw` makes it.
    w.as_mut_slice().map(|w| &mut w[range]).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_have_their_fan_in_s_deviation_and_hidden_biases_the_law_that_was_asked_for() {
        let mut w = draw(Key::new(1), &[50, 2000, 20], Init::Normal { deviation: 1.0 }).unwrap();
        let second = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64;
        // Variance of a normal cut at ±2: 0.773741; relative deviations of the means below 0.3, 3.2 and 0.5 %.
        assert!((second(slice(&mut w, 0)) * 50.0 / 0.773_741 - 1.0).abs() < 0.03);
        assert!((second(slice(&mut w, 1)) - 1.0).abs() < 0.2);
        assert!((second(slice(&mut w, 2)) * 2000.0 / 0.773_741 - 1.0).abs() < 0.03);
        assert_eq!(second(slice(&mut w, 3)), 0.0);
    }

    #[test]
    fn copies_of_a_unit_have_its_weights_and_its_bias() {
        let mut w = draw(Key::new(1), &[3, 5, 2], Init::Normal { deviation: 1.0 }).unwrap();
        let before = w.try_clone().unwrap();
        copy_first_unit(&mut w, &[1, 4]);
        for unit in 0..5 {
            let from = if [1, 4].contains(&unit) { 0 } else { unit };
            assert_eq!(w.view(0).get(unit), before.view(0).get(from));
            assert_eq!(w.view(1).double_value(&[unit]), before.view(1).double_value(&[from]));
        }
    }
}
