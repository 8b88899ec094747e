//! Estimates λ from the losses of one run reweighted to several inverse temperatures: the slope of E\[nL\] against 1/β.
//!
//! Around the run's own β₀ the five inverse temperatures are β_k = β₀·(1 + a_k/√(2·ln n)), a_k ∈ {−1, −½, 0, ½, 1}. With the kept draws t,
//!
//!   E_k = Σ_t u_k(t)·nL_t / Σ_t u_k(t),  u_k(t) = exp(−(β_k − β₀)·nL_t),
//!   λ̂ = Σ_k c_k·E_k,  c_k = (x_k − x̄)/Σ_j (x_j − x̄)²,  x_k = 1/β_k,
//!
//! the ordinary least squares slope. It needs no L_n(w*), so that it also works if w* is not a minimum. The localisation γ is not
//! reweighted: it is the same at every β_k.
//!
//! To first order in the spread of the β_k the slope is −β²·dE/dβ = β²·Var(nL): it reads λ off the variance of the losses, where the plain
//! estimate reads it off their mean (Gamma law: both are λ). So it is as blind as the variance is to what a chain has not reached, and any
//! noise in the recorded losses, such as that of a minibatch, adds to it.
//!
//! **Bias of small samples.** A reweighted mean is a ratio of means, with a bias of the order of one over the weights' effective sample
//! size, and no weight carries it beyond the smallest and the largest loss drawn: with too few draws the slope comes out too low. The
//! weights' spread grows with λ: of N draws of a Gamma law N·((1 − 2δ)/(1 − δ)²)^λ are left at the hottest, δ = 1/√(2·ln n): at n = 10⁵ half of
//! them for λ = 10, a thousandth for λ = 96. A run reports what was left, and warns where it is little: the interval knows nothing of this bias.
//!
//! **Error.** By the delta method the error of the slope is that of the mean of ψ_t = λ̂ + Σ_k c_k·u_k(t)/ū_k·(nL_t − E_k), whose mean is
//! λ̂ exactly; its draws go through the same standard error and interval as those of the plain estimate.
//!
//! *Reference*: Watanabe (2013), A widely applicable Bayesian information criterion, <https://arxiv.org/abs/1208.6338>, section 4.3, for one
//! chain at two temperatures; the grid is that of Lau et al.'s published code. *Tested by* the Gamma law and a case worked by hand, below.

use serde::{Deserialize, Serialize};

use crate::diagnostics::{Draws, ess_mean, mcse_mean, mean_interval, nan_for_null};

/// Places of the inverse temperatures, in units of β₀/√(2·ln n).
const PLACES: [f64; 5] = [-1.0, -0.5, 0.0, 0.5, 1.0];

/// λ̂ as a slope, with what is known of its error. In JSON a NaN becomes null.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WbicSlope {
    /// The slope over the draws of all chains.
    #[serde(deserialize_with = "nan_for_null")]
    pub mean: f64,
    /// Monte Carlo standard error of `mean`, to first order.
    #[serde(deserialize_with = "nan_for_null")]
    pub mcse: f64,
    /// 90 % interval, as [`mean_interval`] gives it.
    #[serde(deserialize_with = "nan_for_null")]
    pub ci90: [f64; 2],
    /// The slope of each chain alone `[num_chains]`. Their mean is not `mean`: each has its own small-sample bias.
    #[serde(deserialize_with = "nan_for_null")]
    pub per_chain: Vec<f64>,
    /// The inverse temperatures β_k.
    pub beta: Vec<f64>,
    /// Effective sample size of the weights at each β_k, (Σu)²/Σu²: draws that carry the reweighted mean, correlation apart.
    #[serde(deserialize_with = "nan_for_null")]
    pub ess_weights: Vec<f64>,
    /// The smallest of `ess_weights` times the ratio of the losses' effective sample size of the mean to their number (at most 1): about
    /// how many independent draws carry the mean that has the fewest. NaN if that is not known.
    #[serde(deserialize_with = "nan_for_null")]
    pub smallest_ess_weights: f64,
}

