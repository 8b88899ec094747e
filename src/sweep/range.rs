//! Reads ranges of whole numbers, as Rust writes them: `2..5` is 2, 3, 4 and `2..=5` has the 5 as well.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Whole numbers from a least one up to a last one, both of them in it.
///
/// ```
/// use llc::sweep::Range;
/// let layers: Range = "2..5".parse()?;
/// assert_eq!((layers.first, layers.last), (2, 4));
/// assert_eq!("2..=4".parse::<Range>()?, layers);
/// assert_eq!("3".parse::<Range>()?, Range { first: 3, last: 3 });
/// assert!("5..5".parse::<Range>().is_err());
/// # Ok::<(), llc::sweep::RangeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The least.
    pub first: u64,
    /// The largest.
    pub last: u64,
}

/// Why a text is not a range.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("`{text}` is not a range: write 2..5 for 2, 3 and 4, or 2..=5 to include 5, or one number")]
pub struct RangeError {
    text: String,
}

impl Range {
    /// How many numbers there are; at most 2⁶⁴ − 1.
    pub fn num_values(self) -> u64 {
        (self.last - self.first).saturating_add(1)
    }

    /// Each of them.
    pub fn values(self) -> impl Iterator<Item = u64> {
        self.first..=self.last
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..={}", self.first, self.last)
    }
}

impl FromStr for Range {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        let read = || {
            let Some((first, end)) = text.split_once("..") else {
                let value = text.trim().parse().ok()?;
                return Some(Self { first: value, last: value });
            };
            let first: u64 = first.trim().parse().ok()?;
            let last = match end.strip_prefix('=') {
                Some(last) => last.trim().parse().ok()?,
                None => end.trim().parse::<u64>().ok()?.checked_sub(1)?,
            };
            (first <= last).then_some(Self { first, last })
        };
        read().ok_or_else(|| RangeError { text: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_empty_or_no_range_is_refused() {
        for text in ["", "a", "5..5", "6..5", "0..0", "1..", "..3", "-1..3", "1.5"] {
            assert!(text.parse::<Range>().is_err(), "{text}");
        }
        assert_eq!("5..=5".parse::<Range>().map(Range::num_values), Ok(1));
        assert_eq!("0..=18446744073709551615".parse::<Range>().map(Range::num_values), Ok(u64::MAX));
    }
}
