//! Says what a solution α does: its outputs, its errors, its norm.
//!
//! ‖f_c‖² = α_cᵀKα_c, the squared norm of class c's function in the kernel's space; that of all classes is √(Σ_c ‖f_c‖²).
//!
//! *Tested by*: the definitions.

use std::sync::atomic::AtomicBool;

use tch::{Kind, TchError, Tensor};

use super::kernel_matrix::check;
use super::{Inputs, KernelMatrix, KernelRegressionError, stripes};

/// A solution: α, shape `[n, c]`, f64.
#[derive(Debug)]
pub struct Solution {
    /// α.
    pub alpha: Tensor,
}

/// How a solution does on its own samples.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// Share of the training samples whose largest output is not their label's.
    pub train_error: f64,
    /// Mean over samples and outputs of the squared error.
    pub train_loss: f64,
    /// ‖f_c‖ of each class.
    pub norms: Vec<f64>,
    /// √(Σ_c ‖f_c‖²).
    pub norm: f64,
    /// The largest ‖Y − (K + ridge·I)·α‖/‖Y‖ of a class, from α itself rather than the recursion.
    pub residual: f64,
}

impl Solution {
    /// The outputs f(x), shape `[m, c]`, for other samples.
    ///
    /// # Errors
    /// [`KernelRegressionError::Cancelled`], or whatever libtorch reports.
    pub fn outputs(
        &self,
        train: &Inputs,
        other: &Inputs,
        cancel: &AtomicBool,
    ) -> Result<Tensor, KernelRegressionError> {
        let num_columns = self.alpha.size().get(1).copied().unwrap_or(1);
        let outputs = Tensor::f_zeros([other.len() as i64, num_columns], (Kind::Double, other.device()))?;
        for rows in stripes(other.len()) {
            let mut part = outputs.f_narrow(0, rows.start as i64, rows.len() as i64)?;
            for columns in stripes(train.len()) {
                check(cancel)?;
                let block = other.block(&rows, train, &columns, Kind::Double)?;
                let _ = part.f_addmm_(&block, &self.alpha.f_narrow(0, columns.start as i64, columns.len() as i64)?)?;
            }
        }
        Ok(outputs)
    }

    /// How it does on the samples of `matrix`, whose targets are `y` and labels are `labels`: one product with the matrix.
    ///
    /// # Errors
    /// [`KernelRegressionError::Cancelled`], or whatever libtorch reports.
    pub fn fit(
        &self,
        matrix: &KernelMatrix,
        y: &Tensor,
        labels: &Tensor,
        cancel: &AtomicBool,
    ) -> Result<Fit, KernelRegressionError> {
        let product = matrix.times(&self.alpha, cancel)?;
        let columns = |tensor: Tensor| tensor.f_sum_dim_intlist(0, false, None::<Kind>);
        let residual = columns(y.f_sub(&product)?.f_square()?)?;
        let scale = columns(y.f_square()?)?.f_clamp_min(1e-300)?;
        let outputs = product.f_sub(&self.alpha.f_mul_scalar(matrix.ridge())?)?;
        let squares = columns(self.alpha.f_mul(&outputs)?)?;
        // Rounding may leave less than nothing of a zero.
        let norms: Vec<f64> =
            Vec::<f64>::try_from(&squares)?.into_iter().map(|square| square.max(0.0).sqrt()).collect();
        Ok(Fit {
            train_error: error_rate(&outputs, labels)?,
            train_loss: outputs.f_sub(y)?.f_square()?.f_mean(None::<Kind>)?.f_double_value(&[])?,
            norm: norms.iter().map(|norm| norm * norm).sum::<f64>().sqrt(),
            norms,
            residual: residual.f_div(&scale)?.f_max()?.f_double_value(&[])?.sqrt(),
        })
    }
}

/// Share of the rows of `outputs`, shape `[m, c]`, whose largest element is not at the row's label.
///
/// # Errors
/// Errors of libtorch.
pub fn error_rate(outputs: &Tensor, labels: &Tensor) -> Result<f64, TchError> {
    outputs.f_argmax(1, false)?.f_ne_tensor(labels)?.f_mean(Kind::Double)?.f_double_value(&[])
}

#[cfg(test)]
mod tests {
    use super::super::direct;
    use super::super::gaussian::testing::points;
    use super::*;

    #[test]
    fn an_interpolant_takes_its_targets_and_has_the_norm_of_its_definition() {
        let cancel = AtomicBool::new(false);
        let (n, c) = (60, 4);
        let x = points(n, 5, 14);
        let inputs = Inputs::new(&x, 0.5).unwrap();
        let labels = Tensor::from_slice(&(0..n as i64).map(|i| i * 7 % 5 % c).collect::<Vec<_>>());
        let y = labels.one_hot(c).to_kind(Kind::Double);
        let alpha = direct::solve(&inputs, 0.0, &y, &cancel).unwrap();
        let k = inputs.block(&(0..n), &inputs, &(0..n), Kind::Double).unwrap();
        let expected = alpha.tr().mm(&k).mm(&alpha).diag(0).sqrt();
        let solution = Solution { alpha };
        let other = Inputs::new(&x, 0.5).unwrap();
        let outputs = solution.outputs(&inputs, &other, &cancel).unwrap();
        assert!((&outputs - &y).abs().max().double_value(&[]) < 1e-8);
        let fit = solution.fit(&KernelMatrix::new(inputs, 0.0), &y, &labels, &cancel).unwrap();
        assert_eq!(fit.train_error, 0.0);
        assert!(fit.residual < 1e-10 && fit.train_loss < 1e-16, "{fit:?}");
        for (class, norm) in fit.norms.iter().enumerate() {
            assert!((norm - expected.double_value(&[class as i64])).abs() < 1e-9);
        }
        let wrong = Tensor::from_slice(&vec![0i64; n]);
        assert!(error_rate(&outputs, &wrong).unwrap() > 0.5);
    }
}
