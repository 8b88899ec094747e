//! Says whether an estimate can be trusted, and if not, why and what to try.
//!
//! - [`Verdict::Trusted`]: nothing speaks against λ̂ and its interval.
//! - [`Verdict::LocalPlateau`]: the loss has settled and the flat directions have not; λ̂ describes the region of the radius
//!   √E‖w − w*‖² that the chains reached. That is all that a large non-linear network can offer.
//! - [`Verdict::NotTrusted`]: with every [`Reason`].
//!
//! Every threshold is a constant here with its derivation. A diagnostic that could not be computed (NaN) counts against.
//!
//! *Reference*: Vehtari et al. 2021 for R-hat and effective sample sizes (<https://arxiv.org/abs/1903.08008>); Roberts and Rosenthal 1998
//! for the law of the acceptance (<https://doi.org/10.1111/1467-9868.00123>); the rest is derived where it stands.
//!
//! *Tested by*: the table of spoilt diagnostics in verdict/tests.rs, and tests/verdicts.rs on real runs, good ones and spoilt ones.

use serde::Serialize;

use crate::llc::LlcEstimate;
use crate::summary::Diagnostics;

/// Whether λ̂ can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Trusted,
    LocalPlateau,
    NotTrusted,
}

impl Verdict {
    /// The word that reports use.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Trusted => "trusted",
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
    /// The step size distorts the law, or nearly everything is rejected.
    StepTooLarge,
    /// The draws are worth too few independent ones.
    TooFewEffectiveDraws,
    /// λ̂ depends on γ.
    LocalisationBias,
}

impl Reason {
    /// The word that reports use.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Diverged => "diverged",
            Reason::NotAMinimum => "not_a_minimum",
            Reason::NotEquilibrated => "not_equilibrated",
            Reason::StepTooLarge => "step_too_large",
            Reason::TooFewEffectiveDraws => "too_few_effective_draws",
            Reason::LocalisationBias => "localisation_bias",
        }
    }
}

/// One reason with what was found and what to try.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    pub reason: Reason,
    /// What was found, with the numbers, and what to try.
    pub explanation: String,
}

/// A verdict with its reasons.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Judgement {
    pub verdict: Verdict,
    /// Empty unless the verdict is [`Verdict::NotTrusted`]; empty there too if a run was interrupted before any draw was kept.
    pub findings: Vec<Finding>,
    /// What a reader should know in any case, such as the radius that a plateau describes.
    pub notes: Vec<String>,
}

/// λ̂ at a smaller γ, to see what the localisation hides.
#[derive(Debug, Clone, Serialize)]
pub struct LocalisationCheck {
    /// The smaller γ.
    pub gamma: f64,
    /// λ̂ there.
    pub llc: f64,
    /// Its Monte Carlo standard error.
    pub mcse: f64,
    /// R-hat of the loss there.
    pub rhat: f64,
}

/// What became of a run's repetition at a smaller γ.
#[derive(Debug, Clone)]
pub enum Localisation {
    /// Not wanted, not needed, or interrupted.
    NotChecked,
    /// It was sampled.
    Sampled(LocalisationCheck),
    /// A chain failed at that γ.
    Failed { gamma: f64, why: String },
}

impl Localisation {
    /// The check, where it was sampled.
    pub fn sampled(&self) -> Option<&LocalisationCheck> {
        match self {
            Localisation::Sampled(check) => Some(check),
            _ => None,
        }
    }

    /// Why it can't tell what γ hides, where it can't.
    fn inconclusive(&self, llc: &LlcEstimate) -> Option<String> {
        match self {
            Localisation::NotChecked => Some("whether they hide a part of λ was not checked".to_owned()),
            Localisation::Failed { gamma, why } => Some(format!("the check at γ = {gamma} failed ({why})")),
            Localisation::Sampled(check) => {
                // At this error a change of three times the tolerance is seen.
                let is_sharp = is_below(check.mcse.hypot(llc.mcse), TOLERANCE * llc.mean.abs());
                (!is_sharp || !is_below(check.rhat, MAX_RHAT)).then(|| {
                    format!(
                        "the check at γ = {} is too short to tell (R-hat {:.3}, standard error {:.1} %)",
                        check.gamma,
                        check.rhat,
                        100.0 * check.mcse / llc.mean.abs()
                    )
                })
            }
        }
    }
}

