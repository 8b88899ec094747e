//! Tests equilibrium by the Gamma law: nβ(L − L*) has its variance equal to its mean.
//!
//! Near a singularity of learning coefficient λ and multiplicity 1 with γ → 0, nβ(L − L*) ~ Gamma(λ, 1), so the ratio of
//! variance to mean is 1 whatever λ is. A chain that drifts or has not filled its modes shows another ratio.
//! For a regular mode with f = nβh/(nβh + γ) mean and variance are f/2 and f²/2: localisation lowers the ratio to f.
//!
//! *Reference*: derived for this project. *Tested by* the law below.

use super::{Draws, Estimate};

/// Ratio (nβ)²·Var(L)/(nβ·mean(L − L*)) over all kept draws `losses` `[num_chains, num_draws]`, with its Monte Carlo
/// standard error; `init_loss` is L* = L_n(w*).
///
/// Both moments are pooled over the chains about the common mean. With X = nβ(L − L*), m = mean X and v = Var X the
/// influence function of v/m is ψ = ((X − m)² − v)/m − (v/m²)(X − m). A mean at or below zero makes the ratio
/// negative or NaN: w* is then no minimum.
///
/// ```
/// use llc_core::diagnostics::{Draws, variance_ratio};
///
/// let losses = Draws::new(&[[0.2, 0.3, 0.2, 0.1, 0.2]]);
/// let ratio = variance_ratio(&losses, 0.0, 100.0);
/// assert!((ratio.value - 100.0 * 0.005 / 0.2).abs() < 1e-12);
/// ```
pub fn variance_ratio(losses: &Draws, init_loss: f64, n_beta: f64) -> Estimate {
    let x = losses.map(|loss| n_beta * (loss - init_loss));
    let (m, v) = (x.mean(), x.variance());
    let influence = x.map(|x| ((x - m) * (x - m) - v) / m - v / (m * m) * (x - m));
    let ratio = if m == 0.0 { f64::NAN } else { v / m };
    Estimate::from_influence(ratio, &influence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::testing::{SIGMA, ar1, generator};
    use rand_distr::{Distribution, Gamma};

    #[test]
    fn gamma_draws_give_one_at_any_lambda() {
        for (seed, lambda) in [(1, 0.5), (2, 5.0), (3, 250.0)] {
            let law = Gamma::new(lambda, 1.0).unwrap();
            let mut random = generator(seed);
            let chains: Vec<Vec<f64>> =
                (0..4).map(|_| (0..4000).map(|_| 0.3 + law.sample(&mut random) / 1e4).collect()).collect();
            let ratio = variance_ratio(&Draws::new(&chains), 0.3, 1e4);
            assert!(ratio.z(1.0).abs() < SIGMA, "λ {lambda}: {ratio:?}");
            assert!(ratio.mcse < 0.06, "λ {lambda}: {ratio:?}");
        }
    }

    /// X = f·w²/2 with w a correlated unit normal: mean f/2, variance f²/2.
    #[test]
    fn a_localised_mode_gives_f_with_an_honest_error() {
        let f = 0.6;
        let mut z = Vec::new();
        for seed in 0..60 {
            let losses = ar1(100 + seed, 4, 2000, 0.9).map(|w| f * w * w / 2.0);
            z.push(variance_ratio(&losses, 0.0, 1.0).z(f));
        }
        crate::diagnostics::testing::assert_standard(&z);
    }
}
