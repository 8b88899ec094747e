//! Computes quantiles of pooled draws by linear interpolation (type 7 of R, the default of R and NumPy).

use super::Draws;

/// Quantile at probability `p` in [0, 1] of all draws of all chains; NaN without draws or with a NaN among them.
///
/// With x sorted from 0 and index (S − 1)·p, interpolates between the two neighbours. An index that is whole up to
/// rounding is taken as whole, and equal neighbours are returned as they are, so that `x ≤ quantile` means what it says
/// (ArviZ has no such care; its `ess_tail` may then differ on ties).
///
/// ```
/// use llc_core::diagnostics::{Draws, quantile};
///
/// let draws = Draws::new(&[[4.0, 1.0], [3.0, 2.0]]);
/// assert_eq!(quantile(&draws, 0.5), 2.5);
/// ```
pub fn quantile(draws: &Draws, p: f64) -> f64 {
    let mut x = draws.values().to_vec();
    if x.is_empty() || x.iter().any(|x| x.is_nan()) || !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    x.sort_unstable_by(f64::total_cmp);
    let mut index = (x.len() - 1) as f64 * p;
    // 4 roundings cover the product and the decimal p.
    if (index - index.round()).abs() <= 4.0 * f64::EPSILON * index {
        index = index.round();
    }
    let (low, high) = (x[index.floor() as usize], x[index.ceil() as usize]);
    if low == high {
        return low;
    }
    let weight = index - index.floor();
    (1.0 - weight) * low + weight * high
}

/// Median of all draws of all chains.
pub(super) fn median(draws: &Draws) -> f64 {
    quantile(draws, 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_index_gives_the_draw_itself() {
        // 0.95 · 180 is 170.99999999999997 or 171 in f64, depending on the order of the operations.
        for size in [21, 61, 181, 1021] {
            let draws = Draws::new(&[(0..size).map(|i| (i as f64).sqrt()).collect::<Vec<_>>()]);
            assert_eq!(quantile(&draws, 0.95), ((size - 1) as f64 * 0.95).round().sqrt());
        }
    }

    #[test]
    fn ties_are_not_blurred_by_interpolation() {
        assert_eq!(quantile(&Draws::new(&[[0.3; 8]]), 0.95), 0.3);
    }

    #[test]
    fn bad_input_has_no_quantile() {
        assert!(quantile(&Draws::new(&[[1.0, f64::NAN]]), 0.5).is_nan());
        assert!(quantile(&Draws::new(&[[1.0, 2.0]]), 1.5).is_nan());
        assert!(quantile(&Draws::new::<[f64; 0]>(&[]), 0.5).is_nan());
    }
}
