//! Shuffles n indices without storing them: a keyed bijection of `0..n`, evaluated one index at a time.
//!
//! A Feistel network permutes the smallest power of two that holds n; values outside `0..n` are permuted again until they fall
//! inside (cycle walking), at most twice on average.
//!
//! *Reference*: Black and Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002
//! (<https://doi.org/10.1007/3-540-45760-7_9>), section 4 (cycle walking) and 5 (Feistel).
//!
//! *Tested by*: bijectivity, uniformity over keys and independence of neighbours, below.

use super::{Key, LANES};
use crate::vectors::vectorised;

/// Eight rounds: twice what makes a Feistel network pseudo-random (Luby and Rackoff 1988), since the rounds are cheap mixers.
const ROUNDS: usize = 8;

/// Permutes `0..n` as its key says.
///
/// ```
/// use llc_core::rng::{Key, Permutation};
/// let shuffle = Permutation::new(Key::new(1), 10);
/// let mut all = [0; 10];
/// shuffle.fill(0, &mut all);
/// all.sort();
/// assert_eq!(all, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
/// ```
#[derive(Debug, Clone)]
pub struct Permutation {
    round_keys: [u32; ROUNDS],
    low_bits: u32,
    high_bits: u32,
    n: u64,
}

impl Permutation {
    /// The permutation of `0..n` that belongs to `key`; `n` at most 2⁶².
    pub fn new(key: Key, n: u64) -> Permutation {
        let bits = (64 - n.saturating_sub(1).leading_zeros()).max(2);
        Permutation {
            round_keys: std::array::from_fn(|round| key.word(round as u64) as u32),
            low_bits: bits / 2,
            high_bits: bits.div_ceil(2),
            n,
        }
    }

    /// Where the indices `first`, `first + 1`, … go; all must be below n.
    pub fn fill(&self, first: u64, out: &mut [u64]) {
        debug_assert!(first + out.len() as u64 <= self.n);
        vectorised(
            #[inline(always)]
            || {
                for (group, out) in out.chunks_mut(LANES).enumerate() {
                    let start = first + (group * LANES) as u64;
                    let mut values: [u64; LANES] = std::array::from_fn(|lane| start + lane as u64);
                    self.encipher(&mut values, 0);
                    while values[..out.len()].iter().any(|value| *value >= self.n) {
                        self.encipher(&mut values, self.n);
                    }
                    out.copy_from_slice(&values[..out.len()]);
                }
            },
        );
    }

    /// Enciphers the values that are not below `done`.
    #[inline(always)]
    fn encipher(&self, values: &mut [u64; LANES], done: u64) {
        let low_mask = ((1u64 << self.low_bits) - 1) as u32;
        let high_mask = ((1u64 << self.high_bits) - 1) as u32;
        for value in values {
            let mut low = *value as u32 & low_mask;
            let mut high = (*value >> self.low_bits) as u32 & high_mask;
            for keys in self.round_keys.as_chunks::<2>().0 {
                high ^= mix(low ^ keys[0]) & high_mask;
                low ^= mix(high ^ keys[1]) & low_mask;
            }
            let enciphered = (high as u64) << self.low_bits | low as u64;
            *value = if *value < done { *value } else { enciphered };
        }
    }
}

/// Mixes 32 bits so that each input bit flips each output bit about half of the time (the finaliser of MurmurHash3, Appleby 2011).
#[inline(always)]
fn mix(mut x: u32) -> u32 {
    x = (x ^ (x >> 16)).wrapping_mul(0x85EB_CA6B);
    x = (x ^ (x >> 13)).wrapping_mul(0xC2B2_AE35);
    x ^ (x >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_index_is_hit_exactly_once() {
        for n in [1, 2, 3, 5, 16, 17, 1000, 4097] {
            let permutation = Permutation::new(Key::new(n), n);
            let mut seen = vec![false; n as usize];
            let mut all = vec![0; n as usize];
            permutation.fill(0, &mut all);
            for &j in &all {
                assert!(!std::mem::replace(&mut seen[j as usize], true), "{j} twice for n = {n}");
            }
            // A part doesn't depend on where a fill starts.
            let mut tail = vec![0; n as usize / 2];
            permutation.fill(n - n / 2, &mut tail);
            assert_eq!(tail, all[(n - n / 2) as usize..]);
        }
    }

    #[test]
    fn each_index_lands_uniformly_over_keys() {
        let n = 10;
        let trials = 20_000;
        let mut counts = vec![0f64; (n * n) as usize];
        for trial in 0..trials {
            let mut at = vec![0; n as usize];
            Permutation::new(Key::new(3).part(trial), n).fill(0, &mut at);
            for (i, j) in at.into_iter().enumerate() {
                counts[i * n as usize + j as usize] += 1.0;
            }
        }
        let expected = trials as f64 / n as f64;
        let chi2: f64 = counts.iter().map(|c| (c - expected).powi(2) / expected).sum();
        // 81 degrees of freedom: mean 81, standard deviation 12.7; six of them.
        assert!(chi2 < 81.0 + 6.0 * 12.8, "chi-squared {chi2}");
    }

    #[test]
    fn neighbours_land_independently_of_each_other() {
        // 32 × 32 cells of (where i goes, where i + 1 goes), over keys and places of a set as large as a published one.
        let (n, cells) = (100_000u64, 32u64);
        let mut counts = vec![0f64; (cells * cells) as usize];
        let mut at = vec![0; 2000];
        for trial in 0..50 {
            Permutation::new(Key::new(4).part(trial), n).fill(1000 * trial, &mut at);
            for pair in at.as_chunks::<2>().0 {
                counts[(pair[0] * cells / n * cells + pair[1] * cells / n) as usize] += 1.0;
            }
        }
        let expected = 50_000.0 / (cells * cells) as f64;
        let chi2: f64 = counts.iter().map(|c| (c - expected).powi(2) / expected).sum();
        // 1023 degrees of freedom: deviation √2046; six of them.
        assert!((chi2 - 1023.0).abs() < 6.0 * 2046f64.sqrt(), "chi-squared {chi2}");
    }
}
