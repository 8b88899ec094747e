//! Downloads published datasets: each file checked against its publisher's digest, a broken download resumed, nothing unexpected
//! unpacked.
//!
//! *Tested by*: `tests/data_fetch.rs`, against its own server.

mod download;
mod published;
mod unpack;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use thiserror::Error;

use super::DataError;

pub use published::{Archive, Published, RemoteFile};

/// What a fetch is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The file is there already.
    Present,
    /// The file is coming.
    Downloading,
    /// The file is being unpacked.
    Unpacking,
}

/// How far a fetch has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress<'a> {
    /// Name of the file.
    pub file: &'a str,
    /// What is done with it.
    pub stage: Stage,
    /// Bytes that are here.
    pub num_bytes: u64,
    /// Bytes of the whole file, if the server reports them.
    pub total_bytes: Option<u64>,
}

/// Why a dataset can't be downloaded.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The server can't be reached, or the connection broke too often.
    #[error("{url}: {found}; the same command continues from here, or give another address with --from")]
    Connection {
        /// The file's address.
        url: String,
        /// What went wrong.
        found: String,
    },
    /// The server doesn't give the file.
    #[error("{url}: the server answered {status}; give another address with --from")]
    Status {
        /// The file's address.
        url: String,
        /// The status of HTTP.
        status: u16,
    },
    /// The file is not the published one.
    #[error(
        "{url}: expected the MD5 digest {expected}, found {found}; the download was discarded, give another \
             address with --from"
    )]
    Digest {
        /// The file's address.
        url: String,
        /// The publisher's digest.
        expected: String,
        /// That of what came.
        found: String,
    },
    /// The file is larger than any of its kind.
    #[error("{url}: received more than {limit} bytes; give another address with --from")]
    TooLarge {
        /// The file's address.
        url: String,
        /// The most that is taken.
        limit: u64,
    },
    /// An archive doesn't hold what it should.
    #[error("{}: expected {expected}, found {found}", path.display())]
    Archive {
        /// The archive.
        path: PathBuf,
        /// What belongs in it.
        expected: String,
        /// What is in it.
        found: String,
    },
    /// A signal ended it.
    #[error("interrupted; the same command continues from here")]
    Cancelled,
    /// A file can't be read or written.
    #[error(transparent)]
    Data(#[from] DataError),
}

/// Downloads a dataset into `data_dir` and returns its folder. `from` replaces the published addresses: a folder's, below which the
/// files have their published names.
///
/// # Errors
///
/// [`FetchError`]; a part of a file that came is kept for the next time, under its name with `.part`.
pub fn fetch(
    published: &Published,
    from: Option<&str>,
    data_dir: &Path,
    cancel: &AtomicBool,
    on_progress: &mut dyn FnMut(Progress),
) -> Result<PathBuf, FetchError> {
    let dir = data_dir.join(published.folder);
    if let Some(archive) = &published.archive
        && unpack::is_unpacked(archive, &dir)
    {
        on_progress(Progress { file: archive.folder, stage: Stage::Present, num_bytes: 0, total_bytes: None });
        return Ok(dir);
    }
    std::fs::create_dir_all(&dir).map_err(DataError::write(&dir))?;
    let mirrors = from.map_or_else(|| published.mirrors.to_vec(), |from| vec![from]);
    for file in published.files {
        let path = dir.join(file.name);
        let mut result = Err(FetchError::Cancelled);
        for mirror in &mirrors {
            let url = format!("{}/{}", mirror.trim_end_matches('/'), file.name);
            result = download::download(&url, &path, file, cancel, on_progress);
            // Another address helps against everything but this side's own troubles.
            if matches!(result, Ok(()) | Err(FetchError::Cancelled | FetchError::Data(_))) {
                break;
            }
        }
        result?;
        if let Some(archive) = &published.archive {
            let num_bytes = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
            on_progress(Progress { file: file.name, stage: Stage::Unpacking, num_bytes, total_bytes: Some(num_bytes) });
            unpack::unpack(&path, archive, &dir)?;
            // It holds nothing that isn't in the folder now.
            std::fs::remove_file(&path).map_err(DataError::write(&path))?;
        }
    }
    Ok(dir)
}

fn written<T>(path: &Path, result: io::Result<T>) -> Result<T, FetchError> {
    result.map_err(|source| DataError::write(path)(source).into())
}
