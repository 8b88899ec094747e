//! Spoils one diagnostic at a time, and checks what the verdict makes of it.

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
        radius: 3.0,
        held_by_gamma: 0.5,
    };
    let llc = LlcEstimate { mean: 50.0, mcse: 0.1, ci90: [49.8, 50.2], per_chain: vec![50.0; 4] };
    let check = LocalisationCheck { gamma: 0.25, llc: 50.1, mcse: 0.1, rhat: 1.0 };
    (llc, diagnostics, Localisation::Sampled(check))
}

fn verdict(llc: &LlcEstimate, diagnostics: &Diagnostics, localisation: &Localisation) -> Judgement {
    judge(&Evidence {
        llc,
        diagnostics,
        is_adjusted: true,
        num_diverged: 0,
        num_chains: 4,
        is_interrupted: false,
        descent: 0.0,
        localisation,
    })
}

#[test]
fn a_diagnostic_that_could_not_be_computed_never_counts_in_favour() {
    let (llc, diagnostics, localisation) = good();
    assert_eq!(verdict(&llc, &diagnostics, &localisation).verdict, Verdict::Trusted);
    let nan = f64::NAN;
    let lost = Estimate { value: nan, mcse: nan };
    let unknown = Trend { difference: nan, mcse: nan, z: nan };
    let spoils: [fn(&mut Diagnostics, Estimate, Trend); 11] = [
        |d, _, _| d.rhat = f64::NAN,
        |d, _, _| d.rhat_distance = f64::NAN,
        |d, _, _| d.ess_bulk = f64::NAN,
        |d, _, _| d.ess_tail = f64::NAN,
        |d, _, _| d.acceptance = Some(f64::NAN),
        |d, lost, _| d.virial = lost,
        |d, lost, _| d.variance_ratio = lost,
        |d, _, unknown| d.trend = unknown,
        |d, _, unknown| d.trend_distance = unknown,
        |d, lost, _| d.gamma_sensitivity = lost,
        |d, _, _| d.held_by_gamma = f64::NAN,
    ];
    for (index, spoil) in spoils.iter().enumerate().take(10) {
        let (llc, mut diagnostics, localisation) = good();
        spoil(&mut diagnostics, lost, unknown);
        let judged = verdict(&llc, &diagnostics, &localisation);
        assert_ne!(judged.verdict, Verdict::Trusted, "spoil {index}");
    }
    // The share held by γ only decides whether the check is needed: unknown, it is.
    let (llc, mut diagnostics, _) = good();
    spoils[10](&mut diagnostics, lost, unknown);
    assert_ne!(verdict(&llc, &diagnostics, &Localisation::NotChecked).verdict, Verdict::Trusted);
}

#[test]
fn a_check_that_can_not_tell_costs_the_word_trusted_and_no_more() {
    let (llc, diagnostics, _) = good();
    let check = LocalisationCheck { gamma: 0.25, llc: 50.0, mcse: 0.1, rhat: 1.0 };
    for localisation in [
        Localisation::NotChecked,
        Localisation::Failed { gamma: 0.25, why: "diverged".into() },
        Localisation::Sampled(LocalisationCheck { mcse: 3.0, ..check.clone() }),
        Localisation::Sampled(LocalisationCheck { rhat: 1.2, ..check }),
    ] {
        let judged = verdict(&llc, &diagnostics, &localisation);
        assert_eq!(judged.verdict, Verdict::LocalPlateau, "{localisation:?}: {judged:?}");
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
