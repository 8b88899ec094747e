//! Lays out what a report says of one estimate, the same in every experiment.

use llc::estimate::Estimation;
use llc::report::{Estimate, Judgement, SamplingTime};

/// λ̂ with its error, the diagnostics, the verdict and the time of `done`.
pub fn report(done: &Estimation) -> Estimate {
    let findings = &done.judgement.findings;
    Estimate {
        llc: done.llc.clone(),
        n_beta: done.n_beta,
        gamma: done.gamma,
        epsilon: done.epsilon.clone(),
        largest_curvature: done.largest_curvature,
        descent: done.descent,
        diagnostics: (&done.diagnostics).into(),
        localisation_check: done.localisation.sampled().cloned(),
        rounding_shift: done.rounding_shift,
        extrapolation: done.extrapolation.clone(),
        judgement: Judgement {
            verdict: done.judgement.verdict,
            reasons: findings.iter().map(|finding| finding.reason.as_str().to_owned()).collect(),
            explanations: findings.iter().map(|finding| finding.explanation.clone()).collect(),
            notes: done.judgement.notes.clone(),
        },
        timing: SamplingTime {
            data_s: None,
            sampling_s: done.sampling_s,
            steps_per_s: done.num_steps as f64 / done.sampling_s,
        },
    }
}

/// The same, with `notes` ahead of its own.
pub fn report_with(done: &Estimation, notes: &[String]) -> Estimate {
    let mut report = report(done);
    report.judgement.notes.splice(0..0, notes.iter().cloned());
    report
}
