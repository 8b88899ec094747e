//! Sets elements to zero at random and scales the others, so that the mean stays: y = x·m/(1 − p), m ~ Bernoulli(1 − p).
//!
//! *Reference*: Srivastava et al. 2014, <https://jmlr.org/papers/v15/srivastava14a.html>, section 4; here scaled while training.
//! *Tested by*: the share of zeros and the mean, below.

use tch::{TchError, Tensor};

use crate::rng::Key;

/// Drops elements of `x` with probability `probability`, by the stream `key`: the same on every device.
pub(super) fn dropout(key: Key, probability: f64, x: Tensor) -> Result<Tensor, TchError> {
    if probability == 0.0 {
        return Ok(x);
    }
    let scale = (1.0 / (1.0 - probability)) as f32;
    // Two halves of each word, of 32 bits.
    let threshold = (probability * 4_294_967_296.0) as u32;
    let mask: Vec<f32> = (0..x.numel().div_ceil(2) as u64)
        .flat_map(|index| {
            let word = key.word(index);
            [word as u32, (word >> 32) as u32]
        })
        .take(x.numel())
        .map(|bits| if bits < threshold { 0.0 } else { scale })
        .collect();
    let mask = Tensor::f_from_slice(&mask)?.f_view(x.size().as_slice())?;
    x.f_mul(&mask.f_to_device_(x.device(), x.kind(), false, false)?)
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    #[test]
    fn the_share_of_zeros_is_the_probability_and_the_mean_stays() {
        let n = 40_001;
        let ones = Tensor::ones([n], (Kind::Float, Device::Cpu));
        let y = dropout(Key::new(1), 0.3, ones).unwrap();
        let zeros = n as f64 - y.count_nonzero(None::<i64>).int64_value(&[]) as f64;
        // Six standard errors.
        assert!((zeros / n as f64 - 0.3).abs() < 6.0 * (0.21 / n as f64).sqrt(), "{zeros} zeros");
        let values = (1.0 - zeros / n as f64) / 0.7;
        assert!((y.mean(None::<Kind>).double_value(&[]) - values).abs() < 1e-5);
    }

    #[test]
    fn the_same_key_drops_the_same_elements_and_another_others() {
        let draw = |key| dropout(key, 0.5, Tensor::ones([100], (Kind::Float, Device::Cpu))).unwrap();
        assert!(draw(Key::new(1)).equal(&draw(Key::new(1))));
        assert!(!draw(Key::new(1)).equal(&draw(Key::new(2))));
    }
}
