//! Locks a file for as long as a process works with what it stands for.
//!
//! The lock is `flock`'s, which ends with the process however it ends. A program that starts another one hands its locks on for the moment
//! between `fork` and `exec`: a lock that is held is therefore asked for again for a while.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::thread;
use std::time::Duration;

/// How often a lock that is held is asked for again, and how long it waits in between.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(25);

/// Another process holds the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held;

/// Makes the file `path` and locks it until the file that is returned is dropped.
///
/// # Errors
///
/// What the file system says of the file; [`Held`] within it where another process has the lock. A file system without locks gives the
/// file, unlocked.
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
