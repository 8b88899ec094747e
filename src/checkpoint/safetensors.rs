//! Reads and writes safetensors: a JSON header of names, formats, shapes and places, then the numbers.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use safetensors::tensor::{Metadata, TensorView};
use safetensors::{Dtype as Format, SafeTensorError, SafeTensors};
use serde_json::{Map, Value};

use super::{Checkpoint, FormatError, Header, NamedTensor};
use crate::dtype::Dtype;

/// The key in `__metadata__` under which [`Header`] is. It is the only one, so that the same checkpoint gives the same bytes.
const HEADER_KEY: &str = "llc";

/// Whether `bytes` begin as a safetensors file: the header's length, whose last three bytes are never used, then the header's brace.
pub(super) fn seems(bytes: &[u8]) -> bool {
    matches!(bytes, [_, _, _, _, _, 0, 0, 0, b'{', ..])
}

/// The tensors and the header, which is empty but for facts where another program wrote the file.
pub(super) fn read(bytes: &[u8]) -> Result<Checkpoint, FormatError> {
    let (header_bytes, metadata) = SafeTensors::read_metadata(bytes).map_err(wrong)?;
    // The length that stands before the header is of 8 bytes; read_metadata has held both against the file.
    let data = &bytes[8 + header_bytes..];
    let mut tensors = Vec::with_capacity(metadata.tensors().len());
    for name in metadata.offset_keys() {
        let Some(info) = metadata.info(&name) else { continue };
        let dtype = dtype(info.dtype)
            .ok_or_else(|| FormatError::Dtype { tensor: name.clone(), dtype: info.dtype.to_string() })?;
        let (start, end) = info.data_offsets;
        let bytes = data.get(start..end).ok_or_else(|| wrong(SafeTensorError::InvalidOffset(name.clone())))?.to_vec();
        let tensor = NamedTensor { shape: info.shape.clone(), dtype, bytes, name };
        tensor.check()?;
        tensors.push(tensor);
    }
    Ok(Checkpoint { header: header(&metadata)?, tensors })
}

/// The header of the file `path`, which is read no further; `None` where it can't be read or is not a safetensors file of `llc`.
pub(super) fn peek(path: &Path) -> Option<Header> {
    // As the format's own reader: a longer one does not belong to a network.
    const MAX_HEADER_BYTES: u64 = 100_000_000;
    let mut file = File::open(path).ok()?;
    let mut start = [0; 8];
    file.read_exact(&mut start).ok()?;
    let length = u64::from_le_bytes(start);
    if length > MAX_HEADER_BYTES {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes).ok()?;
    let all: Value = serde_json::from_slice(&bytes).ok()?;
    serde_json::from_str(all.get("__metadata__")?.get(HEADER_KEY)?.as_str()?).ok()
}

fn header(metadata: &Metadata) -> Result<Header, FormatError> {
    let Some(entries) = metadata.metadata() else { return Ok(Header::default()) };
    match entries.get(HEADER_KEY) {
        Some(text) => serde_json::from_str(text).map_err(|error| FormatError::Header { reason: error.to_string() }),
        None => {
            let facts: Map<_, _> =
                entries.iter().map(|(key, text)| (key.clone(), Value::from(text.as_str()))).collect();
            Ok(Header { facts, ..Header::default() })
        }
    }
}

/// The file of `checkpoint`.
pub(super) fn to_bytes(checkpoint: &Checkpoint) -> Result<Vec<u8>, FormatError> {
    let mut names = std::collections::HashSet::new();
    let mut views = Vec::with_capacity(checkpoint.tensors.len());
    for tensor in &checkpoint.tensors {
        tensor.check()?;
        if !names.insert(&tensor.name) {
            return Err(FormatError::Duplicate { name: tensor.name.clone() });
        }
        let view = TensorView::new(format(tensor.dtype), tensor.shape.clone(), &tensor.bytes).map_err(wrong)?;
        views.push((tensor.name.as_str(), view));
    }
    let header =
        serde_json::to_string(&checkpoint.header).map_err(|error| FormatError::Header { reason: error.to_string() })?;
    safetensors::serialize(views, Some(HashMap::from([(HEADER_KEY.to_owned(), header)]))).map_err(wrong)
}

fn wrong(error: SafeTensorError) -> FormatError {
    FormatError::Safetensors { reason: error.to_string() }
}

fn dtype(format: Format) -> Option<Dtype> {
    Some(match format {
        Format::BOOL => Dtype::Bool,
        Format::U8 => Dtype::U8,
        Format::U16 => Dtype::U16,
        Format::U32 => Dtype::U32,
        Format::U64 => Dtype::U64,
        Format::I8 => Dtype::I8,
        Format::I16 => Dtype::I16,
        Format::I32 => Dtype::I32,
        Format::I64 => Dtype::I64,
        Format::F16 => Dtype::F16,
        Format::BF16 => Dtype::Bf16,
        Format::F32 => Dtype::F32,
        Format::F64 => Dtype::F64,
        _ => return None,
    })
}

fn format(dtype: Dtype) -> Format {
    match dtype {
        Dtype::Bool => Format::BOOL,
        Dtype::U8 => Format::U8,
        Dtype::U16 => Format::U16,
        Dtype::U32 => Format::U32,
        Dtype::U64 => Format::U64,
        Dtype::I8 => Format::I8,
        Dtype::I16 => Format::I16,
        Dtype::I32 => Format::I32,
        Dtype::I64 => Format::I64,
        Dtype::F16 => Format::F16,
        Dtype::Bf16 => Format::BF16,
        Dtype::F32 => Format::F32,
        Dtype::F64 => Format::F64,
    }
}
