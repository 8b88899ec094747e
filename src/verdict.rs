//! Judges an estimate: is λ̂ the expectation that it claims to be, and how does it depend on the scale?
//!
//! λ̂(nβ, γ) is an expectation under one stated density. Whether the number is that expectation, within its interval, is judged by the
//! agreement of the chains, their effective draws, a trend, a minimum at w*, and the two biases of a sampler without an accept step, each
//! measured. Whether λ̂ is level in γ, so that it is the coefficient λ, is a second question. Where it is not, that is a finding about the
//! network and never a reason to refuse.
//!
//! - [`Verdict::Trusted`]: λ̂ is the expectation, and level in γ: it is the coefficient.
//! - [`Verdict::TrustedAtScale`]: λ̂ is the expectation: it describes the network at that nβ, γ and radius.
//! - [`Verdict::LocalPlateau`]: the flat directions have not settled, and what is open of them is shown not to move λ̂.
//! - [`Verdict::NotTrusted`]: with every [`Reason`].
//!
//! Every threshold is a constant here with its derivation. A diagnostic that could not be computed (NaN) counts against.
//!
//! *Reference*: Vehtari et al. 2021 for R-hat and effective sample sizes (<https://arxiv.org/abs/1903.08008>); Roberts and Rosenthal 1998
//! for the law of the acceptance (<https://doi.org/10.1111/1467-9868.00123>); the rest is derived where it stands.
//!
//! *Tested by*: the table of spoilt diagnostics in verdict/tests.rs, and tests/verdicts.rs on real runs, good ones and spoilt ones.

use serde::Serialize;

use crate::diagnostics::Estimate;
use crate::llc::LlcEstimate;
use crate::summary::Diagnostics;

/// Whether λ̂ can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// λ̂ is the expectation that it claims to be, and level in γ.
    Trusted,
    /// λ̂ is the expectation at its nβ and γ.
    TrustedAtScale,
    /// The flat directions have not settled, and what is open of them does not move λ̂.
    LocalPlateau,
    /// λ̂ is not shown to be the expectation.
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
    /// The step size distorts the law, or nearly everything is rejected.
    StepTooLarge,
    /// The noise of the minibatches distorts the law.
    MinibatchNoise,
    /// The draws are worth too few independent ones.
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
}

/// λ̂ from chains at ε and at ε/2, extrapolated to ε = 0.
#[derive(Debug, Clone, Serialize)]
pub struct Extrapolation {
    /// λ̂ of the chains at ε.
    pub at_epsilon: LlcEstimate,
    /// λ̂ of the chains at ε/2.
    pub at_half_epsilon: LlcEstimate,
    /// λ̂(ε) − (2·λ̂(ε/2) − λ̂(ε)): what ε added, the step's and the minibatches' share together.
    pub bias: Estimate,
    /// R-hat of the loss of the chains at ε/2.
    pub rhat: f64,
    /// Bulk effective sample size of the loss of the chains at ε/2.
    pub ess_bulk: f64,
    /// The largest εa/4 of a mode at w*, a = nβ·h_max + γ: how far beyond first order the stiffest mode is.
    pub largest_share: f64,
}

impl Extrapolation {
    /// What the extrapolation leaves of the biases, relative to λ̂: a mode at x = εa/4 has 1/(1 − x) times its energy, and
    /// 2/(1 − x/2) − 1/(1 − x) = 1 − x²/2 − …, so that ½·mean(x²) is left of mean(x); mean(x²) ≤ max(x)·mean(x).
    fn remainder(&self, llc: f64) -> f64 {
        let share = self.bias.value.abs() / llc.abs();
        0.5 * share * share.max(self.largest_share)
    }
}

/// What a verdict is given on.
#[derive(Debug, Clone)]
pub struct Evidence<'a> {
    pub llc: &'a LlcEstimate,
    pub diagnostics: &'a Diagnostics,
    /// Whether the sampler's stationary law is exact at any step size (MALA, HMC, Gibbs).
    pub is_adjusted: bool,
    /// Whether the kept losses are those of all samples. Minibatch losses have a variance of their own.
    pub is_loss_full: bool,
    /// λ̂ at ε and ε/2, where `llc` is extrapolated from both.
    pub extrapolation: Option<&'a Extrapolation>,
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
    /// nβ of the density.
    pub n_beta: f64,
    /// γ of the density.
    pub gamma: f64,
}

