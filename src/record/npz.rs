//! Writes arrays as `.npz`, which NumPy's `load` opens: one array for each tensor, under its name.
//!
//! *Reference*: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>. *Tested by* reading back, below, and by NumPy in
//! `tests/readers.rs`.

use std::io::{self, Cursor};

use npyz::npz::NpzWriter;
use npyz::{AutoSerialize, Order, WriterBuilder};

/// One array, its elements in row order.
#[derive(Debug)]
pub struct Array<'a> {
    /// Its name in the file.
    pub name: &'a str,
    /// Its length along each axis.
    pub shape: Vec<u64>,
    /// Its elements.
    pub elements: Elements,
}

/// The elements of an array.
#[derive(Debug)]
pub enum Elements {
    /// Single precision.
    F32(Vec<f32>),
    /// Double precision.
    F64(Vec<f64>),
}

/// The bytes of a `.npz` file with `arrays`.
///
/// # Errors
///
/// A shape that doesn't fit its elements.
pub fn to_bytes(arrays: &[Array]) -> io::Result<Vec<u8>> {
    let mut buffer = Cursor::new(Vec::new());
    let mut writer = NpzWriter::new(&mut buffer);
    for array in arrays {
        match &array.elements {
            Elements::F32(elements) => push(&mut writer, array, elements)?,
            Elements::F64(elements) => push(&mut writer, array, elements)?,
        }
    }
    writer.zip_writer().finish().map_err(io::Error::other)?;
    drop(writer);
    Ok(buffer.into_inner())
}

fn push<T: AutoSerialize + Copy>(
    writer: &mut NpzWriter<&mut Cursor<Vec<u8>>>,
    array: &Array,
    elements: &[T],
) -> io::Result<()> {
    let builder = writer.array(array.name, Default::default())?.default_dtype().order(Order::C).shape(&array.shape);
    let mut entry = builder.begin_nd()?;
    entry.extend(elements.iter().copied())?;
    entry.finish()
}

#[cfg(test)]
mod tests {
    use npyz::npz::NpzArchive;

    use super::*;

    #[test]
    fn arrays_come_back_with_their_names_shapes_and_bits() {
        let arrays = [
            Array {
                name: "layer1",
                shape: vec![2, 3],
                elements: Elements::F64(vec![1.0, 0.1, -0.0, 1e300, 5e-324, 2.5]),
            },
            Array { name: "layer2", shape: vec![3, 1], elements: Elements::F32(vec![0.1, -7.0, 3.0]) },
        ];
        let mut archive = NpzArchive::new(Cursor::new(to_bytes(&arrays).unwrap())).unwrap();
        let first = archive.by_name("layer1").unwrap().unwrap();
        assert_eq!((first.shape(), first.order()), (&[2, 3][..], Order::C));
        let bits: Vec<u64> = first.into_vec::<f64>().unwrap().into_iter().map(f64::to_bits).collect();
        assert_eq!(bits, [1.0, 0.1, -0.0, 1e300, 5e-324, 2.5].map(f64::to_bits));
        let second = archive.by_name("layer2").unwrap().unwrap();
        assert_eq!(second.shape(), [3, 1]);
        assert_eq!(second.into_vec::<f32>().unwrap(), [0.1, -7.0, 3.0]);
    }

    #[test]
    fn a_shape_that_does_not_fit_is_an_error() {
        let array = Array { name: "x", shape: vec![4], elements: Elements::F64(vec![1.0]) };
        assert!(to_bytes(&[array]).is_err());
    }
}
