//! Draws the weights that a network starts with, as PyTorch's layers or the original implementations do.
//!
//! With fan_in the inputs of one output (channels × kernel²), fan_out its counterpart:
//!   PyTorch's layers: W, b ~ U(−1/√fan_in, 1/√fan_in) (tch's own default is √6 times wider, and has no bias in convolutions),
//!   Glorot: W ~ N(0, 2/(fan_in + fan_out)), fan-out: W ~ N(0, 2/fan_out), Haiku: W ~ N(0, 1/fan_in), redrawn beyond two deviations;
//!   in all but PyTorch's, b = 0.
//!
//! *Reference*: Glorot and Bengio 2010, <https://proceedings.mlr.press/v9/glorot10a.html>, section 4.2 (there uniform); He et al. 2015,
//! <https://arxiv.org/abs/1502.01852>, eq. 14.
//! *Tested by*: moments and bounds of each law, below.

/// How the weight of a layer starts, before its shape is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Start {
    /// PyTorch's, bias included.
    Torch,
    /// Normal of variance 2/(fan_in + fan_out).
    GlorotNormal,
    /// Normal of variance 2/fan_out.
    FanOutNormal,
    /// Normal of variance 1/fan_in, cut at two deviations.
    FanInTruncatedNormal,
    /// Normal of this deviation.
    Normal(f64),
    /// Zero.
    Zeros,
}

impl Start {
    /// The law of a weight with these fans.
    pub fn weight(self, fan_in: usize, fan_out: usize) -> Init {
        let (fan_in, fan_out) = (fan_in as f64, fan_out as f64);
        match self {
            Start::Torch => Init::Uniform { bound: 1.0 / fan_in.sqrt() },
            Start::GlorotNormal => Init::Normal { deviation: (2.0 / (fan_in + fan_out)).sqrt() },
            Start::FanOutNormal => Init::Normal { deviation: (2.0 / fan_out).sqrt() },
            Start::FanInTruncatedNormal => Init::TruncatedNormal { deviation: 1.0 / fan_in.sqrt() },
            Start::Normal(deviation) => Init::Normal { deviation },
            Start::Zeros => Init::Zeros,
        }
    }

    /// The law of the bias beside that weight.
    pub fn bias(self, fan_in: usize) -> Init {
        match self {
            Start::Torch => self.weight(fan_in, 1),
            _ => Init::Zeros,
        }
    }
}

/// The law of each element of one tensor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// 0.
    Zeros,
    /// 1.
    Ones,
    /// Uniform on (−bound, bound).
    Uniform { bound: f64 },
    /// Normal around 0.
    Normal { deviation: f64 },
    /// Normal around 0, redrawn beyond two deviations; the deviation is not rescaled for the cut.
    TruncatedNormal { deviation: f64 },
}

#[cfg(feature = "torch")]
pub(super) use drawing::truncated_normal;

#[cfg(feature = "torch")]
mod drawing {
    use super::Init;
    use crate::rng::{Key, Real, fill_normal};

    impl Init {
        /// Draws all elements of `out` from the stream `key`.
        pub fn fill<T: Real>(self, key: Key, out: &mut [T]) {
            let scale = |out: &mut [T], deviation: f64| {
                out.iter_mut().for_each(|z| *z = T::of(deviation * z.wide()));
            };
            match self {
                Init::Zeros => out.fill(T::of(0.0)),
                Init::Ones => out.fill(T::of(1.0)),
                Init::Uniform { bound } => {
                    for (i, out) in out.iter_mut().enumerate() {
                        *out = T::of(bound * (2.0 * key.uniform(i as u64) - 1.0));
                    }
                }
                Init::Normal { deviation } => {
                    fill_normal(key, 0, out);
                    scale(out, deviation);
                }
                Init::TruncatedNormal { deviation } => {
                    truncated_normal(key, out);
                    scale(out, deviation);
                }
            }
        }
    }

    /// Standard normal numbers, redrawn beyond ±2.
    pub fn truncated_normal<T: Real>(key: Key, out: &mut [T]) {
        let two = T::of(2.0);
        fill_normal(key.step(0), 0, out);
        let mut fresh = vec![T::of(0.0); out.len()];
        let mut attempt = 0;
        while out.iter().any(|z| z.abs() > two) {
            attempt += 1;
            fill_normal(key.step(attempt), 0, &mut fresh);
            out.iter_mut().zip(&fresh).filter(|(z, _)| z.abs() > two).for_each(|(z, fresh)| *z = *fresh);
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use crate::model::init::Start;

        const N: usize = 40_000;

        fn draw(init: Init) -> Vec<f64> {
            let mut out = vec![0f64; N];
            init.fill(Key::new(3), &mut out);
            out
        }

        /// Asserts mean 0 and the given variance, each within six standard errors; `kurtosis` is that of the law.
        fn assert_moments(draws: &[f64], variance: f64, kurtosis: f64) {
            let n = draws.len() as f64;
            let mean = draws.iter().sum::<f64>() / n;
            let second = draws.iter().map(|x| x * x).sum::<f64>() / n;
            assert!(mean.abs() < 6.0 * (variance / n).sqrt(), "mean {mean}");
            let error = variance * ((kurtosis - 1.0) / n).sqrt();
            assert!((second - variance).abs() < 6.0 * error, "variance {second}, expected {variance}");
        }

        #[test]
        fn pytorch_s_weights_and_biases_are_uniform_within_one_over_the_root_of_fan_in() {
            for init in [Start::Torch.weight(27, 64), Start::Torch.bias(27)] {
                let draws = draw(init);
                let bound = 1.0 / 27f64.sqrt();
                assert!(draws.iter().all(|x| x.abs() < bound));
                assert_moments(&draws, bound * bound / 3.0, 9.0 / 5.0);
            }
        }

        #[test]
        fn glorot_and_fan_out_weights_are_normal_of_the_variance_stated() {
            assert_moments(&draw(Start::GlorotNormal.weight(30, 10)), 2.0 / 40.0, 3.0);
            assert_moments(&draw(Start::FanOutNormal.weight(30, 144)), 2.0 / 144.0, 3.0);
            assert_eq!(Start::FanOutNormal.bias(30), Init::Zeros);
        }

        #[test]
        fn haiku_s_weights_end_at_two_deviations_and_are_not_rescaled() {
            let draws = draw(Start::FanInTruncatedNormal.weight(16, 8));
            assert!(draws.iter().all(|x| x.abs() <= 2.0 / 4.0));
            // A normal cut at ±2 has variance 1 − 4φ(2)/(2Φ(2) − 1) and fourth moment 3·variance − 16φ(2)·2/(2·(2Φ(2) − 1)).
            let (density, mass) = (0.053_990_966_513_188, 0.954_499_736_103_642);
            let variance = 1.0 - 4.0 * density / mass;
            let fourth = 3.0 * variance - 16.0 * density / mass;
            assert_moments(&draws, variance / 16.0, fourth / (variance * variance));
        }
    }
}
