//! What a report says of λ̂ at one point, the same in every experiment.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::config::SamplerConfig;
use crate::diagnostics::{self, Trend, nan_for_null};
use crate::estimate::Estimation;
use crate::llc::LlcEstimate;
use crate::summary;
use crate::verdict::{Extrapolation, LocalisationCheck, Reason, Verdict};

/// λ̂ at one point with its error, the diagnostics, the verdict and the time that it took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    pub llc: LlcEstimate,
    #[serde(default = "not_recorded")]
    pub n_beta: f64,
    #[serde(default = "not_recorded")]
    pub gamma: f64,
    /// Step size of each chain that has one.
    pub epsilon: Vec<f64>,
    #[serde(deserialize_with = "nan_for_null")]
    pub largest_curvature: f64,
    /// nβ·(L_n(w*) − lowest loss that gradient descent finds from w*).
    #[serde(deserialize_with = "nan_for_null")]
    pub descent: f64,
    pub diagnostics: Diagnostics,
    /// λ̂ at a smaller γ, where that was sampled.
    pub localisation_check: Option<LocalisationCheck>,
    pub rounding_shift: Option<f64>,
    pub extrapolation: Option<Extrapolation>,
    #[serde(flatten)]
    pub judgement: Judgement,
    pub timing: SamplingTime,
}

impl From<&Estimation> for Estimate {
    fn from(of: &Estimation) -> Self {
        let findings = &of.judgement.findings;
        Self {
            llc: of.llc.clone(),
            n_beta: of.n_beta,
            gamma: of.gamma,
            epsilon: of.epsilon.clone(),
            largest_curvature: of.largest_curvature,
            descent: of.descent,
            diagnostics: (&of.diagnostics).into(),
            localisation_check: of.localisation.sampled().cloned(),
            rounding_shift: of.rounding_shift,
            extrapolation: of.extrapolation.clone(),
            judgement: Judgement {
                verdict: of.judgement.verdict,
                reasons: findings.iter().map(|finding| finding.reason.as_str().to_owned()).collect(),
                explanations: findings.iter().map(|finding| finding.explanation.clone()).collect(),
                notes: of.judgement.notes.clone(),
            },
            timing: SamplingTime {
                data_s: None,
                sampling_s: of.sampling_s,
                steps_per_s: of.num_steps as f64 / of.sampling_s,
            },
        }
    }
}

impl Estimate {
    /// The same with `notes` before its own.
    pub fn with_notes(mut self, notes: &[String]) -> Self {
        self.judgement.notes.splice(0..0, notes.iter().cloned());
        self
    }
}

/// nβ and γ of a point in a record of version 0.1.0, which has them at its top alone.
fn not_recorded() -> f64 {
    f64::NAN
}

/// Whether λ̂ can be trusted, and why it can't.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    pub verdict: Verdict,
    /// The words of [`Reason`]; `failed` where an error left no estimate.
    pub reasons: Vec<String>,
    /// A sentence for each reason.
    pub explanations: Vec<String>,
    /// What a reader should know in any case.
    pub notes: Vec<String>,
}

impl Judgement {
    /// Whether a chain met a loss that is not finite.
    pub fn has_diverged(&self) -> bool {
        has_diverged(&self.reasons)
    }

    /// The verdict, and why it is no better, in words.
    pub fn words(&self) -> String {
        match self.reasons.is_empty() {
            true => self.verdict.as_str().to_owned(),
            false => format!("{}: {}", self.verdict.as_str(), self.reasons.join(", ")),
        }
    }
}

/// Whether one of `reasons` is a loss that is not finite.
pub fn has_diverged(reasons: &[String]) -> bool {
    reasons.iter().any(|reason| reason == Reason::Diverged.as_str())
}

/// How long sampling took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SamplingTime {
    /// Seconds until the data were there, where they are drawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_s: Option<f64>,
    pub sampling_s: f64,
    #[serde(deserialize_with = "nan_for_null")]
    pub steps_per_s: f64,
}

