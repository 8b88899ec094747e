//! Computes λ and m where the loss is a normal crossing: K(w) = Π w_i^{2k_i} with prior density ∝ Π |w_i|^{h_i} near 0.
//!
//! On a box around the origin (or with it as a corner) ∫ K^z φ dw = Π_i c/(2k_i·z + h_i + 1), so the largest pole is
//!   λ = min_{k_i > 0} (h_i + 1)/(2k_i),   m = how many i attain it.
//! The h_i are the exponents of the Jacobian after a resolution of singularities; without one they are 0. Any
//! factor that is positive near 0, in K or in the prior, changes neither.
//!
//! *Reference*: Watanabe, Algebraic Geometry and Statistical Learning Theory (Cambridge, 2009), on zeta functions.
//! *Tested by*: the test below, a numerical E[t·K] on a box.

use super::coefficient::LearningCoefficient;
use super::rational::{Rational, fraction};

/// Why exponents make no normal crossing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MonomialError {
    /// Each coordinate needs both exponents.
    #[error(
        "{num_exponents} exponents k but {num_jacobian} Jacobian exponents h: give one k and one h for every \
         coordinate"
    )]
    DifferentLengths {
        /// How many k.
        num_exponents: usize,
        /// How many h.
        num_jacobian: usize,
    },
    /// Nothing vanishes.
    #[error("every exponent k is 0, so the loss has no zero: at least one must be positive")]
    NoZero,
}

/// A normal crossing, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Monomial {
    /// k_i and h_i.
    exponents: Vec<(u32, u32)>,
}

impl Monomial {
    /// K = Π w_i^{2k_i} with k = `exponents`, prior density ∝ Π |w_i|^{h_i} with h = `jacobian`.
    ///
    /// # Errors
    ///
    /// Slices of different lengths, or no positive k.
    ///
    /// ```
    /// use llc_core::theory::Monomial;
    ///
    /// // w₁²·w₂⁴ with a flat prior: the fourth power decides.
    /// let known = Monomial::new(&[1, 2], &[0, 0])?.learning_coefficient();
    /// assert_eq!((known.to_string().as_str(), known.multiplicity), ("1/4", 1));
    /// // With h₂ = 1 both coordinates attain 1/2.
    /// let known = Monomial::new(&[1, 2], &[0, 1])?.learning_coefficient();
    /// assert_eq!((known.to_string().as_str(), known.multiplicity), ("1/2", 2));
    /// # Ok::<(), llc_core::theory::monomial::MonomialError>(())
    /// ```
    pub fn new(exponents: &[u32], jacobian: &[u32]) -> Result<Self, MonomialError> {
        if exponents.len() != jacobian.len() {
            return Err(MonomialError::DifferentLengths {
                num_exponents: exponents.len(),
                num_jacobian: jacobian.len(),
            });
        }
        if exponents.iter().all(|&k| k == 0) {
            return Err(MonomialError::NoZero);
        }
        let exponents = exponents.iter().copied().zip(jacobian.iter().copied());
        Ok(Self { exponents: exponents.collect() })
    }

    /// λ = min (h_i + 1)/(2k_i) and m, the number of coordinates that attain it.
    pub fn learning_coefficient(&self) -> LearningCoefficient {
        let zeros = self.exponents.iter().filter(|(k, _)| *k > 0);
        let poles = zeros.map(|&(k, h)| fraction(u64::from(h) + 1, 2 * u64::from(k)));
        let mut least: Option<(Rational, u64)> = None;
        for pole in poles {
            least = match least {
                Some((lambda, m)) if lambda < pole => Some((lambda, m)),
                Some((lambda, m)) if lambda == pole => Some((lambda, m + 1)),
                _ => Some((pole, 1)),
            };
        }
        // `new` saw a positive k, so that there is a least pole.
        let (lambda, multiplicity) = least.unwrap_or_default();
        LearningCoefficient::new(lambda, multiplicity)
    }
}

/// λ = 1/2 and m = 2 of one unit y = a·tanh(b·x) fitted to y = 0, at a = b = 0.
///
/// tanh(b·x) is b·x times a positive function, so that K = a²·b²·(a positive function), wherever E x² > 0: a
/// normal crossing.
///
/// ```
/// let known = llc_core::theory::monomial::tanh_unit();
/// assert_eq!((known.to_string().as_str(), known.multiplicity), ("1/2", 2));
/// ```
pub fn tanh_unit() -> LearningCoefficient {
    LearningCoefficient::new(fraction(1, 2), 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(exponents: &[u32], jacobian: &[u32]) -> LearningCoefficient {
        Monomial::new(exponents, jacobian).unwrap().learning_coefficient()
    }

    /// E[t·K] on the box [0, 1]², in coordinates u = −ln w₁, v = −ln w₂ that make the integrand smooth.
    fn scaled_loss_mean([k1, k2]: [u32; 2], [h1, h2]: [u32; 2], t: f64) -> f64 {
        let (mut mass, mut total) = (0.0, 0.0);
        for i in 0..400 {
            for j in 0..400 {
                let (u, v) = ((f64::from(i) + 0.5) / 10.0, (f64::from(j) + 0.5) / 10.0);
                let scaled = t * (-2.0 * (f64::from(k1) * u + f64::from(k2) * v)).exp();
                let prior = -(f64::from(h1) + 1.0) * u - (f64::from(h2) + 1.0) * v;
                let weight = (prior - scaled).exp();
                mass += weight;
                total += weight * scaled;
            }
        }
        total / mass
    }

    #[test]
    fn the_scaled_loss_on_a_box_approaches_lambda_with_the_correction_of_the_multiplicity() {
        let t = 1e10;
        for (k, h) in [([1, 1], [0, 0]), ([1, 2], [0, 1]), ([1, 2], [0, 0]), ([1, 1], [0, 2])] {
            let known = known(&k, &h);
            let mean = scaled_loss_mean(k, h, t);
            assert!((mean - known.finite_n(t)).abs() < 0.01, "{k:?} {h:?}: {mean}, {known:?}");
        }
    }

    #[test]
    fn coordinates_with_exponent_zero_do_not_count() {
        assert_eq!(known(&[0, 3, 0], &[0, 0, 0]), known(&[3], &[0]));
        assert_eq!(known(&[1, 1, 1], &[0, 0, 0]).multiplicity, 3);
    }

    #[test]
    fn exponents_without_a_zero_or_a_partner_are_refused() {
        assert_eq!(Monomial::new(&[0, 0], &[1, 1]), Err(MonomialError::NoZero));
        assert_eq!(Monomial::new(&[], &[]), Err(MonomialError::NoZero));
        let message = Monomial::new(&[1], &[]).unwrap_err().to_string();
        assert!(message.contains("1 exponents k but 0 Jacobian exponents h"));
    }
}
