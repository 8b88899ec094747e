//! Gives λ = 1/2, m = 2 of K(w) = w₁²·w₂², and the exact mean and variance of nβ·K at finite nβ and γ.
//!
//! It is the simplest loss with a multiplicity above 1, and shows how slowly E[nβ·K] then reaches λ. Under ∝
//! exp(−t·w₁²w₂² − γ/2·(w₁² + w₂²)), t = nβ, the coordinate w₂ given w₁ is normal with precision 2·t·w₁² + γ.
//! Integrating it out and substituting w₁ = √(γ/(2t))·sinh u,
//!   E[t·K] = ½·⟨tanh² u⟩,   E[(t·K)²] = ¾·⟨tanh⁴ u⟩,   ⟨·⟩ the mean under ∝ exp(−s·sinh² u),  s = γ²/(4t).
//! Every term is positive, so nothing cancels at any t. In special functions E[t·K] = ½ + z − z·K₁(z)/K₀(z), z =
//! s/2 = γ²/(8t), with the modified Bessel functions K₀ and K₁; hence E[t·K] = ½ − 1/(ln(16t/γ²) − 0.5772…) + O(z):
//! the leading correction 1/ln t is far off until ln t is large beside ln 16.
//!
//! *Reference*: derived for this project. *Tested by*: the tests below, against a table computed separately and against
//! the Bessel functions' series.

use super::coefficient::LearningCoefficient;
use super::invalid_argument::{InvalidArgument, positive};
use super::quadrature::{CUTOFF, even_integrals};
use super::rational::fraction;

/// The local posterior of K(w) = w₁²·w₂² around w* = 0.
///
/// ```
/// use llc_core::theory::ProductOfSquares;
///
/// let posterior = ProductOfSquares::new(1e4, 1.0)?;
/// assert!((posterior.scaled_loss_mean() - 0.41234).abs() < 1e-5);
/// let leading = ProductOfSquares::learning_coefficient().finite_n(1e4);
/// assert!((leading - 0.391).abs() < 1e-3);
/// # Ok::<(), llc_core::theory::InvalidArgument>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProductOfSquares {
    /// s = γ²/(4·nβ).
    s: f64,
}

impl ProductOfSquares {
    /// The posterior at nβ = `n_beta` with localisation γ = `gamma`.
    ///
    /// # Errors
    ///
    /// Either number not positive and finite. (With γ = 0 the density can't be normalised.)
    pub fn new(n_beta: f64, gamma: f64) -> Result<Self, InvalidArgument> {
        let (n_beta, gamma) = (positive("n_beta", n_beta)?, positive("gamma", gamma)?);
        let s = positive("gamma²/(4·n_beta)", gamma / n_beta / 4.0 * gamma)?;
        Ok(Self { s })
    }

    /// λ = 1/2, m = 2.
    pub fn learning_coefficient() -> LearningCoefficient {
        LearningCoefficient::new(fraction(1, 2), 2)
    }

    /// E[nβ·K].
    pub fn scaled_loss_mean(&self) -> f64 {
        let [mass, second, _] = self.moments();
        second / mass / 2.0
    }

    /// Var[nβ·K].
    pub fn scaled_loss_variance(&self) -> f64 {
        let [mass, _, fourth] = self.moments();
        0.75 * fourth / mass - self.scaled_loss_mean().powi(2)
    }

