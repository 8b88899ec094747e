//! Decides whether the flat directions have settled, and if not, how far λ̂ may still move.
//!
//! The draws give a slope of λ̂ over ln ‖w − w*‖²; a repetition at another γ, whose chains are at another distance, gives a second one. Both
//! are averaged, weighted by their errors. The slope plus two standard errors, times the possible change of ln ‖w − w*‖², bounds the change of λ̂.
//!
//! *Reference*: derived for this project. *Tested by* verdict/tests.rs, and tests/outcomes.rs on chains that have gone a third of their way.

use super::level::MAX_RHAT_OF_CHECK;
use super::{Evidence, SIGNIFICANT, TOLERANCE, is_below};
use crate::diagnostics::Estimate;
use crate::summary::Diagnostics;

/// R-hat of the distance from w* above which the flat directions may not have settled: chains that differ by a third of their own spread
/// (√(1 + 0.1)). If E‖w − w*‖² is nevertheless known within the tolerance, they have settled: with many directions that spread is narrow.
pub const MAX_RHAT_DISTANCE: f64 = 1.05;

/// Flat directions that have not settled.
pub(super) struct Unsettled {
    /// What shows it.
    pub why: String,
    /// How far λ̂ may still move, in its unit; infinite if there is no bound.
    pub shift: f64,
}

/// The flat directions, if they have not settled.
pub(super) fn unsettled(evidence: &Evidence) -> Option<Unsettled> {
    let Diagnostics { distance_slope, distance_open, .. } = evidence.diagnostics;
    let why = why(evidence.diagnostics)?;
    let slope = match slope_between_runs(evidence) {
        Some(other) => pooled(*distance_slope, other),
        None => *distance_slope,
    };
    Some(Unsettled { why, shift: (slope.value.abs() + 2.0 * slope.mcse) * distance_open })
}

/// The slope of λ̂ over ln ‖w − w*‖² between the run and its repetition at a smaller γ, whose chains are elsewhere.
fn slope_between_runs(evidence: &Evidence) -> Option<Estimate> {
    let check = evidence.localisation.sampled().filter(|check| is_below(check.rhat, MAX_RHAT_OF_CHECK))?;
    let llc = evidence.extrapolation.map_or(evidence.llc, |both| &both.at_epsilon);
    let apart = 2.0 * (check.radius / evidence.diagnostics.radius).ln();
    let slope = Estimate { value: (check.llc - llc.mean) / apart, mcse: check.mcse.hypot(llc.mcse) / apart.abs() };
    // Chains that are no further away say nothing, with an infinite error.
    (slope.value.is_finite() && slope.mcse.is_finite()).then_some(slope)
}

/// The average of both, weighted by their errors; an unknown error has no weight.
fn pooled(a: Estimate, b: Estimate) -> Estimate {
    if !(a.value.is_finite() && a.mcse.is_finite()) {
        return b;
    }
    let [u, v] = [a, b].map(|estimate| estimate.mcse.powi(-2));
    Estimate { value: (u * a.value + v * b.value) / (u + v), mcse: (u + v).sqrt().recip() }
}

/// Why the flat directions have not settled, or `None` if they have.
fn why(diagnostics: &Diagnostics) -> Option<String> {
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
