//! Tells the world what a run does: events go in, records and progress come out.
//!
//! The library never prints. A run emits [`Event`]s to a list of [`Observer`]s, all on one thread and in order within a
//! chain; chains may interleave. An observer that fails is reported once and dropped; only the one that keeps the run's record ends the run.
//!
//! [`Observers`] fans events out; [`file_tree`] keeps the record on disk, `mongo` brings it to a database, [`terminal`] shows the
//! progress. Another
//! observer is one file here that implements [`Observer`], and one line where the program makes its list.

pub mod file_tree;
mod identity;
pub mod metrics;
#[cfg(feature = "mongo")]
pub mod mongo;
mod observers;
pub mod terminal;
mod writer;

use std::fmt;
use std::path::PathBuf;

pub use llc_core::draws::DrawBlock;
pub use observers::{Observers, forward};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::record::folder::FolderError;

/// Describes one run, fixed when it starts.
#[derive(Debug, Clone, Default)]
pub struct RunInfo {
    /// Experiment's name in records (`-n`), "dln" unless given.
    pub name: String,
    /// The subcommand: "dln".
    pub command: String,
    /// The whole command line, as it was typed.
    pub argv: Vec<String>,
    /// The checked configuration, nested, with `seed` at its top level.
    pub config: Value,
    /// What the user changed against the defaults, nested likewise.
    pub config_updates: Value,
    /// A free remark (`--comment`).
    pub comment: Option<String>,
    /// Chains that will run.
    pub num_chains: usize,
    /// Draws recorded per chain, warm-up included.
    pub num_draws: usize,
    /// Leading draws of these that are warm-up.
    pub num_warmup: usize,
    /// Parameters d.
    pub num_parameters: usize,
    /// nβ, the factor of the mean loss.
    pub n_beta: f64,
    /// L_n(w*).
    pub init_loss: f64,
    /// Whether all draws are around named points ([`Event::Point`]): there are none before the first of these.
    pub draws_at_points: bool,
}

/// Describes another point of the same run, around which as many chains make as many draws as around w*.
///
/// ```
/// use llc::observe::PointInfo;
/// let point = PointInfo { name: "trained".to_owned(), init_loss: 0.5, ..PointInfo::default() };
/// assert_eq!(point.n_beta, None);
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PointInfo {
    /// Its name in records, such as "trained": lower-case letters. Empty for the first point of a run whose draws are all around points
    /// ([`RunInfo::draws_at_points`]): its draws and metrics are named as those around w* are.
    pub name: String,
    /// L_n there.
    pub init_loss: f64,
    /// nβ there and at the points after it, where that is another one than before.
    pub n_beta: Option<f64>,
}

/// Says how a run ended, in Sacred's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// The run reached its end.
    Completed,
    /// An error ended it.
    Failed,
    /// Ctrl-C or SIGTERM ended it.
    Interrupted,
}

impl Status {
    /// Sacred's word: `COMPLETED`, `FAILED`, `INTERRUPTED`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
            Self::Interrupted => "INTERRUPTED",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Names one thing that happened in a run.
#[derive(Debug, Clone)]
pub enum Event<'a> {
    /// The run starts; everything checked, nothing sampled.
    Started(&'a RunInfo),
    /// A stage without draws: "reading the data", "searching the step size".
    Stage(&'a str),
    /// Draws `first_draw..first_draw + block.loss.len()` of `chain`.
    Draws { chain: usize, first_draw: usize, block: &'a DrawBlock },
    /// All draws from now on are around another point; those around the former are complete.
    Point(&'a PointInfo),
    /// Minibatch losses of the steps `first_step..first_step + loss.len()` of a training of `num_steps`.
    Training { first_step: u64, num_steps: u64, loss: &'a [f64] },
    /// Epoch `epoch` of `num_epochs`, counted from 0, begins with step `first_step` and has `num_steps`.
    Epoch { epoch: u64, num_epochs: u64, first_step: u64, num_steps: u64 },
    /// Of the `total` points of the stage `stage`, `done` are evaluated; the last one's loss.
    Sweep { stage: &'a str, done: u64, total: u64, loss: f64 },
    /// Named numbers of one moment: points of the metrics of these names at `step`.
    Metrics { step: u64, values: &'a [(&'a str, f64)] },
    /// A line for the user while the run goes on, such as that of an epoch.
    Line(&'a str),
    /// A file that belongs to the run: its name and content.
    Artifact { name: &'a str, content: &'a [u8] },
    /// A checkpoint is about to be written: what was told so far is to be on disk before it, so that a run that goes on from there has no
    /// gap in its record.
    Saving,
    /// `chain` ended after `num_draws` draws; `error` says why where it did not reach its end.
    ChainEnded { chain: usize, num_draws: usize, error: Option<&'a str> },
    /// Something the user should know.
    Warning(&'a str),
    /// Text that the program itself shows, such as the table at the end: for records, not to be shown again.
    Output(&'a str),
    /// The run ended. `report` is the object that `--json` prints; `fail_trace` explains a failure, line by line.
    Ended { status: Status, report: Option<&'a Value>, fail_trace: &'a [String] },
}

/// Receives every event of a run, in order.
pub trait Observer: Send {
    /// Takes one event. An error is reported to the user once; the run goes on without this observer.
    fn on_event(&mut self, event: &Event) -> Result<(), ObserverError>;

    /// What the user should know and does not yet, such as a server that is away: told to all after each event.
    fn notices(&mut self) -> Vec<String> {
        Vec::new()
    }

    /// The run's folder, where this observer keeps one.
    fn run_dir(&self) -> Option<PathBuf> {
        None
    }
}

/// Says why an observer could not do its work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ObserverError {
    /// The run's folder could not be made.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A file of a run that is taken up again could not be read.
    #[error("cannot read {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: std::io::Error,
    },
    /// A file could not be written.
    #[error("cannot write {}: {error}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the file system says.
        error: std::io::Error,
    },
}
