//! Samples by Hamiltonian Monte Carlo: leapfrog trajectories on the exact gradient, accepted or rejected.
//!
//! With momentum p ~ N(0, I) and H = U(w) + ½‖p‖², K leapfrog steps p ← p − (h/2)∇U, w ← w + h·p, p ← p − (h/2)∇U, accepted with
//! probability min(1, e^(H − H′)). The step size is stated as ε = h², so that MALA is HMC with K = 1 at the same ε. K is drawn
//! anew for each trajectory, uniform on ⌈K̄/2⌉ … ⌊3K̄/2⌋ around its mean K̄, so that no mode resonates.
//!
//! *Reference*: Neal, "MCMC using Hamiltonian dynamics", 2011, <https://arxiv.org/abs/1206.1901>, sections 2.3, 3.1 and 4.2.
//!
//! *Tested by*: stationary moments against closed forms, equality with MALA at K = 1, a step's energy error of order h³ (tests/laws.rs),
//! and theory on six deep linear networks (tests/dln_command.rs).

use serde::Serialize;

use super::metropolis::ExactState;
use super::{
    ACCEPT, About, Epsilon, Given, GradientNeed, Info, JITTER, Kernel, KernelError, Precision, Sampler, Settings,
    Source, State, tuning,
};
use crate::chain::{Chain, ChainRun};
use crate::memory::MemoryError;
use crate::params::Params;
use crate::rng::Key;
use crate::setting::{Kind, Setting};
use crate::target::{Batch, LocalPosterior, Target};
use crate::update;

/// The settings of HMC. Its gradients are exact.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Hmc {
    /// Step size: h² of the leapfrog step h.
    pub epsilon: Epsilon,
    /// Mean number of leapfrog steps of a trajectory, at least 1.
    pub leapfrog_steps: usize,
    /// Acceptance that the tuning of ε aims at, in (0, 1).
    pub target_acceptance: f64,
}

/// Mean leapfrog steps of a trajectory. Among 8, 16, 20, 64 and 256 at equal cost, 8 to 20 gave the most effective draws of the loss
/// on aligned truths up to d = 6,425; 8 had not reached the plateau of the largest truth.
const LEAPFROG_STEPS: usize = 20;

impl Hmc {
    /// HMC that searches for its step size and makes 20 leapfrog steps on average.
    ///
    /// ```
    /// use llc_core::kernel::hmc::Hmc;
    /// use llc_core::kernel::{Epsilon, PositiveF64};
    ///
    /// let mut hmc = Hmc::new();
    /// hmc.epsilon = PositiveF64::new(1e-3).map_or(Epsilon::Auto, Epsilon::Fixed);
    /// assert_eq!(hmc.leapfrog_steps, 20);
    /// ```
    pub fn new() -> Hmc {
        Hmc { epsilon: Epsilon::Auto, leapfrog_steps: LEAPFROG_STEPS, target_acceptance: TARGET_ACCEPTANCE }
    }
}

impl Default for Hmc {
    fn default() -> Hmc {
        Hmc::new()
    }
}

/// The mean acceptance that Stan aims at.
const TARGET_ACCEPTANCE: f64 = 0.8;

impl Settings for Hmc {
    const ABOUT: About = About {
        summary: "follows exact gradients along trajectories, accepts or rejects each, and tunes its step",
        gradient: GradientNeed::Exact,
        is_exact: true,
        has_epsilon: true,
        target_acceptance: Some(TARGET_ACCEPTANCE),
        num_steps: 6_000,
        warmup: 0.25,
        // The accept step must resolve nβ·L.
        precision: Precision::F64,
        statistics: &["energy"],
        is_single_threaded: false,
        keys: &[Setting::new(
            "sampler.leapfrog_steps",
            "leapfrog-steps",
            Kind::Whole,
            "STEPS",
            "mean leapfrog steps of a trajectory [default: 20]",
        )],
    };

    fn read<S: Source>(given: &Given<S>) -> Result<Self, S::Error> {
        Ok(Self {
            epsilon: given.epsilon,
            leapfrog_steps: given.source.count("sampler.leapfrog_steps", 1)?.unwrap_or(LEAPFROG_STEPS),
            target_acceptance: given.target_acceptance,
        })
    }
}

