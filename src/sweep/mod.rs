//! Goes between command lines and what they mean: writes lines of settings, reads files of lines, and finds those without a run.
//!
//! One [`Experiment`] for each subcommand of `llc` that leaves a run; [`Line`] is a command being put together, [`product`] a grid of
//! them; [`command_file`] reads a file of commands, one a line; a [`Meaning`] is the configuration that a line asks for, which
//! [`missing`] compares with the runs that there are.
//!
//! A line means the same to every program that splits it: bash, xargs, GNU parallel, and a SLURM script that reads words. So there are
//! no quotes in it, no `$`, nothing that a shell would expand.

pub mod command_file;
mod experiment;
mod line;
mod meaning;
pub mod missing;
pub mod product;
mod range;

pub use experiment::{EXPERIMENTS, Experiment, WITHOUT_RUN};
pub use line::{Line, LineError, Setting, number};
pub use meaning::{Meaning, MeaningError, fingerprint};
pub use range::{Range, RangeError};
