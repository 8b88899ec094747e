//! Replaces files in one step, so that a reader sees the old text or the new, never half of one.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

/// Whether the bytes must be on the disk, not only in the system's cache, when a write returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Survives the end of the process, even by `kill -9`; cheap.
    Process,
    /// Also survives a power failure; waits for the disk.
    Power,
}

/// Writes `bytes` to a temporary file in the folder of `path`, then renames it to `path`.
///
/// The temporary file has the user's default permissions, so that a shared folder stays readable for the group.
///
/// # Errors
///
/// Errors of the file system. The temporary file is then removed and `path` is unchanged.
///
/// ```
/// # use llc::record::atomic::{Durability, replace};
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("run.json");
/// replace(&path, b"{}", Durability::Power)?;
/// replace(&path, b"[]", Durability::Power)?;
/// assert_eq!(std::fs::read(&path)?, b"[]");
/// assert_eq!(std::fs::read_dir(folder.path())?.count(), 1);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn replace(path: &Path, bytes: &[u8], durability: Durability) -> io::Result<()> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let temporary = path.with_file_name(format!(".{}.{}-{count}.tmp", name.to_string_lossy(), process::id()));

    let written = write_new(&temporary, bytes, durability).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // The first error is the one worth telling; there may be no file to remove.
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn write_new(path: &Path, bytes: &[u8], durability: Durability) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    match durability {
        Durability::Process => Ok(()),
        Durability::Power => file.sync_all(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_replacement_leaves_no_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("target");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("inside"), "").unwrap();
        assert!(replace(&path, b"text", Durability::Process).is_err(), "a folder can't be replaced by a file");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
