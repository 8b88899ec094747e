//! Keeps a training's checkpoints in its run's folder `checkpoint/`: the newest and the one before it, others under names of their own.

use std::fs;
use std::path::{Path, PathBuf};

use llc::checkpoint::{Checkpoint, CheckpointError};
use llc::train::ResumeError;

/// The newest, from which a run goes on.
const LATEST: &str = "latest.safetensors";
const FOLDER: &str = "checkpoint";

/// The checkpoints of one run.
#[derive(Debug)]
pub struct Checkpoints {
    run_dir: PathBuf,
}

impl Checkpoints {
    /// Makes the folder, where it is not there yet.
    pub fn create(run_dir: &Path) -> Result<Checkpoints, ResumeError> {
        let path = run_dir.join(FOLDER);
        fs::create_dir_all(&path).map_err(|source| CheckpointError::Write { path, source })?;
        Ok(Checkpoints { run_dir: run_dir.to_owned() })
    }

    /// The run's folder.
    pub fn run_dir(&self) -> &Path {
        &self.run_dir
    }

    /// Writes `checkpoint` as the newest, and first under `name`, without extension, if it is to stay.
    pub fn write(&self, checkpoint: &Checkpoint, name: Option<String>) -> Result<(), ResumeError> {
        if let Some(name) = name {
            self.keep(checkpoint, &name)?;
        }
        Ok(checkpoint.write_keeping(&self.run_dir.join(FOLDER).join(LATEST))?)
    }

    /// Writes `checkpoint` under `name`, without extension.
    pub fn keep(&self, checkpoint: &Checkpoint, name: &str) -> Result<(), ResumeError> {
        Ok(checkpoint.write(&self.run_dir.join(FOLDER).join(format!("{name}.safetensors")))?)
    }
}

/// The newest checkpoint of the run in `run_dir`.
pub fn latest_in(run_dir: &Path) -> PathBuf {
    run_dir.join(FOLDER).join(LATEST)
}