/// What a verdict is given on.
#[derive(Debug, Clone)]
pub struct Evidence<'a> {
    pub llc: &'a LlcEstimate,
    pub diagnostics: &'a Diagnostics,
    /// Whether the sampler's stationary law is exact at any step size (MALA, HMC, Gibbs).
    pub is_adjusted: bool,
    /// Chains whose loss was no longer finite.
    pub num_diverged: usize,
    /// Chains in all.
    pub num_chains: usize,
    /// nβ·(L_n(w*) − lowest loss that gradient descent finds from w*).
    pub descent: f64,
    /// Whether it was cancelled before its end.
    pub is_interrupted: bool,
    /// What became of the run's repetition at a smaller γ.
    pub localisation: &'a Localisation,
}

/// Relative error that a reader of λ̂ must not be left with: the laws of this project ask two percent of λ̂ on exact truths, and the
/// third leaves room for the Monte Carlo error of the checks themselves.
pub const TOLERANCE: f64 = 0.03;

/// Standard errors by which a check must fail: a stationary chain fails one of ten such checks once in 1,600 runs.
pub const SIGNIFICANT: f64 = 4.0;

/// R-hat of the loss. Vehtari et al. ask for 1.01; at their own least effective sample size, 50 for each split chain, R-hat is about
/// √(1 + 1/50) = 1.01 for chains that have converged. Twice that excess means that chains differ by more than their error.
pub const MAX_RHAT: f64 = 1.02;

/// R-hat of the distance from w*, which only separates a trusted estimate from a plateau: chains that differ by a third of their
/// own spread (√(1 + 0.1)).
pub const MAX_RHAT_DISTANCE: f64 = 1.05;

/// Effective draws per chain, bulk and tail (Vehtari et al., section 4.4): fewer, and R-hat and the error itself can't be relied on.
pub const MIN_ESS_PER_CHAIN: f64 = 100.0;

/// Largest standard error against λ̂: an interval of ±8 %.
pub const MAX_RELATIVE_MCSE: f64 = 0.05;

/// Bounds of the Gamma law's ratio. A regular mode that γ holds by half has f = ½ and the ratio ½; a multiplicity m lowers it by
/// (m − 1)/ln²(nβ)/λ, below a tenth for λ > 1; chains that still climb, or visit cones of another λ, raise it.
pub const VARIANCE_RATIO: [f64; 2] = [0.5, 1.25];

/// Least acceptance of an exact sampler: below it a chain stands still for stretches that its own effective sample size can't see.
pub const MIN_ACCEPTANCE: f64 = 0.1;

/// How far the loss may fall below L_n(w*), in units of λ̂'s own tolerance; and absolutely, since nβ·L is rounded.
pub const MAX_DESCENT: f64 = 0.02;
const ROUNDING: f64 = 0.02;

/// Factor by which the localisation check lowers γ. Four takes three quarters of a regular mode's bias γ/(2a) away, and widens the
/// flat directions only twofold, so that a chain still settles; a factor of 100 widens them tenfold, and the chain wanders.
pub const LOCALISATION_FACTOR: f64 = 4.0;

/// Share of the directions held by γ below which it can hide nothing: with fewer, even all of them together carry less than the
/// tolerance (½ each against λ̂ ≥ ½·(1 − share)·d).
pub const HELD_SHARE: f64 = 0.02;

