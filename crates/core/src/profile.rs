//! Climbs a ladder of scales: λ̂ and the region that it describes, rung by rung, from a strong localisation to a weak one.
//!
//! λ̂(nβ, γ) = nβ·(E[L(w)] − L(w*)) under ∝ exp(−nβ·L(w) − γ/2·‖w − w*‖²), at the radius √E‖w − w*‖². On a quadratic with curvatures hᵢ
//! that is Σ nβhᵢ/(2(nβhᵢ + γ)) at the radius √Σ 1/(nβhᵢ + γ), so that each rung widens the region where γ falls or nβ falls.
//!
//! The chains of a rung start where those of the rung before ended. A rung is sampled in rounds: the first as the plan says, warm-up
//! included; each further one continues the chains and doubles their kept draws, until the interval of λ̂ is narrow enough and the verdict
//! finds nothing that more draws could mend, or the [`Budget`] is used. The ladder ends at the first rung that has not converged by then.
//!
//! *Tested by*: tests/profile.rs, on a quadratic, a toy potential and a deep linear network against their exact values.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::chain::{ChainRun, End};
use crate::estimate::{EstimateError, Estimation, Probes, Sampled};
use crate::kernel::Sampler;
use crate::llc::LlcEstimate;
use crate::memory::MemoryError;
use crate::params::Params;
use crate::run::{self, Chains, RunError, Start};
use crate::target::{Target, TargetError};
use crate::verdict::{Localisation, Reason, Verdict};

/// γ of the first rung: the stiffest direction has nβ·h_max/γ = 3, so that it is held by the loss for three quarters, all others by less.
pub const STIFFNESS_OVER_GAMMA: f64 = 3.0;

/// From the first rung to the last, γ or nβ falls by so much: the radius then grows up to thirtyfold.
pub const FALL: f64 = 1000.0;

/// Where a rung stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// nβ, the factor of the mean loss.
    pub n_beta: f64,
    /// γ, the strength of the localisation.
    pub gamma: f64,
}

/// `count` values from `from` to `to` in geometric steps.
///
/// ```
/// let rungs = llc_core::profile::geometric(100.0, 1.0, 3);
/// assert!(rungs.iter().zip([100.0, 10.0, 1.0]).all(|(rung, expected)| (rung / expected - 1.0f64).abs() < 1e-12));
/// ```
pub fn geometric(from: f64, to: f64, count: usize) -> Vec<f64> {
    let step = |index: usize| from * (to / from).powf(index as f64 / (count - 1) as f64);
    match count {
        0 | 1 => vec![from; count],
        _ => (0..count).map(step).collect(),
    }
}

/// When a rung is good enough, and what it may cost until then.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// Half of the 90 % interval, as a share of λ̂, at which λ̂ is precise enough.
    pub half_width: f64,
    /// The most draws of a chain on one rung, warm-up included.
    pub max_draws: usize,
    /// Seconds of sampling of the whole ladder; `None` for no limit.
    pub time_s: Option<f64>,
}

/// A further round of less than this share of the draws that there are is not worth its start.
const LEAST_SHARE: f64 = 0.1;

/// What a ladder is climbed with.
pub struct Profile<'a> {
    /// The loss around w*, at any scale.
    pub target: &'a dyn Target,
    /// Whatever draws.
    pub sampler: &'a dyn Sampler,
    /// The first round of a rung; its key and store are those of the run.
    pub chains: Chains,
    /// What was found around w* at the target's own scale.
    pub probes: Probes,
    /// What each rung may cost.
    pub budget: Budget,
}

/// λ̂ at one scale.
#[derive(Debug)]
pub struct Rung {
    /// Its place on the ladder, from 0.
    pub index: usize,
    /// nβ and γ.
    pub scale: Scale,
    /// λ̂ of the draws of all rounds, judged.
    pub estimation: Estimation,
    /// Rounds that it took.
    pub num_rounds: usize,
    /// Draws of a chain, warm-up included.
    pub num_draws: usize,
    /// Where each chain ended; `None` unless all of them reached their ends.
    pub ends: Option<Vec<Params>>,
    /// Half of the 90 % interval, as a share of λ̂; NaN if there is none.
    pub half_width: f64,
    /// Whether λ̂ is as precise as was asked for, all chains have settled, and none diverged.
    pub has_converged: bool,
}

