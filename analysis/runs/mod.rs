//! `llc-analysis runs`: lists, shows and exports runs, and finds those that are missing.
//!
//! One file a subcommand; [`source`] says where runs come from, [`selection`] which of them, [`row`] what a line tells of one.

mod export;
mod list;
mod missing;
mod row;
mod selection;
mod show;
mod source;
#[cfg(feature = "mongo")]
mod sync;

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use clap::Subcommand;
use jiff::Timestamp;

use selection::STATUSES;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists runs, one a line.
    List(list::Arguments),
    /// Shows all of one run.
    Show(show::Arguments),
    /// Exports runs with their whole configuration and report, one run a row.
    Export(export::Arguments),
    /// Brings runs to the databases that did not take them while they ran.
    #[cfg(feature = "mongo")]
    Sync(sync::Arguments),
    /// Tells which lines of a file of commands have no completed run yet, as a list for `sbatch --array`. A line and a run belong together
    /// if they have the same configuration, threads aside; the same line twice needs two runs.
    Missing(missing::Arguments),
}

/// What the user asked for doesn't exist.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    #[error("there is no folder {}; give that of the runs with -F", .0.display())]
    NoFolder(PathBuf),
    #[error("{} has no run {id}; `llc-analysis runs list` shows those there are", folder.display())]
    NoRun { folder: PathBuf, id: u64 },
    #[cfg(feature = "mongo")]
    #[error("runs are read from one place at a time: give one of --mongo and --mongo-url")]
    SeveralAddresses,
    #[cfg(feature = "mongo")]
    #[error("none of these runs was to be delivered to a database: say to which with -m or --mongo-url")]
    NoAddress,
    #[error("--status {given}: no run has that; did you mean {nearest}? There are {}", STATUSES.join(", "))]
    UnknownStatus { given: String, nearest: &'static str },
}

/// Does what `command` says and writes the answer to `output`.
pub fn execute(command: &Command, output: &mut dyn Write) -> Result<()> {
    let now = Timestamp::now();
    match command {
        Command::List(arguments) => list::execute(arguments, now, output),
        Command::Show(arguments) => show::execute(arguments, now, output),
        Command::Export(arguments) => export::execute(arguments, now, output),
        #[cfg(feature = "mongo")]
        Command::Sync(arguments) => sync::execute(arguments, now, output),
        Command::Missing(arguments) => missing::execute(arguments, output),
    }
}
