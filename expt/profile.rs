//! Runs `llc profile`: λ̂ over a ladder of scales, around a checkpoint, a deep linear network or a toy potential.

mod source;
mod table;

use std::sync::Arc;

use anyhow::Context as _;
use llc::checkpoint::NamedTensor;
use llc::config::ProfileConfig;
use llc::config::profile::{Along, LadderConfig};
use llc::estimate::Probes;
use llc::observe::{Event, Observers, RunInfo, Status};
use llc::params::Params;
use llc::profile::{Budget, Climbed, FALL, Ladder, News, Profile, Rung, STIFFNESS_OVER_GAMMA, Scale, Stop, geometric};
use llc::report::{Judgement, profile as report};
use llc::target::TargetError;

use crate::cli::{Context, Outcome};
use crate::points::Points;
use crate::registry::Experiment;
use crate::session;
use source::Source;

impl Experiment for ProfileConfig {
    /// Climbs the ladder, records the run, and prints a line for every rung.
    fn run(&self, context: &Context) -> anyhow::Result<Outcome> {
        session::record(context, |observers| {
            observers.emit(&Event::Stage("reading the data"));
            tch::set_num_threads(self.run().threads as i32);
            let source = match Source::open(self, context, observers) {
                Err(error) if matches!(error.downcast_ref(), Some(TargetError::Cancelled)) => {
                    return Ok(session::interrupted_before_sampling());
                }
                opened => opened?,
            };
            climb(self, source, context, observers)
        })
    }
}

fn climb(
    config: &ProfileConfig,
    mut source: Source,
    context: &Context,
    observers: &mut Observers,
) -> anyhow::Result<Outcome> {
    let w_star = source.target.local().w_star().try_clone()?;
    observers.emit(&Event::Started(&RunInfo {
        num_parameters: w_star.len(),
        n_beta: source.target.local().n_beta(),
        init_loss: source.init_loss,
        ..session::run_info(ProfileConfig::EXPERIMENT, config, context)?
    }));
    session::ensure_recorded(observers)?;
    let journal = session::journal(context, observers, config);
    let mut points = Points::of(&journal)?;
    let mut chains = config.sampler().chains(config.run(), source.key, source.init_loss);
    chains.store = Arc::new(journal);
    observers.emit(&Event::Stage("looking around w*"));
    let probes = Probes::of(source.target.as_mut(), source.key)?;
    let scales = scales(config, &source, &probes)?;
    let sampler = config.sampler().kernel.sampler();
    let budget = Budget {
        half_width: config.profile().half_width,
        max_draws: config.sampler().max_draws(config.profile().max_steps),
        time_s: config.profile().time_s,
    };
    let mut ladder = resumed(Ladder::new(scales, &w_star)?, &points, &w_star)?;
    let w_star_norm = llc::update::dot(&w_star, &w_star)?.sqrt();
    let columns = source.columns();
    observers.emit(&Event::Line(&table::header(columns)));
    points.all().iter().for_each(|rung| observers.emit(&Event::Line(&table::line(rung, columns))));
    let num_rungs = ladder.scales().len();
    let is_interrupted = loop {
        let profile = Profile {
            target: source.target.as_ref(),
            sampler: sampler.as_ref(),
            chains: chains.clone(),
            probes,
            budget,
        };
        let along = config.profile().along;
        let mut on_news = |news: News| observe(&news, along, num_rungs, observers);
        let Some(rung) = ladder.climb(&profile, &context.cancel, &mut on_news)? else { break false };
        if rung.estimation.is_interrupted {
            break true;
        }
        let point = point(&rung, &mut source, w_star_norm)?;
        observers.emit(&Event::Metrics { step: rung.index as u64, values: &metrics(&rung) });
        observers.emit(&Event::Line(&table::line(&point, columns)));
        observers.emit(&Event::Saving);
        points.push_with(point, tensors(&rung)?)?;
    };
    points.finish()?;
    let found =
        found(config, &ladder, points.into_all(), source, is_interrupted, (w_star_norm, probes.largest_curvature));
    end(config, found, is_interrupted, context, observers)
}

