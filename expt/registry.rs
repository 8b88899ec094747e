//! Lists the experiments of `llc`: adding one takes a file and a row here.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::{ArgMatches, Command};
use llc::config::args::RecordArgs;
use llc::config::training::TrainingConfig;
use llc::config::{
    Configuration, CurveConfig, DescentConfig, DlnConfig, EstimateConfig, ExperimentArgs, KernelRegressionConfig,
    MalaVsSgldConfig, NoisyWeightsConfig, PathsConfig, ProfileConfig, RescalingConfig, SaddleConfig, ToyConfig,
    check_storage,
};

use crate::cli::{self, Context, Outcome};
use crate::resume::Record;
use crate::{checkpoint, data, model, requeue, resume, theory};

/// An experiment, which its configuration stands for.
pub trait Experiment: Configuration {
    /// Runs it, and records the run where `context` says.
    fn run(&self, context: &Context) -> anyhow::Result<Outcome>;
}

/// One subcommand of `llc`.
pub struct Subcommand {
    /// Its command line.
    pub command: fn() -> Command,
    /// Does it; the flag is raised when it is to end early.
    pub run: fn(&ArgMatches, &Arc<AtomicBool>) -> anyhow::Result<Outcome>,
    /// Goes on with a run of it; `None` for what leaves no record.
    pub resume: Option<Resume>,
}

/// Goes on with a run.
pub type Resume = fn(Record, &RecordArgs, &Arc<AtomicBool>) -> anyhow::Result<Outcome>;

/// Every subcommand, in the order of `llc help`.
pub const SUBCOMMANDS: &[Subcommand] = &[
    experiment::<DlnConfig>(),
    experiment::<TrainingConfig>(),
    experiment::<CurveConfig>(),
    experiment::<EstimateConfig>(),
    experiment::<ProfileConfig>(),
    experiment::<PathsConfig>(),
    experiment::<SaddleConfig>(),
    experiment::<ToyConfig>(),
    experiment::<RescalingConfig>(),
    experiment::<MalaVsSgldConfig>(),
    experiment::<KernelRegressionConfig>(),
    experiment::<NoisyWeightsConfig>(),
    experiment::<DescentConfig>(),
    Subcommand { command: resume::command, run: resume::run, resume: None },
    Subcommand { command: theory::command, run: theory::run, resume: None },
    Subcommand { command: model::command, run: model::run, resume: None },
    Subcommand { command: data::command, run: data::run, resume: None },
    Subcommand { command: checkpoint::command, run: checkpoint::run, resume: None },
];

/// The subcommand of the experiment `E`.
const fn experiment<E: Experiment>() -> Subcommand {
    Subcommand {
        command: ExperimentArgs::<E>::command,
        run: run_configured::<E>,
        resume: Some(resume::continue_run::<E>),
    }
}

/// Runs the experiment `E` as the command line and what lies under it configure it. A job that was put back in its queue continues with the run that
/// it had begun.
fn run_configured<E: Experiment>(matches: &ArgMatches, cancel: &Arc<AtomicBool>) -> anyhow::Result<Outcome> {
    let args = ExperimentArgs::<E>::from_matches(matches)?;
    let checked = args.resolve()?;
    for warning in &checked.warnings {
        eprintln!("warning: {warning}");
    }
    if args.run.print_config {
        cli::print(&checked.config.to_toml())?;
        return Ok(Outcome::Done);
    }
    let own_folder = args.run.file_storage.first();
    if let Some(record) = own_folder.and_then(|folder| requeue::unfinished(folder, &checked.config)) {
        return resume::continue_run::<E>(record, &args.run.record, cancel);
    }
    let mut context = Context::new(cancel, &args.run.record, E::COMMAND_LINE.name)?;
    context.file_storage = args.run.file_storage;
    context.file_storage.iter().try_for_each(|folder| check_storage(folder))?;
    context.name = args.run.name.unwrap_or(context.name);
    context.comment = args.run.comment;
    context.config_updates = checked.updates;
    // What runs outside chains (reading data, probes, training) keeps to the same number of threads.
    rayon::ThreadPoolBuilder::new().num_threads(checked.config.threads()).build_global()?;
    checked.config.run(&context)
}
