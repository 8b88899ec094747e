//! Writes lines to standard output or to a file, which it never replaces unasked.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use llc::record::atomic::{self, Durability};
use llc::words::counted;

use crate::Usage;

/// Where lines go, and what is put on each of them.
#[derive(Debug, Args)]
pub struct Output {
    /// Write to this file instead of standard output; an existing file is not replaced
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    output: Option<PathBuf>,
    /// Replace the file
    #[arg(long, requires = "output", help_heading = "Output")]
    force: bool,
    /// Flags added to every line; they override the line's own
    #[arg(last = true, value_name = "FLAGS", help_heading = "Output")]
    pub extra: Vec<String>,
}

/// Neighbours named at most.
const MAX_NEIGHBOURS: usize = 8;

impl Output {
    /// Refuses a file that is there already, before any line is made.
    pub fn check(&self) -> anyhow::Result<()> {
        let Some(path) = self.output.as_deref().filter(|path| path.symlink_metadata().is_ok()) else { return Ok(()) };
        if path.is_dir() {
            return Err(Usage(format!("-o {}: this is a folder; give a file", path.display())).into());
        }
        if self.force {
            return Ok(());
        }
        let neighbours = neighbours(path);
        let beside = match neighbours.as_slice() {
            [] => String::new(),
            names => format!("; the folder also has {}", names.join(", ")),
        };
        let found = describe(path);
        Err(Usage(format!(
            "{} exists already{found}: give another name, or --force to replace it{beside}",
            path.display()
        ))
        .into())
    }

    /// Writes `lines`, and prints their number to standard error.
    pub fn write(&self, lines: &[String]) -> anyhow::Result<()> {
        let count = counted(lines.len(), "command");
        if let Some(path) = &self.output {
            let text: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
            atomic::replace(path, text.as_bytes(), Durability::Process)
                .with_context(|| format!("cannot write {}", path.display()))?;
            eprintln!("{count} in {}", path.display());
            return Ok(());
        }
        let mut out = BufWriter::new(io::stdout().lock());
        let written = lines.iter().try_for_each(|line| writeln!(out, "{line}")).and_then(|()| out.flush());
        match written {
            // Whoever reads has had enough (`| head`).
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => {
                written.context("cannot write to standard output")?;
                eprintln!("{count}");
                Ok(())
            }
        }
    }
}

/// How many lines the file at `path` has, in brackets; nothing where it can't be read.
fn describe(path: &Path) -> String {
    fs::read_to_string(path)
        .map_or_else(|_| String::new(), |text| format!(" ({})", counted(text.lines().count(), "line")))
}

/// Files beside `path` that look like files of commands: those of the same ending, in order.
fn neighbours(path: &Path) -> Vec<String> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let others = entries.map(|entry| entry.path()).filter(|other| {
        other.file_name() != path.file_name() && other.extension() == path.extension() && other.is_file()
    });
    let name = |other: PathBuf| Some(format!("{}{}", other.file_name()?.to_string_lossy(), describe(&other)));
    let mut names: Vec<String> = others.filter_map(name).collect();
    names.sort_unstable();
    if names.len() > MAX_NEIGHBOURS {
        let more = names.len() - MAX_NEIGHBOURS;
        names.truncate(MAX_NEIGHBOURS);
        names.push(format!("{more} more"));
    }
    names
}