impl WbicSlope {
    /// Estimates λ from the kept losses `[num_chains, num_draws]` drawn at nβ₀ = `n_beta` on `n` samples, n at least 2.
    ///
    /// ```
    /// use llc_core::diagnostics::Draws;
    /// use llc_core::wbic_slope::WbicSlope;
    ///
    /// let losses = Draws::new(&[[0.011, 0.013, 0.012, 0.012], [0.012, 0.010, 0.014, 0.012]]);
    /// let slope = WbicSlope::new(&losses, 1000.0, 1e4);
    /// assert!((slope.mean / (1e6 * losses.variance()) - 1.0).abs() < 0.4); // β²·Var(nL), roughly
    /// ```
    pub fn new(losses: &Draws, n_beta: f64, n: f64) -> Self {
        // In units of 1/β₀: λ̂ is dimensionless, so that nβ₀·L and β_k/β₀ are all that matters. The mean as origin shifts all E_k alike.
        let origin = losses.mean();
        let energy = losses.map(|loss| n_beta * (loss - origin));
        let width = 1.0 / (2.0 * n.ln()).sqrt();
        let factors = PLACES.map(|place| 1.0 + place * width);
        let fit = Fit::new(&energy, &factors);
        let influence = fit.influence(&energy);
        let ess_weights: Vec<f64> = fit.temperatures.iter().map(|temperature| temperature.ess).collect();
        // A NaN stays one: f64::min would pass it by.
        let smallest = ess_weights.iter().copied().reduce(|a, b| if b < a || b.is_nan() { b } else { a });
        let independent_share = (ess_mean(losses) / losses.values().len() as f64).clamp(0.0, 1.0);
        let of_chain = |chain: &[f64]| Fit::new(&Draws::new(&[chain]), &factors).slope;
        Self {
            mean: fit.slope,
            mcse: mcse_mean(&influence),
            ci90: mean_interval(&influence, 0.9),
            per_chain: energy.chains().map(of_chain).collect(),
            beta: factors.iter().map(|factor| factor * n_beta / n).collect(),
            smallest_ess_weights: smallest.unwrap_or(f64::NAN) * independent_share,
            ess_weights,
        }
    }
}

/// The line through the reweighted means.
struct Fit {
    slope: f64,
    temperatures: Vec<Temperature>,
}

/// One inverse temperature, β_k/β₀ = 1 + `shift`.
struct Temperature {
    shift: f64,
    /// c_k.
    coefficient: f64,
    /// E_k.
    mean: f64,
    /// ln ū_k.
    log_mean_weight: f64,
    ess: f64,
}

impl Fit {
    fn new(energy: &Draws, factors: &[f64]) -> Fit {
        let x: Vec<f64> = factors.iter().map(|factor| 1.0 / factor).collect();
        let centre = x.iter().sum::<f64>() / x.len() as f64;
        let spread: f64 = x.iter().map(|x| (x - centre) * (x - centre)).sum();
        let temperatures: Vec<Temperature> = (x.iter().zip(factors))
            .map(|(x, factor)| Temperature::new(energy, factor - 1.0, (x - centre) / spread))
            .collect();
        Fit { slope: temperatures.iter().map(|t| t.coefficient * t.mean).sum(), temperatures }
    }

    /// ψ of each draw.
    fn influence(&self, energy: &Draws) -> Draws {
        energy.map(|e| {
            let terms = self.temperatures.iter().map(|t| {
                let relative_weight = (-t.shift * e - t.log_mean_weight).exp();
                t.coefficient * relative_weight * (e - t.mean)
            });
            self.slope + terms.sum::<f64>()
        })
    }
}

