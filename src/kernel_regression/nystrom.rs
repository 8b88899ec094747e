//! Knows the kernel's large eigenvalues, as r of the samples show them (Nyström), and preconditions by them.
//!
//! With C = K restricted to the r samples, and F = K_nr·C^(−½) in its Cholesky form, F·Fᵀ ≈ K. The eigenvalues Λ and vectors U (n×r) of F·Fᵀ come
//! from the r×r matrix FᵀF = VΛVᵀ, U = F·V·Λ^(−½); what it leaves of K, K − F·Fᵀ, is positive too. The preconditioner is
//! P⁻¹ = I + U·((λ_r + μ)(Λ + μ)⁻¹ − I)·Uᵀ, μ the ridge: it reduces the r largest eigenvalues to the smallest that it knows and leaves the
//! rest alone.
//!
//! *Reference*: Frangella, Tropp and Udell (2023), "Randomized Nyström preconditioning", <https://arxiv.org/abs/2110.02820>, equation 1.3; here
//! with samples instead of a random projection, as products with K are what is dear.
//! *Tested by*: a kernel of low rank, of which nothing is left but the smallest eigenvalue.

use std::ops::Range;
use std::sync::atomic::AtomicBool;

use tch::{Kind, TchError, Tensor};

use super::kernel_matrix::check;
use super::{Inputs, KernelRegressionError, stripes};
use crate::rng::{Key, Permutation};

/// Relative to r, what is added to C so that it has a Cholesky factor although samples may be alike.
const JITTER: f64 = 1e-12;
/// Eigenvalues below this share of the largest are rounding.
const SMALLEST: f64 = 1e-10;

/// U·Λ·Uᵀ, of rank r.
#[derive(Debug)]
pub struct Nystrom {
    /// U, shape `[n, r]`, f32: it need not be exact, only the same each time.
    vectors: Tensor,
    /// Λ, shape `[r, 1]`, f32, ascending.
    eigenvalues: Tensor,
}

impl Nystrom {
    /// That of `inputs`, from at most `rank` samples that `key` chooses.
    ///
    /// # Errors
    /// [`KernelRegressionError::Cancelled`], or whatever libtorch reports.
    pub fn new(inputs: &Inputs, rank: usize, key: Key, cancel: &AtomicBool) -> Result<Nystrom, KernelRegressionError> {
        let (n, rank) = (inputs.len(), rank.clamp(1, inputs.len()));
        let mut chosen = vec![0; rank];
        Permutation::new(key, n as u64).fill(0, &mut chosen);
        let few = inputs.at(&chosen)?;
        let all_few = 0..rank;
        let c = few.block(&all_few, &few, &all_few, Kind::Double)?;
        let jitter = Tensor::f_eye(rank as i64, (Kind::Double, inputs.device()))?.f_mul_scalar(JITTER * rank as f64)?;
        let factor = c.f_add(&jitter)?.f_linalg_cholesky(true)?;
        // F in f32, and FᵀF in f64: the latter loses half of the digits.
        let vectors = Tensor::f_empty([n as i64, rank as i64], (Kind::Float, inputs.device()))?;
        let mut gram = c.f_zeros_like()?;
        for rows in stripes(n) {
            check(cancel)?;
            let block = inputs.block(&rows, &few, &all_few, Kind::Double)?;
            let block = factor.f_linalg_solve_triangular(&block, true, false, false)?;
            let _ = gram.f_addmm_(&block.f_tr()?, &block)?;
            vectors.f_narrow(0, rows.start as i64, rows.len() as i64)?.f_copy_(&block)?;
        }
        let (eigenvalues, rotation) = gram.f_linalg_eigh("L")?;
        // Ascending: the first ones may be rounding.
        let values = Vec::<f64>::try_from(&eigenvalues)?;
        let largest = values.last().copied().unwrap_or(1.0);
        let first = values.iter().position(|&value| value > SMALLEST * largest).unwrap_or(0);
        let kept = (rank - first) as i64;
        let eigenvalues = eigenvalues.f_narrow(0, first as i64, kept)?;
        let turn = rotation.f_narrow(1, first as i64, kept)?.f_div(&eigenvalues.f_sqrt()?)?.f_to_kind(Kind::Float)?;
        for rows in stripes(n) {
            let part = vectors.f_narrow(0, rows.start as i64, rows.len() as i64)?;
            part.f_narrow(1, 0, kept)?.f_copy_(&part.f_mm(&turn)?)?;
        }
        let vectors = vectors.f_narrow(1, 0, kept)?;
        Ok(Nystrom { vectors, eigenvalues: eigenvalues.f_unsqueeze(1)?.f_to_kind(Kind::Float)? })
    }

