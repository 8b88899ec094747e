//! Holds a number that is known to be finite and above zero.

use serde::Serialize;

/// A finite number above zero.
///
/// ```
/// use llc_core::positive::PositiveF64;
/// assert_eq!(PositiveF64::new(2e-8).map(PositiveF64::get), Some(2e-8));
/// assert!(PositiveF64::new(0.0).is_none() && PositiveF64::new(f64::NAN).is_none());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct PositiveF64(f64);

impl PositiveF64 {
    /// The number, or `None` where it is zero, negative, infinite or NaN.
    pub fn new(value: f64) -> Option<Self> {
        (value.is_finite() && value > 0.0).then_some(Self(value))
    }

    /// A number written in the source, where one that is not legal does not compile.
    ///
    /// # Panics
    /// Where it is not legal and no constant.
    pub const fn literal(value: f64) -> Self {
        assert!(value.is_finite() && value > 0.0);
        Self(value)
    }

    /// The number.
    pub fn get(self) -> f64 {
        self.0
    }
}
