//! Approximates products with the Hessian by central differences of gradients, for a target that knows no better.
//!
//! ∇²L(w)·v = (∇L(w + s·v) − ∇L(w − s·v))/(2s) + O(s²), where the displacement s·v has a given length, however long v is.
//!
//! *Tested by*: a quadratic (`hessian_trace`, `probe`), and a network's exact products, below.

use tch::Kind;

use super::{Batch, Target, TargetError};
use crate::params::Params;
use crate::update;

/// Length of the displacement against max(1, ‖w‖/√d), a typical element's size however many elements share it: its square
/// (truncation) and the rounding of f64 over it both stay far below a percent; f32 needs the larger one.
const DISPLACEMENT_F64: f64 = 1e-4;
const DISPLACEMENT_F32: f64 = 1e-2;

/// Writes ∇²L(w)·v on [`Batch::Probe`] into `out`.
pub(super) fn hessian_vector<T: Target + ?Sized>(
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
    let relative = if w.kind() == Kind::Float { DISPLACEMENT_F32 } else { DISPLACEMENT_F64 };
    let step = relative * (update::dot(w, w)? / w.len() as f64).sqrt().max(1.0) / norm;
    let mut behind = w.zeros_like()?;
    let mut shifted = w.try_clone()?;
    update::add_scaled(step, v, &mut shifted)?;
    target.loss_and_grad(&shifted, Batch::Probe, out)?;
    shifted.copy_from(w)?;
    update::add_scaled(-step, v, &mut shifted)?;
    target.loss_and_grad(&shifted, Batch::Probe, &mut behind)?;
    update::add_scaled(-1.0, &behind, out)?;
    let _ = out.flat().shallow_clone().f_mul_scalar_(0.5 / step)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::config::dln::{InputDist, Truth};
    use crate::data::synthetic::SyntheticInputs;
    use crate::model::deep_linear::draw_truth;
    use crate::rng::Key;
    use crate::target::{DeepLinear, LocalPosterior};

    #[test]
    fn differences_of_gradients_agree_with_the_network_s_exact_products() {
        let widths = [4, 5, 3, 2];
        let w = draw_truth(&Truth::Random, Key::new(8), &widths).unwrap().w_star;
        let inputs = SyntheticInputs::new(Key::new(5), InputDist::Uniform, widths[0], 300);
        let local = LocalPosterior::new(10.0, 1.0, w.try_clone().unwrap()).unwrap();
        let mut target = DeepLinear::new(inputs, local, &AtomicBool::new(false)).unwrap();
        let (mut v, mut exact, mut approximate) =
            (w.zeros_like().unwrap(), w.zeros_like().unwrap(), w.zeros_like().unwrap());
        update::fill_standard_normal(Key::new(3), &mut v).unwrap();
        target.hessian_vector(&w, &v, &mut exact).unwrap();
        hessian_vector(&mut target, &w, &v, &mut approximate).unwrap();
        let size = update::dot(&exact, &exact).unwrap().sqrt();
        let error = update::squared_distance(&exact, &approximate).unwrap().sqrt();
        assert!(error < 1e-6 * size, "{error} against {size}");
    }
}
