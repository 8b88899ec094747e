//! Keeps the whole kernel matrix in a quarter of f64's memory: each value in 16 bits, blocks on and below the diagonal only, n² bytes in all.
//!
//! What is stored is what the Nyström part U·Λ·Uᵀ leaves of K: a positive matrix, whose values are in [−1, 1] and most of them small. The value x
//! becomes the whole number q nearest to 32767·∛x and stands for (q/32767)³, so that small values have small errors: of deviation
//! 2.6·10⁻⁵·|x|^⅔, 4·10⁻⁷ where x is 0.002. A symmetric matrix E of independent errors of one deviation has the norm 2‖E‖_F/√n (Wigner's
//! semicircle), and so much is added to the diagonal beside the ridge, lest small eigenvalues turn negative. Where rows are unequal the norm is
//! larger: a direction that turns out negative ends the inner iteration, and the outer one takes more steps. It is not a matrix to solve with, but
//! its solution is a preconditioner for the exact one that needs a handful of iterations.
//!
//! *Tested by*: products against the exact matrix; the norm of the errors.

use std::ops::Range;
use std::sync::atomic::AtomicBool;

use rayon::prelude::*;
use tch::{Device, Kind, Tensor};

use super::kernel_matrix::check;
use super::{Inputs, KernelRegressionError, Nystrom, TILE, lower_tiles};
use crate::vectors::vectorised;

/// What stands for 1.
const LARGEST: f64 = 32_767.0;

/// Vectors that are multiplied at a time: their elements at one sample fill one AVX-512 register of f32.
const LANES: usize = 16;
/// Rows of the kernel that are worked on at a time: each element of a vector and of its product is read and written once for all of them.
const ROWS: usize = 4;

/// The elements of the vectors at one sample.
type Sample = [f32; LANES];

/// What a Nyström part leaves of K, in 16 bits, with something added to its diagonal.
#[derive(Debug)]
pub struct SixteenBits {
    /// All blocks, one after the other, each row by row: thousands of allocations would fragment the heap.
    values: Vec<i16>,
    n: usize,
    diagonal: f64,
}

impl SixteenBits {
    /// What `nystrom` leaves of the kernel of `inputs`, at `ridge` and what the rounding needs.
    ///
    /// # Errors
    /// [`KernelRegressionError::Cancelled`], or whatever libtorch reports.
    pub fn new(
        inputs: &Inputs,
        nystrom: &Nystrom,
        ridge: f64,
        cancel: &AtomicBool,
    ) -> Result<SixteenBits, KernelRegressionError> {
        let n = inputs.len();
        let num_values: usize = lower_tiles(n).map(|(rows, columns)| rows.len() * columns.len()).sum();
        let mut values = vec![0; num_values];
        let mut rest = values.as_mut_slice();
        let mut squared_errors = 0.0;
        for (rows, columns) in lower_tiles(n) {
            check(cancel)?;
            let mut left =
                inputs.block(&rows, inputs, &columns, Kind::Float)?.f_sub(&nystrom.block(&rows, &columns)?)?;
            if rows == columns {
                // Two that are equal but for f32's last digit could become different whole numbers.
                left = left.f_tril(0)?.f_add(&left.f_tril(-1)?.f_tr()?)?;
            }
            let root = left.f_abs()?.f_pow_tensor_scalar(1.0 / 3.0)?.f_clamp_max(1.0)?;
            let stored = root.f_mul(&left.f_sign()?)?.f_mul_scalar_(LARGEST)?.f_round_()?;
            let errors = stored.f_div_scalar(LARGEST)?.f_pow_tensor_scalar(3)?.f_sub_(&left)?;
            let squared = errors.f_square()?.f_sum(Kind::Double)?.f_double_value(&[])?;
            squared_errors += if rows == columns { squared } else { 2.0 * squared };
            let (tile, after) = rest.split_at_mut(rows.len() * columns.len());
            let stored = stored.f_to_kind(Kind::Int16)?.f_to_device(Device::Cpu)?.f_contiguous()?;
            stored.f_copy_data(tile, tile.len())?;
            rest = after;
        }
        Ok(SixteenBits { values, n, diagonal: ridge + 2.0 * (squared_errors / n as f64).sqrt() })
    }

