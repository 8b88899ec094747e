//! Holds a known learning coefficient: λ and its multiplicity m.
//!
//! Z(t) = ∫ exp(−t·K(w)) φ(w) dw ~ c·t^{−λ}·(ln t)^{m−1} as t = nβ → ∞. So the free energy is λ·ln t − (m−1)·ln ln
//! t + O(1), and E[t·K] = −d ln Z/d ln t = λ − (m−1)/ln t + O((ln t)^{−2}).
//!
//! *Reference*: Watanabe, Algebraic Geometry and Statistical Learning Theory (Cambridge, 2009), Main Formula II.
//! *Tested by*: the tests below, and those of [`super::product_of_squares`] against an exact law with m = 2.

use std::fmt;

use super::rational::{Rational, to_f64};

/// A learning coefficient with its multiplicity, both exact.
///
/// It displays as λ alone (`67/2`); the multiplicity is the field beside it.
///
/// ```
/// use llc_core::theory::DeepLinear;
///
/// let known = DeepLinear::new(&[10, 10, 10, 10], 0)?.learning_coefficient();
/// assert_eq!(known.to_string(), "67/2");
/// assert_eq!(known.lambda_f64(), 33.5);
/// assert_eq!(known.multiplicity, 3);
/// # Ok::<(), llc_core::theory::DeepLinearError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LearningCoefficient {
    /// λ > 0, or 0 for a loss that is constant.
    pub lambda: Rational,
    /// m ≥ 1, the order of the pole of the zeta function at −λ.
    pub multiplicity: u64,
}

impl LearningCoefficient {
    pub(crate) fn new(lambda: Rational, multiplicity: u64) -> Self {
        Self { lambda, multiplicity }
    }

    /// λ as the nearest f64.
    pub fn lambda_f64(&self) -> f64 {
        to_f64(&self.lambda)
    }

    /// What E[nβ·K] is at finite nβ, to leading order: λ − (m−1)/ln(nβ). With m = 1 it is λ.
    ///
    /// It is the leading correction only. The next one is of order (ln nβ)^{−2} and depends on the model: for w₁²w₂² at
    /// nβ = 10⁴ this gives 0.391 where the exact value is 0.412 ([`super::ProductOfSquares`]). The bias of
    /// localisation (γ > 0) is not in it either. NaN unless nβ > 1, since the expansion is in 1/ln(nβ).
    ///
    /// ```
    /// use llc_core::theory::DeepLinear;
    ///
    /// let known = DeepLinear::new(&[10, 10, 10, 10], 0)?.learning_coefficient();
    /// let n_beta = 1e5 / 1e5f64.ln();
    /// assert!((known.finite_n(n_beta) - (33.5 - 2.0 / n_beta.ln())).abs() < 1e-12);
    /// assert!(known.finite_n(0.5).is_nan());
    /// # Ok::<(), llc_core::theory::DeepLinearError>(())
    /// ```
    pub fn finite_n(&self, n_beta: f64) -> f64 {
        if n_beta > 1.0 { self.lambda_f64() - (self.multiplicity - 1) as f64 / n_beta.ln() } else { f64::NAN }
    }
}

impl fmt::Display for LearningCoefficient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lambda.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::super::rational::fraction;
    use super::*;

    #[test]
    fn multiplicity_one_has_no_correction_and_larger_ones_lower_the_value() {
        let simple = LearningCoefficient::new(fraction(3, 2), 1);
        let triple = LearningCoefficient::new(fraction(3, 2), 3);
        assert_eq!(simple.finite_n(1e4), 1.5);
        assert_eq!(triple.finite_n(1f64.exp()), 1.5 - 2.0);
        assert_eq!(triple.finite_n(f64::INFINITY), 1.5);
    }

    #[test]
    fn an_n_beta_of_one_or_less_or_nan_gives_nan() {
        let known = LearningCoefficient::new(fraction(1, 2), 2);
        for n_beta in [1.0, 0.0, -3.0, f64::NAN] {
            assert!(known.finite_n(n_beta).is_nan(), "nβ = {n_beta}");
        }
    }
}
