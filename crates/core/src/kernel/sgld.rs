//! Samples by stochastic gradient Langevin dynamics: w ← w − (ε/2)·p·∇U(w) + √(ε·p)·N(0, I), ∇U = nβ·∇L_B(w) + γ(w − w*).
//!
//! (ε/2, ε) is Welling and Teh's convention and that of the papers on the local learning coefficient; blackjax and posteriors
//! use (ε, 2ε). p is a fixed factor per tensor. There is no accept step: ε biases the result (by 1/(1 − εa/4) on a mode of
//! curvature a = nβh + γ), which the virial ratio shows.
//!
//! *Reference*: Welling and Teh, ICML 2011, equation 4; Lau et al. 2023, <https://arxiv.org/abs/2308.12108>, section 5.
//!
//! *Tested by*: stationary variance and λ̂ on quadratics against the closed forms with ε, γ and minibatch factors
//! ([`crate::theory`]), reduction to gradient descent without noise, nine mutants (tests/laws.rs), and its
//! equivariance under a rescaling with the matching preconditioner (tests/rescaling.rs).

use serde::Serialize;

use super::tuning::{self, Tuned};
use super::{
    About, Epsilon, Evaluated, Given, Gradient, GradientNeed, Info, Kernel, KernelError, PositiveF64, Precision,
    Sampler, Settings, Source, State, finite, log_acceptance,
};
use crate::chain::saved::NUM_STEPS;
use crate::chain::{self, Chain, ChainRun};
use crate::params::Params;
use crate::rng::Key;
use crate::setting::{Kind, Setting};
use crate::store::Snapshot;
use crate::target::{Batch, Target};
use crate::update;

/// The settings of SGLD.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sgld {
    /// Step size: drift ε/2, noise variance ε.
    pub epsilon: Epsilon,
    /// The samples of a gradient.
    #[serde(flatten)]
    pub gradient: Gradient,
    /// Steps between two acceptance diagnostics; 0 is off.
    pub mala_every: usize,
    /// The factor of ε for each layer, if any was given: one entry for each layer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preconditioner: Option<Vec<PositiveF64>>,
}

/// Steps between two acceptance diagnostics, as published.
const MALA_EVERY: usize = 20;

impl Sgld {
    /// SGLD on minibatches of `batch_size` samples that searches for its step size; [`crate::run::Chains`] draw the minibatches.
    pub fn new(batch_size: usize) -> Sgld {
        let gradient = Gradient::Minibatch { batch_size };
        Sgld { epsilon: Epsilon::Auto, gradient, mala_every: MALA_EVERY, preconditioner: None }
    }
}

impl Settings for Sgld {
    const ABOUT: About = About {
        summary: "is the published method: it takes steps along minibatch gradients, and is biased by the step size",
        gradient: GradientNeed::Minibatch,
        is_exact: false,
        has_epsilon: true,
        target_acceptance: None,
        num_steps: 20_000,
        // It starts from w* at a small step and climbs for long; the presets keep the published 0.9.
        warmup: 0.5,
        // Its own error is larger, and f32 takes half the memory traffic.
        precision: Precision::F32,
        statistics: &[],
        is_single_threaded: false,
        keys: &[
            Setting::new(
                "sampler.mala_every",
                "mala-every",
                Kind::Whole,
                "STEPS",
                "steps between two acceptance diagnostics, 0 for none [default: 20]",
            ),
            Setting::new(
                "sampler.preconditioner",
                "preconditioner",
                Kind::RealList,
                "FACTORS",
                "a positive factor of epsilon for each layer, such as 1,0.5,2 [default: all 1]",
            ),
        ],
    };

    fn read<S: Source>(given: &Given<S>) -> Result<Self, S::Error> {
        Ok(Self {
            epsilon: given.epsilon,
            gradient: given.gradient,
            mala_every: given.source.count("sampler.mala_every", 0)?.unwrap_or(MALA_EVERY),
            preconditioner: given.source.positives("sampler.preconditioner", given.num_tensors)?,
        })
    }

    fn batch_size(&self) -> Option<usize> {
        match self.gradient {
            Gradient::Minibatch { batch_size } => Some(batch_size),
            Gradient::Exact => None,
        }
    }
}

