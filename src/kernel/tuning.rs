//! Searches a step size before a chain, and outputs it: no tuning is hidden in a kernel's state.
//!
//! Each chain searches for itself, from its own stream, so that chain 3 of 4 equals chain 3 of 8.
//!
//! *Reference*: Hoffman and Gelman, JMLR 15 (2014), <https://arxiv.org/abs/1111.4246>, section 3.2 (dual averaging).

use super::{GradientNeed, Kernel, KernelError, State};
use crate::chain::{self, Batches, Chain, ChainRun};
use crate::config::Epsilon;
use crate::params::Params;
use crate::probe::largest_curvature;
use crate::rng::Role;
use crate::target::{Batch, Target};
use crate::update;

/// What a search found.
#[derive(Debug)]
pub struct Tuned<K> {
    /// The kernel at the step size found.
    pub kernel: K,
    /// That step size ε.
    pub epsilon: f64,
    /// Where the search ended: the chain goes on from there.
    pub w: Params,
}

/// Runs a chain of a kernel with an accept step, `kernel(ε)`: from `start` at the ε that is given, else at the one that a search for
/// `target_acceptance` finds, from where the search ended.
pub fn run_adjusted<K: Kernel>(
    kernel: &dyn Fn(f64) -> K,
    epsilon: Epsilon,
    target_acceptance: f64,
    mut chain: Chain,
    start: &Params,
    target: &mut dyn Target,
) -> ChainRun {
    if let Some(epsilon) = chain.known_epsilon(epsilon) {
        chain.epsilon = Some(epsilon);
        return chain::run(&kernel(epsilon), chain, start, target);
    }
    match dual_averaging(kernel, target_acceptance, &mut chain, start, target) {
        Ok(Tuned { kernel, epsilon, w }) => {
            chain.epsilon = Some(epsilon);
            chain::run(&kernel, chain, &w, target)
        }
        Err(error) => ChainRun::failed(error),
    }
}

// Hoffman and Gelman's constants: shrinkage towards the start, stabilisation of the first steps, decay of the average.
const SHRINKAGE: f64 = 0.05;
const EARLY: f64 = 10.0;
const DECAY: f64 = 0.75;

/// Steps of the search: as many as the warm-up has, but at least what dual averaging needs to settle within a few percent of its
/// target, and at most what it still gains by (its weights fall as t^−0.75).
const SEARCH_STEPS: [usize; 2] = [200, 2000];

/// Finds ε at which the mean acceptance is `target_acceptance`, by dual averaging on ln ε.
pub fn dual_averaging<K: Kernel>(
    kernel: &dyn Fn(f64) -> K,
    target_acceptance: f64,
    chain: &mut Chain,
    start: &Params,
    target: &mut dyn Target,
) -> Result<Tuned<K>, KernelError> {
    let key = chain.stream(Role::Tuning);
    let first = first_step_size(kernel, chain, start, target)?;
    let mut state = kernel(first).init(start, target, Batch::Full)?;
    // Pull towards ten times the first guess, as there: it is better to come down from above.
    let centre = (10.0 * first).ln();
    let (mut error, mut average, mut epsilon) = (0.0, first.ln(), first);
    let [least, most] = SEARCH_STEPS;
    for step in 1..=(chain.plan.num_warmup * chain.plan.thin).clamp(least, most) {
        let t = step as f64;
        let info = kernel(epsilon).step(key.step(step as u64), &mut state, target, Batch::Full)?;
        let accepted = info.acceptance.unwrap_or(1.0);
        error += (target_acceptance - accepted - error) / (t + EARLY);
        let log_epsilon = centre - t.sqrt() / SHRINKAGE * error;
        epsilon = log_epsilon.exp();
        average += t.powf(-DECAY) * (log_epsilon - average);
        if chain.is_cancelled() {
            break;
        }
    }
    let epsilon = average.exp();
    Ok(Tuned { kernel: kernel(epsilon), epsilon, w: state.w().try_clone()? })
}

