//! Draws the inputs of synthetic regression, each row a function of (key, row): nothing is stored, memory doesn't grow with n.

use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;
use tch::{Device, Kind, Tensor};

use crate::config::dln::InputDist;
use crate::rng::{Key, ROW, fill_normal, unit_interval};

/// Half the width of the uniform distribution's support, as in the published experiments.
const HALF_WIDTH: f64 = 10.0;

/// Rows per piece of work of [`SyntheticInputs::gram`]: 4096·1500 f64 are 49 MB, the most that it holds.
const CHUNK_ROWS: u64 = 4096;

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

    /// Writes rows `indices` one behind the other into `out`, shape `[indices.len(), dim]`.
    pub fn fill_rows(&self, indices: impl Iterator<Item = u64>, out: &mut [f64]) {
        for (row, index) in out.chunks_exact_mut(self.dim).zip(indices) {
            self.fill_row(index, row);
        }
    }

    /// The second moment XᵀX/n, shape `[dim, dim]`, f64, summed in an order that doesn't depend on the number of threads
    /// but for libtorch's own matrix product. `None` if `cancel` was raised before all rows were read.
    pub fn gram(&self, cancel: &AtomicBool) -> Result<Option<Tensor>, tch::TchError> {
        let dim = self.dim as i64;
        let mut gram = Tensor::f_zeros([dim, dim], (Kind::Double, Device::Cpu))?;
        let mut rows = vec![0.0; CHUNK_ROWS.min(self.n) as usize * self.dim];
        let mut first = 0;
        while first < self.n {
            if cancel.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let count = CHUNK_ROWS.min(self.n - first);
            let chunk = &mut rows[..count as usize * self.dim];
            const BAND: usize = 64;
            chunk.par_chunks_mut(BAND * self.dim).enumerate().for_each(|(band, out)| {
                let start = first + (band * BAND) as u64;
                self.fill_rows(start..start + (out.len() / self.dim) as u64, out);
            });
            let x = Tensor::f_from_slice(chunk)?.f_view([count as i64, dim])?;
            gram = gram.f_addmm_(&x.f_tr()?, &x)?;
            first += count;
        }
        gram.f_divide_scalar(self.n as f64).map(Some)
    }

    fn fill_row(&self, index: u64, row: &mut [f64]) {
        match self.dist {
            InputDist::Uniform => self.fill_uniform(index, row),
            InputDist::UnitBall => {
                // A uniform direction, at a radius whose d-th power is uniform.
                let key = self.key.step(index);
                fill_normal(key, 0, row);
                let norm = row.iter().map(|x| x * x).sum::<f64>().sqrt();
                let radius = key.uniform(0).powf(1.0 / self.dim as f64);
                row.iter_mut().for_each(|x| *x *= radius / norm);
            }
        }
    }

    fn fill_uniform(&self, index: u64, row: &mut [f64]) {
        // One block gives two numbers of 52 bits.
        for (pair, out) in row.chunks_mut(2).enumerate() {
            let words = crate::rng::block(self.key.words(), [index as u32, (index >> 32) as u32, pair as u32, ROW]);
            for (x, word) in out
                .iter_mut()
                .zip([words[0] as u64 | (words[1] as u64) << 32, words[2] as u64 | (words[3] as u64) << 32])
            {
                *x = HALF_WIDTH * (2.0 * unit_interval(word) - 1.0);
            }
        }
    }
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
    fn a_row_depends_on_its_index_alone() {
        let inputs = SyntheticInputs::new(Key::new(4), InputDist::Uniform, 3, 10);
        let (mut all, mut some) = (vec![0.0; 30], vec![0.0; 6]);
        inputs.fill_rows(0..10, &mut all);
        inputs.fill_rows([7, 2].into_iter(), &mut some);
        assert_eq!(some, [&all[21..24], &all[6..9]].concat());
    }
}
