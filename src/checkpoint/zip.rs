//! Reads PyTorch's archives (since 1.6): `NAME/data.pkl` is the pickle, `NAME/data/KEY` the numbers of a storage.

use std::io::Cursor;

use zip::{CompressionMethod, ZipArchive};

use super::nested::{self, Storages};
use super::{Checkpoint, FormatError};
use crate::pickle;

/// A member of the archive: its name and its bytes, which the archive stores as they are.
struct Member<'a> {
    name: String,
    bytes: &'a [u8],
}

/// The checkpoint in the archive `bytes`.
pub(super) fn read(bytes: &[u8]) -> Result<Checkpoint, FormatError> {
    let members = members(bytes)?;
    let root = members.iter().find_map(|member| member.name.strip_suffix("data.pkl").map(|root| (root, member.bytes)));
    let Some((root, program)) = root else { return Err(FormatError::NotPyTorch) };

    let mut storages = Storages::new();
    for member in &members {
        match member.name.strip_prefix(root) {
            Some("byteorder") if member.bytes != b"little" => return Err(FormatError::BigEndian),
            Some(name) => {
                name.strip_prefix("data/").map(|key| storages.insert(key.to_owned(), member.bytes));
            }
            None => {}
        }
    }
    let pickle = pickle::parse(program).map_err(|error| FormatError::Pickle { member: "data.pkl", error })?;
    nested::checkpoint(&pickle, &storages, bytes.len())
}

fn members(bytes: &[u8]) -> Result<Vec<Member<'_>>, FormatError> {
    let damaged = |reason: String| FormatError::Zip { reason };
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| damaged(error.to_string()))?;
    let mut members = Vec::new();
    // Members that overlap could make a small file large.
    let mut left = bytes.len() as u64;
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(|error| damaged(error.to_string()))?;
        let name = entry.name().map_err(|error| damaged(error.to_string()))?.into_owned();
        if entry.is_dir() {
            continue;
        }
        if entry.compression() != CompressionMethod::Stored {
            return Err(FormatError::Compressed { member: name });
        }
        let content = content(bytes, entry.data_start(), entry.size())
            .filter(|_| entry.size() == entry.compressed_size())
            .ok_or_else(|| damaged(format!("{name:?} claims to have {} bytes", entry.size())))?;
        left = left.checked_sub(entry.size()).ok_or_else(|| damaged("its members overlap".into()))?;
        if crc32fast::hash(content) != entry.crc32() {
            return Err(damaged(format!("{name:?} has a wrong checksum")));
        }
        members.push(Member { name, bytes: content });
    }
    Ok(members)
}

fn content(bytes: &[u8], start: Option<u64>, length: u64) -> Option<&[u8]> {
    let start = usize::try_from(start?).ok()?;
    bytes.get(start..start.checked_add(usize::try_from(length).ok()?)?)
}
