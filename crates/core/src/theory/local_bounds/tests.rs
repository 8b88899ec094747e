//! Checks the Hessian rank against Jacobians over a finite field, and the bounds against the value for two layers.

use super::super::partial_ranks::PartialRanks;
use super::super::reduced_rank::ReducedRank;
use super::super::test_random::TestRandom;
use super::*;

/// Matrices over the field of 2^31 − 1 elements: ranks are exact.
const PRIME: u64 = (1 << 31) - 1;
type Matrix = Vec<Vec<u64>>;

fn product(left: &Matrix, right: &Matrix) -> Matrix {
    let columns = right[0].len();
    let entry = |row: &[u64], j: usize| row.iter().zip(right).fold(0, |sum, (x, other)| (sum + x * other[j]) % PRIME);
    left.iter().map(|row| (0..columns).map(|j| entry(row, j)).collect()).collect()
}

fn inverse(x: u64) -> u64 {
    let (mut power, mut result, mut exponent) = (x, 1, PRIME - 2);
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = result * power % PRIME;
        }
        power = power * power % PRIME;
        exponent >>= 1;
    }
    result
}

fn rank(matrix: &Matrix) -> usize {
    let mut rows = matrix.clone();
    let mut rank = 0;
    for column in 0..rows[0].len() {
        let Some(pivot) = (rank..rows.len()).find(|&i| rows[i][column] != 0) else {
            continue;
        };
        rows.swap(rank, pivot);
        let scale = inverse(rows[rank][column]);
        let pivot_row: Vec<u64> = rows[rank].iter().map(|x| x * scale % PRIME).collect();
        for row in &mut rows[rank + 1..] {
            let factor = PRIME - row[column];
            for (x, y) in row.iter_mut().zip(&pivot_row) {
                *x = (*x + factor * y) % PRIME;
            }
        }
        rank += 1;
    }
    rank
}

fn identity(size: usize) -> Matrix {
    (0..size).map(|i| (0..size).map(|j| u64::from(i == j)).collect()).collect()
}

/// ∂(W_L ⋯ W_1)/∂w, one row a parameter, one column an entry of the product.
fn jacobian(layers: &[Matrix]) -> Matrix {
    let mut rows = Vec::new();
    for l in 0..layers.len() {
        let start = identity(layers[0][0].len());
        let before = layers[..l].iter().fold(start, |total, layer| product(layer, &total));
        let end = identity(layers[layers.len() - 1].len());
        let after = layers[l + 1..].iter().rev().fold(end, |total, layer| product(&total, layer));
        for i in 0..layers[l].len() {
            for row in &before {
                let entries = after.iter().flat_map(|c| row.iter().map(move |a| c[i] * a % PRIME));
                rows.push(entries.collect());
            }
        }
    }
    rows
}

#[test]
fn the_hessian_rank_equals_the_rank_of_the_jacobian() {
    let mut random = TestRandom::new(4);
    let mut num_deficient = 0;
    for case in 0..400 {
        let widths: Vec<usize> = (0..2 + random.below(4)).map(|_| 1 + random.below(5)).collect();
        // Sparse matrices have low ranks and misaligned spaces; dense ones have full rank.
        let density = [0.2, 0.35, 0.5, 1.0][case % 4];
        let layers: Vec<Matrix> = widths
            .windows(2)
            .map(|pair| {
                let mut entry = || {
                    let is_there = random.uniform() < density;
                    if is_there { 1 + random.below(1000) as u64 } else { 0 }
                };
                (0..pair[1]).map(|_| (0..pair[0]).map(|_| entry()).collect()).collect()
            })
            .collect();
        let last = layers.len();
        let partial = |from: usize, to: usize| {
            let rest = &layers[from + 1..to];
            rank(&rest.iter().fold(layers[from].clone(), |total, layer| product(layer, &total)))
        };
        let from_input: Vec<usize> = (1..=last).map(|l| partial(0, l)).collect();
        let to_output: Vec<usize> = (0..last).map(|l| partial(l, last)).collect();
        let network = DeepLinear::new(&widths, from_input[last - 1]).unwrap();
        let largest = network.largest_local();
        let point = PartialRanks::new(network, &from_input, &to_output).unwrap();
        let hessian_rank = point.hessian_rank();
        assert_eq!(hessian_rank, rank(&jacobian(&layers)).into(), "{point:?}");
        let bounds = LocalBounds::at(&point);
        assert!(bounds.lower <= bounds.upper, "{point:?}");
        num_deficient += usize::from(fraction(hessian_rank, 2) < largest);
    }
    assert!(num_deficient > 100, "only {num_deficient} points were singular");
}

#[test]
fn the_local_value_of_two_layers_lies_within_the_bounds_at_every_point() {
    let mut num_points = 0;
    for widths in every_triple(5) {
        let [input, hidden, output] = widths;
        for rank in 0..=input.min(hidden).min(output) {
            let network = ReducedRank::new(input, hidden, output, rank).unwrap();
            for first in 0..=input.min(hidden) {
                for second in 0..=hidden.min(output) {
                    let deep = DeepLinear::new(&widths, rank).unwrap();
                    let point = PartialRanks::new(deep, &[first, rank], &[rank, second]);
                    let local = network.local(first, second);
                    assert_eq!(local.is_ok(), point.is_ok(), "{network:?} {first} {second}");
                    let (Ok(local), Ok(point)) = (local, point) else {
                        continue;
                    };
                    let bounds = LocalBounds::at(&point);
                    assert!(bounds.lower <= local.lambda, "{point:?}");
                    assert!(local.lambda <= bounds.upper, "{point:?}");
                    num_points += 1;
                }
            }
        }
    }
    assert!(num_points > 1000, "only {num_points} points");
}

fn every_triple(widest: usize) -> impl Iterator<Item = [usize; 3]> {
    let side = move || 1..=widest;
    side().flat_map(move |m| side().flat_map(move |h| side().map(move |n| [m, h, n])))
}

#[test]
fn a_hessian_rank_above_the_number_of_parameters_is_refused() {
    let error = LocalBounds::from_hessian_rank(9, 8).unwrap_err();
    assert!(error.to_string().contains("hessian_rank is 9"));
}
