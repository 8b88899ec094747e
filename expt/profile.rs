//! Runs `llc profile`: λ̂ over a ladder of scales, around a checkpoint, a deep linear network or a toy potential.

mod source;

use llc::climb::{Climb, Source as _};
use llc::config::ProfileConfig;
use llc::observe::{Event, Observers, RunInfo};
use llc::report::{Judgement, profile as report, rungs};
use llc::target::TargetError;

use crate::cli::{Context, Outcome};
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
    let init_loss = source.init_loss();
    let local = source.target().local();
    observers.emit(&Event::Started(&RunInfo {
        num_parameters: local.w_star().len(),
        n_beta: local.n_beta(),
        init_loss,
        ..session::run_info(ProfileConfig::EXPERIMENT, config, context)?
    }));
    session::ensure_recorded(observers)?;
    let journal = session::journal(context, observers, config);
    let num_samples = source.target().num_samples();
    let sampler = num_samples.map_or_else(|| config.sampler().clone(), |n| config.sampler().for_samples(n as usize));
    let climb = Climb { section: config.profile(), sampler: &sampler, run: config.run() };
    let (found, is_interrupted) = climb.climb(&mut source, journal, &context.cancel, observers)?;
    end(config, found, is_interrupted, context, observers)
}

fn end(
    config: &ProfileConfig,
    found: report::Profile,
    is_interrupted: bool,
    context: &Context,
    observers: &mut Observers,
) -> anyhow::Result<Outcome> {
    let status = found.status(is_interrupted);
    observers.emit(&Event::Artifact { name: "profile.csv", content: &rungs::csv(&found.rungs)? });
    let judged = found.rungs.iter().map(|rung| &rung.estimate.judgement);
    let trace: Vec<String> =
        judged.clone().flat_map(|judged| &judged.explanations).map(|line| format!("{line}\n")).collect();
    let has_diverged = judged.clone().any(Judgement::has_diverged);
    let report = session::report(ProfileConfig::EXPERIMENT, config.seed(), found, status, observers);
    session::end(context, observers, (&report, &rungs::render(&report)), &trace)?;
    Ok(session::outcome(status, has_diverged))
}
