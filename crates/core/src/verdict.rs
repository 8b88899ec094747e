//! Judges an estimate: is λ̂ the expectation that it claims to be, and how does it depend on the scale?
//!
//! λ̂(nβ, γ) is an expectation under one stated density. The first question is whether the number is that expectation, within its interval.
//! The verdict checks the agreement of the chains, their effective draws, a trend, whether w* is a minimum, and the two measured biases of a
//! sampler without an accept step. The second question is whether λ̂ is level in γ, so that it is the coefficient λ. If it is not, that is a
//! finding about the network and never a reason to refuse.
//!
//! - [`Verdict::Trusted`]: λ̂ is the expectation, and level in γ: it is the coefficient.
//! - [`Verdict::TrustedAtScale`]: λ̂ is the expectation: it describes the network at this nβ, γ and radius.
//! - [`Verdict::LocalPlateau`]: the flat directions have not settled, but the run shows that this does not move λ̂.
//! - [`Verdict::NotTrusted`]: with every [`Reason`].
//!
//! Every threshold is a constant here with its derivation. A diagnostic that could not be computed (NaN) counts against the estimate.
//!
//! *Reference*: Vehtari et al. 2021 for R-hat and effective sample sizes (<https://arxiv.org/abs/1903.08008>); Roberts and Rosenthal 1998
//! for the law of the acceptance (<https://doi.org/10.1111/1467-9868.00123>); the rest is derived here.
//!
//! *Tested by*: the table of modified diagnostics in verdict/tests.rs, and tests/verdicts.rs on real runs, good and bad ones.

mod biases;
mod level;
mod settled;

use serde::{Deserialize, Serialize};

use crate::llc::LlcEstimate;
use crate::summary::Diagnostics;

pub use biases::{Extrapolation, MIN_ACCEPTANCE, discretisation_bias};
pub use level::{HELD_SHARE, LOCALISATION_FACTOR, Localisation, LocalisationCheck, is_sloped};
pub use settled::MAX_RHAT_DISTANCE;

use biases::{minibatch_noise, step_too_large};
use level::{Slope, slope};
use settled::{Unsettled, unsettled};

/// Whether λ̂ can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// λ̂ is the expectation that it claims to be, and level in γ.
    Trusted,
    /// λ̂ is the expectation at its nβ and γ.
    TrustedAtScale,
    /// The flat directions have not settled, but this does not move λ̂.
    LocalPlateau,
    /// The run does not show that λ̂ is the expectation.
    NotTrusted,
}

impl Verdict {
    /// The word that reports use.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Trusted => "trusted",
            Verdict::TrustedAtScale => "trusted_at_scale",
            Verdict::LocalPlateau => "local_plateau",
            Verdict::NotTrusted => "not_trusted",
        }
    }
}

/// Why λ̂ can't be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A chain's loss was no longer finite.
    Diverged,
    /// The loss falls below L_n(w*) near w*.
    NotAMinimum,
    /// The chains' losses have not settled, or disagree.
    NotEquilibrated,
    /// The step size distorts the law, or nearly all proposals are rejected.
    StepTooLarge,
    /// The noise of the minibatches distorts the law.
    MinibatchNoise,
    /// The draws amount to too few independent ones.
    TooFewEffectiveDraws,
}

impl Reason {
    /// The word that reports use.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Diverged => "diverged",
            Reason::NotAMinimum => "not_a_minimum",
            Reason::NotEquilibrated => "not_equilibrated",
            Reason::StepTooLarge => "step_too_large",
            Reason::MinibatchNoise => "minibatch_noise",
            Reason::TooFewEffectiveDraws => "too_few_effective_draws",
        }
    }
}

/// One reason, with the finding and what to try.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    pub reason: Reason,
    /// The finding, with its numbers, and what to try.
    pub explanation: String,
}

/// A verdict with its reasons.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Judgement {
    pub verdict: Verdict,
    /// Empty unless the verdict is [`Verdict::NotTrusted`], and also if a run was interrupted before any draw was kept.
    pub findings: Vec<Finding>,
    /// Notes for any verdict, such as the radius that a plateau describes.
    pub notes: Vec<String>,
}

