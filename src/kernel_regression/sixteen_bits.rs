//! Keeps the whole kernel matrix in a quarter of f64's memory: each value in 16 bits, blocks on and below the diagonal only, n² bytes in all.
//!
//! A value k in [0, 1] is stored as the whole number q nearest to 65535·k, less 32768. Its error is uniform within ±½/65535, of deviation
//! s = 1/(65535·√12) = 4.4·10⁻⁶; a symmetric matrix of such errors has norm 2s√n (Wigner's semicircle), and so much is added to the
//! diagonal beside the ridge, lest small eigenvalues turn negative. It is no matrix to solve with, but its solution is a preconditioner
//! for the exact one that needs a handful of iterations. bfloat16 and f16, of the same size, have errors 50 to 500 times as large.
//!
//! *Tested by*: products against the exact matrix, within the error above.

use std::ops::Range;
use std::sync::atomic::AtomicBool;

use rayon::prelude::*;
use tch::{Device, Kind, Tensor};

use super::kernel_matrix::check;
use super::{Inputs, KernelRegressionError, lower_tiles};
use crate::vectors::vectorised;

/// The largest stored value, 2¹⁶ − 1, and what is taken off it, 2¹⁵.
const LEVELS: f64 = 65_535.0;
const OFFSET: f64 = 32_768.0;

/// Columns that are worked on at a time: with as many elements of ten vectors and of their products, four rows fill 24 KB of a cache of 32.
const PIECE: usize = 256;
/// Rows that are worked on at a time: as many sums don't wait for each other.
const ROWS: usize = 4;
/// Elements of a sum side by side: one AVX-512 register of f32. Arrays of so many are passed by value, which is what keeps them in registers.
const LANES: usize = 16;

/// K in 16 bits, with something added to its diagonal.
#[derive(Debug)]
pub struct SixteenBits {
    /// All blocks, one behind the other, each row by row: thousands of allocations would leave holes.
    values: Vec<i16>,
    n: usize,
    diagonal: f64,
}

impl SixteenBits {
    /// That of `inputs`, at `ridge` and what the rounding needs.
    ///
    /// # Errors
    /// [`KernelRegressionError::Cancelled`], or whatever libtorch reports.
    pub fn new(inputs: &Inputs, ridge: f64, cancel: &AtomicBool) -> Result<SixteenBits, KernelRegressionError> {
        let n = inputs.len();
        let num_values: usize = lower_tiles(n).map(|(rows, columns)| rows.len() * columns.len()).sum();
        let mut values = vec![0; num_values];
        let mut rest = values.as_mut_slice();
        for (rows, columns) in lower_tiles(n) {
            check(cancel)?;
            let mut block = inputs.block(&rows, inputs, &columns, Kind::Float)?;
            let _ = block.f_mul_scalar_(LEVELS)?.f_sub_scalar_(OFFSET)?.f_round_()?;
            let (tile, after) = rest.split_at_mut(rows.len() * columns.len());
            let block = block.f_to_kind(Kind::Int16)?.f_to_device(Device::Cpu)?.f_contiguous()?;
            block.f_copy_data(tile, tile.len())?;
            rest = after;
        }
        let deviation = 1.0 / (LEVELS * 12f64.sqrt());
        Ok(SixteenBits { values, n, diagonal: ridge + 2.0 * deviation * (n as f64).sqrt() })
    }

    /// What is added to the diagonal of K.
    pub fn diagonal(&self) -> f64 {
        self.diagonal
    }

    /// (K + diagonal·I)·V for V of shape `[n, c]` in f32. On the processor, wherever V is: each value is read once for its row and its
    /// column, and a thread adds up its own tiles, always the same ones.
    ///
    /// # Errors
    /// [`KernelRegressionError::Cancelled`], or whatever libtorch reports.
    pub fn times(&self, v: &Tensor, cancel: &AtomicBool) -> Result<Tensor, KernelRegressionError> {
        let (num_threads, num_columns) = (rayon::current_num_threads(), v.size()[1]);
        // Shape [c, n]: every vector in one piece.
        let vectors = Vec::<f32>::try_from(v.f_to_device(Device::Cpu)?.f_tr()?.f_contiguous()?.f_view([-1])?)?;
        let own_part = |thread: usize| {
            let mut part = vec![0.0; vectors.len()];
            let mut first = 0;
            for (index, (rows, columns)) in lower_tiles(self.n).enumerate() {
                let tile = first..first + rows.len() * columns.len();
                first = tile.end;
                if index % num_threads == thread {
                    check(cancel)?;
                    let tile = &self.values[tile];
                    vectorised(
                        #[inline(always)]
                        || multiply(tile, &rows, &columns, (&vectors, &mut part), self.n),
                    );
                }
            }
            Ok(part)
        };
        let parts: Vec<Vec<f32>> =
            (0..num_threads).into_par_iter().map(own_part).collect::<Result<_, KernelRegressionError>>()?;
        let mut product = v.f_zeros_like()?;
        for part in parts {
            let part = Tensor::f_from_slice(&part)?.f_view([num_columns, self.n as i64])?;
            product += part.f_tr()?.f_to_device(v.device())?;
        }
        // Q·V stands for (Q·V + 2¹⁵·(1ᵀV))/(2¹⁶ − 1).
        let sums = v.f_sum_dim_intlist(0, true, None::<Kind>)?.f_mul_scalar(OFFSET)?;
        let _ = product.f_add_(&sums)?.f_mul_scalar_(1.0 / LEVELS)?;
        Ok(product.f_add_(&v.f_mul_scalar(self.diagonal)?)?)
    }
}

