//! Converts between command lines and configurations: writes lines of settings, reads files of lines, and finds those without a run.
//!
//! There is one [`Experiment`] for each subcommand of `llc` that records a run. A [`Line`] builds a command, [`product`] makes a grid of
//! them, [`command_file`] reads a file of commands, one a line. A [`Fingerprint`] is the configuration that a line asks for, which
//! [`missing`] compares with the recorded runs.
//!
//! A line means the same to every program that splits it: bash, xargs, GNU parallel, and a SLURM script that reads words. So it has
//! no quotes, no `$`, nothing that a shell would expand.

pub mod command_file;
mod experiment;
mod fingerprint;
mod line;
pub mod missing;
pub mod product;
mod range;

pub use experiment::{EXPERIMENTS, Experiment, WITHOUT_RUN};
pub use fingerprint::{Fingerprint, FingerprintError, fingerprint};
pub use line::{Line, LineError, Setting, number};
pub use range::{Range, RangeError};
