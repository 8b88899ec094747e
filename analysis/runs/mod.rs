//! `llc-analysis runs`: lists, shows and exports runs, and finds those that are missing.
//!
//! One file a subcommand; [`source`] says where runs come from, [`selection`] which of them, [`row`] the fields of a line.

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
    /// Shows one run in full.
    Show(show::Arguments),
    /// Exports runs with their whole configuration and report, one run a row.
    Export(export::Arguments),
    /// Delivers runs to the databases that missed them while they ran.
    #[cfg(feature = "mongo")]
    Sync(sync::Arguments),
    /// Lists the lines of a command file without a completed run, in the format of `sbatch --array`. A run belongs to a line with the
    /// same configuration, threads aside; the same line twice needs two runs.
    Missing(missing::Arguments),
}

/// What the user asked for doesn't exist.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    #[error("there is no folder {}; give the folder of the runs with -F", .0.display())]
    NoFolder(PathBuf),
    #[error("{} has no run {id}; `llc-analysis runs list` lists its runs", folder.display())]
    NoRun { folder: PathBuf, id: u64 },
    #[cfg(feature = "mongo")]
    #[error("runs are read from one place at a time: give one of --mongo and --mongo-url")]
    SeveralAddresses,
    #[cfg(feature = "mongo")]
    #[error("none of these runs has a database to be delivered to: give one with -m or --mongo-url")]
    NoAddress,
    #[error("--status {given} is not a status; did you mean {nearest}? The statuses are {}", STATUSES.join(", "))]
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