/// A step size at which one step from `start` is accepted with probability about one half, from 1/(nβ·h_max + γ) by factors
/// of 4.
fn first_step_size<K: Kernel>(
    kernel: &dyn Fn(f64) -> K,
    chain: &Chain,
    start: &Params,
    target: &mut dyn Target,
) -> Result<f64, KernelError> {
    const FACTOR: f64 = 4.0;
    const MAX_TRIES: usize = 60;
    let key = chain.stream(Role::Tuning).part(0);
    let stiffness = target.local().n_beta() * largest_curvature(target, key)? + target.local().gamma();
    let first = if stiffness > 0.0 { 1.0 / stiffness } else { 1.0 };
    let mut accepts = |epsilon: f64, step: usize| -> Result<bool, KernelError> {
        let kernel = kernel(epsilon);
        let mut state = kernel.init(start, target, Batch::Full)?;
        let info = kernel.step(key.step(step as u64), &mut state, target, Batch::Full)?;
        Ok(info.acceptance.unwrap_or(0.0) > 0.5)
    };
    let mut epsilon = first;
    let grows = accepts(epsilon, 0)?;
    for step in 1..MAX_TRIES {
        let next = if grows { epsilon * FACTOR } else { epsilon / FACTOR };
        if accepts(next, step)? != grows {
            return Ok(if grows { epsilon } else { next });
        }
        epsilon = next;
    }
    Err(KernelError::NoStepSize { smallest: first.min(epsilon), largest: first.max(epsilon) })
}

/// Share of the largest stable step 4/(nβ·h_max + γ) that SGLD starts from: the stiffest mode's variance at w* is then
/// 1/(1 − 0.04) times too large, the other modes' less. (Curvatures grow as flat directions widen: on 10→10,10 of rank 5, λ̂ came
/// out 5.6 % too large at a share of 0.1, and 1.2 ± 0.7 % at 0.04.)
const STABLE_SHARE: f64 = 0.04;

/// Largest virial ratio of a tensor that a step size may show: 1/(1 − εa/4) of its modes on average, three percent.
const MAX_VIRIAL: f64 = 1.03;

/// Steps per check of a step size, at most; a chain of fewer steps is checked on as many as it has.
const CHECK_STEPS: u64 = 1000;

/// Most step sizes that are tried: at a flat w* nothing tells the scale, and the first may be off by twelve decades.
const MAX_TRIES: usize = 40;

/// Finds ε for a Langevin kernel without acceptance: a share of 4/(nβ·h_max + γ), halved until no tensor's virial ratio
/// over a short run from `start` exceeds 1.03 by more than two standard errors, and divided by eight where such a run diverges.
pub fn langevin_step_size<K: Kernel>(
    kernel: &dyn Fn(f64) -> K,
    chain: &mut Chain,
    start: &Params,
    target: &mut dyn Target,
) -> Result<Tuned<K>, KernelError> {
    let key = chain.stream(Role::Tuning);
    let stiffness = target.local().n_beta() * largest_curvature(target, key.part(0))? + target.local().gamma();
    let first = STABLE_SHARE * 4.0 / if stiffness > 0.0 { stiffness } else { 1.0 };
    let mut epsilon = first;
    for attempt in 0..MAX_TRIES {
        let kernel = kernel(epsilon);
        match short_run(&kernel, key.part(1 + attempt as u64), chain, start, target) {
            Ok((w, too_large)) if !too_large || chain.is_cancelled() => return Ok(Tuned { kernel, epsilon, w }),
            Ok(_) => epsilon /= 2.0,
            Err(KernelError::Diverged) => epsilon /= 8.0,
            Err(error) => return Err(error),
        }
    }
    Err(KernelError::NoStepSize { smallest: epsilon, largest: first })
}

/// Where a short run ends, and whether its virial ratios say that the step is too large.
fn short_run<K: Kernel>(
    kernel: &K,
    key: crate::rng::Key,
    chain: &Chain,
    start: &Params,
    target: &mut dyn Target,
) -> Result<(Params, bool), KernelError> {
    let mut batches = Batches::new(chain, Role::Minibatch, target, GradientNeed::Minibatch);
    let mut state = kernel.init(start, target, Batch::Full)?;
    let mut grad = start.zeros_like()?;
    let sizes: Vec<f64> = start.layout().specs().iter().map(|spec| spec.len() as f64).collect();
    let mut terms: Vec<Vec<f64>> = Vec::new();
    let num_steps = CHECK_STEPS.min((chain.plan.num_draws * chain.plan.thin) as u64);
    for step in 0..num_steps {
        kernel.step(key.step(step), &mut state, target, batches.at(step))?;
        if step >= num_steps / 2 && step % 10 == 0 {
            target.loss_and_grad(state.w(), Batch::Probe, &mut grad)?;
            terms.push(update::virial_terms(target.local(), &grad, state.w())?);
        }
        if chain.is_cancelled() {
            break;
        }
    }
    let n = terms.len() as f64;
    let too_large = sizes.iter().enumerate().any(|(tensor, &size)| {
        let mean = terms.iter().map(|row| row[tensor] / size).sum::<f64>() / n;
        let variance = terms.iter().map(|row| (row[tensor] / size - mean).powi(2)).sum::<f64>() / n;
        !mean.is_finite() || mean - 2.0 * (variance / n).sqrt() > MAX_VIRIAL
    });
    Ok((state.w().try_clone()?, too_large))
}
