//! Reports what a run does: turns its events into records and progress.
//!
//! The library never prints. A run emits [`Event`]s to a list of [`Observer`]s, all on one thread and in order within a
//! chain; chains may interleave. An observer that fails is reported once and dropped; only the failure of the one that writes the run's
//! record ends the run.
//!
//! [`Observers`] passes events on; [`file_tree`] writes the record to disk, `mongo` delivers it to a database, [`terminal`] shows the
//! progress. A new observer is one file here that implements [`Observer`], and one line where the program makes its list.

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

/// The description of a run, fixed when it starts.
#[derive(Debug, Clone, Default)]
pub struct RunInfo {
    /// The experiment's name in records (`-n`), by default the subcommand.
    pub name: String,
    /// The subcommand: "dln".
    pub command: String,
    /// The whole command line, as it was typed.
    pub argv: Vec<String>,
    /// The checked configuration, nested, with `seed` at its top level.
    pub config: Value,
    /// The settings that differ from the defaults, nested in the same way.
    pub config_updates: Value,
    /// A comment (`--comment`).
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

/// The description of another point of the same run, with as many chains and draws as around w*.
///
/// ```
/// use llc::observe::PointInfo;
/// let point = PointInfo { name: "trained".to_owned(), init_loss: 0.5, ..PointInfo::default() };
/// assert_eq!(point.n_beta, None);
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PointInfo {
    /// Its name in records, such as "trained": lower-case letters. Empty for the first point of a run whose draws are all around points
    /// ([`RunInfo::draws_at_points`]): its draws and metrics have the names of those around w*.
    pub name: String,
    /// L_n there.
    pub init_loss: f64,
    /// nβ there and at the following points, if it differs from before.
    pub n_beta: Option<f64>,
}

/// How a run ended, in Sacred's words.
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

/// One event of a run.
#[derive(Debug, Clone)]
pub enum Event<'a> {
    /// The run starts: everything is checked, nothing is sampled yet.
    Started(&'a RunInfo),
    /// A stage without draws: "reading the data", "searching the step size".
    Stage(&'a str),
    /// Draws `first_draw..first_draw + block.loss.len()` of `chain`.
    Draws { chain: usize, first_draw: usize, block: &'a DrawBlock },
    /// All further draws are around another point; those around the previous one are complete.
    Point(&'a PointInfo),
    /// Minibatch losses of the steps `first_step..first_step + loss.len()` of a training of `num_steps`.
    Training { first_step: u64, num_steps: u64, loss: &'a [f64] },
    /// Epoch `epoch` of `num_epochs`, counted from 0, begins with step `first_step` and has `num_steps`.
    Epoch { epoch: u64, num_epochs: u64, first_step: u64, num_steps: u64 },
    /// `done` of the `total` points of the stage `stage` are evaluated; `loss` is that of the last one.
    Sweep { stage: &'a str, done: u64, total: u64, loss: f64 },
    /// Named numbers: one point at `step` for each metric of that name.
    Metrics { step: u64, values: &'a [(&'a str, f64)] },
    /// A line for the user during the run, such as that of an epoch.
    Line(&'a str),
    /// A file that belongs to the run: its name and content.
    Artifact { name: &'a str, content: &'a [u8] },
    /// A checkpoint is about to be written. All earlier events must be on disk before it, so that a run resumed from it has no
    /// gap in its record.
    Saving,
    /// `chain` ended after `num_draws` draws; `error` is set if it did not reach its end.
    ChainEnded { chain: usize, num_draws: usize, error: Option<&'a str> },
    /// Something the user should know.
    Warning(&'a str),
    /// Text that the program prints itself, such as the table at the end: for records only.
    Output(&'a str),
    /// The run ended. `report` is the object that `--json` prints; `fail_trace` explains a failure, line by line.
    Ended { status: Status, report: Option<&'a Value>, fail_trace: &'a [String] },
}

/// Receives every event of a run, in order.
pub trait Observer: Send {
    /// Handles one event. An error is reported to the user once, and the run continues without this observer.
    fn on_event(&mut self, event: &Event) -> Result<(), ObserverError>;

    /// New messages for the user, such as an unavailable server, which all observers receive after each event.
    fn notices(&mut self) -> Vec<String> {
        Vec::new()
    }

    /// The run's folder, if this observer writes one.
    fn run_dir(&self) -> Option<PathBuf> {
        None
    }
}

/// Why an observer failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ObserverError {
    /// The run's folder could not be created.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A file of a resumed run could not be read.
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
