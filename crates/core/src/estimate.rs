//! Estimates λ at a trained parameter, from chains to verdict. Every experiment calls this at every point.
//!
//! It samples, summarises the kept draws, checks whether w* is a minimum, repeats the run at a smaller γ, and judges the result.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::chain::{ChainRun, End};
use crate::diagnostics::{Draws, Estimate};
use crate::distance::TensorDistances;
use crate::kernel::{ExtrapolateStep, GradientNeed, KernelError, LossTrace, Sampler};
use crate::llc::LlcEstimate;
use crate::params::Params;
use crate::probe;
use crate::rng::{Key, Role};
use crate::run::{Chains, Progress, RunError, Start};
use crate::summary::{Density, Diagnostics, KeptDraws, summarise};
use crate::target::{Batch, ConditionalDraw, Target, TargetError};
use crate::verdict::{
    Evidence, Extrapolation, HELD_SHARE, Judgement, LOCALISATION_FACTOR, Localisation, LocalisationCheck, TOLERANCE,
    is_below, is_sloped, judge,
};

/// The result of an estimate.
#[derive(Debug)]
pub struct Estimation {
    /// λ̂ with its error.
    pub llc: LlcEstimate,
    /// The kept losses that λ̂ is computed from, `[num_chains, num_draws]`.
    pub loss: Draws,
    /// √E‖w_l − w*_l‖² over the kept draws per tensor. `None` unless the plan asks for it and every chain reached its end: after an
    /// interruption everything else is over the draws that the chains have in common, but these sums are not.
    pub distance_per_tensor: Option<Vec<f64>>,
    /// How well the draws represent the density.
    pub diagnostics: Diagnostics,
    /// Whether λ̂ can be trusted.
    pub judgement: Judgement,
    /// The part of λ̂ due to rounding of passes in bfloat16, as a mean over the chains' last draws; `None` unless passes are coarse.
    pub rounding_shift: Option<f64>,
    /// λ̂ at ε and ε/2, if `llc` is extrapolated from both.
    pub extrapolation: Option<Extrapolation>,
    /// The result of the run's repetition at a smaller γ.
    pub localisation: Localisation,
    /// nβ of the density.
    pub n_beta: f64,
    /// γ of the density.
    pub gamma: f64,
    /// Step size of each chain that has one.
    pub epsilon: Vec<f64>,
    /// nβ·(L_n(w*) − lowest loss that gradient descent finds from w*).
    pub descent: f64,
    /// Largest curvature of L at w*.
    pub largest_curvature: f64,
    /// Chains whose loss was no longer finite.
    pub num_diverged: usize,
    /// Whether it was cancelled before its end.
    pub is_interrupted: bool,
    /// Seconds that the chains took, without the localisation check.
    pub sampling_s: f64,
    /// Steps of all chains.
    pub num_steps: u64,
}

/// Why there is no estimate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EstimateError {
    /// The chains could not be started.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The loss around w* could not be evaluated.
    #[error("cannot evaluate the loss around w*: {0}")]
    Probe(KernelError),
    /// A chain failed for another reason than a loss that is not finite.
    #[error("chain {chain}, after {num_draws} draws: {error}")]
    Chain { chain: usize, num_draws: usize, error: KernelError },
}

impl From<KernelError> for EstimateError {
    fn from(error: KernelError) -> Self {
        Self::Probe(error)
    }
}

