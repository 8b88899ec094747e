//! Runs passes over slices: in pieces, on all threads of the pool, with the widest vector instructions that the processor has.
//!
//! Sums are formed in f64 and in an order that depends on the length alone, so that no number of threads and no vector width changes
//! a bit.
//!
//! *Tested by*: equality of the bits on every vector width and number of threads (`vectors`), and sums against plain ones below.

use crate::params::{Element, Params};
use crate::vectors::vectorised;

/// Elements per piece of work: 128 KB of f32, a small part of a core's cache.
const PIECE: usize = 1 << 15;

/// Up to this many elements, one thread does the pass.
pub(crate) const ALONE: usize = 64 * PIECE;

/// Running sums side by side, so that additions don't wait for each other: one AVX-512 register of f32, two of f64.
pub const SUM_LANES: usize = 16;

/// The sums over i of each entry of `term([aᵢ, bᵢ, …])`, in f64 and in an order that depends on the length alone.
pub fn sums<T: Element, const N: usize, const M: usize>(
    inputs: [&[T]; N],
    term: impl Fn([T; N]) -> [f64; M] + Sync,
) -> [f64; M] {
    use rayon::prelude::*;
    let len = inputs[0].len();
    let piece = |index: usize| {
        let range = index * PIECE..len.min((index + 1) * PIECE);
        let mut lanes = [[0.0; SUM_LANES]; M];
        vectorised(
            #[inline(always)]
            || add_up(inputs.map(|input| &input[range.clone()]), &mut lanes.each_mut(), &term),
        );
        lanes.map(|lanes| lanes.iter().sum::<f64>())
    };
    let add = |mut total: [f64; M], part: [f64; M]| {
        total.iter_mut().zip(part).for_each(|(total, part)| *total += part);
        total
    };
    let num_pieces = len.div_ceil(PIECE);
    if is_alone(len) {
        (0..num_pieces).map(piece).fold([0.0; M], add)
    } else {
        let parts: Vec<_> = (0..num_pieces).into_par_iter().map(piece).collect();
        parts.into_iter().fold([0.0; M], add)
    }
}

/// Adds `term([aᵢ, bᵢ, …])` to the running sums, entry m of it to one of `lanes[m]`.
#[inline(always)]
fn add_up<T: Element, const N: usize, const M: usize>(
    inputs: [&[T]; N],
    lanes: &mut [&mut [f64; SUM_LANES]; M],
    term: impl Fn([T; N]) -> [f64; M],
) {
    let chunks = inputs.map(|input| input.as_chunks::<SUM_LANES>());
    for c in 0..chunks[0].0.len() {
        let group: [&[T; SUM_LANES]; N] = std::array::from_fn(|n| &chunks[n].0[c]);
        for lane in 0..SUM_LANES {
            let terms = term(group.map(|values| values[lane]));
            for m in 0..M {
                lanes[m][lane] += terms[m];
            }
        }
    }
    // What is left is shorter than a group: it goes to the lanes in order.
    let rest = chunks.map(|(_, rest)| rest);
    for lane in 0..rest[0].len() {
        let terms = term(rest.map(|values| values[lane]));
        lanes.iter_mut().zip(terms).for_each(|(lanes, term)| lanes[lane] += term);
    }
}

/// Copies `from` to `to`; `None` unless both are of type `T` and in the host's memory.
pub(crate) fn copied<T: Element>(to: &mut Params, from: &Params) -> Option<()> {
    let (to, from) = (to.as_mut_slice::<T>()?, from.as_slice::<T>()?);
    sum_of_pieces(to, |first, piece| {
        piece.copy_from_slice(&from[first..first + piece.len()]);
        0.0
    });
    Some(())
}

/// yᵢ ← f(yᵢ).
pub fn replace<T: Element>(y: &mut [T], f: impl Fn(T) -> T + Sync) {
    sum_of_pieces(y, |_, y| {
        vectorised(
            #[inline(always)]
            || y.iter_mut().for_each(|y| *y = f(*y)),
        );
        0.0
    });
}