    /// What is added to the diagonal of K.
    pub fn diagonal(&self) -> f64 {
        self.diagonal
    }

    /// (K − U·Λ·Uᵀ + diagonal·I)·V for V of shape `[n, c]` in f32. On the processor, wherever V is.
    ///
    /// # Errors
    /// [`KernelRegressionError::Cancelled`], or whatever libtorch reports.
    pub fn times(&self, v: &Tensor, cancel: &AtomicBool) -> Result<Tensor, KernelRegressionError> {
        let (n, num_columns, lanes) = (self.n as i64, v.size()[1], LANES as i64);
        let mut product = v.f_zeros_like()?;
        for first in (0..num_columns).step_by(LANES) {
            let width = (num_columns - first).min(lanes);
            let padded = v.f_narrow(1, first, width)?.f_constant_pad_nd([0, lanes - width])?;
            let vectors = Vec::<f32>::try_from(padded.f_to_device(Device::Cpu)?.f_contiguous()?.f_view([-1])?)?;
            for part in self.parts_of_product(vectors.as_chunks().0, cancel)? {
                let part = Tensor::f_from_slice(part.as_flattened())?.f_view([n, lanes])?;
                let mut columns = product.f_narrow(1, first, width)?;
                columns += part.f_narrow(1, 0, width)?.f_to_device(v.device())?;
            }
        }
        Ok(product.f_mul_scalar_(LARGEST.powi(-3))?.f_add_(&v.f_mul_scalar(self.diagonal)?)?)
    }

    /// What adds up to Q³·V, Q³ the cubes of the stored numbers, one by one: each is read once for its row and its column, and a thread adds
    /// up its own tiles, always the same ones.
    fn parts_of_product(
        &self,
        vectors: &[Sample],
        cancel: &AtomicBool,
    ) -> Result<Vec<Vec<Sample>>, KernelRegressionError> {
        let num_threads = rayon::current_num_threads();
        let own_part = |thread: usize| {
            let mut part = vec![[0.0; LANES]; self.n];
            let mut first = 0;
            for (index, (rows, columns)) in lower_tiles(self.n).enumerate() {
                let tile = first..first + rows.len() * columns.len();
                first = tile.end;
                if index % num_threads == thread {
                    check(cancel)?;
                    let tile = &self.values[tile];
                    vectorised(
                        #[inline(always)]
                        || multiply(tile, &rows, &columns, vectors, &mut part),
                    );
                }
            }
            Ok(part)
        };
        (0..num_threads).into_par_iter().map(own_part).collect()
    }
}

/// Adds `tile`'s part of the product with `vectors` to `product`: its rows' and, off the diagonal, its columns'.
#[inline(always)]
fn multiply(tile: &[i16], rows: &Range<usize>, columns: &Range<usize>, vectors: &[Sample], product: &mut [Sample]) {
    let mut values = [[0.0; TILE]; ROWS];
    for first in rows.clone().step_by(ROWS) {
        // The last group may be short: its missing rows are zeros, and add nothing.
        let group = first..(first + ROWS).min(rows.end);
        for (row, values) in (first..).zip(&mut values) {
            match group.contains(&row) {
                true => {
                    let stored = &tile[(row - rows.start) * columns.len()..][..columns.len()];
                    values.iter_mut().zip(stored).for_each(|(value, &stored)| *value = cube(f32::from(stored)));
                }
                false => values.fill(0.0),
            }
        }
        let mut of_group = [[0.0; LANES]; ROWS];
        of_group[..group.len()].copy_from_slice(&vectors[group.clone()]);
        let (vectors, of_columns) = (&vectors[columns.clone()], &mut product[columns.clone()]);
        let sums = match rows == columns {
            true => of_rows(&values, vectors),
            false => of_rows_and_columns(&values, vectors, &of_group, of_columns),
        };
        for (product, sums) in product[group].iter_mut().zip(sums) {
            *product = std::array::from_fn(|lane| product[lane] + sums[lane]);
        }
    }
}

