//! Reads NumPy's arrays and scalars as pickles hold them: a format, a shape and the bytes.

use std::borrow::Cow;

use super::value::{Id, Node, Pickle};
use crate::dtype::Dtype;

/// An array as the pickle gives it, before and after its state has come.
#[derive(Debug, Clone, Default)]
pub(super) struct ArrayNode {
    /// `None` until the state has come.
    content: Option<Content>,
}

#[derive(Debug, Clone)]
struct Content {
    dtype: Dtype,
    shape: Vec<usize>,
    is_fortran: bool,
    bytes: Id,
}

/// A NumPy array; its bytes are those of the file, little-endian.
#[derive(Debug, Clone, Copy)]
pub struct Array<'a> {
    /// The format of its elements.
    pub dtype: Dtype,
    /// Its length along each axis.
    pub shape: &'a [usize],
    /// Whether the first axis runs fastest in `bytes`, as in Fortran, rather than the last.
    pub is_fortran: bool,
    /// Its elements, as many as the shape says.
    pub bytes: &'a [u8],
}

impl ArrayNode {
    /// The array of a state: (version, shape, dtype, is_fortran, bytes).
    pub fn from_state(pickle: &Pickle, state: Id) -> Result<ArrayNode, &'static str> {
        match pickle.sequence(state) {
            Some(&[_version, shape, dtype, is_fortran, bytes]) => {
                ArrayNode::new(pickle, bytes, dtype, shape, is_fortran)
            }
            _ => Err("an array's state is not (version, shape, dtype, order, bytes)"),
        }
    }

    /// The array of `numpy…_frombuffer`'s arguments: (bytes, dtype, shape, order).
    pub fn from_buffer(pickle: &Pickle, arguments: &[Id]) -> Result<ArrayNode, &'static str> {
        let &[bytes, dtype, shape, order] = arguments else { return Err("expected (bytes, dtype, shape, order)") };
        let mut array = ArrayNode::new(pickle, bytes, dtype, shape, order)?;
        if let Some(content) = &mut array.content {
            content.is_fortran = match pickle.value(order).as_str() {
                Some("C") => false,
                Some("F") => true,
                _ => return Err("an array's order is neither C nor F"),
            };
        }
        Ok(array)
    }

    fn new(pickle: &Pickle, bytes: Id, dtype: Id, shape: Id, order: Id) -> Result<ArrayNode, &'static str> {
        let Node::NumpyDtype(dtype) = pickle.node(dtype) else { return Err("an array's dtype is missing") };
        let shape = pickle.sizes(shape).ok_or("an array's shape is not a tuple of lengths")?;
        let length = pickle.value(bytes).as_bytes().ok_or("an array's elements are not bytes")?.len();
        if dtype.tensor_bytes(&shape) != Some(length) {
            return Err("an array's shape does not fit its bytes: the file is damaged");
        }
        let is_fortran = pickle.value(order).as_bool().unwrap_or(pickle.size(order) == Some(1));
        Ok(ArrayNode { content: Some(Content { dtype: *dtype, shape, is_fortran, bytes }) })
    }

    pub fn view<'a>(&'a self, pickle: &'a Pickle<'a>) -> Option<Array<'a>> {
        let Content { dtype, shape, is_fortran, bytes } = self.content.as_ref()?;
        let bytes = pickle.value(*bytes).as_bytes()?;
        Some(Array { dtype: *dtype, shape, is_fortran: *is_fortran, bytes })
    }
}

/// The format that `numpy.dtype` is called for: `u1`, `<f4`, …
pub(super) fn dtype(code: &str) -> Result<Dtype, &'static str> {
    let little = code.trim_start_matches(['<', '=', '|']);
    let dtype = match little {
        "b1" | "?" => Dtype::Bool,
        "u1" => Dtype::U8,
        "u2" => Dtype::U16,
        "u4" => Dtype::U32,
        "u8" => Dtype::U64,
        "i1" => Dtype::I8,
        "i2" => Dtype::I16,
        "i4" => Dtype::I32,
        "i8" => Dtype::I64,
        "f2" => Dtype::F16,
        "f4" => Dtype::F32,
        "f8" => Dtype::F64,
        _ => return Err("only little-endian arrays of bools, integers and floats are supported"),
    };
    Ok(dtype)
}

/// Checks the byte order in a dtype's state: (version, order, …).
pub(super) fn check_byte_order(pickle: &Pickle, dtype: Dtype, state: Id) -> Result<(), &'static str> {
    let order = pickle.sequence(state).and_then(|state| state.get(1)).and_then(|&order| pickle.value(order).as_str());
    match order {
        Some("<" | "|" | "=") => Ok(()),
        Some(">") if dtype.size_bytes() == 1 => Ok(()),
        Some(">") => Err("big-endian arrays are not supported; convert with \
                          array.astype(array.dtype.newbyteorder('<'))"),
        _ => Err("a dtype's state has no byte order"),
    }
}

/// The number that `bytes` hold.
pub(super) fn scalar<'a>(dtype: Dtype, bytes: &[u8]) -> Result<Node<'a>, &'static str> {
    if bytes.len() != dtype.size_bytes() {
        return Err("a number's bytes do not fit its dtype");
    }
    let mut word = [0; 8];
    word[..bytes.len()].copy_from_slice(bytes);
    let unsigned = u64::from_le_bytes(word);
    // Shifted to the top and back, so that the sign fills the rest.
    let rest = 64 - 8 * bytes.len() as u32;
    let signed = (unsigned << rest) as i64 >> rest;
    Ok(match dtype {
        Dtype::Bool => Node::Bool(unsigned != 0),
        Dtype::I8 | Dtype::I16 | Dtype::I32 | Dtype::I64 => Node::Int(signed),
        Dtype::U8 | Dtype::U16 | Dtype::U32 | Dtype::U64 => match i64::try_from(unsigned) {
            Ok(number) => Node::Int(number),
            Err(_) => Node::Large(Cow::Owned([&word[..], &[0]].concat())),
        },
        Dtype::F32 => Node::Float(f64::from(f32::from_bits(unsigned as u32))),
        Dtype::F64 => Node::Float(f64::from_bits(unsigned)),
        Dtype::F16 | Dtype::Bf16 => return Err("single numbers of 16 bits are not supported"),
    })
}
