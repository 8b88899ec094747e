//! Computes λ and m of reduced-rank regression, the linear network of two layers: f(x) = B·A·x, rank of the true map r.
//!
//! With M inputs, H hidden units and N outputs the global value has four cases (sum: M + H + N + r):
//!
//! | condition | λ | m |
//! |---|---|---|
//! | N + r ≤ M + H, M + r ≤ N + H, H + r ≤ M + N; sum even | (−(H+r)² − M² − N² + 2(H+r)M + 2(H+r)N + 2MN)/8 | 1 |
//! | the same; odd | the same + 1/8 | 2 |
//! | M + H < N + r | (HM − Hr + Nr)/2 | 1 |
//! | N + H < M + r | (HN − Hr + Mr)/2 | 1 |
//! | M + N < H + r | MN/2 | 1 |
//!
//! **At a given point** with a = rank A (H × M), b = rank B (N × H):
//!   λ_local = (N·a + b·M − a·b)/2 + λ_0(M − a, H − a − b + r, N − b),
//! λ_0 being the global value above at rank 0; m is that of the second term. Proof. Near the point A = G·diag(1_a,
//! A')·K with G, K analytic and invertible, so that B·A = P says [B_1, B_2·A'] = P·K⁻¹ for B·G = [B_1, B_2]. The
//! first a columns are N·a regular equations for B_1. The rest reads B_2·A' = P_1·k with k (a × (M − a)) free and
//! rank P_1 = r: on the image of P_1 it gives r·(M − a) regular equations for k; on a complement it reads B_2'·A' =
//! 0 where B_2' has rank b − r at the point and A' is 0. Splitting that rank off the same way leaves (b − r)·(M −
//! a) regular equations and a product of two matrices that are both 0, of widths M − a, H − a − (b − r), N − b. In
//! all N·a + b·M − a·b regular equations. ∎
//!
//! The global value is the least local one, at a = b = r.
//!
//! *Reference*: Aoyagi and Watanabe, "Stochastic complexities of reduced rank regression in Bayesian estimation",
//! Neural Networks 18 (2005), <https://doi.org/10.1016/j.neunet.2005.03.014>; the local value is derived for this
//! project. *Tested by*: the tests below (at every point up to width 6 λ_local is half the codimension of the largest
//! stratum nearby, and m the number of such strata), and those of [`super::local_bounds`].

use num_bigint::BigInt;

use super::coefficient::LearningCoefficient;
use super::deep_linear::{DeepLinear, DeepLinearError};
use super::rational::fraction;

/// A linear network of two layers and the rank of its true map, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReducedRank {
    input: usize,
    hidden: usize,
    output: usize,
    rank: usize,
}

/// Why no point with zero loss has these ranks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TwoLayerPointError {
    /// A matrix's rank is at most its smaller side.
    #[error("layer {layer} can't have rank {rank}: it is {rows} × {columns}")]
    LayerRankTooLarge {
        /// 1 next to the input, 2 next to the output.
        layer: usize,
        /// The rank given.
        rank: usize,
        /// Rows of the layer's matrix.
        rows: usize,
        /// Columns of the layer's matrix.
        columns: usize,
    },
    /// A product's rank is at most that of each factor.
    #[error("layer {layer} of rank {rank} can't be part of a product of rank {product_rank}")]
    LayerRankTooSmall {
        /// 1 next to the input, 2 next to the output.
        layer: usize,
        /// The rank given.
        rank: usize,
        /// The rank of the true map.
        product_rank: usize,
    },
    /// Sylvester's inequality fails.
    #[error(
        "around {hidden} hidden units layers of ranks {first} and {second} have a product of \
         rank {first} + {second} − {hidden} or more, not {product_rank}"
    )]
    ProductRankTooSmall {
        /// Rank of the layer next to the input.
        first: usize,
        /// Rank of the layer next to the output.
        second: usize,
        /// Hidden units.
        hidden: usize,
        /// The rank of the true map.
        product_rank: usize,
    },
}

impl ReducedRank {
    /// The network with M = `input`, H = `hidden`, N = `output` whose true map has rank `rank`.
    ///
    /// # Errors
    ///
    /// As [`DeepLinear::new`]: a width of 0, or a rank above the smallest width.
    pub fn new(input: usize, hidden: usize, output: usize, rank: usize) -> Result<Self, DeepLinearError> {
        DeepLinear::new(&[input, hidden, output], rank)?;
        Ok(Self { input, hidden, output, rank })
    }

