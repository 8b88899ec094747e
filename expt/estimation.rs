//! Lays out what a report says of one estimate, the same in every experiment.

use llc::estimate::Estimation;
use llc::verdict::Reason;
use serde_json::{Value, json};

/// λ̂ with its error, the diagnostics, the verdict and the time of `done`.
pub fn report(done: &Estimation) -> Value {
    let judgement = &done.judgement;
    json!({
        "llc": done.llc,
        "n_beta": done.n_beta,
        "gamma": done.gamma,
        "epsilon": done.epsilon,
        "largest_curvature": done.largest_curvature,
        "descent": done.descent,
        "diagnostics": done.diagnostics,
        "localisation_check": done.localisation.sampled(),
        "rounding_shift": done.rounding_shift,
        "extrapolation": done.extrapolation,
        "verdict": judgement.verdict,
        "reasons": judgement.findings.iter().map(|f| f.reason.as_str()).collect::<Vec<_>>(),
        "explanations": judgement.findings.iter().map(|f| f.explanation.as_str()).collect::<Vec<_>>(),
        "notes": judgement.notes,
        "timing": {
            "sampling_s": done.sampling_s,
            "steps_per_s": done.num_steps as f64 / done.sampling_s,
        },
    })
}

/// Whether a chain of the estimate met a loss that is not finite, as its `report` says.
pub fn has_diverged(report: &Value) -> bool {
    report["reasons"].as_array().into_iter().flatten().any(|reason| reason == Reason::Diverged.as_str())
}

/// `report` with `notes` ahead of its own.
pub fn with_notes(mut report: Value, notes: &[String]) -> Value {
    if let Some(own) = report["notes"].as_array_mut() {
        own.splice(0..0, notes.iter().map(|note| note.as_str().into()));
    }
    report
}

/// The keys of both objects; `over` wins.
pub fn merged(mut under: Value, over: Value) -> Value {
    if let (Value::Object(under), Value::Object(over)) = (&mut under, over) {
        under.extend(over);
    }
    under
}
