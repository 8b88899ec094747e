//! Judges runs whose quality is known: good ones must pass, corrupted ones must be refused for the right reason.
#![cfg(feature = "torch")]

mod common;

use common::Dln;
use llc::verdict::{Reason, Verdict};

const NET: &str = "--input-dim 6 --layer-widths 8,5 --truth aligned --rank 2 --seed 3";

fn judge(flags: &str, offset: f64) -> (Verdict, Vec<Reason>, String) {
    let done = Dln::new(flags, offset).estimate();
    let reasons = done.judgement.findings.iter().map(|finding| finding.reason).collect();
    (done.judgement.verdict, reasons, format!("{:?} {:?} {:?}", done.judgement, done.llc, done.diagnostics))
}

fn refused(flags: &str, offset: f64, reason: Reason) {
    let (verdict, reasons, all) = judge(flags, offset);
    assert_eq!(verdict, Verdict::NotTrusted, "{flags}: {all}");
    assert!(reasons.contains(&reason), "{flags}: {reason:?} is not among {all}");
}

#[test]
fn a_run_that_equilibrated_is_trusted() {
    for flags in ["--truth aligned --rank 2", "--truth zero", "--truth random"] {
        let flags = format!("--input-dim 6 --layer-widths 8,5 --seed 3 {flags}");
        let (verdict, _, all) = judge(&flags, 0.0);
        assert_eq!(verdict, Verdict::Trusted, "{flags}: {all}");
    }
}

#[test]
fn an_exact_sampler_whose_flat_directions_lag_is_on_a_plateau_and_the_note_says_why() {
    let done = Dln::new(&format!("{NET} --sampler hmc"), 0.0).estimate();
    let (judgement, rhat_distance) = (&done.judgement, done.diagnostics.rhat_distance);
    // The chains agree on the loss and have not met along the flat directions.
    assert!(done.diagnostics.rhat < 1.01 && rhat_distance > 1.5, "{:?}", done.diagnostics);
    assert_eq!(judgement.verdict, Verdict::LocalPlateau, "{judgement:?}");
    let lag = format!("the flat directions have not settled (R-hat of the distance from w* is {rhat_distance:.3})");
    assert!(judgement.notes.iter().any(|note| note.starts_with(&lag)), "{judgement:?}");
}

#[test]
fn too_few_steps_are_refused() {
    refused(&format!("{NET} --num-steps 16"), 0.0, Reason::TooFewEffectiveDraws);
    // SGLD at a step so small that the loss still climbs.
    refused(
        &format!("{NET} --sampler sgld --epsilon 1e-9 --num-steps 2000 --warmup 0.25 --check-localisation off"),
        0.0,
        Reason::NotEquilibrated,
    );
}

#[test]
fn a_step_that_is_too_large_is_refused() {
    // Stable, but far from small: the stiffest modes' variance is inflated.
    refused(
        &format!("{NET} --sampler sgld --epsilon 2e-5 --num-steps 20000 --warmup 0.25 --check-localisation off"),
        0.0,
        Reason::StepTooLarge,
    );
    refused(&format!("{NET} --sampler sgld --epsilon 1 --num-steps 100"), 0.0, Reason::Diverged);
    refused(&format!("{NET} --sampler mala --epsilon 1e-2 --num-steps 2000"), 0.0, Reason::StepTooLarge);
}

#[test]
fn a_point_that_is_no_minimum_is_refused() {
    for offset in [0.03, 0.3] {
        refused(NET, offset, Reason::NotAMinimum);
    }
}

#[test]
fn a_localisation_that_hides_the_singular_part_leaves_an_estimate_at_its_scale() {
    // γ = 10⁵ holds the flat directions so close that λ̂ falls to the regular part: a right number, and not the coefficient.
    for flags in [
        &format!("{NET} --gamma 1e4"),
        &format!("{NET} --gamma 1e5"),
        "--input-dim 10 --layer-widths 10,10 --truth zero --gamma 3000",
    ] {
        let (verdict, _, all) = judge(flags, 0.0);
        assert_eq!(verdict, Verdict::TrustedAtScale, "{flags}: {all}");
    }
}

#[test]
fn an_estimate_that_gamma_holds_below_the_coefficient_is_not_called_the_coefficient() {
    // λ = 16; at these nβ γ takes 6 and 4 % of it, and λ̂ is 15.03 and 15.30.
    for n_beta in ["10", "21.7"] {
        let flags = format!("--input-dim 6 --layer-widths 6,6 --truth aligned --rank 2 --seed 1 --n-beta {n_beta}");
        let (verdict, _, all) = judge(&flags, 0.0);
        assert_eq!(verdict, Verdict::TrustedAtScale, "{flags}: {all}");
    }
}

#[test]
fn without_the_check_a_run_that_gamma_holds_is_trusted_at_its_scale_alone() {
    let (verdict, _, all) = judge(&format!("{NET} --check-localisation off"), 0.0);
    assert_eq!(verdict, Verdict::TrustedAtScale, "{all}");
}

#[test]
fn chains_whose_flat_directions_have_hardly_moved_are_refused() {
    // The long-run value is 15.97; these chains stop at 10.8 and 10.2, a third of the way.
    for n_beta in ["1e7", "1e9"] {
        let flags = format!(
            "--input-dim 6 --layer-widths 6,6 --truth aligned --rank 2 --seed 1 --sampler sgld --n-beta {n_beta} --check-localisation off"
        );
        refused(&flags, 0.0, Reason::NotEquilibrated);
    }
}
