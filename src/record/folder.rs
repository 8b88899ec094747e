//! Allocates a run's folder: the highest number in the base folder plus one, taken by `mkdir`.
//!
//! `mkdir` is the lock, also on a network file system: of any number of processes one succeeds, the others try the
//! next number. Sacred allocates in the same way, so both can share a base folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Numbers tried before giving up: a listing may be stale on a network file system, but not by this much.
const MAX_ATTEMPTS: u64 = 1000;

/// A new run's folder, removed again unless [kept](RunFolder::keep).
#[derive(Debug)]
pub struct RunFolder {
    id: u64,
    path: PathBuf,
    /// Parents that didn't exist before, deepest first.
    made: Vec<PathBuf>,
    is_kept: bool,
}

/// Says why no run folder could be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// The base folder can't be made or written.
    #[error("cannot make a run folder in {}: {source}; give a folder that you may write with -F", base.display())]
    Base { base: PathBuf, source: io::Error },
    /// Every number tried was taken in between.
    #[error("no free run number in {} after {MAX_ATTEMPTS} attempts, the last {last}", base.display())]
    NoFreeId { base: PathBuf, last: u64 },
}

impl RunFolder {
    /// Makes `base/<id>`, and `base` where it is missing.
    ///
    /// # Errors
    ///
    /// [`FolderError`] where `base` is no folder or may not be written; nothing is left behind then.
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
        let error = |source| FolderError::Base { base: base.to_owned(), source };
        let base = std::path::absolute(base).map_err(error)?;
        let made: Vec<PathBuf> = base.ancestors().take_while(|path| !path.exists()).map(Path::to_owned).collect();
        let allocated = fs::create_dir_all(&base).map_err(error).and_then(|()| allocate(&base));
        match allocated {
            Ok((id, path)) => Ok(Self { id, path, made, is_kept: false }),
            Err(error) => {
                remove_empty(&made);
                Err(error)
            }
        }
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
    let error = |source| FolderError::Base { base: base.to_owned(), source };
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

/// The numbers of all runs in `base`, in no order. Names that are not all digits belong to nobody here.
pub(crate) fn run_ids(base: &Path) -> io::Result<Vec<u64>> {
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