/// Samples `target` around its w* with `sampler` and `chains`, and judges the result. Reports draws and stages to `progress`. `cancel`
/// ends it early, with the draws so far.
///
/// # Errors
/// [`EstimateError`]; a chain that diverges is not an error but part of the verdict.
pub fn estimate(
    target: &mut dyn Target,
    sampler: &dyn Sampler,
    chains: &Chains,
    check_localisation: bool,
    cancel: &AtomicBool,
    progress: &mut dyn FnMut(Progress),
) -> Result<Estimation, EstimateError> {
    let w_star = target.local().w_star().try_clone().map_err(TargetError::from).map_err(RunError::from)?;
    let probes = Probes::of(target, chains.key, chains.plan.largest_curvature)?;
    let began = Instant::now();
    let mut chains = chains.clone();
    chains.plan.largest_curvature = Some(probes.largest_curvature);
    let is_biased = !sampler.is_exact() && chains.extrapolate_step != ExtrapolateStep::Off;
    chains.plan.keep_last |= is_biased;
    let runs = chains.run(sampler, target, &w_star, cancel, progress)?;
    let starts = if is_biased { Start::after(&runs, 0.5).map_err(KernelError::from)? } else { None };
    let mut sampled = Sampled::new(target, &chains, runs, began.elapsed().as_secs_f64())?;
    sampled.is_interrupted = cancel.load(Ordering::Relaxed);
    if let Some(starts) = starts.filter(|_| !sampled.is_interrupted)
        && (chains.extrapolate_step == ExtrapolateStep::On || sampled.is_biased())
    {
        progress(Progress::Stage("sampling again at half the step size, to remove the bias of the step size"));
        let at_half = sample_finer(target, sampler, &chains, &starts, cancel)?;
        sampled.is_interrupted |= cancel.load(Ordering::Relaxed);
        if let Some((llc, diagnostics, num_steps)) = at_half.filter(|_| !sampled.is_interrupted) {
            sampled.extrapolate(llc, &diagnostics, &probes);
            sampled.num_steps += num_steps;
        }
        sampled.sampling_s = began.elapsed().as_secs_f64();
    }
    let wanted = check_localisation && !sampled.is_interrupted && sampled.num_diverged < chains.num_chains;
    // Where the draws at one γ show that λ̂ depends on it, another γ has nothing to add.
    let is_open =
        !is_below(sampled.diagnostics.held_by_gamma, HELD_SHARE) && !is_sloped(&sampled.llc, &sampled.diagnostics);
    let localisation = if wanted && is_open {
        progress(Progress::Stage("sampling again at a smaller γ, to check the effect of the localisation"));
        sample_localised(target, sampler, &chains, &w_star, cancel)?
    } else {
        Localisation::NotChecked
    };
    sampled.is_interrupted |= cancel.load(Ordering::Relaxed);
    Ok(sampled.judged(sampler, &probes, localisation))
}

/// Measurements around w* before sampling.
#[derive(Debug, Clone, Copy)]
pub struct Probes {
    /// Largest curvature of L at w*.
    pub largest_curvature: f64,
    /// nβ·(L_n(w*) − lowest loss that gradient descent finds from w*).
    pub descent: f64,
}

impl Probes {
    /// Measures around the w* of `target`, with random numbers from `key`, the stream of the run. A largest curvature that is `known`
    /// already, measured with the same stream, is not measured again.
    ///
    /// # Errors
    /// Errors of the target.
    pub fn of(target: &mut dyn Target, key: Key, known: Option<f64>) -> Result<Probes, EstimateError> {
        let key = key.role(Role::Probe);
        let largest_curvature = match known {
            Some(largest_curvature) => largest_curvature,
            None => probe::largest_curvature(target, key)?,
        };
        Ok(Probes { largest_curvature, descent: probe::descent(target, key.part(1), largest_curvature)? })
    }
}

/// The summary of the chains' draws, not yet judged.
#[derive(Debug)]
pub struct Sampled {
    /// λ̂ with its error.
    pub llc: LlcEstimate,
    /// How well the draws represent the density.
    pub diagnostics: Diagnostics,
    /// Whether it was cancelled before its end.
    pub is_interrupted: bool,
    /// Chains whose loss was no longer finite.
    pub num_diverged: usize,
    num_chains: usize,
    extrapolation: Option<Extrapolation>,
    is_loss_full: bool,
    n_beta: f64,
    gamma: f64,
    loss: Draws,
    distance_per_tensor: Option<Vec<f64>>,
    rounding_shift: Option<f64>,
    epsilon: Vec<f64>,
    sampling_s: f64,
    num_steps: u64,
}

