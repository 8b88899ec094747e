//! Reads PyTorch's files before 1.6, and plain pickles of arrays.
//!
//! The older file is five pickles (a magic number, a version, facts of the machine, the checkpoint, the storages' keys), then for each key
//! the number of elements, in eight bytes, and the elements.

use super::nested::{self, Storages};
use super::{Checkpoint, FormatError};
use crate::pickle::{self, Pickle};

/// 0x1950a86a20f9469cfc6c, as Python pickles it.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

const VERSION: i64 = 1001;

/// The checkpoint in `bytes`.
pub(super) fn read(bytes: &[u8]) -> Result<Checkpoint, FormatError> {
    let mut at = 0;
    let first = next(bytes, &mut at, "the first pickle")?;
    if first.root().as_large() != Some(&MAGIC[..]) {
        return nested::checkpoint(&first, &Storages::new(), bytes.len());
    }
    let version = next(bytes, &mut at, "the version")?.root().as_i64();
    if version != Some(VERSION) {
        return Err(legacy(format!("version {VERSION}"), format!("{version:?}")));
    }
    let machine = next(bytes, &mut at, "the machine's facts")?;
    if machine.root().get("little_endian").and_then(|value| value.as_bool()) == Some(false) {
        return Err(FormatError::BigEndian);
    }
    let content = next(bytes, &mut at, "the checkpoint")?;
    let keys = next(bytes, &mut at, "the keys")?;
    let storages = storages(bytes, at, &content, &keys)?;
    nested::checkpoint(&content, &storages, bytes.len())
}

/// The pickle that begins at `at`, which is moved past it.
fn next<'a>(bytes: &'a [u8], at: &mut usize, member: &'static str) -> Result<Pickle<'a>, FormatError> {
    // No pickle takes more bytes than are left.
    let parsed = pickle::parse_prefix(&bytes[*at..]);
    let (pickle, taken) = parsed.map_err(|error| FormatError::Pickle { member, error })?;
    *at += taken;
    Ok(pickle)
}

/// The numbers after the pickles; only the checkpoint has the length of an element.
fn storages<'a>(bytes: &'a [u8], mut at: usize, content: &Pickle, keys: &Pickle) -> Result<Storages<'a>, FormatError> {
    let sizes = content.storages().map(|storage| (storage.key.as_str(), storage.dtype.size_bytes()));
    let sizes: std::collections::HashMap<&str, usize> = sizes.collect();
    let keys = keys.root().items().ok_or_else(|| legacy("a list of keys", keys.root().kind()))?;
    let mut storages = Storages::new();
    for key in keys {
        let name = key.as_str().ok_or_else(|| legacy("a key", key.kind()))?;
        let size = *sizes.get(name).ok_or_else(|| legacy("a key of the checkpoint's", format!("{name:?}")))?;
        let left = bytes.len() - at;
        let short = || legacy(format!("the numbers of storage {name:?}"), format!("{left} bytes"));
        let count = bytes[at..].first_chunk::<8>().ok_or_else(short)?;
        let length = usize::try_from(u64::from_le_bytes(*count)).ok().and_then(|count| count.checked_mul(size));
        let numbers = length.and_then(|length| bytes[at + 8..].get(..length)).ok_or_else(short)?;
        at += 8 + numbers.len();
        storages.insert(name.to_owned(), numbers);
    }
    Ok(storages)
}

fn legacy(expected: impl Into<String>, found: impl Into<String>) -> FormatError {
    FormatError::Legacy { expected: expected.into(), found: found.into() }
}