/// yᵢ ← yᵢ + f([aᵢ, bᵢ, …]).
pub fn add_to<T: Element, const N: usize>(y: &mut [T], inputs: [&[T]; N], f: impl Fn([T; N]) -> T + Sync) {
    sum_of_pieces(y, |first, y| {
        let inputs = inputs.map(|input| &input[first..first + y.len()]);
        vectorised(
            #[inline(always)]
            || {
                for i in 0..y.len() {
                    y[i] += f(std::array::from_fn(|n| inputs[n][i]));
                }
            },
        );
        0.0
    });
}

/// Runs `work(first, piece)` over the pieces of `data`, in parallel where there are several and the pool has threads; gives back the
/// sum of what it gave, in the order of the pieces.
pub fn sum_of_pieces<T: Element>(data: &mut [T], work: impl Fn(usize, &mut [T]) -> f64 + Sync) -> f64 {
    use rayon::prelude::*;
    let piece = |(index, piece)| work(index * PIECE, piece);
    if is_alone(data.len()) {
        data.chunks_mut(PIECE).enumerate().map(piece).sum()
    } else {
        let parts: Vec<f64> = data.par_chunks_mut(PIECE).enumerate().map(piece).collect();
        parts.into_iter().sum()
    }
}

/// Whether this number of elements is too small to divide among threads, or there is only one thread.
///
/// Behind a pass of libtorch the threads of OpenMP spin for a while, on every core: a second thread then waits for its core longer than it saves
/// below some million elements (d = 987,210 on two cores: 3.8 ms alone, 4.7 ms by two).
fn is_alone(len: usize) -> bool {
    len <= ALONE || rayon::current_num_threads() == 1
}

/// (s, yᵢ) ← f(hᵢ, yᵢ); gives back Σ s.
pub fn sum_and_replace<T: Element>(h: &[T], y: &mut [T], f: impl Fn(T, T) -> (f64, T) + Sync) -> f64 {
    sum_of_pieces(y, |first, y| {
        let mut sum = [0.0; SUM_LANES];
        vectorised(
            #[inline(always)]
            || {
                let h = &h[first..first + y.len()];
                add_up([h, y], &mut [&mut sum], |[h, y]| [f(h, y).0]);
                for (y, h) in y.iter_mut().zip(h) {
                    *y = f(*h, *y).1;
                }
            },
        );
        sum.iter().sum()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Key, fill_normal};

    #[test]
    fn sums_over_several_pieces_and_a_rest_are_those_of_a_plain_loop_on_any_number_of_threads() {
        // Enough for several threads; the last piece is not a multiple of the lanes.
        let len = ALONE + PIECE + 77;
        let (mut a, mut b) = (vec![0f64; len], vec![0f32; len]);
        fill_normal(Key::new(1), 0, &mut a);
        fill_normal(Key::new(2), 0, &mut b);
        let both = || (sums([&a[..], &a], |[x, y]| [x * y, x]), sums([&b[..]], |[x]| [f64::from(x).powi(3)]));
        let ([square, sum], [cube]) = both();
        let close = |x: f64, y: f64| assert!((x - y).abs() < 1e-9 * (1.0 + y.abs()), "{x} against {y}");
        close(square, a.iter().map(|x| x * x).sum());
        close(sum, a.iter().sum());
        close(cube, b.iter().map(|x| f64::from(*x).powi(3)).sum());
        for threads in [1, 2, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            assert_eq!(pool.install(both), ([square, sum], [cube]), "{threads} threads");
        }
    }

    #[test]
    fn a_pass_that_sums_and_replaces_sees_each_pair_once() {
        let len = ALONE + 5;
        let h: Vec<f64> = (0..len).map(|i| i as f64).collect();
        let mut y = vec![2.0; len];
        let sum = sum_and_replace(&h, &mut y, |h, y| (h * y, h - y));
        assert_eq!(sum, (len * (len - 1)) as f64);
        assert!(y.iter().zip(&h).all(|(y, h)| *y == h - 2.0));
    }
}
