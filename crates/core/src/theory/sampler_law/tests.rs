//! Simulates each sampler on one quadratic mode and compares its variance with the law, and with wrong laws.

use super::super::test_random::TestRandom;
use super::*;

/// Independent chains a simulation.
const NUM_CHAINS: usize = 40_000;

/// Standard errors allowed. A normal variable exceeds 6 with probability 2·10⁻⁹.
const MAX_Z: f64 = 6.0;

/// h, nβ, γ with a = 250 and f = 0.8.
fn mode() -> QuadraticMode {
    QuadraticMode::new(2.0, 100.0, 50.0).unwrap()
}

/// The mean of w² over chains that take `num_steps` steps from 0, and its standard error.
fn second_moment(seed: u64, num_steps: u64, step: impl Fn(f64, &mut TestRandom) -> f64) -> (f64, f64) {
    let mut random = TestRandom::new(seed);
    let squares: Vec<f64> =
        (0..NUM_CHAINS).map(|_| (0..num_steps).fold(0.0, |w, _| step(w, &mut random)).powi(2)).collect();
    let count = NUM_CHAINS as f64;
    let mean = squares.iter().sum::<f64>() / count;
    let variance = squares.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
    (mean, (variance / count).sqrt())
}

/// How many standard errors `law` is from the simulation.
fn z((mean, standard_error): (f64, f64), law: f64) -> f64 {
    ((mean - law) / standard_error).abs()
}

/// One SGLD step on minibatches: nβ·∇L is (nβ·h + δ)·w + c.
fn sgld(law: SgldLaw) -> impl Fn(f64, &mut TestRandom) -> f64 {
    let (a, epsilon) = (law.mode.precision(), law.epsilon);
    let (c, v) = (law.gradient_variance.sqrt(), law.curvature_variance.sqrt());
    move |w, random| {
        let gradient = (a + v * random.normal()) * w + c * random.normal();
        w - epsilon / 2.0 * gradient + epsilon.sqrt() * random.normal()
    }
}

#[test]
fn sgld_on_the_full_batch_has_the_variance_of_the_law_during_and_after_the_transient() {
    let law = SgldLaw::new(mode(), 0.0032).unwrap();
    for num_steps in [1, 2, 4, 20] {
        let found = second_moment(num_steps, num_steps, sgld(law));
        assert!(z(found, law.variance(num_steps)) < MAX_Z, "after {num_steps}: {found:?}");
    }
    assert!((law.variance(20) / law.stationary_variance() - 1.0).abs() < 1e-8);
}

#[test]
fn sgld_with_additive_and_multiplicative_batch_noise_has_the_variance_of_the_law() {
    let plain = SgldLaw::new(mode(), 0.0032).unwrap();
    let additive = plain.with_gradient_variance(800.0).unwrap();
    let multiplicative = plain.with_curvature_variance(250.0f64.powi(2)).unwrap();
    let both = additive.with_curvature_variance(250.0f64.powi(2)).unwrap();
    for (seed, law) in [(11, additive), (12, multiplicative), (13, both)] {
        let early = second_moment(seed, 3, sgld(law));
        assert!(z(early, law.variance(3)) < MAX_Z, "{law:?}: {early:?}");
        let late = second_moment(seed, 20, sgld(law));
        assert!(z(late, law.variance(20)) < MAX_Z, "{law:?}: {late:?}");
        // The noise is large enough for the test to notice if a term were missing.
        assert!(z(late, plain.variance(20)) > 3.0 * MAX_Z, "{law:?}: {late:?}");
    }
}

