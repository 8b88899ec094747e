//! Describes a point of a deep linear network by the ranks of its partial products, and derives the Hessian's rank
//! there.
//!
//! At zero loss the Hessian's rank is the Jacobian's, if E xxᵀ is positive definite. The Jacobian's image is
//! Σ_l im C_l ⊗ row A_l with C_l = W_L ⋯ W_{l+1} and A_l = W_{l−1} ⋯ W_1. As im C_1 ⊆ … ⊆ im C_L while
//! row A_1 ⊇ … ⊇ row A_L, its dimension is that of a staircase,
//!   ρ = Σ_{l=1}^{L} (c_l − c_{l−1})·a_l,   c_l = rank C_l,  c_L = H_L,  c_0 = 0,  a_l = rank A_l,  a_1 = H_0.
//!
//! *Reference*: derived for this project. *Tested by*: the test below, and those of [`super::local_bounds`].

use num_bigint::BigInt;

use super::deep_linear::DeepLinear;

/// Why ranks of partial products fit no point of a deep linear network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PartialRanksError {
    /// One rank per layer is needed on each side.
    #[error("{list} has {found} ranks, but the network has {num_layers} layers: give one rank for each layer")]
    WrongLength {
        /// `from_input` or `to_output`.
        list: &'static str,
        /// Ranks given.
        found: usize,
        /// Ranks needed.
        num_layers: usize,
    },
    /// A product's rank is at most that of each part, and at most the width it passes through.
    #[error("{list}[{index}] is rank {rank}, but at most {limit} is possible there")]
    TooLarge {
        /// `from_input` or `to_output`.
        list: &'static str,
        /// Position in the list.
        index: usize,
        /// What was given.
        rank: usize,
        /// The largest possible.
        limit: usize,
    },
    /// The whole product appears in both lists and must have the network's rank.
    #[error("{list} ends in rank {found} for the whole product, but the true map has rank {rank}")]
    WrongProductRank {
        /// `from_input` or `to_output`.
        list: &'static str,
        /// What was given.
        found: usize,
        /// The rank of the true map.
        rank: usize,
    },
    /// Sylvester's inequality fails at a hidden width.
    #[error(
        "ranks {before} and {after} on the two sides of hidden width {width} give \
         a product of rank {before} + {after} − {width} or more, not {rank}"
    )]
    ProductTooSmall {
        /// rank(W_l ⋯ W_1).
        before: usize,
        /// rank(W_L ⋯ W_{l+1}).
        after: usize,
        /// H_l.
        width: usize,
        /// The rank of the true map.
        rank: usize,
    },
}

/// The ranks of the partial products at one point of a deep linear network, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartialRanks {
    network: DeepLinear,
    from_input: Vec<usize>,
    to_output: Vec<usize>,
}

impl PartialRanks {
    /// The point with rank(W_l ⋯ W_1) = `from_input[l − 1]` and rank(W_L ⋯ W_l) = `to_output[l − 1]` for l = 1 … L.
    ///
    /// # Errors
    ///
    /// A wrong number of ranks, or ranks that no matrices have: growing along a product, above a width, different
    /// from the network's rank for the whole product, or against Sylvester's inequality.
    pub fn new(network: DeepLinear, from_input: &[usize], to_output: &[usize]) -> Result<Self, PartialRanksError> {
        let widths = network.widths();
        let num_layers = widths.len() - 1;
        let mirrored: Vec<usize> = to_output.iter().rev().copied().collect();
        let mirrored_widths: Vec<usize> = widths.iter().rev().copied().collect();
        check_side("from_input", from_input, widths, network.rank())?;
        check_side("to_output", &mirrored, &mirrored_widths, network.rank()).map_err(|error| match error {
            PartialRanksError::TooLarge { list, index, rank, limit } => {
                PartialRanksError::TooLarge { list, index: num_layers - 1 - index, rank, limit }
            }
            other => other,
        })?;
        for l in 1..num_layers {
            let (before, after, width) = (from_input[l - 1], to_output[l], widths[l]);
            // Both ranks are at most `width`, so that the difference can't underflow.
            if before > width - after + network.rank() {
                return Err(PartialRanksError::ProductTooSmall { before, after, width, rank: network.rank() });
            }
        }
        Ok(Self { from_input: from_input.to_vec(), to_output: to_output.to_vec(), network })
    }

