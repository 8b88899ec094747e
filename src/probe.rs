//! Looks at the loss around w* before and after sampling: largest curvature, and whether w* is a minimum at all.

use crate::kernel::KernelError;
use crate::params::Params;
use crate::rng::Key;
use crate::target::{Batch, Target};
use crate::update;

/// Power iterations: enough for the few percent that a step size needs, also without a gap in the spectrum.
const POWER_ITERATIONS: usize = 20;

/// Displacement of the finite differences against max(1, ‖w*‖/√d): its square (truncation) and the rounding of f64 over it
/// both stay far below a percent; f32 needs the larger one.
const DISPLACEMENT_F64: f64 = 1e-4;
const DISPLACEMENT_F32: f64 = 1e-2;

/// The largest curvature h_max of L at w*, by power iteration on differences of exact gradients; 0 where L is flat to
/// second order.
pub fn largest_curvature(target: &mut dyn Target, key: Key) -> Result<f64, KernelError> {
    let w_star = target.local().w_star().try_clone()?;
    let relative = if w_star.kind() == tch::Kind::Float { DISPLACEMENT_F32 } else { DISPLACEMENT_F64 };
    let size = (update::dot(&w_star, &w_star)? / w_star.len() as f64).sqrt().max(1.0);
    let mut direction = w_star.zeros_like()?;
    update::fill_standard_normal(key, &mut direction)?;
    let mut curvature = 0.0;
    let (mut ahead, mut behind) = (w_star.zeros_like()?, w_star.zeros_like()?);
    for _ in 0..POWER_ITERATIONS {
        let norm = update::dot(&direction, &direction)?.sqrt();
        if !norm.is_finite() {
            return Err(KernelError::Diverged);
        }
        if norm == 0.0 {
            return Ok(0.0);
        }
        // The direction has length √d in w's own units, so that no element of a large model moves below its rounding.
        let step = relative * size / norm;
        let mut w = w_star.try_clone()?;
        update::add_scaled(step, &direction, &mut w)?;
        target.loss_and_grad(&w, Batch::Full, &mut ahead)?;
        w.copy_from(&w_star)?;
        update::add_scaled(-step, &direction, &mut w)?;
        target.loss_and_grad(&w, Batch::Full, &mut behind)?;
        update::add_scaled(-1.0, &behind, &mut ahead)?;
        // H·v = (∇L(w* + s·v) − ∇L(w* − s·v))/(2s) for the direction v; the Rayleigh quotient of v.
        curvature = update::dot(&direction, &ahead)? / (2.0 * step * norm * norm);
        direction.copy_from(&ahead)?;
    }
    Ok(curvature.max(0.0))
}

/// Gradient steps of [`descent`]: at step 1/h_max they find what lies within reach along the steep directions.
const DESCENT_STEPS: usize = 100;

/// nβ·(L(w*) − L(w)) after a hundred steps of plain gradient descent from w*: how far below w* the loss falls, in the units of
/// λ̂. Zero at a minimum.
pub fn descent(target: &mut dyn Target, largest_curvature: f64) -> Result<f64, KernelError> {
    if largest_curvature <= 0.0 {
        return Ok(0.0);
    }
    let n_beta = target.local().n_beta();
    let mut w: Params = target.local().w_star().try_clone()?;
    let mut grad = w.zeros_like()?;
    let start = target.loss_and_grad(&w, Batch::Full, &mut grad)?;
    let mut lowest = start;
    let mut step = 1.0 / largest_curvature;
    for _ in 0..DESCENT_STEPS {
        update::add_scaled(-step, &grad, &mut w)?;
        let loss = target.loss_and_grad(&w, Batch::Full, &mut grad)?;
        if !loss.is_finite() {
            break;
        }
        if loss > lowest {
            step *= 0.5;
        }
        lowest = lowest.min(loss);
    }
    Ok(n_beta * (start - lowest))
}