#[test]
fn mala_and_a_direct_draw_have_the_variance_of_the_posterior() {
    let (a, epsilon) = (mode().precision(), 0.0032);
    let mala = second_moment(21, 40, |w, random| {
        let proposal = w * (1.0 - epsilon * a / 2.0) + epsilon.sqrt() * random.normal();
        // ln of q(proposal → w)·π(proposal)/(q(w → proposal)·π(w)), each term as defined.
        let log_q = |from: f64, to: f64| -(to - from * (1.0 - epsilon * a / 2.0)).powi(2) / (2.0 * epsilon);
        let log_pi = |w: f64| -a * w * w / 2.0;
        let log_ratio = log_q(proposal, w) + log_pi(proposal) - log_q(w, proposal) - log_pi(w);
        if random.uniform().ln() < log_ratio { proposal } else { w }
    });
    assert!(z(mala, mode().variance()) < MAX_Z, "{mala:?}");
    let gibbs = second_moment(22, 1, |_, random| random.normal() / a.sqrt());
    assert!(z(gibbs, mode().variance()) < MAX_Z, "{gibbs:?}");
}

#[test]
fn hmc_without_acceptance_has_the_variance_of_the_law_for_sgld_at_any_trajectory_length() {
    let (a, epsilon) = (mode().precision(), 0.0032f64);
    let h = epsilon.sqrt();
    let law = SgldLaw::new(mode(), epsilon).unwrap().stationary_variance();
    for leapfrog_steps in [1, 2, 5] {
        let found = second_moment(31, 20, |mut w, random| {
            let mut momentum = random.normal();
            for _ in 0..leapfrog_steps {
                momentum -= h / 2.0 * a * w;
                w += h * momentum;
                momentum -= h / 2.0 * a * w;
            }
            w
        });
        assert!(z(found, law) < MAX_Z, "{leapfrog_steps} leapfrog steps: {found:?}");
    }
}

#[test]
fn wrong_samplers_are_distinguished_from_the_law() {
    let law = SgldLaw::new(mode(), 0.0032).unwrap();
    let (a, nbh, epsilon) = (250.0, 200.0, 0.0032f64);
    let wrong: [(&str, f64, f64); 6] = [
        ("noise variance ε²", a, epsilon),
        ("noise variance 2ε", a, (2.0 * epsilon).sqrt()),
        ("γ lost", nbh, epsilon.sqrt()),
        ("γ with the wrong sign", nbh - 50.0, epsilon.sqrt()),
        ("drift ε", 2.0 * a, epsilon.sqrt()),
        ("nβ lost", 2.0 + 50.0, epsilon.sqrt()),
    ];
    for (name, slope, noise) in wrong {
        let found = second_moment(41, 20, |w, random| w - epsilon / 2.0 * slope * w + noise * random.normal());
        assert!(z(found, law.variance(20)) > 3.0 * MAX_Z, "{name} passes: {found:?}");
    }
    // Forgetting the discretisation is a wrong law for a right sampler.
    assert!(z(second_moment(42, 20, sgld(law)), mode().variance()) > 3.0 * MAX_Z);
}

#[test]
fn the_law_equals_its_three_factors_and_the_added_terms_of_batch_noise() {
    let (nbh, a, epsilon) = (200.0, 250.0, 0.001f64);
    let law = SgldLaw::new(mode(), epsilon).unwrap();
    for t in [0, 1, 7, 100] {
        let transient = 1.0 - (1.0f64 - epsilon * a / 2.0).powi(2 * t);
        let expected = nbh / (2.0 * a) / (1.0 - epsilon * a / 4.0) * transient;
        assert!((law.llc(t as u64) - expected).abs() < 1e-14, "after {t}");
    }
    let c = 123.0;
    let added = nbh / 2.0 * epsilon * c / (4.0 * a * (1.0 - epsilon * a / 4.0));
    let with_noise = law.with_gradient_variance(c).unwrap();
    assert!((with_noise.stationary_llc() - law.stationary_llc() - added).abs() < 1e-14);
    let v = 1e4;
    let expected = epsilon / (1.0 - (1.0 - epsilon * a / 2.0).powi(2) - epsilon * epsilon * v / 4.0);
    let with_noise = law.with_curvature_variance(v).unwrap();
    assert!((with_noise.stationary_variance() / expected - 1.0).abs() < 1e-12);
    assert!((with_noise.stationary_virial() - a * expected).abs() < 1e-10);
}