/// γ of a first rung below which the curvature that it follows from is only the rounding of a loss that has none.
const LEAST_GAMMA: f64 = 1e-3;

/// Every rung's scale.
fn scales(config: &ProfileConfig, source: &Source, probes: &Probes) -> anyhow::Result<Vec<Scale>> {
    let (n_beta, gamma) = (source.target.local().n_beta(), source.target.local().gamma());
    let along = config.profile().along;
    let values = match &config.profile().ladder {
        LadderConfig::Given { ladder } => ladder.clone(),
        LadderConfig::Geometric { from: given, to, rungs } => {
            let from = match (given, along) {
                (Some(from), _) => *from,
                (None, Along::NBeta) => n_beta,
                (None, Along::Gamma) => n_beta * probes.largest_curvature / STIFFNESS_OVER_GAMMA,
            };
            let is_derived = given.is_none() && along == Along::Gamma;
            anyhow::ensure!(
                !is_derived || (from > LEAST_GAMMA && from.is_finite()),
                "the first rung cannot be chosen, for the loss has no curvature at w* (largest {:.1e}): give --from and --to, or --ladder",
                probes.largest_curvature
            );
            let to = to.unwrap_or(from / FALL);
            anyhow::ensure!(
                to < from || *rungs == 1,
                "--to is {to}, which must be smaller than the first rung, {} = {from}: lower it, or raise --from",
                along.symbol()
            );
            geometric(from, to, *rungs)
        }
    };
    let scale = |value: f64| match along {
        Along::Gamma => Scale { n_beta, gamma: value },
        Along::NBeta => Scale { n_beta: value, gamma },
    };
    Ok(values.into_iter().map(scale).collect())
}

/// `ladder` behind the rungs that another process has kept.
fn resumed(ladder: Ladder, points: &Points<report::Rung>, w_star: &Params) -> anyhow::Result<Ladder> {
    let Some(last) = points.all().last() else { return Ok(ladder) };
    let end = |tensor: &NamedTensor| {
        let mut w = w_star.zeros_like()?;
        let elements = tensor.to_host().context("a rung that was kept holds no numbers")?;
        w.copy_from_host(&elements)?.context("a rung that was kept is of another size")?;
        Ok(w)
    };
    let ends = points.tensors().iter().map(end).collect::<anyhow::Result<Vec<_>>>()?;
    let spent_s = points.all().iter().map(|rung| rung.seconds).sum();
    let seconds_per_draw = last.seconds / last.num_draws as f64;
    let has_converged = last.has_converged;
    Ok(ladder.resumed(Climbed { num_rungs: points.all().len(), ends, spent_s, seconds_per_draw, has_converged }))
}

/// Where the chains of `rung` ended, for the next one.
fn tensors(rung: &Rung) -> anyhow::Result<Vec<NamedTensor>> {
    let tensor =
        |(chain, w): (usize, &Params)| Ok(NamedTensor::from_host(&format!("chain-{chain}"), &[w.len()], &w.to_host()?));
    // Behind a rung that has not converged none follows.
    rung.ends.iter().filter(|_| rung.has_converged).flatten().enumerate().map(tensor).collect()
}

/// Says how far a rung is.
fn observe(news: &News, along: Along, num_rungs: usize, observers: &mut Observers) {
    match news {
        News::Round { rung, round, num_draws, so_far } => {
            let so_far = so_far.map_or(String::new(), |llc| format!("; λ̂ so far {}", table::shown(llc.mean, llc.mcse)));
            let place = format!("rung {} of {num_rungs} along {}", rung + 1, along.symbol());
            observers.emit(&Event::Stage(&format!("{place}, round {round}: {num_draws} draws a chain{so_far}")));
        }
        News::Failed { chain, num_draws, error } => {
            observers.emit(&Event::ChainEnded { chain: *chain, num_draws: *num_draws, error: Some(error) });
        }
    }
}

