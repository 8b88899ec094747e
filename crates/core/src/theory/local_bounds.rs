//! Encloses the local learning coefficient at a given point, where no formula for it is known.
//!
//! For any analytic loss with a minimum at w*, in d parameters, with Hessian of rank ρ:
//!   ρ/2 ≤ λ_local ≤ d/2.
//! By the splitting lemma K is, in suitable coordinates, a sum of ρ squares plus a function of the other d − ρ, and
//! λ adds up over such a sum; and K ≤ C·‖w − w*‖² gives the upper bound.
//!
//! For a deep linear network both sides are sharper: λ_Aoyagi ≤ λ_local ≤ h·(H_0 + H_L − h)/2 with h the smallest
//! width ([`DeepLinear::largest_local`]), and ρ follows from the ranks of the partial products
//! ([`PartialRanks::hessian_rank`]).
//!
//! *Reference*: derived for this project. *Tested by*: the tests below (Jacobians over a finite field; the exact
//! value for two layers lies within).

use super::deep_linear::DeepLinear;
use super::invalid_argument::InvalidArgument;
use super::partial_ranks::PartialRanks;
use super::rational::{Rational, fraction};

/// An interval that contains the local λ; both ends belong to it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LocalBounds {
    /// λ_local is at least this.
    pub lower: Rational,
    /// λ_local is at most this.
    pub upper: Rational,
}

impl LocalBounds {
    /// ρ/2 and d/2, for any analytic loss at a minimum whose Hessian has rank ρ = `hessian_rank`.
    ///
    /// # Errors
    ///
    /// A rank above the number of parameters d.
    ///
    /// ```
    /// use llc_core::theory::LocalBounds;
    ///
    /// let bounds = LocalBounds::from_hessian_rank(3, 8)?;
    /// assert_eq!((bounds.lower.to_string(), bounds.upper.to_string()), ("3/2".into(), "4".into()));
    /// # Ok::<(), llc_core::theory::InvalidArgument>(())
    /// ```
    pub fn from_hessian_rank(hessian_rank: u64, num_parameters: u64) -> Result<Self, InvalidArgument> {
        if hessian_rank > num_parameters {
            return Err(InvalidArgument {
                name: "hessian_rank",
                value: hessian_rank as f64,
                requirement: "at most the number of parameters",
            });
        }
        Ok(Self { lower: fraction(hessian_rank, 2), upper: fraction(num_parameters, 2) })
    }

    /// What holds at every point with zero loss of a deep linear network: λ_Aoyagi and h·(H_0 + H_L − h)/2.
    ///
    /// ```
    /// use llc_core::theory::{DeepLinear, LocalBounds};
    ///
    /// let bounds = LocalBounds::anywhere(&DeepLinear::new(&[4, 4, 4], 2)?);
    /// assert_eq!((bounds.lower.to_string(), bounds.upper.to_string()), ("15/2".into(), "8".into()));
    /// # Ok::<(), llc_core::theory::DeepLinearError>(())
    /// ```
    pub fn anywhere(network: &DeepLinear) -> Self {
        Self { lower: network.learning_coefficient().lambda, upper: network.largest_local() }
    }

    /// What holds at a point of a deep linear network with these ranks: the larger of λ_Aoyagi and ρ/2, and
    /// h·(H_0 + H_L − h)/2. Where the two meet, λ_local is known.
    ///
    /// ```
    /// use llc_core::theory::{DeepLinear, LocalBounds, PartialRanks};
    ///
    /// // Full-rank layers around one of rank 2: rank(W_1), rank(W_2·W_1), rank(W_3·W_2·W_1), then
    /// // rank(W_3·W_2·W_1), rank(W_3·W_2), rank(W_3).
    /// let network = DeepLinear::new(&[4, 4, 4, 4], 2)?;
    /// let point = PartialRanks::new(network, &[4, 2, 2], &[2, 2, 4])?;
    /// assert_eq!(point.hessian_rank(), 16.into());
    /// let bounds = LocalBounds::at(&point);
    /// assert_eq!(bounds.lower, bounds.upper); // 8, where λ_Aoyagi = 15/2
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn at(point: &PartialRanks) -> Self {
        let Self { lower, upper } = Self::anywhere(point.network());
        let lower = lower.max(fraction(point.hessian_rank(), 2));
        Self { lower, upper }
    }
}

#[cfg(test)]
mod tests;
