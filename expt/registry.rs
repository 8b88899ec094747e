//! Lists the experiments of `llc`: adding one takes a file and a row here.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::{ArgMatches, Command};
use llc::config::args::RecordArgs;
use llc::config::training::TrainingConfig;
use llc::config::{
    Configuration, CurveConfig, DescentConfig, DlnConfig, EstimateConfig, ExperimentArgs, KernelRegressionConfig,
    MalaVsSgldConfig, NoisyWeightsConfig, PathsConfig, RescalingConfig, SaddleConfig, ToyConfig, check_storage,
};

use crate::cli::{self, Context, Outcome};
use crate::resume::Record;
use crate::{
    checkpoint, curve, data, descent, dln, estimate, kernel_regression, mala_vs_sgld, model, noisy_weights, paths,
    requeue, rescaling, resume, saddle, theory, toy, train,
};

/// One subcommand of `llc`.
pub struct Experiment {
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
pub const EXPERIMENTS: &[Experiment] = &[
    Experiment {
        command: ExperimentArgs::<DlnConfig>::command,
        run: |matches, cancel| run_configured(matches, cancel, dln::run),
        resume: Some(|record, args, cancel| resume::go_on(record, args, cancel, dln::run)),
    },
    Experiment {
        command: ExperimentArgs::<TrainingConfig>::command,
        run: |matches, cancel| run_configured(matches, cancel, train::run),
        resume: Some(|record, args, cancel| resume::go_on(record, args, cancel, train::run)),
    },
    Experiment {
        command: ExperimentArgs::<CurveConfig>::command,
        run: |matches, cancel| run_configured(matches, cancel, curve::run),
        resume: Some(|record, args, cancel| resume::go_on(record, args, cancel, curve::run)),
    },
    Experiment {
        command: ExperimentArgs::<EstimateConfig>::command,
        run: |matches, cancel| run_configured(matches, cancel, estimate::run),
        resume: Some(|record, args, cancel| resume::go_on(record, args, cancel, estimate::run)),
    },
    Experiment {
        command: ExperimentArgs::<PathsConfig>::command,
        run: |matches, cancel| run_configured(matches, cancel, paths::run),
        resume: Some(|record, args, cancel| resume::go_on(record, args, cancel, paths::run)),
    },
    Experiment {
        command: ExperimentArgs::<SaddleConfig>::command,
        run: |matches, cancel| run_configured(matches, cancel, saddle::run),
        resume: Some(|record, args, cancel| resume::go_on(record, args, cancel, saddle::run)),
    },
    Experiment {
        command: ExperimentArgs::<ToyConfig>::command,
        run: |matches, cancel| run_configured(matches, cancel, toy::run),
        resume: Some(|record, args, cancel| resume::go_on(record, args, cancel, toy::run)),
    },
    Experiment {
        command: ExperimentArgs::<RescalingConfig>::command,
        run: |matches, cancel| run_configured(matches, cancel, rescaling::run),
        resume: Some(|record, args, cancel| resume::go_on(record, args, cancel, rescaling::run)),
    },
    Experiment {
        command: ExperimentArgs::<MalaVsSgldConfig>::command,
        run: |matches, cancel| run_configured(matches, cancel, mala_vs_sgld::run),
        resume: Some(|record, args, cancel| resume::go_on(record, args, cancel, mala_vs_sgld::run)),
    },
    Experiment {
        command: ExperimentArgs::<KernelRegressionConfig>::command,
        run: |matches, cancel| run_configured(matches, cancel, kernel_regression::run),
        resume: Some(|record, args, cancel| resume::go_on(record, args, cancel, kernel_regression::run)),
    },
    Experiment {
        command: ExperimentArgs::<NoisyWeightsConfig>::command,
        run: |matches, cancel| run_configured(matches, cancel, noisy_weights::run),
        resume: Some(|record, args, cancel| resume::go_on(record, args, cancel, noisy_weights::run)),
    },
    Experiment {
        command: ExperimentArgs::<DescentConfig>::command,
        run: |matches, cancel| run_configured(matches, cancel, descent::run),
        resume: Some(|record, args, cancel| resume::go_on(record, args, cancel, descent::run)),
    },
    Experiment { command: resume::command, run: resume::run, resume: None },
    Experiment { command: theory::command, run: theory::run, resume: None },
    Experiment { command: model::command, run: model::run, resume: None },
    Experiment { command: data::command, run: data::run, resume: None },
    Experiment { command: checkpoint::command, run: checkpoint::run, resume: None },
];

/// Runs `experiment` as the command line and what lies under it configure it. A job that was put back in its queue goes on with the run that
/// it had begun.
fn run_configured<C: Configuration>(
    matches: &ArgMatches,
    cancel: &Arc<AtomicBool>,
    experiment: fn(&C, &Context) -> anyhow::Result<Outcome>,
) -> anyhow::Result<Outcome> {
    let args = ExperimentArgs::<C>::from_matches(matches)?;
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
        return resume::go_on(record, &args.run.record, cancel, experiment);
    }
    let mut context = Context::new(cancel, &args.run.record, C::COMMAND_LINE.name)?;
    context.file_storage = args.run.file_storage;
    context.file_storage.iter().try_for_each(|folder| check_storage(folder))?;
    context.name = args.run.name.unwrap_or(context.name);
    context.comment = args.run.comment;
    context.config_updates = checked.updates;
    // What runs outside chains (reading data, probes, training) keeps to the same number of threads.
    rayon::ThreadPoolBuilder::new().num_threads(checked.config.threads()).build_global()?;
    experiment(&checked.config, &context)
}