    /// P⁻¹·R at the ridge μ, for R of shape `[n, c]`, in R's precision.
    ///
    /// # Errors
    /// Errors of libtorch.
    pub fn precondition(&self, r: &Tensor, ridge: f64) -> Result<Tensor, TchError> {
        let shifted = self.eigenvalues.f_add_scalar(ridge)?;
        let weights = shifted.f_narrow(0, 0, 1)?.f_div(&shifted)?.f_sub_scalar(1.0)?;
        r.f_add(&self.weighted(&r.f_to_kind(Kind::Float)?, &weights)?.f_to_kind(r.kind())?)
    }

    /// U·Λ·Uᵀ·V for V of shape `[n, c]` in f32.
    ///
    /// # Errors
    /// Errors of libtorch.
    pub fn times(&self, v: &Tensor) -> Result<Tensor, TchError> {
        self.weighted(v, &self.eigenvalues)
    }

    /// U·W·Uᵀ·V for the diagonal `weights`, shape `[r, 1]`.
    fn weighted(&self, v: &Tensor, weights: &Tensor) -> Result<Tensor, TchError> {
        self.vectors.f_mm(&self.vectors.f_tr()?.f_mm(v)?.f_mul(weights)?)
    }

    /// U·Λ·Uᵀ for the samples `rows` and `columns`, in f32.
    ///
    /// # Errors
    /// Errors of libtorch.
    pub fn block(&self, rows: &Range<usize>, columns: &Range<usize>) -> Result<Tensor, TchError> {
        let part = |range: &Range<usize>| self.vectors.f_narrow(0, range.start as i64, range.len() as i64);
        part(rows)?.f_mm(&part(columns)?.f_tr()?.f_mul(&self.eigenvalues)?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::gaussian::testing::points;
    use super::*;
    use crate::rng::Role;

    #[test]
    fn it_leaves_an_identity_where_the_chosen_samples_span_the_kernel() {
        // Forty different points, thirty times each: K has rank 40.
        let n = 1200;
        let x = points(40, 8, 7).repeat([30, 1]);
        let inputs = Inputs::new(&x, 0.2).unwrap();
        let ridge = 1e-3;
        let nystrom = Nystrom::new(&inputs, 400, Key::new(1).role(Role::Probe), &AtomicBool::new(false)).unwrap();
        let k = inputs.block(&(0..n), &inputs, &(0..n), Kind::Double).unwrap();
        let matrix = k + ridge * Tensor::eye(n as i64, (Kind::Double, tch::Device::Cpu));
        // P⁻¹(K + μI) has the eigenvalue λ_r + μ 40 times, else μ.
        let values = nystrom.precondition(&matrix, ridge).unwrap().linalg_eigvals().real();
        let values = Vec::<f64>::try_from(values).unwrap();
        let large: Vec<f64> = values.iter().copied().filter(|value| *value > 10.0 * ridge).collect();
        assert_eq!(large.len(), 40);
        let (min, max) = large.iter().fold((f64::MAX, 0.0f64), |(min, max), &v| (min.min(v), max.max(v)));
        assert!(max / min < 1.001, "{min} to {max}");
    }
}