    /// The point whose layers W_l have the ranks `layer_ranks[l − 1]` and lie to each other as layers drawn independently do (almost
    /// surely), or as those do that share the frames of their singular vectors: a product then has the smallest of its layers' ranks.
    ///
    /// # Errors
    ///
    /// As [`PartialRanks::new`]: the network's rank must be the smallest of the layers'.
    ///
    /// ```
    /// use llc_core::theory::{DeepLinear, PartialRanks};
    ///
    /// let point = PartialRanks::of_layers(DeepLinear::new(&[4, 4, 4, 4], 2)?, &[4, 2, 4])?;
    /// assert_eq!(point, PartialRanks::new(DeepLinear::new(&[4, 4, 4, 4], 2)?, &[4, 2, 2], &[2, 2, 4])?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn of_layers(network: DeepLinear, layer_ranks: &[usize]) -> Result<Self, PartialRanksError> {
        let from_input = running_least(layer_ranks.iter());
        let mut to_output = running_least(layer_ranks.iter().rev());
        to_output.reverse();
        Self::new(network, &from_input, &to_output)
    }

    /// The network.
    pub fn network(&self) -> &DeepLinear {
        &self.network
    }

    /// ρ, the rank of the loss's Hessian at this point, for inputs with positive definite E xxᵀ.
    pub fn hessian_rank(&self) -> BigInt {
        let widths = self.network.widths();
        let last = widths.len() - 1;
        let mut rank = BigInt::from(0);
        let mut previous = 0; // c_0
        for l in 1..=last {
            let c = if l == last { widths[last] } else { self.to_output[l] };
            let a = if l == 1 { widths[0] } else { self.from_input[l - 2] };
            rank += BigInt::from(c - previous) * a;
            previous = c;
        }
        rank
    }
}

/// The smallest of the ranks so far, at each place.
fn running_least<'a>(ranks: impl Iterator<Item = &'a usize>) -> Vec<usize> {
    let step = |least: &mut usize, rank: &usize| {
        *least = (*least).min(*rank);
        Some(*least)
    };
    ranks.scan(usize::MAX, step).collect()
}

/// Checks the ranks of W_l ⋯ W_1 for l = 1 … L against `widths` H_0 … H_L.
fn check_side(
    list: &'static str,
    ranks: &[usize],
    widths: &[usize],
    product_rank: usize,
) -> Result<(), PartialRanksError> {
    let num_layers = widths.len() - 1;
    if ranks.len() != num_layers {
        return Err(PartialRanksError::WrongLength { list, found: ranks.len(), num_layers });
    }
    let mut previous = widths[0];
    for (index, &rank) in ranks.iter().enumerate() {
        let limit = previous.min(widths[index + 1]);
        if rank > limit {
            return Err(PartialRanksError::TooLarge { list, index, rank, limit });
        }
        previous = rank;
    }
    if previous != product_rank {
        return Err(PartialRanksError::WrongProductRank { list, found: previous, rank: product_rank });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_ranks_are_refused_with_the_place_named() {
        let network = || DeepLinear::new(&[4, 3, 4, 4], 2).unwrap();
        let message = |from_input: &[usize], to_output: &[usize]| {
            PartialRanks::new(network(), from_input, to_output).unwrap_err().to_string()
        };
        assert!(message(&[2, 2], &[2, 2, 2]).contains("from_input has 2 ranks"));
        assert!(message(&[4, 2, 2], &[2, 2, 2]).contains("from_input[0] is rank 4"));
        assert!(message(&[2, 2, 2], &[2, 4, 4]).contains("to_output[1] is rank 4"));
        assert!(message(&[3, 3, 3], &[2, 2, 2]).contains("ends in rank 3"));
        assert!(message(&[3, 2, 2], &[2, 3, 4]).contains("hidden width 3"));
    }
}