/// Relative error that a reader of λ̂ must not be left with: the laws of this project ask two percent of λ̂ on exact truths, and the
/// third leaves room for the Monte Carlo error of the checks themselves.
pub const TOLERANCE: f64 = 0.03;

/// Standard errors by which a check must fail: a stationary chain fails one of ten such checks once in 1,600 runs.
pub const SIGNIFICANT: f64 = 4.0;

/// R-hat of the loss, where the draws are many. Vehtari et al. ask for 1.01; at their own least effective sample size, 50 for each split
/// chain, R-hat is about √(1 + 1/50) = 1.01 for chains that have converged. Twice that excess means that chains differ by more than their
/// error.
pub const MAX_RHAT: f64 = 1.02;

/// The same at an effective sample size: R-hat of M split chains that have converged is about √(1 + M/ess), and twice that excess is
/// allowed.
fn max_rhat(num_chains: usize, ess_bulk: f64) -> f64 {
    let excess = 2.0 * (2 * num_chains) as f64 / ess_bulk;
    // f64::max passes over a NaN.
    (1.0 + excess).sqrt().max(MAX_RHAT)
}

/// R-hat of the distance from w* above which the flat directions may not have settled: chains that differ by a third of their own spread
/// (√(1 + 0.1)). Where E‖w − w*‖² is known within the tolerance all the same, they have: with many directions that spread is narrow.
pub const MAX_RHAT_DISTANCE: f64 = 1.05;

/// Effective draws per chain, bulk and tail. The interval covers as it claims down to five of them a chain
/// ([`crate::diagnostics::mean_interval`]); below 25 a chain is not yet much longer than what its own warm-up had to forget.
pub const MIN_ESS_PER_CHAIN: f64 = 25.0;

/// Largest standard error against λ̂: an interval of ±8 %. The interval is what is held to it, as a standard error alone can't see a slow
/// part of λ̂ below the noise of minibatches.
pub const MAX_RELATIVE_MCSE: f64 = 0.05;
/// The 95 % quantile of the normal law.
const Z90: f64 = 1.645;

/// Largest ratio of the Gamma law. A mode that γ holds has f = nβh/(nβh + γ), mean f/2 and variance f²/2, so that the ratio to expect is
/// Σf²/Σf, anywhere in (0, 1): only a ratio above 1 says something. Chains that still climb, or visit cones of another λ, raise it. Losses
/// of minibatches have a variance of their own and are not held to it.
pub const MAX_VARIANCE_RATIO: f64 = 1.25;

/// Least acceptance of an exact sampler: below it a chain stands still for stretches that its own effective sample size can't see.
pub const MIN_ACCEPTANCE: f64 = 0.1;

/// How far the loss may fall below L_n(w*), in units of λ̂'s own tolerance; and absolutely, since nβ·L is rounded.
pub const MAX_DESCENT: f64 = 0.02;
const ROUNDING: f64 = 0.02;

/// Factor by which the localisation check lowers γ. Four takes three quarters of a regular mode's bias γ/(2a) away, and widens the
/// flat directions only twofold, so that a chain still settles; a factor of 100 widens them tenfold, and the chain wanders.
pub const LOCALISATION_FACTOR: f64 = 4.0;

/// Share of λ̂ that may come to it at γ/4 for λ̂ to be level. What γ takes falls as γ^p: p = 1 for regular directions, and p = ¼ at the
/// slowest seen, in deep linear networks whose flat directions nβ hardly resolves. Of a whole B the step to γ/4 shows B·(1 − 4^(−p)):
/// with B the tolerance and p = ¼ that is 0.29 of it.
const LEVEL: f64 = 0.29 * TOLERANCE;

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
    let unsettled = flat_directions_unsettled(diagnostics);
    let findings: Vec<Finding> = [
        diverged(evidence),
        not_a_minimum(evidence),
        not_equilibrated(evidence, unsettled.as_deref()),
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
    if let (Some(why), true) = (unsettled, findings.is_empty()) {
        notes.push(format!(
            "the flat directions have not settled ({why}); what is open of them moves λ̂ by {:.1} % at most",
            100.0 * diagnostics.unsettled_shift / llc.mean.abs()
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
            "whether λ̂ is level in γ is not known: {:.0} % of the directions are held by γ at radius {:.3}, and {why}",
            100.0 * diagnostics.held_by_gamma,
            diagnostics.radius
        )),
    }
    notes.extend(incomplete);
    Judgement { verdict, findings, notes }
}