/// The evidence for a verdict.
#[derive(Debug, Clone)]
pub struct Evidence<'a> {
    pub llc: &'a LlcEstimate,
    pub diagnostics: &'a Diagnostics,
    /// Whether the sampler's stationary law is exact at any step size (MALA, HMC, Gibbs).
    pub is_adjusted: bool,
    /// Whether the kept losses are those of all samples. Minibatch losses have additional variance.
    pub is_loss_full: bool,
    /// λ̂ at ε and ε/2, if `llc` is extrapolated from both.
    pub extrapolation: Option<&'a Extrapolation>,
    /// Chains whose loss was no longer finite.
    pub num_diverged: usize,
    /// Total number of chains.
    pub num_chains: usize,
    /// nβ·(L_n(w*) − lowest loss that gradient descent finds from w*).
    pub descent: f64,
    /// Whether it was cancelled before its end.
    pub is_interrupted: bool,
    /// The result of the run's repetition at a smaller γ.
    pub localisation: &'a Localisation,
    /// nβ of the density.
    pub n_beta: f64,
    /// γ of the density.
    pub gamma: f64,
}

/// Largest acceptable relative error of λ̂: the laws of this project require two percent of λ̂ on exact truths, and the
/// third percent leaves room for the Monte Carlo error of the checks themselves.
pub const TOLERANCE: f64 = 0.03;

/// Standard errors by which a check must fail: a stationary chain fails one of ten such checks once in 1,600 runs.
pub const SIGNIFICANT: f64 = 4.0;

/// Largest R-hat of the loss if there are many draws. Vehtari et al. recommend 1.01; at their own least effective sample size, 50 for each split
/// chain, R-hat is about √(1 + 1/50) = 1.01 for chains that have converged. Twice that excess means that chains differ by more than their
/// error.
pub const MAX_RHAT: f64 = 1.02;

/// The same for a given effective sample size: R-hat of M split chains that have converged is about √(1 + M/ess), and twice that excess is
/// allowed.
fn max_rhat(num_chains: usize, ess_bulk: f64) -> f64 {
    let excess = 2.0 * (2 * num_chains) as f64 / ess_bulk;
    // f64::max passes over a NaN.
    (1.0 + excess).sqrt().max(MAX_RHAT)
}

/// Fewest effective draws per chain, bulk and tail. The interval has its stated coverage down to five of them a chain
/// ([`crate::diagnostics::mean_interval`]); below 25 a chain is not much longer than its warm-up had to be.
pub const MIN_ESS_PER_CHAIN: f64 = 25.0;

/// Largest standard error relative to λ̂: an interval of ±8 %. The check uses the interval, since a standard error alone can't detect a slow
/// part of λ̂ below the noise of minibatches.
pub const MAX_RELATIVE_MCSE: f64 = 0.05;
/// The 95 % quantile of the normal law.
const Z90: f64 = 1.645;

/// Largest ratio of the Gamma law. A mode that γ holds has f = nβh/(nβh + γ), mean f/2 and variance f²/2, so that the expected ratio is
/// Σf²/Σf, anywhere in (0, 1): only a ratio above 1 is evidence. Chains that still climb, or visit cones of another λ, raise it. Losses
/// of minibatches have additional variance and are not checked.
pub const MAX_VARIANCE_RATIO: f64 = 1.25;

/// How far the loss may fall below L_n(w*), in units of λ̂'s own tolerance; and absolutely, since nβ·L is rounded.
pub const MAX_DESCENT: f64 = 0.02;
const ROUNDING: f64 = 0.02;

/// x < limit. False for NaN, so that a value that could not be computed counts against the estimate.
pub(crate) fn is_below(x: f64, limit: f64) -> bool {
    x < limit
}

