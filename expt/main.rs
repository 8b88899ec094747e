//! The program `llc`: reads the command line, hands the work to an experiment, and turns what became of it into an exit
//! code. Algorithms live in the library.
//!
//! Exit codes: 0 done · 1 failed · 2 bad usage or configuration · 3 diverged · 75 interrupted, `llc resume` continues.

mod checkpoint;
mod checkpoints;
mod cli;
mod copies;
mod curve;
mod data;
mod descent;
mod dln;
mod estimate;
mod expected;
mod kernel_regression;
mod mala_vs_sgld;
mod model;
mod noisy_weights;
mod paths;
mod profile;
mod registry;
mod requeue;
mod rescaling;
mod resume;
mod saddle;
mod session;
mod theory;
mod toy;
mod train;
mod trained;
mod trajectory;
mod trials;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context as _;
use llc::config::ConfigError;
use llc::model::ModelError;
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::flag;

use cli::Outcome;

fn main() -> ExitCode {
    // Usage errors, --help and --version end here, with clap's exit codes 2 and 0.
    let matches = cli::command().get_matches();
    let outcome = cancel_on_signals().and_then(|cancel| cli::run(&matches, &cancel));
    match outcome {
        Ok(outcome) => {
            if outcome == Outcome::Interrupted {
                requeue::requeue_job();
            }
            ExitCode::from(outcome.exit_code())
        }
        Err(error) => {
            cli::print_error(&error);
            let is_config = error.chain().any(|cause| {
                cause.is::<ConfigError>()
                    || cause.is::<ModelError>()
                    || cause.is::<cli::CannotRecord>()
                    || cause.is::<cli::NoDevice>()
            });
            ExitCode::from(if is_config { cli::EXIT_CONFIG } else { cli::EXIT_FAILED })
        }
    }
}

/// The flag that Ctrl-C, SIGTERM, SIGUSR1 and SIGUSR2 raise, so that a run can end in order. A second Ctrl-C ends the program at once.
fn cancel_on_signals() -> anyhow::Result<Arc<AtomicBool>> {
    let cancel = Arc::new(AtomicBool::new(false));
    let handle = || -> std::io::Result<()> {
        // Handlers run in this order: the first signal finds the flag down and raises it, the second finds it raised.
        flag::register_conditional_shutdown(SIGINT, Outcome::Interrupted.exit_code().into(), Arc::clone(&cancel))?;
        for signal in [SIGINT, SIGTERM, SIGUSR1, SIGUSR2] {
            flag::register_usize(signal, requeue::signal(), signal as usize)?;
            flag::register(signal, Arc::clone(&cancel))?;
        }
        Ok(())
    };
    handle().context("cannot handle Ctrl-C, SIGTERM, SIGUSR1 and SIGUSR2")?;
    Ok(cancel)
}
