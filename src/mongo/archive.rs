//! Packs `draws.zarr`, which is a folder, into one file that GridFS takes.

use std::fs::{self, File};
use std::io::{self, Cursor, Read as _, Write as _};
use std::path::{Path, PathBuf};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// Draws up to this size go to the database; larger ones stay in the run's folder.
const MAX_BYTES: u64 = 64 << 20;

/// The draws around one point.
#[derive(Debug)]
pub(super) struct Draws {
    /// The folder's name, `draws.zarr`.
    pub(super) name: String,
    folder: PathBuf,
    num_bytes: u64,
}

impl Draws {
    /// Whether there are too many for the database.
    pub(super) fn is_large(&self) -> bool {
        self.num_bytes > MAX_BYTES
    }

    /// The folder as a zip archive, which Zarr opens as it is: the same bytes whenever it is made.
    pub(super) fn zip(&self) -> io::Result<Vec<u8>> {
        let mut files = Vec::new();
        list(&self.folder, "", &mut files)?;
        files.sort();
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(DateTime::default());
        let mut bytes = Vec::new();
        for name in files {
            bytes.clear();
            File::open(self.folder.join(&name))?.read_to_end(&mut bytes)?;
            archive.start_file(name, options)?;
            archive.write_all(&bytes)?;
        }
        Ok(archive.finish()?.into_inner())
    }
}

/// Every folder of draws in `run_dir`, by name.
pub(super) fn draws(run_dir: &Path) -> io::Result<Vec<Draws>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(run_dir)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if name.starts_with("draws") && name.ends_with(".zarr") && entry.file_type()?.is_dir() {
            let folder = entry.path();
            let mut files = Vec::new();
            list(&folder, "", &mut files)?;
            let mut num_bytes = 0;
            for file in &files {
                num_bytes += fs::metadata(folder.join(file))?.len();
            }
            found.push(Draws { name, folder, num_bytes });
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// The files below `folder`, by their paths with slashes.
fn list(folder: &Path, prefix: &str, files: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            list(&entry.path(), &format!("{name}/"), files)?;
        } else if !name.ends_with(".tmp") {
            files.push(name);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_is_the_same_whenever_it_is_made() {
        let run_dir = tempfile::tempdir().unwrap();
        let folder = run_dir.path().join("draws-trained.zarr");
        fs::create_dir_all(folder.join("posterior/loss")).unwrap();
        fs::write(folder.join("posterior/loss/0.0"), [1, 2, 3]).unwrap();
        fs::write(folder.join(".zgroup"), "{}").unwrap();
        let found = draws(run_dir.path()).unwrap();
        assert_eq!((found.len(), found[0].name.as_str(), found[0].is_large()), (1, "draws-trained.zarr", false));
        let bytes = found[0].zip().unwrap();
        fs::write(folder.join(".zgroup"), "{}").unwrap();
        assert_eq!(found[0].zip().unwrap(), bytes);

        let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
        let mut content = Vec::new();
        archive.by_name("posterior/loss/0.0").unwrap().read_to_end(&mut content).unwrap();
        assert_eq!(content, [1, 2, 3]);
    }
}
