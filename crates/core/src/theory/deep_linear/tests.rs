//! Checks Aoyagi's formula against worked values, a search over subsets, and the orbits of the type A quiver.
//!
//! That λ is half the codimension of the fibre: Lehalleur and Rimányi (2024), <https://arxiv.org/abs/2411.19920>.

use super::super::test_random::TestRandom;
use super::*;

fn known(widths: &[usize], rank: usize) -> (String, u64) {
    let known = DeepLinear::new(widths, rank).unwrap().learning_coefficient();
    (known.to_string(), known.multiplicity)
}

#[test]
fn worked_values_come_out_exactly() {
    let readme = [185, 259, 286, 885, 235, 204, 274, 252];
    let cases: &[(&[usize], usize, &str, u64)] = &[
        (&[2, 2, 2], 0, "3/2", 1),
        (&[2, 2, 2], 1, "2", 2),
        (&[2, 2, 2, 2], 0, "3/2", 3),
        (&[3, 3, 3], 0, "7/2", 2),
        (&[5, 3, 5], 0, "13/2", 2),
        (&[4, 4, 4, 4], 0, "11/2", 3),
        (&[4, 4, 4, 4], 2, "15/2", 3),
        (&[10, 10, 10, 10], 0, "67/2", 3),
        (&[10, 10, 10, 10], 5, "46", 3),
        (&[20, 10, 20], 10, "150", 1),
        (&[8, 4, 8], 2, "39/2", 1),
        (&[6, 3, 6], 1, "10", 1),
        (&[64, 64, 64], 0, "1536", 1),
        (&[100; 3], 0, "3750", 1),
        (&[100; 11], 0, "2750", 1),
        (&[100; 51], 0, "2550", 1),
        (&[100; 119], 0, "2525", 1801),
        (&[10, 20, 20, 10], 10, "50", 1),
        (&[455, 395, 125, 350, 277, 261, 297], 28, "41093/2", 3),
        (&readme, 50, "18464", 4),
        (&readme, 40, "35733/2", 4),
    ];
    for &(widths, rank, lambda, multiplicity) in cases {
        let expected = (lambda.to_owned(), multiplicity);
        assert_eq!(known(widths, rank), expected, "{widths:?} rank {rank}");
    }
    for rank in 1..=5 {
        assert_eq!(known(&[5, 10, 10, 10, 10, 5], rank), ("25/2".into(), 1));
    }
}

/// Aoyagi's formula over every subset that meets her three conditions: no sorting, no prefix.
fn by_subsets(widths: &[usize], rank: usize) -> Vec<(Rational, u64)> {
    let delta: Vec<i64> = widths.iter().map(|&h| (h - rank) as i64).collect();
    let mut found = Vec::new();
    for subset in 0u32..1 << delta.len() {
        if subset.count_ones() < 2 {
            continue;
        }
        let (inside, outside): (Vec<usize>, Vec<usize>) = (0..delta.len()).partition(|i| subset >> i & 1 == 1);
        let inside: Vec<i64> = inside.iter().map(|&i| delta[i]).collect();
        let smallest_outside = outside.iter().map(|&i| delta[i]).min().unwrap_or(i64::MAX / 100);
        let largest = *inside.iter().max().unwrap();
        let (l, s) = (inside.len() as i64 - 1, inside.iter().sum::<i64>());
        if largest >= smallest_outside || s < l * largest || s >= l * smallest_outside {
            continue;
        }
        let m = (0..).find(|m| m * l >= s).unwrap();
        let a = s - (m - 1) * l;
        let mut pairs = 0;
        for i in 0..inside.len() {
            for j in 0..i {
                pairs += inside[i] * inside[j];
            }
        }
        let r = rank as i64;
        let ends = (widths[0] + widths[widths.len() - 1]) as i64;
        let lambda = fraction(-r * r + r * ends, 2) + fraction(a * (l - a), 4 * l)
            - fraction(l * (l - 1), 4) * fraction(s, l) * fraction(s, l)
            + fraction(pairs, 2);
        found.push((lambda, (a * (l - a) + 1) as u64));
    }
    found
}

#[test]
fn the_sorted_prefix_equals_the_one_subset_that_meets_the_conditions() {
    let mut random = TestRandom::new(1);
    for _ in 0..2_000 {
        let widths: Vec<usize> = (0..2 + random.below(7)).map(|_| 1 + random.below(30)).collect();
        let rank = random.below(1 + widths.iter().min().unwrap());
        let known = DeepLinear::new(&widths, rank).unwrap().learning_coefficient();
        let expected = vec![(known.lambda, known.multiplicity)];
        assert_eq!(by_subsets(&widths, rank), expected, "{widths:?} rank {rank}");
    }
}

/// Codimensions of the orbits of representations of the quiver 0 → 1 → … → L with dimensions `left`, given how many
/// times each interval occurs so far. An orbit is a choice of interval multiplicities; its codimension is dim
/// Ext(V, V) = dim Hom(V, V) − Σ H_i² + Σ H_i·H_{i+1}, and Hom([i,j], [k,l]) is a line if k ≤ i ≤ l ≤ j, else 0.
fn least_codimension(
    intervals: &[(usize, usize)],
    left: &mut Vec<usize>,
    used: &mut Vec<((usize, usize), i64)>,
    euler_form: i64,
) -> Option<i64> {
    let Some((&(i, j), rest)) = intervals.split_first() else {
        if left.iter().any(|&dimension| dimension > 0) {
            return None;
        }
        let mut hom = 0;
        for &((i, j), count) in used.iter() {
            for &((k, l), other) in used.iter() {
                if k <= i && i <= l && l <= j {
                    hom += count * other;
                }
            }
        }
        return Some(hom - euler_form);
    };
    let most = *left[i..=j].iter().min().unwrap();
    let mut best: Option<i64> = None;
    for count in 0..=most {
        left[i..=j].iter_mut().for_each(|dimension| *dimension -= count);
        used.push(((i, j), count as i64));
        let codimension = least_codimension(rest, left, used, euler_form);
        best = best.into_iter().chain(codimension).min();
        used.pop();
        left[i..=j].iter_mut().for_each(|dimension| *dimension += count);
    }
    best
}

