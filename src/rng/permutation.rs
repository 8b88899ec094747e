//! Shuffles n indices without storing them: a keyed bijection of `0..n`, evaluated one index at a time.
//!
//! A balanced Feistel network permutes the smallest power of four that holds n; values outside `0..n` are permuted
//! again until they fall inside (cycle walking), at most four times on average.
//!
//! *Reference*: Black and Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002
//! (<https://doi.org/10.1007/3-540-45760-7_9>), section 4 (cycle walking) and 5 (Feistel).

use super::Key;

/// Eight rounds: twice what makes a Feistel network pseudo-random (Luby and Rackoff 1988), since the rounds are cheap mixers.
const ROUNDS: usize = 8;

/// Permutes `0..n` as its key says.
///
/// ```
/// use llc::rng::{Key, Permutation};
/// let shuffle = Permutation::new(Key::new(1), 10);
/// let mut seen: Vec<u64> = (0..10).map(|i| shuffle.at(i)).collect();
/// seen.sort();
/// assert_eq!(seen, (0..10).collect::<Vec<u64>>());
/// ```
#[derive(Debug, Clone)]
pub struct Permutation {
    round_keys: [u64; ROUNDS],
    half_bits: u32,
    n: u64,
}

impl Permutation {
    /// The permutation of `0..n` that belongs to `key`; `n` at most 2⁶².
    pub fn new(key: Key, n: u64) -> Permutation {
        let bits = 64 - n.saturating_sub(1).leading_zeros();
        Permutation {
            round_keys: std::array::from_fn(|round| key.word(round as u64)),
            half_bits: bits.div_ceil(2).max(1),
            n,
        }
    }

    /// Where `index` goes.
    pub fn at(&self, index: u64) -> u64 {
        debug_assert!(index < self.n);
        let mut value = index;
        loop {
            value = self.encipher(value);
            if value < self.n {
                return value;
            }
        }
    }

    fn encipher(&self, value: u64) -> u64 {
        let mask = (1u64 << self.half_bits) - 1;
        let (mut left, mut right) = (value >> self.half_bits, value & mask);
        for key in self.round_keys {
            (left, right) = (right, left ^ (mix(right ^ key) & mask));
        }
        left << self.half_bits | right
    }
}

/// Mixes 64 bits so that each input bit flips each output bit about half of the time (the finaliser of splitmix64,
/// Steele, Lea, Flood 2014).
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_index_is_hit_exactly_once() {
        for n in [1, 2, 3, 5, 16, 17, 1000, 4097] {
            let permutation = Permutation::new(Key::new(n), n);
            let mut seen = vec![false; n as usize];
            for i in 0..n {
                let j = permutation.at(i) as usize;
                assert!(!std::mem::replace(&mut seen[j], true), "{j} twice for n = {n}");
            }
        }
    }

    #[test]
    fn each_index_lands_uniformly_over_keys() {
        let n = 10;
        let trials = 20_000;
        let mut counts = vec![0f64; (n * n) as usize];
        for trial in 0..trials {
            let permutation = Permutation::new(Key::new(3).part(trial), n);
            for i in 0..n {
                counts[(i * n + permutation.at(i)) as usize] += 1.0;
            }
        }
        let expected = trials as f64 / n as f64;
        let chi2: f64 = counts.iter().map(|c| (c - expected).powi(2) / expected).sum();
        // 81 degrees of freedom: mean 81, standard deviation 12.7; six of them.
        assert!(chi2 < 81.0 + 6.0 * 12.8, "chi-squared {chi2}");
    }
}
