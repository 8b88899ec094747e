//! Checks that records can be written before a run starts, and leaves no files.

use std::io;
use std::path::Path;

use super::ConfigError;

/// Checks that `directory` can be written to, or can be made: neither the folder nor anything in it is created.
///
/// # Errors
///
/// [`ConfigError::Storage`] where `directory`, or the nearest folder above it that exists, is not a folder or refuses a new
/// file.
///
/// ```
/// let folder = tempfile::tempdir()?;
/// let runs = folder.path().join("a/b");
/// assert!(llc::config::check_storage(&runs).is_ok());
/// assert!(!runs.exists());
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn check_storage(directory: &Path) -> Result<(), ConfigError> {
    try_storage(directory).map_err(|source| ConfigError::Storage { path: directory.to_owned(), source })
}

fn try_storage(directory: &Path) -> io::Result<()> {
    let mut existing = directory;
    // A dangling link counts as there: making the folder would fail on it.
    while existing.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
        existing = match existing.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
    }
    if !existing.metadata()?.is_dir() {
        return Err(io::Error::new(io::ErrorKind::NotADirectory, format!("{} is not a folder", existing.display())));
    }
    // An unnamed file: it is gone even if the process is killed here.
    tempfile::tempfile_in(existing).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_in_the_way_is_refused_and_nothing_is_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        for path in [file.clone(), file.join("runs")] {
            let message = check_storage(&path).unwrap_err().to_string();
            assert!(message.starts_with("--file-storage") && message.contains("file"), "{message}");
        }
        assert!(check_storage(&folder.path().join("new/runs")).is_ok());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_relative_folder_that_is_not_there_yet_is_accepted() {
        assert!(check_storage(Path::new("surely-not-here/runs")).is_ok());
        assert!(!Path::new("surely-not-here").exists());
    }
}
