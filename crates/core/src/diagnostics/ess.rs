//! Computes effective sample sizes: how many independent draws would estimate a quantity as well.
//!
//! n_eff = S/τ, with S = num_chains·num_draws and τ = 1 + 2 Σ_{t>0} ρ_t the integrated autocorrelation time. ρ_t is the
//! autocorrelation of the mixture of all chains: its variance holds that between chains, so that chains which disagree have
//! few effective draws. Every chain is first split into its halves, so that a chain may disagree with itself.
//!
//! *Reference*: Vehtari et al. (2021), section 3.2 and appendix A; Geyer (1992), section 3.3, for the sequence.
//! *Tested by* tests/diagnostics.rs and the closed form n(1 − φ)/(1 + φ) for AR(1).

use super::autocovariance::mean_autocovariance;
use super::draws::{mean, variance};
use super::{Draws, quantile, rank_normalise};

/// Fewest draws in a chain for which a half still has a variance.
const MIN_DRAWS: usize = 4;

/// Effective sample size of the rank-normalised draws: how well the bulk of the distribution is known. 400 is the usual
/// least for four chains.
///
/// ```
/// use llc_core::diagnostics::{Draws, ess_bulk};
///
/// // A quadratic sequence visits [0, 1) evenly and without correlation that a short chain could see.
/// let chain: Vec<f64> = (0..1000).map(|i| (0.5 * 5f64.sqrt() * (i * i) as f64).fract()).collect();
/// assert!(ess_bulk(&Draws::new(&[chain])) > 500.0);
/// assert!(ess_bulk(&Draws::new(&[[1.0; 100]])).is_nan()); // a constant
/// ```
pub fn ess_bulk(draws: &Draws) -> f64 {
    if !is_judgeable(draws) {
        return f64::NAN;
    }
    effective_size(&rank_normalise(&draws.split()))
}

/// The smaller of the effective sample sizes of the 5 % and the 95 % quantile: how well the tails are known.
pub fn ess_tail(draws: &Draws) -> f64 {
    // f64::min would pass over a NaN; both are NaN or none is.
    ess_quantile(draws, 0.05).min(ess_quantile(draws, 0.95))
}

/// Effective sample size of the quantile at probability `p`, that is of the indicator of x ≤ quantile.
pub fn ess_quantile(draws: &Draws, p: f64) -> f64 {
    if !is_judgeable(draws) {
        return f64::NAN;
    }
    let q = quantile(draws, p);
    effective_size(&draws.map(|x| if x <= q { 1.0 } else { 0.0 }).split())
}

/// Effective sample size of the mean: the one that an error bar on the mean rests on.
pub fn ess_mean(draws: &Draws) -> f64 {
    if !is_judgeable(draws) {
        return f64::NAN;
    }
    effective_size(&draws.split())
}

/// Effective sample size of the standard deviation, that is of the mean of (x − x̄)².
pub fn ess_sd(draws: &Draws) -> f64 {
    if !is_judgeable(draws) {
        return f64::NAN;
    }
    let centre = draws.mean();
    effective_size(&draws.map(|x| (x - centre) * (x - centre)).split())
}

fn is_judgeable(draws: &Draws) -> bool {
    draws.num_draws() >= MIN_DRAWS && draws.is_finite() && !draws.is_constant()
}

/// S/τ for split chains. A constant that a transformation made of draws that vary (an indicator, say) has nothing left to
/// estimate and counts fully.
fn effective_size(split: &Draws) -> f64 {
    let size = split.values().len() as f64;
    if split.is_constant() {
        return size;
    }
    // The cap S·log10 S keeps antithetic chains, whose τ may come out at or below 0, from boundless claims.
    size / integrated_time(split).max(1.0 / size.log10())
}

