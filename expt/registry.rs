//! Lists the experiments of `llc`: adding one takes a file and a row here.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::{ArgMatches, Command};
use llc::config::training::TrainingConfig;
use llc::config::{Configuration, CurveConfig, DlnConfig, EstimateConfig, ExperimentArgs, check_storage};

use crate::cli::{self, Context, Outcome};
use crate::{checkpoint, curve, data, dln, estimate, model, theory, train};

/// One subcommand of `llc`.
pub struct Experiment {
    /// Its command line.
    pub command: fn() -> Command,
    /// Does it; the flag is raised when it is to end early.
    pub run: fn(&ArgMatches, &Arc<AtomicBool>) -> anyhow::Result<Outcome>,
}

/// Every subcommand, in the order of `llc help`.
pub const EXPERIMENTS: &[Experiment] = &[
    Experiment {
        command: ExperimentArgs::<DlnConfig>::command,
        run: |matches, cancel| run_configured(matches, cancel, dln::run),
    },
    Experiment {
        command: ExperimentArgs::<TrainingConfig>::command,
        run: |matches, cancel| run_configured(matches, cancel, train::run),
    },
    Experiment {
        command: ExperimentArgs::<CurveConfig>::command,
        run: |matches, cancel| run_configured(matches, cancel, curve::run),
    },
    Experiment {
        command: ExperimentArgs::<EstimateConfig>::command,
        run: |matches, cancel| run_configured(matches, cancel, estimate::run),
    },
    Experiment { command: theory::command, run: theory::run },
    Experiment { command: model::command, run: model::run },
    Experiment { command: data::command, run: data::run },
    Experiment { command: checkpoint::command, run: checkpoint::run },
];

/// Runs `experiment` as the command line and what lies under it configure it.
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
    let context = Context::new(cancel, &args.run, C::COMMAND_LINE.name, checked.updates)?;
    context.file_storage.iter().try_for_each(|folder| check_storage(folder))?;
    // What runs outside chains (reading data, probes, training) keeps to the same number of threads.
    rayon::ThreadPoolBuilder::new().num_threads(checked.config.threads()).build_global()?;
    experiment(&checked.config, &context)
}
