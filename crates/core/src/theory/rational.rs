//! Names the exact numbers of this module: fractions of integers of any size.
//!
//! [`num_rational::Ratio`] over `BigInt`, not over `i128`: λ of a deep linear network contains the square of a sum
//! of widths over four times their number, and checked `i128` would add an overflow error to every formula for
//! nothing, as no value is computed more than a few times a run.

use num_bigint::BigInt;
use num_traits::ToPrimitive;

/// An exact fraction in lowest terms; it prints as `67/2`, and as `46` if it is an integer.
pub type Rational = num_rational::BigRational;

/// The fraction `numerator` / `denominator`, for a denominator that is not zero.
pub(crate) fn fraction(numerator: impl Into<BigInt>, denominator: impl Into<BigInt>) -> Rational {
    Rational::new(numerator.into(), denominator.into())
}

/// The nearest f64, infinite where `value` is too large for one.
pub(crate) fn to_f64(value: &Rational) -> f64 {
    // `None` stands for NaN, which no fraction is.
    value.to_f64().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_print_in_lowest_terms_and_integers_without_a_denominator() {
        assert_eq!(fraction(134, 4).to_string(), "67/2");
        assert_eq!(fraction(92, 2).to_string(), "46");
        assert_eq!(fraction(0, 3).to_string(), "0");
    }

    #[test]
    fn numbers_beyond_i128_convert_to_the_nearest_f64() {
        let huge = fraction(BigInt::from(u128::MAX) * 4, BigInt::from(2));
        assert_eq!(to_f64(&huge), 2.0f64.powi(129));
        assert_eq!(to_f64(&fraction(1, 3)), 1.0 / 3.0);
    }
}
