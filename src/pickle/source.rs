//! Takes a pickle's bytes from front to back, and never more than there are.

use super::PickleError;

/// The bytes and the place of the next one.
pub(super) struct Source<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Source<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The place of the next byte.
    pub fn at(&self) -> usize {
        self.at
    }

    /// The next `count` bytes, a part of the file's own memory.
    pub fn take(&mut self, count: u64) -> Result<&'a [u8], PickleError> {
        let left = &self.bytes[self.at..];
        let truncated = PickleError::Truncated { at: self.at, needed: count, left: left.len() };
        let count = usize::try_from(count).ok().filter(|&count| count <= left.len()).ok_or(truncated)?;
        self.at += count;
        Ok(&left[..count])
    }

    /// The next `N` bytes, an unsigned little-endian number.
    pub fn unsigned<const N: usize>(&mut self) -> Result<u64, PickleError> {
        let bytes = self.take(N as u64)?;
        Ok(bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    /// As many bytes as the number of `N` bytes before them says.
    pub fn counted<const N: usize>(&mut self) -> Result<&'a [u8], PickleError> {
        let count = self.unsigned::<N>()?;
        self.take(count)
    }

    /// The bytes up to the next line feed, which is taken and left out.
    pub fn line(&mut self) -> Result<&'a [u8], PickleError> {
        let left = &self.bytes[self.at..];
        let truncated = PickleError::Truncated { at: self.at, needed: left.len() as u64 + 1, left: left.len() };
        let end = left.iter().position(|&byte| byte == b'\n').ok_or(truncated)?;
        self.at += end + 1;
        Ok(&left[..end])
    }
}
