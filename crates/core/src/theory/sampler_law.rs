//! States what each sampler must give on a quadratic, in closed form: the oracles of the law tests.
//!
//! One mode of K(w) = ½·Σ_i h_i·w_i² around w* = 0 has potential U(w) = ½·a·w², a = nβ·h + γ. Modes are
//! independent, so that a loss of many modes has the sum of their values.
//!
//! | sampler | stationary variance of w | E[nβ·K] |
//! |---|---|---|
//! | the posterior; MALA, HMC with acceptance, Gibbs | 1/a | nβ·h/(2a) |
//! | SGLD on the full batch (unadjusted Langevin) | 1/(a·(1 − εa/4)) | nβ·h/(2a)·1/(1 − εa/4) |
//! | … with minibatches: gradient noise C, curvature noise v | ε·(1 + εC/4)/(1 − ρ) | nβ·h/2 times it |
//! | HMC without acceptance, leapfrog step √ε, any number of steps | 1/(a·(1 − εa/4)) | as SGLD on the full batch |
//!
//! SGLD's update w ← w − (ε/2)·g + √ε·N(0, 1) has g = (a + δ)·w + c with independent batches: Var δ = v is the
//! variance of a batch's nβ·h, Var c = C that of a batch's nβ·∇L at w*. Squaring and averaging (w keeps mean 0),
//!   V ← ρ·V + ε + ε²·C/4,   ρ = (1 − εa/2)² + ε²·v/4.
//! From w = w* the variance after t steps is (ε + ε²C/4)·(1 − ρ^t)/(1 − ρ); with v = C = 0 that is
//!   λ̂(t) = nβ·h/(2a)·1/(1 − εa/4)·(1 − (1 − εa/2)^{2t}),
//! three factors that separate localisation (γ), discretisation (ε) and the transient (t). There is a stationary
//! law only for ρ < 1 (on the full batch: εa < 4). A preconditioner G that is fixed acts as ε·G. On noise-free
//! targets C = 0 and v > 0.
//!
//! *Convention*: drift ε/2 and noise variance ε. With the (ε, 2ε) of others, put 2ε for ε.
//!
//! *Reference*: derived for this project. *Tested by*: the tests below, which simulate each
//! sampler and reject wrong laws.

use std::ops::Range;

use super::invalid_argument::{InvalidArgument, non_negative, positive};

/// One mode of a quadratic loss under the local posterior: curvature h of K, nβ and γ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QuadraticMode {
    curvature: f64,
    n_beta: f64,
    gamma: f64,
}

impl QuadraticMode {
    /// The mode of K = ½·h·w² with h = `curvature`, at nβ = `n_beta` and γ = `gamma`.
    ///
    /// # Errors
    ///
    /// A number that is negative or not finite, nβ = 0, or h = γ = 0 (no normalisable posterior).
    pub fn new(curvature: f64, n_beta: f64, gamma: f64) -> Result<Self, InvalidArgument> {
        let mode = Self {
            curvature: non_negative("curvature", curvature)?,
            n_beta: positive("n_beta", n_beta)?,
            gamma: non_negative("gamma", gamma)?,
        };
        positive("n_beta·curvature + gamma", mode.precision())?;
        Ok(mode)
    }

    /// a = nβ·h + γ, the precision of the posterior.
    pub fn precision(&self) -> f64 {
        self.n_beta * self.curvature + self.gamma
    }

    /// 1/a: the variance of w under the posterior, and so of MALA, HMC and Gibbs.
    pub fn variance(&self) -> f64 {
        1.0 / self.precision()
    }

    /// E[nβ·K] = f/2 with f = nβ·h/(nβ·h + γ): what a sampler without bias reports. It is 1/2, less the bias of
    /// localisation.
    pub fn scaled_loss_mean(&self) -> f64 {
        self.scaled_loss(self.variance())
    }

    /// Var[nβ·K] = f²/2.
    pub fn scaled_loss_variance(&self) -> f64 {
        2.0 * self.scaled_loss_mean().powi(2)
    }

    /// E[nβ·K] = nβ·h/2·V if w has mean 0 and variance V.
    fn scaled_loss(&self, variance: f64) -> f64 {
        self.n_beta * self.curvature / 2.0 * variance
    }
}

/// The law of SGLD on one mode, started at w*.
///
/// ```
/// use llc_core::theory::sampler_law::{QuadraticMode, SgldLaw};
///
/// // h = 2, nβ = 100, γ = 50: a = 250, and εa/4 = 0.2.
/// let law = SgldLaw::new(QuadraticMode::new(2.0, 100.0, 50.0)?, 0.0032)?;
/// assert!((law.stationary_llc() - 0.5 * 0.8 * 1.25).abs() < 1e-12);
/// assert!((law.stationary_virial() - 1.25).abs() < 1e-12);
/// assert_eq!(law.llc(0), 0.0);
/// # Ok::<(), llc_core::theory::InvalidArgument>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SgldLaw {
    mode: QuadraticMode,
    epsilon: f64,
    gradient_variance: f64,
    curvature_variance: f64,
}

