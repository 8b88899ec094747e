//! Solves (K + ridge·I)·α = Y by a Cholesky factor of the whole matrix, in f64.
//!
//! *Tested by*: two samples by hand; the iterative solver.

use std::sync::atomic::AtomicBool;

use tch::{Kind, Tensor};

use super::kernel_matrix::check;
use super::{Inputs, KernelRegressionError, lower_tiles, memory};

/// α, shape `[n, c]`, for the targets `y` of that shape in f64. It can be cancelled until the factor is begun.
///
/// # Errors
/// [`KernelRegressionError::Memory`] before anything is computed, [`KernelRegressionError::Singular`], or whatever libtorch reports.
pub fn solve(inputs: &Inputs, ridge: f64, y: &Tensor, cancel: &AtomicBool) -> Result<Tensor, KernelRegressionError> {
    let n = inputs.len();
    let needed = memory::direct_bytes(n);
    if inputs.device() == tch::Device::Cpu {
        memory::ensure(
            format!("the direct solver for {n} samples"),
            needed,
            "use --solver iterative, or fewer samples",
        )?;
    }
    let mut matrix = Tensor::f_empty([n as i64, n as i64], (Kind::Double, inputs.device()))?;
    for (rows, columns) in lower_tiles(n) {
        check(cancel)?;
        let block = inputs.block(&rows, inputs, &columns, Kind::Double)?;
        let place = matrix.f_narrow(0, rows.start as i64, rows.len() as i64)?;
        place.f_narrow(1, columns.start as i64, columns.len() as i64)?.f_copy_(&block)?;
    }
    // Only the lower triangle is read.
    let _ = matrix.f_diagonal(0, 0, 1)?.f_add_scalar_(ridge)?;
    let (factor, info) = matrix.f_linalg_cholesky_ex(false, false)?;
    matrix = factor;
    if info.f_int64_value(&[])? != 0 {
        return Err(KernelRegressionError::singular(n, ridge));
    }
    Ok(y.f_cholesky_solve(&matrix, false)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_samples_are_solved_as_by_hand() {
        let inputs = Inputs::new(&Tensor::from_slice(&[0.0f64, 1.0]).view([2, 1]), 0.5).unwrap();
        let y = Tensor::from_slice(&[1.0f64, 0.0]).view([2, 1]);
        let alpha = solve(&inputs, 0.1, &y, &AtomicBool::new(false)).unwrap();
        let (diagonal, k) = (1.1, (-0.5f64).exp());
        let determinant = diagonal * diagonal - k * k;
        assert!((alpha.double_value(&[0, 0]) - diagonal / determinant).abs() < 1e-14);
        assert!((alpha.double_value(&[1, 0]) + k / determinant).abs() < 1e-14);
    }

    #[test]
    fn two_pictures_that_are_the_same_are_singular_without_a_ridge() {
        let inputs = Inputs::new(&Tensor::from_slice(&[0.5f64, 0.5, 3.0]).view([3, 1]), 1.0).unwrap();
        let y = Tensor::from_slice(&[1.0f64, 0.0, 1.0]).view([3, 1]);
        let error = solve(&inputs, 0.0, &y, &AtomicBool::new(false)).unwrap_err().to_string();
        assert!(error.contains("singular to rounding") && error.contains("--ridge, such as 1e-8"), "{error}");
        assert!(solve(&inputs, 1e-8, &y, &AtomicBool::new(false)).is_ok());
    }
}
