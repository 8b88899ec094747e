//! Measures, at some of the kept draws, what gradients say of the chain's law: virial terms, the pull of the loss, and the two biases of a
//! Langevin step without an accept step.
//!
//! With g₁, g₂ the gradients of L on two batches that are independent of w and of each other, δ = w − w*, and p the factor of ε per tensor:
//!
//! | column | formula | mean over the law |
//! |---|---|---|
//! | `excess` | nβ·(L₂(w) − L₂(w*)) | λ̂ |
//! | `pull` | nβ·δ·g₁ | Σf, twice λ̂ on a quadratic |
//! | `step_bias` | (ε/8)·Σ p·(nβ²·g₁g₂ + nβγ·g₁δ) | what the step size adds to λ̂; exact on quadratics |
//! | `minibatch_bias` | (ε/16)·Σ p·nβ²·(g₁ − g₂)² | what the noise of the minibatches adds, to first order in ε |
//!
//! *Why.* On a mode of curvature h, a = nβh + γ, f = nβh/a, SGLD has the variance V = (1 + q)/(a·(1 − x)), x = εa/4, q = εC/4, C the variance
//! of nβ·g on a batch. λ̂ = f/2 becomes f/2·(1 + q)/(1 − x), which is f/2 + f/2·x·(1 + q)/(1 − x) + f/2·q. The second term is (ε/8)·nβh·a·V, the
//! mean of (ε/8)·nβ∇L·∇U: the first column of biases. (By Stein's identity the mean of nβ∇L·∇U is nβ·tr H for any loss.) The third term is
//! the second column with f = 1: noise along directions that γ holds adds less. Noise that grows with w, as around a minimum that fits its data, feeds
//! on what it adds, so that its higher orders add more: at batch 10 around a perceptron 16 % were measured here where the chains were 19 % too high.
//!
//! *Convention*: drift ε/2, noise variance ε. *Reference*: derived for this project; the same first-order terms are in Vollmer, Zygalakis
//! and Teh 2016, <https://jmlr.org/papers/v17/15-494.html>, section 3. *Tested by* `tests/biases.rs` against the closed forms of
//! [`crate::theory::sampler_law`].

use super::{Batches, Chain};
use crate::kernel::{Kernel, KernelError, State};
use crate::memory::MemoryError;
use crate::params::Params;
use crate::summary::GradientRow;
use crate::target::{Batch, Target};
use crate::update;

/// Number of columns of a row.
pub(super) const WIDTH: usize = 5;

/// The columns of `row`, as a chain keeps them.
pub(super) fn columns(row: &GradientRow) -> [f64; WIDTH] {
    [row.squared_distance, row.excess, row.pull, row.step_bias, row.minibatch_bias]
}

/// The row of `columns`.
pub(super) fn from_columns(columns: &[f64; WIDTH]) -> GradientRow {
    let [squared_distance, excess, pull, step_bias, minibatch_bias] = *columns;
    GradientRow { squared_distance, excess, pull, step_bias, minibatch_bias }
}

/// Buffers for two gradients.
pub(crate) struct GradientLook {
    first: Params,
    second: Params,
}

impl GradientLook {
    pub(crate) fn new(like: &Params) -> Result<GradientLook, MemoryError> {
        Ok(GradientLook { first: like.zeros_like()?, second: like.zeros_like()? })
    }

    /// The virial terms (w − w*)·∇U per tensor at the state's point, whose loss on all samples is `loss` where the kernel knows it, and the
    /// row that goes with them. Batches come from `batches` and `next`, neither of which the point has seen: the noise of a gradient then
    /// averages to nothing.
    pub(crate) fn at<K: Kernel>(
        &mut self,
        kernel: &K,
        state: &K::State,
        target: &mut dyn Target,
        chain: &Chain,
        (batches, next, num_steps): (&mut Batches, &mut Batches, u64),
        loss: f64,
    ) -> Result<(Vec<f64>, GradientRow), KernelError> {
        let w = state.w();
        let init_loss = chain.plan.init_loss;
        let mut is_noisy = false;
        let (mut loss, mut at_centre) = (loss, init_loss);
        if state.exact_gradient().is_none() {
            let batch = batches.at(num_steps);
            is_noisy = matches!(batch, Batch::Minibatch { .. });
            loss = target.loss_and_grad(w, batch, &mut self.first)?;
        }
        if is_noisy {
            let batch = next.at(num_steps);
            loss = target.loss_and_grad(w, batch, &mut self.second)?;
            at_centre = target.loss_at_centre(batch).unwrap_or(init_loss);
        }
        let first = state.exact_gradient().unwrap_or(&self.first);
        let second = if is_noisy { &self.second } else { first };
        let local = target.local();
        let (n_beta, gamma) = (local.n_beta(), local.gamma());
        let terms = update::virial_terms(local, first, w)?;
        let (mut squared_distance, mut pull) = (0.0, 0.0);
        let (mut step_bias, mut minibatch_bias) = (0.0, 0.0);
        let step = kernel.unadjusted_step();
        for (index, term) in terms.iter().enumerate() {
            let range = w.layout().range(index);
            let square = update::squared_distance_within(range, w, local.w_star())?;
            let along = term - gamma * square;
            squared_distance += square;
            pull += along;
            let Some((epsilon, scale)) = step else { continue };
            let share = epsilon * scale.get(index).copied().unwrap_or(1.0) / 8.0;
            let [product, squares] = update::gradient_products(index, first, second)?;
            step_bias += share * (n_beta * n_beta * product + gamma * along);
            minibatch_bias += share * n_beta * n_beta * (0.5 * squares - product);
        }
        if step.is_none() {
            (step_bias, minibatch_bias) = (f64::NAN, f64::NAN);
        }
        let excess = n_beta * (loss - at_centre);
        Ok((terms, GradientRow { squared_distance, excess, pull, step_bias, minibatch_bias }))
    }
}
