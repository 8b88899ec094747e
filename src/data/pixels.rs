//! Corrupts pixels, as the published experiments on memorisation do: shuffled by one permutation, by one an image, or replaced by noise.
//!
//! Channels move together. Permutations and noise are those of `torch.manual_seed(seed)` on the CPU, drawn image by image.
//!
//! *Reference*: Zhang et al. 2017, as in `labels`.
//! *Tested by*: PyTorch's permutations, pixels that are all still there, moments of the clamped noise.

use crate::data::Pictures;
use crate::rng::Mt19937;

/// Moves the pixels of all images by one permutation of places.
pub fn shuffle_pixels(pictures: &mut Pictures, seed: u32) {
    let order = Mt19937::new(seed).torch_permutation(pictures.shape[1] * pictures.shape[2]);
    move_pixels(pictures, || order.clone());
}

/// Moves the pixels of each image by its own permutation.
pub fn randomise_pixels(pictures: &mut Pictures, seed: u32) {
    let mut generator = Mt19937::new(seed);
    let plane_len = pictures.shape[1] * pictures.shape[2];
    move_pixels(pictures, || generator.torch_permutation(plane_len));
}

/// Place i of each plane gets what was at `order[i]`.
fn move_pixels(pictures: &mut Pictures, mut next_order: impl FnMut() -> Vec<usize>) {
    let [_, height, width] = pictures.shape;
    let mut old = vec![0; pictures.picture_len()];
    for picture in pictures.pixels.chunks_exact_mut(old.len().max(1)) {
        let order = next_order();
        old.copy_from_slice(picture);
        let planes = picture.chunks_exact_mut(height * width).zip(old.chunks_exact(height * width));
        for (plane, old) in planes {
            plane.iter_mut().zip(&order).for_each(|(pixel, from)| *pixel = old[*from]);
        }
    }
}

/// Numbers instead of `num_pictures` images, shape `[num_pictures, C, H, W]`: normal with the mean and deviation of each channel,
/// clamped to [0, 1]. They are to be given to a network as they are: four bytes a pixel, 470 MB for 50,000 images of 3×28×28.
pub fn gaussian_pixels(num_pictures: usize, shape: [usize; 3], mean: &[f32], deviation: &[f32], seed: u32) -> Vec<f32> {
    let [channels, height, width] = shape;
    debug_assert_eq!((mean.len(), deviation.len()), (channels, channels));
    let mut generator = Mt19937::new(seed);
    let mut pixels = vec![0.0; num_pictures * channels * height * width];
    for picture in pixels.chunks_exact_mut((channels * height * width).max(1)) {
        generator.torch_normal(picture);
        let planes = picture.chunks_exact_mut(height * width).zip(mean.iter().zip(deviation));
        for (plane, (mean, deviation)) in planes {
            plane.iter_mut().for_each(|x| *x = (*x * deviation + mean).clamp(0.0, 1.0));
        }
    }
    pixels
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{DatasetName, Normalise, Split, load, test_fixture};

    fn cropped() -> Pictures {
        load(DatasetName::Cifar10, &test_fixture("cifar10"), Split::Test).unwrap().cropped(28).unwrap()
    }

    #[test]
    fn pixels_go_where_pytorch_sends_them_with_their_channels() {
        let before = cropped();
        let [mut shuffled, mut random] = [before.clone(), before.clone()];
        shuffle_pixels(&mut shuffled, 42);
        randomise_pixels(&mut random, 42);
        for index in [0, 1, 2, 99] {
            for channel in 0..3 {
                let plane = |pictures: &Pictures| pictures.picture(index)[channel * 784..(channel + 1) * 784].to_vec();
                let old = plane(&before);
                let at = |places: [usize; 4]| places.map(|place| old[place]);
                assert_eq!(plane(&shuffled)[..4], at([470, 186, 370, 171]));
                match index {
                    0 => assert_eq!(plane(&random)[..4], at([470, 186, 370, 171])),
                    1 => assert_eq!(plane(&random)[..4], at([307, 62, 564, 544])),
                    2 => assert_eq!(plane(&random)[..4], at([436, 595, 384, 163])),
                    _ => {}
                }
                let sorted = |mut plane: Vec<u8>| {
                    plane.sort_unstable();
                    plane
                };
                assert_eq!(sorted(plane(&random)), sorted(old));
            }
        }
        assert_eq!(shuffled.labels, before.labels);
    }

    #[test]
    fn noise_has_the_moments_of_a_clamped_normal_in_each_channel() {
        let Normalise::Channels { mean, deviation } = Normalise::cifar10_centre() else { unreachable!() };
        let n = 200;
        let pixels = gaussian_pixels(n, [3, 28, 28], &mean, &deviation, 42);
        // The first number of the stream is 1.9269153.
        assert!((pixels[0] - (1.926_915_3 * deviation[0] + mean[0])).abs() < 1e-6);
        assert!(pixels.iter().all(|x| (0.0..=1.0).contains(x)));
        for channel in 0..3 {
            let (m, s) = (f64::from(mean[channel]), f64::from(deviation[channel]));
            let plane = pixels.chunks_exact(784).skip(channel).step_by(3).flatten();
            let found = plane.map(|x| f64::from(*x)).sum::<f64>() / (n * 784) as f64;
            // The mean of the clamped normal, ∫₀¹ (1 − Φ((x − m)/s)) dx, by the midpoint rule from the complementary error function.
            let expected = (0..1000).map(|i| upper_tail(((f64::from(i) + 0.5) / 1000.0 - m) / s)).sum::<f64>() / 1000.0;
            assert!((found - expected).abs() < 6.0 * s / ((n * 784) as f64).sqrt(), "{channel}: {found}, {expected}");
        }
    }

    /// 1 − Φ(x), integrated by Simpson's rule from the centre.
    fn upper_tail(x: f64) -> f64 {
        let density = |t: f64| (-t * t / 2.0).exp() / std::f64::consts::TAU.sqrt();
        let (steps, h) = (200, x / 200.0);
        let weight = |i: i32| if i == 0 || i == steps { 1.0 } else { f64::from(2 + 2 * (i % 2)) };
        0.5 - (0..=steps).map(|i| weight(i) * density(f64::from(i) * h)).sum::<f64>() * h / 3.0
    }
}