/// What the report says of `rung`.
fn point(rung: &Rung, source: &mut Source, w_star_norm: f64) -> anyhow::Result<report::Rung> {
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
        test_loss: on_test.map(|found| found.loss),
        test_accuracy: on_test.map(|found| found.accuracy),
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

/// Why the ladder ended before its last rung, in a sentence.
fn stopped(stop: Stop, rungs: &[report::Rung], config: &ProfileConfig) -> String {
    let symbol = config.profile().along.symbol();
    match stop {
        Stop::TimeIsUsed { rung } => {
            format!("not enough time is left for the first round of rung {}; increase --time", rung + 1)
        }
        Stop::NotConverged { rung } => {
            let Some(last) = rungs.get(rung) else { return format!("rung {} did not converge", rung + 1) };
            let at = match config.profile().along {
                Along::Gamma => last.estimate.gamma,
                Along::NBeta => last.estimate.n_beta,
            };
            let wide = format!("half the 90 % interval is {:.1} % of λ̂", 100.0 * last.half_width);
            let is_narrow = last.half_width <= config.profile().half_width;
            let reasons = last.estimate.judgement.reasons.clone();
            let why = [if is_narrow { vec![] } else { vec![wide] }, reasons].concat().join(", ");
            format!(
                "rung {}, {symbol} = {}, did not converge within its budget ({why}); give more with --max-steps or --time, or another --sampler",
                rung + 1,
                table::short(at)
            )
        }
        _ => "the ladder ended".to_owned(),
    }
}

/// What the report says of the ladder; the norm of w* and the largest curvature there are those that were looked at first.
fn found(
    config: &ProfileConfig,
    ladder: &Ladder,
    rungs: Vec<report::Rung>,
    source: Source,
    is_interrupted: bool,
    (w_star_norm, largest_curvature): (f64, f64),
) -> report::Profile {
    let (along, local) = (config.profile().along, source.target.local());
    let value = |scale: &Scale| match along {
        Along::Gamma => scale.gamma,
        Along::NBeta => scale.n_beta,
    };
    report::Profile {
        along: along.name().to_owned(),
        ladder: ladder.scales().iter().map(value).collect(),
        n_beta: (along == Along::Gamma).then(|| local.n_beta()),
        gamma: (along == Along::NBeta).then(|| local.gamma()),
        half_width: config.profile().half_width,
        chains: config.sampler().into(),
        d: local.w_star().len(),
        init_loss: source.init_loss,
        w_star_norm,
        largest_curvature,
        num_certified: rungs.iter().filter(|rung| rung.is_certified).count(),
        stopped: ladder.stop().filter(|_| !is_interrupted).map(|stop| stopped(stop, &rungs, config)),
        timing: report::Timing { sampling_s: rungs.iter().map(|rung| rung.seconds).sum() },
        rungs,
        subject: source.subject,
    }
}

fn end(
    config: &ProfileConfig,
    found: report::Profile,
    is_interrupted: bool,
    context: &Context,
    observers: &mut Observers,
) -> anyhow::Result<Outcome> {
    let num_chains = config.sampler().num_chains;
    let has_failed = !found.rungs.is_empty() && found.rungs.iter().all(|rung| rung.num_diverged == num_chains);
    let status = match (is_interrupted, has_failed) {
        (true, _) => Status::Interrupted,
        (false, true) => Status::Failed,
        (false, false) => Status::Completed,
    };
    observers.emit(&Event::Artifact { name: "profile.csv", content: &table::csv(&found.rungs)? });
    let judged = found.rungs.iter().map(|rung| &rung.estimate.judgement);
    let trace: Vec<String> =
        judged.clone().flat_map(|judged| &judged.explanations).map(|line| format!("{line}\n")).collect();
    let has_diverged = judged.clone().any(Judgement::has_diverged);
    let report = session::report(ProfileConfig::EXPERIMENT, config.seed(), found, status, observers);
    session::end(context, observers, (&report, &table::render(&report)), &trace)?;
    Ok(session::outcome(status, has_diverged))
}
