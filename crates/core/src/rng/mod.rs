//! Makes every random number a pure function of (seed, role, chain, step, index).
//!
//! There is no generator state ([`Mt19937`] is for published data that other libraries drew): a [`Key`] names a stream, and the number at an index of that stream is computed from the
//! two when it is needed. So chain 3 of 4 equals chain 3 of 8, a resumed run needs no stored generator, and data and noise
//! depend neither on the number of threads nor on the vector width of the processor.
//!
//! *Reference*: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011
//! (<https://doi.org/10.1145/2063384.2063405>), Philox4x32-10.
//!
//! *Tested by*: published vectors of Philox (`philox`), moments, tails and Kolmogorov–Smirnov distance of the normals,
//! independence between keys (`normal`), bijectivity (`permutation`), equality of the bits on every
//! vector width (`vectors`).

mod mt19937;
mod normal;
mod permutation;
mod philox;

pub use mt19937::Mt19937;
pub(crate) use normal::for_each_group;
pub use normal::{Real, fill_normal};
pub use permutation::Permutation;
pub(crate) use philox::blocks_at;
pub(crate) use philox::{LANES, blocks};

/// What a stream of random numbers is for, so that no two uses share numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum Role {
    /// Inputs of a synthetic dataset.
    Data = 1,
    /// The true parameter w*.
    Truth = 2,
    /// Order of the samples in minibatches.
    Minibatch = 3,
    /// What a sampler's step draws: Langevin noise, momenta, Gibbs draws, acceptance, trajectory lengths.
    Noise = 4,
    /// Step-size search before a chain.
    Tuning = 7,
    /// Directions of power iteration and other probes at w*.
    Probe = 8,
    /// A run's repetition at a smaller γ.
    Localisation = 9,
    /// A run's repetition at half the step size.
    Extrapolation = 10,
    /// The random start of a training.
    Init = 20,
    /// Order of the samples in a training's minibatches.
    Training = 21,
    /// The run's repetition at the trained point.
    Trained = 22,
    /// Probes of the Hessian's trace.
    Hessian = 23,
    /// Noise on the weights of a network in training.
    WeightNoise = 40,
    /// Places on a curve between minima, and what is done there.
    Path = 41,
}

/// Names one stream of random numbers.
///
/// ```
/// use llc_core::rng::{Key, Role};
/// let noise = Key::new(1).role(Role::Noise).chain(3);
/// assert_eq!(noise.step(7).uniform(0), Key::new(1).role(Role::Noise).chain(3).step(7).uniform(0));
/// assert_ne!(noise.step(7).uniform(0), noise.step(8).uniform(0));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    words: [u32; 2],
}

impl Key {
    /// The root stream of `seed`.
    pub fn new(seed: u64) -> Key {
        Key { words: [0, 0] }.fold(0, seed)
    }

    /// The stream for `role`.
    pub fn role(self, role: Role) -> Key {
        self.fold(1, role as u64)
    }

    /// The stream of chain `chain`.
    pub fn chain(self, chain: usize) -> Key {
        self.fold(2, chain as u64)
    }

    /// The stream of step `step`.
    pub fn step(self, step: u64) -> Key {
        self.fold(3, step)
    }

    /// The stream of the `part`-th of several things that one step draws (a layer, an epoch, a probe).
    pub fn part(self, part: u64) -> Key {
        self.fold(4, part)
    }

    /// The `index`-th uniform number in (0, 1), of 52 bits.
    pub fn uniform(self, index: u64) -> f64 {
        normal::unit_interval(self.word(index))
    }

    /// The `index`-th integer uniform on `0..bound`; biased by less than bound/2⁶⁴.
    pub fn below(self, index: u64, bound: u64) -> u64 {
        ((self.word(index) as u128 * bound as u128) >> 64) as u64
    }

    /// The `index`-th word of 64 random bits.
    pub fn word(self, index: u64) -> u64 {
        let [a, b, ..] = philox::block(self.words, [index as u32, (index >> 32) as u32, 0, WORD]);
        a as u64 | (b as u64) << 32
    }

    /// A stream distinct for each (level, value): one Philox block, so that chained folds stay collision-free in practice.
    fn fold(self, level: u32, value: u64) -> Key {
        let [a, b, ..] = philox::block(self.words, [value as u32, (value >> 32) as u32, level, FOLD]);
        Key { words: [a, b] }
    }

    pub(crate) fn words(self) -> [u32; 2] {
        self.words
    }
}

// Last counter word: keeps the blocks that make keys, words, normals and data apart.
const FOLD: u32 = 0;
const WORD: u32 = 1;
pub(crate) const NORMAL: u32 = 2;
pub(crate) const ROW: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_of_different_roles_chains_steps_and_seeds_are_uncorrelated() {
        let n = 20_000u64;
        let base = Key::new(1).role(Role::Noise).chain(0).step(0);
        for other in [
            Key::new(2).role(Role::Noise).chain(0).step(0),
            Key::new(1).role(Role::Data).chain(0).step(0),
            Key::new(1).role(Role::Noise).chain(1).step(0),
            Key::new(1).role(Role::Noise).chain(0).step(1),
            base.part(0),
        ] {
            let sum: f64 = (0..n).map(|i| (base.uniform(i) - 0.5) * (other.uniform(i) - 0.5)).sum();
            // Each term has variance 1/144: six standard errors.
            let z = sum / (n as f64 / 144.0).sqrt();
            assert!(z.abs() < 6.0, "correlated: z = {z}");
        }
    }

    #[test]
    fn integers_below_a_bound_are_uniform() {
        let key = Key::new(5);
        let mut counts = [0f64; 7];
        let n = 70_000u64;
        for i in 0..n {
            counts[key.below(i, 7) as usize] += 1.0;
        }
        let expected = n as f64 / 7.0;
        let chi2: f64 = counts.iter().map(|c| (c - expected).powi(2) / expected).sum();
        assert!(chi2 < 40.0, "chi-squared with 6 degrees of freedom: {chi2}");
    }
}
