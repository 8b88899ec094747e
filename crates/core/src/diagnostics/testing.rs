//! Draws chains whose law is known, for the tests.

use rand_distr::{Distribution, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;

use super::Draws;

/// Standard errors allowed in one two-sided comparison: 4e-8 false alarms each under the normal law, and some twenty such
/// comparisons in all.
pub(crate) const SIGMA: f64 = 5.5;

/// A generator for one test, from its own seed.
pub(crate) fn generator(seed: u64) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(seed)
}

/// Stationary AR(1) with mean 0 and variance 1, x_t = φ·x_{t−1} + √(1 − φ²)·N(0, 1), `[num_chains, num_draws]`.
pub(crate) fn ar1(seed: u64, num_chains: usize, num_draws: usize, phi: f64) -> Draws {
    let mut random = generator(seed);
    let mut normal = || -> f64 { StandardNormal.sample(&mut random) };
    let chains: Vec<Vec<f64>> = (0..num_chains)
        .map(|_| {
            let mut x = normal();
            let mut next = || {
                let now = x;
                x = phi * x + (1.0 - phi * phi).sqrt() * normal();
                now
            };
            (0..num_draws).map(|_| next()).collect()
        })
        .collect();
    Draws::new(&chains)
}

/// Fails unless independent z-scores have mean 0 and mean square 1, each at 2e-7 false alarms (Wilson and Hilferty's
/// normal approximation to the cube root of χ²).
pub(crate) fn assert_standard(z: &[f64]) {
    let k = z.len() as f64;
    let mean = z.iter().sum::<f64>() / k;
    let square = z.iter().map(|z| z * z).sum::<f64>() / k;
    assert!(mean.abs() < SIGMA / k.sqrt(), "mean z {mean} of {k}");
    let bound = |sigma: f64| (1.0 - 2.0 / (9.0 * k) + sigma * (2.0 / (9.0 * k)).sqrt()).powi(3);
    assert!((bound(-SIGMA)..bound(SIGMA)).contains(&square), "mean z² {square} of {k}");
}
