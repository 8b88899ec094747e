//! Remembers where the copies of a run's record are (`-F` given several times), so that a run that continues writes them too.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// The list of copies in a run's folder.
const LIST: &str = ".llc/copies.json";

/// Writes down in the first of `run_dirs` where the others are, if there are others.
pub fn note(run_dirs: &[PathBuf]) -> anyhow::Result<()> {
    let [own, copies @ ..] = run_dirs else { return Ok(()) };
    if copies.is_empty() {
        return Ok(());
    }
    let path = own.join(LIST);
    let write = || -> std::io::Result<()> {
        fs::create_dir_all(own.join(".llc"))?;
        fs::write(&path, serde_json::to_string_pretty(copies)?)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// The copies of the run in `run_dir` that are still there.
pub fn of(run_dir: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(run_dir.join(LIST)).unwrap_or_default();
    let copies: Vec<PathBuf> = serde_json::from_str(&text).unwrap_or_default();
    copies.into_iter().filter(|copy| copy.join("run.json").is_file()).collect()
}
