//! Draws the inputs of synthetic regression, each row a function of (key, row): nothing is stored, memory doesn't grow with n.

use rayon::prelude::*;
use serde::Serialize;

use crate::params::Element;
use crate::rng::{Key, LANES, ROW, blocks_at, fill_normal};
use crate::setting::choice;
use crate::vectors::vectorised;

/// Half the width of the uniform distribution's support, as in the published experiments.
const HALF_WIDTH: f32 = 10.0;

/// Coordinates that one block of random words makes.
const PER_BLOCK: usize = 4;

/// So few numbers are filled faster by one thread than shared out: it makes a thousand in a microsecond or two.
const ALONE: usize = 1 << 14;

/// The law of the inputs x.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum InputDist {
    /// Each coordinate uniform on (−10, 10).
    Uniform,
    /// Uniform in the unit ball.
    UnitBall,
    /// Each coordinate standard normal.
    Normal,
}

choice!(InputDist: Uniform = "uniform", UnitBall = "unit-ball", Normal = "normal");

/// A synthetic set of n inputs.
#[derive(Debug, Clone)]
pub struct SyntheticInputs {
    key: Key,
    dist: InputDist,
    dim: usize,
    n: u64,
}

impl SyntheticInputs {
    /// `n` inputs of dimension `dim` from the stream `key`.
    pub fn new(key: Key, dist: InputDist, dim: usize, n: u64) -> SyntheticInputs {
        SyntheticInputs { key, dist, dim, n }
    }

    /// Number of samples n.
    pub fn len(&self) -> u64 {
        self.n
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// Dimension of an input.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Writes the samples `indices` into `out`, shape `[dim, indices.len()]`: a sample a column. Uniform ones on all threads of the pool
    /// where there are many. A number is the same in both precisions: it has no more digits than f32 holds.
    pub fn fill_columns<T: Element>(&self, indices: &[u64], out: &mut [T]) {
        debug_assert_eq!(out.len(), indices.len() * self.dim);
        match self.dist {
            InputDist::Uniform => {
                let band = |(band, out): (usize, &mut [T])| self.fill_uniform(indices, (PER_BLOCK * band) as u32, out);
                if out.len() <= ALONE || rayon::current_num_threads() == 1 {
                    out.chunks_mut(PER_BLOCK * indices.len()).enumerate().for_each(band);
                } else {
                    out.par_chunks_mut(PER_BLOCK * indices.len()).enumerate().for_each(band);
                }
            }
            InputDist::UnitBall => self.fill_unit_ball(indices, out),
            InputDist::Normal => self.fill_normal(indices, out),
        }
    }

    /// The coordinates `first` … of the samples, up to four: each block of a sample's stream gives four. [`LANES`] samples side by
    /// side make a group of blocks.
    fn fill_uniform<T: Element>(&self, indices: &[u64], first: u32, out: &mut [T]) {
        vectorised(
            #[inline(always)]
            || {
                let len = indices.len();
                for (group, indices) in indices.chunks(LANES).enumerate() {
                    let samples: [u64; LANES] = std::array::from_fn(|lane| indices[lane.min(indices.len() - 1)]);
                    let words = blocks_at(self.key.words(), samples, [first / PER_BLOCK as u32, ROW]);
                    let numbers = words.map(|lanes| lanes.map(|word| T::of(uniform(word) as f64)));
                    for (coordinate, numbers) in out.chunks_exact_mut(len).zip(&numbers) {
                        let at = group * LANES;
                        coordinate[at..at + indices.len()].copy_from_slice(&numbers[..indices.len()]);
                    }
                }
            },
        );
    }

    /// A standard normal for each coordinate, rounded to what f32 holds.
    fn fill_normal<T: Element>(&self, indices: &[u64], out: &mut [T]) {
        let mut sample = vec![0f64; self.dim];
        for (at, &index) in indices.iter().enumerate() {
            fill_normal(self.key.step(index), 0, &mut sample);
            let places = out[at..].iter_mut().step_by(indices.len());
            places.zip(&sample).for_each(|(x, &z)| *x = T::of(z as f32 as f64));
        }
    }

    /// A uniform direction, at a radius whose d-th power is uniform.
    fn fill_unit_ball<T: Element>(&self, indices: &[u64], out: &mut [T]) {
        let mut direction = vec![0f64; self.dim];
        for (at, &index) in indices.iter().enumerate() {
            let key = self.key.step(index);
            fill_normal(key, 0, &mut direction);
            let norm = direction.iter().map(|x| x * x).sum::<f64>().sqrt();
            let scale = key.uniform(0).powf(1.0 / self.dim as f64) / norm;
            let places = out[at..].iter_mut().step_by(indices.len());
            places.zip(&direction).for_each(|(x, z)| *x = T::of((z * scale) as f32 as f64));
        }
    }
}

/// Uniform on (−10, 10), from 25 bits, the last of which is 1: symmetric, and never on the border.
#[inline(always)]
fn uniform(word: u32) -> f32 {
    // Odd, below 2²⁴ in size: exact in f32, so that the product rounds once.
    let odd = ((word >> 7) | 1) as i32 - (1 << 24);
    odd as f32 * (HALF_WIDTH / 16_777_216.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_precisions_see_the_same_samples() {
        for dist in [InputDist::Uniform, InputDist::UnitBall, InputDist::Normal] {
            let inputs = SyntheticInputs::new(Key::new(4), dist, 7, 1000);
            let indices: Vec<u64> = (0..1000).rev().collect();
            let (mut double, mut single) = (vec![0f64; 7000], vec![0f32; 7000]);
            inputs.fill_columns(&indices, &mut double);
            inputs.fill_columns(&indices, &mut single);
            assert!(double.iter().zip(&single).all(|(a, b)| *a == f64::from(*b)), "{dist:?}");
        }
    }

    #[test]
    fn uniform_inputs_fill_their_interval_evenly() {
        let inputs = SyntheticInputs::new(Key::new(4), InputDist::Uniform, 9, 100_000);
        let mut x = vec![0f32; 900_000];
        inputs.fill_columns(&(0..100_000).collect::<Vec<_>>(), &mut x);
        assert!(x.iter().all(|x| x.abs() < 10.0 && *x != 0.0));
        x.sort_by(f32::total_cmp);
        let n = x.len() as f64;
        let cdf = |x: f32| (f64::from(x) + 10.0) / 20.0;
        let distance = x.iter().enumerate().map(|(i, &x)| (cdf(x) - (i as f64 + 0.5) / n).abs()).fold(0.0, f64::max);
        // Kolmogorov–Smirnov: P(√n·D > 2.7) = 2·exp(−2·2.7²) ≈ 9·10⁻⁷.
        assert!(distance * n.sqrt() < 2.7, "{}", distance * n.sqrt());
    }

    #[test]
    fn a_sample_depends_on_its_index_alone_on_any_number_of_threads() {
        for dist in [InputDist::Uniform, InputDist::UnitBall, InputDist::Normal] {
            let inputs = SyntheticInputs::new(Key::new(4), dist, 7, 10_000);
            let (mut all, mut some) = (vec![0f64; 70_000], vec![0f64; 14]);
            let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
            pool.install(|| inputs.fill_columns(&(0..10_000).collect::<Vec<_>>(), &mut all));
            inputs.fill_columns(&[7000, 20], &mut some);
            for coordinate in 0..7 {
                assert_eq!(some[2 * coordinate], all[10_000 * coordinate + 7000]);
                assert_eq!(some[2 * coordinate + 1], all[10_000 * coordinate + 20]);
            }
        }
    }
}
