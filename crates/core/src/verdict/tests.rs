//! Modifies one diagnostic at a time, and checks the verdict.

use super::*;
use crate::diagnostics::{Estimate, Trend};

fn good() -> (LlcEstimate, Diagnostics, Localisation) {
    let one = Estimate { value: 1.0, mcse: 0.01 };
    let still = Trend { difference: 0.0, mcse: 0.01, z: 0.0 };
    let diagnostics = Diagnostics {
        rhat: 1.0,
        rhat_distance: 1.0,
        ess_bulk: 4000.0,
        ess_tail: 4000.0,
        acceptance: Some(0.8),
        virial: one,
        virial_per_tensor: Vec::new(),
        variance_ratio: one,
        trend: still,
        trend_distance: still,
        gamma_sensitivity: Estimate { value: 0.0, mcse: 0.1 },
        step_bias: None,
        minibatch_bias: None,
        distance_slope: Estimate { value: 0.0, mcse: 0.05 },
        distance_open: 0.1,
        distance_error: 0.01,
        radius: 3.0,
        held_by_gamma: 0.5,
    };
    let llc = LlcEstimate { mean: 50.0, mcse: 0.1, ci90: [49.8, 50.2], per_chain: vec![50.0; 4] };
    let check = LocalisationCheck { gamma: 0.25, llc: 50.1, mcse: 0.1, rhat: 1.0, radius: 3.0 };
    (llc, diagnostics, Localisation::Sampled(check))
}

fn evidence<'a>(llc: &'a LlcEstimate, diagnostics: &'a Diagnostics, localisation: &'a Localisation) -> Evidence<'a> {
    Evidence {
        llc,
        diagnostics,
        is_adjusted: true,
        is_loss_full: true,
        extrapolation: None,
        num_diverged: 0,
        num_chains: 4,
        is_interrupted: false,
        descent: 0.0,
        localisation,
        n_beta: 100.0,
        gamma: 1.0,
    }
}

fn verdict(llc: &LlcEstimate, diagnostics: &Diagnostics, localisation: &Localisation) -> Judgement {
    judge(&evidence(llc, diagnostics, localisation))
}

fn reasons(judged: &Judgement) -> Vec<Reason> {
    judged.findings.iter().map(|finding| finding.reason).collect()
}

#[test]
fn a_diagnostic_that_could_not_be_computed_never_counts_in_favour() {
    let (llc, diagnostics, localisation) = good();
    assert_eq!(verdict(&llc, &diagnostics, &localisation).verdict, Verdict::Trusted);
    let nan = f64::NAN;
    let lost = Estimate { value: nan, mcse: nan };
    let unknown = Trend { difference: nan, mcse: nan, z: nan };
    let spoils: [fn(&mut Diagnostics, Estimate, Trend); 10] = [
        |d, _, _| d.rhat = f64::NAN,
        |d, _, _| d.rhat_distance = f64::NAN,
        |d, _, _| d.ess_bulk = f64::NAN,
        |d, _, _| d.ess_tail = f64::NAN,
        |d, _, _| d.acceptance = Some(f64::NAN),
        |d, lost, _| d.virial = lost,
        |d, lost, _| d.variance_ratio = lost,
        |d, _, unknown| d.trend = unknown,
        |d, _, unknown| d.trend_distance = unknown,
        |d, _, _| d.held_by_gamma = f64::NAN,
    ];
    for (index, spoil) in spoils.iter().enumerate().take(9) {
        let (llc, mut diagnostics, localisation) = good();
        spoil(&mut diagnostics, lost, unknown);
        let judged = verdict(&llc, &diagnostics, &localisation);
        assert_ne!(judged.verdict, Verdict::Trusted, "spoil {index}");
    }
    // The share held by γ only decides whether the check is needed: unknown, it is.
    let (llc, mut diagnostics, _) = good();
    spoils[9](&mut diagnostics, lost, unknown);
    assert_ne!(verdict(&llc, &diagnostics, &Localisation::NotChecked).verdict, Verdict::Trusted);
}

