//! Downloads one file: continues where the last attempt ended, and keeps only what has the right digest.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use md5::{Digest, Md5};
use ureq::http::header::{CONTENT_LENGTH, CONTENT_RANGE, RANGE};
use ureq::http::{HeaderMap, Response, StatusCode};
use ureq::{Agent, Body};

use super::{FetchError, Progress, RemoteFile, Stage, written};
use crate::data::DataError;

/// How often one call tries to reach the end of a file.
const ATTEMPTS: usize = 3;

/// The most bytes that are taken: six times the largest published file.
const MAX_BYTES: u64 = 1 << 30;

/// Waiting longer than this for a connection, an answer or the next bytes counts as a broken connection.
const PATIENCE: Duration = Duration::from_secs(30);

/// How an attempt ended.
enum Attempt {
    /// The server has no more bytes.
    Complete,
    /// The connection broke.
    Broken(String),
}

/// Brings `url` to `path`, by way of a file `.part` beside it.
pub(super) fn download(
    url: &str,
    path: &Path,
    file: &RemoteFile,
    cancel: &AtomicBool,
    on_progress: &mut dyn FnMut(Progress),
) -> Result<(), FetchError> {
    if path.is_file() && digest(path)? == file.md5 {
        on_progress(Progress { file: file.name, stage: Stage::Present, num_bytes: 0, total_bytes: None });
        return Ok(());
    }
    let config = Agent::config_builder().http_status_as_error(false).timeout_connect(Some(PATIENCE));
    let agent = config.timeout_recv_response(Some(PATIENCE)).timeout_per_read(Some(PATIENCE)).build().new_agent();
    let part = path.with_file_name(format!("{}.part", file.name));
    let mut has_resumed = part.is_file();
    let mut broken = String::new();
    for _ in 0..ATTEMPTS {
        match attempt(&agent, url, &part, file.name, cancel, on_progress)? {
            Attempt::Broken(found) => {
                has_resumed = true;
                broken = found;
            }
            Attempt::Complete => {
                let found = digest(&part)?;
                if found == file.md5 {
                    return written(path, fs::rename(&part, path));
                }
                written(&part, fs::remove_file(&part))?;
                if !has_resumed {
                    return Err(FetchError::Digest { url: url.into(), expected: file.md5.into(), found });
                }
                // The beginning may have been that of another file.
                has_resumed = false;
                broken = format!("the download has the MD5 digest {found}, not {}", file.md5);
            }
        }
    }
    Err(FetchError::Connection { url: url.into(), found: broken })
}

/// Asks once for what is still missing, and appends it.
fn attempt(
    agent: &Agent,
    url: &str,
    part: &Path,
    name: &str,
    cancel: &AtomicBool,
    on_progress: &mut dyn FnMut(Progress),
) -> Result<Attempt, FetchError> {
    let mut here = fs::metadata(part).map_or(0, |metadata| metadata.len());
    let request = agent.get(url);
    let request = if here > 0 { request.header(RANGE, format!("bytes={here}-")) } else { request };
    let response: Response<Body> = match request.call() {
        Ok(response) => response,
        Err(error) => return Ok(Attempt::Broken(error.to_string())),
    };
    let (head, body) = response.into_parts();
    match head.status {
        StatusCode::PARTIAL_CONTENT if range_start(&head.headers) == Some(here) => {}
        // It holds nothing beyond what is here.
        StatusCode::RANGE_NOT_SATISFIABLE if here > 0 => return Ok(Attempt::Complete),
        // The whole file, from its beginning.
        StatusCode::OK => here = 0,
        status => return Err(FetchError::Status { url: url.into(), status: status.as_u16() }),
    }
    let mut options = OpenOptions::new();
    let options = if here > 0 { options.append(true) } else { options.write(true).create(true).truncate(true) };
    let mut out = written(part, options.open(part))?;
    let length = head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let total_bytes = length.and_then(|length| length.checked_add(here));
    let mut reader = body.into_reader();
    let mut block = vec![0; 1 << 16];
    loop {
        on_progress(Progress { file: name, stage: Stage::Downloading, num_bytes: here, total_bytes });
        if cancel.load(Ordering::Relaxed) {
            return Err(FetchError::Cancelled);
        }
        let count = match reader.read(&mut block) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) => return Ok(Attempt::Broken(error.to_string())),
        };
        written(part, out.write_all(&block[..count]))?;
        here += count as u64;
        if here > MAX_BYTES {
            drop(out);
            written(part, fs::remove_file(part))?;
            return Err(FetchError::TooLarge { url: url.into(), limit: MAX_BYTES });
        }
    }
    match total_bytes {
        Some(total) if here < total => Ok(Attempt::Broken(format!("received {here} of {total} bytes"))),
        _ => Ok(Attempt::Complete),
    }
}

/// Where the bytes of a partial answer begin.
fn range_start(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}

/// The MD5 digest of a file, in hexadecimal.
fn digest(path: &Path) -> Result<String, FetchError> {
    let mut file = File::open(path).map_err(DataError::read(path))?;
    let mut md5 = Md5::new();
    let mut block = vec![0; 1 << 16];
    loop {
        match file.read(&mut block).map_err(DataError::read(path))? {
            0 => break,
            count => md5.update(&block[..count]),
        }
    }
    Ok(md5.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