#[test]
fn a_slow_mode_is_exact_though_its_step_is_tiny() {
    // The published step size on a flat direction: εa = 2e-8, variance ε·t to first order.
    let law = SgldLaw::new(QuadraticMode::new(0.0, 1e5, 1.0).unwrap(), 2e-8).unwrap();
    let expected = 2e-8 * 5e4 * (1.0 - 5e4 * 1e-8);
    assert!((law.variance(50_000) / expected - 1.0).abs() < 1e-6);
    assert_eq!(law.stationary_llc(), 0.0);
    assert!((law.loss_autocorrelation_time() * 2e-8 - 2.0).abs() < 1e-6);
}

#[test]
fn an_unstable_chain_has_no_stationary_law_but_grows_as_the_recursion_does() {
    let law = SgldLaw::new(mode(), 4.5 / 250.0).unwrap();
    assert!(!law.is_stable());
    assert_eq!(law.stationary_llc(), f64::INFINITY);
    let rho = (1.0f64 - 4.5 / 2.0).powi(2);
    let by_recursion = (0..30).fold(0.0, |variance, _| rho * variance + 4.5 / 250.0);
    assert!((law.variance(30) / by_recursion - 1.0).abs() < 1e-12);
    let at_the_edge = SgldLaw::new(mode(), 4.0 / 250.0).unwrap();
    assert!((at_the_edge.variance(10) - 10.0 * 4.0 / 250.0).abs() < 1e-12);
    let one_step_forgets = SgldLaw::new(mode(), 2.0 / 250.0).unwrap();
    assert_eq!(one_step_forgets.variance(0), 0.0);
    assert_eq!(one_step_forgets.variance(1), one_step_forgets.stationary_variance());
}

#[test]
fn the_mean_over_kept_steps_and_the_autocorrelation_match_one_long_chain() {
    let law = SgldLaw::new(mode(), 0.0016).unwrap();
    let mut random = TestRandom::new(51);
    let step = sgld(law);
    let (num_steps, mut w, mut losses) = (200_000u64, 0.0, Vec::new());
    for _ in 0..num_steps {
        losses.push(0.5 * 200.0 * w * w);
        w = step(w, &mut random);
    }
    let mean = losses.iter().sum::<f64>() / num_steps as f64;
    let expected = law.mean_llc(0..num_steps);
    let spread = 2f64.sqrt() * law.stationary_llc();
    let effective = num_steps as f64 / law.loss_autocorrelation_time();
    assert!((mean - expected).abs() < MAX_Z * spread / effective.sqrt(), "{mean} {expected}");
    assert!(law.mean_llc(0..5) < law.mean_llc(5..10));
    assert!(law.mean_llc(5..5).is_nan());

    let lag = 3;
    let pairs = losses.iter().zip(&losses[lag..]);
    let covariance = pairs.map(|(x, y)| (x - expected) * (y - expected)).sum::<f64>();
    let correlation = covariance / (num_steps as f64 * spread * spread);
    assert!((correlation - law.loss_autocorrelation(lag as u64)).abs() < 0.03, "{correlation}");
}

#[test]
fn numbers_outside_the_domain_are_refused() {
    assert!(QuadraticMode::new(-1.0, 1.0, 1.0).is_err());
    assert!(QuadraticMode::new(1.0, 0.0, 1.0).is_err());
    assert!(QuadraticMode::new(1.0, 1.0, f64::NAN).is_err());
    let flat = QuadraticMode::new(0.0, 1.0, 0.0).unwrap_err();
    assert!(flat.to_string().contains("n_beta·curvature + gamma is 0"));
    for epsilon in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(SgldLaw::new(mode(), epsilon).is_err());
    }
    let law = SgldLaw::new(mode(), 0.001).unwrap();
    assert!(law.with_gradient_variance(-1.0).is_err());
    assert!(law.with_curvature_variance(f64::INFINITY).is_err());
}
