//! Gives λ on the zeros of K(w) = (w₁ − 1)²·(w₁² + w₂²)⁴: a line, w₁ = 1, and a dot, the origin.
//!
//! On the line K is (w₁ − 1)² times a function ≥ 1, so λ = 1/2. At the origin K is ‖w‖⁸ times a function near 1; in
//! polar coordinates ∫ ‖w‖^{8z} dw = 2π·∫ ρ^{8z+1} dρ has its pole at z = −1/4. The dot has fewer dimensions, yet
//! more volume.
//!
//! **Finite nβ.** E[nβ·K] around (c, 0) is a ratio of integrals over the plane, computed here by the trapezoidal rule in w₁ = 1 + δ·sinh u
//! and w₂ = 0.3·sinh v, δ = (2nβ·(1 + w₂²)⁴ + γ)^{−½} the width of the line's valley. It is the mean over *both* parts: where γ is
//! weak the posterior around the line holds the dot as well, whose volume is larger, and a sampler that starts on the one does not see
//! the other.
//!
//! *Reference*: Lau, Furman, Wang, Murfet and Wei, "The local learning coefficient: a
//! singularity-aware complexity measure" (2023), <https://arxiv.org/abs/2308.12108>.
//! *Tested by*: the tests below: volumes, a sum over a plain grid, and the limits of large nβ.

use super::coefficient::LearningCoefficient;
use super::invalid_argument::{InvalidArgument, positive};
use super::quadrature::{CUTOFF, even_integrals};
use super::rational::fraction;

/// K(w) = (w₁ − 1)²·(w₁² + w₂²)⁴.
pub fn loss(w1: f64, w2: f64) -> f64 {
    (w1 - 1.0).powi(2) * (w1 * w1 + w2 * w2).powi(4)
}

/// λ = 1/2 and m = 1, at any point (1, w₂).
///
/// ```
/// use llc_core::theory::line_and_dot;
///
/// assert_eq!(line_and_dot::on_the_line().to_string(), "1/2");
/// assert_eq!(line_and_dot::at_the_dot().to_string(), "1/4");
/// ```
pub fn on_the_line() -> LearningCoefficient {
    LearningCoefficient::new(fraction(1, 2), 1)
}

/// λ = 1/4 and m = 1, at the origin.
pub fn at_the_dot() -> LearningCoefficient {
    LearningCoefficient::new(fraction(1, 4), 1)
}

