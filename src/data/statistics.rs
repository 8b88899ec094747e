//! Measures images: how many of each class, and the mean and deviation of each channel, in units of 255 levels.
//!
//! Sums are of whole numbers, so that they are exact and depend on no order. The deviation is the population's.
//!
//! *Tested by*: a set by hand, and whole scaled sets, whose means and deviations must be 0 and 1.

use serde::Serialize;

use super::Pictures;

/// What images measure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Statistics {
    /// Number of images n.
    pub n: usize,
    /// Channels, rows, columns.
    pub shape: [usize; 3],
    /// Images of each class.
    pub class_counts: Vec<usize>,
    /// Mean of each channel, of bytes divided by 255.
    pub mean: Vec<f64>,
    /// Deviation of each channel, of bytes divided by 255.
    pub deviation: Vec<f64>,
}

impl Statistics {
    /// Measures.
    pub fn of(pictures: &Pictures) -> Statistics {
        let [channels, height, width] = pictures.shape;
        let plane_len = height * width;
        let mut sums = vec![(0u64, 0u64); channels];
        for picture in pictures.pixels.chunks_exact(pictures.picture_len().max(1)) {
            for (plane, (sum, squares)) in picture.chunks_exact(plane_len).zip(&mut sums) {
                *sum += plane.iter().map(|byte| u64::from(*byte)).sum::<u64>();
                *squares += plane.iter().map(|byte| u64::from(*byte).pow(2)).sum::<u64>();
            }
        }
        let count = (pictures.len() * plane_len) as f64;
        let mean = |sum: u64| sum as f64 / count;
        let deviation = |(sum, squares): &(u64, u64)| (mean(*squares) - mean(*sum).powi(2)).max(0.0).sqrt() / 255.0;
        Statistics {
            n: pictures.len(),
            shape: pictures.shape,
            class_counts: pictures.class_counts(),
            mean: sums.iter().map(|(sum, _)| mean(*sum) / 255.0).collect(),
            deviation: sums.iter().map(deviation).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_pictures_measure_as_by_hand() {
        let classes = vec!["a".to_owned(), "b".to_owned()];
        let pixels = vec![0, 255, 51, 51, 255, 0, 51, 153];
        let pictures = Pictures { shape: [2, 1, 2], pixels, labels: vec![1, 1], classes };
        let found = Statistics::of(&pictures);
        assert_eq!(found.class_counts, [0, 2]);
        // 0, 1, 1, 0 and 0.2, 0.2, 0.2, 0.6.
        let expected = [0.5, 0.5, 0.3, 0.03f64.sqrt()];
        let found = [found.mean[0], found.deviation[0], found.mean[1], found.deviation[1]];
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?}");
    }

    #[cfg(feature = "torch")]
    #[test]
    fn pictures_scaled_by_their_own_moments_have_mean_0_and_deviation_1() {
        use crate::data::{DatasetName, Normalise, Preprocessing, Split, load, test_fixture};
        use crate::samples::Samples;
        use tch::{Device, Kind};

        let pictures = load(DatasetName::Cifar10, &test_fixture("cifar10"), Split::Train).unwrap();
        let Statistics { mean, deviation, .. } = Statistics::of(&pictures);
        let [mean, deviation] = [mean, deviation].map(|numbers| numbers.iter().map(|x| *x as f32).collect());
        let preprocessing = Preprocessing { crop: None, normalise: Normalise::Channels { mean, deviation } };
        let samples = Samples::new(&pictures, &preprocessing).unwrap();
        let (x, _) = samples.range(0..200, Kind::Double, Device::Cpu).unwrap();
        let all = [0i64, 2, 3].as_slice();
        assert!(x.mean_dim(all, false, Kind::Double).abs().max().double_value(&[]) < 1e-6);
        assert!((x.std_dim(all, false, false) - 1.0).abs().max().double_value(&[]) < 1e-6);
    }
}
