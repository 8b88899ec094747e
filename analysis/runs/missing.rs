//! `llc-analysis runs missing`: the lines of a file of commands that have no completed run yet.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use llc::sweep::command_file;
use llc::sweep::missing::{array_list, missing};

use super::source::Source;

#[derive(Debug, Args)]
pub struct Arguments {
    /// File with one llc command on each line, as gen-commands prints it.
    #[arg(value_name = "COMMANDS.txt")]
    file: PathBuf,
    #[command(flatten)]
    source: Source,
    /// Prints the commands themselves instead of their numbers.
    #[arg(long)]
    lines: bool,
}

/// Prints the numbers of the missing lines as `sbatch --array` takes them, or the lines.
pub fn execute(arguments: &Arguments, output: &mut dyn Write) -> Result<()> {
    let commands = command_file::read(&arguments.file).with_context(|| arguments.file.display().to_string())?;
    for command in commands.iter().filter(|command| command.fingerprint.is_none()) {
        let _ = writeln!(
            io::stderr(),
            "warning: line {} records no run, and is skipped: {}",
            command.number,
            command.text()
        );
    }
    let missing = missing(&commands, &arguments.source.runs_if_any()?);
    if missing.is_empty() {
        let _ = writeln!(io::stderr(), "none of the {} lines is missing: each has a completed run", commands.len());
    } else if arguments.lines {
        for command in missing {
            writeln!(output, "{}", command.text())?;
        }
    } else {
        writeln!(output, "{}", array_list(&missing.iter().map(|command| command.number).collect::<Vec<_>>()))?;
    }
    Ok(())
}
