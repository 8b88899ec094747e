//! Samples by the Metropolis-adjusted Langevin algorithm: SGLD's proposal on the exact gradient, accepted or rejected.
//!
//! w′ = w − (ε/2)·∇U(w) + √ε·N(0, I), accepted with probability min(1, α) of [`super::log_acceptance`]. The accept step makes
//! the target's law exact at every ε, and needs the exact energy: on minibatches it would correct towards the batch's law.
//!
//! *Reference*: Roberts and Tweedie, Bernoulli 2 (1996), <https://doi.org/10.2307/3318418>; optimal acceptance 0.574:
//! Roberts and Rosenthal, JRSS B 60 (1998), <https://doi.org/10.1111/1467-9868.00123>.
//!
//! *Tested by*: detailed balance to 1e-10, stationary moments against closed forms, the mutant without proposal ratio.

use serde::Serialize;

use super::metropolis::ExactState;
use super::{
    ACCEPT, About, Epsilon, Evaluated, Given, GradientNeed, Info, Kernel, KernelError, Precision, Sampler, Settings,
    Source, log_acceptance, tuning,
};
use crate::chain::{Chain, ChainRun};
use crate::params::Params;
use crate::rng::Key;
use crate::target::{Batch, Target};
use crate::update;

/// The settings of MALA. Its gradients are exact.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Mala {
    /// Step size: drift ε/2, noise variance ε.
    pub epsilon: Epsilon,
    /// Acceptance that the tuning of ε aims at, in (0, 1).
    pub target_acceptance: f64,
}

impl Mala {
    /// MALA that searches for its step size.
    pub fn new() -> Mala {
        Mala { epsilon: Epsilon::Auto, target_acceptance: TARGET_ACCEPTANCE }
    }
}

impl Default for Mala {
    fn default() -> Mala {
        Mala::new()
    }
}

/// The mean acceptance that is optimal in high dimension.
const TARGET_ACCEPTANCE: f64 = 0.574;

impl Settings for Mala {
    const ABOUT: About = About {
        summary: "takes single steps along exact gradients, accepts or rejects each, and tunes its step",
        gradient: GradientNeed::Exact,
        is_exact: true,
        has_epsilon: true,
        target_acceptance: Some(TARGET_ACCEPTANCE),
        num_steps: 20_000,
        warmup: 0.25,
        // The accept step must resolve nβ·L.
        precision: Precision::F64,
        statistics: &[],
        is_single_threaded: false,
        keys: &[],
    };

    fn read<S: Source>(given: &Given<S>) -> Result<Self, S::Error> {
        Ok(Self { epsilon: given.epsilon, target_acceptance: given.target_acceptance })
    }
}

/// The kernel, at a given ε.
#[derive(Debug, Clone)]
pub struct MalaKernel {
    /// Step size ε.
    pub epsilon: f64,
}

impl Kernel for MalaKernel {
    type State = ExactState;
    const GRADIENT: GradientNeed = Mala::ABOUT.gradient;

    fn init(&self, at: &Params, target: &mut dyn Target, batch: Batch) -> Result<ExactState, KernelError> {
        ExactState::at(at, target, batch)
    }

    fn step(
        &self,
        key: Key,
        state: &mut ExactState,
        target: &mut dyn Target,
        batch: Batch,
    ) -> Result<Info, KernelError> {
        state.proposal.copy_from(&state.w)?;
        update::langevin(key, target.local(), self.epsilon, &[], 1.0, &state.grad, &mut state.proposal)?;
        let loss = target.loss_and_grad(&state.proposal, batch, &mut state.proposal_grad)?;
        let from = Evaluated { w: &state.w, loss: state.loss, grad: &state.grad };
        let to = Evaluated { w: &state.proposal, loss, grad: &state.proposal_grad };
        let log_alpha = log_acceptance(target.local(), self.epsilon, &[], from, to)?;
        // A proposal of infinite or undefined energy is rejected: NaN fails every comparison.
        let acceptance = if log_alpha >= 0.0 { 1.0 } else { log_alpha.exp() };
        let acceptance = if acceptance.is_nan() { 0.0 } else { acceptance };
        if key.part(ACCEPT).uniform(0) < acceptance {
            state.accept(loss);
        }
        Ok(Info { loss: state.loss, acceptance: Some(acceptance), squared_distance: None })
    }
}

impl Sampler for Mala {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn passes_per_step(&self) -> f64 {
        if self.epsilon == Epsilon::Auto { 1.25 } else { 1.0 }
    }

    fn run_chain(&self, chain: Chain, start: &Params, target: &mut dyn Target) -> ChainRun {
        let kernel = |epsilon| MalaKernel { epsilon };
        tuning::run_adjusted(&kernel, self.epsilon, self.target_acceptance, chain, start, target)
    }
}