/// x < limit. A NaN is below nothing, so that what could not be computed counts against.
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
    let findings: Vec<Finding> = [
        diverged(evidence),
        not_a_minimum(evidence),
        not_equilibrated(evidence),
        step_too_large(evidence),
        too_few_effective_draws(evidence),
        localisation_bias(evidence),
    ]
    .into_iter()
    .flatten()
    .collect();
    let unsettled = flat_directions_unsettled(diagnostics);
    let unchecked = match is_below(diagnostics.held_by_gamma, HELD_SHARE) {
        true => None,
        false => evidence.localisation.inconclusive(llc),
    };
    let incomplete = incomplete(evidence);
    let is_plateau = unsettled.is_some() || unchecked.is_some() || incomplete.is_some();
    let verdict = match (findings.is_empty(), is_plateau) {
        (false, _) => Verdict::NotTrusted,
        (true, true) => Verdict::LocalPlateau,
        (true, false) => Verdict::Trusted,
    };
    let mut notes = Vec::new();
    if let Some(why) = unsettled {
        notes.push(format!(
            "λ̂ describes the region of radius {:.3} around w*: {why}. More steps widen it, a larger γ makes it settle.",
            diagnostics.radius
        ));
    }
    if let Some(why) = unchecked {
        notes.push(format!(
            "{:.0} % of the directions are held by γ at radius {:.3}, and {why}.",
            100.0 * diagnostics.held_by_gamma,
            diagnostics.radius
        ));
    }
    notes.extend(incomplete);
    Judgement { verdict, findings, notes }
}

/// Why the chains can't show whether they agree, if they can't.
fn incomplete(evidence: &Evidence) -> Option<String> {
    let num_kept = evidence.llc.per_chain.len();
    if evidence.is_interrupted {
        return Some("the run was interrupted: λ̂ is of the draws so far".to_owned());
    }
    (num_kept < 2).then(|| "one chain can't show whether chains agree; take 4 (--num-chains)".to_owned())
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
            "{num_diverged} of {num_chains} chains met a loss that is not finite and are left out; try a smaller ε, a larger γ \
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
        format!("gradient descent from w* lowers nβ·L by {descent:.3}, which λ̂ lacks")
    };
    finding(Reason::NotAMinimum, format!("{found}: w* is not a minimum at this nβ; train on, or lower nβ"))
}

fn not_equilibrated(evidence: &Evidence) -> Option<Finding> {
    let Diagnostics { rhat, trend, variance_ratio, .. } = evidence.diagnostics;
    let mut found = Vec::new();
    if !is_below(*rhat, MAX_RHAT) {
        found.push(format!("R-hat of the loss is {rhat:.3} (below {MAX_RHAT} wanted)"));
    }
    if !is_below(trend.z.abs(), SIGNIFICANT) && !is_below(trend.difference.abs(), TOLERANCE) {
        found.push(format!("λ̂ moved by {:+.1} % from the first to the second half", 100.0 * trend.difference));
    }
    let [low, high] = VARIANCE_RATIO;
    let is_off = variance_ratio.z(high) > SIGNIFICANT || variance_ratio.z(low) < -SIGNIFICANT;
    if is_off || !variance_ratio.value.is_finite() {
        found.push(format!(
            "the variance of nβ·L is {:.2} times its mean, where the Gamma law says 1",
            variance_ratio.value
        ));
    }
    if found.is_empty() {
        return None;
    }
    finding(
        Reason::NotEquilibrated,
        format!("{}; try more steps (--num-steps) or a sampler that mixes better", found.join("; ")),
    )
}

/// Relative bias of λ̂ that an unadjusted sampler's step size causes, at most, read off its Metropolis acceptance ā.
///
/// For k modes of stiffness aᵢ the log acceptance ratio is normal with variance σ² = Σ(εaᵢ)³/16, and ā = 2Φ(−σ/2) (Roberts and
/// Rosenthal 1998, at its Gaussian case). Each mode's energy is too large by the factor 1/(1 − εaᵢ/4); the mean of εaᵢ is at most
/// the cube root of the mean of (εaᵢ)³, so that the relative bias is at most ¼·(16σ²/k)^⅓, with k = 2λ̂ modes that the loss holds.
pub fn discretisation_bias(acceptance: f64, llc: f64) -> f64 {
    let sigma = -2.0 * crate::diagnostics::special::normal_quantile(0.5 * acceptance.clamp(1e-12, 1.0));
    0.25 * (16.0 * sigma * sigma / (2.0 * llc).max(1.0)).cbrt()
}

