//! Lists the experiments of `llc`: adding one takes a file and a row here.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::{ArgMatches, Command};
use llc::config::{DlnArgs, DlnConfig, check_storage};

use crate::cli::{self, Context, Outcome};
use crate::{checkpoint, data, dln, model, theory};

/// One subcommand of `llc`.
pub struct Experiment {
    /// Its command line.
    pub command: fn() -> Command,
    /// Does it; the flag is raised when it is to end early.
    pub run: fn(&ArgMatches, &Arc<AtomicBool>) -> anyhow::Result<Outcome>,
}

/// Every subcommand, in the order of `llc help`.
pub const EXPERIMENTS: &[Experiment] = &[
    Experiment { command: DlnArgs::command, run: run_dln },
    Experiment { command: theory::command, run: theory::run },
    Experiment { command: data::command, run: data::run },
    Experiment { command: checkpoint::command, run: checkpoint::run },
    Experiment { command: model::command, run: model::run },
];

fn run_dln(matches: &ArgMatches, cancel: &Arc<AtomicBool>) -> anyhow::Result<Outcome> {
    let args = DlnArgs::from_matches(matches)?;
    let checked = args.resolve()?;
    for warning in &checked.warnings {
        eprintln!("warning: {warning}");
    }
    if args.run.print_config {
        cli::print(&checked.config.to_toml())?;
        return Ok(Outcome::Done);
    }
    check_storage(&args.run.file_storage)?;
    // What runs outside chains (reading data, probes, training) keeps to the same number of threads.
    rayon::ThreadPoolBuilder::new().num_threads(checked.config.run().threads).build_global()?;
    let context = Context::new(cancel, &args.run, DlnConfig::EXPERIMENT, checked.updates);
    dln::run(&checked.config, &context)
}
