//! Computes what a deep linear network's loss and function look like to second order: exact products with the Hessian, and the rank of
//! the Jacobian.
//!
//! **Hessian.** With H₀ = R, H_l = H_(l−1)·W_l, E = H_L − Y, Δ_L = 2E/out, Δ_(l−1) = Δ_l·W_lᵀ the gradient is ∇_l = H_(l−1)ᵀ·Δ_l. Its
//! derivative along V is, with dots for derivatives, Ḣ₀ = 0, Ḣ_l = Ḣ_(l−1)·W_l + H_(l−1)·V_l, Δ̇_L = 2Ḣ_L/out,
//! Δ̇_(l−1) = Δ̇_l·W_lᵀ + Δ_l·V_lᵀ, and (∇²L·V)_l = Ḣ_(l−1)ᵀ·Δ_l + H_(l−1)ᵀ·Δ̇_l: two more passes, exact up to rounding.
//!
//! **Jacobian.** f is the map from w to the outputs on all inputs. Its part J_l with respect to layer l is A_l ⊗ B_lᵀ in row order, where
//! A_l = R·W₁⋯W_(l−1) and B_l = W_(l+1)⋯W_L; side by side they are J, of shape `[H₀·H_L, d]` with JᵀJ that of all n samples over n. The
//! eigenvalues that JᵀJ and JJᵀ share come from the smaller of the two: JJᵀ = Σ_l (A_l·A_lᵀ) ⊗ (B_lᵀ·B_l), and the blocks of JᵀJ are
//! (A_lᵀ·A_m) ⊗ (B_l·B_mᵀ).
//!
//! *Tested by*: a dense Hessian and a dense Jacobian by finite differences, and the ranks that [`crate::theory::PartialRanks`] gives.

use tch::{Device, Kind, TchError, Tensor};

use super::{DeepLinear, TargetError};
use crate::params::Params;
use crate::tensors::Tensors;
use crate::tensors::{MAX_SIDE, eigenvalues};

/// Writes ∇²L(w)·v into `out`, for L(w) = ‖R·W₁⋯W_L − Y‖²/out with R = `factor` and Y = `targets`.
pub(super) fn hessian_vector(
    factor: &Tensor,
    targets: &Tensor,
    w: &Params,
    v: &Params,
    out: &mut Params,
) -> Result<(), TchError> {
    let (mut h, mut h_dot) = (vec![factor.shallow_clone()], vec![factor.f_zeros_like()?]);
    for (l, (w, v)) in w.views().iter().zip(v.views()).enumerate() {
        h_dot.push(h_dot[l].f_mm(w)?.f_add(&h[l].f_mm(v)?)?);
        h.push(h[l].f_mm(w)?);
    }
    let last = w.views().len();
    let scale = 2.0 / targets.size()[1] as f64;
    let mut delta = h[last].f_sub(targets)?.f_mul_scalar(scale)?;
    let mut delta_dot = h_dot[last].f_mul_scalar(scale)?;
    for l in (0..last).rev() {
        let product = h_dot[l].f_tr()?.f_mm(&delta)?.f_add(&h[l].f_tr()?.f_mm(&delta_dot)?)?;
        out.view(l).shallow_clone().f_copy_(&product)?;
        if l > 0 {
            let w_t = w.view(l).f_tr()?;
            delta_dot = delta_dot.f_mm(&w_t)?.f_add(&delta.f_mm(&v.view(l).f_tr()?)?)?;
            delta = delta.f_mm(&w_t)?;
        }
    }
    Ok(())
}

impl DeepLinear {
    /// The singular values of J/√n at `w`, J the Jacobian of the network's function on all inputs, descending; as many as its smaller side
    /// is long. `None` where that exceeds [`MAX_SIDE`].
    ///
    /// They are square roots of eigenvalues in f64: below 1e-8 of the largest they are rounding.
    ///
    /// # Errors
    /// Errors of libtorch.
    pub fn jacobian_singular_values(&self, w: &Params) -> Result<Option<Vec<f64>>, TargetError> {
        let w = w.to(Kind::Double, Device::Cpu)?;
        let factor = self.factor().f_to_kind(Kind::Double)?.f_to_device(Device::Cpu)?;
        let num_outputs = (factor.size()[0] * self.targets().size()[1]) as usize;
        if num_outputs.min(w.len()) > MAX_SIDE {
            return Ok(None);
        }
        let parts = Parts::new(&factor, &w)?;
        let gram = if num_outputs <= w.len() { parts.outer_gram()? } else { parts.inner_gram()? };
        // Those that are zero come out on either side of it.
        Ok(Some(eigenvalues(&gram)?.into_iter().rev().map(|square| square.max(0.0).sqrt()).collect()))
    }

