//! Holds what every experiment that leaves a record does around its work: observers, device, the end of a run.

use std::iter;
use std::path::PathBuf;
use std::sync::Arc;

use llc::config::{Configuration, Device};
use llc::diagnostics::{Draws, rhat};
use llc::estimate::EstimateError;
use llc::journal::Journal;
use llc::kernel::KernelError;
use llc::observe::file_tree::FileTreeObserver;
#[cfg(feature = "mongo")]
use llc::observe::mongo::MongoObserver;
use llc::observe::terminal::TerminalObserver;
use llc::observe::{Event, Observer, Observers, RunInfo, Status};
use llc::posterior::Posterior;
use llc::record::folder::JOURNAL;
use llc::report::{Report, SCHEMA_VERSION};
use llc::train::TrainError;
use serde::Serialize;

use crate::cli::{self, Context, Outcome};
use crate::copies;

/// Does `work` with the observers of a run; if it fails the record says why.
pub fn record(
    context: &Context,
    work: impl FnOnce(&mut Observers) -> anyhow::Result<Outcome>,
) -> anyhow::Result<Outcome> {
    let mut observers = Observers::default();
    let create = |folder: &PathBuf| FileTreeObserver::with_heartbeat(folder, context.heartbeat);
    let reopen = |run_dir: &PathBuf| FileTreeObserver::reopen_with_heartbeat(run_dir, context.heartbeat);
    let trees: Result<Vec<_>, _> = match &context.resumed {
        Some(run_dir) => {
            iter::once(run_dir.clone()).chain(copies::of(run_dir)).map(|run_dir| reopen(&run_dir)).collect()
        }
        None => context.file_storage.iter().map(create).collect(),
    };
    let trees = trees.map_err(|error| cli::CannotRecord(error.to_string()))?;
    if context.resumed.is_none() {
        copies::note(&trees.iter().filter_map(Observer::run_dir).collect::<Vec<_>>())?;
    }
    for (index, tree) in trees.into_iter().enumerate() {
        match index {
            0 => observers.push_record(Box::new(tree), Arc::clone(&context.cancel)),
            _ => observers.push(Box::new(tree)),
        }
    }
    follow(context, &mut observers);
    observers.push(Box::new(TerminalObserver::new(context.is_quiet, |chains| rhat(&Draws::new(chains)))));
    let run_dir = observers.run_dir();
    let outcome = work(&mut observers).inspect_err(|error| {
        observers.emit(&Event::Ended { status: Status::Failed, report: None, fail_trace: &fail_trace(error) });
    });
    if let (true, Some(run_dir), Ok(_)) = (observers.is_record_lost(), run_dir, &outcome) {
        let failure = observers.failures().first().map_or("its record failed", String::as_str);
        let run_dir = run_dir.display();
        anyhow::bail!(
            "{failure}; what is in {run_dir} is kept: `llc resume {run_dir}` continues it once this is fixed"
        );
    }
    outcome
}

/// Delivers the record to the databases that were asked for, as far as this program can.
fn follow(context: &Context, observers: &mut Observers) {
    #[cfg(feature = "mongo")]
    if let (Some(run_dir), false) = (observers.run_dir(), context.addresses.is_empty()) {
        observers.push(Box::new(MongoObserver::with_heartbeat(&run_dir, &context.addresses, context.heartbeat)));
    }
    // Without the feature `RunArgs::addresses` has refused every address.
    #[cfg(not(feature = "mongo"))]
    let _ = (context, observers);
}

/// Where the run keeps what a later process needs to go on with it.
pub fn journal(context: &Context, observers: &Observers, config: &impl Configuration) -> Journal {
    match observers.run_dir() {
        Some(run_dir) => Journal::new(&run_dir.join(JOURNAL), &config.hash(), context.pace),
        None => Journal::default(),
    }
}

/// What a run of `experiment` tells of itself when it starts, but for what it draws.
pub fn run_info(experiment: &str, config: &impl Serialize, context: &Context) -> anyhow::Result<RunInfo> {
    Ok(RunInfo {
        name: context.name.clone(),
        command: experiment.to_owned(),
        argv: std::env::args().collect(),
        config: serde_json::to_value(config)?,
        config_updates: context.config_updates.clone(),
        comment: context.comment.clone(),
        ..RunInfo::default()
    })
}