impl Rung {
    /// Whether it has converged and the verdict holds nothing else against λ̂.
    pub fn is_certified(&self) -> bool {
        self.has_converged && self.estimation.judgement.verdict != Verdict::NotTrusted
    }
}

/// Why a ladder ended before its last rung.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stop {
    /// The rung of that index has not converged within the budget.
    NotConverged { rung: usize },
    /// The time that is left does not hold the first round of the rung of that index.
    TimeIsUsed { rung: usize },
}

/// What reaches the caller while a rung is sampled.
#[derive(Debug)]
pub enum News<'a> {
    /// Round `round` of rung `rung` starts, with `num_draws` draws of a chain; λ̂ of the rounds before, if there were any.
    Round { rung: usize, round: usize, num_draws: usize, so_far: Option<&'a LlcEstimate> },
    /// `chain` ended after `num_draws` draws of its round because of `error`.
    Failed { chain: usize, num_draws: usize, error: &'a str },
}

/// The rungs that another process has climbed.
#[derive(Debug)]
pub struct Climbed {
    /// How many.
    pub num_rungs: usize,
    /// Where the chains of the last one ended; none unless it has converged.
    pub ends: Vec<Params>,
    /// Seconds that all of them took.
    pub spent_s: f64,
    /// Seconds of the last one per draw of a chain.
    pub seconds_per_draw: f64,
    /// Whether the last one has converged.
    pub has_converged: bool,
}

/// A ladder with the place that was reached on it.
#[derive(Debug)]
pub struct Ladder {
    scales: Vec<Scale>,
    next: usize,
    starts: Vec<Start>,
    spent_s: f64,
    seconds_per_draw: f64,
    stop: Option<Stop>,
}

impl Ladder {
    /// The rungs `scales`, to be climbed from `w_star`.
    ///
    /// # Errors
    /// [`MemoryError`] where there is no room for a copy.
    pub fn new(scales: Vec<Scale>, w_star: &Params) -> Result<Ladder, MemoryError> {
        let starts = vec![Start { w: w_star.try_clone()?, epsilon: None }];
        Ok(Ladder { scales, next: 0, starts, spent_s: 0.0, seconds_per_draw: 0.0, stop: None })
    }

    /// The same after the rungs climbed before.
    pub fn resumed(mut self, climbed: Climbed) -> Ladder {
        self.next = climbed.num_rungs;
        self.starts = climbed.ends.into_iter().map(|w| Start { w, epsilon: None }).collect();
        self.spent_s = climbed.spent_s;
        self.seconds_per_draw = climbed.seconds_per_draw;
        self.stop = (!climbed.has_converged).then(|| Stop::NotConverged { rung: climbed.num_rungs.saturating_sub(1) });
        self
    }

    /// Every rung's scale.
    pub fn scales(&self) -> &[Scale] {
        &self.scales
    }

    /// Why it ended, where that was before its last rung.
    pub fn stop(&self) -> Option<Stop> {
        self.stop
    }

    /// Samples the next rung as `profile` says; `None` at the end of the ladder. One that `cancel` interrupts comes back with what was drawn,
    /// and is still the next.
    ///
    /// # Errors
    /// [`EstimateError`]; a chain that diverges is part of the rung, not an error.
    pub fn climb(
        &mut self,
        profile: &Profile,
        cancel: &AtomicBool,
        report: &mut dyn FnMut(News),
    ) -> Result<Option<Rung>, EstimateError> {
        let Some(&scale) = self.scales.get(self.next).filter(|_| self.stop.is_none()) else { return Ok(None) };
        let round_s = self.seconds_per_draw * profile.chains.plan.num_draws as f64;
        let is_late = profile.budget.time_s.is_some_and(|time_s| self.spent_s + round_s > time_s);
        if is_late && self.next > 0 {
            self.stop = Some(Stop::TimeIsUsed { rung: self.next });
            return Ok(None);
        }
        let rung = profile.rung(self.next, scale, &self.starts, self.spent_s, cancel, report)?;
        self.spent_s += rung.estimation.sampling_s;
        self.seconds_per_draw = rung.estimation.sampling_s / rung.num_draws as f64;
        if rung.estimation.is_interrupted {
            return Ok(Some(rung));
        }
        match &rung.ends {
            Some(ends) if rung.has_converged => {
                let start = |w: &Params| Ok(Start { w: w.try_clone()?, epsilon: None });
                self.starts = ends.iter().map(start).collect::<Result<_, MemoryError>>().map_err(failed)?;
            }
            _ => self.stop = Some(Stop::NotConverged { rung: self.next }),
        }
        self.next += 1;
        Ok(Some(rung))
    }
}

impl Profile<'_> {
    /// λ̂ at `scale` from `starts`, one for all chains or one for each; `spent_s` of the time are used.
    fn rung(
        &self,
        index: usize,
        scale: Scale,
        starts: &[Start],
        spent_s: f64,
        cancel: &AtomicBool,
        report: &mut dyn FnMut(News),
    ) -> Result<Rung, EstimateError> {
        let mut target = self.target.with_density(scale.n_beta, scale.gamma).map_err(RunError::from)?;
        let share = scale.n_beta / self.target.local().n_beta();
        // What the loss falls by around w* is the same at every scale; its unit is 1/nβ.
        let probes = Probes { descent: self.probes.descent * share, ..self.probes };
        let plan = &self.chains.plan;
        let mut all: Vec<ChainRun> = Vec::new();
        let mut continued: Option<Vec<Start>> = None;
        let mut rounds = Rounds { num_draws: plan.num_draws, total: 0, sampling_s: 0.0 };
        let mut so_far: Option<LlcEstimate> = None;
        let mut round = 0;
        loop {
            round += 1;
            let mut chains = self.chains.clone();
            chains.key = self.chains.key.part(index as u64).part(round as u64);
            chains.store = self.chains.store.stage(&format!("rung-{index}")).stage(&format!("round-{round}"));
            chains.plan.keep_last = true;
            chains.plan.largest_curvature = Some(self.probes.largest_curvature);
            chains.plan.num_draws = rounds.num_draws;
            chains.plan.num_warmup = if round == 1 { plan.num_warmup } else { 0 };
            report(News::Round { rung: index, round, num_draws: rounds.num_draws, so_far: so_far.as_ref() });
            let began = Instant::now();
            let from = continued.as_deref().unwrap_or(starts);
            let runs = chains.run_from(self.sampler, target.as_ref(), from, cancel, &mut |progress| {
                if let run::Progress::Ended { chain, num_draws, error: Some(error) } = progress
                    && !cancel.load(Ordering::Relaxed)
                {
                    report(News::Failed { chain, num_draws, error: &error });
                }
            })?;
            rounds.done(chains.plan.num_draws, seconds(began, &runs, &chains));
            continued = Start::after(&runs, 1.0).map_err(failed)?;
            append(&mut all, runs);
            let is_interrupted = cancel.load(Ordering::Relaxed);
            let is_over = is_interrupted || continued.is_none();
            let drawn = if is_over { std::mem::take(&mut all) } else { copies(&all).map_err(failed)? };
            let mut sampled = Sampled::new(target.as_mut(), &self.chains, drawn, rounds.sampling_s)?;
            sampled.is_interrupted = is_interrupted;
            let estimation = sampled.judged(self.sampler, &probes, Localisation::NotChecked);
            let half_width = half_width(&estimation.llc);
            let has_converged = half_width <= self.budget.half_width && has_settled(&estimation);
            let next = rounds.next(plan.num_warmup, &self.budget, spent_s);
            if let (false, false, Some(num_draws)) = (is_over, has_converged, next) {
                rounds.num_draws = num_draws;
                so_far = Some(estimation.llc);
                continue;
            }
            let ends = continued.take().map(|starts| starts.into_iter().map(|start| start.w).collect());
            let (num_rounds, num_draws) = (round, rounds.total);
            return Ok(Rung { index, scale, estimation, num_rounds, num_draws, ends, half_width, has_converged });
        }
    }
}

