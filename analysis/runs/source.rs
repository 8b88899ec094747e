//! Says where runs are read from.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use llc::record::read::{self, Run};

use super::UsageError;
#[cfg(feature = "mongo")]
use crate::records::addresses::Addresses;

#[derive(Debug, Args)]
pub struct Source {
    /// The folder of the runs, as given to `llc -F`.
    #[arg(short = 'F', long = "folder", value_name = "DIR", default_value = "runs")]
    folder: PathBuf,
    #[cfg(feature = "mongo")]
    #[command(flatten)]
    addresses: Addresses,
}

impl Source {
    /// Every run, by number. Unreadable runs are reported on stderr and left out.
    pub fn runs(&self) -> Result<Vec<Run>> {
        #[cfg(feature = "mongo")]
        if let Some(address) = self.addresses.one()? {
            return Ok(llc::mongo::source::list(&address)?);
        }
        if !self.folder.is_dir() {
            return Err(UsageError::NoFolder(self.folder.clone()).into());
        }
        let found = read::list(&self.folder)?;
        for error in &found.unreadable {
            let _ = writeln!(io::stderr(), "warning: {error}");
        }
        Ok(found.runs)
    }

    /// The same, with no runs where there is no folder yet: nothing has been run then.
    pub fn runs_if_any(&self) -> Result<Vec<Run>> {
        let is_new = || self.folder.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        match self.runs() {
            Err(error) if matches!(error.downcast_ref(), Some(UsageError::NoFolder(_))) && is_new() => {
                let _ = writeln!(io::stderr(), "warning: there is no folder {} yet", self.folder.display());
                Ok(Vec::new())
            }
            runs => runs,
        }
    }

    /// The run of that number.
    pub fn run(&self, id: u64) -> Result<Run> {
        #[cfg(feature = "mongo")]
        if let Some(address) = self.addresses.one()? {
            return Ok(llc::mongo::source::find(&address, id)?);
        }
        let path = self.folder.join(id.to_string());
        if !path.is_dir() {
            return Err(UsageError::NoRun { folder: self.folder.clone(), id }.into());
        }
        Ok(Run::open(&path)?)
    }
}
