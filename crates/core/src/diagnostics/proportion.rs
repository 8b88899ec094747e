//! Gives an interval for a share that was counted, such as an error on test samples.
//!
//! With p = k/n and z the normal quantile at (1 + level)/2: (p + z²/2n ± z·√(p(1−p)/n + z²/4n²))/(1 + z²/n), which stays in [0, 1] and has a
//! width where none or all were counted.
//!
//! *Reference*: E. B. Wilson (1927), "Probable inference, the law of succession, and statistical inference", JASA 22.
//! *Tested by*: the quadratic equation that its ends solve.

use super::special::normal_quantile;

/// Interval `[low, high]` that covers the share with probability about `level` (0 < level < 1), where `count` of `n` were counted; NaN for
/// n = 0.
///
/// ```
/// let [low, high] = llc_core::diagnostics::proportion_interval(0, 100, 0.9);
/// assert!(low.abs() < 1e-12 && 0.02 < high && high < 0.03);
/// ```
pub fn proportion_interval(count: u64, n: u64, level: f64) -> [f64; 2] {
    let z = normal_quantile(0.5 + level / 2.0);
    let n = n as f64;
    let p = count as f64 / n;
    let centre = p + z * z / (2.0 * n);
    let half_width = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    [centre - half_width, centre + half_width].map(|end| end / (1.0 + z * z / n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_are_z_standard_errors_of_their_own_away_from_the_share() {
        for (count, n) in [(3, 50), (25, 50), (1999, 2000)] {
            let p = count as f64 / n as f64;
            for end in proportion_interval(count, n, 0.9) {
                let standard_error = (end * (1.0 - end) / n as f64).sqrt();
                assert!(((p - end).abs() / standard_error - 1.644_853_6).abs() < 1e-6, "{count} of {n}: {end}");
            }
        }
        assert!(proportion_interval(0, 0, 0.9)[0].is_nan());
    }
}
