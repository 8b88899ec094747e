//! Multiplies by K + ridge·I in f64, with blocks of K that are kept or made again at every product.
//!
//! K is symmetric: only blocks on and below the diagonal are made, each is used for its rows and its columns, and for all right-hand sides at once.
//!
//! *Tested by*: the whole matrix, with and without kept blocks.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use tch::{Kind, TchError, Tensor};

use super::{Inputs, KernelRegressionError, lower_tiles};

/// Blocks timed to estimate the time of all.
const NUM_TIMED: usize = 4;

/// K + ridge·I of some inputs.
#[derive(Debug)]
pub struct KernelMatrix {
    inputs: Inputs,
    ridge: f64,
    /// Blocks on and below the diagonal; empty where they are made again each time.
    kept: Vec<Tensor>,
}

impl KernelMatrix {
    /// That of `inputs`; nothing of it is kept.
    pub fn new(inputs: Inputs, ridge: f64) -> KernelMatrix {
        KernelMatrix { inputs, ridge, kept: Vec::new() }
    }

    /// Makes every block once and keeps it: 4 n² bytes and some.
    ///
    /// # Errors
    /// [`KernelRegressionError::Cancelled`], or whatever libtorch reports.
    pub fn keep(&mut self, cancel: &AtomicBool) -> Result<(), KernelRegressionError> {
        let mut kept = Vec::new();
        for (rows, columns) in lower_tiles(self.len()) {
            check(cancel)?;
            kept.push(self.inputs.block(&rows, &self.inputs, &columns, Kind::Double)?);
        }
        self.kept = kept;
        Ok(())
    }

    /// Number of rows n.
    pub fn len(&self) -> usize {
        self.inputs.len()
    }

    /// Whether it has no row.
    pub fn is_empty(&self) -> bool {
        self.inputs.is_empty()
    }

    /// The inputs whose kernel it is.
    pub fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    /// What is added to the diagonal.
    pub fn ridge(&self) -> f64 {
        self.ridge
    }

    /// (K + ridge·I)·V for V of shape `[n, c]` in f64.
    ///
    /// # Errors
    /// [`KernelRegressionError::Cancelled`], or whatever libtorch reports.
    pub fn times(&self, v: &Tensor, cancel: &AtomicBool) -> Result<Tensor, KernelRegressionError> {
        let product = v.f_mul_scalar(self.ridge)?;
        for (index, (rows, columns)) in lower_tiles(self.len()).enumerate() {
            check(cancel)?;
            match self.kept.get(index) {
                Some(block) => multiply(block, (&rows, &columns), v, &product)?,
                None => {
                    let block = self.inputs.block(&rows, &self.inputs, &columns, Kind::Double)?;
                    multiply(&block, (&rows, &columns), v, &product)?;
                }
            }
        }
        Ok(product)
    }

    /// Seconds that one product is expected to take with `num_columns` right-hand sides, from a few blocks.
    ///
    /// # Errors
    /// Errors of libtorch.
    pub fn seconds_per_product(&self, num_columns: i64) -> Result<f64, KernelRegressionError> {
        let v = Tensor::f_ones([self.len() as i64, num_columns], (Kind::Double, self.inputs.device()))?;
        let product = v.f_zeros_like()?;
        let num_tiles = lower_tiles(self.len()).count();
        let mut seconds = Vec::new();
        // The first finds caches cold.
        for (rows, columns) in lower_tiles(self.len()).skip(num_tiles / 2).take(NUM_TIMED + 1) {
            let began = Instant::now();
            let block = self.inputs.block(&rows, &self.inputs, &columns, Kind::Double)?;
            multiply(&block, (&rows, &columns), &v, &product)?;
            // A GPU is waited for.
            let _ = product.f_double_value(&[0, 0])?;
            seconds.push(began.elapsed().as_secs_f64());
        }
        let timed = if seconds.len() > 1 { &seconds[1..] } else { &seconds[..] };
        Ok(num_tiles as f64 * timed.iter().sum::<f64>() / timed.len().max(1) as f64)
    }
}

/// Adds a block's part of the product, its rows' and, off the diagonal, its columns'.
pub(super) fn multiply(
    block: &Tensor,
    (rows, columns): (&std::ops::Range<usize>, &std::ops::Range<usize>),
    v: &Tensor,
    product: &Tensor,
) -> Result<(), TchError> {
    let part =
        |tensor: &Tensor, range: &std::ops::Range<usize>| tensor.f_narrow(0, range.start as i64, range.len() as i64);
    let _ = part(product, rows)?.f_addmm_(block, &part(v, columns)?)?;
    if rows != columns {
        let _ = part(product, columns)?.f_addmm_(&block.f_tr()?, &part(v, rows)?)?;
    }
    Ok(())
}

/// Fails where the flag is raised.
pub(super) fn check(cancel: &AtomicBool) -> Result<(), KernelRegressionError> {
    match cancel.load(Ordering::Relaxed) {
        true => Err(KernelRegressionError::Cancelled),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::gaussian::testing::points;
    use super::*;

    #[test]
    fn a_product_is_that_of_the_whole_matrix_kept_or_not() {
        let n = 1500;
        let inputs = Inputs::new(&points(n, 6, 3), 0.1).unwrap();
        let whole = inputs.block(&(0..n), &inputs, &(0..n), Kind::Double).unwrap();
        let v = points(n, 3, 4);
        let expected = whole.mm(&v) + 0.25 * &v;
        let cancel = AtomicBool::new(false);
        let mut matrix = KernelMatrix::new(inputs, 0.25);
        for _ in 0..2 {
            let found = matrix.times(&v, &cancel).unwrap();
            assert!((found - &expected).abs().max().double_value(&[]) < 1e-10);
            matrix.keep(&cancel).unwrap();
        }
        assert!(matrix.seconds_per_product(3).unwrap() > 0.0);
        cancel.store(true, Ordering::Relaxed);
        assert!(matches!(matrix.times(&v, &cancel), Err(KernelRegressionError::Cancelled)));
    }
}
