//! Climbs a ladder of scales around one point and records it: what `llc profile` and the Python package do.
//!
//! The ladder itself is [`crate::profile`]. This module adds the scales that a configuration asks for, the journal of a run that can be resumed, and
//! the report.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::checkpoint::NamedTensor;
use crate::config::profile::{Along, LadderConfig, ProfileSection};
use crate::config::{RunConfig, SamplerConfig};
use crate::estimate::{EstimateError, Probes};
use crate::journal::{Journal, JournalError};
use crate::memory::MemoryError;
use crate::observe::{Event, Observers};
use crate::params::Params;
use crate::points::Points;
use crate::profile::{
    Budget, Climbed, FALL, Ladder, News, Profile, Rung, STIFFNESS_OVER_GAMMA, Scale, Stop, geometric,
};
use crate::report::profile as report;
use crate::report::rungs::{self, Columns};
use crate::rng::Key;
use crate::update;
use llc_core::target::{Target, TargetError};

/// What a ladder is climbed around.
pub trait Source {
    /// The loss around w*, at the nβ and γ that the ladder leaves as they are.
    fn target(&mut self) -> &mut dyn Target;

    /// L_n(w*).
    fn init_loss(&self) -> f64;

    /// The run's root stream.
    fn key(&self) -> Key;

    /// What it is, for the report.
    fn subject(&self) -> report::Subject;

    /// Whether the lines of the rungs have test data and exact values.
    fn columns(&self) -> Columns;

    /// E[nβ·(L − L(w*))] at `scale`, where it is known exactly.
    fn exact(&self, _scale: Scale) -> Option<f64> {
        None
    }

    /// Loss and accuracy on test data, means over the networks at `ends`; `None` where there are no test data, or no ends.
    ///
    /// # Errors
    /// Whatever the evaluation reports.
    fn on_test(&mut self, _ends: &[Params]) -> Result<Option<(f64, f64)>, TargetError> {
        Ok(None)
    }
}

/// How a ladder is climbed.
#[derive(Debug, Clone, Copy)]
pub struct Climb<'a> {
    /// The ladder and its budget.
    pub section: &'a ProfileSection,
    pub sampler: &'a SamplerConfig,
    pub run: &'a RunConfig,
}

