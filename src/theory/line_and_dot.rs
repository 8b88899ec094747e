//! Gives λ on the zeros of K(w) = (w₁ − 1)²·(w₁² + w₂²)⁴: a line, w₁ = 1, and a dot, the origin.
//!
//! On the line K is (w₁ − 1)² times a function ≥ 1, so λ = 1/2. At the origin K is ‖w‖⁸ times a function near 1; in
//! polar coordinates ∫ ‖w‖^{8z} dw = 2π·∫ ρ^{8z+1} dρ has its pole at z = −1/4. The dot has fewer dimensions, yet
//! more volume.
//!
//! *Reference*: Lau, Furman, Wang, Murfet and Wei, "The local learning coefficient: a
//! singularity-aware complexity measure" (2023), <https://arxiv.org/abs/2308.12108>.
//! *Tested by*: the test below.

use super::coefficient::LearningCoefficient;
use super::rational::fraction;

/// K(w) = (w₁ − 1)²·(w₁² + w₂²)⁴.
pub fn loss(w1: f64, w2: f64) -> f64 {
    (w1 - 1.0).powi(2) * (w1 * w1 + w2 * w2).powi(4)
}

/// λ = 1/2 and m = 1, at any point (1, w₂).
///
/// ```
/// use llc::theory::line_and_dot;
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

#[cfg(test)]
mod tests {
    use super::*;

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
