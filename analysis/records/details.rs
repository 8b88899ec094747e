//! Gives what runs hold beside their reports, wherever they are: metrics, draws, artifacts.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Result;
use llc::record::read::Run;

use super::chains::{self, Chains};
#[cfg(feature = "mongo")]
use super::downloads::Downloads;
use super::series::{self, Series};

/// Where the details of runs are.
#[derive(Debug, Default)]
pub enum Details {
    /// In the folder of each.
    #[default]
    Folders,
    /// In the database that all of them come from.
    #[cfg(feature = "mongo")]
    Database(Downloads),
}

impl Details {
    /// The metrics of `run` by name; if they can't be read, a warning is printed and there are none.
    pub fn metrics(&self, run: &Run) -> BTreeMap<String, Series> {
        or_warn(match self {
            Self::Folders => series::metrics(run),
            #[cfg(feature = "mongo")]
            Self::Database(downloads) => downloads.metrics(run),
        })
    }

    /// The draws of `run` around w*, or around the last point of a curve, if it has any; if they can't be read, a warning is printed.
    pub fn chains(&self, run: &Run) -> Option<Chains> {
        or_warn(chains::chains(run, self))
    }

    /// Where the file or folder `name` of `run` is; there may be none.
    ///
    /// # Errors
    ///
    /// Where the database can't be asked, or the file can't be kept here.
    pub fn path(&self, run: &Run, name: &str) -> Result<PathBuf> {
        match self {
            Self::Folders => Ok(run.path.join(name)),
            #[cfg(feature = "mongo")]
            Self::Database(downloads) => downloads.path(run, name),
        }
    }
}

/// What was read; nothing, and a word on stderr, where that failed.
fn or_warn<T: Default>(read: Result<T>) -> T {
    read.unwrap_or_else(|error| {
        let _ = writeln!(io::stderr(), "warning: {error:#}");
        T::default()
    })
}