/// A number as a sentence has it.
fn compact(value: f64) -> String {
    if (1e-3..1e6).contains(&value) { format!("{}", (value * 1e4).round() / 1e4) } else { format!("{value:.3e}") }
}

/// Whether λ̂ depends on γ.
enum Slope {
    /// Not within the tolerance: λ̂ is the coefficient.
    Level,
    /// It does, in words.
    Sloped(String),
    /// Nobody knows, and why.
    Unknown(String),
}

/// Whether −dλ̂/dlnγ alone shows that λ̂ depends on γ, so that no second run is needed to see it.
pub fn is_sloped(llc: &LlcEstimate, diagnostics: &Diagnostics) -> bool {
    let sensitivity = &diagnostics.gamma_sensitivity;
    is_below(TOLERANCE * llc.mean.abs() + SIGNIFICANT * sensitivity.mcse, -sensitivity.value)
}

fn slope(evidence: &Evidence) -> Slope {
    let Evidence { llc, diagnostics, .. } = evidence;
    let sensitivity = &diagnostics.gamma_sensitivity;
    if is_sloped(llc, diagnostics) {
        return Slope::Sloped(format!(
            "dλ̂/dlnγ = {:.3} ± {:.3}, {:.0} % of λ̂",
            sensitivity.value,
            sensitivity.mcse,
            100.0 * sensitivity.value / llc.mean
        ));
    }
    if is_below(diagnostics.held_by_gamma, HELD_SHARE) {
        return Slope::Level;
    }
    match evidence.localisation {
        Localisation::NotChecked => Slope::Unknown("no run at a smaller γ was made".to_owned()),
        Localisation::Failed { gamma, why } => Slope::Unknown(format!("the run at γ = {gamma} failed ({why})")),
        Localisation::Sampled(check) => {
            // The run at the smaller γ is at ε too.
            let llc = evidence.extrapolation.map_or(*llc, |both| &both.at_epsilon);
            let change = check.llc - llc.mean;
            let mcse = check.mcse.hypot(llc.mcse);
            let scale = llc.mean.abs();
            // Chains at the smaller γ have half the draws: twice the least excess.
            let is_sharp =
                is_below(2.0 * mcse, TOLERANCE * scale) && is_below(check.rhat, 1.0 + 2.0 * (MAX_RHAT - 1.0));
            let how = format!(
                "at γ = {} it is {:.3} ± {:.3}, {:+.1} %",
                check.gamma,
                check.llc,
                check.mcse,
                100.0 * change / llc.mean
            );
            match (is_sharp, is_below(change.abs(), LEVEL * scale + mcse)) {
                (true, true) => Slope::Level,
                (true, false) => Slope::Sloped(how),
                (false, _) if is_below(TOLERANCE * scale + SIGNIFICANT * mcse, change.abs()) => Slope::Sloped(how),
                (false, _) => Slope::Unknown(format!(
                    "the run at γ = {} is too short to say (R-hat {:.3}, standard error {:.1} %)",
                    check.gamma,
                    check.rhat,
                    100.0 * check.mcse / scale
                )),
            }
        }
    }
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

fn not_equilibrated(evidence: &Evidence, unsettled: Option<&str>) -> Option<Finding> {
    let Diagnostics { rhat, trend, variance_ratio, ess_bulk, unsettled_shift, .. } = evidence.diagnostics;
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
            "the variance of nβ·L is {:.2} times its mean, where the Gamma law allows 1",
            variance_ratio.value
        ));
    }
    if let Some(why) = unsettled
        && !is_below(*unsettled_shift, TOLERANCE * llc.mean.abs())
    {
        let shift = match unsettled_shift.is_finite() {
            true => format!("may move λ̂ by {:.0} %", 100.0 * unsettled_shift / llc.mean.abs()),
            false => "may move λ̂ by any amount".to_owned(),
        };
        found.push(format!("the flat directions have not settled ({why}), and what is open of them {shift}"));
    }
    if found.is_empty() {
        return None;
    }
    finding(
        Reason::NotEquilibrated,
        format!("{}; try more steps (--num-steps), a larger γ, or a sampler that mixes better", found.join("; ")),
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

/// The biases of a sampler without an accept step, relative to λ̂: the step's, and the minibatches' with the noise of both taken off.
struct Biases {
    step: f64,
    minibatch: f64,
    /// What is left of both in λ̂, less two standard errors.
    left: f64,
    /// In words.
    how: String,
}

fn biases(evidence: &Evidence) -> Option<Biases> {
    let Evidence { llc, diagnostics, .. } = evidence;
    let (step, minibatch) = (diagnostics.step_bias?, diagnostics.minibatch_bias?);
    let scale = llc.mean.abs();
    let (left, how) = match evidence.extrapolation {
        Some(extrapolation) => (
            extrapolation.remainder(llc.mean) - 2.0 * extrapolation.bias.mcse / scale * extrapolation.largest_share,
            "and the extrapolation from ε and ε/2 leaves",
        ),
        None => (
            (step.value + minibatch.value - 2.0 * step.mcse.hypot(minibatch.mcse)) / scale,
            "and nothing takes it off: it leaves",
        ),
    };
    Some(Biases {
        step: step.value / scale,
        minibatch: minibatch.value / scale,
        left,
        how: format!("{how} {:.1} % at most", 100.0 * left),
    })
}

fn step_too_large(evidence: &Evidence) -> Option<Finding> {
    let Diagnostics { virial, acceptance, .. } = evidence.diagnostics;
    let mut found = Vec::new();
    // A step that is too large shows in the virial ratio as well, but not by how much λ̂ is off.
    let is_measured = !evidence.is_adjusted && biases(evidence).is_some();
    if !is_measured && virial.z(1.0 + TOLERANCE) > SIGNIFICANT {
        found.push(format!("the virial ratio is {:.3} ± {:.3}, above 1", virial.value, virial.mcse));
    }
    if evidence.is_adjusted {
        if let Some(acceptance) = acceptance.filter(|&acceptance| !is_below(MIN_ACCEPTANCE, acceptance)) {
            found.push(format!("only {:.1} % of the proposals are accepted", 100.0 * acceptance));
        }
    } else if let Some(biases) = biases(evidence) {
        // Of a bias that is too large its larger part is a reason; the other too, if it alone would do.
        let is_part = biases.step >= biases.minibatch || !is_below(biases.step, TOLERANCE);
        if !is_below(biases.left, TOLERANCE) && is_part {
            found.push(format!("the step size adds about {:.1} % to λ̂, {}", 100.0 * biases.step, biases.how));
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
    let advice = match evidence.is_adjusted {
        true => "try a smaller --epsilon, or --epsilon auto",
        false => "try a smaller --epsilon, --epsilon auto, or --extrapolate-step on",
    };
    finding(Reason::StepTooLarge, format!("{}; {advice}", found.join("; ")))
}

fn minibatch_noise(evidence: &Evidence) -> Option<Finding> {
    let biases = biases(evidence).filter(|_| !evidence.is_adjusted)?;
    let is_part = biases.minibatch > biases.step || !is_below(biases.minibatch, TOLERANCE);
    if is_below(biases.left, TOLERANCE) || !is_part {
        return None;
    }
    finding(
        Reason::MinibatchNoise,
        format!(
            "the noise of the minibatches adds about {:.1} % to λ̂, {}; try a larger --batch-size, a smaller --epsilon, or \
             --extrapolate-step on",
            100.0 * biases.minibatch,
            biases.how
        ),
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
            "the draws are worth {ess_bulk:.0} independent ones in the bulk and {ess_tail:.0} in the tails, and {needed:.0} are needed"
        ));
    }
    if !is_below(relative, MAX_RELATIVE_MCSE) {
        found.push(format!(
            "the error of λ̂ is {:.1} %, and at most {:.0} % are allowed",
            100.0 * relative,
            100.0 * MAX_RELATIVE_MCSE
        ));
    }
    finding(Reason::TooFewEffectiveDraws, format!("{}; try more steps (--num-steps)", found.join("; ")))
}

/// Why the flat directions have not settled, if they have not.
fn flat_directions_unsettled(diagnostics: &Diagnostics) -> Option<String> {
    let Diagnostics { rhat_distance, trend_distance, virial, .. } = diagnostics;
    let is_known = is_below(diagnostics.distance_error, TOLERANCE) && !rhat_distance.is_nan();
    if !is_below(*rhat_distance, MAX_RHAT_DISTANCE) && !is_known {
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