/// Adds `tile`'s part of the product to `product`: its rows' and, off the diagonal, its columns'. Vectors have `n` elements each.
#[inline(always)]
fn multiply(
    tile: &[i16],
    rows: &Range<usize>,
    columns: &Range<usize>,
    (vectors, product): (&[f32], &mut [f32]),
    n: usize,
) {
    let mut values = [[0.0; PIECE]; ROWS];
    for begin in columns.clone().step_by(PIECE) {
        let piece = begin..(begin + PIECE).min(columns.end);
        for first in rows.clone().step_by(ROWS) {
            // The last group may be short: its missing rows are zeros, and add nothing.
            let group = first..(first + ROWS).min(rows.end);
            for (r, values) in values.iter_mut().enumerate() {
                let stored = match group.contains(&(first + r)) {
                    true => {
                        let row = (first + r - rows.start) * columns.len();
                        &tile[row + piece.start - columns.start..row + piece.end - columns.start]
                    }
                    false => &[],
                };
                values.fill(0.0);
                values.iter_mut().zip(stored).for_each(|(value, &stored)| *value = f32::from(stored));
            }
            for (vector, product) in vectors.chunks_exact(n).zip(product.chunks_exact_mut(n)) {
                let sums = dots(&values, &vector[piece.clone()]);
                product[group.clone()].iter_mut().zip(sums).for_each(|(product, sum)| *product += sum);
                if rows != columns {
                    let mut factors = [0.0; ROWS];
                    factors[..group.len()].copy_from_slice(&vector[group.clone()]);
                    add_rows(&values, factors, &mut product[piece.clone()]);
                }
            }
        }
    }
}

/// The products of each row with `vector`.
#[inline(always)]
fn dots([a, b, c, d]: &[[f32; PIECE]; ROWS], vector: &[f32]) -> [f32; ROWS] {
    let (chunks, rest) = vector.as_chunks::<LANES>();
    let (a, b, c, d) =
        (a.as_chunks::<LANES>().0, b.as_chunks::<LANES>().0, c.as_chunks::<LANES>().0, d.as_chunks::<LANES>().0);
    let [mut of_a, mut of_b, mut of_c, mut of_d] = [[0.0; LANES]; ROWS];
    for ((((v, a), b), c), d) in chunks.iter().zip(a).zip(b).zip(c).zip(d) {
        of_a = sum_of_products(of_a, a, v);
        of_b = sum_of_products(of_b, b, v);
        of_c = sum_of_products(of_c, c, v);
        of_d = sum_of_products(of_d, d, v);
    }
    // What is left of a vector, with zeros behind it.
    let mut last = [0.0; LANES];
    last[..rest.len()].copy_from_slice(rest);
    if let (Some(a), Some(b), Some(c), Some(d)) =
        (a.get(chunks.len()), b.get(chunks.len()), c.get(chunks.len()), d.get(chunks.len()))
    {
        of_a = sum_of_products(of_a, a, &last);
        of_b = sum_of_products(of_b, b, &last);
        of_c = sum_of_products(of_c, c, &last);
        of_d = sum_of_products(of_d, d, &last);
    }
    [of_a, of_b, of_c, of_d].map(|lanes| lanes.iter().sum())
}

/// sums + a·b, element by element.
#[inline(always)]
fn sum_of_products(sums: [f32; LANES], a: &[f32; LANES], b: &[f32; LANES]) -> [f32; LANES] {
    std::array::from_fn(|lane| a[lane].mul_add(b[lane], sums[lane]))
}

/// Adds each row times its factor to `product`.
#[inline(always)]
fn add_rows([a, b, c, d]: &[[f32; PIECE]; ROWS], factors: [f32; ROWS], product: &mut [f32]) {
    for ((((p, a), b), c), d) in product.iter_mut().zip(a).zip(b).zip(c).zip(d) {
        *p = d.mul_add(factors[3], c.mul_add(factors[2], b.mul_add(factors[1], a.mul_add(factors[0], *p))));
    }
}

#[cfg(test)]
mod tests {
    use super::super::KernelMatrix;
    use super::super::gaussian::testing::points;
    use super::*;

    #[test]
    fn a_product_is_the_exact_one_up_to_the_norm_of_its_errors() {
        // Two tiles and a short one, whose last rows, columns and lanes are fewer than are worked on at a time.
        let n = 2 * super::super::TILE + 301;
        let cancel = AtomicBool::new(false);
        let inputs = Inputs::new(&points(n, 20, 5), 0.02).unwrap();
        let sixteen = SixteenBits::new(&inputs, 0.0, &cancel).unwrap();
        let v = points(n, 4, 6);
        let exact = KernelMatrix::new(inputs, sixteen.diagonal()).times(&v, &cancel).unwrap();
        let found = sixteen.times(&v.to_kind(Kind::Float), &cancel).unwrap().to_kind(Kind::Double);
        let norm = |tensor: &Tensor| tensor.norm().double_value(&[]);
        // Errors of a random direction add to s√n·‖v‖; f32 adds as much again at worst.
        assert!(norm(&(found - exact)) < sixteen.diagonal() * norm(&v), "{}", sixteen.diagonal());
        assert!((sixteen.diagonal() - 2.0 * 4.405e-6 * (n as f64).sqrt()).abs() < 1e-7);
    }
}