impl Temperature {
    fn new(energy: &Draws, shift: f64, coefficient: f64) -> Temperature {
        let log_weight = |e: f64| -shift * e;
        // The largest weight is 1: none overflows, and their sum is at least 1.
        let largest = energy.values().iter().map(|&e| log_weight(e)).fold(f64::NEG_INFINITY, f64::max);
        let (mut sum, mut squares, mut weighted) = (0.0, 0.0, 0.0);
        for &e in energy.values() {
            let weight = (log_weight(e) - largest).exp();
            sum += weight;
            squares += weight * weight;
            weighted += weight * e;
        }
        Temperature {
            shift,
            coefficient,
            mean: weighted / sum,
            log_mean_weight: largest + (sum / energy.values().len() as f64).ln(),
            ess: sum * sum / squares,
        }
    }
}

#[cfg(test)]
mod tests {
    use rand_distr::{Distribution, Gamma};
    use rand_xoshiro::Xoshiro256PlusPlus;
    use rand_xoshiro::rand_core::SeedableRng;

    use super::*;

    const N: f64 = 1e5;
    const N_BETA: f64 = 8685.889638;

    /// Four chains of independent losses with nβ·K ~ Gamma(λ, 1), above a loss of 0.7 at w*.
    fn losses(lambda: f64, num_draws: usize, seed: u64) -> Draws {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let law = Gamma::new(lambda, 1.0).unwrap();
        let mut chain = || (0..num_draws).map(|_| 0.7 + law.sample(&mut rng) / N_BETA).collect::<Vec<f64>>();
        Draws::new(&[chain(), chain(), chain(), chain()])
    }

    /// nL ∈ {0, 1} at β₀ = 1, a quarter of them 1: E_k = 1/(1 + 3·e^(β_k − 1)).
    #[test]
    fn two_losses_give_the_slope_worked_by_hand() {
        let n = 0.5f64.exp() * 0.5f64.exp(); // ln n = 1, so that δ = 1/√2.
        let slope = WbicSlope::new(&Draws::new(&[[0.0, 0.0, 0.0, 1.0]]).map(|nl| nl / n), n, n);
        let delta = 0.5f64.sqrt();
        let beta = [1.0 - delta, 1.0 - 0.5 * delta, 1.0, 1.0 + 0.5 * delta, 1.0 + delta];
        let e = beta.map(|beta| 1.0 / (1.0 + 3.0 * (beta - 1.0).exp()));
        let x = beta.map(|beta| 1.0 / beta);
        let (x_bar, e_bar) = (x.iter().sum::<f64>() / 5.0, e.iter().sum::<f64>() / 5.0);
        let covariance: f64 = (0..5).map(|k| (x[k] - x_bar) * (e[k] - e_bar)).sum();
        let variance: f64 = (0..5).map(|k| (x[k] - x_bar).powi(2)).sum();
        assert!((slope.mean - covariance / variance).abs() < 1e-12, "{} against {}", slope.mean, covariance / variance);
        assert!(slope.beta.iter().zip(beta).all(|(found, beta)| (found - beta).abs() < 1e-12), "{:?}", slope.beta);
        // At β₀ all four draws count alike.
        assert!((slope.ess_weights[2] - 4.0).abs() < 1e-12);
        assert_eq!(slope.per_chain, [slope.mean]);
    }

    #[test]
    fn the_slope_is_lambda_under_the_gamma_law_however_large_the_loss_at_w_star() {
        for (lambda, seed) in [(0.5, 1), (2.0, 2), (10.0, 3), (30.0, 4)] {
            let slope = WbicSlope::new(&losses(lambda, 20_000, seed), N_BETA, N);
            let z = (slope.mean - lambda) / slope.mcse;
            assert!(z.abs() < 6.0, "λ = {lambda}: {} ± {}", slope.mean, slope.mcse);
            assert!(slope.mcse < 0.05 * lambda, "λ = {lambda}: {}", slope.mcse);
        }
    }

