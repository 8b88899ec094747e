//! Allocates a run's folder: the highest number in the base folder plus one, reserved by `mkdir`.
//!
//! `mkdir` is the lock, even on a network file system: of any number of processes one succeeds, the others try the
//! next number. Sacred allocates in the same way, so both can share a base folder.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::lock::Held;

/// Numbers tried before giving up: a listing may be stale on a network file system, but not by this much.
const MAX_ATTEMPTS: u64 = 1000;

/// A run's folder, which no other process writes in the meantime. A new one is removed on drop unless [kept](RunFolder::keep).
#[derive(Debug)]
pub struct RunFolder {
    id: u64,
    path: PathBuf,
    /// Locked during the run; `None` if no file can be created.
    lock: Option<File>,
    /// Parents that didn't exist before, deepest first.
    made: Vec<PathBuf>,
    is_kept: bool,
}

/// Why no run folder could be created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// The base folder can't be created or written.
    #[error("cannot make a run folder in {}: {error}; give a folder that you may write with -F", base.display())]
    Base { base: PathBuf, error: io::Error },
    /// There is no such run.
    #[error("{} is not the folder of a run: it has no run.json", path.display())]
    NoRun { path: PathBuf },
    /// Its process still runs.
    #[error("{} belongs to a running process; stop it first, or wait for it", path.display())]
    InUse { path: PathBuf },
    /// Every number tried was taken by another process.
    #[error("no free run number in {} after {MAX_ATTEMPTS} attempts, the last {last}", base.display())]
    NoFreeId { base: PathBuf, last: u64 },
}

impl RunFolder {
    /// Creates `base/<id>`, and `base` if it is missing.
    ///
    /// # Errors
    ///
    /// [`FolderError`] if `base` is not a folder or may not be written; nothing is left behind.
    ///
    /// ```
    /// use llc::record::folder::RunFolder;
    /// let base = tempfile::tempdir()?;
    /// let mut first = RunFolder::create(base.path())?;
    /// first.keep();
    /// assert_eq!((first.id(), RunFolder::create(base.path())?.id()), (1, 2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn create(base: &Path) -> Result<Self, FolderError> {
        let error = |error| FolderError::Base { base: base.to_owned(), error };
        let base = std::path::absolute(base).map_err(error)?;
        let made: Vec<PathBuf> = base.ancestors().take_while(|path| !path.exists()).map(Path::to_owned).collect();
        let allocated = fs::create_dir_all(&base).map_err(error).and_then(|()| allocate(&base));
        match allocated {
            Ok((id, path)) => {
                // Nobody else knows this folder yet.
                let lock = lock(&path).unwrap_or_default();
                Ok(Self { id, path, lock, made, is_kept: false })
            }
            Err(error) => {
                remove_empty(&made);
                Err(error)
            }
        }
    }

    /// Opens the folder `path` of a run, to resume it.
    ///
    /// # Errors
    ///
    /// [`FolderError::NoRun`], or [`FolderError::InUse`] while its process still runs.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        let no_run = || FolderError::NoRun { path: path.to_owned() };
        let path = fs::canonicalize(path).map_err(|_| no_run())?;
        let id = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
        let id = id.filter(|_| path.join("run.json").is_file()).ok_or_else(no_run)?;
        let lock = lock(&path).map_err(|Held| FolderError::InUse { path: path.clone() })?;
        Ok(Self { id, path, lock, made: Vec::new(), is_kept: true })
    }

    /// The run's number.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The run's folder, absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves the folder in place from now on.
    pub fn keep(&mut self) {
        self.is_kept = true;
    }

    /// Removes the files under `checkpoint/` that only resuming needs; checkpoints of networks stay.
    pub fn tidy(&mut self) {
        if self.lock.take().is_some() {
            let _ = fs::remove_file(self.path.join(LOCK));
        }
        let _ = fs::remove_dir_all(self.path.join(JOURNAL));
        let checkpoints = fs::read_dir(self.path.join(CHECKPOINT)).into_iter().flatten().flatten();
        for path in
            checkpoints.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "previous"))
        {
            let _ = fs::remove_file(path);
        }
        // Fails where something is left in it.
        let _ = fs::remove_dir(self.path.join(CHECKPOINT));
    }
}

/// The folder of a run's checkpoints.
const CHECKPOINT: &str = "checkpoint";
/// The saved state of chains and trainings.
pub const JOURNAL: &str = "checkpoint/journal";
/// Locked by the run's process.
const LOCK: &str = "checkpoint/lock";

