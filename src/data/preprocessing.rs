//! Says how bytes become a network's inputs: a centre crop, then a scale.
//!
//! | | equation, x = byte/255 |
//! |---|---|
//! | scale only | x |
//! | channels | (x − mean_c)/deviation_c |
//! | whitening | (x − m)/max(s, 1/√N), m and s the mean and the population deviation of the image's N numbers, all channels together |
//!
//! All in f32, in PyTorch's order of operations: the numbers are those of torchvision's `ToTensor` and `Normalize`, bit for bit.
//!
//! *Reference*: whitening is TensorFlow's `per_image_standardization`.
//! *Tested by*: published vectors of whitening, the bits of the same operations in libtorch.

use serde::{Deserialize, Serialize};

/// What is done to each image.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocessing {
    /// Rows and columns that are kept, in the middle; all if there are no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crop: Option<usize>,
    /// The scale.
    #[serde(default)]
    pub normalise: Normalise,
}

/// How an image's bytes are scaled.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "snake_case", deny_unknown_fields)]
pub enum Normalise {
    /// To [0, 1].
    #[default]
    Scale,
    /// To mean 0 and deviation 1 over a dataset, if these are its own.
    Channels {
        /// One a channel, of bytes divided by 255.
        mean: Vec<f32>,
        /// One a channel, above 0.
        deviation: Vec<f32>,
    },
    /// To mean 0 and deviation 1 within each image.
    Whitening,
}

impl Normalise {
    /// The means and deviations of CIFAR-10's training images, 32×32, as published with the wide residual networks (in levels:
    /// 125.3, 123.0, 113.9 and 63.0, 62.1, 66.7).
    pub fn cifar10() -> Normalise {
        Self::channels_of_levels([125.3, 123.0, 113.9], [63.0, 62.1, 66.7])
    }

    /// The means and deviations of the middle 28×28 of CIFAR-10's images.
    pub fn cifar10_centre() -> Normalise {
        Normalise::Channels {
            mean: vec![0.489_255, 0.475_775, 0.439_889],
            deviation: vec![0.243_047, 0.239_315, 0.255_997],
        }
    }

    fn channels_of_levels(mean: [f64; 3], deviation: [f64; 3]) -> Normalise {
        let scaled = |levels: [f64; 3]| levels.iter().map(|level| (level / 255.0) as f32).collect();
        Normalise::Channels { mean: scaled(mean), deviation: scaled(deviation) }
    }

    /// What each of the 256 bytes becomes in each channel of `picture`; `[C][256]`. One table for all images unless they are whitened.
    pub fn tables(&self, picture: &[u8], num_channels: usize) -> Vec<[f32; 256]> {
        match self {
            Self::Scale => vec![table(0.0, 1.0); num_channels],
            Self::Channels { mean, deviation } => mean.iter().zip(deviation).map(|(m, s)| table(*m, *s)).collect(),
            Self::Whitening => {
                let (mean, spread) = moments_of_bytes(picture);
                vec![table(mean, spread); num_channels]
            }
        }
    }

    /// Scales numbers in [0, 1] in place, shape `[C, H, W]`.
    pub fn apply(&self, picture: &mut [f32], num_channels: usize) {
        let scale = |numbers: &mut [f32], m: f32, s: f32| numbers.iter_mut().for_each(|x| *x = (*x - m) / s);
        match self {
            Self::Scale => {}
            Self::Channels { mean, deviation } => {
                let plane = (picture.len() / num_channels).max(1);
                let planes = picture.chunks_exact_mut(plane).zip(mean.iter().zip(deviation));
                planes.for_each(|(plane, (m, s))| scale(plane, *m, *s));
            }
            Self::Whitening => {
                let n = picture.len() as f64;
                let mean = picture.iter().map(|x| f64::from(*x)).sum::<f64>() / n;
                let variance = picture.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / n;
                scale(picture, mean as f32, spread(variance, n));
            }
        }
    }

