//! Computes Monte Carlo standard errors: what the mean of correlated draws is worth.

use serde::{Deserialize, Serialize};

use super::{Draws, ess_mean, ess_sd, nan_for_null};

/// A value with its Monte Carlo standard error; both NaN where there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The value.
    #[serde(deserialize_with = "nan_for_null")]
    pub value: f64,
    /// Its Monte Carlo standard error.
    #[serde(deserialize_with = "nan_for_null")]
    pub mcse: f64,
}

impl Estimate {
    /// A function of several means, from its value and the draws of its influence function ψ: to first order in the
    /// errors of the means, function − its limit = mean of ψ (the delta method), and so its standard error is that of
    /// the mean of ψ, correlations between the means and along the chain included.
    pub(super) fn from_influence(value: f64, influence: &Draws) -> Self {
        Self { value, mcse: mcse_mean(influence) }
    }

    /// The mean of `draws` with its error.
    pub fn of_mean(draws: &Draws) -> Self {
        Self::from_influence(draws.mean(), draws)
    }

    /// (value − expected)/mcse: a standard normal where `expected` is true and the chains are long; NaN without a
    /// standard error.
    ///
    /// ```
    /// use llc_core::diagnostics::Estimate;
    ///
    /// assert_eq!(Estimate { value: 1.2, mcse: 0.1 }.z(1.0).round(), 2.0);
    /// ```
    pub fn z(&self, expected: f64) -> f64 {
        (self.value - expected) / self.mcse
    }
}

/// Monte Carlo standard error of the pooled mean: sd/√(ess_mean), in the draws' unit.
///
/// ```
/// use llc_core::diagnostics::{Draws, mcse_mean};
///
/// let draws = Draws::new(&[[1.0, 3.0, 2.0, 0.0, 2.0, 3.0, 1.0, 0.0]]);
/// assert!(mcse_mean(&draws) < 1.0);
/// assert!(mcse_mean(&Draws::new(&[[1.0, 2.0]])).is_nan()); // too few draws
/// ```
pub fn mcse_mean(draws: &Draws) -> f64 {
    (draws.variance() / ess_mean(draws)).sqrt()
}

/// Monte Carlo standard error of the pooled standard deviation, without assuming normality:
/// √((m₄ − m₂²)/(ess_sd·4·m₂)), m_k the k-th central moment.
///
/// *Reference*: Kenney and Keeping (1951), Mathematics of Statistics II, page 141, as in posterior and ArviZ.
pub fn mcse_sd(draws: &Draws) -> f64 {
    let centre = draws.mean();
    let squares = draws.map(|x| (x - centre) * (x - centre));
    let m2 = squares.mean();
    let m4 = squares.map(|x| x * x).mean();
    ((m4 - m2 * m2) / (ess_sd(draws) * 4.0 * m2)).sqrt()
}