    /// The rank of the Jacobian of the network's function at `w`: the number of eigenvalues of JᵀJ/n above `threshold` times the
    /// largest. Half of it is the least that λ can be there. `None` where the smaller side of the Jacobian exceeds [`MAX_SIDE`].
    ///
    /// # Errors
    /// As [`DeepLinear::jacobian_singular_values`].
    pub fn functional_rank(&self, w: &Params, threshold: f64) -> Result<Option<usize>, TargetError> {
        Ok(self.jacobian_singular_values(w)?.map(|values| {
            let largest = values.first().map_or(0.0, |value| value.powi(2));
            values.iter().filter(|value| value.powi(2) > threshold * largest).count()
        }))
    }
}

/// A_l and B_l of every layer.
struct Parts {
    a: Vec<Tensor>,
    b: Vec<Tensor>,
}

impl Parts {
    fn new(factor: &Tensor, w: &Params) -> Result<Parts, TchError> {
        let layers = w.views();
        let last = layers.len() - 1;
        let mut a = vec![factor.shallow_clone()];
        for l in 0..last {
            a.push(a[l].f_mm(&layers[l])?);
        }
        let num_outputs = layers[last].size()[1];
        let mut b = vec![Tensor::f_eye(num_outputs, (Kind::Double, Device::Cpu))?];
        for layer in layers[1..].iter().rev() {
            b.push(layer.f_mm(&b[b.len() - 1])?);
        }
        b.reverse();
        Ok(Parts { a, b })
    }

    /// JJᵀ, shape `[H₀·H_L, H₀·H_L]`.
    fn outer_gram(&self) -> Result<Tensor, TchError> {
        let term = |l: usize| self.a[l].f_mm(&self.a[l].f_tr()?)?.f_kron(&self.b[l].f_tr()?.f_mm(&self.b[l])?);
        (1..self.a.len()).try_fold(term(0)?, |sum, l| sum.f_add(&term(l)?))
    }

