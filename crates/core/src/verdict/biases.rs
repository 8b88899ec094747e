//! Judges the bias of λ̂ from step size and minibatches, for a sampler without an accept step, and the remainder after an extrapolation.
//!
//! *Reference*: Roberts and Rosenthal 1998 for the law of the acceptance (<https://doi.org/10.1111/1467-9868.00123>); src/chain/gradients.rs
//! for the biases that are measured. *Tested by* verdict/tests.rs and tests/biases.rs.

use serde::{Deserialize, Serialize};

use super::{Evidence, Finding, Reason, SIGNIFICANT, TOLERANCE, finding, is_below};
use crate::diagnostics::{Estimate, nan_for_null};
use crate::llc::LlcEstimate;
use crate::summary::Diagnostics;

/// Least acceptance of an exact sampler: below it a chain stays at one point for long times that its own effective sample size can't detect.
pub const MIN_ACCEPTANCE: f64 = 0.1;

/// λ̂ from chains at ε and at ε/2, extrapolated to ε = 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Extrapolation {
    /// λ̂ of the chains at ε.
    pub at_epsilon: LlcEstimate,
    /// λ̂ of the chains at ε/2.
    pub at_half_epsilon: LlcEstimate,
    /// λ̂(ε) − (2·λ̂(ε/2) − λ̂(ε)): the bias at ε, from step and minibatches together.
    pub bias: Estimate,
    /// R-hat of the loss of the chains at ε/2.
    #[serde(deserialize_with = "nan_for_null")]
    pub rhat: f64,
    /// Bulk effective sample size of the loss of the chains at ε/2.
    #[serde(deserialize_with = "nan_for_null")]
    pub ess_bulk: f64,
    /// The largest εa/4 of a mode at w*, with a = nβ·h_max + γ: it bounds the terms beyond first order.
    #[serde(deserialize_with = "nan_for_null")]
    pub largest_share: f64,
}

impl Extrapolation {
    /// The bias that remains after the extrapolation, relative to λ̂: a mode at x = εa/4 has 1/(1 − x) times its energy, and
    /// 2/(1 − x/2) − 1/(1 − x) = 1 − x²/2 − …, so that ½·mean(x²) remains of mean(x); mean(x²) ≤ max(x)·mean(x).
    fn remainder(&self, llc: f64) -> f64 {
        let share = self.bias.value.abs() / llc.abs();
        0.5 * share * share.max(self.largest_share)
    }
}

/// Upper bound on the relative bias of λ̂ from the step size of an unadjusted sampler, from its Metropolis acceptance ā.
///
/// For k modes of stiffness aᵢ the log acceptance ratio is normal with variance σ² = Σ(εaᵢ)³/16, and ā = 2Φ(−σ/2) (Roberts and
/// Rosenthal 1998, at its Gaussian case). Each mode's energy is too large by the factor 1/(1 − εaᵢ/4); the mean of εaᵢ is at most
/// the cube root of the mean of (εaᵢ)³, so that the relative bias is at most ¼·(16σ²/k)^⅓, with k = 2λ̂ modes that the loss holds.
pub fn discretisation_bias(acceptance: f64, llc: f64) -> f64 {
    let sigma = -2.0 * crate::diagnostics::special::normal_quantile(0.5 * acceptance.clamp(1e-12, 1.0));
    0.25 * (16.0 * sigma * sigma / (2.0 * llc).max(1.0)).cbrt()
}

/// The biases of a sampler without an accept step, relative to λ̂: the step's and the minibatches'.
struct Biases {
    step: f64,
    minibatch: f64,
    /// The bias that remains in λ̂, minus two standard errors.
    left: f64,
    /// How they were treated, in words.
    how: String,
}

fn biases(evidence: &Evidence) -> Option<Biases> {
    let Evidence { llc, diagnostics, .. } = evidence;
    let (step, minibatch) = (diagnostics.step_bias?, diagnostics.minibatch_bias?);
    let scale = llc.mean.abs();
    let (left, how) = match evidence.extrapolation {
        Some(extrapolation) => {
            let remainder = extrapolation.remainder(llc.mean);
            let how = format!("and extrapolation from ε and ε/2 leaves about {:.1} %", 100.0 * remainder);
            (remainder - 2.0 * extrapolation.bias.mcse / scale * extrapolation.largest_share, how)
        }
        None => {
            let error = step.mcse.hypot(minibatch.mcse);
            ((step.value + minibatch.value - 2.0 * error) / scale, "which is not corrected".to_owned())
        }
    };
    Some(Biases { step: step.value / scale, minibatch: minibatch.value / scale, left, how })
}

pub(super) fn step_too_large(evidence: &Evidence) -> Option<Finding> {
    let Diagnostics { virial, acceptance, .. } = evidence.diagnostics;
    let mut found = Vec::new();
    // A step that is too large shows in the virial ratio as well, but not by how much λ̂ is off.
    let is_measured = !evidence.is_adjusted && biases(evidence).is_some();
    if !is_measured && virial.z(1.0 + TOLERANCE) > SIGNIFICANT {
        found.push(format!("the virial ratio is {:.3} ± {:.3}, significantly above 1.03", virial.value, virial.mcse));
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
                "a Metropolis step would accept only {:.1} % of the proposals, so λ̂ may be up to {:.0} % too large",
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

pub(super) fn minibatch_noise(evidence: &Evidence) -> Option<Finding> {
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
