//! Searches for a step size before a chain and returns it, so that no tuning is hidden in a kernel's state.
//!
//! Each chain searches for itself, from its own stream, so that chain 3 of 4 equals chain 3 of 8.
//!
//! *Reference*: Hoffman and Gelman, JMLR 15 (2014), <https://arxiv.org/abs/1111.4246>, section 3.2 (dual averaging).

use super::{Epsilon, GradientNeed, Kernel, KernelError, State};
use crate::chain::{self, Batches, Chain, ChainRun, GradientLook};
use crate::params::Params;
use crate::probe::largest_curvature;
use crate::rng::Role;
use crate::summary::GradientRow;
use crate::target::{Batch, Target};

/// The result of a search.
#[derive(Debug)]
pub struct Tuned<K> {
    /// The kernel at the step size found.
    pub kernel: K,
    /// The step size ε.
    pub epsilon: f64,
    /// Where the search ended and the chain continues.
    pub w: Params,
}

/// Runs a chain of a kernel with an accept step, `kernel(ε)`: from `start` at a given ε, or at the ε that a search for
/// `target_acceptance` finds, from the end of the search.
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

/// Limits on the steps of the search, which has as many as the warm-up: at least what dual averaging needs to settle within a few percent of
/// its target, and at most what still improves it (its weights fall as t^−0.75).
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

/// A step size at which one step from `start` is accepted with probability about one half, searched from 1/(nβ·h_max + γ) in factors
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

/// Share of the largest stable step 4/(nβ·h_max + γ) that a search starts from: the stiffest mode's variance at w* is then
/// 1/(1 − 0.04) times too large, the other modes' less. (Curvatures grow as flat directions widen: on 10→10,10 of rank 5, λ̂ came
/// out 5.6 % too large at a share of 0.1, and 1.2 ± 0.7 % at 0.04.)
const STABLE_SHARE: f64 = 0.04;

/// The largest share, if the pilots measure that it adds little bias to λ̂: the stiffest mode then has a quarter too much energy.
const MAX_SHARE: f64 = 0.2;

/// Largest measured bias of λ̂ from step size and minibatches together: two thirds of the verdict's tolerance.
const TARGET_BIAS: f64 = 0.02;

/// Largest virial ratio of a tensor, the mean of 1/(1 − εa/4) over its modes: three percent.
const MAX_VIRIAL: f64 = 1.03;

/// Steps of one pilot as a share of the chain's, and their limits.
const PILOT_SHARE: f64 = 0.04;
const PILOT_STEPS: [usize; 2] = [40, 1000];

/// Most pilots that run to their end: with the gradients measured along them they take at most a fifth of the chain's steps.
const MAX_PILOTS: usize = 3;

/// Most step sizes that are tried, including those at which a pilot fails: at a flat w* nothing sets the scale, and the first may be off
/// by twelve decades.
const MAX_TRIES: usize = 40;

/// Steps between two measurements of a pilot.
const MEASURE_EVERY: u64 = 5;

/// Standard errors by which a tensor's virial ratio must exceed its limit: with two, one of a network's hundreds of tensors would by chance.
const SIGNIFICANT: f64 = 4.0;

/// Smallest factor of ε that justifies another pilot.
const WORTH_A_PILOT: f64 = 1.25;

