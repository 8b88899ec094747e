//! Locks a file for as long as a process uses what the file stands for.
//!
//! The lock is `flock`'s, which ends with the process however it ends. A program that starts another one passes its locks on for the moment
//! between `fork` and `exec`. A held lock is therefore tried again for a while.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::thread;
use std::time::Duration;

/// Attempts at a held lock, and the wait between them.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(25);

/// Another process holds the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held;

/// Creates the file `path` and locks it until the returned file is dropped.
///
/// # Errors
///
/// Errors of the file system; the inner result is [`Held`] if another process has the lock. On a file system without locks the
/// file is returned unlocked.
///
/// ```
/// use llc::record::lock::{Held, lock};
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("lock");
/// let first = lock(&path)?;
/// assert_eq!(lock(&path)?.unwrap_err(), Held);
/// drop(first);
/// assert!(lock(&path)?.is_ok());
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn lock(path: &Path) -> std::io::Result<Result<File, Held>> {
    let file = File::create(path)?;
    for _ in 0..ATTEMPTS {
        match file.try_lock() {
            Ok(()) | Err(TryLockError::Error(_)) => return Ok(Ok(file)),
            Err(TryLockError::WouldBlock) => thread::sleep(PAUSE),
        }
    }
    Ok(Err(Held))
}