    /// Integrals of 1, tanh² u and tanh⁴ u against exp(−s·sinh² u), up to a common factor.
    fn moments(&self) -> [f64; 3] {
        let half_width = (CUTOFF / self.s).sqrt().asinh();
        // tanh has poles at ±iπ/2: at a step of 0.05 the rule's error is e^{−π²/0.05} ≈ 10^{−85}. 400 points or more
        // resolve the Gaussian that the weight becomes where s is large.
        let num_points = (half_width / 0.05).max(400.0) as usize;
        even_integrals(half_width, num_points, |u| {
            let weight = (-self.s * u.sinh().powi(2)).exp();
            let square = u.tanh().powi(2);
            [weight, weight * square, weight * square * square]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(n_beta: f64, gamma: f64) -> f64 {
        ProductOfSquares::new(n_beta, gamma).unwrap().scaled_loss_mean()
    }

    #[test]
    fn the_mean_equals_the_table_to_five_digits() {
        let table =
            [(1e2, 0.35420), (1e3, 0.39027), (1e4, 0.41234), (72382.4, 0.42529), (1e6, 0.43754), (1e8, 0.45149)];
        for (n_beta, expected) in table {
            let found = mean(n_beta, 1.0);
            assert!((found - expected).abs() < 1e-5, "{found} at {n_beta}");
        }
    }

    /// K₀(z) and K₁(z) by their power series (Abramowitz and Stegun 9.6.13 and 9.6.11), good for z below 5.
    fn bessel_k(z: f64) -> [f64; 2] {
        const EULER: f64 = 0.577_215_664_901_532_9;
        let (quarter, log) = (z * z / 4.0, (z / 2.0).ln());
        let (mut k0, mut i1, mut correction) = (0.0, 0.0, 0.0);
        let (mut term, mut harmonic) = (1.0, 0.0); // (z²/4)^j/(j!)², H_j
        for j in 0..60 {
            let next = f64::from(j) + 1.0;
            k0 += term * (harmonic - log - EULER);
            i1 += z / 2.0 * term / next;
            correction -= z / 4.0 * term / next * (2.0 * harmonic + 1.0 / next - 2.0 * EULER);
            term *= quarter / (next * next);
            harmonic += 1.0 / next;
        }
        [k0, 1.0 / z + log * i1 + correction]
    }

    #[test]
    fn the_mean_equals_its_form_in_bessel_functions() {
        for z in [1e-12, 1e-6, 1e-3, 0.1, 1.0, 4.0] {
            let [k0, k1] = bessel_k(z);
            let expected = 0.5 + z - z * k1 / k0;
            let gamma: f64 = 3.0;
            let found = mean(gamma * gamma / (8.0 * z), gamma);
            assert!((found - expected).abs() < 1e-11, "z = {z}: {found} for {expected}");
        }
    }

    #[test]
    fn at_small_n_beta_the_coordinates_are_normal_and_at_huge_n_beta_lambda_is_near() {
        // E[w₁²w₂²] = 1/γ², Var = (9 − 1)/γ⁴.
        let posterior = ProductOfSquares::new(1e-6, 2.0).unwrap();
        assert!((posterior.scaled_loss_mean() / 0.25e-6 - 1.0).abs() < 1e-5);
        assert!((posterior.scaled_loss_variance() / (0.5e-12) - 1.0).abs() < 1e-4);
        assert!((mean(1e300, 1.0) - (0.5 - 1.0 / (16e300f64.ln() - 0.577_215_664_9))).abs() < 1e-9);
    }

    #[test]
    fn the_variance_is_minus_the_derivative_of_the_mean_loss() {
        // Var[K] = −dE K/dt, so Var[t·K] = E[t·K] − t·dE[t·K]/dt.
        for t in [0.1, 10.0, 1e5] {
            let step = 1e-4;
            let [up, down] = [1.0 + step, 1.0 - step].map(|factor| mean(t * factor, 1.0));
            let expected = mean(t, 1.0) - (up - down) / (2.0 * step);
            let found = ProductOfSquares::new(t, 1.0).unwrap().scaled_loss_variance();
            assert!((found - expected).abs() < 1e-7, "{t}: {found} for {expected}");
        }
    }

    #[test]
    fn numbers_outside_the_domain_are_refused() {
        for (n_beta, gamma) in [(0.0, 1.0), (1.0, 0.0), (f64::NAN, 1.0), (1.0, f64::INFINITY)] {
            assert!(ProductOfSquares::new(n_beta, gamma).is_err(), "{n_beta} {gamma}");
        }
    }
}