#[test]
fn a_check_that_can_not_decide_leaves_an_estimate_at_its_scale() {
    let (llc, diagnostics, _) = good();
    let check = LocalisationCheck { gamma: 0.25, llc: 50.0, mcse: 0.1, rhat: 1.0, radius: 3.0 };
    for localisation in [
        Localisation::NotChecked,
        Localisation::Failed { gamma: 0.25, why: "diverged".into() },
        Localisation::Sampled(LocalisationCheck { mcse: 3.0, ..check.clone() }),
        Localisation::Sampled(LocalisationCheck { rhat: 1.2, ..check }),
    ] {
        let judged = verdict(&llc, &diagnostics, &localisation);
        assert_eq!(judged.verdict, Verdict::TrustedAtScale, "{localisation:?}: {judged:?}");
    }
}

#[test]
fn a_dependence_on_gamma_is_a_finding_and_no_reason() {
    let (llc, mut diagnostics, _) = good();
    // λ̂ rises by 2 % to γ/4: four fifths of what slow directions still hide lies beyond.
    let check = LocalisationCheck { gamma: 0.25, llc: 51.0, mcse: 0.1, rhat: 1.0, radius: 3.0 };
    let judged = verdict(&llc, &diagnostics, &Localisation::Sampled(check));
    assert_eq!((judged.verdict, judged.findings.len()), (Verdict::TrustedAtScale, 0), "{judged:?}");
    assert!(judged.notes.iter().any(|note| note.contains("depends on the scale")), "{judged:?}");
    diagnostics.gamma_sensitivity = Estimate { value: -15.0, mcse: 1.0 };
    let judged = verdict(&llc, &diagnostics, &Localisation::NotChecked);
    assert_eq!(judged.verdict, Verdict::TrustedAtScale, "{judged:?}");
}

#[test]
fn flat_directions_that_have_not_settled_are_a_plateau_only_where_they_do_not_move_the_estimate() {
    let of_slope = |value: f64, mcse: f64, open: f64, radius: f64| {
        let (llc, mut diagnostics, _) = good();
        (diagnostics.rhat_distance, diagnostics.distance_error) = (1.5, 0.1);
        (diagnostics.distance_slope, diagnostics.distance_open) = (Estimate { value, mcse }, open);
        let check = LocalisationCheck { gamma: 0.25, llc: 50.1, mcse: 0.1, rhat: 1.0, radius };
        verdict(&llc, &diagnostics, &Localisation::Sampled(check)).verdict
    };
    // λ̂ = 50: 3 % are 1.5. Chains of the repetition that are no further away say nothing.
    assert_eq!(of_slope(0.5, 0.2, 1.0, 3.0), Verdict::LocalPlateau);
    assert_eq!(of_slope(-0.5, 0.2, 1.0, 3.0), Verdict::LocalPlateau);
    assert_eq!(of_slope(1.2, 0.2, 1.0, 3.0), Verdict::NotTrusted);
    assert_eq!(of_slope(0.5, 0.2, f64::INFINITY, 3.0), Verdict::NotTrusted);
    // Twice as far away with the same λ̂ they have the sharper word.
    assert_eq!(of_slope(0.5, 2.0, 1.0, 3.0), Verdict::NotTrusted);
    assert_eq!(of_slope(0.5, 2.0, 1.0, 6.0), Verdict::LocalPlateau);
    // Chains may differ by a large part of a spread that is itself narrow.
    let (llc, mut diagnostics, localisation) = good();
    (diagnostics.rhat_distance, diagnostics.distance_error) = (1.5, 0.005);
    assert_eq!(verdict(&llc, &diagnostics, &localisation).verdict, Verdict::Trusted);
}