/// How far a rung's rounds are.
struct Rounds {
    /// Draws of the next round.
    num_draws: usize,
    /// Draws of the rounds so far, warm-up included.
    total: usize,
    /// Seconds of the rounds so far.
    sampling_s: f64,
}

impl Rounds {
    fn done(&mut self, num_draws: usize, sampling_s: f64) {
        self.total += num_draws;
        self.sampling_s += sampling_s;
    }

    /// Draws of a further round: as many as are kept so far, or as many as `budget` still has room for; `None` where that is hardly any.
    fn next(&self, num_warmup: usize, budget: &Budget, spent_s: f64) -> Option<usize> {
        let kept = self.total - num_warmup;
        let by_time = budget.time_s.map_or(usize::MAX, |time_s| {
            let per_draw = self.sampling_s / self.total as f64;
            ((time_s - spent_s - self.sampling_s).max(0.0) / per_draw) as usize
        });
        let num_draws = kept.min(by_time).min(budget.max_draws.saturating_sub(self.total));
        (num_draws as f64 >= LEAST_SHARE * kept as f64).then_some(num_draws.max(1))
    }
}

/// Seconds of a round: those since it `began`, or where it was resumed those that its chains have sampled.
fn seconds(began: Instant, runs: &[ChainRun], chains: &Chains) -> f64 {
    let side_by_side = (chains.threads / chains.threads_per_chain.max(1)).clamp(1, chains.num_chains);
    let sampled_s: f64 = runs.iter().map(|run| run.sampling_s).sum();
    began.elapsed().as_secs_f64().max(sampled_s / side_by_side as f64)
}

