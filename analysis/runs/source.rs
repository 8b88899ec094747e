//! Says where runs are read from.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use llc::record::read::{self, Run};

use super::UsageError;

#[derive(Debug, Args)]
pub struct Source {
    /// The folder of the runs, as given to `llc -F`.
    #[arg(short = 'F', long = "folder", value_name = "DIR", default_value = "runs")]
    folder: PathBuf,
}

impl Source {
    /// Every run, by number. What is no readable run is told on stderr and left out.
    pub fn runs(&self) -> Result<Vec<Run>> {
        if !self.folder.is_dir() {
            return Err(UsageError::NoFolder(self.folder.clone()).into());
        }
        let found = read::list(&self.folder)?;
        for error in &found.unreadable {
            let _ = writeln!(io::stderr(), "warning: {error}");
        }
        Ok(found.runs)
    }

    /// The run of that number.
    pub fn run(&self, id: u64) -> Result<Run> {
        let path = self.folder.join(id.to_string());
        if !path.is_dir() {
            return Err(UsageError::NoRun { folder: self.folder.clone(), id }.into());
        }
        Ok(Run::open(&path)?)
    }
}
