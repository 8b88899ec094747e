//! Puts the command line together out of the registry, and says what experiments are given and give back.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use clap::{ArgMatches, Command};
use llc::config::ConfigError;
use llc::config::args::RecordArgs;
use llc::journal::Pace;
use llc::mongo::address::Address;
use llc::observe::file_tree::PATIENCE_BEATS;

use crate::registry::SUBCOMMANDS;

/// Something failed.
pub const EXIT_FAILED: u8 = 1;
/// The configuration is not legal; clap ends with the same code on bad usage.
pub const EXIT_CONFIG: u8 = 2;

/// How an experiment ended, if it came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is done.
    Done,
    /// A chain met a loss that is not finite.
    Diverged,
    /// Another failure took a part of what was asked for; the rest is in its record.
    Failed,
    /// A signal ended it; what it had so far is in its record.
    Interrupted,
}

impl Outcome {
    /// The program's exit code.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Diverged => 3,
            Self::Failed => EXIT_FAILED,
            // EX_TEMPFAIL of sysexits.h: try again later.
            Self::Interrupted => 75,
        }
    }
}

/// What an experiment is given besides its configuration.
#[derive(Debug, Clone)]
pub struct Context {
    /// Raised by Ctrl-C and SIGTERM: end in order.
    pub cancel: Arc<AtomicBool>,
    /// The folder of a run that is resumed; `None` for a new one.
    pub resumed: Option<PathBuf>,
    /// Time between heartbeats of the record.
    pub heartbeat: Duration,
    /// How often what a run has done is kept.
    pub pace: Pace,
    /// Folders of a new run's records, its own first, then those of copies; they can be written to, but need not be there yet.
    pub file_storage: Vec<PathBuf>,
    /// Where the run is delivered besides.
    pub addresses: Vec<Address>,
    /// Name of the run in its record.
    pub name: String,
    /// A remark for the record.
    pub comment: Option<String>,
    /// What was changed of the defaults, nested: `meta.config_updates` of the record.
    pub config_updates: serde_json::Value,
    /// Whether the report is to be printed as one JSON object, the last line of standard output.
    pub is_json: bool,
    /// Whether to show no progress and no table.
    pub is_quiet: bool,
}

impl Context {
    /// That of a new run of `experiment`, without updates.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for a malformed address.
    pub fn new(cancel: &Arc<AtomicBool>, args: &RecordArgs, experiment: &str) -> Result<Self, ConfigError> {
        let heartbeat = Duration::from_secs_f64(args.beat_interval);
        Ok(Self {
            cancel: Arc::clone(cancel),
            resumed: None,
            heartbeat,
            pace: Pace { every: Duration::from_secs_f64(args.journal_every), patience: PATIENCE_BEATS * heartbeat },
            file_storage: Vec::new(),
            addresses: args.addresses()?,
            name: experiment.to_owned(),
            comment: None,
            config_updates: serde_json::Value::Null,
            is_json: args.json,
            is_quiet: args.quiet,
        })
    }
}

/// The record can't be written: nothing was sampled.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct CannotRecord(pub String);

/// The device that was asked for is not there.
#[derive(Debug, thiserror::Error)]
#[error(
    "--device cuda:{index} is not available: libtorch sees {num_devices} GPUs; `./x setup --cuda` installs a libtorch \
     with CUDA, or use --device cpu"
)]
pub struct NoDevice {
    pub index: usize,
    pub num_devices: i64,
}

/// The whole command line.
pub fn command() -> Command {
    Command::new("llc")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Estimate the local learning coefficient of neural networks, with an error bar and a verdict")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(SUBCOMMANDS.iter().map(|subcommand| (subcommand.command)()))
}

/// Runs the subcommand that `matches` names.
pub fn run(matches: &ArgMatches, cancel: &Arc<AtomicBool>) -> anyhow::Result<Outcome> {
    let (name, matches) = matches.subcommand().unwrap_or(("", matches));
    let subcommand = SUBCOMMANDS.iter().find(|subcommand| (subcommand.command)().get_name() == name);
    let subcommand = subcommand.ok_or_else(|| anyhow::anyhow!("there is no subcommand `{name}`"))?;
    (subcommand.run)(matches, cancel)
}

/// Prints to standard output. A reader that has gone away (`| head`) is not a failure.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// An error and its causes in one line: the first of each, for libtorch writes a stack of C++ calls below its own.
pub fn one_line(error: &anyhow::Error) -> String {
    let lines = error.chain().map(|cause| cause.to_string().lines().next().unwrap_or_default().to_owned());
    lines.collect::<Vec<_>>().join(": ")
}

/// Prints an error and its causes in one line.
pub fn print_error(error: &anyhow::Error) {
    eprintln!("error: {}", one_line(error));
}