    /// With weights of little spread the slope is the variance: the pseudo-values' mean is the slope itself.
    #[test]
    fn as_the_temperatures_close_up_the_slope_becomes_the_variance() {
        let draws = losses(5.0, 2000, 9);
        let slope = WbicSlope::new(&draws, N_BETA, 1e300);
        let variance = N_BETA * N_BETA * draws.variance();
        // δ² = 1/1382, and the next order has a factor of a few.
        assert!((slope.mean / variance - 1.0).abs() < 0.02, "{} against {variance}", slope.mean);
    }

    /// The shares are 96 % (λ = 2) and 94 % (λ = 10), with a spread of 1.0 to 1.2 % over 400 runs: below 86 % or at 100 % less than once in 10⁶.
    #[test]
    fn the_interval_covers_lambda_about_nine_times_in_ten() {
        for (lambda, num_draws) in [(2.0, 1000), (10.0, 2000)] {
            let covers = |seed: &u64| {
                let [low, high] = WbicSlope::new(&losses(lambda, num_draws, 1000 + seed), N_BETA, N).ci90;
                low <= lambda && lambda <= high
            };
            let share = (0..400).filter(covers).count() as f64 / 400.0;
            assert!((0.86..1.0).contains(&share), "λ = {lambda}: {share}");
        }
    }

    #[test]
    fn the_weights_left_at_the_ends_are_those_that_theory_says() {
        let lambda = 10.0;
        let slope = WbicSlope::new(&losses(lambda, 20_000, 5), N_BETA, N);
        // (E u)²/E u² = ((1 + 2s)/(1 + s)²)^λ for u = e^(−s·G), G ~ Gamma(λ, 1).
        for (k, place) in PLACES.into_iter().enumerate() {
            let s = place / (2.0 * N.ln()).sqrt();
            let share = ((1.0 + 2.0 * s) / (1.0 + s).powi(2)).powf(lambda);
            let found = slope.ess_weights[k] / 80_000.0;
            assert!((found / share - 1.0).abs() < 0.1, "{place}: {found} against {share}");
        }
        let smallest = slope.smallest_ess_weights / slope.ess_weights[0];
        assert!((0.9..=1.0).contains(&smallest), "independent draws count in full: {smallest}");
    }

    #[test]
    fn weights_of_correlated_draws_count_as_the_independent_draws_that_they_are() {
        let once = losses(2.0, 2000, 6);
        let repeated: Vec<Vec<f64>> =
            once.chains().map(|chain| chain.iter().flat_map(|loss| [*loss; 10]).collect()).collect();
        let [once, repeated] = [once, Draws::new(&repeated)].map(|draws| WbicSlope::new(&draws, N_BETA, N));
        assert!((repeated.ess_weights[0] / once.ess_weights[0] - 10.0).abs() < 1e-9);
        let ratio = repeated.smallest_ess_weights / once.smallest_ess_weights;
        assert!((0.8..1.25).contains(&ratio), "{ratio}: each draw ten times over says no more than once");
    }

    #[test]
    fn losses_too_far_apart_for_any_weight_still_give_a_number_and_none_give_nan() {
        let far = Draws::new(&[[0.0, 1e6, 2e6, 3e6], [1.0, 1e6, 5e6, 3e6]]);
        let slope = WbicSlope::new(&far, N_BETA, N);
        assert!(slope.mean.is_finite(), "{slope:?}");
        assert!(slope.ess_weights.iter().any(|ess| *ess < 1.5) && slope.smallest_ess_weights < 1.5, "{slope:?}");
        let none = WbicSlope::new(&Draws::new::<Vec<f64>>(&[]), N_BETA, N);
        assert!(none.mean.is_nan() && none.smallest_ess_weights.is_nan(), "{none:?}");
        let lost = WbicSlope::new(&Draws::new(&[[1.0, f64::NAN, 2.0, 3.0]]), N_BETA, N);
        assert!(lost.smallest_ess_weights.is_nan(), "{lost:?}");
    }
}
