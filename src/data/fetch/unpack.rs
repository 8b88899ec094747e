//! Takes the expected files out of an archive, and nothing else.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::Path;

use flate2::read::GzDecoder;

use super::{Archive, FetchError, written};
use crate::data::DataError;

/// Whether all members are below `dir`, each of its length.
pub(super) fn is_unpacked(archive: &Archive, dir: &Path) -> bool {
    archive.members.iter().all(|(name, len)| {
        fs::metadata(dir.join(archive.folder).join(name)).is_ok_and(|file| file.is_file() && file.len() == *len)
    })
}

/// Writes the members of the archive at `path` to its folder below `dir`, each in one step.
pub(super) fn unpack(path: &Path, archive: &Archive, dir: &Path) -> Result<(), FetchError> {
    let wrong = |expected: String, found: String| FetchError::Archive { path: path.to_path_buf(), expected, found };
    let broken = |error: io::Error| wrong("a whole archive (.tar.gz)".into(), error.to_string());
    let folder = dir.join(archive.folder);
    written(&folder, fs::create_dir_all(&folder))?;
    let file = File::open(path).map_err(DataError::read(path))?;
    let mut tape = tar::Archive::new(GzDecoder::new(BufReader::new(file)));
    let mut missing: Vec<&(&str, u64)> = archive.members.iter().collect();
    for entry in tape.entries().map_err(broken)? {
        let entry = entry.map_err(broken)?;
        let entry_path = entry.path_bytes().into_owned();
        let is_it = |(name, _): &&(&str, u64)| entry_path == format!("{}/{name}", archive.folder).as_bytes();
        let Some(at) = missing.iter().position(is_it) else { continue };
        let (name, len) = *missing.swap_remove(at);
        if !entry.header().entry_type().is_file() || entry.size() != len {
            return Err(wrong(format!("a file `{name}` of {len} bytes"), format!("{} bytes", entry.size())));
        }
        let part = folder.join(format!("{name}.part"));
        let mut out = written(&part, File::create(&part))?;
        let mut member = entry.take(len);
        let mut block = vec![0; 1 << 16];
        loop {
            let count = member.read(&mut block).map_err(broken)?;
            if count == 0 {
                break;
            }
            written(&part, io::Write::write_all(&mut out, &block[..count]))?;
        }
        let whole = folder.join(name);
        written(&whole, fs::rename(&part, &whole))?;
    }
    match missing.first() {
        None => Ok(()),
        Some((name, _)) => Err(wrong(format!("a file `{}/{name}`", archive.folder), "none".into())),
    }
}