/// E[nβ·K] under ∝ exp(−nβ·K − γ/2·‖w − w*‖²) around w* = (`centre`, 0): the dot is at 0, the line at 1.
///
/// ```
/// use llc_core::theory::line_and_dot::scaled_loss_mean;
///
/// let on_the_line = scaled_loss_mean(1.0, 1e5, 100.0)?;
/// assert!((on_the_line - 0.5).abs() < 0.01);
/// # Ok::<(), llc_core::theory::InvalidArgument>(())
/// ```
///
/// # Errors
///
/// nβ or γ that is not positive and finite.
pub fn scaled_loss_mean(centre: f64, n_beta: f64, gamma: f64) -> Result<f64, InvalidArgument> {
    let (t, gamma) = (positive("n_beta", n_beta)?, positive("gamma", gamma)?);
    // Where γ/2·w² or t·K has passed the cutoff: K grows as the tenth power.
    let reach = (2.0 * CUTOFF / gamma).sqrt().min(2.0 + (CUTOFF / t).powf(0.1)) + 1.0;
    const WIDTH: f64 = 0.3;
    // A tenth of the dot's radius; at half of it the mean is the same to 10⁻⁶, up to nβ = 10⁸.
    let step = (0.1 * t.powf(-0.125)).min(0.03);
    let across = (reach / WIDTH).asinh();
    let [mass, first] = even_integrals(across, (across / (2.0 * step).min(0.05)).ceil() as usize, |v| {
        let y = WIDTH * v.sinh();
        let delta = (2.0 * t * (1.0 + y * y).powi(4) + gamma).powf(-0.5);
        let half_width = (reach / delta).asinh();
        let num_points = (half_width / step).ceil() as usize;
        let spacing = half_width / num_points as f64;
        let at = |u: f64| {
            let x = 1.0 + delta * u.sinh();
            let scaled = t * loss(x, y);
            let from_centre = (x - centre).powi(2) + y * y;
            let weight = u.cosh() * (-scaled - 0.5 * gamma * from_centre).exp();
            [weight, weight * scaled]
        };
        // Both halves of a line that is not symmetric.
        let along = even_integrals(half_width, num_points, |u| {
            let ([a, b], [c, d]) = (at(u), at(-u));
            [a + c, b + d]
        });
        along.map(|sum| sum * spacing * delta * v.cosh())
    });
    Ok(first / mass)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// E[t·K] by the midpoint rule over a square of half-width 4 around the centre.
    fn plain(centre: f64, t: f64, gamma: f64) -> f64 {
        let num_points = 3_000;
        let at = |i: i32| 4.0 * (2.0 * (f64::from(i) + 0.5) / f64::from(num_points) - 1.0);
        let (mut mass, mut total) = (0.0, 0.0);
        for i in 0..num_points {
            for j in 0..num_points {
                let (x, y) = (at(i), at(j));
                let scaled = t * loss(centre + x, y);
                let weight = (-scaled - 0.5 * gamma * (x * x + y * y)).exp();
                mass += weight;
                total += weight * scaled;
            }
        }
        total / mass
    }

    #[test]
    fn means_equal_sums_over_a_plain_grid() {
        for (centre, t, gamma) in [(0.0, 200.0, 10.0), (1.0, 200.0, 10.0), (1.0, 1000.0, 100.0), (0.0, 50.0, 4.0)] {
            let (found, expected) = (scaled_loss_mean(centre, t, gamma).unwrap(), plain(centre, t, gamma));
            assert!((found - expected).abs() < 1e-5, "{centre} {t} {gamma}: {found} for {expected}");
        }
    }

    #[test]
    fn a_strong_localisation_keeps_line_and_dot_apart_and_a_weak_one_lets_the_dot_win() {
        let on_the_line = scaled_loss_mean(1.0, 1e8, 100.0).unwrap();
        assert!((on_the_line - on_the_line_lambda()).abs() < 1e-3, "{on_the_line}");
        // The dot, of a tenth of the line's prior and far more volume.
        let weak = scaled_loss_mean(1.0, 1e8, 1.0).unwrap();
        assert!((weak - at_the_dot().lambda_f64()).abs() < 0.02, "{weak}");
        let dot = scaled_loss_mean(0.0, 1e8, 10.0).unwrap();
        assert!(dot < 0.25 && dot > 0.24, "γ takes a little: {dot}");
        assert!(scaled_loss_mean(0.0, 1.0, 0.0).is_err());
    }

    fn on_the_line_lambda() -> f64 {
        on_the_line().lambda_f64()
    }

    /// How many points of a grid around (w1, 0), finer across the line than along it, have K < t.
    fn volume(w1: f64, t: f64) -> f64 {
        let (columns, rows) = (6_000, 100);
        let at = |i: i32, count: i32| 0.6 * ((f64::from(i) + 0.5) / f64::from(count) - 0.5);
        let points = (0..columns).flat_map(|i| (0..rows).map(move |j| (at(i, columns), at(j, rows))));
        points.filter(|&(x, y)| loss(w1 + x, y) < t).count() as f64
    }

    #[test]
    fn the_volume_of_small_loss_grows_with_the_exponents_of_line_and_dot() {
        for (w1, t, known) in [(1.0, 1e-5, on_the_line()), (0.0, 1e-7, at_the_dot())] {
            let exponent = (volume(w1, t * 4.0) / volume(w1, t)).ln() / 4f64.ln();
            assert!((exponent - known.lambda_f64()).abs() < 0.03, "{exponent} at {w1}");
        }
    }
}
