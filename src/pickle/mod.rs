//! Reads Python's pickles as data: dicts, lists, numbers, text, NumPy's and JAX's arrays and the tensors of PyTorch's state dicts.
//!
//! A pickle is a program for a stack machine that may import and call anything. This reader calls nothing: a fixed table
//! says which names it knows and what data a call of each stands for, and any other name is an error that contains it. Protocols
//! 0 to 5 are read. Values that the file shares stay shared, so that a small file can't become a large tree, and nothing is
//! allocated that the file's own bytes don't pay for.
//!
//! *Reference*: Python, `pickletools`, <https://github.com/python/cpython/blob/main/Lib/pickletools.py>. *Tested by*: pickles
//! of every protocol, below; PyTorch's files in `tests/checkpoints.rs`; mutated files in `tests/untrusted_files.rs`.

mod call;
mod error;
mod global;
mod literal;
mod machine;
mod numpy;
mod source;
#[cfg(test)]
mod tests;
mod torch;
mod value;

pub use error::PickleError;
pub use numpy::Array;
pub use torch::{Storage, TensorView};
pub use value::{Pickle, Value};

/// Reads the one pickle that `bytes` hold; what follows its end is ignored.
///
/// # Errors
///
/// [`PickleError`], which says where the file is not what it should be, or what it would have run.
///
/// ```
/// let pickle = llc::pickle::parse(b"\x80\x02}U\x06labels]K\x07as.")?;
/// let labels = pickle.root().get("labels").and_then(|labels| labels.items());
/// assert_eq!(labels.into_iter().flatten().next().and_then(|label| label.as_i64()), Some(7));
///
/// let error = llc::pickle::parse(b"cos\nsystem\n(S'ls'\ntR.").unwrap_err();
/// assert!(error.to_string().contains("os.system"));
/// # Ok::<(), llc::pickle::PickleError>(())
/// ```
pub fn parse(bytes: &[u8]) -> Result<Pickle<'_>, PickleError> {
    parse_prefix(bytes).map(|(pickle, _)| pickle)
}

/// As [`parse`], and how many of the bytes the pickle took.
///
/// # Errors
///
/// As [`parse`].
pub fn parse_prefix(bytes: &[u8]) -> Result<(Pickle<'_>, usize), PickleError> {
    machine::Machine::new(bytes).run()
}
