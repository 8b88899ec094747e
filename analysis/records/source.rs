//! Collects the runs that a figure, a table or a report is made of.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use jiff::Timestamp;
use llc::record::filter::{self, Filter};
use llc::record::read::{self, Run};
use serde_json::Value;

use crate::runs::UsageError;

/// Where runs come from.
#[derive(Debug, Args)]
pub struct Source {
    /// A folder of runs, as given to `llc -F`; may be repeated.
    #[arg(short = 'F', long = "folder", value_name = "DIR", default_value = "runs")]
    folders: Vec<PathBuf>,
}

impl Source {
    /// The runs that meet every one of `filters`, folder by folder, by number. What is no readable run is told on stderr and left out.
    pub fn runs(&self, filters: &[Filter]) -> Result<Vec<Run>> {
        let mut runs = Vec::new();
        for folder in &self.folders {
            if !folder.is_dir() {
                return Err(UsageError::NoFolder(folder.clone()).into());
            }
            let found = read::list(folder)?;
            for error in &found.unreadable {
                let _ = writeln!(io::stderr(), "warning: {error}");
            }
            runs.extend(found.runs);
        }
        let mut runs = filter::select(runs, filters, Timestamp::now())?;
        runs.iter_mut().for_each(drop_details);
        Ok(runs)
    }

    /// The folders, as given.
    pub fn folders(&self) -> Vec<String> {
        self.folders.iter().map(|folder| folder.display().to_string()).collect()
    }

    /// The folder of the run that `text` names: a path, or a number in one of the folders.
    pub fn run_folder(&self, text: &str) -> PathBuf {
        let candidates = self.folders.iter().map(|folder| folder.join(text));
        candidates.into_iter().find(|path| path.is_dir()).unwrap_or_else(|| Path::new(text).to_owned())
    }
}

/// Reads the run in the folder `path`.
///
/// # Errors
///
/// Where it is none.
pub fn open(path: &Path) -> Result<Run> {
    let mut run = Run::open(&std::path::absolute(path)?)?;
    drop_details(&mut run);
    Ok(run)
}

/// Forgets what no figure shows and large networks have much of: the virial of every tensor, at every point.
fn drop_details(run: &mut Run) {
    let Some(report) = &mut run.report else { return };
    let forget = |point: &mut Value| {
        if let Some(diagnostics) = point.get_mut("diagnostics").and_then(Value::as_object_mut) {
            diagnostics.remove("virial_per_tensor");
        }
    };
    if let Some(points) = report.get_mut("points").and_then(Value::as_array_mut) {
        points.iter_mut().for_each(forget);
    }
    forget(report);
}