/// Finds ε for a Langevin kernel without acceptance. Pilots from `start` measure the bias of λ̂ from the step and from the noise of the
/// minibatches ([`GradientRow`]). Both are proportional to ε, so that the next ε is the one at which they add
/// 2 % of λ̂, within a fifth of the largest stable step. If a tensor's virial ratio is above 1.03 by more than four standard
/// errors, ε is halved; if a pilot diverges, ε is divided by eight.
pub fn langevin_step_size<K: Kernel>(
    kernel: &dyn Fn(f64) -> K,
    chain: &mut Chain,
    start: &Params,
    target: &mut dyn Target,
) -> Result<Tuned<K>, KernelError> {
    let key = chain.stream(Role::Tuning);
    let curvature = match chain.plan.largest_curvature {
        Some(curvature) => curvature,
        None => largest_curvature(target, key.part(0))?,
    };
    let stiffness = target.local().n_beta() * curvature + target.local().gamma();
    let stable = 4.0 / if stiffness > 0.0 { stiffness } else { 1.0 };
    let first = STABLE_SHARE * stable;
    let (mut epsilon, mut num_pilots) = (first, 0);
    let mut w = start.try_clone()?;
    for attempt in 0..MAX_TRIES {
        let at = kernel(epsilon);
        match pilot(&at, key.part(1 + attempt as u64), chain, &w, target) {
            Ok(found) => {
                num_pilots += 1;
                w = found.w;
                let next = match found.is_too_large {
                    true => 0.5 * epsilon,
                    // A pilot that measured nothing (a flat loss, a single step) leaves ε.
                    false if found.bias > 0.0 && found.llc > 0.0 => {
                        (epsilon * TARGET_BIAS * found.llc / found.bias).min(MAX_SHARE * stable)
                    }
                    false => epsilon,
                };
                let change = (next / epsilon).max(epsilon / next);
                // The last pilot's word is taken: what its ε adds is measured again by the chain.
                epsilon = next;
                if change < WORTH_A_PILOT || num_pilots == MAX_PILOTS || chain.is_cancelled() {
                    return Ok(Tuned { kernel: kernel(epsilon), epsilon, w });
                }
            }
            Err(KernelError::Diverged) => {
                epsilon /= 8.0;
                w.copy_from(start)?;
            }
            Err(error) => return Err(error),
        }
    }
    Err(KernelError::NoStepSize { smallest: epsilon, largest: first })
}

/// The result of a pilot.
struct Pilot {
    /// Where it ended.
    w: Params,
    /// Whether a tensor's virial ratio shows that the step is too large.
    is_too_large: bool,
    /// The bias of λ̂ from ε, in the unit of λ̂.
    bias: f64,
    /// λ̂ along the pilot.
    llc: f64,
}

/// Runs a pilot from `start` and measures along its second half.
fn pilot<K: Kernel>(
    kernel: &K,
    key: crate::rng::Key,
    chain: &Chain,
    start: &Params,
    target: &mut dyn Target,
) -> Result<Pilot, KernelError> {
    let [fewest, most] = PILOT_STEPS;
    let of_chain = chain.plan.num_draws * chain.plan.thin;
    let num_steps = ((PILOT_SHARE * of_chain as f64) as usize).clamp(fewest, most).min(of_chain) as u64;
    let mut batches = Batches::new(chain, Role::Minibatch, target, GradientNeed::Minibatch);
    let mut unseen = Batches::new(chain, Role::Probe, target, GradientNeed::Minibatch);
    let mut state = kernel.init(start, target, Batch::Full)?;
    let mut look = GradientLook::new(start)?;
    let sizes: Vec<f64> = start.layout().specs().iter().map(|spec| spec.len() as f64).collect();
    let (mut terms, mut rows): (Vec<Vec<f64>>, Vec<GradientRow>) = (Vec::new(), Vec::new());
    for step in 0..num_steps {
        kernel.step(key.step(step), &mut state, target, batches.at(step))?;
        if step >= num_steps / 2 && step % MEASURE_EVERY == 0 {
            // The next step's batch: the point has not seen it.
            let unseen = (&mut unseen, &mut batches, step + 1);
            let (virial, row) = look.at(kernel, &state, target, chain, unseen, f64::NAN)?;
            terms.push(virial);
            rows.push(row);
        }
        if chain.is_cancelled() {
            break;
        }
    }
    let n = terms.len() as f64;
    let is_too_large = sizes.iter().enumerate().any(|(tensor, &size)| {
        let mean = terms.iter().map(|row| row[tensor] / size).sum::<f64>() / n;
        let variance = terms.iter().map(|row| (row[tensor] / size - mean).powi(2)).sum::<f64>() / n;
        // A pilot is shorter than the flat directions' memory, so that its rows are worth one draw; of normal modes its variance is 2 each.
        let error = variance.max(2.0 / size).sqrt();
        !mean.is_finite() || mean - SIGNIFICANT * error > MAX_VIRIAL
    });
    let mean = |of: fn(&GradientRow) -> f64| rows.iter().map(of).sum::<f64>() / n;
    let (bias, llc) = (mean(|row| row.step_bias + row.minibatch_bias), mean(|row| row.excess));
    Ok(Pilot { w: state.w().try_clone()?, is_too_large, bias, llc })
}
