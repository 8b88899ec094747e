//! Fits labels through a kernel: the function of least norm that takes given values at the training inputs.
//!
//! With n inputs x_i and one-hot targets Y, shape `[n, num_classes]`, the fit is f(x) = Σ_i k(x, x_i)·α_i with (K + ridge·I)·α = Y, where
//! K_ij = k(x_i, x_j) = exp(−bandwidth·‖x_i − x_j‖²). At ridge 0 it interpolates: the training error is 0 for any labels, random ones
//! included, and ‖f‖² = Σ_c α_cᵀKα_c in the kernel's space says what that took. The bandwidth is a factor of the squared distance, an
//! inverse square length: others write it 1/(2σ²) (σ the length), and call σ the bandwidth. The ridge is added to K as it is; statistics
//! often write n·λ for it.
//!
//! | solver | memory | time |
//! |---|---|---|
//! | [`direct`] | 16 n² bytes | n³/3 multiplications |
//! | [`iterative`] | what it is granted, and 8 n·d bytes | a product K·V a step: n²·d/2 multiplications where K is not kept |
//!
//! *Reference*: C. Zhang, S. Bengio, M. Hardt, B. Recht, O. Vinyals, "Understanding deep learning requires rethinking generalization",
//! ICLR 2017 (<https://arxiv.org/abs/1611.03530>), section 5: 1.2 % error on MNIST's pixels, at bandwidth 0.02 on bytes over 255.
//! *Tested by*: both solvers against each other and against a solution by hand; the norm against its definition.

mod conjugate_gradient;
pub mod direct;
mod error;
mod gaussian;
pub mod iterative;
mod kernel_matrix;
pub mod memory;
mod nystrom;
mod sixteen_bits;
mod solution;

pub use conjugate_gradient::ConjugateGradient;
pub use error::KernelRegressionError;
pub use gaussian::Inputs;
pub use kernel_matrix::KernelMatrix;
pub use nystrom::Nystrom;
pub use sixteen_bits::SixteenBits;
pub use solution::{Fit, Solution, error_rate};

use std::ops::Range;

/// Rows and columns of a block of the kernel matrix: large enough for a matrix product at full speed, small enough for a cache.
pub const TILE: usize = 1024;

/// The ranges that `n` rows fall into.
pub(crate) fn stripes(n: usize) -> impl Iterator<Item = Range<usize>> {
    (0..n.div_ceil(TILE)).map(move |i| i * TILE..((i + 1) * TILE).min(n))
}

/// The blocks on and below the diagonal of a matrix of `n` rows, in order; the diagonal's are whole.
pub(crate) fn lower_tiles(n: usize) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
    stripes(n).flat_map(move |rows| stripes(rows.end).map(move |columns| (rows.clone(), columns)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_the_lower_triangle_once() {
        let n = 2 * TILE + 5;
        let tiles: Vec<_> = lower_tiles(n).collect();
        assert_eq!(tiles.len(), 6);
        let covered: usize =
            tiles.iter().map(|(rows, columns)| rows.len() * columns.len() * if rows == columns { 1 } else { 2 }).sum();
        assert_eq!(covered, n * n);
        assert!(tiles.iter().all(|(rows, columns)| columns.end <= rows.end));
    }
}
