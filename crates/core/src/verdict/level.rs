//! Decides whether λ̂ is level in γ: whether it is the coefficient, or depends on its scale.
//!
//! A significant −dλ̂/dlnγ among the draws shows at once that it is not level. Otherwise the run is repeated at a quarter of γ. The bias from γ
//! falls as γ^p, so that of a bias B the step to γ/4 shows B·(1 − 4^(−p)).
//!
//! *Reference*: derived for this project. *Tested by* verdict/tests.rs, and tests/verdicts.rs on runs that γ keeps below their coefficient.

use serde::{Deserialize, Serialize};

use super::{Evidence, MAX_RHAT, SIGNIFICANT, TOLERANCE, is_below};
use crate::diagnostics::nan_for_null;
use crate::llc::LlcEstimate;
use crate::summary::Diagnostics;

/// Factor by which the localisation check lowers γ. Four removes three quarters of a regular mode's bias γ/(2a), and widens the
/// flat directions only twofold, so that a chain still settles; a factor of 100 widens them tenfold, and the chain wanders.
pub const LOCALISATION_FACTOR: f64 = 4.0;

/// Largest relative change of λ̂ at γ/4 for λ̂ to be level. The bias from γ falls as γ^p: p = 1 for regular directions, and p = ¼ at the
/// slowest seen, in deep linear networks whose flat directions nβ hardly resolves. Of a bias B the step to γ/4 shows B·(1 − 4^(−p)):
/// with B the tolerance and p = ¼ that is 0.29 of it.
const LEVEL: f64 = 0.29 * TOLERANCE;

/// R-hat of the loss of the repetition: its chains have half the draws, and so twice the excess of [`MAX_RHAT`].
pub(super) const MAX_RHAT_OF_CHECK: f64 = 1.0 + 2.0 * (MAX_RHAT - 1.0);

/// Share of the directions held by γ below which it can't hide anything: even all of them together contribute less than the
/// tolerance (½ each against λ̂ ≥ ½·(1 − share)·d).
pub const HELD_SHARE: f64 = 0.02;

/// λ̂ at a smaller γ, to check the effect of the localisation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LocalisationCheck {
    /// The smaller γ.
    #[serde(deserialize_with = "nan_for_null")]
    pub gamma: f64,
    /// λ̂ there.
    #[serde(deserialize_with = "nan_for_null")]
    pub llc: f64,
    /// Its Monte Carlo standard error.
    #[serde(deserialize_with = "nan_for_null")]
    pub mcse: f64,
    /// R-hat of the loss there.
    #[serde(deserialize_with = "nan_for_null")]
    pub rhat: f64,
    /// √E‖w − w*‖² there.
    #[serde(default = "not_recorded", deserialize_with = "nan_for_null")]
    pub radius: f64,
}

/// The radius in a record of version 0.1.0, which has none.
fn not_recorded() -> f64 {
    f64::NAN
}

/// The result of a run's repetition at a smaller γ.
#[derive(Debug, Clone)]
pub enum Localisation {
    /// Not requested, not needed, or interrupted.
    NotChecked,
    /// It was sampled.
    Sampled(LocalisationCheck),
    /// A chain failed at that γ.
    Failed { gamma: f64, why: String },
}

impl Localisation {
    /// The check, if it was sampled.
    pub fn sampled(&self) -> Option<&LocalisationCheck> {
        match self {
            Localisation::Sampled(check) => Some(check),
            _ => None,
        }
    }
}

/// Whether λ̂ depends on γ.
pub(super) enum Slope {
    /// Not within the tolerance: λ̂ is the coefficient.
    Level,
    /// It depends on γ; the finding in words.
    Sloped(String),
    /// Unknown, with the reason.
    Unknown(String),
}

/// Whether −dλ̂/dlnγ alone shows that λ̂ depends on γ, so that no second run is needed to see it.
pub fn is_sloped(llc: &LlcEstimate, diagnostics: &Diagnostics) -> bool {
    let sensitivity = &diagnostics.gamma_sensitivity;
    is_below(TOLERANCE * llc.mean.abs() + SIGNIFICANT * sensitivity.mcse, -sensitivity.value)
}

pub(super) fn slope(evidence: &Evidence) -> Slope {
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
        Localisation::NotChecked => Slope::Unknown("there was no check at a smaller γ".to_owned()),
        Localisation::Failed { gamma, why } => Slope::Unknown(format!("the run at γ = {gamma} failed ({why})")),
        Localisation::Sampled(check) => {
            // The run at the smaller γ is at ε too.
            let llc = evidence.extrapolation.map_or(*llc, |both| &both.at_epsilon);
            let change = check.llc - llc.mean;
            let mcse = check.mcse.hypot(llc.mcse);
            let scale = llc.mean.abs();
            let is_sharp = is_below(2.0 * mcse, TOLERANCE * scale) && is_below(check.rhat, MAX_RHAT_OF_CHECK);
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
                    "the run at γ = {} is too short to decide (R-hat {:.3}, standard error {:.1} %)",
                    check.gamma,
                    check.rhat,
                    100.0 * check.mcse / scale
                )),
            }
        }
    }
}
