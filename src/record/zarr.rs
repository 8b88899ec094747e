//! Writes and reads uncompressed Zarr v2 arrays: a folder for each array, raw little-endian numbers for each chunk.
//!
//! It uses version 2 rather than 3 because both old and new readers support it (zarr 2.18 and 3, arviz from 0.20 to 1.3). Missing
//! chunks read as the fill value, which makes a killed run readable.
//!
//! *Reference*: Zarr storage specification version 2, <https://zarr-specs.readthedocs.io/en/latest/v2/v2.0.html>.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::atomic::{Durability, replace};
use super::json;

/// The type of an array's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    /// 64-bit floats; missing ones are NaN.
    Float,
    /// 64-bit signed integers; missing ones are 0.
    Integer,
}

/// A Zarr folder of groups and arrays. Metadata is collected and written by [`commit`](Store::commit).
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    /// Metadata by file: `posterior/loss/.zarray`.
    metadata: BTreeMap<String, Value>,
}

impl Store {
    /// Starts a store in the folder `root`, with `attributes` on its root group. Nothing is written yet.
    pub fn new(root: PathBuf, attributes: Value) -> Self {
        let mut store = Self { root, metadata: BTreeMap::new() };
        store.metadata.insert(".zgroup".to_owned(), json!({"zarr_format": 2}));
        store.metadata.insert(".zattrs".to_owned(), attributes);
        store
    }

    /// The store's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Adds a group below the root.
    pub fn add_group(&mut self, group: &str, attributes: Value) {
        self.metadata.insert(format!("{group}/.zgroup"), json!({"zarr_format": 2}));
        self.metadata.insert(format!("{group}/.zattrs"), attributes);
    }

    /// Adds an array, one entry of `shape`, `chunks` and `dims` per dimension. `chunks` are at least 1.
    pub fn add_array(&mut self, array: &str, element: Element, shape: &[usize], chunks: &[usize], dims: &[&str]) {
        let (dtype, fill_value) = match element {
            Element::Float => ("<f8", json!("NaN")),
            Element::Integer => ("<i8", json!(null)),
        };
        let zarray = json!({
            "zarr_format": 2, "shape": shape, "chunks": chunks, "dtype": dtype, "fill_value": fill_value,
            "order": "C", "compressor": null, "filters": null,
        });
        self.metadata.insert(format!("{array}/.zarray"), zarray);
        self.metadata.insert(format!("{array}/.zattrs"), json!({"_ARRAY_DIMENSIONS": dims}));
    }

    /// Changes the shape of an array added before. Chunks beyond the new shape are ignored by readers.
    pub fn resize(&mut self, array: &str, shape: &[usize]) {
        if let Some(zarray) = self.metadata.get_mut(&format!("{array}/.zarray")) {
            zarray["shape"] = json!(shape);
        }
    }

    /// Writes all metadata, and `.zmetadata`, from which readers get it in one read.
    ///
    /// # Errors
    ///
    /// Errors of the file system.
    pub fn commit(&self) -> io::Result<()> {
        for (file, value) in &self.metadata {
            let path = self.root.join(file);
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            replace(&path, json::to_string(value).as_bytes(), Durability::Process)?;
        }
        let consolidated = json!({"zarr_consolidated_format": 1, "metadata": self.metadata});
        replace(&self.root.join(".zmetadata"), json::to_string(&consolidated).as_bytes(), Durability::Process)
    }

    /// Writes one whole chunk, given by its index along each dimension, as numbers in C order.
    ///
    /// # Errors
    ///
    /// Errors of the file system.
    pub fn write_chunk<const N: usize>(&self, array: &str, place: [usize; N], numbers: &[[u8; 8]]) -> io::Result<()> {
        let name = place.map(|index| index.to_string()).join(".");
        replace(&self.root.join(array).join(name), numbers.as_flattened(), Durability::Process)
    }
}

/// Reads a one- or two-dimensional array of floats that [`Store`] wrote: its shape and its numbers in C order.
///
/// Chunks span one row in two dimensions, as `draws.zarr` has them. Missing chunks read as NaN.
///
/// # Errors
///
/// If a file can't be read, or the array is not an uncompressed `<f8` of that layout.
pub fn read_floats(array: &Path) -> io::Result<(Vec<usize>, Vec<f64>)> {
    let invalid =
        || io::Error::new(io::ErrorKind::InvalidData, format!("{}: not a Zarr array of llc", array.display()));
    let zarray = json::parse(&fs::read_to_string(array.join(".zarray"))?)?;
    let sizes = |key: &str| serde_json::from_value::<Vec<usize>>(zarray[key].clone()).map_err(|_| invalid());
    let (shape, chunks) = (sizes("shape")?, sizes("chunks")?);
    let (num_rows, num_columns, chunk) = match (shape[..].as_ref(), chunks[..].as_ref()) {
        (&[columns], &[chunk]) => (1, columns, chunk),
        (&[rows, columns], &[1, chunk]) => (rows, columns, chunk),
        _ => return Err(invalid()),
    };
    if zarray["dtype"] != "<f8" || !zarray["compressor"].is_null() || chunk == 0 {
        return Err(invalid());
    }

    let mut numbers = Vec::new();
    for row in 0..num_rows {
        for start in (0..num_columns).step_by(chunk) {
            let name = if shape.len() == 1 { format!("{}", start / chunk) } else { format!("{row}.{}", start / chunk) };
            let width = chunk.min(num_columns - start);
            match fs::read(array.join(name)) {
                Ok(bytes) => {
                    let (words, _) = bytes.as_chunks::<8>();
                    numbers
                        .extend(words.get(..width).ok_or_else(invalid)?.iter().map(|word| f64::from_le_bytes(*word)));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    numbers.resize(numbers.len() + width, f64::NAN);
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok((shape, numbers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_come_back_and_missing_ones_are_nan() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::new(folder.path().join("a.zarr"), json!({}));
        store.add_group("g", json!({"created_by": "test"}));
        store.add_array("g/x", Element::Float, &[2, 5], &[1, 2], &["chain", "draw"]);
        store.commit().unwrap();
        store.write_chunk("g/x", [0, 0], &[1.0_f64, 2.0].map(f64::to_le_bytes)).unwrap();
        store.write_chunk("g/x", [1, 2], &[3.0_f64, 4.0].map(f64::to_le_bytes)).unwrap();

        let (shape, numbers) = read_floats(&store.root().join("g/x")).unwrap();
        assert_eq!(shape, [2, 5]);
        assert_eq!(numbers[..2], [1.0, 2.0]);
        assert!(numbers[2..9].iter().all(|number| number.is_nan()));
        assert_eq!(numbers[9], 3.0, "the last chunk reaches past the shape");

        store.resize("g/x", &[2, 1]);
        store.commit().unwrap();
        assert_eq!(read_floats(&store.root().join("g/x")).unwrap().0, [2, 1]);
    }

    #[test]
    fn the_consolidated_metadata_holds_every_metadata_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::new(folder.path().to_owned(), json!({}));
        store.add_array("x", Element::Integer, &[1], &[1], &["chain"]);
        store.commit().unwrap();
        let read = |name: &str| json::parse(&fs::read_to_string(folder.path().join(name)).unwrap()).unwrap();
        let consolidated = read(".zmetadata");
        for name in [".zgroup", ".zattrs", "x/.zarray", "x/.zattrs"] {
            assert_eq!(consolidated["metadata"][name], read(name), "{name}");
        }
    }
}
