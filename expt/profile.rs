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
use llc::target::TargetError;
use serde_json::{Value, json};

use crate::cli::{Context, Outcome};
use crate::points::Points;
use crate::registry::Experiment;
use crate::{estimation, session};
use source::Source;
use table::Section;

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
    let about = json!({ "w_star_norm": w_star_norm, "largest_curvature": probes.largest_curvature });
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
        let mut report = |news: News| observe(&news, along, num_rungs, observers);
        let Some(rung) = ladder.climb(&profile, &context.cancel, &mut report)? else { break false };
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
    end(config, &ladder, points.all(), (&source, about), is_interrupted, context, observers)
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
fn resumed(ladder: Ladder, points: &Points, w_star: &Params) -> anyhow::Result<Ladder> {
    let Some(last) = points.all().last() else { return Ok(ladder) };
    let end = |tensor: &NamedTensor| {
        let mut w = w_star.zeros_like()?;
        let elements = tensor.to_host().context("a rung that was kept holds no numbers")?;
        w.copy_from_host(&elements)?.context("a rung that was kept is of another size")?;
        Ok(w)
    };
    let ends = points.tensors().iter().map(end).collect::<anyhow::Result<Vec<_>>>()?;
    let spent_s = points.all().iter().map(|rung| Section(rung).number("/seconds")).sum();
    let seconds_per_draw = Section(last).number("/seconds") / Section(last).number("/num_draws");
    let has_converged = last["has_converged"] == true;
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
fn point(rung: &Rung, source: &mut Source, w_star_norm: f64) -> anyhow::Result<Value> {
    let done = &rung.estimation;
    let on_test = source.on_test(rung.ends.as_deref().unwrap_or_default())?;
    let radius = done.diagnostics.radius;
    let of_rung = json!({
        "rung": rung.index,
        "n_beta": rung.scale.n_beta,
        "gamma": rung.scale.gamma,
        "llc_exact": source.exact(rung.scale),
        "half_width": rung.half_width,
        "has_converged": rung.has_converged,
        "is_certified": rung.is_certified(),
        "radius": radius,
        "relative_radius": radius / w_star_norm,
        "llc_per_ln_gamma": done.diagnostics.gamma_sensitivity.value,
        "llc_per_ln_gamma_mcse": done.diagnostics.gamma_sensitivity.mcse,
        "held_by_gamma": done.diagnostics.held_by_gamma,
        "test_loss": on_test.map(|found| found.loss),
        "test_accuracy": on_test.map(|found| found.accuracy),
        "num_rounds": rung.num_rounds,
        "num_draws": rung.num_draws,
        "num_steps": done.num_steps,
        "num_diverged": done.num_diverged,
        "seconds": done.sampling_s,
    });
    Ok(estimation::merged(estimation::report(done), of_rung))
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
fn stopped(stop: Stop, rungs: &[Value], config: &ProfileConfig) -> String {
    let symbol = config.profile().along.symbol();
    match stop {
        Stop::TimeIsUsed { rung } => {
            format!("not enough time is left for the first round of rung {}; increase --time", rung + 1)
        }
        Stop::NotConverged { rung } => {
            let Some(last) = rungs.get(rung) else { return format!("rung {} did not converge", rung + 1) };
            let last = Section(last);
            let at = last.number(match config.profile().along {
                Along::Gamma => "/gamma",
                Along::NBeta => "/n_beta",
            });
            let reasons = last.reasons();
            let half_width = last.number("/half_width");
            let wide = format!("half the 90 % interval is {:.1} % of λ̂", 100.0 * half_width);
            let is_narrow = half_width <= config.profile().half_width;
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

fn end(
    config: &ProfileConfig,
    ladder: &Ladder,
    rungs: &[Value],
    (source, about): (&Source, Value),
    is_interrupted: bool,
    context: &Context,
    observers: &mut Observers,
) -> anyhow::Result<Outcome> {
    let sampler = config.sampler();
    let has_failed = !rungs.is_empty() && rungs.iter().all(|rung| rung["num_diverged"] == json!(sampler.num_chains));
    let status = match (is_interrupted, has_failed) {
        (true, _) => Status::Interrupted,
        (false, true) => Status::Failed,
        (false, false) => Status::Completed,
    };
    let stopped = ladder.stop().filter(|_| !is_interrupted).map(|stop| stopped(stop, rungs, config));
    let local = source.target.local();
    let of_run = json!({
        "experiment": ProfileConfig::EXPERIMENT,
        "source": config.source().name(),
        "along": config.profile().along,
        "ladder": ladder.scales().iter().map(|scale| match config.profile().along {
            Along::Gamma => scale.gamma,
            Along::NBeta => scale.n_beta,
        }).collect::<Vec<_>>(),
        "n_beta": (config.profile().along == Along::Gamma).then(|| local.n_beta()),
        "gamma": (config.profile().along == Along::NBeta).then(|| local.gamma()),
        "half_width": config.profile().half_width,
        "sampler": sampler.kernel.kind().name(),
        "num_chains": sampler.num_chains,
        "num_draws": sampler.num_draws(),
        "num_warmup": sampler.num_warmup_draws(),
        "d": local.w_star().len(),
        "init_loss": source.init_loss,
        "rungs": rungs,
        "num_certified": rungs.iter().filter(|rung| rung["is_certified"] == true).count(),
        "stopped": stopped,
        "timing": { "sampling_s": rungs.iter().map(|rung| Section(rung).number("/seconds")).sum::<f64>() },
        "seed": config.seed(),
        "run_dir": observers.run_dir().as_deref().and_then(|dir| dir.to_str()),
        "status": status.as_str(),
    });
    let report = estimation::merged(estimation::merged(source.facts.clone(), about), of_run);
    observers.emit(&Event::Artifact { name: "profile.csv", content: &table::csv(rungs)? });
    let trace: Vec<String> = rungs.iter().flat_map(|rung| Section(rung).explanations()).collect();
    session::end(context, observers, status, (&report, &table::render(&report)), &trace)?;
    Ok(session::outcome(status, rungs))
}
