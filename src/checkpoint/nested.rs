//! Turns the nested dicts of a Python checkpoint into tensors with dotted names, and facts.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value as Json};

use super::tensor::{gather, strides};
use super::{Checkpoint, FormatError, Header, NamedTensor};
use crate::pickle::{Array, Pickle, TensorView, Value};

/// Dicts and lists inside one another.
const MAX_DEPTH: usize = 64;

/// The numbers of a file's storages, by key.
pub(super) type Storages<'a> = HashMap<String, &'a [u8]>;

/// The checkpoint that `pickle` describes, with the numbers of `storages`; both come from a file of `file_bytes`.
pub(super) fn checkpoint(pickle: &Pickle, storages: &Storages, file_bytes: usize) -> Result<Checkpoint, FormatError> {
    // Values may be shared: tied weights twice, but not a thousand times.
    let budget = 1024 + file_bytes.saturating_mul(4);
    let mut walk = Walk { storages, tensors: Vec::new(), names: HashSet::new(), budget };
    let facts = match walk.visit(pickle.root(), "", 0)? {
        Some(Json::Object(facts)) => facts,
        Some(Json::Null) | None => Map::new(),
        Some(other) => Map::from_iter([("value".to_owned(), other)]),
    };
    Ok(Checkpoint { header: Header { facts, ..Header::default() }, tensors: walk.tensors })
}

struct Walk<'a> {
    storages: &'a Storages<'a>,
    tensors: Vec<NamedTensor>,
    names: HashSet<String>,
    /// Bytes that may still be made; each value visited takes one.
    budget: usize,
}

impl Walk<'_> {
    /// What `value` says that is not a tensor; its tensors are kept under `name`.
    fn visit(&mut self, value: Value, name: &str, depth: usize) -> Result<Option<Json>, FormatError> {
        self.spend(1 + name.len())?;
        if depth > MAX_DEPTH {
            return Err(FormatError::TooLarge);
        }
        if let Some(tensor) = value.as_tensor() {
            return self.push_tensor(name, tensor).map(|()| None);
        }
        if let Some(array) = value.as_array() {
            return self.push_array(name, array).map(|()| None);
        }
        if let Some(entries) = value.entries() {
            return self.visit_entries(entries, name, depth);
        }
        if let Some(items) = value.items() {
            let mut list = Vec::new();
            let num_tensors = self.tensors.len();
            for (index, item) in items.enumerate() {
                list.push(self.visit(item, &join(name, &index.to_string()), depth + 1)?.unwrap_or(Json::Null));
            }
            let is_only_tensors = self.tensors.len() > num_tensors && list.iter().all(Json::is_null);
            return Ok(if is_only_tensors { None } else { Some(Json::Array(list)) });
        }
        if let Some(text) = value.as_str() {
            self.spend(text.len())?;
            return Ok(Some(Json::from(text)));
        }
        let plain = value.as_bool().map(Json::from).or_else(|| value.as_i64().map(Json::from));
        Ok(Some(plain.or_else(|| value.as_f64().map(Json::from)).unwrap_or(Json::Null)))
    }

    fn visit_entries<'v>(
        &mut self,
        entries: impl Iterator<Item = (Value<'v>, Value<'v>)>,
        name: &str,
        depth: usize,
    ) -> Result<Option<Json>, FormatError> {
        let mut facts = Map::new();
        let num_tensors = self.tensors.len();
        for (index, (key, value)) in entries.enumerate() {
            let key = match (key.as_str(), key.as_i64()) {
                (Some(text), _) => text.to_owned(),
                (None, Some(number)) => number.to_string(),
                (None, None) => format!("#{index}"),
            };
            self.spend(key.len())?;
            if let Some(fact) = self.visit(value, &join(name, &key), depth + 1)? {
                facts.insert(key, fact);
            }
        }
        let is_only_tensors = facts.is_empty() && self.tensors.len() > num_tensors;
        Ok(if is_only_tensors { None } else { Some(Json::Object(facts)) })
    }

    fn push_tensor(&mut self, name: &str, tensor: TensorView) -> Result<(), FormatError> {
        let storage = tensor.storage;
        let expected = storage.num_elements as u128 * storage.dtype.size_bytes() as u128;
        let found = self.storages.get(&storage.key).copied();
        let Some(numbers) = found.filter(|numbers| numbers.len() as u128 == expected) else {
            let (tensor, key) = (name.to_owned(), storage.key.clone());
            return Err(FormatError::Storage { tensor, key, expected, found: found.map_or(0, <[u8]>::len) });
        };
        self.push(name, tensor.shape, tensor.strides, (numbers, storage.dtype, tensor.offset))
    }

    fn push_array(&mut self, name: &str, array: Array) -> Result<(), FormatError> {
        let strides = strides(array.shape, array.is_fortran);
        self.push(name, array.shape, &strides, (array.bytes, array.dtype, 0))
    }

    fn push(
        &mut self,
        name: &str,
        shape: &[usize],
        strides: &[usize],
        (numbers, dtype, offset): (&[u8], super::Dtype, usize),
    ) -> Result<(), FormatError> {
        self.spend(dtype.tensor_bytes(shape).map_or(0, |bytes| bytes.min(numbers.len())))?;
        let name = if name.is_empty() { "tensor" } else { name }.to_owned();
        let bytes = gather(numbers, dtype, offset, shape, strides).ok_or_else(|| FormatError::Extent {
            tensor: name.clone(),
            shape: shape.to_vec(),
            found: numbers.len() / dtype.size_bytes(),
        })?;
        if !self.names.insert(name.clone()) {
            return Err(FormatError::Duplicate { name });
        }
        self.tensors.push(NamedTensor { name, shape: shape.to_vec(), dtype, bytes });
        Ok(())
    }

    fn spend(&mut self, bytes: usize) -> Result<(), FormatError> {
        self.budget = self.budget.checked_sub(bytes).ok_or(FormatError::TooLarge)?;
        Ok(())
    }
}

fn join(outer: &str, inner: &str) -> String {
    if outer.is_empty() { inner.to_owned() } else { format!("{outer}.{inner}") }
}
