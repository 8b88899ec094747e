//! Collects the runs that a figure, a table or a report is made of.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use jiff::Timestamp;
#[cfg(feature = "mongo")]
use llc::mongo;
use llc::record::filter::{self, Filter};
use llc::record::read::{self, Run};
use serde_json::Value;

#[cfg(feature = "mongo")]
use super::addresses::Addresses;
use super::details::Details;
#[cfg(feature = "mongo")]
use super::downloads::Downloads;
use crate::runs::UsageError;

/// Where runs come from.
#[derive(Debug, Args)]
pub struct Source {
    /// A folder of runs, as given to `llc -F`; may be repeated.
    #[arg(short = 'F', long = "folder", value_name = "DIR", default_value = "runs")]
    folders: Vec<PathBuf>,
    #[cfg(feature = "mongo")]
    #[command(flatten)]
    addresses: Addresses,
}

/// The runs that were found.
#[derive(Debug, Default)]
pub struct Found {
    pub runs: Vec<Run>,
    pub details: Details,
}

impl Source {
    /// The runs that meet every one of `filters`, folder by folder, by number. Unreadable runs are reported on stderr and left out.
    pub fn find(&self, filters: &[Filter]) -> Result<Found> {
        #[cfg(feature = "mongo")]
        if let Some(address) = self.addresses.one()? {
            return found(mongo::source::list(&address)?, filters, Details::Database(Downloads::new(&address)?));
        }
        let mut runs = Vec::new();
        for folder in &self.folders {
            if !folder.is_dir() {
                return Err(UsageError::NoFolder(folder.clone()).into());
            }
            let listed = read::list(folder)?;
            for error in &listed.unreadable {
                let _ = writeln!(io::stderr(), "warning: {error}");
            }
            runs.extend(listed.runs);
        }
        found(runs, filters, Details::Folders)
    }

    /// The runs that `names` name, each a number or the folder of a run, that meet every one of `filters`.
    pub fn named(&self, names: &[&String], filters: &[Filter]) -> Result<Found> {
        #[cfg(feature = "mongo")]
        if let Some(address) = self.addresses.one()? {
            let number = |name: &&String| name.parse().with_context(|| format!("{name} is not the number of a run"));
            let run = |name| Ok(mongo::source::find(&address, number(name)?)?);
            let runs = names.iter().map(run).collect::<Result<_>>()?;
            return found(runs, filters, Details::Database(Downloads::new(&address)?));
        }
        let open = |name: &&String| {
            let path = std::path::absolute(self.run_folder(name))?;
            Run::open(&path).with_context(|| format!("{name} is neither the number nor the folder of a run"))
        };
        found(names.iter().map(open).collect::<Result<_>>()?, filters, Details::Folders)
    }

    /// The folders as given, or the database.
    pub fn places(&self) -> Result<Vec<String>> {
        #[cfg(feature = "mongo")]
        if let Some(address) = self.addresses.one()? {
            return Ok(vec![address.to_string()]);
        }
        Ok(self.folders.iter().map(|folder| folder.display().to_string()).collect())
    }

    /// The folder of the run that `text` names: a path, or a number in one of the folders.
    fn run_folder(&self, text: &str) -> PathBuf {
        let candidates = self.folders.iter().map(|folder| folder.join(text));
        candidates.into_iter().find(|path| path.is_dir()).unwrap_or_else(|| Path::new(text).to_owned())
    }
}

fn found(runs: Vec<Run>, filters: &[Filter], details: Details) -> Result<Found> {
    let mut runs = filter::select(runs, filters, Timestamp::now())?;
    runs.iter_mut().for_each(drop_virials);
    Ok(Found { runs, details })
}

/// Forgets what no figure shows and large networks have much of: the virial of every tensor, at every point.
fn drop_virials(run: &mut Run) {
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
