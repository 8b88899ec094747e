//! Computes λ and m of a deep linear network f(x) = W_L ⋯ W_1·x of any depth whose true map has rank r.
//!
//! With widths H_0 … H_L (W_l is H_l × H_{l−1}) and Δ_i = H_i − r, let Σ be the set of l + 1 indices for which
//!   max_Σ Δ < min_{not Σ} Δ,   S = Σ_{i∈Σ} Δ_i ≥ l·max_Σ Δ,   S < l·min_{not Σ} Δ   (an empty minimum is ∞).
//! With M = ⌈S/l⌉ and a = S − (M−1)·l,
//!   λ = (r·(H_0 + H_L) − r²)/2 + a·(l−a)/(4l) − l·(l−1)/4·(S/l)² + ½·Σ_{i<j∈Σ} Δ_i·Δ_j,   m = a·(l−a) + 1.
//!
//! **Σ without a search.** Sort Δ ascending and let f(k) = Δ_(1) + … + Δ_(k) − (k−1)·Δ_(k). Then f(k+1) − f(k) =
//! −(k−1)·(Δ_(k+1) − Δ_(k)) ≤ 0, the second condition on a prefix of length k is f(k) ≥ 0, the third is f(k+1) < 0, and
//! Δ_(k+1) = Δ_(k) would give f(k+1) = f(k) ≥ 0, so that the first holds too. Hence Σ is the longest prefix with
//! f(k) ≥ 0; f(2) = Δ_(1) ≥ 0, so it has at least two members. Cost: one sort.
//!
//! **Which λ.** It holds for a Gaussian likelihood (squared error), inputs with positive definite E xxᵀ, and a
//! prior positive at the truth. It is the *global* coefficient, the least local value over all w with the true map:
//! it is attained where every layer has rank exactly r and neighbours share their spaces, w = 0 for r = 0.
//! Elsewhere the local value may be larger: [`super::ReducedRank::local`] gives it for two layers,
//! [`super::LocalBounds`] encloses it for more.
//!
//! *Reference*: Aoyagi, "Consideration on the learning efficiency of multiple-layered neural networks with linear
//! units", Neural Networks 172 (2024), <https://doi.org/10.1016/j.neunet.2024.106132>. *Tested by*: the tests below
//! (worked values, a search over all subsets, the orbits of the quiver) and those of [`super::reduced_rank`]
//! (all two-layer cases up to width 8).

use num_bigint::BigInt;

use super::coefficient::LearningCoefficient;
use super::rational::{Rational, fraction};

/// Why widths and rank describe no deep linear network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeepLinearError {
    /// Fewer than an input and one layer.
    #[error(
        "a deep linear network needs an input width and at least one layer, but \
         has {num_widths} width(s): add layer widths"
    )]
    TooFewWidths {
        /// Widths given, the input included.
        num_widths: usize,
    },
    /// A layer of nothing.
    #[error("width {index} of {widths:?} is 0 (width 0 is the input): every width must be at least 1")]
    ZeroWidth {
        /// Position of the first zero.
        index: usize,
        /// All widths.
        widths: Vec<usize>,
    },
    /// No product of these matrices has that rank.
    #[error("rank {rank} is above {smallest}, the smallest of the widths {widths:?}: give a rank from 0 to {smallest}")]
    RankTooLarge {
        /// The rank asked for.
        rank: usize,
        /// The largest possible one.
        smallest: usize,
        /// All widths.
        widths: Vec<usize>,
    },
    /// Counts would not fit in 64 bits.
    #[error("the network has more than 2^64 parameters or 2^32 widths: check the widths for a typo")]
    TooLarge,
}

/// A deep linear network and the rank of its true map, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeepLinear {
    widths: Vec<usize>,
    rank: usize,
    num_parameters: u64,
}

impl DeepLinear {
    /// The network with widths H_0 … H_L, input first and output last, whose true map has rank `rank`.
    ///
    /// # Errors
    ///
    /// Fewer than two widths, a width of 0, a rank above the smallest width, or more than 2^64 parameters.
    ///
    /// ```
    /// use llc_core::theory::DeepLinear;
    ///
    /// let known = DeepLinear::new(&[10, 10, 10, 10], 5)?.learning_coefficient();
    /// assert_eq!((known.to_string().as_str(), known.multiplicity), ("46", 3));
    /// assert!(DeepLinear::new(&[10, 3, 10], 4).is_err());
    /// # Ok::<(), llc_core::theory::DeepLinearError>(())
    /// ```
    pub fn new(widths: &[usize], rank: usize) -> Result<Self, DeepLinearError> {
        let num_widths = widths.len();
        if num_widths < 2 {
            return Err(DeepLinearError::TooFewWidths { num_widths });
        }
        let widths = widths.to_vec();
        if let Some(index) = widths.iter().position(|&width| width == 0) {
            return Err(DeepLinearError::ZeroWidth { index, widths });
        }
        let smallest = smallest_of(&widths);
        if rank > smallest {
            return Err(DeepLinearError::RankTooLarge { rank, smallest, widths });
        }
        let num_parameters = widths
            .windows(2)
            .try_fold(0u64, |total, pair| total.checked_add((pair[0] as u64).checked_mul(pair[1] as u64)?));
        match num_parameters {
            Some(num_parameters) if num_widths as u64 <= 1 << 32 => Ok(Self { widths, rank, num_parameters }),
            _ => Err(DeepLinearError::TooLarge),
        }
    }

