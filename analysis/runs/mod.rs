//! `llc-analysis runs`: lists, shows and exports runs.
//!
//! One file a subcommand; [`source`] says where runs come from, [`selection`] which of them, [`row`] what a line tells of one.

mod export;
mod list;
mod row;
mod selection;
mod show;
mod source;

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
}

/// What the user asked for doesn't exist.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    #[error("there is no folder {}; give that of the runs with -F", .0.display())]
    NoFolder(PathBuf),
    #[error("{} has no run {id}; `llc-analysis runs list` shows those there are", folder.display())]
    NoRun { folder: PathBuf, id: u64 },
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
    }
}
