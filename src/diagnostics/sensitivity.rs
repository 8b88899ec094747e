//! Measures how λ̂ would change with the localisation γ, from the draws at one γ.
//!
//! The local posterior is p ∝ exp(−nβL − (γ/2)r²) with r = ‖w − w*‖, so for any function X of w that doesn't name γ
//! dE[X]/dγ = −Cov(X, r²/2), and with X = nβL
//!
//! dλ̂/d ln γ = −(γ/2)·Cov(nβL, r²).
//!
//! For a regular mode of curvature h, a = nβh: λ̂ = a/(2(a + γ)) and the derivative is −aγ/(2(a + γ)²), which to first order
//! in γ/a is −γ/(2a) = λ̂ − λ, the localisation bias itself. So λ̂ minus the derivative corrects it to first order, and a
//! derivative that is large against the error bar says that γ hides part of λ.
//!
//! *Reference*: derived for this project. *Tested by* the law below.

use super::{Draws, Estimate};

/// dλ̂/d ln γ with its Monte Carlo standard error, from `losses` L and `distances` r = ‖w − w*‖, both
/// `[num_chains, num_draws]` (cut to what both have).
///
/// The influence function is ψ = −(γ/2)·((X − X̄)(r² − mean r²) − Cov).
///
/// ```
/// use llc::diagnostics::{Draws, gamma_sensitivity};
///
/// let losses = Draws::new(&[[1.0, 2.0, 3.0, 2.0]]);
/// let distances = Draws::new(&[[1.0, 2.0, 3.0, 2.0]]);
/// assert!(gamma_sensitivity(&losses, &distances, 10.0, 1.0).value < 0.0);
/// ```
pub fn gamma_sensitivity(losses: &Draws, distances: &Draws, n_beta: f64, gamma: f64) -> Estimate {
    // Cut both alike, so that the means are over the same draws as the products.
    let x = losses.zip_map(distances, |loss, _| n_beta * loss);
    let squares = distances.zip_map(losses, |r, _| r * r);
    let (x_mean, squares_mean) = (x.mean(), squares.mean());
    let influence = x.zip_map(&squares, |x, r2| -0.5 * gamma * (x - x_mean) * (r2 - squares_mean));
    let size = influence.values().len() as f64;
    Estimate::from_influence(influence.mean() * size / (size - 1.0), &influence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::testing::{SIGMA, ar1, assert_standard};

    /// Exact draws of one regular mode at a = nβh: w ~ N(0, 1/(a + γ)).
    fn estimate(seed: u64, a: f64, gamma: f64) -> (Estimate, f64) {
        let w = ar1(seed, 4, 4000, 0.5).map(|z| z / (a + gamma).sqrt());
        let losses = w.map(|w| a * w * w / 2.0);
        (gamma_sensitivity(&losses, &w.map(f64::abs), 1.0, gamma), losses.mean())
    }

    #[test]
    fn a_regular_mode_gives_its_closed_form_with_an_honest_error() {
        let (a, gamma) = (3.0f64, 1.0f64);
        let expected = -a * gamma / (2.0 * (a + gamma).powi(2));
        let z: Vec<f64> = (0..60).map(|seed| estimate(1000 + seed, a, gamma).0.z(expected)).collect();
        assert_standard(&z);
    }

    #[test]
    fn subtracting_it_removes_the_localisation_bias_to_first_order() {
        let (a, gamma) = (10.0, 1.0);
        let (sensitivity, llc) = estimate(7, a, gamma);
        // What is left is second order: λ − (λ̂ − derivative) = γ²/(2(a + γ)²), against a bias of γ/(2(a + γ)).
        let expected = 0.5 - gamma * gamma / (2.0 * (a + gamma) * (a + gamma));
        let tolerance = SIGMA * 0.02; // the errors of λ̂ and of the derivative are 0.008 and 0.002
        assert!((llc - sensitivity.value - expected).abs() < tolerance, "{llc} {sensitivity:?}");
    }
}