    /// The global λ and m, by the four cases.
    ///
    /// ```
    /// use llc_core::theory::ReducedRank;
    ///
    /// let known = ReducedRank::new(5, 3, 5, 0)?.learning_coefficient();
    /// assert_eq!((known.to_string().as_str(), known.multiplicity), ("13/2", 2));
    /// # Ok::<(), llc_core::theory::DeepLinearError>(())
    /// ```
    pub fn learning_coefficient(&self) -> LearningCoefficient {
        four_cases(self.input, self.hidden, self.output, self.rank)
    }

    /// The local λ and m at a point with zero loss whose layers have rank `first` (next to the input) and `second`.
    ///
    /// # Errors
    ///
    /// Ranks that no two matrices of these sizes have if their product has rank r: the ranks must be from r up to
    /// their smaller side, and first + second − hidden ≤ r.
    ///
    /// ```
    /// use llc_core::theory::ReducedRank;
    ///
    /// let network = ReducedRank::new(4, 4, 4, 2)?;
    /// assert_eq!(network.learning_coefficient().to_string(), "15/2");
    /// assert_eq!(network.local(2, 2)?.to_string(), "15/2"); // the most degenerate points
    /// assert_eq!(network.local(4, 2)?.to_string(), "8"); // a generic first layer
    /// assert!(network.local(4, 3).is_err()); // an invertible layer keeps the rank of the other
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn local(&self, first: usize, second: usize) -> Result<LearningCoefficient, TwoLayerPointError> {
        self.check_point(first, second)?;
        let (input, hidden, output) = (self.input, self.hidden, self.output);
        let regular = BigInt::from(output) * first + BigInt::from(second) * (input - first);
        // Both differences are at least 0: second ≥ r, and first + second − r ≤ hidden by Sylvester's inequality.
        let left_hidden = hidden - (first + (second - self.rank));
        let singular = four_cases(input - first, left_hidden, output - second, 0);
        Ok(LearningCoefficient::new(fraction(regular, 2) + singular.lambda, singular.multiplicity))
    }

    fn check_point(&self, first: usize, second: usize) -> Result<(), TwoLayerPointError> {
        let product_rank = self.rank;
        let layers = [(1, first, self.hidden, self.input), (2, second, self.output, self.hidden)];
        for (layer, rank, rows, columns) in layers {
            if rank > rows.min(columns) {
                return Err(TwoLayerPointError::LayerRankTooLarge { layer, rank, rows, columns });
            }
            if rank < product_rank {
                return Err(TwoLayerPointError::LayerRankTooSmall { layer, rank, product_rank });
            }
        }
        if first > self.hidden - second + product_rank {
            return Err(TwoLayerPointError::ProductRankTooSmall { first, second, hidden: self.hidden, product_rank });
        }
        Ok(())
    }
}

