//! Draws the inputs of synthetic regression, each row a function of (key, row): nothing is stored, memory doesn't grow with n.

use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;
use tch::{Device, Kind, Tensor};

use crate::config::dln::InputDist;
use crate::params::Element;
use crate::rng::{Key, LANES, ROW, blocks_at, fill_normal};
use crate::vectors::vectorised;

/// Half the width of the uniform distribution's support, as in the published experiments.
const HALF_WIDTH: f32 = 10.0;

/// Samples per piece of work of [`SyntheticInputs::gram`]: 4096·1500 f64 are 49 MB, the most that it holds.
const CHUNK: u64 = 4096;

/// Coordinates that one block of random words makes.
const PER_BLOCK: usize = 4;

/// So few numbers are filled faster by one thread than shared out: it makes a thousand in a microsecond or two.
const ALONE: usize = 1 << 14;

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

    /// The second moment XᵀX/n, shape `[dim, dim]`, f64, summed in an order that doesn't depend on the number of threads
    /// but for libtorch's own matrix product. `None` if `cancel` was raised before all rows were read.
    pub fn gram(&self, cancel: &AtomicBool) -> Result<Option<Tensor>, tch::TchError> {
        let dim = self.dim as i64;
        let mut gram = Tensor::f_zeros([dim, dim], (Kind::Double, Device::Cpu))?;
        let mut columns = vec![0f64; CHUNK.min(self.n) as usize * self.dim];
        let mut first = 0;
        while first < self.n {
            if cancel.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let count = CHUNK.min(self.n - first);
            let chunk = &mut columns[..count as usize * self.dim];
            self.fill_columns(&(first..first + count).collect::<Vec<_>>(), chunk);
            let x = Tensor::f_from_slice(chunk)?.f_view([dim, count as i64])?;
            gram = gram.f_addmm_(&x, &x.f_tr()?)?;
            first += count;
        }
        gram.f_divide_scalar(self.n as f64).map(Some)
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

/// Uniform on (−10, 10), from 25 bits of which the last is 1: symmetric, and never on the border.
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
    fn second_moments_are_those_of_the_distribution() {
        let (d, n) = (5, 200_000);
        for (dist, expected, fourth) in [
            // Var(x²) of U(−10, 10): 10⁴(1/5 − 1/9).
            (InputDist::Uniform, 100.0 / 3.0, 1e4 * (1.0 / 5.0 - 1.0 / 9.0)),
            (InputDist::UnitBall, 1.0 / 7.0, 1.0 / 7.0f64),
            (InputDist::Normal, 1.0, 2.0),
        ] {
            let gram = SyntheticInputs::new(Key::new(4), dist, d, n).gram(&AtomicBool::new(false)).unwrap().unwrap();
            for i in 0..d as i64 {
                for j in 0..d as i64 {
                    let expected = if i == j { expected } else { 0.0 };
                    let bound = 6.0 * (fourth.max(1e4 / 9.0 * f64::from(dist == InputDist::Uniform)) / n as f64).sqrt();
                    assert!((gram.double_value(&[i, j]) - expected).abs() < bound, "{dist:?} [{i},{j}]");
                }
            }
        }
    }

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
