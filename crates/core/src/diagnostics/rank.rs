//! Replaces draws by the normal quantiles of their ranks, so that heavy tails don't matter.
//!
//! z = Φ⁻¹((r − 3/8) / (S + 1/4)), r the rank of the draw among all S draws of all chains, ties sharing their mean rank.
//! The offset 3/8 is Blom's, as in posterior since 1.4 and ArviZ; the paper's first version and rstan have (r − 1/2)/S.
//!
//! *Reference*: Vehtari et al. (2021), equation (14). *Tested by* tests/diagnostics.rs.

use super::Draws;
use super::special::normal_quantile;

/// Rank-normalised draws, of the same shape `[num_chains, num_draws]`. NaN draws must not be passed: they have no rank.
///
/// ```
/// use llc_core::diagnostics::{Draws, rank_normalise};
///
/// let z = rank_normalise(&Draws::new(&[[1e300, -7.0, 0.0]]));
/// assert_eq!(z.values()[2], 0.0); // the median
/// assert!((z.values()[0] + z.values()[1]).abs() < 1e-15);
/// ```
pub fn rank_normalise(draws: &Draws) -> Draws {
    let size = draws.values().len() as f64;
    let mut ranks = mean_ranks(draws.values()).into_iter();
    // One rank for each draw, in the same order, so the iterator cannot end early.
    draws.map(|_| normal_quantile((ranks.next().unwrap_or(f64::NAN) - 0.375) / (size + 0.25)))
}

/// Ranks from 1, equal values sharing the mean of their ranks.
fn mean_ranks(x: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..x.len()).collect();
    order.sort_unstable_by(|&a, &b| x[a].total_cmp(&x[b]));
    let mut ranks = vec![0.0; x.len()];
    let mut first = 0;
    // chunk_by with ==, so that -0.0 and 0.0 share their rank.
    for ties in order.chunk_by(|&a, &b| x[a] == x[b]) {
        let rank = first as f64 + (ties.len() + 1) as f64 / 2.0;
        ties.iter().for_each(|&i| ranks[i] = rank);
        first += ties.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_share_their_mean_rank() {
        assert_eq!(mean_ranks(&[3.0, 1.0, 3.0, 0.0, -0.0]), [4.5, 3.0, 4.5, 1.5, 1.5]);
    }
}