/// Locks the run in `path`; `None` if no file can be created there.
fn lock(path: &Path) -> Result<Option<File>, Held> {
    let locked = fs::create_dir_all(path.join(CHECKPOINT)).and_then(|()| super::lock::lock(&path.join(LOCK)));
    locked.map_or(Ok(None), |locked| locked.map(Some))
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        if !self.is_kept {
            // The folder holds nothing but what this run wrote. An error has nowhere to go.
            let _ = fs::remove_dir_all(&self.path);
            remove_empty(&self.made);
        }
    }
}

fn allocate(base: &Path) -> Result<(u64, PathBuf), FolderError> {
    let error = |error| FolderError::Base { base: base.to_owned(), error };
    let first = run_ids(base).map_err(error)?.into_iter().max().unwrap_or(0) + 1;
    for id in first..first + MAX_ATTEMPTS {
        let path = base.join(id.to_string());
        match fs::create_dir(&path) {
            Ok(()) => return Ok((id, path)),
            Err(taken) if taken.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(error(source)),
        }
    }
    Err(FolderError::NoFreeId { base: base.to_owned(), last: first + MAX_ATTEMPTS - 1 })
}

/// The numbers of all runs in `base`, in no order. Names that are not all digits are ignored.
pub fn run_ids(base: &Path) -> io::Result<Vec<u64>> {
    let mut ids = Vec::new();
    for entry in fs::read_dir(base)? {
        let name = entry?.file_name();
        let digits = name.to_str().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
        // A number too large for u64 can't have come from max + 1.
        ids.extend(digits.and_then(|digits| digits.parse::<u64>().ok()).filter(|&id| id < u64::MAX - MAX_ATTEMPTS));
    }
    Ok(ids)
}

/// Removes folders that this run made, as far as they are still empty.
fn remove_empty(made: &[PathBuf]) {
    for path in made {
        if fs::remove_dir(path).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::thread;

    use super::*;

    #[test]
    fn many_threads_get_many_numbers() {
        let base = tempfile::tempdir().unwrap();
        let base = base.path().join("deep/base");
        let ids: BTreeSet<u64> = thread::scope(|scope| {
            let start = || {
                let mut folder = RunFolder::create(&base).unwrap();
                folder.keep();
                folder.id()
            };
            let handles: Vec<_> = (0..32).map(|_| scope.spawn(start)).collect();
            handles.into_iter().map(|handle| handle.join().unwrap()).collect()
        });
        assert_eq!(ids, (1..=32).collect());
    }

    #[test]
    fn the_number_follows_the_highest_and_other_names_are_ignored() {
        let base = tempfile::tempdir().unwrap();
        for name in ["7", "_sources", "12x", "003", "99999999999999999999999"] {
            fs::create_dir(base.path().join(name)).unwrap();
        }
        assert_eq!(RunFolder::create(base.path()).unwrap().id(), 8);
    }

    #[test]
    fn a_run_has_one_process_at_a_time() {
        let base = tempfile::tempdir().unwrap();
        let mut first = RunFolder::create(base.path()).unwrap();
        first.keep();
        let path = first.path().to_owned();
        assert!(matches!(RunFolder::open(&path), Err(FolderError::NoRun { .. })), "run.json is what makes it a run");
        fs::write(path.join("run.json"), "{}").unwrap();
        assert!(matches!(RunFolder::open(&path), Err(FolderError::InUse { .. })));
        drop(first);
        let mut again = RunFolder::open(&path).unwrap();
        assert_eq!(again.id(), 1);
        again.tidy();
        assert!(!path.join(CHECKPOINT).exists());
        drop(again);
        assert!(path.join("run.json").exists(), "a run that was there before is never removed");
    }

    #[test]
    fn a_folder_not_kept_leaves_nothing_behind() {
        let base = tempfile::tempdir().unwrap();
        drop(RunFolder::create(&base.path().join("a/b")).unwrap());
        assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0);
    }

    #[test]
    fn an_impossible_base_is_named_and_leaves_nothing_behind() {
        let base = tempfile::tempdir().unwrap();
        fs::write(base.path().join("file"), "").unwrap();
        for impossible in ["file", "file/below"] {
            let impossible = base.path().join(impossible);
            let error = RunFolder::create(&impossible).unwrap_err().to_string();
            assert!(error.contains(impossible.to_str().unwrap()) && error.contains("-F"), "{error}");
        }
        assert_eq!(fs::read_dir(base.path()).unwrap().count(), 1);
    }
}