/// The four cases, also for widths of 0 (where the product is constant and λ = 0, m = 1).
fn four_cases(input: usize, hidden: usize, output: usize, rank: usize) -> LearningCoefficient {
    let [m, h, n, r] = [input, hidden, output, rank].map(BigInt::from);
    if &m + &h < &n + &r {
        return LearningCoefficient::new(fraction(&h * &m - &h * &r + &n * &r, 2), 1);
    }
    if &n + &h < &m + &r {
        return LearningCoefficient::new(fraction(&h * &n - &h * &r + &m * &r, 2), 1);
    }
    if &m + &n < &h + &r {
        return LearningCoefficient::new(fraction(m * n, 2), 1);
    }
    let is_odd = (&m + &h + &n + &r).bit(0);
    let s = h + r;
    let eighths = -(&s * &s) - &m * &m - &n * &n + 2 * &s * &m + 2 * s * &n + 2 * m * n;
    LearningCoefficient::new(fraction(eighths + u32::from(is_odd), 8), 1 + u64::from(is_odd))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls `check` with every (M, H, N, r) up to width `widest`, and says how many there are.
    fn for_every_network(widest: usize, mut check: impl FnMut([usize; 3], usize)) -> usize {
        let mut num_cases = 0;
        for input in 1..=widest {
            for hidden in 1..=widest {
                for output in 1..=widest {
                    for rank in 0..=input.min(hidden).min(output) {
                        check([input, hidden, output], rank);
                        num_cases += 1;
                    }
                }
            }
        }
        num_cases
    }

    #[test]
    fn the_four_cases_equal_the_formula_for_any_depth_up_to_width_eight() {
        let num_cases = for_every_network(8, |widths, rank| {
            let [m, h, n] = widths;
            let two_layers = ReducedRank::new(m, h, n, rank).unwrap();
            let any_depth = DeepLinear::new(&widths, rank).unwrap();
            let expected = any_depth.learning_coefficient();
            assert_eq!(two_layers.learning_coefficient(), expected, "{two_layers:?}");
        });
        assert_eq!(num_cases, 1808);
    }

    #[test]
    fn the_global_value_is_the_least_local_one_and_that_at_the_lowest_ranks() {
        for_every_network(6, |[m, h, n], rank| {
            let network = ReducedRank::new(m, h, n, rank).unwrap();
            let global = network.learning_coefficient();
            assert_eq!(network.local(rank, rank), Ok(global.clone()), "{network:?}");
            for first in 0..=m.min(h) {
                for second in 0..=h.min(n) {
                    if let Ok(local) = network.local(first, second) {
                        assert!(local.lambda >= global.lambda, "{network:?} {first} {second}");
                    }
                }
            }
        });
    }

    #[test]
    fn the_largest_local_value_is_that_of_a_regular_map_unless_the_hidden_layer_is_a_bottleneck() {
        for_every_network(6, |widths, rank| {
            let [m, h, n] = widths;
            let network = ReducedRank::new(m, h, n, rank).unwrap();
            let points = (0..=m.min(h)).flat_map(|a| (0..=h.min(n)).map(move |b| (a, b)));
            let locals = points.filter_map(|(a, b)| network.local(a, b).ok());
            let found = locals.map(|known| known.lambda).max().unwrap();
            let largest = DeepLinear::new(&widths, rank).unwrap().largest_local();
            assert!(found <= largest, "{network:?}: {found}");
            if h >= m.min(n) {
                assert_eq!(found, fraction(m * n, 2), "{network:?}");
                assert_eq!(found, largest, "{network:?}");
            }
        });
    }

    /// The codimension of {(A, B) : B·A = P, rank A = a, rank B = b}, counted by choosing in turn the kernel of A
    /// within that of P, A on a complement, B on the image of A (which P fixes), and B elsewhere: its part modulo the
    /// image of P has rank b − r, the other is free.
    fn codimension([m, h, n]: [usize; 3], r: usize, a: usize, b: usize) -> usize {
        let kernel = (m - a) * (a - r);
        let modulo_image = (b - r) * ((n - r) + (h - a) - (b - r));
        (m + n) * h - (kernel + h * a + modulo_image + r * (h - a))
    }

    #[test]
    fn the_local_value_is_half_the_codimension_of_the_largest_stratum_nearby() {
        let mut num_points = 0;
        for_every_network(6, |widths, r| {
            let [m, h, n] = widths;
            let network = ReducedRank::new(m, h, n, r).unwrap();
            let ranks = |low: usize, high: usize| low..=high;
            for (a, b) in ranks(0, m.min(h)).flat_map(|a| ranks(0, h.min(n)).map(move |b| (a, b))) {
                let Ok(local) = network.local(a, b) else {
                    continue;
                };
                // Ranks can only rise near a point, and rise to any that are possible.
                let nearby = ranks(a, m.min(h)).flat_map(|a| ranks(b, h.min(n)).map(move |b| (a, b)));
                let possible = nearby.filter(|&(a, b)| a + b <= h + r);
                let codimensions: Vec<usize> = possible.map(|(a, b)| codimension(widths, r, a, b)).collect();
                let least = *codimensions.iter().min().unwrap();
                let num_least = codimensions.iter().filter(|&&c| c == least).count();
                assert_eq!(local.lambda, fraction(least, 2), "{network:?} {a} {b}");
                assert_eq!(local.multiplicity, num_least as u64, "{network:?} {a} {b}");
                num_points += 1;
            }
        });
        assert_eq!(num_points, 4_227);
    }

    #[test]
    fn ranks_that_no_matrices_have_are_refused() {
        let network = ReducedRank::new(5, 4, 3, 2).unwrap();
        let message = |first, second| network.local(first, second).unwrap_err().to_string();
        assert!(message(5, 2).contains("layer 1 can't have rank 5: it is 4 × 5"));
        assert!(message(2, 4).contains("layer 2 can't have rank 4: it is 3 × 4"));
        assert!(message(1, 2).contains("layer 1 of rank 1"));
        assert!(message(4, 3).contains("4 + 3 − 4"));
        assert!(ReducedRank::new(5, 4, 3, 4).is_err());
    }
}