impl Sampled {
    /// Summarises `runs`, which `chains` drew around the w* of `target` in `sampling_s` seconds.
    ///
    /// # Errors
    /// [`EstimateError::Chain`] where a chain failed for another reason than a loss that is not finite.
    pub fn new(
        target: &mut dyn Target,
        chains: &Chains,
        runs: Vec<ChainRun>,
        sampling_s: f64,
    ) -> Result<Sampled, EstimateError> {
        let num_diverged = runs.iter().filter(|run| run.has_diverged()).count();
        let epsilon = runs.iter().filter_map(|run| run.epsilon).collect();
        let num_steps = runs.iter().map(|run| run.num_steps).sum();
        let density = density(target, chains.plan.init_loss);
        let distance_per_tensor = distance_per_tensor(&runs);
        let rounding_shift = rounding_shift(target, &runs)?;
        let kept = kept(runs, chains.plan.num_warmup)?;
        let loss = Draws::new(&kept.iter().map(|chain| &chain.loss).collect::<Vec<_>>());
        let (llc, diagnostics) = summarise(&kept, &density);
        Ok(Sampled {
            llc,
            diagnostics,
            is_interrupted: false,
            num_diverged,
            num_chains: chains.num_chains,
            extrapolation: None,
            is_loss_full: chains.plan.batch_size.is_none() || chains.plan.loss_trace == LossTrace::Full,
            n_beta: density.n_beta,
            gamma: density.gamma,
            loss,
            distance_per_tensor,
            rounding_shift,
            epsilon,
            sampling_s,
            num_steps,
        })
    }

    /// Whether to remove the measured biases. An extrapolation has two to three times the error, so it only pays if the verdict would
    /// refuse them.
    fn is_biased(&self) -> bool {
        let Diagnostics { step_bias, minibatch_bias, .. } = &self.diagnostics;
        let bias: f64 = [step_bias, minibatch_bias].into_iter().flatten().map(|bias| bias.value).sum();
        self.num_diverged == 0 && TOLERANCE * self.llc.mean.abs() < bias
    }

    /// Removes the bias of the step size with `at_half`, λ̂ of chains at half of it.
    fn extrapolate(&mut self, at_half: LlcEstimate, diagnostics: &Diagnostics, probes: &Probes) {
        let llc = LlcEstimate::extrapolated(&self.llc, &at_half);
        let epsilon = self.epsilon.iter().copied().fold(0.0, f64::max);
        let mcse = 2.0 * self.llc.mcse.hypot(at_half.mcse);
        self.extrapolation = Some(Extrapolation {
            bias: Estimate { value: self.llc.mean - llc.mean, mcse },
            rhat: diagnostics.rhat,
            ess_bulk: diagnostics.ess_bulk,
            largest_share: 0.25 * epsilon * (self.n_beta * probes.largest_curvature + self.gamma),
            at_epsilon: std::mem::replace(&mut self.llc, llc),
            at_half_epsilon: at_half,
        });
    }

    /// The estimate, judged from this summary, `probes` and the result of a repetition at a smaller γ.
    pub fn judged(self, sampler: &dyn Sampler, probes: &Probes, localisation: Localisation) -> Estimation {
        let Sampled { llc, diagnostics, rounding_shift, .. } = self;
        let mut judgement = judge(&Evidence {
            llc: &llc,
            diagnostics: &diagnostics,
            is_adjusted: sampler.is_exact(),
            is_loss_full: self.is_loss_full,
            extrapolation: self.extrapolation.as_ref(),
            n_beta: self.n_beta,
            gamma: self.gamma,
            num_diverged: self.num_diverged,
            num_chains: self.num_chains,
            is_interrupted: self.is_interrupted,
            descent: probes.descent,
            localisation: &localisation,
        });
        if let Some(shift) = rounding_shift.filter(|shift| !is_below(shift.abs(), llc.mcse)) {
            judgement.notes.push(format!(
                "rounding to bfloat16 moved λ̂ by about {shift:+.3}, {:.1} of its standard errors: use --precision \
                 f32 if that matters",
                shift.abs() / llc.mcse
            ));
        }
        Estimation {
            llc,
            loss: self.loss,
            distance_per_tensor: self.distance_per_tensor,
            diagnostics,
            judgement,
            rounding_shift,
            extrapolation: self.extrapolation,
            localisation,
            n_beta: self.n_beta,
            gamma: self.gamma,
            epsilon: self.epsilon,
            descent: probes.descent,
            largest_curvature: probes.largest_curvature,
            num_diverged: self.num_diverged,
            is_interrupted: self.is_interrupted,
            sampling_s: self.sampling_s,
            num_steps: self.num_steps,
        }
    }
}

