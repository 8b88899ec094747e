//! Keeps a training's checkpoints in its run's folder `checkpoint/`: the newest and the previous one, others under their own names.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use llc::checkpoint::{Checkpoint, CheckpointError};
use llc::train::ResumeError;

/// The newest, from which a run continues.
const LATEST: &str = "latest.safetensors";
const FOLDER: &str = "checkpoint";

/// The checkpoints of one run.
#[derive(Debug)]
pub struct Checkpoints {
    run_dir: PathBuf,
}

impl Checkpoints {
    /// Makes the folder, if it is not there yet.
    pub fn create(run_dir: &Path) -> Result<Checkpoints, ResumeError> {
        let path = run_dir.join(FOLDER);
        fs::create_dir_all(&path).map_err(|error| CheckpointError::Write { path, error })?;
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

    /// Where the one of the network after `step` steps is.
    pub fn at_step(&self, step: u64) -> PathBuf {
        self.run_dir.join(FOLDER).join(format!("{}.safetensors", step_name(step)))
    }

    /// Takes over the checkpoint `path` of another run as the one at `step`, if there is none yet. Checkpoints are replaced, never changed,
    /// so that two runs may share the file.
    pub fn adopt(&self, path: &Path, step: u64) -> Result<(), ResumeError> {
        let own = self.at_step(step);
        if own.exists() {
            return Ok(());
        }
        let adopted = fs::hard_link(path, &own).or_else(|_| fs::copy(path, &own).map(drop));
        Ok(adopted.map_err(|error| CheckpointError::Write { path: own, error })?)
    }

    /// Writes `checkpoint` under `name`, without extension.
    pub fn keep(&self, checkpoint: &Checkpoint, name: &str) -> Result<(), ResumeError> {
        Ok(checkpoint.write(&self.run_dir.join(FOLDER).join(format!("{name}.safetensors")))?)
    }
}

/// The name, without extension, of the checkpoint that stays for the network after `step` steps.
pub fn step_name(step: u64) -> String {
    format!("step{step:07}")
}

/// The checkpoints by their steps, as far as [`step_name`] names them, in the folder that the checkpoint `path` lies in.
pub fn steps_beside(path: &Path) -> BTreeMap<u64, PathBuf> {
    let step =
        |path: &Path| path.file_name()?.to_str()?.strip_prefix("step")?.strip_suffix(".safetensors")?.parse().ok();
    let entries = path.parent().and_then(|folder| fs::read_dir(folder).ok());
    let paths = entries.into_iter().flatten().flatten().map(|entry| entry.path());
    paths.filter_map(|path| Some((step(&path)?, path))).collect()
}

/// The newest checkpoint of the run in `run_dir`.
pub fn latest_in(run_dir: &Path) -> PathBuf {
    run_dir.join(FOLDER).join(LATEST)
}
