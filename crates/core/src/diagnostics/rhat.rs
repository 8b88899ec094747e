//! Computes R-hat, which compares the variance between chains with that within them.
//!
//! R̂ = √((B/W + N − 1)/N) over split chains, with B = N·Var(chain means) and W = mean of the chains' variances; the larger
//! of that of the rank-normalised draws (chains at different places) and that of the rank-normalised |x − median| (chains
//! of different spread).
//!
//! *Reference*: Vehtari et al. (2021), equations (3), (4) and section 4. *Tested by* tests/diagnostics.rs.

use super::draws::{mean, variance};
use super::quantile::median;
use super::{Draws, rank_normalise};

/// Rank-normalised, split and folded R-hat: near 1 when the chains agree; the usual limit is 1.01.
///
/// One chain is compared with itself, half against half. NaN for constant draws, for NaN or infinity among them, and with
/// fewer than four draws a chain; infinite where every chain stands still at its own place.
///
/// ```
/// use llc_core::diagnostics::{Draws, rhat};
///
/// let apart = Draws::new(&[[1.0, 2.0, 1.0, 2.0], [11.0, 12.0, 11.0, 12.0]]);
/// assert!(rhat(&apart) > 1.5);
/// ```
pub fn rhat(draws: &Draws) -> f64 {
    if draws.num_draws() < 4 || !draws.is_finite() || draws.is_constant() {
        return f64::NAN;
    }
    let centre = median(draws);
    let bulk = between_over_within(&rank_normalise(&draws.split()));
    let folded = between_over_within(&rank_normalise(&draws.map(|x| (x - centre).abs()).split()));
    // f64::max passes over a NaN, which `folded` is where all draws lie equally far from the median.
    bulk.max(folded)
}

fn between_over_within(split: &Draws) -> f64 {
    let n = split.num_draws() as f64;
    let between = n * variance(&split.chains().map(mean).collect::<Vec<_>>());
    let within = mean(&split.chains().map(variance).collect::<Vec<_>>());
    ((between / within + n - 1.0) / n).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::testing::ar1;

    /// R̂ − 1 is about χ²₇/(7·2N) with N = 5000 draws in a half: 7e-4 at 1e-8.
    #[test]
    fn independent_draws_give_one() {
        assert!((rhat(&ar1(1, 4, 10_000, 0.0)) - 1.0).abs() < 2e-3);
    }

    #[test]
    fn a_chain_of_other_spread_is_seen_though_the_means_agree() {
        let mut t = 0;
        let wide = ar1(2, 4, 1000, 0.0).map(|x| {
            t += 1;
            if t > 3000 { 5.0 * x } else { x }
        });
        assert!(rhat(&wide) > 1.1);
    }

    #[test]
    fn chains_that_stand_still_apart_have_no_finite_rhat() {
        assert_eq!(rhat(&Draws::new(&[[1.0; 10], [2.0; 10]])), f64::INFINITY);
    }
}