/// nβ·((L(w) − L(w*)) in coarse passes minus the same in precise ones), mean over the chains' last draws.
fn rounding_shift(target: &mut dyn Target, runs: &[ChainRun]) -> Result<Option<f64>, EstimateError> {
    let last: Vec<&Params> = runs.iter().filter_map(|run| run.last.as_ref()).collect();
    if last.is_empty() {
        return Ok(None);
    }
    let w_star = target.local().w_star().try_clone().map_err(KernelError::from)?;
    let Some(at_centre) = rounding(target, &w_star)? else { return Ok(None) };
    let mut sum = 0.0;
    for w in &last {
        sum += rounding(target, w)?.unwrap_or(at_centre) - at_centre;
    }
    Ok(Some(target.local().n_beta() * sum / last.len() as f64))
}

/// L(w) in coarse passes minus the same in precise ones; `None` unless passes are coarse.
fn rounding(target: &mut dyn Target, w: &Params) -> Result<Option<f64>, KernelError> {
    match target.precise_loss(w)? {
        Some(precise) => Ok(Some(target.loss(w, Batch::Full)? - precise)),
        None => Ok(None),
    }
}

/// λ̂ at half the step size, and the number of steps, from chains that start where those at the full step size ended. They make twice as many
/// kept draws, after a tenth of that as warm-up, since the two laws differ little. `None` if a loss is not finite or the run was cancelled.
fn sample_finer(
    target: &dyn Target,
    sampler: &dyn Sampler,
    chains: &Chains,
    starts: &[Start],
    cancel: &AtomicBool,
) -> Result<Option<(LlcEstimate, Diagnostics, u64)>, EstimateError> {
    let mut finer = chains.clone();
    let num_kept = chains.plan.num_draws - chains.plan.num_warmup;
    finer.key = chains.key.role(Role::Extrapolation);
    finer.plan.num_warmup = num_kept / 5;
    finer.plan.num_draws = 2 * num_kept + finer.plan.num_warmup;
    finer.plan.virial_every = 0;
    finer.plan.tensor_distances = false;
    finer.plan.keep_last = false;
    finer.store = chains.store.stage("half-epsilon");
    let runs = finer.run_from(sampler, target, starts, cancel, &mut |_| {})?;
    if cancel.load(Ordering::Relaxed) || runs.iter().any(ChainRun::has_diverged) {
        return Ok(None);
    }
    let num_steps = runs.iter().map(|run| run.num_steps).sum();
    let kept = kept(runs, finer.plan.num_warmup)?;
    let (llc, diagnostics) = summarise(&kept, &density(target, chains.plan.init_loss));
    Ok(Some((llc, diagnostics, num_steps)))
}

/// λ̂ at γ/4 from chains of half the length. If it fails, only the check is lost, not the estimate.
fn sample_localised(
    target: &dyn Target,
    sampler: &dyn Sampler,
    chains: &Chains,
    w_star: &Params,
    cancel: &AtomicBool,
) -> Result<Localisation, EstimateError> {
    let gamma = target.local().gamma() / LOCALISATION_FACTOR;
    let target = target.with_gamma(gamma).map_err(RunError::from)?;
    let mut shorter = chains.clone();
    shorter.key = chains.key.role(Role::Localisation);
    shorter.plan.num_draws = (chains.plan.num_draws / 2).max(1);
    shorter.plan.num_warmup = chains.plan.num_warmup / 2;
    shorter.plan.virial_every = 0;
    shorter.plan.tensor_distances = false;
    shorter.plan.keep_last = false;
    shorter.store = chains.store.stage("localisation");
    let runs = shorter.run(sampler, target.as_ref(), w_star, cancel, &mut |_| {})?;
    if cancel.load(Ordering::Relaxed) {
        return Ok(Localisation::NotChecked);
    }
    for run in &runs {
        if let End::Failed(error) = &run.end {
            return Ok(Localisation::Failed { gamma, why: error.to_string() });
        }
    }
    let kept = kept(runs, shorter.plan.num_warmup)?;
    let (llc, diagnostics) = summarise(&kept, &density(target.as_ref(), chains.plan.init_loss));
    Ok(Localisation::Sampled(LocalisationCheck {
        gamma,
        llc: llc.mean,
        mcse: llc.mcse,
        rhat: diagnostics.rhat,
        radius: diagnostics.radius,
    }))
}