/// The same of a run that draws from `posterior`.
pub fn info_around(info: RunInfo, posterior: &Posterior) -> RunInfo {
    let Posterior { target, chains, .. } = posterior;
    RunInfo {
        num_chains: chains.num_chains,
        num_draws: chains.plan.num_draws,
        num_warmup: chains.plan.num_warmup,
        num_parameters: target.local().w_star().len(),
        n_beta: target.local().n_beta(),
        init_loss: chains.plan.init_loss,
        ..info
    }
}

/// Fails where a run that has just started is not on record: nothing is to be computed that would be lost.
pub fn ensure_recorded(observers: &Observers) -> anyhow::Result<()> {
    match observers.failures().first() {
        Some(failure) => Err(cli::CannotRecord(failure.clone()).into()),
        None => Ok(()),
    }
}

/// The report of a run of `experiment` that `found` this.
pub fn report<R>(experiment: &str, seed: u64, found: R, status: Status, observers: &Observers) -> Report<R> {
    let run_dir = observers.run_dir().and_then(|dir| dir.to_str().map(str::to_owned));
    Report { schema_version: SCHEMA_VERSION, experiment: experiment.to_owned(), found, seed, run_dir, status }
}

/// Ends the record with `report` and prints what was asked for: `shown`, the text for a reader, and the report as JSON.
pub fn end(
    context: &Context,
    observers: &mut Observers,
    (report, shown): (&Report<impl Serialize>, &str),
    fail_trace: &[String],
) -> anyhow::Result<()> {
    let status = report.status;
    let report = serde_json::to_value(report)?;
    observers.emit(&Event::Output(shown));
    let fail_trace = if status == Status::Failed { fail_trace } else { &[] };
    observers.emit(&Event::Ended { status, report: Some(&report), fail_trace });
    if !context.is_quiet {
        cli::print(shown)?;
    }
    if context.is_json {
        cli::print(&format!("{report}\n"))?;
    }
    if let (Status::Interrupted, Some(run_dir)) = (status, observers.run_dir()) {
        eprintln!("interrupted; `llc resume {}` continues it", run_dir.display());
    }
    Ok(())
}

/// What a record keeps of `error`: a line for it and for each of its causes.
pub fn fail_trace(error: &anyhow::Error) -> Vec<String> {
    error.chain().map(|cause| format!("{cause}\n")).collect()
}

/// Whether `error` is a loss that is no longer finite, of the training or around a point.
pub fn has_diverged(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        matches!(cause.downcast_ref(), Some(TrainError::Diverged { .. }))
            || matches!(cause.downcast_ref(), Some(EstimateError::Probe(KernelError::Diverged)))
    })
}

/// What became of a run that ends with `status`; `has_diverged` says whether a chain of any of its estimates did, those of the processes
/// before this one included. One that has failed and yet has a report has diverged: other errors leave none.
pub fn outcome(status: Status, has_diverged: bool) -> Outcome {
    match status {
        Status::Interrupted => Outcome::Interrupted,
        Status::Failed => Outcome::Diverged,
        _ if has_diverged => Outcome::Diverged,
        _ => Outcome::Done,
    }
}

/// Says that a run was interrupted while it read its data, which leaves no record.
pub fn interrupted_before_sampling() -> Outcome {
    eprintln!("interrupted while reading the data: nothing was sampled, and no record was written");
    Outcome::Interrupted
}

/// The device as libtorch knows it.
pub fn device(device: Device) -> anyhow::Result<tch::Device> {
    match device {
        Device::Cuda(index) => {
            let num_devices = tch::Cuda::device_count();
            anyhow::ensure!(
                tch::Cuda::is_available() && (index as i64) < num_devices,
                cli::NoDevice { index, num_devices }
            );
            Ok(tch::Device::Cuda(index))
        }
        _ => Ok(tch::Device::Cpu),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_that_diverged_before_a_stop_counts_after_it() {
        assert_eq!(outcome(Status::Completed, false), Outcome::Done);
        assert_eq!(outcome(Status::Completed, true), Outcome::Diverged);
        assert_eq!(outcome(Status::Interrupted, true), Outcome::Interrupted);
        assert_eq!(outcome(Status::Failed, false), Outcome::Diverged);
    }
}
