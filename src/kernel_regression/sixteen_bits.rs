//! Keeps the whole kernel matrix in a quarter of f64's memory: each value in 16 bits, blocks on and below the diagonal only, n² bytes in all.
//!
//! A value k in [0, 1] is stored as the whole number q nearest to 65535·k, less 32768. Its error is uniform within ±½/65535, of deviation
//! s = 1/(65535·√12) = 4.4·10⁻⁶; a symmetric matrix of such errors has norm 2s√n (Wigner's semicircle), and so much is added to the
//! diagonal beside the ridge, lest small eigenvalues turn negative. It is no matrix to solve with, but its solution is a preconditioner
//! for the exact one that needs a handful of iterations. bfloat16 and f16, of the same size, have errors 50 to 500 times as large.
//!
//! *Tested by*: products against the exact matrix, within the error above.

use std::ops::Range;
use std::sync::atomic::AtomicBool;

use tch::{Kind, TchError, Tensor};

use super::kernel_matrix::{check, multiply};
use super::{Inputs, KernelRegressionError, lower_tiles};

/// The largest stored value, 2¹⁶ − 1, and what is taken off it, 2¹⁵.
const LEVELS: f64 = 65_535.0;
const OFFSET: f64 = 32_768.0;

/// K in 16 bits, with something added to its diagonal.
#[derive(Debug)]
pub struct SixteenBits {
    /// All blocks, one behind the other: thousands of allocations would leave holes.
    values: Tensor,
    n: usize,
    diagonal: f64,
}

impl SixteenBits {
    /// That of `inputs`, at `ridge` and what the rounding needs.
    ///
    /// # Errors
    /// [`KernelRegressionError::Cancelled`], or whatever libtorch reports.
    pub fn new(inputs: &Inputs, ridge: f64, cancel: &AtomicBool) -> Result<SixteenBits, KernelRegressionError> {
        let n = inputs.len();
        let num_values: usize = lower_tiles(n).map(|(rows, columns)| rows.len() * columns.len()).sum();
        let values = Tensor::f_empty([num_values as i64], (Kind::Int16, inputs.device()))?;
        let mut first = 0;
        for (rows, columns) in lower_tiles(n) {
            check(cancel)?;
            let mut block = inputs.block(&rows, inputs, &columns, Kind::Float)?;
            let _ = block.f_mul_scalar_(LEVELS)?.f_sub_scalar_(OFFSET)?.f_round_()?;
            tile(&values, &mut first, (&rows, &columns))?.f_copy_(&block)?;
        }
        let deviation = 1.0 / (LEVELS * 12f64.sqrt());
        Ok(SixteenBits { values, n, diagonal: ridge + 2.0 * deviation * (n as f64).sqrt() })
    }

    /// What is added to the diagonal of K.
    pub fn diagonal(&self) -> f64 {
        self.diagonal
    }

    /// (K + diagonal·I)·V for V of shape `[n, c]` in f32.
    ///
    /// # Errors
    /// [`KernelRegressionError::Cancelled`], or whatever libtorch reports.
    pub fn times(&self, v: &Tensor, cancel: &AtomicBool) -> Result<Tensor, KernelRegressionError> {
        let product = v.f_zeros_like()?;
        let mut first = 0;
        for (rows, columns) in lower_tiles(self.n) {
            check(cancel)?;
            let block = tile(&self.values, &mut first, (&rows, &columns))?.f_to_kind(Kind::Float)?;
            multiply(&block, (&rows, &columns), v, &product)?;
        }
        Ok(self.scaled(product, v)?)
    }

    /// Makes of Q·V what it stands for: (Q·V + 2¹⁵·(1ᵀV))/(2¹⁶ − 1) + diagonal·V.
    fn scaled(&self, mut product: Tensor, v: &Tensor) -> Result<Tensor, TchError> {
        let sums = v.f_sum_dim_intlist(0, true, None::<Kind>)?.f_mul_scalar(OFFSET)?;
        let _ = product.f_add_(&sums)?.f_mul_scalar_(1.0 / LEVELS)?;
        product.f_add_(&v.f_mul_scalar(self.diagonal)?)
    }
}

/// The block of `rows` and `columns`, whose values begin at `first`, which moves on to the next block's.
fn tile(values: &Tensor, first: &mut i64, (rows, columns): (&Range<usize>, &Range<usize>)) -> Result<Tensor, TchError> {
    let shape = [rows.len() as i64, columns.len() as i64];
    let tile = values.f_narrow(0, *first, shape[0] * shape[1])?.f_view(shape)?;
    *first += shape[0] * shape[1];
    Ok(tile)
}

#[cfg(test)]
mod tests {
    use super::super::KernelMatrix;
    use super::super::gaussian::testing::points;
    use super::*;

    #[test]
    fn a_product_is_the_exact_one_up_to_the_norm_of_its_errors() {
        let n = 1300;
        let cancel = AtomicBool::new(false);
        let inputs = Inputs::new(&points(n, 20, 5), 0.02).unwrap();
        let sixteen = SixteenBits::new(&inputs, 0.0, &cancel).unwrap();
        let v = points(n, 4, 6);
        let exact = KernelMatrix::new(inputs, sixteen.diagonal()).times(&v, &cancel).unwrap();
        let found = sixteen.times(&v.to_kind(Kind::Float), &cancel).unwrap().to_kind(Kind::Double);
        let norm = |tensor: &Tensor| tensor.norm().double_value(&[]);
        // Errors of a random direction add to s√n·‖v‖; f32 adds as much again at worst.
        assert!(norm(&(found - exact)) < sixteen.diagonal() * norm(&v), "{}", sixteen.diagonal());
        assert!((sixteen.diagonal() - 2.0 * 4.405e-6 * (n as f64).sqrt()).abs() < 1e-7);
    }
}