/// Half the codimension of {w : W_L ⋯ W_1 = P}, rank P = r: the orbits in it have the whole interval exactly r times.
fn half_codimension_of_fibre(widths: &[usize], rank: usize) -> Rational {
    let last = widths.len() - 1;
    let intervals: Vec<(usize, usize)> =
        (0..=last).flat_map(|i| (i..=last).map(move |j| (i, j))).filter(|&interval| interval != (0, last)).collect();
    let mut left: Vec<usize> = widths.iter().map(|&h| h - rank).collect();
    let squares: usize = widths.iter().map(|h| h * h).sum();
    let products: usize = widths.windows(2).map(|pair| pair[0] * pair[1]).sum();
    let mut used = vec![((0, last), rank as i64)];
    let euler_form = squares as i64 - products as i64;
    let codimension = least_codimension(&intervals, &mut left, &mut used, euler_form).unwrap();
    let maps_of_rank = rank * (widths[0] + widths[last] - rank);
    fraction(codimension + maps_of_rank as i64, 2)
}

#[test]
fn lambda_is_half_the_codimension_of_the_fibre_found_from_quiver_orbits() {
    let mut num_cases = 0;
    for (num_widths, widest) in [(2, 6), (3, 5), (4, 3), (5, 2)] {
        let mut widths = vec![1; num_widths];
        loop {
            for rank in 0..=*widths.iter().min().unwrap() {
                let expected = half_codimension_of_fibre(&widths, rank);
                let known = DeepLinear::new(&widths, rank).unwrap().learning_coefficient();
                assert_eq!(known.lambda, expected, "{widths:?} rank {rank}");
                num_cases += 1;
            }
            // Counts up through all widths from 1 to `widest`.
            let Some(place) = widths.iter().position(|&h| h < widest) else {
                break;
            };
            widths[..place].fill(1);
            widths[place] += 1;
        }
    }
    assert_eq!(num_cases, 721);
}

#[test]
fn hidden_widths_may_be_permuted_and_all_of_them_if_the_rank_is_zero() {
    let mut random = TestRandom::new(2);
    for _ in 0..500 {
        let mut widths: Vec<usize> = (0..3 + random.below(5)).map(|_| 1 + random.below(40)).collect();
        let last = widths.len() - 1;
        let rank = random.below(1 + widths.iter().min().unwrap());
        let (before, before_zero) = (known(&widths, rank), known(&widths, 0));
        random.shuffle(&mut widths[1..last]);
        assert_eq!(known(&widths, rank), before, "{widths:?} rank {rank}");
        random.shuffle(&mut widths);
        assert_eq!(known(&widths, 0), before_zero, "{widths:?} rank 0");
    }
}

#[test]
fn lambda_lies_between_the_regular_part_and_every_upper_bound() {
    let mut random = TestRandom::new(3);
    for _ in 0..2_000 {
        let widths: Vec<usize> = (0..2 + random.below(9)).map(|_| 1 + random.below(60)).collect();
        let smallest = *widths.iter().min().unwrap();
        let network = DeepLinear::new(&widths, random.below(1 + smallest)).unwrap();
        let lambda = network.learning_coefficient().lambda;
        assert!(network.regular_part() <= lambda, "{network:?}");
        assert!(lambda <= network.largest_local(), "{network:?}");
        assert!(network.largest_local() <= fraction(network.num_parameters(), 2), "{network:?}");
        let full = DeepLinear::new(&widths, smallest).unwrap();
        assert_eq!(full.learning_coefficient().lambda, full.largest_local(), "{full:?}");
    }
}

#[test]
fn a_single_layer_is_regular_at_every_rank() {
    for rank in 0..=4 {
        assert_eq!(known(&[4, 7], rank), ("14".into(), 1));
    }
}

#[test]
fn widths_near_the_largest_integer_neither_overflow_nor_round() {
    let wide = 1usize << 60;
    // A bottleneck of one between huge layers, rank 0: the loss is ‖u‖²‖v‖², so λ = 2^60/2 with multiplicity 2.
    assert_eq!(known(&[wide, 1, wide], 0), ((wide / 2).to_string(), 1 + 1));
    let too_wide = DeepLinear::new(&[usize::MAX, 3], 0);
    assert_eq!(too_wide, Err(DeepLinearError::TooLarge));
}

#[test]
fn each_bad_input_has_its_own_error_that_names_the_value() {
    let cases: [(&[usize], usize, &str); 4] = [
        (&[], 0, "has 0 width(s)"),
        (&[7], 0, "has 1 width(s)"),
        (&[3, 0, 2], 0, "width 1 of [3, 0, 2] is 0"),
        (&[3, 2, 4], 3, "rank 3 is above 2"),
    ];
    for (widths, rank, part) in cases {
        let message = DeepLinear::new(widths, rank).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    }
}
