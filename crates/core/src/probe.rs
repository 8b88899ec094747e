//! Looks at the loss around w* before and after sampling: largest curvature, and whether w* is a minimum at all.

use crate::kernel::KernelError;
use crate::params::Params;
use crate::rng::Key;
use crate::target::{Batch, Target};
use crate::update;

/// Power iterations: enough for the few percent that a step size needs, also without a gap in the spectrum.
const POWER_ITERATIONS: usize = 20;

/// The largest curvature |h|_max of L at w*, by power iteration on products with the Hessian; 0 where L is flat to second order.
///
/// # Errors
/// [`KernelError::Diverged`] where the products at w* are not finite.
pub fn largest_curvature(target: &mut dyn Target, key: Key) -> Result<f64, KernelError> {
    let w_star = target.local().w_star().try_clone()?;
    let (mut direction, mut product) = (w_star.zeros_like()?, w_star.zeros_like()?);
    update::fill_standard_normal(key, &mut direction)?;
    let mut curvature = 0.0;
    for _ in 0..POWER_ITERATIONS {
        let norm = update::dot(&direction, &direction)?.sqrt();
        if !norm.is_finite() {
            return Err(KernelError::Diverged);
        }
        if norm == 0.0 {
            return Ok(0.0);
        }
        update::divide(norm, &mut direction)?;
        target.hessian_vector(&w_star, &direction, &mut product)?;
        // The Rayleigh quotient of a direction of length 1.
        curvature = update::dot(&direction, &product)?.abs();
        direction.copy_from(&product)?;
    }
    Ok(curvature)
}

/// Gradient steps of [`descent`]: at step 1/|h|_max they find what lies within reach along the steep directions, and multiply a move
/// along a negative curvature h by (1 + |h|/|h|_max)¹⁰⁰.
const DESCENT_STEPS: usize = 100;

/// Length of the random move that [`descent`] starts with, against a typical element of w*: it costs the square of that in loss,
/// and lets a direction of negative curvature show itself where the gradient is exactly zero.
const NUDGE: f64 = 1e-6;

/// nβ·(L(w*) − lowest L) over a hundred steps of plain gradient descent from beside w*: how far below w* the loss falls, in the
/// units of λ̂. Zero at a minimum.
///
/// Where probes look at a part of the samples the descent follows that part, and only its end is compared with w*, on all samples: what
/// it learnt of the part alone does not count.
///
/// # Errors
/// Errors of the target.
pub fn descent(target: &mut dyn Target, key: Key, largest_curvature: f64) -> Result<f64, KernelError> {
    if largest_curvature <= 0.0 || target.is_at_minimum() {
        return Ok(0.0);
    }
    let n_beta = target.local().n_beta();
    let mut w: Params = target.local().w_star().try_clone()?;
    let mut grad = w.zeros_like()?;
    let start = target.loss(&w, Batch::Probe)?;
    update::fill_standard_normal(key, &mut grad)?;
    let typical = (update::dot(&w, &w)? / w.len() as f64).sqrt().max(1.0);
    let nudge = grad.try_clone()?;
    update::add_scaled(NUDGE * typical / (w.len() as f64).sqrt(), &nudge, &mut w)?;
    let (mut lowest, mut previous) = (start, f64::INFINITY);
    let mut step = 1.0 / largest_curvature;
    for _ in 0..DESCENT_STEPS {
        let loss = target.loss_and_grad(&w, Batch::Probe, &mut grad)?;
        if !loss.is_finite() {
            break;
        }
        if loss > previous {
            step *= 0.5;
        }
        previous = loss;
        lowest = lowest.min(loss);
        update::add_scaled(-step, &grad, &mut w)?;
    }
    if !target.probes_a_part() {
        return Ok(n_beta * (start - lowest));
    }
    let start = match target.loss_at_centre(Batch::Full) {
        Some(loss) => loss,
        None => target.loss(&target.local().w_star().try_clone()?, Batch::Full)?,
    };
    let end = target.loss(&w, Batch::Full)?;
    // A comparison that NaN fails: an end that is not finite is not a descent.
    Ok(if end < start { n_beta * (start - end) } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::law::{GradientNoise, Law, LawTarget};

    fn quadratic(curvatures: &[f64]) -> LawTarget {
        LawTarget::new(Law::Quadratic { curvatures: curvatures.to_vec() }, GradientNoise::None, 100.0, 1.0).unwrap()
    }

    #[test]
    fn the_largest_curvature_of_a_quadratic_is_found() {
        let found = largest_curvature(&mut quadratic(&[0.0, 1.0, 9.0, 3.0]), Key::new(1)).unwrap();
        assert!((found / 9.0 - 1.0).abs() < 1e-6, "{found}");
        assert_eq!(largest_curvature(&mut quadratic(&[0.0, 0.0]), Key::new(1)).unwrap(), 0.0);
    }

    #[test]
    fn descent_finds_nothing_below_a_minimum_and_something_below_a_saddle() {
        assert_eq!(descent(&mut quadratic(&[0.0, 1.0, 9.0]), Key::new(1), 9.0).unwrap(), 0.0);
        // The gradient at the saddle is zero: only the first move betrays it.
        let below = descent(&mut quadratic(&[1.0, 9.0, -5.0]), Key::new(1), 9.0).unwrap();
        assert!(below > 1.0, "{below}");
        assert!(largest_curvature(&mut quadratic(&[1.0, -5.0]), Key::new(1)).unwrap() > 4.9);
    }
}