/// Judges an estimate.
pub fn judge(evidence: &Evidence) -> Judgement {
    let Evidence { llc, diagnostics, .. } = evidence;
    if llc.per_chain.is_empty() {
        // Nothing was kept: there is nothing to judge but why.
        let findings: Vec<Finding> = diverged(evidence).into_iter().collect();
        let verdict = Verdict::NotTrusted;
        let notes =
            if findings.is_empty() { vec!["interrupted before any draw was kept".to_owned()] } else { Vec::new() };
        return Judgement { verdict, findings, notes };
    }
    let unsettled = unsettled(evidence);
    let findings: Vec<Finding> = [
        diverged(evidence),
        not_a_minimum(evidence),
        not_equilibrated(evidence, unsettled.as_ref()),
        step_too_large(evidence),
        minibatch_noise(evidence),
        too_few_effective_draws(evidence),
    ]
    .into_iter()
    .flatten()
    .collect();
    let incomplete = incomplete(evidence);
    let slope = slope(evidence);
    let verdict = match (findings.is_empty(), unsettled.is_some() || incomplete.is_some(), &slope) {
        (false, _, _) => Verdict::NotTrusted,
        (true, true, _) => Verdict::LocalPlateau,
        (true, false, Slope::Level) => Verdict::Trusted,
        (true, false, _) => Verdict::TrustedAtScale,
    };
    let mut notes = Vec::new();
    if let (Some(Unsettled { why, shift }), true) = (unsettled, findings.is_empty()) {
        notes.push(format!(
            "the flat directions have not settled ({why}); λ̂ will change by {:.1} % at most when they do",
            100.0 * shift / llc.mean.abs()
        ));
    }
    match slope {
        Slope::Level => {}
        Slope::Sloped(how) => notes.push(format!(
            "λ̂ depends on the scale: {how}. It describes the network at γ = {}, nβ = {} and radius {:.3}",
            compact(evidence.gamma),
            compact(evidence.n_beta),
            diagnostics.radius
        )),
        Slope::Unknown(why) => notes.push(format!(
            "it is not known whether λ̂ depends on γ: γ holds {:.0} % of the directions at radius {:.3}, and {why}",
            100.0 * diagnostics.held_by_gamma,
            diagnostics.radius
        )),
    }
    notes.extend(incomplete);
    Judgement { verdict, findings, notes }
}

/// A number formatted for a sentence.
fn compact(value: f64) -> String {
    if (1e-3..1e6).contains(&value) { format!("{}", (value * 1e4).round() / 1e4) } else { format!("{value:.3e}") }
}

/// Why the chains can't show whether they agree, or `None` if they can.
fn incomplete(evidence: &Evidence) -> Option<String> {
    let num_kept = evidence.llc.per_chain.len();
    if evidence.is_interrupted {
        return Some("the run was interrupted: λ̂ uses the draws recorded so far".to_owned());
    }
    (num_kept < 2).then(|| "one chain can't show whether chains agree; use --num-chains 4".to_owned())
}

fn finding(reason: Reason, explanation: String) -> Option<Finding> {
    Some(Finding { reason, explanation })
}

fn diverged(evidence: &Evidence) -> Option<Finding> {
    let Evidence { num_diverged, num_chains, .. } = evidence;
    if *num_diverged == 0 {
        return None;
    }
    finding(
        Reason::Diverged,
        format!(
            "{num_diverged} of {num_chains} chains reached a loss that is not finite and are excluded; try a smaller ε, a larger γ \
             or a smaller nβ"
        ),
    )
}

fn not_a_minimum(evidence: &Evidence) -> Option<Finding> {
    let Evidence { llc, descent, .. } = evidence;
    // Without any draw left λ̂ is NaN, which says nothing about w*.
    let limit = ROUNDING + if llc.mean.is_finite() { MAX_DESCENT * llc.mean.abs() } else { 0.0 };
    let is_negative = llc.ci90[1] < 0.0;
    if *descent <= limit && !is_negative {
        return None;
    }
    let found = if is_negative {
        format!("λ̂ is negative (90 % interval up to {:.3})", llc.ci90[1])
    } else {
        format!("gradient descent from w* lowers nβ·L by {descent:.3}, so λ̂ is too low by at least this much")
    };
    finding(
        Reason::NotAMinimum,
        format!(
            "{found}: w* is not a minimum at this nβ; train longer or lower nβ; around a network, w* is a minimum \
             with --loss-around own-function"
        ),
    )
}

