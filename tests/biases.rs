//! Holds the measured biases of SGLD, and the extrapolation that takes them off, to their closed forms on a quadratic with gradient noise.
//!
//! At six standard errors a right value fails with probability 2·10⁻⁹.
#![cfg(feature = "torch")]

mod common;

use std::sync::atomic::AtomicBool;

use common::MAX_Z;
use llc::config::DlnArgs;
use llc::estimate::{Estimation, estimate};
use llc::llc::LlcEstimate;
use llc::rng::Key;
use llc::target::law::{GradientNoise, Law, LawTarget};
use llc::theory::sampler_law::{QuadraticMode, SgldLaw};

const N_BETA: f64 = 50.0;
const GAMMA: f64 = 2.0;
const CURVATURES: [f64; 4] = [1.0, 4.0, 2.0, 3.0];
const EPSILON: f64 = 0.002;

/// λ̂ by SGLD at `epsilon` where each batch's ∇L has noise of deviation `sigma`.
fn sampled(epsilon: f64, sigma: f64, extrapolate: &str, seed: u64) -> Estimation {
    let flags = format!(
        "--layer-widths 2 --sampler sgld --epsilon {epsilon} --batch-size 10 --num-steps 60000 --warmup 0.02 --loss-trace minibatch \
         --check-localisation off --extrapolate-step {extrapolate} --threads 2"
    );
    let config = DlnArgs::try_parse_from(flags.split_whitespace()).unwrap().resolve().unwrap().config;
    let noise = if sigma > 0.0 { GradientNoise::Additive { sigma } } else { GradientNoise::None };
    let mut target = LawTarget::new(Law::Quadratic { curvatures: CURVATURES.to_vec() }, noise, N_BETA, GAMMA).unwrap();
    let chains = config.sampler().chains(config.run(), Key::new(seed), 0.0);
    let sampler = config.sampler().kernel.sampler();
    estimate(&mut target, sampler.as_ref(), &chains, false, &AtomicBool::new(false), &mut |_| {}).unwrap()
}

fn law(curvature: f64, epsilon: f64, sigma: f64) -> SgldLaw {
    let mode = QuadraticMode::new(curvature, N_BETA, GAMMA).unwrap();
    SgldLaw::new(mode, epsilon).unwrap().with_gradient_variance((N_BETA * sigma).powi(2)).unwrap()
}

fn llc(epsilon: f64, sigma: f64) -> f64 {
    CURVATURES.iter().map(|&h| law(h, epsilon, sigma).stationary_llc()).sum()
}

/// λ̂ without any bias: Σ f/2.
fn exact() -> f64 {
    CURVATURES.iter().map(|&h| QuadraticMode::new(h, N_BETA, GAMMA).unwrap().scaled_loss_mean()).sum()
}

fn z(estimate: &LlcEstimate, expected: f64) -> f64 {
    (estimate.mean - expected) / estimate.mcse
}

#[test]
fn the_bias_of_the_step_and_that_of_the_minibatches_are_those_of_the_law() {
    for sigma in [0.0, 0.2] {
        let done = sampled(EPSILON, sigma, "off", 1);
        // (ε/8)·Σ nβh·a·V at the stationary variance V; (ε/8)·Σ C.
        let product = |h: f64| N_BETA * h * (N_BETA * h + GAMMA) * law(h, EPSILON, sigma).stationary_variance();
        let step = EPSILON / 8.0 * CURVATURES.iter().map(|&h| product(h)).sum::<f64>();
        let minibatch = EPSILON / 8.0 * CURVATURES.len() as f64 * (N_BETA * sigma).powi(2);
        let found = done.diagnostics.step_bias.unwrap();
        assert!(found.z(step).abs() < MAX_Z, "σ {sigma}: {found:?} against {step}");
        let found = done.diagnostics.minibatch_bias.unwrap();
        if sigma > 0.0 {
            assert!(found.z(minibatch).abs() < MAX_Z, "σ {sigma}: {found:?} against {minibatch}");
            assert!(found.z(2.0 * minibatch).abs() > MAX_Z, "a factor of two would not be seen: {found:?}");
        } else {
            assert_eq!(found.value, 0.0);
        }
        // And they are what λ̂ is too large by: the step's part exactly, the noise's up to f, 0.96 to 0.99 here.
        let bias = llc(EPSILON, sigma) - exact();
        assert!(
            ((step + minibatch) / bias - 1.0).abs() < if sigma > 0.0 { 0.03 } else { 1e-12 },
            "{step} {minibatch} {bias}"
        );
    }
}

#[test]
fn an_exact_sampler_has_no_bias_to_measure() {
    let flags = "--layer-widths 2 --sampler hmc --num-steps 200 --threads 1";
    let config = DlnArgs::try_parse_from(flags.split_whitespace()).unwrap().resolve().unwrap().config;
    let law = Law::Quadratic { curvatures: CURVATURES.to_vec() };
    let mut target = LawTarget::new(law, GradientNoise::None, N_BETA, GAMMA).unwrap();
    let chains = config.sampler().chains(config.run(), Key::new(1), 0.0);
    let sampler = config.sampler().kernel.sampler();
    let done = estimate(&mut target, sampler.as_ref(), &chains, false, &AtomicBool::new(false), &mut |_| {});
    let done = done.unwrap();
    assert!(done.diagnostics.step_bias.is_none() && done.extrapolation.is_none());
}

/// 2λ̂(ε/2) − λ̂(ε) of the law, not of the posterior: what is left of second order is the extrapolation's own.
#[test]
fn the_extrapolation_has_the_mean_of_its_law_and_takes_both_biases_off() {
    // Large enough for every mutant to be far outside the noise.
    let epsilon = 2.0 * EPSILON;
    for (sigma, seed) in [(0.0, 2), (0.2, 3)] {
        let done = sampled(epsilon, sigma, "on", seed);
        let (whole, half) = (llc(epsilon, sigma), llc(0.5 * epsilon, sigma));
        let expected = 2.0 * half - whole;
        let extrapolation = done.extrapolation.as_ref().unwrap();
        assert!(z(&extrapolation.at_epsilon, whole).abs() < MAX_Z, "{extrapolation:?} against {whole}");
        assert!(z(&extrapolation.at_half_epsilon, half).abs() < MAX_Z, "{extrapolation:?} against {half}");
        assert!(z(&done.llc, expected).abs() < MAX_Z, "{:?} against {expected}", done.llc);
        assert!(extrapolation.bias.z(whole - expected).abs() < MAX_Z, "{extrapolation:?}");
        // The mutants: λ̂ of either set alone, and the sign turned round.
        for (name, mutant) in [("λ̂(ε)", whole), ("λ̂(ε/2)", half), ("2λ̂(ε) − λ̂(ε/2)", 2.0 * whole - half)]
        {
            assert!(z(&done.llc, mutant).abs() > MAX_Z, "σ {sigma}: {name} would pass for the extrapolated value");
        }
        // Of the bias, x²/2 for x is left: (εa/4)²/2 is 2 % for the stiffest mode.
        assert!((expected - exact()).abs() < 0.12 * (whole - exact()), "{expected} {whole} {}", exact());
        let [low, high] = done.llc.ci90;
        assert!(low < high && done.llc.per_chain.len() == 4);
    }
}

#[test]
fn left_to_itself_it_extrapolates_where_the_bias_is_above_the_tolerance() {
    assert!(sampled(EPSILON, 0.2, "auto", 4).extrapolation.is_some());
    assert!(sampled(EPSILON / 40.0, 0.0, "auto", 4).extrapolation.is_none());
}
