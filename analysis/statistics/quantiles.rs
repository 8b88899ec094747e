//! Sums up numbers by their quantiles (type 7 of R, as everywhere in this project).

use llc::diagnostics::{self, Draws};

/// The quantile at `p`; NaN without values.
pub fn quantile(values: &[f64], p: f64) -> f64 {
    diagnostics::quantile(&Draws::new(&[values]), p)
}

/// The share of `values` that `is_so`; NaN without values.
pub fn share(values: &[f64], is_so: impl Fn(f64) -> bool) -> f64 {
    values.iter().filter(|&&value| is_so(value)).count() as f64 / values.len() as f64
}

/// The mean; NaN without values.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Counts of `values` in `num_bins` equal bins from `low` to `high`, the last one closed: left end, right end, count.
pub fn histogram(values: &[f64], low: f64, high: f64, num_bins: usize) -> Vec<[f64; 3]> {
    let width = (high - low) / num_bins as f64;
    let mut bins: Vec<[f64; 3]> =
        (0..num_bins).map(|i| [low + i as f64 * width, low + (i + 1) as f64 * width, 0.0]).collect();
    for &value in values.iter().filter(|value| (low..=high).contains(*value)) {
        let bin = (((value - low) / width) as usize).min(num_bins - 1);
        bins[bin][2] += 1.0;
    }
    bins
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_in_one_bin() {
        let bins = histogram(&[0.0, 0.1, 0.5, 0.99, 1.0], 0.0, 1.0, 4);
        assert_eq!(bins.iter().map(|bin| bin[2]).collect::<Vec<_>>(), [2.0, 0.0, 1.0, 2.0]);
    }
}
