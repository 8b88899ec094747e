//! Solves A·X = B for a symmetric positive matrix by flexible, preconditioned conjugate gradients, all columns of B side by side.
//!
//! z = P⁻¹r, p ← z − (z·Ap)/(p·Ap)·p, x ← x + (p·r)/(p·Ap)·p, r ← r − (p·r)/(p·Ap)·Ap, each column with factors of its own; the products with A and
//! P⁻¹ are those of all columns at once. The first factor is the flexible one (Notay): P⁻¹ may change from step to step, as that of an
//! inner iteration does; for a fixed P⁻¹ it is the usual one up to rounding.
//!
//! *Reference*: Notay (2000), "Flexible conjugate gradients", SIAM J. Sci. Comput. 22(4), algorithm 2.1 with m = 1.
//! *Tested by*: exactness after as many steps as there are different eigenvalues; a stop and a restart.

use tch::{Kind, TchError, Tensor};

/// An iteration under way.
#[derive(Debug)]
pub struct ConjugateGradient {
    /// X, shape `[n, c]`.
    pub solution: Tensor,
    /// B − A·X, as the recursion has it.
    pub residual: Tensor,
    /// p and A·p; zeros before the first step.
    pub direction: Tensor,
    /// See `direction`.
    pub image: Tensor,
    /// ‖B‖ of each column, shape `[c]`.
    pub scale: Tensor,
    /// Steps made.
    pub num_steps: u64,
}

/// What a step found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It is made.
    Made,
    /// Some direction has no positive curvature, so that the matrix is not positive, to rounding: the step was not made for it.
    NotPositive,
}

impl ConjugateGradient {
    /// From X = 0, for the right-hand sides `b`, shape `[n, c]`.
    ///
    /// # Errors
    /// Errors of libtorch.
    pub fn start(b: &Tensor) -> Result<ConjugateGradient, TchError> {
        Ok(ConjugateGradient {
            solution: b.f_zeros_like()?,
            residual: b.f_detach_copy()?,
            direction: b.f_zeros_like()?,
            image: b.f_zeros_like()?,
            // A column of zeros is solved by zeros.
            scale: norms(b)?.f_clamp_min(f64::from(f32::MIN_POSITIVE))?,
            num_steps: 0,
        })
    }

    /// Makes a step, given P⁻¹ and A.
    ///
    /// # Errors
    /// What `precondition`, `product` or libtorch report.
    pub fn step<E: From<TchError>>(
        &mut self,
        precondition: impl FnOnce(&Tensor) -> Result<Tensor, E>,
        product: impl FnOnce(&Tensor) -> Result<Tensor, E>,
    ) -> Result<Step, E> {
        let z = precondition(&self.residual)?;
        let along = ratio(&dots(&z, &self.image)?, &dots(&self.direction, &self.image)?)?;
        let direction = z.f_sub(&self.direction.f_mul(&along)?)?;
        self.image = product(&direction)?;
        self.direction = direction;
        let curvature = dots(&self.direction, &self.image)?;
        let factor = ratio(&dots(&self.direction, &self.residual)?, &curvature)?;
        self.solution = self.solution.f_add(&self.direction.f_mul(&factor)?)?;
        self.residual = self.residual.f_sub(&self.image.f_mul(&factor)?)?;
        self.num_steps += 1;
        // A column that is solved has no direction left.
        let is_moving = dots(&self.direction, &self.direction)?.f_gt(0.0)?;
        let is_flat = curvature.f_le(0.0)?.f_logical_and(&is_moving)?.f_any()?;
        Ok(if is_flat.f_int64_value(&[])? != 0 { Step::NotPositive } else { Step::Made })
    }

    /// The largest ‖B − A·X‖/‖B‖ of a column.
    ///
    /// # Errors
    /// Errors of libtorch.
    pub fn relative_residual(&self) -> Result<f64, TchError> {
        norms(&self.residual)?.f_div(&self.scale)?.f_max()?.f_double_value(&[])
    }
}

fn norms(v: &Tensor) -> Result<Tensor, TchError> {
    v.f_square()?.f_sum_dim_intlist(0, false, None::<Kind>)?.f_sqrt()
}

fn dots(a: &Tensor, b: &Tensor) -> Result<Tensor, TchError> {
    a.f_mul(b)?.f_sum_dim_intlist(0, false, None::<Kind>)
}

/// a/b, and 0 where b is not positive.
fn ratio(a: &Tensor, b: &Tensor) -> Result<Tensor, TchError> {
    let is_positive = b.f_gt(0.0)?;
    a.f_div(&b.f_where_self(&is_positive, &b.f_ones_like()?)?)?.f_mul(&is_positive.f_to_kind(a.kind())?)
}

#[cfg(test)]
mod tests {
    use super::super::gaussian::testing::points;
    use super::*;

    /// A symmetric matrix of 30 rows with the eigenvalues 1, 10 and 100.
    fn matrix() -> Tensor {
        let (q, _) = Tensor::linalg_qr(&points(30, 30, 8), "reduced");
        let values: Vec<f64> = (0..30).map(|i| [1.0, 10.0, 100.0][i % 3]).collect();
        q.matmul(&Tensor::from_slice(&values).diag(0)).matmul(&q.tr())
    }

    fn same(x: &Tensor) -> Result<Tensor, TchError> {
        x.f_detach_copy()
    }

    #[test]
    fn three_different_eigenvalues_take_three_steps_for_every_column() {
        let (a, b) = (matrix(), points(30, 4, 9));
        let mut cg = ConjugateGradient::start(&b).unwrap();
        for step in 1..=3 {
            assert_eq!(cg.step(same, |p| a.f_mm(p)).unwrap(), Step::Made);
            assert_eq!(cg.relative_residual().unwrap() < 1e-10, step == 3, "step {step}");
        }
        assert!((a.mm(&cg.solution) - b).abs().max().double_value(&[]) < 1e-9);
    }

    #[test]
    fn one_step_suffices_with_the_inverse_and_a_zero_column_stays_zero() {
        let (a, b) = (matrix(), points(30, 2, 10));
        let b = Tensor::cat(&[&b, &b.narrow(1, 0, 1).zeros_like()], 1);
        let inverse = a.inverse();
        let mut cg = ConjugateGradient::start(&b).unwrap();
        assert_eq!(cg.step(|r| inverse.f_mm(r), |p| a.f_mm(p)).unwrap(), Step::Made);
        assert!(cg.relative_residual().unwrap() < 1e-12);
        assert_eq!(cg.solution.narrow(1, 2, 1).abs().max().double_value(&[]), 0.0);
    }

    #[test]
    fn a_matrix_that_is_not_positive_is_noticed() {
        let a = -matrix();
        let mut cg = ConjugateGradient::start(&points(30, 2, 11)).unwrap();
        assert_eq!(cg.step(same, |p| a.f_mm(p)).unwrap(), Step::NotPositive);
    }
}
