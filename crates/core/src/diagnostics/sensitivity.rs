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
//! The covariance with r² is noisy where γ holds many directions, as these have no part in X. Stein's identity
//! E[X·(w − w*)·∇U] = d·E[X] + E[(w − w*)·∇X] takes them out: with Y = nβ·(w − w*)·∇L it is
//!
//! γ·Cov(X, r²) = E[Y] − Cov(X, Y), so that dλ̂/d ln γ = −½·(E[Y] − Cov(X, Y)).
//!
//! *Reference*: derived for this project. *Tested by* the laws below.

use super::{Draws, Estimate};

/// dλ̂/d ln γ with its Monte Carlo standard error, from `losses` L and `distances` r = ‖w − w*‖, both
/// `[num_chains, num_draws]` (cut to what both have).
///
/// The influence function is ψ = −(γ/2)·((X − X̄)(r² − mean r²) − Cov).
///
/// ```
/// use llc_core::diagnostics::{Draws, gamma_sensitivity};
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

/// The same from draws of X = nβ·(L − L_n(w*)) and Y = nβ·(w − w*)·∇L, both `[num_chains, num_draws]`, each on batches of its own where they
/// are on batches at all.
///
/// The influence function is ψ = −½·(Y − (X − X̄)·(Y − Ȳ)).
pub fn gamma_sensitivity_by_pull(excess: &Draws, pull: &Draws) -> Estimate {
    let x = excess.zip_map(pull, |x, _| x);
    let y = pull.zip_map(excess, |y, _| y);
    let (x_mean, y_mean) = (x.mean(), y.mean());
    let size = x.values().len() as f64;
    // The divisor of a covariance, so that the value is the mean of the influence function.
    let unbiased = size / (size - 1.0);
    let influence = x.zip_map(&y, |x, y| -0.5 * (y - unbiased * (x - x_mean) * (y - y_mean)));
    Estimate::from_influence(influence.mean(), &influence)
}

/// Slope of `y` over `x`, Cov(x, y)/Var(x), with its Monte Carlo standard error; both `[num_chains, num_draws]`.
///
/// The influence function is ψ = ((y − ȳ) − b·(x − x̄))·(x − x̄)/Var(x).
///
/// ```
/// use llc_core::diagnostics::{Draws, slope};
///
/// let x = Draws::new(&[[1.0, 2.0, 3.0, 2.0]]);
/// assert_eq!(slope(&x.map(|x| 3.0 * x), &x).value, 3.0);
/// ```
pub fn slope(y: &Draws, x: &Draws) -> Estimate {
    let (x, y) = (x.zip_map(y, |x, _| x), y.zip_map(x, |y, _| y));
    let (x_mean, y_mean) = (x.mean(), y.mean());
    let variance = x.map(|x| (x - x_mean) * (x - x_mean)).mean();
    let covariance = x.zip_map(&y, |x, y| (x - x_mean) * (y - y_mean)).mean();
    let b = covariance / variance;
    let influence = x.zip_map(&y, |x, y| ((y - y_mean) - b * (x - x_mean)) * (x - x_mean) / variance);
    Estimate::from_influence(b, &influence)
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

    /// Exact draws of one regular mode beside a hundred that γ alone holds: the pull knows nothing of these, the distance does.
    #[test]
    fn by_the_pull_a_regular_mode_gives_the_same_with_an_honest_and_smaller_error() {
        let (a, gamma) = (3.0f64, 1.0f64);
        let expected = -a * gamma / (2.0 * (a + gamma).powi(2));
        let mut z = Vec::new();
        for seed in 0..60 {
            let w = ar1(5000 + seed, 4, 2000, 0.5).map(|z| z / (a + gamma).sqrt());
            let x = w.map(|w| a * w * w / 2.0);
            let by_pull = gamma_sensitivity_by_pull(&x, &w.map(|w| a * w * w));
            z.push(by_pull.z(expected));
            let mut squares = w.map(|w| w * w);
            for flat in 0..100 {
                let v = ar1(1_000_000 + 1000 * seed + flat, 4, 2000, 0.0).map(|z| z / gamma.sqrt());
                squares = squares.zip_map(&v, |sum, v| sum + v * v);
            }
            let by_distance = gamma_sensitivity(&x, &squares.map(f64::sqrt), 1.0, gamma);
            assert!(by_pull.mcse < 0.5 * by_distance.mcse, "{by_pull:?} {by_distance:?}");
        }
        assert_standard(&z);
    }

    #[test]
    fn a_slope_has_an_honest_error() {
        let z: Vec<f64> = (0..60)
            .map(|seed| {
                let x = ar1(7000 + seed, 4, 2000, 0.8);
                let y = ar1(9000 + seed, 4, 2000, 0.8).zip_map(&x, |noise, x| 1.5 * x + noise);
                slope(&y, &x).z(1.5)
            })
            .collect();
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