/// How well the draws represent the density; [`summary::Diagnostics`] says what each number is. Errors have keys of their own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Diagnostics {
    #[serde(deserialize_with = "nan_for_null")]
    pub rhat: f64,
    #[serde(deserialize_with = "nan_for_null")]
    pub rhat_distance: f64,
    #[serde(deserialize_with = "nan_for_null")]
    pub ess_bulk: f64,
    #[serde(deserialize_with = "nan_for_null")]
    pub ess_tail: f64,
    pub acceptance: Option<f64>,
    #[serde(deserialize_with = "nan_for_null")]
    pub virial: f64,
    #[serde(deserialize_with = "nan_for_null")]
    pub virial_mcse: f64,
    /// Empty where a reader dropped it.
    #[serde(default)]
    pub virial_per_tensor: BTreeMap<String, diagnostics::Estimate>,
    #[serde(deserialize_with = "nan_for_null")]
    pub variance_ratio: f64,
    #[serde(deserialize_with = "nan_for_null")]
    pub variance_ratio_mcse: f64,
    pub trend: Trend,
    pub trend_distance: Trend,
    #[serde(deserialize_with = "nan_for_null")]
    pub gamma_sensitivity: f64,
    #[serde(deserialize_with = "nan_for_null")]
    pub gamma_sensitivity_mcse: f64,
    pub step_bias: Option<f64>,
    pub step_bias_mcse: Option<f64>,
    pub minibatch_bias: Option<f64>,
    pub minibatch_bias_mcse: Option<f64>,
    pub distance_slope: Option<f64>,
    pub distance_slope_mcse: Option<f64>,
    pub distance_open: Option<f64>,
    pub distance_error: Option<f64>,
    #[serde(deserialize_with = "nan_for_null")]
    pub radius: f64,
    #[serde(deserialize_with = "nan_for_null")]
    pub held_by_gamma: f64,
}

impl From<&summary::Diagnostics> for Diagnostics {
    fn from(of: &summary::Diagnostics) -> Self {
        Self {
            rhat: of.rhat,
            rhat_distance: of.rhat_distance,
            ess_bulk: of.ess_bulk,
            ess_tail: of.ess_tail,
            acceptance: of.acceptance,
            virial: of.virial.value,
            virial_mcse: of.virial.mcse,
            virial_per_tensor: of.virial_per_tensor.iter().cloned().collect(),
            variance_ratio: of.variance_ratio.value,
            variance_ratio_mcse: of.variance_ratio.mcse,
            trend: of.trend,
            trend_distance: of.trend_distance,
            gamma_sensitivity: of.gamma_sensitivity.value,
            gamma_sensitivity_mcse: of.gamma_sensitivity.mcse,
            step_bias: of.step_bias.map(|bias| bias.value),
            step_bias_mcse: of.step_bias.map(|bias| bias.mcse),
            minibatch_bias: of.minibatch_bias.map(|bias| bias.value),
            minibatch_bias_mcse: of.minibatch_bias.map(|bias| bias.mcse),
            distance_slope: Some(of.distance_slope.value),
            distance_slope_mcse: Some(of.distance_slope.mcse),
            distance_open: Some(of.distance_open),
            distance_error: Some(of.distance_error),
            radius: of.radius,
            held_by_gamma: of.held_by_gamma,
        }
    }
}

/// What was drawn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Chains {
    /// The name of the sampler.
    pub sampler: String,
    pub num_chains: usize,
    /// Draws of a chain, warm-up included.
    pub num_draws: usize,
    pub num_warmup: usize,
}

impl From<&SamplerConfig> for Chains {
    fn from(sampler: &SamplerConfig) -> Self {
        Self {
            sampler: sampler.kernel.kind().name().to_owned(),
            num_chains: sampler.num_chains,
            num_draws: sampler.num_draws(),
            num_warmup: sampler.num_warmup_draws(),
        }
    }
}

/// How a network does on both sets of samples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    #[serde(deserialize_with = "nan_for_null")]
    pub train_loss: f64,
    pub train_accuracy: f64,
    #[serde(deserialize_with = "nan_for_null")]
    pub test_loss: f64,
    pub test_accuracy: f64,
}

/// λ, where it is known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lambda {
    pub lambda_true: f64,
    /// The same as a fraction: `67/2`.
    pub lambda_true_exact: String,
    /// Whether it is that of the point; else it is a lower bound.
    pub lambda_true_is_local: bool,
    pub multiplicity: u64,
}