#[test]
fn minibatch_losses_are_not_held_to_the_gamma_law() {
    let (llc, mut diagnostics, localisation) = good();
    diagnostics.variance_ratio = Estimate { value: 6.0, mcse: 0.2 };
    let full = evidence(&llc, &diagnostics, &localisation);
    assert_eq!(reasons(&judge(&full)), [Reason::NotEquilibrated]);
    let of_minibatches = Evidence { is_loss_full: false, ..full };
    assert_eq!(judge(&of_minibatches).verdict, Verdict::Trusted);
    // A ratio below 1 is what γ leaves.
    diagnostics.variance_ratio = Estimate { value: 0.3, mcse: 0.01 };
    assert_eq!(verdict(&llc, &diagnostics, &localisation).verdict, Verdict::Trusted);
}

#[test]
fn each_bias_that_is_left_is_a_reason_of_its_own_name() {
    let cases: [(f64, f64, &[Reason]); 6] = [
        (0.2, 0.3, &[]),
        (5.0, 0.3, &[Reason::StepTooLarge]),
        (0.2, 5.0, &[Reason::MinibatchNoise]),
        (5.0, 6.0, &[Reason::StepTooLarge, Reason::MinibatchNoise]),
        // Neither alone, both together: the larger is named.
        (0.9, 1.2, &[Reason::MinibatchNoise]),
        (1.2, 0.9, &[Reason::StepTooLarge]),
    ];
    for (step, minibatch, expected) in cases {
        let (llc, mut diagnostics, localisation) = good();
        let bias = |value: f64| Some(Estimate { value, mcse: 0.01 });
        (diagnostics.step_bias, diagnostics.minibatch_bias) = (bias(step), bias(minibatch));
        let whole = Evidence { is_adjusted: false, ..evidence(&llc, &diagnostics, &localisation) };
        assert_eq!(reasons(&judge(&whole)), expected, "{step} {minibatch}");
        // Once it is taken off, a tenth of λ̂ leaves half a percent, and half of λ̂ an eighth.
        let extrapolation = |bias: f64| Extrapolation {
            at_epsilon: llc.clone(),
            at_half_epsilon: llc.clone(),
            bias: Estimate { value: bias, mcse: 0.1 },
            rhat: 1.0,
            ess_bulk: 4000.0,
            largest_share: 0.05,
        };
        let small = extrapolation(5.0);
        assert_eq!(
            reasons(&judge(&Evidence { extrapolation: Some(&small), ..whole.clone() })),
            [],
            "{step} {minibatch}"
        );
        let large = extrapolation(25.0);
        let judged = judge(&Evidence { extrapolation: Some(&large), ..whole });
        assert!(!judged.findings.is_empty(), "{step} {minibatch}: {judged:?}");
    }
}

#[test]
fn when_every_chain_diverged_nothing_is_said_of_the_minimum() {
    let (_, mut diagnostics, _) = good();
    diagnostics.rhat = f64::NAN;
    let none = LlcEstimate { mean: f64::NAN, mcse: f64::NAN, ci90: [f64::NAN; 2], per_chain: vec![] };
    let reasons: Vec<Reason> =
        verdict(&none, &diagnostics, &Localisation::NotChecked).findings.iter().map(|f| f.reason).collect();
    assert!(reasons.is_empty(), "{reasons:?}");
}

#[test]
fn the_bias_read_off_an_acceptance_is_that_of_equal_modes() {
    // k = 100 modes at εa = 0.2: σ² = k·(εa)³/16, ā = 2Φ(−σ/2); the true bias is about εa/4 = 5 %.
    let sigma = (100.0f64 * 0.2f64.powi(3) / 16.0).sqrt();
    // 2Φ(−0.11180) = 0.910982 from tables of the normal law.
    assert!((sigma / 2.0 - 0.111_803).abs() < 1e-6);
    assert!((discretisation_bias(0.910_979, 50.0) - 0.05).abs() < 1e-4);
}
