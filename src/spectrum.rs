//! Computes whole spectra: every eigenvalue of the loss's Hessian at a point.
//!
//! Column i of ∇²L is the product with the unit vector eᵢ; the eigenvalues are those of the symmetric mean of that matrix and its transpose.
//! Half the number of those that are not zero at a minimum is the least that λ can be there; what lies between them and zero shows how far
//! a threshold decides that number. The eigenvalues are of the mean loss, as everywhere here; those of the sampled potential are nβ times these.
//!
//! *Tested by*: a quadratic law, whose curvatures they are, and at the minimum of a deep linear network the squared singular values
//! of its Jacobian, times 2/out.

use std::sync::atomic::{AtomicBool, Ordering};

use tch::{Kind, Tensor};

use crate::memory::HostMemory;
use crate::params::Params;
use crate::target::{Target, TargetError};
pub use crate::tensors::MAX_SIDE;
use crate::tensors::eigenvalues;

/// Every eigenvalue of ∇²L(w) on the full data, ascending, from d products with it. `None` where d exceeds [`MAX_SIDE`].
///
/// # Errors
/// [`TargetError::Cancelled`] where `cancel` was raised, and whatever the target reports.
pub fn hessian_eigenvalues(
    target: &mut dyn Target,
    w: &Params,
    cancel: &AtomicBool,
) -> Result<Option<Vec<f64>>, TargetError> {
    if w.len() > MAX_SIDE {
        return Ok(None);
    }
    let (mut unit, mut column) = (w.zeros_like()?, w.zeros_like()?);
    let mut columns = Vec::with_capacity(w.len());
    for i in 0..w.len() {
        if cancel.load(Ordering::Relaxed) {
            return Err(TargetError::Cancelled);
        }
        let mut element = HostMemory::zeros(w.float_type(), w.len());
        match &mut element {
            HostMemory::F32(elements) => elements[i] = 1.0,
            HostMemory::F64(elements) => elements[i] = 1.0,
        }
        unit.copy_from_host(&element)?;
        target.hessian_vector(w, &unit, &mut column)?;
        columns.push(match column.to_host()? {
            HostMemory::F32(elements) => Tensor::f_from_slice(&elements)?.f_to_kind(Kind::Double)?,
            HostMemory::F64(elements) => Tensor::f_from_slice(&elements)?,
        });
    }
    let hessian = Tensor::f_stack(&columns, 0)?;
    Ok(Some(eigenvalues(&hessian.f_add(&hessian.f_tr()?)?.f_mul_scalar(0.5)?)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::dln::{InputDist, Truth};
    use crate::data::synthetic::SyntheticInputs;
    use crate::model::deep_linear::draw_truth;
    use crate::rng::Key;
    use crate::target::law::{GradientNoise, Law, LawTarget};
    use crate::target::{DeepLinear, LocalPosterior};

    #[test]
    fn the_eigenvalues_of_a_quadratic_are_its_curvatures() {
        let curvatures = vec![0.5, 2.0, -1.0, 9.0];
        let mut target = LawTarget::new(Law::Quadratic { curvatures }, GradientNoise::None, 1.0, 1.0).unwrap();
        let w = target.local().w_star().try_clone().unwrap();
        let found = hessian_eigenvalues(&mut target, &w, &AtomicBool::new(false)).unwrap().unwrap();
        for (found, curvature) in found.iter().zip([-1.0, 0.5, 2.0, 9.0]) {
            assert!((found - curvature).abs() < 1e-6, "{found} is not {curvature}");
        }
        assert_eq!(found.len(), 4);
    }

    /// L = ‖f(w) − f(w*)‖²/out has the Hessian (2/out)·JᵀJ where f(w) = f(w*).
    #[test]
    fn at_a_minimum_they_are_the_squared_singular_values_of_the_jacobian() {
        for (kind, widths) in
            [(Truth::Random, &[4, 5, 3][..]), (Truth::Aligned { rank: 2 }, &[3, 4, 4, 3]), (Truth::Zero, &[5, 2, 5])]
        {
            let w = draw_truth(&kind, Key::new(8), widths).unwrap().w_star;
            let inputs = SyntheticInputs::new(Key::new(5), InputDist::Uniform, widths[0], 300);
            let local = LocalPosterior::new(10.0, 1.0, w.try_clone().unwrap()).unwrap();
            let mut target = DeepLinear::new(inputs, local, &AtomicBool::new(false)).unwrap();
            let hessian = hessian_eigenvalues(&mut target, &w, &AtomicBool::new(false)).unwrap().unwrap();
            let singular = target.jacobian_singular_values(&w).unwrap().unwrap();
            let largest = hessian.iter().fold(1.0, |largest: f64, h| largest.max(h.abs()));
            let outputs = widths[widths.len() - 1] as f64;
            // Both in descending order; the longer list continues with zeros.
            for (i, h) in hessian.iter().rev().enumerate() {
                let expected = 2.0 / outputs * singular.get(i).map_or(0.0, |s| s.powi(2));
                assert!((h - expected).abs() < 1e-9 * largest, "{kind:?} [{i}]: {h} is not {expected}");
            }
        }
    }

    #[test]
    fn a_raised_flag_ends_it() {
        let curvatures = vec![1.0; 3];
        let mut target = LawTarget::new(Law::Quadratic { curvatures }, GradientNoise::None, 1.0, 1.0).unwrap();
        let w = target.local().w_star().try_clone().unwrap();
        let ended = hessian_eigenvalues(&mut target, &w, &AtomicBool::new(true));
        assert!(matches!(ended, Err(TargetError::Cancelled)));
    }
}
