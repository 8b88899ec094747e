//! The program `gen-commands`: prints sweeps of `llc` commands, one a line, for bash, xargs, GNU parallel or a SLURM array, and runs
//! such files on this machine.
//!
//! Each line has been read back and checked by the definitions that `llc` itself uses. The lines go to standard output or a file, how
//! many there are to standard error. Exit codes: 0 done · 1 failed · 2 bad usage · 75 interrupted.

mod curve;
mod dln;
mod output;
mod random_labels;
mod registry;
mod run;
mod sweep;

use std::process::ExitCode;

use llc::config::ConfigError;
use llc::sweep::command_file::CommandFileError;
use llc::sweep::product::ProductError;
use llc::sweep::{FingerprintError, LineError};

/// Bad usage; clap ends with the same code.
const EXIT_USAGE: u8 = 2;

/// What was asked for makes no sense, in a sentence that says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

fn main() -> ExitCode {
    match registry::run(&registry::command().get_matches()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(if is_usage(&error) { EXIT_USAGE } else { 1 })
        }
    }
}

fn is_usage(error: &anyhow::Error) -> bool {
    let is_read = |error: &CommandFileError| matches!(error, CommandFileError::Read { .. });
    error.chain().any(|cause| {
        cause.is::<Usage>()
            || cause.is::<ConfigError>()
            || cause.is::<LineError>()
            || cause.is::<FingerprintError>()
            || cause.is::<ProductError>()
            || cause.is::<sweep::SweepError>()
            || cause.downcast_ref().is_some_and(|error| !is_read(error))
    })
}
