//! `llc-analysis runs export`: runs with their whole configuration and report, for pandas and the like.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use jiff::Timestamp;

use super::row::{flat, whole, write_csv, write_json};
use super::selection::Selection;

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    selection: Selection,
    /// Writes to this file instead of stdout.
    #[arg(short, long = "output", value_name = "FILE")]
    output: Option<PathBuf>,
    /// Writes comma-separated values (the default).
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Writes a JSON array, nested as in the record.
    #[arg(long)]
    json: bool,
}

/// Exports the selected runs.
pub fn execute(arguments: &Arguments, now: Timestamp, output: &mut dyn Write) -> Result<()> {
    let runs = arguments.selection.runs(now)?;
    let mut file;
    let output = match &arguments.output {
        Some(path) => {
            file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
            &mut file as &mut dyn Write
        }
        None => output,
    };
    if arguments.json {
        write_json(output, &runs.iter().map(|run| whole(run, now)).collect())
    } else {
        write_csv(output, runs.iter().map(|run| flat(run, now)).collect())
    }
}
