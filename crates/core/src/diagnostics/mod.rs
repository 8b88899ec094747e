//! Measures how far chains of draws can be trusted: convergence, effective sample size, Monte Carlo error, equilibrium.
//!
//! Everything here is a pure function of a [`Draws`] matrix `[num_chains, num_draws]` of kept draws (warm-up left out),
//! with no tensors and no files. Two kinds of function are found here:
//!
//! - those of Vehtari et al. for any quantity: [`rhat()`], [`ess_bulk`], [`ess_tail`], [`ess_mean`], [`mcse_mean`],
//!   [`mcse_sd`], [`quantile()`], and [`mean_interval`] and [`trend()`] built on them;
//! - those for a local posterior, whose right answer is known: [`variance_ratio()`] and [`virial_ratio`] (1 at
//!   equilibrium), [`gamma_sensitivity`] (how much of λ̂ the localisation takes).
//!
//! **No answer is NaN**, as NA in R's posterior: with a draw that is NaN or infinite, with fewer than four draws a chain
//! ([`ess_mean`] and all that rest on it), and for a quantity that is constant, whose mixing can't be judged (ArviZ
//! differs: it gives the number of draws as the effective sample size of a constant). A NaN must be read as "not
//! trusted": compare so that NaN fails, `rhat < 1.01` and not `rhat >= 1.01`.
//!
//! **Agreement.** The numbers equal those of ArviZ 0.23.4 to 1e-8 (tests/fixtures/diagnostics.py), and those of posterior
//! wherever the two agree. They differ so:
//!
//! | where | posterior | ArviZ 0.23.4 | here |
//! |---|---|---|---|
//! | constant quantity | NA | R-hat NaN, ESS = number of draws | NaN |
//! | one chain: R-hat | of its two halves | NaN | of its two halves |
//! | odd number of draws: R-hat folds about | median of all draws | `rhat`: median without the middle draws; `summary`: of all | of all |
//! | split chains of fewer than 6 draws, or whose first pair of autocorrelations sums to ≤ 0 | ends Geyer's sequence with τ = 2 | τ = 0, then the cap | as ArviZ |
//! | last lag that Geyer's sequence may reach, odd length | two lags earlier | | as ArviZ |
//! | ess_tail where `x ≤ quantile` holds for all draws (many ties at the maximum) | NA | that side doesn't count | as ArviZ |
//!
//! *Reference*: Vehtari, Gelman, Simpson, Carpenter, Bürkner (2021), Rank-normalization, folding, and localization: an
//! improved R-hat, Bayesian Analysis 16(2), <https://arxiv.org/abs/1903.08008>.
//!
//! *Tested by* tests/diagnostics.rs (against ArviZ) and the laws at the end of each file.

mod autocovariance;
mod draws;
mod ess;
mod interval;
mod mcse;
mod null;
mod proportion;
mod quantile;
mod rank;
mod rhat;
mod sensitivity;
pub(crate) mod special;
#[cfg(test)]
pub(crate) mod testing;
mod trend;
mod variance_ratio;
mod virial;

pub use draws::Draws;
pub use ess::{ess_bulk, ess_mean, ess_quantile, ess_sd, ess_tail};
pub use interval::{mean_interval, mean_interval_of_independent};
pub use mcse::{Estimate, mcse_mean, mcse_sd};
pub use null::nan_for_null;
pub use proportion::proportion_interval;
pub use quantile::quantile;
pub use rank::rank_normalise;
pub use rhat::rhat;
pub use sensitivity::{gamma_sensitivity, gamma_sensitivity_by_pull, slope};
pub use trend::{Trend, trend};
pub use variance_ratio::variance_ratio;
pub use virial::virial_ratio;