/// The kernel, at a given ε.
#[derive(Debug, Clone)]
pub struct HmcKernel {
    /// Squared leapfrog step ε = h².
    pub epsilon: f64,
    /// Mean number K̄ of leapfrog steps.
    pub leapfrog_steps: usize,
}

/// The current point with its exact loss and gradient, and the momentum's buffer.
#[derive(Debug)]
pub struct HmcState {
    at: ExactState,
    momentum: Params,
    /// H at the end of the last step.
    energy: [f64; 1],
}

impl State for HmcState {
    fn w(&self) -> &Params {
        self.at.w()
    }

    fn exact_gradient(&self) -> Option<&Params> {
        self.at.exact_gradient()
    }

    fn statistics(&self) -> &[f64] {
        &self.energy
    }
}

impl HmcKernel {
    /// Number of leapfrog steps of the trajectory that `key` belongs to.
    fn num_leapfrogs(&self, key: Key) -> usize {
        let mean = self.leapfrog_steps;
        let (low, high) = (mean.div_ceil(2), 3 * mean / 2);
        low + key.part(JITTER).below(0, (high - low + 1) as u64) as usize
    }
}

fn energy(local: &LocalPosterior, loss: f64, w: &Params, momentum: &Params) -> Result<f64, MemoryError> {
    let potential = local.potential(loss, update::squared_distance(w, local.w_star())?);
    Ok(potential + 0.5 * update::dot(momentum, momentum)?)
}

impl Kernel for HmcKernel {
    type State = HmcState;
    const GRADIENT: GradientNeed = Hmc::ABOUT.gradient;
    const STATISTICS: &'static [&'static str] = Hmc::ABOUT.statistics;

    fn init(&self, at: &Params, target: &mut dyn Target, batch: Batch) -> Result<HmcState, KernelError> {
        Ok(HmcState { at: ExactState::at(at, target, batch)?, momentum: at.zeros_like()?, energy: [f64::NAN] })
    }

    fn step(&self, key: Key, state: &mut HmcState, target: &mut dyn Target, batch: Batch) -> Result<Info, KernelError> {
        let HmcState { at, momentum, energy: last_energy } = state;
        let h = self.epsilon.sqrt();
        update::fill_standard_normal(key, momentum)?;
        let start = energy(target.local(), at.loss, &at.w, momentum)?;
        at.proposal.copy_from(&at.w)?;
        at.proposal_grad.copy_from(&at.grad)?;
        let num_leapfrogs = self.num_leapfrogs(key);
        let mut loss = at.loss;
        update::add_potential_gradient(-0.5 * h, target.local(), &at.proposal_grad, &at.proposal, momentum)?;
        for leapfrog in 1..=num_leapfrogs {
            update::add_scaled(h, momentum, &mut at.proposal)?;
            loss = target.loss_and_grad(&at.proposal, batch, &mut at.proposal_grad)?;
            if !loss.is_finite() {
                break;
            }
            // Two half kicks in the middle of a trajectory are one whole kick.
            let kick = if leapfrog == num_leapfrogs { -0.5 * h } else { -h };
            update::add_potential_gradient(kick, target.local(), &at.proposal_grad, &at.proposal, momentum)?;
        }
        let change = energy(target.local(), loss, &at.proposal, momentum)? - start;
        let acceptance = if change.is_finite() { (-change).exp().min(1.0) } else { 0.0 };
        *last_energy = [start];
        if key.part(ACCEPT).uniform(0) < acceptance {
            *last_energy = [start + change];
            at.accept(loss);
        }
        Ok(Info { loss: at.loss, acceptance: Some(acceptance), squared_distance: None })
    }
}

impl Sampler for Hmc {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn passes_per_step(&self) -> f64 {
        let searched = if self.epsilon == Epsilon::Auto { 1.25 } else { 1.0 };
        searched * self.leapfrog_steps as f64
    }

    fn run_chain(&self, chain: Chain, start: &Params, target: &mut dyn Target) -> ChainRun {
        let kernel = |epsilon| HmcKernel { epsilon, leapfrog_steps: self.leapfrog_steps };
        tuning::run_adjusted(&kernel, self.epsilon, self.target_acceptance, chain, start, target)
    }
}