fn step_too_large(evidence: &Evidence) -> Option<Finding> {
    let Diagnostics { virial, acceptance, .. } = evidence.diagnostics;
    let mut found = Vec::new();
    if virial.z(1.0 + TOLERANCE) > SIGNIFICANT {
        found.push(format!("the virial ratio is {:.3} ± {:.3}, above 1", virial.value, virial.mcse));
    }
    if let Some(acceptance) = acceptance
        && evidence.is_adjusted
    {
        if !is_below(MIN_ACCEPTANCE, *acceptance) {
            found.push(format!("only {:.1} % of the proposals are accepted", 100.0 * acceptance));
        }
    } else if let Some(acceptance) = acceptance {
        let bias = discretisation_bias(*acceptance, evidence.llc.mean);
        // The bound adds up over modes of unequal stiffness: twice the tolerance, as it is met only when all are alike.
        if !is_below(bias, 2.0 * TOLERANCE) {
            found.push(format!(
                "a Metropolis test would accept {:.1} % of the steps: λ̂ may be up to {:.0} % too large",
                100.0 * acceptance,
                100.0 * bias
            ));
        }
    }
    if found.is_empty() {
        return None;
    }
    finding(Reason::StepTooLarge, format!("{}; try a smaller --epsilon, or --epsilon auto", found.join("; ")))
}

fn too_few_effective_draws(evidence: &Evidence) -> Option<Finding> {
    let Diagnostics { ess_bulk, ess_tail, .. } = evidence.diagnostics;
    let llc = evidence.llc;
    let wanted = MIN_ESS_PER_CHAIN * llc.per_chain.len().max(1) as f64;
    let relative = llc.mcse / llc.mean.abs();
    if *ess_bulk >= wanted && *ess_tail >= wanted && relative <= MAX_RELATIVE_MCSE {
        return None;
    }
    finding(
        Reason::TooFewEffectiveDraws,
        format!(
            "the draws are worth {ess_bulk:.0} independent ones in the bulk and {ess_tail:.0} in the tails ({wanted:.0} wanted), \
             and λ̂'s standard error is {:.1} %; try more steps (--num-steps)",
            100.0 * relative
        ),
    )
}

fn localisation_bias(evidence: &Evidence) -> Option<Finding> {
    let Evidence { llc, diagnostics, .. } = evidence;
    let mut found = Vec::new();
    if let Some(check) = evidence.localisation.sampled() {
        let change = check.llc - llc.mean;
        let mcse = check.mcse.hypot(llc.mcse);
        if !is_below(change.abs(), TOLERANCE * llc.mean.abs() + 2.0 * mcse) {
            found.push(format!(
                "at γ = {} λ̂ is {:.3} ± {:.3}, {:+.1} %",
                check.gamma,
                check.llc,
                check.mcse,
                100.0 * change / llc.mean
            ));
        }
    }
    // −dλ̂/dlnγ is a regular mode's whole bias to first order.
    let sensitivity = &diagnostics.gamma_sensitivity;
    let taken = -sensitivity.value;
    if !is_below(taken, TOLERANCE * llc.mean.abs() + 2.0 * sensitivity.mcse) {
        found.push(format!("γ takes about {taken:.2} ± {:.2} from λ̂ (−dλ̂/dlnγ)", sensitivity.mcse));
    }
    if found.is_empty() {
        return None;
    }
    finding(
        Reason::LocalisationBias,
        format!(
            "{}: λ̂ depends on γ; try a smaller --gamma, or a larger --n-beta where the loss is exact",
            found.join("; ")
        ),
    )
}

/// Why the flat directions have not settled, if they have not.
fn flat_directions_unsettled(diagnostics: &Diagnostics) -> Option<String> {
    let Diagnostics { rhat_distance, trend_distance, virial, .. } = diagnostics;
    if !is_below(*rhat_distance, MAX_RHAT_DISTANCE) {
        return Some(format!("R-hat of the distance from w* is {rhat_distance:.3}"));
    }
    if !is_below(trend_distance.z.abs(), SIGNIFICANT) && !is_below(trend_distance.difference.abs(), TOLERANCE) {
        return Some(format!("‖w − w*‖² still moved by {:+.0} %", 100.0 * trend_distance.difference));
    }
    if !is_below(-virial.z(1.0 - TOLERANCE), SIGNIFICANT) {
        return Some(format!("the virial ratio is {:.3}, below 1", virial.value));
    }
    None
}

#[cfg(test)]
mod tests;
