//! The program `llc-analysis`: reads records, and needs no libtorch.

mod check_rescaling;
mod figures;
mod plot;
mod records;
mod report;
mod runs;
mod statistics;
mod table;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use llc::mongo::address::AddressError;
use llc::record::filter::FilterError;
use llc::sweep::command_file::CommandFileError;

/// Reads the records that `llc` writes.
#[derive(Debug, Parser)]
#[command(name = "llc-analysis", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lists, shows and exports runs, and finds missing ones.
    #[command(subcommand)]
    Runs(runs::Command),
    /// Draws figures, each as SVG and PNG with its numbers.
    Figures(figures::Arguments),
    /// Tabulates the errors of estimates, the coverage of their intervals, and their cost.
    Table(table::Arguments),
    /// Checks that λ̂ of rescaled ReLU networks is the same at every factor; the exit status is the result.
    CheckRescaling(check_rescaling::Arguments),
    /// Writes one page with a summary, figures, and every run with its chains and its command.
    Report(report::Arguments),
}

fn main() -> ExitCode {
    let command = Arguments::parse().command;
    let mut output = io::stdout().lock();
    match execute(&command, &mut output).and_then(|()| Ok(output.flush()?)) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads, `head` say, has seen enough.
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::from(if is_usage(&error) { 2 } else { 1 })
        }
    }
}

fn execute(command: &Command, output: &mut dyn Write) -> anyhow::Result<()> {
    match command {
        Command::Runs(command) => runs::execute(command, output),
        Command::Figures(arguments) => figures::execute(arguments, output),
        Command::Table(arguments) => table::execute(arguments, output),
        Command::CheckRescaling(arguments) => check_rescaling::execute(arguments, output),
        Command::Report(arguments) => report::execute(arguments, output),
    }
}

/// Whether what was asked for makes no sense, rather than that it failed.
fn is_usage(error: &anyhow::Error) -> bool {
    let is_command_file = error.chain().any(|cause| cause.is::<CommandFileError>());
    let is_usage = error.is::<runs::UsageError>() || error.is::<figures::UsageError>();
    is_command_file || is_usage || error.is::<FilterError>() || error.is::<AddressError>()
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let kinds = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    kinds.map(io::Error::kind).any(|kind| kind == io::ErrorKind::BrokenPipe)
}