#[inline(always)]
fn cube(x: f32) -> f32 {
    x * x * x
}

/// The products of each row of `values` with `vectors`.
#[inline(always)]
fn of_rows([a, b, c, d]: &[[f32; TILE]; ROWS], vectors: &[Sample]) -> [Sample; ROWS] {
    let [mut of_a, mut of_b, mut of_c, mut of_d] = [[0.0; LANES]; ROWS];
    for ((((v, &a), &b), &c), &d) in vectors.iter().zip(a).zip(b).zip(c).zip(d) {
        of_a = add_product(of_a, a, v);
        of_b = add_product(of_b, b, v);
        of_c = add_product(of_c, c, v);
        of_d = add_product(of_d, d, v);
    }
    [of_a, of_b, of_c, of_d]
}

/// The same, and adds the products of each column with the rows' own elements, `of_group`, to `of_columns`.
#[inline(always)]
fn of_rows_and_columns(
    [a, b, c, d]: &[[f32; TILE]; ROWS],
    vectors: &[Sample],
    of_group: &[Sample; ROWS],
    of_columns: &mut [Sample],
) -> [Sample; ROWS] {
    let [mut of_a, mut of_b, mut of_c, mut of_d] = [[0.0; LANES]; ROWS];
    let [own_a, own_b, own_c, own_d] = of_group;
    for (((((v, p), &a), &b), &c), &d) in vectors.iter().zip(of_columns).zip(a).zip(b).zip(c).zip(d) {
        of_a = add_product(of_a, a, v);
        of_b = add_product(of_b, b, v);
        of_c = add_product(of_c, c, v);
        of_d = add_product(of_d, d, v);
        *p = add_product(add_product(add_product(add_product(*p, a, own_a), b, own_b), c, own_c), d, own_d);
    }
    [of_a, of_b, of_c, of_d]
}

/// sums + factor·v, element by element. Arrays go by value, which is what keeps them in registers.
#[inline(always)]
fn add_product(sums: Sample, factor: f32, v: &Sample) -> Sample {
    std::array::from_fn(|lane| factor.mul_add(v[lane], sums[lane]))
}

#[cfg(test)]
mod tests {
    use super::super::KernelMatrix;
    use super::super::gaussian::testing::points;
    use super::*;
    use crate::rng::{Key, Role};

    #[test]
    fn a_product_is_the_exact_one_up_to_the_norm_of_its_errors() {
        // Two tiles and a short one, whose last rows and vectors are fewer than are worked on at a time.
        let n = 2 * TILE + 301;
        let cancel = AtomicBool::new(false);
        let inputs = Inputs::new(&points(n, 20, 5), 0.02).unwrap();
        let nystrom = Nystrom::new(&inputs, 100, Key::new(1).role(Role::Probe), &cancel).unwrap();
        let sixteen = SixteenBits::new(&inputs, &nystrom, 0.0, &cancel).unwrap();
        let added = sixteen.diagonal();
        let v = Tensor::eye(n as i64, (Kind::Float, Device::Cpu));
        let found = (sixteen.times(&v, &cancel).unwrap() + nystrom.times(&v).unwrap()).to_kind(Kind::Double);
        let exact = KernelMatrix::new(inputs, added).times(&v.to_kind(Kind::Double), &cancel).unwrap();
        let errors = found - exact;
        assert!((&errors - errors.tr()).abs().max().double_value(&[]) < 1e-6, "it is symmetric");
        let norm = errors.linalg_eigvalsh("L").abs().max().double_value(&[]);
        assert!(norm < 1.1 * added && norm > 0.5 * added, "{norm}, and {added} is added");
        // As whole numbers from 0 to 65535 the values of K would have errors of norm 2·4.4e-6·√n.
        assert!(added < 0.25 * 8.8e-6 * (n as f64).sqrt(), "{added}");
    }
}