    /// JᵀJ, shape `[d, d]`.
    fn inner_gram(&self) -> Result<Tensor, TchError> {
        let num_layers = self.a.len();
        let block =
            |l: usize, m: usize| self.a[l].f_tr()?.f_mm(&self.a[m])?.f_kron(&self.b[l].f_mm(&self.b[m].f_tr()?)?);
        let row = |l: usize| Tensor::f_cat(&(0..num_layers).map(|m| block(l, m)).collect::<Result<Vec<_>, _>>()?, 1);
        Tensor::f_cat(&(0..num_layers).map(row).collect::<Result<Vec<_>, _>>()?, 0)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::config::dln::{InputDist, Truth};
    use crate::data::synthetic::SyntheticInputs;
    use crate::model::deep_linear::{TrueParameter, draw_truth};
    use crate::rng::Key;
    use crate::target::{Batch, LocalPosterior, Target};
    use crate::theory::{self, LocalBounds, PartialRanks};

    fn problem(truth: &Truth, widths: &[usize], seed: u64) -> (DeepLinear, TrueParameter) {
        let drawn = draw_truth(truth, Key::new(seed), widths).unwrap();
        let inputs = SyntheticInputs::new(Key::new(5), InputDist::Uniform, widths[0], 200);
        let local = LocalPosterior::new(10.0, 1.0, drawn.w_star.try_clone().unwrap()).unwrap();
        (DeepLinear::new(inputs, local, &AtomicBool::new(false)).unwrap(), drawn)
    }

    fn moved(w: &Params, seed: u64) -> Params {
        let mut w = w.try_clone().unwrap();
        let mut z = vec![0.0; w.len()];
        crate::rng::fill_normal(Key::new(seed), 0, &mut z);
        w.as_mut_slice::<f64>().unwrap().iter_mut().zip(z).for_each(|(w, z)| *w += 0.3 * z);
        w
    }

    fn unit(like: &Params, i: usize) -> Params {
        let mut e = like.zeros_like().unwrap();
        e.as_mut_slice::<f64>().unwrap()[i] = 1.0;
        e
    }

    #[test]
    fn products_with_the_hessian_are_the_columns_of_a_dense_one() {
        let (mut target, drawn) = problem(&Truth::Random, &[4, 5, 3, 2], 3);
        // Away from the minimum: the residual's own curvature counts too.
        let w = moved(&drawn.w_star, 1);
        let h = 1e-5;
        let (mut ahead, mut behind, mut column) =
            (w.zeros_like().unwrap(), w.zeros_like().unwrap(), w.zeros_like().unwrap());
        for i in 0..w.len() {
            let mut at = |shift: f64, grad: &mut Params| {
                let mut w = w.try_clone().unwrap();
                w.as_mut_slice::<f64>().unwrap()[i] += shift;
                target.loss_and_grad(&w, Batch::Full, grad).unwrap();
            };
            at(h, &mut ahead);
            at(-h, &mut behind);
            target.hessian_vector(&w, &unit(&w, i), &mut column).unwrap();
            let (ahead, behind) = (ahead.as_slice::<f64>().unwrap(), behind.as_slice::<f64>().unwrap());
            for (j, found) in column.as_slice::<f64>().unwrap().iter().enumerate() {
                let expected = (ahead[j] - behind[j]) / (2.0 * h);
                assert!((found - expected).abs() < 1e-6 * (1.0 + expected.abs()), "[{i}, {j}]: {found}, {expected}");
            }
        }
    }

    /// The outputs on all samples, over √n: R·W₁⋯W_L.
    fn outputs(target: &DeepLinear, w: &Params) -> Vec<f64> {
        let product = crate::model::deep_linear::product(w).unwrap();
        Vec::try_from(target.factor().mm(&product).reshape([-1])).unwrap()
    }

    fn dense_rank(target: &DeepLinear, w: &Params, threshold: f64) -> usize {
        let h = 1e-3; // The outputs are linear in each element: central differences are exact.
        let rows = (0..w.len()).map(|i| {
            let at = |shift: f64| {
                let mut w = w.try_clone().unwrap();
                w.as_mut_slice::<f64>().unwrap()[i] += shift;
                outputs(target, &w)
            };
            at(h).into_iter().zip(at(-h)).map(|(a, b)| (a - b) / (2.0 * h)).collect::<Vec<f64>>()
        });
        let rows: Vec<f64> = rows.flatten().collect();
        let jacobian = Tensor::from_slice(&rows).view([w.len() as i64, -1]);
        let singular = Vec::<f64>::try_from(jacobian.svd(true, true).1).unwrap();
        singular.iter().filter(|s| s.powi(2) > threshold * singular[0].powi(2)).count()
    }

    /// The networks have either side of the Jacobian the smaller one.
    #[test]
    fn the_functional_rank_is_that_of_a_dense_jacobian_and_that_of_the_theory() {
        let kinds = [Truth::Random, Truth::Zero, Truth::RandRank { prop_rank_reduce: 0.9 }, Truth::Aligned { rank: 2 }];
        let (mut num_deficient, mut num_inner) = (0, 0);
        for widths in [&[4, 5, 3][..], &[6, 2, 6], &[3, 4, 4, 3], &[7, 2, 2, 7], &[4, 3, 4, 3, 4], &[5, 4]] {
            for (seed, kind) in (0..).zip(&kinds) {
                let (target, drawn) = problem(kind, widths, seed);
                let w = &drawn.w_star;
                let found = target.functional_rank(w, 1e-10).unwrap().unwrap();
                assert_eq!(found, dense_rank(&target, w, 1e-10), "{widths:?} {kind:?}");

                let network = theory::DeepLinear::new(widths, drawn.rank).unwrap();
                let point = PartialRanks::of_layers(network, &drawn.layer_ranks).unwrap();
                assert_eq!(point.hessian_rank(), found.into(), "{widths:?} {kind:?}");
                let twice_lower = LocalBounds::at(&point).lower * num_rational::BigRational::from_integer(2.into());
                assert!(twice_lower >= num_rational::BigRational::from_integer(found.into()), "{widths:?} {kind:?}");

                let num_outputs = widths[0] * widths[widths.len() - 1];
                num_deficient += usize::from(found < num_outputs.min(w.len()));
                num_inner += usize::from(w.len() < num_outputs);
            }
        }
        assert!(num_deficient > 8 && num_inner > 4, "{num_deficient} {num_inner}: too few cases that tell");
    }

    #[test]
    fn a_jacobian_too_large_to_decompose_has_no_rank() {
        let (target, drawn) = problem(&Truth::Zero, &[71, 72, 71], 1);
        assert_eq!(target.functional_rank(&drawn.w_star, 1e-10).unwrap(), None);
    }
}