/// τ = −1 + 2 Σ_{t<T} ρ_t + ρ_T with ρ_t = 1 − (W − γ_t)/V, where γ_t is the autocovariance (denominator N) averaged over
/// chains, W = γ_0·N/(N−1) the variance within chains and V = γ_0 + Var(chain means) that of the mixture.
///
/// T ends Geyer's initial positive sequence, the pairs ρ_t + ρ_{t+1} > 0 for even t; the pairs are then made monotone.
/// The lone ρ_T lowers the variance of τ for antithetic chains.
fn integrated_time(split: &Draws) -> f64 {
    let n = split.num_draws();
    let autocovariance = mean_autocovariance(split);
    let within = autocovariance[0] * n as f64 / (n as f64 - 1.0);
    let mut mixture = autocovariance[0];
    if split.num_chains() > 1 {
        mixture += variance(&split.chains().map(mean).collect::<Vec<_>>());
    }
    let rho_at = |t: usize| 1.0 - (within - autocovariance[t]) / mixture;

    let mut rho = vec![0.0; n];
    let (mut even, mut odd) = (1.0, rho_at(1));
    (rho[0], rho[1]) = (even, odd);
    let mut end = 0; // T: even, the last pair looked at
    while end + 4 < n && even + odd > 0.0 {
        end += 2;
        (even, odd) = (rho_at(end), rho_at(end + 1));
        if even + odd >= 0.0 {
            (rho[end], rho[end + 1]) = (even, odd);
        }
    }
    if even > 0.0 {
        rho[end] = even;
    }
    for t in (2..end.saturating_sub(1)).step_by(2) {
        let before = rho[t - 2] + rho[t - 1];
        if rho[t] + rho[t + 1] > before {
            (rho[t], rho[t + 1]) = (before / 2.0, before / 2.0);
        }
    }
    -1.0 + 2.0 * rho[..end].iter().sum::<f64>() + rho[end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::testing::ar1;
    use crate::diagnostics::{mcse_mean, mcse_sd, mean_interval, rhat, trend};

    /// n_eff = n(1 − φ)/(1 + φ). The estimate's relative spread is about √(4·window/n), at most 4 % here.
    #[test]
    fn ar1_chains_have_the_effective_size_of_the_closed_form() {
        for (seed, phi) in [(1, -0.5), (2, 0.0), (3, 0.3), (4, 0.9)] {
            let draws = ar1(seed, 4, 50_000, phi);
            let expected = 200_000.0 * (1.0 - phi) / (1.0 + phi);
            assert!((ess_mean(&draws) / expected - 1.0).abs() < 0.2, "φ {phi}: {}", ess_mean(&draws));
        }
    }

    #[test]
    fn antithetic_chains_are_capped() {
        let alternating: Vec<f64> = (0..1000).map(|t| [1.0, -1.0][t % 2] * (1.0 + 1e-3 * (t % 17) as f64)).collect();
        let ess = ess_mean(&Draws::new(&[alternating]));
        assert!((ess - 3000.0).abs() < 1e-9, "{ess}"); // S·log10 S
    }

    #[test]
    fn chains_that_disagree_have_few_effective_draws() {
        let mut chain = 0;
        let apart = ar1(9, 4, 1000, 0.0).map(|x| {
            chain += 1;
            x + 10.0 * ((chain - 1) / 1000) as f64
        });
        assert!(ess_mean(&apart) < 10.0 && rhat(&apart) > 2.0);
    }

    #[test]
    fn nothing_is_claimed_of_what_cannot_be_judged() {
        let constant = Draws::new(&[[3.7; 50]; 4]);
        let with = |bad: f64| {
            let mut chain = vec![0.5; 50];
            (chain[0], chain[7]) = (1.0, bad);
            Draws::new(&[chain.clone(), chain])
        };
        let short = Draws::new(&[[1.0, 2.0, 3.0], [2.0, 3.0, 1.0]]);
        let empty = Draws::new::<Vec<f64>>(&[]);
        for draws in [constant, with(f64::NAN), with(f64::INFINITY), with(f64::NEG_INFINITY), short, empty] {
            let [low, high] = mean_interval(&draws, 0.9);
            let all = [
                rhat(&draws),
                ess_bulk(&draws),
                ess_tail(&draws),
                ess_mean(&draws),
                ess_sd(&draws),
                mcse_mean(&draws),
                mcse_sd(&draws),
                trend(&draws).z,
                low,
                high,
            ];
            assert!(all.iter().all(|x| x.is_nan()), "{all:?} of {draws:?}");
        }
    }
}