/// Half of the 90 % interval as a share of λ̂.
fn half_width(llc: &LlcEstimate) -> f64 {
    0.5 * (llc.ci90[1] - llc.ci90[0]) / llc.mean.abs()
}

/// Whether the verdict holds nothing against the chains themselves: more draws would not mend what else it finds.
fn has_settled(estimation: &Estimation) -> bool {
    let unsettled = [Reason::Diverged, Reason::NotEquilibrated, Reason::TooFewEffectiveDraws];
    estimation.judgement.findings.iter().all(|finding| !unsettled.contains(&finding.reason))
}

/// Adds the runs of a round to those of the rounds before.
fn append(all: &mut Vec<ChainRun>, runs: Vec<ChainRun>) {
    if all.is_empty() {
        *all = runs;
        return;
    }
    all.iter_mut().zip(runs).for_each(|(all, run)| all.append(run));
}

/// The same runs once more; all of them have reached their ends.
fn copies(runs: &[ChainRun]) -> Result<Vec<ChainRun>, MemoryError> {
    let copy = |run: &ChainRun| {
        Ok(ChainRun {
            trace: run.trace.clone(),
            virial: run.virial.clone(),
            gradients: run.gradients.clone(),
            tensor_distances: run.tensor_distances.clone(),
            epsilon: run.epsilon,
            last: run.last.as_ref().map(Params::try_clone).transpose()?,
            end: End::Completed,
            num_steps: run.num_steps,
            sampling_s: run.sampling_s,
        })
    };
    runs.iter().map(copy).collect()
}

fn failed(error: MemoryError) -> EstimateError {
    RunError::from(TargetError::from(error)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_LIMIT: Budget = Budget { half_width: 0.03, max_draws: usize::MAX, time_s: None };

    #[test]
    fn rounds_double_what_is_kept_until_the_budget_is_used() {
        let mut rounds = Rounds { num_draws: 100, total: 0, sampling_s: 0.0 };
        rounds.done(100, 1.0);
        assert_eq!(rounds.next(25, &NO_LIMIT, 0.0), Some(75));
        rounds.done(75, 0.75);
        assert_eq!(rounds.next(25, &NO_LIMIT, 0.0), Some(150));
        assert_eq!(rounds.next(25, &Budget { max_draws: 200, ..NO_LIMIT }, 0.0), Some(25));
        // Ten draws more of the 150 kept.
        assert_eq!(rounds.next(25, &Budget { max_draws: 185, ..NO_LIMIT }, 0.0), None);
        let in_time = |time_s: f64, spent_s: f64| {
            rounds.next(25, &Budget { time_s: Some(time_s), ..NO_LIMIT }, spent_s).is_some_and(|draws| draws < 150)
        };
        assert!(in_time(12.25, 10.0) && !in_time(11.8, 10.0) && !in_time(9.0, 10.0));
    }

    #[test]
    fn a_geometric_ladder_of_one_rung_is_where_it_begins() {
        assert_eq!(geometric(7.0, 1.0, 1), [7.0]);
        assert_eq!(geometric(7.0, 1.0, 2), [7.0, 1.0]);
    }
}
