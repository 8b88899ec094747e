//! Gives λ = d/2, m = 1 of a regular model: d parameters, and a Hessian of full rank at the minimum.
//!
//! For a quadratic K and γ = 0 it is exact at every nβ: nβ·K ~ Gamma(d/2, 1). With γ > 0 see
//! [`super::sampler_law::QuadraticMode`].
//!
//! *Reference*: Watanabe, Algebraic Geometry and Statistical Learning Theory (Cambridge, 2009).

use super::coefficient::LearningCoefficient;
use super::rational::fraction;

/// λ = d/2 and m = 1 of a regular model with d = `num_parameters`.
///
/// ```
/// let known = llc_core::theory::regular::learning_coefficient(7);
/// assert_eq!((known.to_string().as_str(), known.multiplicity), ("7/2", 1));
/// ```
pub fn learning_coefficient(num_parameters: u64) -> LearningCoefficient {
    LearningCoefficient::new(fraction(num_parameters, 2), 1)
}