/// The density that `target` samples, around a w* of loss `init_loss`.
pub fn density(target: &dyn Target, init_loss: f64) -> Density {
    let local = target.local();
    let tensors = local.w_star().layout().specs().iter().map(|spec| (spec.name.clone(), spec.len())).collect();
    Density { n_beta: local.n_beta(), gamma: local.gamma(), init_loss, tensors }
}

/// √E‖w_l − w*_l‖² over the chains that did not diverge, if each of them reached its end.
fn distance_per_tensor(runs: &[ChainRun]) -> Option<Vec<f64>> {
    let settled = || runs.iter().filter(|run| !run.has_diverged());
    if !settled().all(|run| matches!(run.end, End::Completed)) {
        return None;
    }
    let distances = TensorDistances::root_mean_square(settled().map(|run| &run.tensor_distances));
    (!distances.is_empty()).then_some(distances)
}

/// The kept draws of the chains that did not diverge. In an interrupted run, chains less than half as long as the longest are left out,
/// since all others would be cut to their length.
pub fn kept(runs: Vec<ChainRun>, num_warmup: usize) -> Result<Vec<KeptDraws>, EstimateError> {
    let mut kept = Vec::new();
    for (chain, run) in runs.into_iter().enumerate() {
        if run.has_diverged() {
            continue;
        }
        let num_draws = run.trace.loss.len();
        if let End::Failed(error) = run.end {
            return Err(EstimateError::Chain { chain, num_draws, error });
        }
        let from = num_warmup.min(num_draws);
        let tail = |values: Vec<f64>| values[from..].to_vec();
        kept.push(KeptDraws {
            loss: tail(run.trace.loss),
            distance: tail(run.trace.distance),
            acceptance: tail(run.trace.acceptance),
            virial: run.virial,
            gradients: run.gradients,
        });
    }
    let longest = kept.iter().map(|chain| chain.loss.len()).max().unwrap_or(0);
    kept.retain(|chain| 2 * chain.loss.len() > longest && longest > 0);
    Ok(kept)
}

/// Most passes of [`seconds_per_pass`]: the first passes of a process are many times slower than the others.
const MAX_PASSES: usize = 30;

/// Longest time that it repeats passes.
const PATIENCE: Duration = Duration::from_millis(300);

/// Seconds that one step costs: one gradient on `batch`, or one sweep of exact draws, the fastest of up to thirty within 0.3 s.
///
/// # Errors
/// Errors of the target.
pub fn seconds_per_pass(target: &mut dyn Target, gradient: GradientNeed, batch: Batch) -> Result<f64, EstimateError> {
    let mut w = target.local().w_star().try_clone().map_err(KernelError::from)?;
    let mut grad = w.zeros_like().map_err(KernelError::from)?;
    let key = Key::new(0).role(Role::Probe);
    let mut fastest = f64::INFINITY;
    let start = Instant::now();
    for pass in 0..MAX_PASSES {
        if pass >= 2 && start.elapsed() > PATIENCE {
            break;
        }
        let began = Instant::now();
        match (gradient, target.as_conditional()) {
            (GradientNeed::None, Some(conditional)) => sweep(conditional, key, &mut w).map_err(KernelError::from)?,
            _ => {
                target.loss_and_grad(&w, batch, &mut grad).map_err(KernelError::from)?;
            }
        }
        fastest = fastest.min(began.elapsed().as_secs_f64());
    }
    Ok(fastest)
}

fn sweep(target: &mut dyn ConditionalDraw, key: Key, w: &mut Params) -> Result<(), TargetError> {
    target.begin_sweep(w)?;
    (0..target.num_blocks()).try_for_each(|block| target.draw_block(key.part(block as u64), block, w))
}
