//! Implements the accept step: a point and its proposal, and the Metropolis–Hastings acceptance of a Langevin proposal.
//!
//! log α = U(w) − U(w′) + log q(w | w′) − log q(w′ | w) with q(b | a) = N(b; a − (ε/2)·p·∇U(a), ε·p·I).
//!
//! *Reference*: Roberts and Tweedie, Bernoulli 2 (1996), <https://doi.org/10.2307/3318418>, section 1.4.1.

use super::{KernelError, State, finite};
use crate::memory::MemoryError;
use crate::params::{Element, Params};
use crate::slices;
use crate::target::{Batch, LocalPosterior, Target};

/// The current point with its exact loss and gradient, and buffers for the proposal.
#[derive(Debug)]
pub struct ExactState {
    pub(super) w: Params,
    pub(super) loss: f64,
    pub(super) grad: Params,
    pub(super) proposal: Params,
    pub(super) proposal_grad: Params,
}

impl ExactState {
    pub(super) fn at(w: &Params, target: &mut dyn Target, batch: Batch) -> Result<ExactState, KernelError> {
        let mut state = ExactState {
            w: w.try_clone()?,
            loss: 0.0,
            grad: w.zeros_like()?,
            proposal: w.zeros_like()?,
            proposal_grad: w.zeros_like()?,
        };
        state.loss = finite(target.loss_and_grad(&state.w, batch, &mut state.grad)?)?;
        Ok(state)
    }

    /// Makes the proposal, of loss `loss`, the current point.
    pub(super) fn accept(&mut self, loss: f64) {
        self.loss = loss;
        std::mem::swap(&mut self.w, &mut self.proposal);
        std::mem::swap(&mut self.grad, &mut self.proposal_grad);
    }
}

impl State for ExactState {
    fn w(&self) -> &Params {
        &self.w
    }

    fn exact_gradient(&self) -> Option<&Params> {
        Some(&self.grad)
    }
}

/// A point with its loss and gradient on the same batch.
#[derive(Debug, Clone, Copy)]
pub struct Evaluated<'a> {
    pub w: &'a Params,
    pub loss: f64,
    pub grad: &'a Params,
}

/// log of the acceptance ratio of the move `from` → `to` at step size ε, before it is cut at 0; `scale` is p per tensor
/// (1 everywhere if it is empty). Sums are in f64.
pub fn log_acceptance(
    local: &LocalPosterior,
    epsilon: f64,
    scale: &[f64],
    from: Evaluated,
    to: Evaluated,
) -> Result<f64, MemoryError> {
    let sums = match (sums::<f64>(local, epsilon, scale, from, to), sums::<f32>(local, epsilon, scale, from, to)) {
        (Some(sums), _) | (_, Some(sums)) => sums,
        _ => {
            // On a device this is a diagnostic, so that a copy to the host is fine.
            let host = |x: &Params| Ok::<_, MemoryError>(Params::new(x.layout(), Box::new(x.to_host()?)));
            let local = LocalPosterior { w_star: host(local.w_star())?, ..*local };
            let (w, grad, w_to, grad_to) = (host(from.w)?, host(from.grad)?, host(to.w)?, host(to.grad)?);
            let from = Evaluated { w: &w, loss: from.loss, grad: &grad };
            let to = Evaluated { w: &w_to, loss: to.loss, grad: &grad_to };
            let double = sums::<f64>(&local, epsilon, scale, from, to);
            double.or_else(|| sums::<f32>(&local, epsilon, scale, from, to)).unwrap_or([f64::NAN; 4])
        }
    };
    let [distance_from, distance_to, forward, backward] = sums;
    Ok(local.potential(from.loss, distance_from) - local.potential(to.loss, distance_to) + forward - backward)
}

/// ‖w − w*‖², ‖w′ − w*‖², −log q(w′ | w) and −log q(w | w′) up to one common constant.
fn sums<T: Element>(
    local: &LocalPosterior,
    epsilon: f64,
    scale: &[f64],
    from: Evaluated,
    to: Evaluated,
) -> Option<[f64; 4]> {
    let (a, b) = (from.w.as_slice::<T>()?, to.w.as_slice::<T>()?);
    let (grad_a, grad_b) = (from.grad.as_slice::<T>()?, to.grad.as_slice::<T>()?);
    let w_star = local.w_star().as_slice::<T>()?;
    let (n_beta, gamma) = (local.n_beta(), local.gamma());
    let part = |range: std::ops::Range<usize>, step: f64| {
        slices::sums([a, b, grad_a, grad_b, w_star].map(|x| &x[range.clone()]), |[a, b, grad_a, grad_b, w_star]| {
            let (from_star, to_star) = (a.wide() - w_star.wide(), b.wide() - w_star.wide());
            let moved = b.wide() - a.wide();
            let forward = moved + 0.5 * step * (n_beta * grad_a.wide() + gamma * from_star);
            let backward = -moved + 0.5 * step * (n_beta * grad_b.wide() + gamma * to_star);
            [
                from_star * from_star,
                to_star * to_star,
                forward * forward / (2.0 * step),
                backward * backward / (2.0 * step),
            ]
        })
    };
    if scale.is_empty() {
        return Some(part(0..a.len(), epsilon));
    }
    let layout = from.w.layout();
    let parts = scale.iter().enumerate().map(|(index, p)| part(layout.range(index), epsilon * p));
    Some(parts.fold([0.0; 4], |sums, part| std::array::from_fn(|i| sums[i] + part[i])))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::params::{FloatType, Layout};

    fn point(values: &[f64]) -> Params {
        let layout = Arc::new(Layout::vector("w", values.len()));
        let mut w = Params::zeros(&layout, FloatType::F64);
        w.as_mut_slice().unwrap().copy_from_slice(values);
        w
    }

    /// Acceptance probabilities that others' implementations state in their tests (f32 there).
    #[test]
    fn acceptance_agrees_with_published_examples() {
        let cases = [
            // U = ‖x‖²/2 at (1, 2) → (1.5, 2.5).
            ([1.0f64, 2.], [1.0f64, 2.], 2.5, [1.5f64, 2.5], [1.5, 2.5], 4.25, 0.1, 0.957_193_43),
            // devinterp's tests/slt/mala_test.py.
            ([0., 0.], [0., 0.], 0., [1.5, 5.5], [1.5, 5.5], 16.25, 0.1, 0.666_143_6),
            ([1., 1.], [1., 1.], 1., [1.5, 0.5], [1.5, 0.5], 1.25, 0.5, 0.969_233_2),
            ([0., 0.], [0., 0.], 0., [10.5, 5.5], [10.5, 5.5], 70.25, 0.1, 0.172_691_24),
            ([0., 0.], [0., 0.], 0., [10.5, 5.5], [10.5, 5.5], 70.25, 0.5, 0.000_153_59),
        ];
        for (w, g, loss, w2, g2, loss2, epsilon, expected) in cases {
            let local = LocalPosterior::new(1.0, 0.0, point(&[0.0, 0.0])).unwrap();
            let (w, g, w2, g2) = (point(&w), point(&g), point(&w2), point(&g2));
            let from = Evaluated { w: &w, loss, grad: &g };
            let to = Evaluated { w: &w2, loss: loss2, grad: &g2 };
            let acceptance = log_acceptance(&local, epsilon, &[], from, to).unwrap().exp().min(1.0);
            assert!((acceptance - expected).abs() < 1e-6, "{acceptance} against {expected}");
        }
    }
}
