//! Keeps a training's checkpoints in its run's folder `checkpoint/`: the newest under one name, others by epoch.

use std::fs;
use std::path::{Path, PathBuf};

use llc::checkpoint::{Checkpoint, CheckpointError};
use llc::config::training::TrainingConfig;

use super::style;

/// The newest, from which a run goes on.
const LATEST: &str = "latest.safetensors";
const FOLDER: &str = "checkpoint";

/// Why a checkpoint is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// To go on after a crash or a signal.
    Latest,
    /// As often as was asked for.
    Epoch,
    /// At the interpolation threshold.
    Threshold,
    /// At the end.
    Last,
}

/// The checkpoints of one run.
#[derive(Debug)]
pub struct Checkpoints {
    run_dir: PathBuf,
    /// What names of epochs end with, before the extension.
    suffix: String,
}

impl Checkpoints {
    /// Makes the folder.
    pub fn create(run_dir: &Path, config: &TrainingConfig) -> Result<Checkpoints, CheckpointError> {
        let path = run_dir.join(FOLDER);
        fs::create_dir_all(&path).map_err(|source| CheckpointError::Write { path, source })?;
        Ok(Checkpoints { run_dir: run_dir.to_owned(), suffix: style::checkpoint_suffix(config) })
    }

    /// The run's folder.
    pub fn run_dir(&self) -> &Path {
        &self.run_dir
    }

    /// Writes `checkpoint`, taken after `epoch` epochs: as the newest, and under a name that stays unless it is only that.
    pub fn write(&self, checkpoint: &Checkpoint, kind: Kind, epoch: u64) -> Result<(), CheckpointError> {
        let folder = self.run_dir.join(FOLDER);
        let at_threshold = if kind == Kind::Threshold { "_interp" } else { "" };
        let name = format!("e_{epoch:03}{}{at_threshold}.safetensors", self.suffix);
        if kind != Kind::Latest {
            checkpoint.write(&folder.join(name))?;
        }
        checkpoint.write(&folder.join(LATEST))
    }
}

/// The newest checkpoint of the run in `run_dir`.
pub fn latest_in(run_dir: &Path) -> PathBuf {
    run_dir.join(FOLDER).join(LATEST)
}