/// The kernel, at a given ε.
#[derive(Debug, Clone)]
pub struct SgldKernel {
    /// Step size ε.
    pub epsilon: f64,
    /// p per tensor; empty for 1 everywhere.
    pub preconditioner: Vec<f64>,
    /// Steps between two computations of the acceptance that a Metropolis test on the same batch would have; 0 for never.
    pub acceptance_every: u64,
    /// Factor of the noise: 1, or 0 for gradient descent.
    pub noise: f64,
}

/// The current point, and buffers for its gradient and for the previous point, which the acceptance compares it with.
#[derive(Debug)]
pub struct SgldState {
    w: Params,
    grad: Params,
    before: Option<Before>,
    num_steps: u64,
}

/// A point and its gradient.
#[derive(Debug)]
struct Before {
    w: Params,
    grad: Params,
}

impl State for SgldState {
    fn w(&self) -> &Params {
        &self.w
    }

    fn restore(&mut self, snapshot: &Snapshot) -> Option<()> {
        self.num_steps = snapshot.fact(NUM_STEPS).as_u64()?;
        Some(())
    }
}

impl Kernel for SgldKernel {
    type State = SgldState;
    const GRADIENT: GradientNeed = Sgld::ABOUT.gradient;

    fn unadjusted_step(&self) -> Option<(f64, &[f64])> {
        Some((self.epsilon, &self.preconditioner))
    }

    fn init(&self, at: &Params, _: &mut dyn Target, _: Batch) -> Result<SgldState, KernelError> {
        let before = match self.acceptance_every {
            0 => None,
            _ => Some(Before { w: at.zeros_like()?, grad: at.zeros_like()? }),
        };
        Ok(SgldState { w: at.try_clone()?, grad: at.zeros_like()?, before, num_steps: 0 })
    }

    fn step(
        &self,
        key: Key,
        state: &mut SgldState,
        target: &mut dyn Target,
        batch: Batch,
    ) -> Result<Info, KernelError> {
        let loss = finite(target.loss_and_grad(&state.w, batch, &mut state.grad)?)?;
        let due = self.acceptance_every > 0 && state.num_steps.is_multiple_of(self.acceptance_every);
        state.num_steps += 1;
        let mut before = state.before.as_mut().filter(|_| due);
        if let Some(before) = &mut before {
            before.w.copy_from(&state.w)?;
            before.grad.copy_from(&state.grad)?;
        }
        let scale = &self.preconditioner;
        let squared_distance =
            update::langevin(key, target.local(), self.epsilon, scale, self.noise, &state.grad, &mut state.w)?;
        let mut acceptance = None;
        if let Some(Before { w, grad }) = before {
            let loss_after = target.loss_and_grad(&state.w, batch, &mut state.grad)?;
            let from = Evaluated { w, loss, grad };
            let to = Evaluated { w: &state.w, loss: loss_after, grad: &state.grad };
            let log_alpha = log_acceptance(target.local(), self.epsilon, scale, from, to)?;
            // A move to a loss that is not finite would be rejected: NaN is below nothing.
            acceptance = Some(if log_alpha >= 0.0 { 1.0 } else { log_alpha.exp().max(0.0) });
        }
        Ok(Info { loss, acceptance, squared_distance })
    }
}

impl Sampler for Sgld {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn passes_per_step(&self) -> f64 {
        1.0 + if self.mala_every > 0 { 1.0 / self.mala_every as f64 } else { 0.0 }
    }

    fn run_chain(&self, mut chain: Chain, start: &Params, target: &mut dyn Target) -> ChainRun {
        let kernel = |epsilon| SgldKernel {
            epsilon,
            preconditioner: self.preconditioner.iter().flatten().map(|factor| factor.get()).collect(),
            acceptance_every: self.mala_every as u64,
            noise: 1.0,
        };
        match chain.known_epsilon(self.epsilon) {
            Some(epsilon) => {
                chain.epsilon = Some(epsilon);
                chain::run(&kernel(epsilon), chain, start, target)
            }
            None => match tuning::langevin_step_size(&kernel, &mut chain, start, target) {
                Ok(Tuned { kernel, epsilon, w }) => {
                    chain.epsilon = Some(epsilon);
                    chain::run(&kernel, chain, &w, target)
                }
                Err(error) => ChainRun::failed(error),
            },
        }
    }
}
