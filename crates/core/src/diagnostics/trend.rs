//! Looks for a slow drift that all chains share, which R-hat, comparing chains, is slow to see.

use serde::{Deserialize, Serialize};

use super::{Draws, Estimate, mcse_mean, nan_for_null};

/// The difference of the means of the second and the first half of the kept draws.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Trend {
    /// mean(second half) − mean(first half), in the draws' unit.
    #[serde(deserialize_with = "nan_for_null")]
    pub difference: f64,
    /// Its Monte Carlo standard error, √(mcse₁² + mcse₂²).
    #[serde(deserialize_with = "nan_for_null")]
    pub mcse: f64,
    /// difference/mcse: about standard normal without a trend.
    #[serde(deserialize_with = "nan_for_null")]
    pub z: f64,
}

/// Compares the second half of every chain with the first, over all chains together.
///
/// Each half's error comes from its own effective sample size, after the straight line that fits all chains together has
/// been taken off: a drift would otherwise look like slow mixing and be hidden by the error that it causes. The covariance
/// of the two halves is neglected. Over 1,000 runs of stationary AR(1) chains z has a root mean square of 0.88 to 1.00,
/// and |z| > 3 in 0.2 to 0.5 % of them (four chains of 200 to 2000 draws, φ up to 0.98); for one chain of thirteen
/// autocorrelation times it is 1.2, and 2.3 %. NaN with fewer than eight draws a chain, or where a half is constant.
///
/// ```
/// use llc_core::diagnostics::{Draws, trend};
///
/// let drifting: Vec<f64> = (0..200).map(|i| 0.1 * i as f64 + (i * i % 7) as f64).collect();
/// assert!(trend(&Draws::new(&[drifting])).z > 5.0);
/// ```
pub fn trend(draws: &Draws) -> Trend {
    let [first, second] = draws.halves();
    let difference = second.mean() - first.mean();
    let [first, second] = without_common_line(draws).halves();
    let mcse = mcse_mean(&first).hypot(mcse_mean(&second));
    Trend { difference, mcse, z: Estimate { value: difference, mcse }.z(0.0) }
}

/// x − b·(t − t̄) with b = Σ (t − t̄)·x / Σ (t − t̄)² over all draws of all chains.
fn without_common_line(draws: &Draws) -> Draws {
    let n = draws.num_draws();
    let middle = (n as f64 - 1.0) / 2.0;
    // Draws lie chain after chain, so the step within the chain is the index modulo n.
    let time = |index: usize| (index % n) as f64 - middle;
    let (products, squares) =
        (draws.values().iter().enumerate()).fold((0.0, 0.0), |(p, s), (i, x)| (p + time(i) * x, s + time(i) * time(i)));
    // A constant keeps still: the rounding of its slope must not make it vary.
    let slope = if draws.is_constant() { 0.0 } else { products / squares };
    let mut index = 0;
    draws.map(|x| {
        index += 1;
        x - slope * time(index - 1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::rhat;
    use crate::diagnostics::testing::{ar1, assert_standard};

    #[test]
    fn stationary_chains_have_a_standard_normal_trend() {
        let z: Vec<f64> = (0..100).map(|seed| trend(&ar1(300 + seed, 4, 2000, 0.8)).z).collect();
        assert_standard(&z);
    }

    /// Four chains of 2000/39 autocorrelation times.
    #[test]
    fn slow_stationary_chains_are_not_taken_to_drift() {
        let z: Vec<f64> = (0..100).map(|seed| trend(&ar1(900 + seed, 4, 2000, 0.95)).z).collect();
        assert_standard(&z);
    }

    #[test]
    fn a_drift_that_rhat_passes_is_seen() {
        let mut step = 0;
        let draws = ar1(5, 4, 4000, 0.0).map(|x| {
            step += 1;
            x + 0.25 * ((step - 1) % 4000) as f64 / 4000.0
        });
        assert!(rhat(&draws) < 1.01);
        assert!(trend(&draws).z > 5.0, "{:?}", trend(&draws));
    }
}
