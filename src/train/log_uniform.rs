//! Starts weights with a uniform logarithm: ln|w| ~ U(low, high), either sign as likely; what has one dimension (biases, norms) is left.
//!
//! *Tested by*: the range, the mean of the logarithm, the share of signs.

use crate::params::{FloatType, Params};
use crate::rng::{Key, Real};

/// Draws the matrices and kernels of `w`, on the CPU, from the stream `key`, with the ends `[low, high]` of ln|w|.
pub fn log_uniform_start(w: &mut Params, [low, high]: [f64; 2], key: Key) {
    let layout = w.layout().clone();
    let ranges: Vec<_> = layout.specs().iter().enumerate().filter(|(_, spec)| spec.shape.len() > 1).collect();
    for (index, _) in ranges {
        let range = layout.range(index);
        let key = key.part(index as u64);
        match w.float_type() {
            FloatType::F64 => {
                w.as_mut_slice::<f64>().into_iter().for_each(|all| fill(&mut all[range.clone()], low, high, key))
            }
            FloatType::F32 => {
                w.as_mut_slice::<f32>().into_iter().for_each(|all| fill(&mut all[range.clone()], low, high, key))
            }
        }
    }
}

fn fill<T: Real>(out: &mut [T], low: f64, high: f64, key: Key) {
    for (i, w) in (0..).zip(out) {
        let size = (low + (high - low) * key.uniform(2 * i)).exp();
        *w = T::of(if key.word(2 * i + 1) & 1 == 0 { size } else { -size });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tch::{Device, Kind};

    use super::*;
    use crate::params::{Layout, ParamSpec};
    use crate::rng::Role;
    use crate::tensors::Tensors;

    #[test]
    fn logarithms_are_uniform_signs_even_and_biases_left_alone() {
        let spec = |name: &str, shape: &[i64]| ParamSpec { name: name.to_owned(), shape: shape.to_vec() };
        let layout = Arc::new(Layout::new(vec![spec("fc.weight", &[200, 300]), spec("fc.bias", &[200])]));
        let mut w = Params::zeros_on(&layout, Kind::Float, Device::Cpu).unwrap();
        log_uniform_start(&mut w, [-8.0, 1.0], Key::new(4).role(Role::Init));
        let all = w.as_slice::<f32>().unwrap();
        let (weights, biases) = all.split_at(60_000);
        assert!(biases.iter().all(|bias| *bias == 0.0));
        let logs: Vec<f64> = weights.iter().map(|w| f64::from(w.abs()).ln()).collect();
        assert!(logs.iter().all(|log| (-8.001..1.001).contains(log)));
        // Of U(−8, 1): mean −3.5, variance 81/12; of signs: variance 1.
        let mean = logs.iter().sum::<f64>() / 6e4;
        assert!((mean + 3.5).abs() < 6.0 * (81.0f64 / 12.0 / 6e4).sqrt(), "{mean}");
        let signs = weights.iter().map(|w| f64::from(w.signum())).sum::<f64>() / 6e4;
        assert!(signs.abs() < 6.0 / 6e4f64.sqrt(), "{signs}");
    }
}