impl SgldLaw {
    /// SGLD at ε = `epsilon` (times the preconditioner, if there is one) on the full batch.
    ///
    /// # Errors
    ///
    /// ε that is not positive and finite.
    pub fn new(mode: QuadraticMode, epsilon: f64) -> Result<Self, InvalidArgument> {
        Ok(Self { mode, epsilon: positive("epsilon", epsilon)?, gradient_variance: 0.0, curvature_variance: 0.0 })
    }

    /// The same with C = `gradient_variance`: Var over batches of nβ·∇L at w*.
    ///
    /// # Errors
    ///
    /// C that is negative or not finite.
    pub fn with_gradient_variance(self, gradient_variance: f64) -> Result<Self, InvalidArgument> {
        let gradient_variance = non_negative("gradient_variance", gradient_variance)?;
        Ok(Self { gradient_variance, ..self })
    }

    /// The same with v = `curvature_variance`: Var over batches of nβ·h.
    ///
    /// # Errors
    ///
    /// v that is negative or not finite.
    pub fn with_curvature_variance(self, curvature_variance: f64) -> Result<Self, InvalidArgument> {
        let curvature_variance = non_negative("curvature_variance", curvature_variance)?;
        Ok(Self { curvature_variance, ..self })
    }

    /// 1 − εa/2, the factor of one step without noise.
    fn contraction(&self) -> f64 {
        1.0 - self.epsilon * self.mode.precision() / 2.0
    }

    /// 1 − ρ, written without the cancellation that 1 − (1 − εa/2)² suffers for small εa.
    fn one_minus_rho(&self) -> f64 {
        let (epsilon, a, v) = (self.epsilon, self.mode.precision(), self.curvature_variance);
        epsilon * a * (1.0 - epsilon * a / 4.0) - epsilon * epsilon * v / 4.0
    }

    /// ε + ε²·C/4, the variance that one step adds.
    fn injected(&self) -> f64 {
        self.epsilon + self.epsilon * self.epsilon * self.gradient_variance / 4.0
    }

    /// Whether there is a stationary law, ρ < 1. On the full batch that is εa < 4.
    pub fn is_stable(&self) -> bool {
        self.one_minus_rho() > 0.0
    }

    /// Variance of w in the limit of many steps; infinite if the chain is not stable.
    pub fn stationary_variance(&self) -> f64 {
        if self.is_stable() { self.injected() / self.one_minus_rho() } else { f64::INFINITY }
    }

    /// Variance of w after `num_steps` steps from w*.
    pub fn variance(&self, num_steps: u64) -> f64 {
        let one_minus_rho = self.one_minus_rho();
        if one_minus_rho == 0.0 {
            return self.injected() * num_steps as f64;
        }
        // 1 − ρ^t as −expm1(t·ln ρ): exact for ρ near 1. ρ > 0 but for ε = 2/a without minibatch noise, where ln 0
        // = −∞ does.
        let log_rho = (-one_minus_rho).max(-1.0).ln_1p();
        let reached = if num_steps == 0 { 0.0 } else { -(num_steps as f64 * log_rho).exp_m1() };
        self.injected() * reached / one_minus_rho
    }

    /// λ̂(t) = E[nβ·K] after t = `num_steps` steps from w*. The expected minibatch loss there is the same.
    pub fn llc(&self, num_steps: u64) -> f64 {
        self.mode.scaled_loss(self.variance(num_steps))
    }

    /// λ̂ in the limit of many steps; infinite if the chain is not stable.
    pub fn stationary_llc(&self) -> f64 {
        let variance = self.stationary_variance();
        if self.mode.curvature == 0.0 {
            return 0.0; // A flat mode has no loss, however far it goes.
        }
        self.mode.scaled_loss(variance)
    }

    /// The expected mean of λ̂(t) over the kept steps, t in `kept`: what a chain of that length reports. NaN for no
    /// steps.
    pub fn mean_llc(&self, kept: Range<u64>) -> f64 {
        let num_kept = kept.end.saturating_sub(kept.start) as f64;
        kept.map(|num_steps| self.llc(num_steps)).sum::<f64>() / num_kept
    }

    /// E[w·∇U] = a·V in the limit: the virial ratio of this mode, 1/(1 − εa/4) on the full batch, 1 for the posterior.
    pub fn stationary_virial(&self) -> f64 {
        self.mode.precision() * self.stationary_variance()
    }

    /// The correlation of the losses of draws `lag` steps apart, (1 − εa/2)^{2·lag}, in a stationary chain on the
    /// full batch.
    ///
    /// It falls by e about every 1/(εa) steps: a flat mode takes 1/(εγ).
    pub fn loss_autocorrelation(&self, lag: u64) -> f64 {
        (self.contraction() * self.contraction()).powf(lag as f64)
    }

    /// The integrated autocorrelation time of the loss, in steps: 1 + 2·Σ_{lag ≥ 1} of the above. Infinite if not
    /// stable.
    ///
    /// A chain of T stationary draws is worth T over this many independent ones.
    pub fn loss_autocorrelation_time(&self) -> f64 {
        let ratio = self.contraction() * self.contraction();
        if ratio < 1.0 { (1.0 + ratio) / (1.0 - ratio) } else { f64::INFINITY }
    }
}

#[cfg(test)]
mod tests;
