//! Gives an interval for the mean of correlated draws that widens when the chains disagree.
//!
//! Half-width = max( t_{n_eff − 1}·sd/√n_eff , t_{C − 1}·s_B/√C ), with C chains, s_B the standard deviation of their means,
//! n_eff = `ess_mean` and t_ν the quantile of Student's t law at 1 − 1.3·(1 − level)/2.
//!
//! The first is sharp when the chains mix, but it trusts an autocorrelation estimated from the same draws: with the
//! normal quantile it covers 76 % where 90 % is claimed once the chains sit at places of their own (R-hat > 1), and 51 %
//! for one chain of two autocorrelation times. The second is exact for any stationary chains that are independent of
//! each other, however slowly they mix, and pays for it with C − 1 degrees of freedom. Neither alone will do, so the
//! wider is taken. The wider of two intervals at 90 % each covers 94 to 97 % where both are valid, and 90 % where only the second is. With a third more misses allowed
//! to each (87 %), the first becomes 91 to 95 % and the second 86 to 89 %. (A test for disagreement first, and then one or the other, covers 82 % in
//! between; a mixture over the share of the variance between chains covers 98 % of two chains.)
//!
//! Simulated coverage at level 0.9, four chains, in percent of 500 runs (AR(1) with φ; `apart` adds N(0, 1) to each
//! chain, as much as the spread within):
//!
//! | draws a chain | φ = 0 | 0.5 | 0.9 | 0.98 | apart |
//! |---|---|---|---|---|---|
//! | 100 | 93.6 | 93.2 | 90.8 | 89.8 | 86.8–87.6 |
//! | 500 | 95.0 | 92.4 | 93.8 | 91.2 | 85.8–88.8 |
//! | 2000 | 93.0 | 91.8 | 94.6 | 92.0 | 86.4–87.6 |
//!
//! Use four chains or more: two leave one degree of freedom (t = 6.3, an interval three times as wide), and one alone
//! cannot know that it is stuck.
//!
//! *Tested by* the coverage of [`crate::llc`], and of Gibbs and HMC on a deep linear network in tests/outcomes.rs.

use super::draws::{mean, variance};
use super::special::student_quantile;
use super::{Draws, ess_mean};

/// How much more often each of the two intervals may miss than the wider of them is to.
const EACH: f64 = 1.3;

/// Interval `[low, high]` that covers the mean of the chains' common law with probability about `level` (0 < level < 1),
/// in the draws' unit. NaN wherever [`super::mcse_mean`] is.
///
/// ```
/// use llc_core::diagnostics::{Draws, mean_interval};
///
/// let agree = [[1.0, 3.0, 2.0, 0.0, 2.0, 3.0, 1.0, 0.0], [2.0, 0.0, 3.0, 1.0, 1.0, 2.0, 0.0, 3.0]];
/// let [low, high] = mean_interval(&Draws::new(&agree), 0.9);
/// assert!(low < 1.5 && 1.5 < high);
/// ```
pub fn mean_interval(draws: &Draws, level: f64) -> [f64; 2] {
    let p = 1.0 - EACH * 0.5 * (1.0 - level);
    let centre = draws.mean();
    let ess = ess_mean(draws);
    let mut half_width = student_quantile(p, ess - 1.0) * (draws.variance() / ess).sqrt();
    let chain_means: Vec<f64> = draws.chains().map(mean).collect();
    let num_chains = chain_means.len() as f64;
    let between = student_quantile(p, num_chains - 1.0) * (variance(&chain_means) / num_chains).sqrt();
    // False for one chain, whose `between` is NaN, and where `half_width` is NaN, which must stay.
    if between > half_width {
        half_width = between;
    }
    [centre - half_width, centre + half_width]
}

/// Interval `[low, high]` that covers the mean of the law that `values` were drawn from, independently of each other, with probability
/// `level`: exact for normal ones, as means over seeds nearly are. NaN for fewer than two.
///
/// ```
/// use llc_core::diagnostics::mean_interval_of_independent;
///
/// // t = 2.132 at four degrees of freedom; the deviation of the mean is sqrt(2.5/5).
/// let [low, high] = mean_interval_of_independent(&[1.0, 2.0, 3.0, 4.0, 5.0], 0.9);
/// assert!((high - 3.0 - 2.1318 * 0.5f64.sqrt()).abs() < 1e-3 && (low + high - 6.0).abs() < 1e-12);
/// ```
pub fn mean_interval_of_independent(values: &[f64], level: f64) -> [f64; 2] {
    let n = values.len() as f64;
    let half_width = student_quantile(0.5 + level / 2.0, n - 1.0) * (variance(values) / n).sqrt();
    [mean(values) - half_width, mean(values) + half_width]
}
