//! Runs `llc resume`: takes a run up again that was killed or interrupted, in its own folder and under its own number.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context as _;
use clap::{Arg, ArgMatches, Args as _, Command, FromArgMatches as _, value_parser};
use llc::config::args::RecordArgs;
use llc::config::python;
use llc::record::json;
use serde_json::Value;

use crate::cli::{CannotRecord, Context, Outcome};
use crate::registry::{Experiment, SUBCOMMANDS};

/// Defines `llc resume`.
pub fn command() -> Command {
    let command = Command::new("resume").arg(
        Arg::new("run_dir")
            .value_name("RUN_DIR")
            .help("Folder of the run, such as runs/12")
            .required(true)
            .value_parser(value_parser!(PathBuf)),
    );
    RecordArgs::augment_args(command)
        .about("Resume a run that was killed or interrupted: same number, same settings, same random numbers")
        .after_help(
            "Examples:\n  llc resume runs/12\n  llc-analysis runs list -F runs status=INTERRUPTED      interrupted \
             runs; PROBABLY_DEAD for killed ones\n\nOn the CPU, with the same number of threads, the draws equal \
             those of a run that was never stopped, bit for bit.\nExit codes: those of the run",
        )
}

/// Does what the command line says.
pub fn run(matches: &ArgMatches, cancel: &Arc<AtomicBool>) -> anyhow::Result<Outcome> {
    let given: &PathBuf = matches.get_one("run_dir").context("RUN_DIR is missing")?;
    let record = Record::read(given)?;
    let status = record.text("/status");
    if status == "COMPLETED" {
        return Err(CannotRecord(format!("{} is complete: there is nothing to resume", given.display())).into());
    }
    if record.config()?.get(python::SECTION).is_some() {
        let given = given.display();
        let how =
            format!("{given} was made from Python: continue it there, with resume=\"{given}\" and the same arguments");
        return Err(CannotRecord(how).into());
    }
    let command = record.text("/command");
    let subcommand = SUBCOMMANDS.iter().find(|subcommand| (subcommand.command)().get_name() == command);
    let resume = subcommand
        .and_then(|subcommand| subcommand.resume)
        .with_context(|| format!("{} is a run of `{command}`, which this llc can't resume", given.display()))?;
    let args = RecordArgs::from_arg_matches(matches)?;
    // What the run was given by relative names lies where it was started.
    if let Some(folder) = Some(record.text("/experiment/base_dir")).filter(|folder| !folder.is_empty()) {
        env::set_current_dir(folder)
            .with_context(|| format!("cannot change to {folder}, where the run was started"))?;
    }
    resume(record, &args, cancel)
}

/// A run that is there already.
#[derive(Debug)]
pub struct Record {
    /// Its folder, absolute.
    pub run_dir: PathBuf,
    run: Value,
}

impl Record {
    /// Reads the run in `run_dir`.
    pub fn read(run_dir: &Path) -> anyhow::Result<Record> {
        let no_run = || CannotRecord(format!("{} is not the folder of a run: it has no run.json", run_dir.display()));
        let run_dir = fs::canonicalize(run_dir).map_err(|_| no_run())?;
        let text = fs::read_to_string(run_dir.join("run.json")).map_err(|_| no_run())?;
        let run = json::parse(&text).with_context(|| format!("cannot read {}", run_dir.join("run.json").display()))?;
        Ok(Record { run_dir, run })
    }

    /// Its settings, as `config.json` has them.
    pub fn config(&self) -> anyhow::Result<Value> {
        let path = self.run_dir.join("config.json");
        let read = || anyhow::Ok(json::parse(&fs::read_to_string(&path)?)?);
        read().with_context(|| format!("cannot read {}", path.display()))
    }

    /// The text at `pointer` of `run.json`; empty if there is none.
    pub fn text(&self, pointer: &str) -> &str {
        self.run.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// The variable `name` of the environment that it ran in.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.run["host"]["ENV"][name].as_str()
    }
}

/// Continues `record`, a run of the experiment `E`.
pub fn continue_run<E: Experiment>(
    record: Record,
    args: &RecordArgs,
    cancel: &Arc<AtomicBool>,
) -> anyhow::Result<Outcome> {
    let config = E::of_record(&record.run_dir)?;
    rayon::ThreadPoolBuilder::new().num_threads(config.threads()).build_global()?;
    let mut context = Context::new(cancel, args, E::COMMAND_LINE.name)?;
    context.name = record.text("/experiment/name").to_owned();
    context.comment = Some(record.text("/meta/comment").to_owned()).filter(|comment| !comment.is_empty());
    // A database that the run was delivered to gets the rest of it.
    #[cfg(feature = "mongo")]
    for address in llc::mongo::addresses_of(&record.run_dir)? {
        if !context.addresses.iter().any(|known| known.to_string() == address.to_string()) {
            context.addresses.push(address.authorised(|name| env::var(name).ok()));
        }
    }
    if !context.is_quiet {
        eprintln!("resuming {}", record.run_dir.display());
    }
    context.resumed = Some(record.run_dir);
    config.run(&context)
}
