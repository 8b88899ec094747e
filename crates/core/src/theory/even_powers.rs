//! Gives λ = Σ 1/(2k_i), m = 1 of K(w) = Σ w_i^{2k_i}, and the law of nβ·K at finite nβ.
//!
//! With γ = 0 and a flat prior on all of ℝ the coordinates are independent and s = nβ·w^{2k} has density ∝
//! e^{−s}·s^{1/(2k)−1}. So
//!   nβ·K ~ Gamma(λ, 1):   E[nβ·K] = Var[nβ·K] = λ   at every nβ,
//! with no correction: the *Gamma law*, whose ratio of variance to mean is 1. With γ > 0 each coordinate has density
//! ∝ exp(−nβ·w^{2k} − γ·w²/2) and its moments are integrals over a line, computed here to f64's precision.
//!
//! *Reference*: derived for this project (s has a Gamma(1/(2k), 1) law, and such laws add). *Tested by*: the tests
//! below.

use super::coefficient::LearningCoefficient;
use super::invalid_argument::{InvalidArgument, non_negative, positive};
use super::quadrature::{CUTOFF, even_integrals};
use super::rational::{Rational, fraction};

/// The loss K(w) = Σ w_i^{2k_i} with every k_i from 1 to 1000, around w* = 0.
///
/// ```
/// use llc_core::theory::EvenPowers;
///
/// let loss = EvenPowers::new(&[1, 2])?; // w₁² + w₂⁴
/// assert_eq!(loss.learning_coefficient().to_string(), "3/4");
/// assert_eq!(loss.scaled_loss_mean(1e4, 0.0)?, 0.75);
/// assert!(loss.scaled_loss_mean(1e4, 1.0)? < 0.75); // localisation pulls towards w*
/// # Ok::<(), llc_core::theory::InvalidArgument>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvenPowers {
    exponents: Vec<u32>,
}

impl EvenPowers {
    /// Σ w_i^{2k_i} with k = `exponents`.
    ///
    /// # Errors
    ///
    /// A k of 0, which would be a constant, or above 1000, whose integrals would need too many points.
    pub fn new(exponents: &[u32]) -> Result<Self, InvalidArgument> {
        if let Some(&k) = exponents.iter().find(|&&k| k == 0 || k > 1_000) {
            return Err(InvalidArgument { name: "exponent", value: f64::from(k), requirement: "from 1 to 1000" });
        }
        Ok(Self { exponents: exponents.to_vec() })
    }

    /// λ = Σ 1/(2k_i), m = 1.
    pub fn learning_coefficient(&self) -> LearningCoefficient {
        let terms = self.exponents.iter().map(|&k| fraction(1, 2 * u64::from(k)));
        LearningCoefficient::new(terms.sum::<Rational>(), 1)
    }

    /// E[nβ·K] under ∝ exp(−nβ·K − γ/2·‖w‖²): λ if γ = 0, less if γ > 0.
    ///
    /// # Errors
    ///
    /// nβ that is not positive, γ that is negative, or either not finite.
    pub fn scaled_loss_mean(&self, n_beta: f64, gamma: f64) -> Result<f64, InvalidArgument> {
        self.sum_of_moments(n_beta, gamma, |[mean, _]| mean)
    }

    /// Var[nβ·K] under the same density: λ if γ = 0.
    ///
    /// # Errors
    ///
    /// As [`EvenPowers::scaled_loss_mean`].
    pub fn scaled_loss_variance(&self, n_beta: f64, gamma: f64) -> Result<f64, InvalidArgument> {
        self.sum_of_moments(n_beta, gamma, |[_, variance]| variance)
    }

    fn sum_of_moments(&self, n_beta: f64, gamma: f64, pick: impl Fn([f64; 2]) -> f64) -> Result<f64, InvalidArgument> {
        let n_beta = positive("n_beta", n_beta)?;
        let gamma = non_negative("gamma", gamma)?;
        let of_one = |&k: &u32| pick(mean_and_variance(k, n_beta, gamma));
        Ok(self.exponents.iter().map(of_one).sum())
    }
}

