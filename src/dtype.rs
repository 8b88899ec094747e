//! Names the number formats in which files hold arrays and tensors.

use std::fmt;

/// A number format, little-endian where it has more than one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names say it all")]
pub enum Dtype {
    Bool,
    U8,
    U16,
    U32,
    U64,
    I8,
    I16,
    I32,
    I64,
    F16,
    Bf16,
    F32,
    F64,
}

impl Dtype {
    /// Bytes of one element.
    pub fn size_bytes(self) -> usize {
        match self {
            Dtype::Bool | Dtype::U8 | Dtype::I8 => 1,
            Dtype::U16 | Dtype::I16 | Dtype::F16 | Dtype::Bf16 => 2,
            Dtype::U32 | Dtype::I32 | Dtype::F32 => 4,
            Dtype::U64 | Dtype::I64 | Dtype::F64 => 8,
        }
    }

    /// Bytes of a tensor of `shape`; `None` where no memory could hold it.
    ///
    /// ```
    /// use llc::dtype::Dtype;
    /// assert_eq!(Dtype::F32.tensor_bytes(&[2, 3]), Some(24));
    /// assert_eq!(Dtype::F32.tensor_bytes(&[]), Some(4));
    /// assert_eq!(Dtype::F32.tensor_bytes(&[1 << 40, 1 << 40]), None);
    /// ```
    pub fn tensor_bytes(self, shape: &[usize]) -> Option<usize> {
        shape.iter().try_fold(self.size_bytes(), |bytes, &length| bytes.checked_mul(length))
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(match self {
            Dtype::Bool => "bool",
            Dtype::U8 => "u8",
            Dtype::U16 => "u16",
            Dtype::U32 => "u32",
            Dtype::U64 => "u64",
            Dtype::I8 => "i8",
            Dtype::I16 => "i16",
            Dtype::I32 => "i32",
            Dtype::I64 => "i64",
            Dtype::F16 => "f16",
            Dtype::Bf16 => "bf16",
            Dtype::F32 => "f32",
            Dtype::F64 => "f64",
        })
    }
}
