//! Brings the files of runs out of a database into a temporary folder, each when it is first asked for.

use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use llc::mongo::address::Address;
use llc::mongo::source::Reader;
use llc::record::read::Run;
use tempfile::TempDir;
use zip::ZipArchive;

use super::series::Series;

/// A database, and the folder for its runs' files, which goes when the program ends.
#[derive(Debug)]
pub struct Downloads {
    reader: Reader,
    folder: TempDir,
}

impl Downloads {
    /// Takes files from the database that `address` names.
    pub fn new(address: &Address) -> Result<Self> {
        Ok(Self { reader: Reader::new(address)?, folder: TempDir::new().context("cannot make a temporary folder")? })
    }

    /// The metrics of `run` by name.
    pub fn metrics(&self, run: &Run) -> Result<BTreeMap<String, Series>> {
        let metrics = self.reader.metrics(run.id)?;
        Ok(metrics.into_iter().map(|(name, (steps, values))| (name, Series { steps, values })).collect())
    }

    /// Where the file or folder `name` of `run` is now. A folder of draws comes as an archive.
    pub fn path(&self, run: &Run, name: &str) -> Result<PathBuf> {
        let own = self.folder.path().join(run.id.to_string());
        let path = own.join(name);
        if path.exists() {
            return Ok(path);
        }
        fs::create_dir_all(&own).with_context(|| format!("cannot make {}", own.display()))?;
        if name.ends_with(".zarr") {
            if let Some(archive) = self.reader.artifact(run.id, &format!("{name}.zip"))? {
                unpack(archive, &path).with_context(|| format!("{}: {name}.zip", run.path.display()))?;
            }
        } else if let Some(content) = self.reader.artifact(run.id, name)? {
            fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(path)
    }
}

/// Unpacks `archive` into the folder `path`, whole or not at all.
fn unpack(archive: Vec<u8>, path: &Path) -> Result<()> {
    let partial = path.with_extension("partial");
    ZipArchive::new(Cursor::new(archive))?.extract(&partial)?;
    Ok(fs::rename(&partial, path)?)
}