/// Mean and variance of s = nβ·w^{2k} under ∝ exp(−s − γ·w²/2).
fn mean_and_variance(k: u32, n_beta: f64, gamma: f64) -> [f64; 2] {
    if gamma == 0.0 {
        return [0.5 / f64::from(k); 2];
    }
    // In units of w = nβ^{−1/(2k)}·x the density is exp(−x^{2k} − g·x²/2). It has vanished where either term
    // reaches the cutoff.
    let power = 2.0 * f64::from(k);
    let g = gamma * n_beta.powf(-2.0 / power);
    let half_width = CUTOFF.powf(1.0 / power).min((2.0 * CUTOFF / g).sqrt());
    // Enough points to resolve both a Gaussian of width 0.02 of the range and the edges of x^{2k}, of width 1/(2k).
    let num_points = 2_000 + 40 * k as usize;
    let [mass, first, second] = even_integrals(half_width, num_points, |x| {
        let s = x.powf(power);
        let weight = (-s - g * x * x / 2.0).exp();
        [weight, weight * s, weight * s * s]
    });
    let mean = first / mass;
    [mean, second / mass - mean * mean]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_square_with_localisation_has_mean_f_over_two_and_variance_f_squared_over_two() {
        let square = EvenPowers::new(&[1]).unwrap();
        for (n_beta, gamma) in [(1.0, 1e-9), (1e4, 1.0), (3.0, 300.0), (1e-3, 1e6)] {
            // K = w² is ½·h·w² with h = 2.
            let f = 2.0 * n_beta / (2.0 * n_beta + gamma);
            let mean = square.scaled_loss_mean(n_beta, gamma).unwrap();
            let variance = square.scaled_loss_variance(n_beta, gamma).unwrap();
            assert!((mean / (f / 2.0) - 1.0).abs() < 1e-12, "{n_beta} {gamma}: {mean}");
            assert!((variance / (f * f / 2.0) - 1.0).abs() < 1e-11, "{n_beta} {gamma}");
        }
    }

    #[test]
    fn without_localisation_mean_and_variance_are_lambda_and_a_tiny_gamma_agrees() {
        let exponents = [1, 2, 3, 4, 10, 50];
        let loss = EvenPowers::new(&exponents).unwrap();
        let lambda = loss.learning_coefficient().lambda_f64();
        for n_beta in [1.0, 1e5] {
            for gamma in [0.0, 1e-13] {
                let mean = loss.scaled_loss_mean(n_beta, gamma).unwrap();
                let variance = loss.scaled_loss_variance(n_beta, gamma).unwrap();
                assert!((mean - lambda).abs() < 1e-10, "{n_beta} {gamma}: {mean} for {lambda}");
                assert!((variance - lambda).abs() < 1e-10, "{n_beta} {gamma}: {variance}");
            }
        }
    }

    #[test]
    fn a_strong_localisation_leaves_the_moments_of_a_normal_variable() {
        // w ~ N(0, 1/γ) and nβ·w⁴ is small: E = 3·nβ/γ², Var = (105 − 9)·nβ²/γ⁴.
        let fourth = EvenPowers::new(&[2]).unwrap();
        let (n_beta, gamma) = (1e-3, 1e4);
        let mean = fourth.scaled_loss_mean(n_beta, gamma).unwrap();
        let variance = fourth.scaled_loss_variance(n_beta, gamma).unwrap();
        assert!((mean / (3.0 * n_beta / gamma.powi(2)) - 1.0).abs() < 1e-8);
        assert!((variance / (96.0 * n_beta.powi(2) / gamma.powi(4)) - 1.0).abs() < 1e-8);
    }

    #[test]
    fn exponents_and_numbers_outside_the_domain_are_refused() {
        assert!(EvenPowers::new(&[1, 0]).is_err());
        assert!(EvenPowers::new(&[1_001]).is_err());
        let loss = EvenPowers::new(&[1]).unwrap();
        assert!(loss.scaled_loss_mean(0.0, 1.0).is_err());
        assert!(loss.scaled_loss_mean(1.0, -1.0).is_err());
        assert!(loss.scaled_loss_variance(f64::NAN, 0.0).is_err());
    }
}