    /// Why it can't be used on images of `num_channels` channels, if it can't.
    pub fn misfit(&self, num_channels: usize) -> Option<String> {
        let Self::Channels { mean, deviation } = self else { return None };
        if mean.len() != num_channels || deviation.len() != num_channels {
            let (m, s) = (mean.len(), deviation.len());
            return Some(format!("{m} means and {s} deviations: give one of each for the {num_channels} channels"));
        }
        let is_bad = mean.iter().any(|m| !m.is_finite()) || deviation.iter().any(|s| !(s.is_finite() && *s > 0.0));
        is_bad.then(|| "means must be finite and deviations above 0".to_owned())
    }
}

fn table(mean: f32, spread: f32) -> [f32; 256] {
    std::array::from_fn(|byte| (byte as f32 / 255.0 - mean) / spread)
}

/// Mean and spread of an image's bytes divided by 255, from sums of whole numbers: exact, in any order.
fn moments_of_bytes(picture: &[u8]) -> (f32, f32) {
    let n = picture.len() as f64;
    let sum: u64 = picture.iter().map(|byte| u64::from(*byte)).sum();
    let squares: u64 = picture.iter().map(|byte| u64::from(*byte).pow(2)).sum();
    let mean = sum as f64 / n;
    let variance = (squares as f64 / n - mean * mean).max(0.0) / (255.0 * 255.0);
    ((mean / 255.0) as f32, spread(variance, n))
}

/// max(s, 1/√N).
fn spread(variance: f64, n: f64) -> f32 {
    variance.sqrt().max(1.0 / n.sqrt()) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whitening_agrees_with_the_published_rows() {
        for (row, expected) in [
            ([0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]),
            ([0.0, 1.0, 2.0, 3.0], [-1.3416, -0.4472, 0.4472, 1.3416]),
            // Deviation 0.043, below 1/√4.
            ([0.5, 0.5, 0.5, 0.6], [-0.05, -0.05, -0.05, 0.15]),
        ] {
            let mut row: [f32; 4] = row;
            Normalise::Whitening.apply(&mut row, 1);
            assert!(row.iter().zip(expected).all(|(x, e): (&f32, f32)| (x - e).abs() < 5e-5), "{row:?}");
        }
    }

    #[test]
    fn a_table_does_to_bytes_what_is_done_to_numbers() {
        let picture: Vec<u8> = (0..12u32).map(|i| (i * i * 37 % 256) as u8).collect();
        let channels = Normalise::Channels { mean: vec![0.5, 0.25, 0.1], deviation: vec![0.2, 0.3, 0.4] };
        for normalise in [Normalise::Scale, channels, Normalise::Whitening] {
            let tables = normalise.tables(&picture, 3);
            let mut numbers: Vec<f32> = picture.iter().map(|byte| f32::from(*byte) / 255.0).collect();
            normalise.apply(&mut numbers, 3);
            for (i, (byte, number)) in picture.iter().zip(&numbers).enumerate() {
                let by_table = tables[i / 4][usize::from(*byte)];
                assert!((by_table - number).abs() < 1e-6, "{normalise:?}: {by_table} for {number}");
            }
        }
    }

    #[test]
    fn a_mean_too_few_and_a_deviation_of_0_are_refused() {
        assert_eq!(Normalise::cifar10().misfit(3), None);
        assert_eq!(Normalise::Whitening.misfit(1), None);
        assert!(Normalise::cifar10_centre().misfit(1).unwrap().contains("3 means and 3 deviations"));
        let flat = Normalise::Channels { mean: vec![0.0], deviation: vec![0.0] };
        assert!(flat.misfit(1).unwrap().contains("above 0"));
    }

    #[test]
    fn it_is_read_back_as_it_was_written() {
        for normalise in [Normalise::Scale, Normalise::cifar10(), Normalise::Whitening] {
            let preprocessing = Preprocessing { crop: Some(28), normalise };
            let text = serde_json::to_string(&preprocessing).unwrap();
            assert_eq!(serde_json::from_str::<Preprocessing>(&text).unwrap(), preprocessing, "{text}");
        }
    }
}
