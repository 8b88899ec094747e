//! Holds one quantity's draws as a matrix `[num_chains, num_draws]`.

/// One quantity over several chains: a matrix `[num_chains, num_draws]`, row by row.
///
/// ```
/// use llc_core::diagnostics::Draws;
///
/// let draws = Draws::new(&[vec![1.0, 2.0, 3.0], vec![5.0, 6.0]]);
/// assert_eq!((draws.num_chains(), draws.num_draws()), (2, 2)); // cut to the shorter chain
/// assert_eq!(draws.mean(), 3.5);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Draws {
    values: Vec<f64>,
    num_chains: usize,
    num_draws: usize,
}

impl Draws {
    /// Copies the chains' kept draws, each cut to the leading draws that all chains have.
    ///
    /// The diagnostics and the pooled mean are defined for chains of equal length. Chains that an interruption left
    /// unequal differ by a few draws, and the leading ones belong to the same steps. A chain that diverged early would
    /// cost all others their draws: leave it out, and say so, before coming here.
    pub fn new<C: AsRef<[f64]>>(chains: &[C]) -> Self {
        let num_draws = chains.iter().map(|c| c.as_ref().len()).min().unwrap_or(0);
        let values = chains.iter().flat_map(|c| &c.as_ref()[..num_draws]).copied().collect();
        Self { values, num_chains: chains.len(), num_draws }
    }

    /// Number of chains, the rows.
    pub fn num_chains(&self) -> usize {
        self.num_chains
    }

    /// Number of draws in each chain, the columns.
    pub fn num_draws(&self) -> usize {
        self.num_draws
    }

    /// The chains in order, each of `num_draws` values.
    pub fn chains(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        (0..self.num_chains).map(|c| &self.values[c * self.num_draws..(c + 1) * self.num_draws])
    }

    /// All draws of all chains, chain after chain.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Mean over all draws of all chains; NaN without draws.
    pub fn mean(&self) -> f64 {
        mean(&self.values)
    }

    /// Variance over all draws of all chains about their common mean, with denominator `num_chains·num_draws − 1`; NaN
    /// with fewer than two draws.
    pub fn variance(&self) -> f64 {
        variance(&self.values)
    }

    /// The draws with `f` applied to each.
    pub fn map(&self, f: impl FnMut(f64) -> f64) -> Self {
        Self { values: self.values.iter().copied().map(f).collect(), ..*self }
    }

    /// Applies `f` to the draws of two quantities at the same chain and step, cut to the chains and draws that both have.
    pub fn zip_map(&self, other: &Self, mut f: impl FnMut(f64, f64) -> f64) -> Self {
        let num_chains = self.num_chains.min(other.num_chains);
        let num_draws = self.num_draws.min(other.num_draws);
        let pairs = self.chains().zip(other.chains());
        let values = pairs.flat_map(|(a, b)| a.iter().zip(b)).map(|(&a, &b)| f(a, b)).collect();
        Self { values, num_chains, num_draws }
    }

    /// First and second half of every chain as two matrices `[num_chains, num_draws / 2]`; the middle draw of an odd
    /// number is dropped.
    pub fn halves(&self) -> [Self; 2] {
        let half = self.num_draws / 2;
        let first: Vec<_> = self.chains().map(|c| &c[..half]).collect();
        let second: Vec<_> = self.chains().map(|c| &c[c.len() - half..]).collect();
        [Self::new(&first), Self::new(&second)]
    }

    /// Each chain cut into its two halves: a matrix `[2·num_chains, num_draws / 2]`.
    pub fn split(&self) -> Self {
        let [mut first, second] = self.halves();
        first.values.extend(second.values);
        first.num_chains *= 2;
        first
    }

    /// True if no draw is NaN or infinite.
    pub fn is_finite(&self) -> bool {
        self.values.iter().all(|x| x.is_finite())
    }

    /// True if all draws are equal up to the rounding of f64, or if there are none. The scale is the draws' own, so that
    /// losses of 1e-20 are not taken for constant.
    pub fn is_constant(&self) -> bool {
        let (min, max) =
            self.values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(min, max), &x| (min.min(x), max.max(x)));
        max - min <= f64::EPSILON * max.abs().max(min.abs()) || self.values.is_empty()
    }
}

/// Mean of a slice; NaN if it is empty.
pub(super) fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

/// Variance of a slice about its mean, denominator `len − 1`; NaN with fewer than two values.
pub(super) fn variance(x: &[f64]) -> f64 {
    if x.len() < 2 {
        return f64::NAN;
    }
    let m = mean(x);
    x.iter().map(|x| (x - m) * (x - m)).sum::<f64>() / (x.len() - 1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splitting_drops_the_middle_of_an_odd_chain() {
        let draws = Draws::new(&[[1.0, 2.0, 3.0, 4.0, 5.0], [6.0, 7.0, 8.0, 9.0, 10.0]]);
        let split = draws.split();
        assert_eq!((split.num_chains(), split.num_draws()), (4, 2));
        assert_eq!(split.values(), [1.0, 2.0, 6.0, 7.0, 4.0, 5.0, 9.0, 10.0]);
    }

    #[test]
    fn zipping_keeps_what_both_have() {
        let a = Draws::new(&[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
        let b = Draws::new(&[[10.0, 20.0]]);
        let sum = a.zip_map(&b, |a, b| a + b);
        assert_eq!((sum.num_chains(), sum.num_draws(), sum.values()), (1, 2, &[11.0, 22.0][..]));
    }

    #[test]
    fn constancy_is_judged_at_the_scale_of_the_draws() {
        assert!(Draws::new(&[[0.1 + 0.2, 0.3]]).is_constant());
        assert!(!Draws::new(&[[1e-20, 2e-20]]).is_constant());
        assert!(Draws::new(&[[0.0, 0.0]]).is_constant());
        assert!(!Draws::new(&[[f64::NAN, 1.0]]).is_finite());
    }

    #[test]
    fn no_chains_and_no_draws_have_no_mean() {
        assert!(Draws::new::<Vec<f64>>(&[]).mean().is_nan());
        assert!(Draws::new(&[vec![], vec![1.0]]).variance().is_nan());
    }
}