/// Says why a ladder can't be climbed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClimbError {
    /// The loss has no curvature at w*, and the first rung follows from it.
    #[error(
        "the first rung cannot be chosen, for the loss has no curvature at w* (largest {largest_curvature:.1e}): give --from and --to, or --ladder"
    )]
    NoCurvature { largest_curvature: f64 },
    /// The last rung is not below the first.
    #[error("--to is {to}, which must be smaller than the first rung, {symbol} = {from}: lower it, or raise --from")]
    NotFalling { to: f64, symbol: &'static str, from: f64 },
    /// A rung in the journal does not fit the run.
    #[error("a rung in the journal {0}")]
    Kept(&'static str),
    /// The journal can't be read or written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The loss can't be evaluated, or chains can't be started.
    #[error(transparent)]
    Estimate(#[from] EstimateError),
    /// The loss on test data can't be evaluated.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// Memory for parameters can't be had.
    #[error(transparent)]
    Memory(#[from] MemoryError),
}

/// The smallest γ of a first rung: a smaller one follows from rounding errors of a loss without curvature.
const LEAST_GAMMA: f64 = 1e-3;

impl Climb<'_> {
    /// Climbs around `source`, resuming from `journal`. Returns the part of the report that is about the ladder, and whether it was interrupted.
    /// Lines, metrics and stages go to `observers`, which have seen [`Event::Started`].
    ///
    /// # Errors
    /// [`ClimbError`].
    pub fn climb(
        &self,
        source: &mut dyn Source,
        journal: Journal,
        cancel: &AtomicBool,
        observers: &mut Observers,
    ) -> Result<(report::Profile, bool), ClimbError> {
        let (key, init_loss) = (source.key(), source.init_loss());
        let w_star = source.target().local().w_star().try_clone()?;
        let mut points = Points::of(&journal)?;
        let mut chains = self.sampler.chains(self.run, key, init_loss);
        chains.store = Arc::new(journal);
        observers.emit(&Event::Stage("looking around w*"));
        let probes = Probes::of(source.target(), key, None)?;
        let scales = self.scales(source, &probes)?;
        let sampler = self.sampler.kernel.sampler();
        let budget = Budget {
            half_width: self.section.half_width,
            max_draws: self.sampler.max_draws(self.section.max_steps),
            time_s: self.section.time_s,
        };
        let mut ladder = resumed(Ladder::new(scales, &w_star)?, &points, &w_star)?;
        let w_star_norm = update::dot(&w_star, &w_star)?.sqrt();
        let columns = source.columns();
        observers.emit(&Event::Line(&rungs::header(columns)));
        points.all().iter().for_each(|rung| observers.emit(&Event::Line(&rungs::line(rung, columns))));
        let num_rungs = ladder.scales().len();
        let is_interrupted = loop {
            let profile =
                Profile { target: source.target(), sampler: sampler.as_ref(), chains: chains.clone(), probes, budget };
            let along = self.section.along;
            let mut on_news = |news: News| observe(&news, along, num_rungs, observers);
            let Some(rung) = ladder.climb(&profile, cancel, &mut on_news)? else { break false };
            if rung.estimation.is_interrupted {
                break true;
            }
            let point = point(&rung, source, w_star_norm)?;
            observers.emit(&Event::Metrics { step: rung.index as u64, values: &metrics(&rung) });
            observers.emit(&Event::Line(&rungs::line(&point, columns)));
            observers.emit(&Event::Saving);
            points.push_with(point, tensors(&rung)?)?;
        };
        points.finish()?;
        let found =
            self.found(&ladder, points.into_all(), source, is_interrupted, (w_star_norm, probes.largest_curvature));
        Ok((found, is_interrupted))
    }

    /// Every rung's scale.
    fn scales(&self, source: &mut dyn Source, probes: &Probes) -> Result<Vec<Scale>, ClimbError> {
        let local = source.target().local();
        let (n_beta, gamma) = (local.n_beta(), local.gamma());
        let along = self.section.along;
        let values = match &self.section.ladder {
            LadderConfig::Given { ladder } => ladder.clone(),
            LadderConfig::Geometric { from: given, to, rungs } => {
                let from = match (given, along) {
                    (Some(from), _) => *from,
                    (None, Along::NBeta) => n_beta,
                    (None, Along::Gamma) => n_beta * probes.largest_curvature / STIFFNESS_OVER_GAMMA,
                };
                let is_derived = given.is_none() && along == Along::Gamma;
                if is_derived && !(from > LEAST_GAMMA && from.is_finite()) {
                    return Err(ClimbError::NoCurvature { largest_curvature: probes.largest_curvature });
                }
                let to = to.unwrap_or(from / FALL);
                if to >= from && *rungs != 1 {
                    return Err(ClimbError::NotFalling { to, symbol: along.symbol(), from });
                }
                geometric(from, to, *rungs)
            }
        };
        let scale = |value: f64| match along {
            Along::Gamma => Scale { n_beta, gamma: value },
            Along::NBeta => Scale { n_beta: value, gamma },
        };
        Ok(values.into_iter().map(scale).collect())
    }

    /// A sentence that says why the ladder ended before its last rung.
    fn stopped(&self, stop: Stop, rungs: &[report::Rung]) -> String {
        let symbol = self.section.along.symbol();
        match stop {
            Stop::TimeIsUsed { rung } => {
                format!("not enough time is left for the first round of rung {}; increase --time", rung + 1)
            }
            Stop::NotConverged { rung } => {
                let Some(last) = rungs.get(rung) else { return format!("rung {} did not converge", rung + 1) };
                let at = match self.section.along {
                    Along::Gamma => last.estimate.gamma,
                    Along::NBeta => last.estimate.n_beta,
                };
                let wide = format!("half the 90 % interval is {:.1} % of λ̂", 100.0 * last.half_width);
                let is_narrow = last.half_width <= self.section.half_width;
                let reasons = last.estimate.judgement.reasons.clone();
                let why = [if is_narrow { vec![] } else { vec![wide] }, reasons].concat().join(", ");
                format!(
                    "rung {}, {symbol} = {}, did not converge within its budget ({why}); give more with --max-steps or --time, or another --sampler",
                    rung + 1,
                    rungs::short(at)
                )
            }
            _ => "the ladder ended".to_owned(),
        }
    }

    /// The ladder as the report has it; the norm of w* and the largest curvature are those measured before the first rung.
    fn found(
        &self,
        ladder: &Ladder,
        rungs: Vec<report::Rung>,
        source: &mut dyn Source,
        is_interrupted: bool,
        (w_star_norm, largest_curvature): (f64, f64),
    ) -> report::Profile {
        let along = self.section.along;
        let (subject, init_loss) = (source.subject(), source.init_loss());
        let local = source.target().local();
        let value = |scale: &Scale| match along {
            Along::Gamma => scale.gamma,
            Along::NBeta => scale.n_beta,
        };
        report::Profile {
            along: along.name().to_owned(),
            ladder: ladder.scales().iter().map(value).collect(),
            n_beta: (along == Along::Gamma).then(|| local.n_beta()),
            gamma: (along == Along::NBeta).then(|| local.gamma()),
            half_width: self.section.half_width,
            chains: self.sampler.into(),
            d: local.w_star().len(),
            init_loss,
            w_star_norm,
            largest_curvature,
            num_certified: rungs.iter().filter(|rung| rung.is_certified).count(),
            stopped: ladder.stop().filter(|_| !is_interrupted).map(|stop| self.stopped(stop, &rungs)),
            timing: report::Timing { sampling_s: rungs.iter().map(|rung| rung.seconds).sum() },
            rungs,
            subject,
        }
    }
}

/// `ladder` after the rungs in the journal.
fn resumed(ladder: Ladder, points: &Points<report::Rung>, w_star: &Params) -> Result<Ladder, ClimbError> {
    let Some(last) = points.all().last() else { return Ok(ladder) };
    let end = |tensor: &NamedTensor| {
        let mut w = w_star.zeros_like()?;
        let elements = tensor.to_host().ok_or(ClimbError::Kept("holds no numbers"))?;
        w.copy_from_host(&elements)?.ok_or(ClimbError::Kept("is of another size"))?;
        Ok(w)
    };
    let ends = points.tensors().iter().map(end).collect::<Result<Vec<_>, ClimbError>>()?;
    let spent_s = points.all().iter().map(|rung| rung.seconds).sum();
    let seconds_per_draw = last.seconds / last.num_draws as f64;
    let has_converged = last.has_converged;
    Ok(ladder.resumed(Climbed { num_rungs: points.all().len(), ends, spent_s, seconds_per_draw, has_converged }))
}

/// Where the chains of `rung` ended: the next rung starts there.
fn tensors(rung: &Rung) -> Result<Vec<NamedTensor>, MemoryError> {
    let tensor =
        |(chain, w): (usize, &Params)| Ok(NamedTensor::from_host(&format!("chain-{chain}"), &[w.len()], &w.to_host()?));
    // No rung follows one that has not converged.
    rung.ends.iter().filter(|_| rung.has_converged).flatten().enumerate().map(tensor).collect()
}

/// Reports the progress on a rung.
fn observe(news: &News, along: Along, num_rungs: usize, observers: &mut Observers) {
    match news {
        News::Round { rung, round, num_draws, so_far } => {
            let so_far = so_far.map_or(String::new(), |llc| format!("; λ̂ so far {}", rungs::shown(llc.mean, llc.mcse)));
            let place = format!("rung {} of {num_rungs} along {}", rung + 1, along.symbol());
            observers.emit(&Event::Stage(&format!("{place}, round {round}: {num_draws} draws a chain{so_far}")));
        }
        News::Failed { chain, num_draws, error } => {
            observers.emit(&Event::ChainEnded { chain: *chain, num_draws: *num_draws, error: Some(error) });
        }
    }
}

/// `rung` as the report has it.
fn point(rung: &Rung, source: &mut dyn Source, w_star_norm: f64) -> Result<report::Rung, ClimbError> {
    let done = &rung.estimation;
    let on_test = source.on_test(rung.ends.as_deref().unwrap_or_default())?;
    let diagnostics = &done.diagnostics;
    Ok(report::Rung {
        rung: rung.index,
        llc_exact: source.exact(rung.scale),
        half_width: rung.half_width,
        has_converged: rung.has_converged,
        is_certified: rung.is_certified(),
        radius: diagnostics.radius,
        relative_radius: diagnostics.radius / w_star_norm,
        llc_per_ln_gamma: diagnostics.gamma_sensitivity.value,
        llc_per_ln_gamma_mcse: diagnostics.gamma_sensitivity.mcse,
        held_by_gamma: diagnostics.held_by_gamma,
        test_loss: on_test.map(|(loss, _)| loss),
        test_accuracy: on_test.map(|(_, accuracy)| accuracy),
        num_rounds: rung.num_rounds,
        num_draws: rung.num_draws,
        num_steps: done.num_steps,
        num_diverged: done.num_diverged,
        seconds: done.sampling_s,
        estimate: done.into(),
    })
}

fn metrics(rung: &Rung) -> Vec<(&'static str, f64)> {
    vec![
        ("profile.n_beta", rung.scale.n_beta),
        ("profile.gamma", rung.scale.gamma),
        ("profile.llc", rung.estimation.llc.mean),
        ("profile.llc_mcse", rung.estimation.llc.mcse),
        ("profile.radius", rung.estimation.diagnostics.radius),
    ]
}