    /// H_0 … H_L, input first.
    pub fn widths(&self) -> &[usize] {
        &self.widths
    }

    /// r, the rank of the true map.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// d = Σ_l H_{l−1}·H_l.
    ///
    /// ```
    /// use llc_core::theory::DeepLinear;
    ///
    /// let readme = DeepLinear::new(&[185, 259, 286, 885, 235, 204, 274, 252], 40)?;
    /// assert_eq!(readme.num_parameters(), 755_958);
    /// # Ok::<(), llc_core::theory::DeepLinearError>(())
    /// ```
    pub fn num_parameters(&self) -> u64 {
        self.num_parameters
    }

    /// (r·(H_0 + H_L) − r²)/2, the part of λ that a quadratic loss would have: half the dimension of the set of
    /// rank-r maps.
    ///
    /// With two layers or more it is half the rank of the Hessian where λ is attained. (A single layer is regular
    /// throughout: there λ = H_0·H_1/2 is all regular.) λ̂ falls to this value where γ hides the singular part.
    ///
    /// ```
    /// use llc_core::theory::DeepLinear;
    ///
    /// let network = DeepLinear::new(&[10, 10, 10, 10], 5)?;
    /// assert_eq!(network.regular_part().to_string(), "75/2"); // of λ = 46
    /// # Ok::<(), llc_core::theory::DeepLinearError>(())
    /// ```
    pub fn regular_part(&self) -> Rational {
        fraction(dimension_of_rank(self.rank, &self.widths), 2)
    }

    /// Half the dimension of the set of maps the network can express, h·(H_0 + H_L − h)/2 with h its smallest width.
    ///
    /// No point with zero loss has a larger local coefficient. Every component of a fibre of a dominant polynomial
    /// map has at most the codimension of a generic one (h·(H_0 + H_L − h) here, the dimension of the maps of rank
    /// ≤ h); at a smooth point of the fibre K ≤ C·distance², so λ is at most half the codimension there; such
    /// points lie as near to any given one as you like (the orbits of GL(H_0) × … × GL(H_L) degenerate along real
    /// one-parameter groups); and the local λ is at most that of nearby points of the fibre. It is at most d/2, and
    /// equal to λ if r = h.
    pub fn largest_local(&self) -> Rational {
        let smallest = self.widths.iter().fold(usize::MAX, |least, &w| least.min(w));
        fraction(dimension_of_rank(smallest, &self.widths), 2)
    }

    /// λ and m, by the formula at the top of this page.
    pub fn learning_coefficient(&self) -> LearningCoefficient {
        let mut delta: Vec<i128> = self.widths.iter().map(|&h| (h - self.rank) as i128).collect();
        delta.sort_unstable();
        let (sigma, s) = minimal_prefix(&delta);
        let l = sigma.len() as i128 - 1;

        // ⌈S/l⌉ for S ≥ 0, l ≥ 1; hence 1 ≤ a ≤ l.
        let m = (s + l - 1) / l;
        let a = s - (m - 1) * l;
        let s_squared = BigInt::from(s) * s;
        let sum_of_squares: BigInt = sigma.iter().map(|&x| BigInt::from(x) * x).sum();

        let lambda = self.regular_part()
            + fraction(a * (l - a), 4 * l)
            - fraction((l - 1) * &s_squared, 4 * l)  // l(l−1)/4·(S/l)²
            + fraction(s_squared - sum_of_squares, 4); // ½·Σ_{i<j} Δ_i·Δ_j
        // a·(l−a) ≤ l²/4 < 2^62, as there are at most 2^32 widths.
        LearningCoefficient::new(lambda, (a * (l - a) + 1) as u64)
    }
}

fn smallest_of(widths: &[usize]) -> usize {
    widths.iter().fold(usize::MAX, |least, &h| least.min(h))
}

/// r·(H_0 + H_L − r), the dimension of the set of H_L × H_0 matrices of rank r.
fn dimension_of_rank(rank: usize, widths: &[usize]) -> BigInt {
    let ends = BigInt::from(widths[0]) + widths[widths.len() - 1];
    BigInt::from(rank) * (ends - rank)
}

/// The longest prefix of the ascending `delta` with f(k) ≥ 0, and its sum. At most 2^32 values below 2^64 fit in i128.
fn minimal_prefix(delta: &[i128]) -> (&[i128], i128) {
    let mut sum = 0;
    for (k, &next) in delta.iter().enumerate() {
        // f(k + 1) = sum + next − k·next, of the prefix that would include `next`.
        if sum + next - k as i128 * next < 0 {
            return (&delta[..k], sum);
        }
        sum += next;
    }
    (delta, sum)
}

#[cfg(test)]
mod tests;