fn not_equilibrated(evidence: &Evidence, unsettled: Option<&Unsettled>) -> Option<Finding> {
    let Diagnostics { rhat, trend, variance_ratio, ess_bulk, .. } = evidence.diagnostics;
    let llc = evidence.llc;
    let num_chains = llc.per_chain.len();
    let mut found = Vec::new();
    let limit = max_rhat(num_chains, *ess_bulk);
    if !is_below(*rhat, limit) {
        found.push(format!("R-hat of the loss is {rhat:.3}, not below {limit:.3}"));
    }
    if let Some(Extrapolation { rhat, ess_bulk, .. }) = evidence.extrapolation {
        let limit = max_rhat(num_chains, *ess_bulk);
        if !is_below(*rhat, limit) {
            found.push(format!("R-hat of the loss at ε/2 is {rhat:.3}, not below {limit:.3}"));
        }
    }
    if !is_below(trend.z.abs(), SIGNIFICANT) && !is_below(trend.difference.abs(), TOLERANCE) {
        found.push(format!("λ̂ moved by {:+.1} % from the first to the second half", 100.0 * trend.difference));
    }
    let is_off = variance_ratio.z(MAX_VARIANCE_RATIO) > SIGNIFICANT || !variance_ratio.value.is_finite();
    if evidence.is_loss_full && is_off {
        found.push(format!(
            "the variance of nβ·L is {:.2} times its mean, but at most about 1 times at equilibrium",
            variance_ratio.value
        ));
    }
    if let Some(Unsettled { why, shift }) = unsettled
        && !is_below(*shift, TOLERANCE * llc.mean.abs())
    {
        let shift = match shift.is_finite() {
            true => format!("may change by {:.0} %", 100.0 * shift / llc.mean.abs()),
            false => "may change by any amount".to_owned(),
        };
        found.push(format!("the flat directions have not settled ({why}); λ̂ {shift} when they do"));
    }
    if found.is_empty() {
        return None;
    }
    finding(
        Reason::NotEquilibrated,
        format!("{}; try more steps (--num-steps), a larger γ, or a sampler that mixes better", found.join("; ")),
    )
}

fn too_few_effective_draws(evidence: &Evidence) -> Option<Finding> {
    let Diagnostics { ess_bulk, ess_tail, .. } = evidence.diagnostics;
    let llc = evidence.llc;
    let ess_bulk = &evidence.extrapolation.map_or(*ess_bulk, |at_half| at_half.ess_bulk.min(*ess_bulk));
    let needed = MIN_ESS_PER_CHAIN * llc.per_chain.len().max(1) as f64;
    let error = llc.mcse.max(0.5 * (llc.ci90[1] - llc.ci90[0]) / Z90);
    let relative = if llc.mcse.is_nan() { f64::NAN } else { error / llc.mean.abs() };
    if *ess_bulk >= needed && *ess_tail >= needed && relative <= MAX_RELATIVE_MCSE {
        return None;
    }
    let mut found = Vec::new();
    if is_below(*ess_bulk, needed) || is_below(*ess_tail, needed) || ess_bulk.is_nan() || ess_tail.is_nan() {
        found.push(format!(
            "the effective sample size is {ess_bulk:.0} in the bulk and {ess_tail:.0} in the tails; {needed:.0} are needed ({MIN_ESS_PER_CHAIN:.0} a chain)"
        ));
    }
    if !is_below(relative, MAX_RELATIVE_MCSE) {
        found.push(format!(
            "the 90 % interval is ±{:.1} % of λ̂, above the limit of ±{:.0} %",
            100.0 * Z90 * relative,
            100.0 * Z90 * MAX_RELATIVE_MCSE
        ));
    }
    finding(Reason::TooFewEffectiveDraws, format!("{}; try more steps (--num-steps)", found.join("; ")))
}

#[cfg(test)]
mod tests;
