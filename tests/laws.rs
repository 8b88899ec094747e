//! Holds every sampler to closed formulas, and every wrong sampler of a list to being found out.
//!
//! A check compares a sampled mean with its exact value in units of its Monte Carlo standard error. At six of them a right sampler
//! fails with probability 2·10⁻⁹ per comparison; there are fewer than 200.
#![cfg(feature = "torch")]

mod common;

use common::{MAX_Z, Traced, sample};
use llc::diagnostics::{Draws, Estimate, mcse_mean, variance_ratio};
use llc::kernel::gibbs::Gibbs;
use llc::kernel::hmc::HmcKernel;
use llc::kernel::mala::MalaKernel;
use llc::kernel::sgld::SgldKernel;
use llc::kernel::{Evaluated, Info, Kernel, log_acceptance};
use llc::params::Params;
use llc::rng::Key;
use llc::target::law::{GradientNoise, Law, LawTarget};
use llc::target::{Batch, LocalPosterior, Target};
use llc::theory::sampler_law::{QuadraticMode, SgldLaw};
use llc::theory::{EvenPowers, ProductOfSquares};

const N_BETA: f64 = 50.0;
const GAMMA: f64 = 2.0;
const CURVATURES: [f64; 4] = [1.0, 4.0, 0.25, 0.0];
/// ε·a is 0.6 for the stiffest mode: the discretisation's 1/(1 − εa/4) is 18 %, far outside the noise.
const EPSILON: f64 = 0.003;

fn quadratic(noise: GradientNoise) -> LawTarget {
    LawTarget::new(Law::Quadratic { curvatures: CURVATURES.to_vec() }, noise, N_BETA, GAMMA).unwrap()
}

fn mode(curvature: f64) -> QuadraticMode {
    QuadraticMode::new(curvature, N_BETA, GAMMA).unwrap()
}

/// z-scores of E[wᵢ²] against `variances`, and of nβ·E[K] against what these variances make of it.
fn quadratic_scores(traced: &Traced, variances: &[f64]) -> Vec<f64> {
    let mut scores: Vec<f64> =
        traced.elements.iter().zip(variances).map(|(w, v)| score(&w.map(|w| w * w), *v)).collect();
    let llc: f64 = CURVATURES.iter().zip(variances).map(|(h, v)| 0.5 * N_BETA * h * v).sum();
    scores.push(score(&traced.loss.map(|loss| N_BETA * loss), llc));
    scores
}

fn score(draws: &Draws, expected: f64) -> f64 {
    Estimate { value: draws.mean(), mcse: mcse_mean(draws) }.z(expected)
}

fn assert_law(scores: &[f64], what: &str) {
    assert!(scores.iter().all(|z| z.abs() < MAX_Z), "{what} breaks its law: z = {scores:.1?}");
}

fn sgld(epsilon: f64) -> SgldKernel {
    SgldKernel { epsilon, preconditioner: vec![], acceptance_every: 0, noise: 1.0 }
}

fn exact_variances() -> Vec<f64> {
    CURVATURES.iter().map(|&h| mode(h).variance()).collect()
}

#[test]
fn sgld_on_a_quadratic_has_the_variance_that_its_step_size_gives() {
    let traced = sample(&sgld(EPSILON), &mut quadratic(GradientNoise::None), 400_000);
    let laws = CURVATURES.map(|h| SgldLaw::new(mode(h), EPSILON).unwrap().stationary_variance());
    assert_law(&quadratic_scores(&traced, &laws), "SGLD");
}

#[test]
fn sgld_on_noisy_gradients_has_the_variance_that_the_noise_adds() {
    let sigma = 0.2;
    let mut target = quadratic(GradientNoise::Additive { sigma });
    let traced = sample(&sgld(EPSILON), &mut target, 400_000);
    let variance = (N_BETA * sigma).powi(2);
    let laws = CURVATURES.map(|h| {
        SgldLaw::new(mode(h), EPSILON).unwrap().with_gradient_variance(variance).unwrap().stationary_variance()
    });
    assert_law(&quadratic_scores(&traced, &laws), "SGLD with additive noise");
}

#[test]
fn sgld_on_noise_that_grows_with_w_has_the_variance_of_its_law() {
    let sigma = 0.8;
    let mut target = quadratic(GradientNoise::Multiplicative { sigma });
    let traced = sample(&sgld(EPSILON), &mut target, 400_000);
    let variance = (N_BETA * sigma).powi(2);
    let laws = CURVATURES.map(|h| {
        SgldLaw::new(mode(h), EPSILON).unwrap().with_curvature_variance(variance).unwrap().stationary_variance()
    });
    assert_law(&quadratic_scores(&traced, &laws), "SGLD with multiplicative noise");
}

#[test]
fn a_preconditioner_scales_the_step_of_its_tensor() {
    let kernel = SgldKernel { preconditioner: vec![PRECONDITIONER], ..sgld(EPSILON / PRECONDITIONER) };
    let traced = sample(&kernel, &mut quadratic(GradientNoise::None), 400_000);
    let laws = CURVATURES.map(|h| SgldLaw::new(mode(h), EPSILON).unwrap().stationary_variance());
    assert_law(&quadratic_scores(&traced, &laws), "preconditioned SGLD");
}

#[test]
fn mala_hmc_and_gibbs_on_a_quadratic_have_the_exact_variance_at_any_step_size() {
    let exact = exact_variances();
    let mut target = quadratic(GradientNoise::None);
    for epsilon in [EPSILON, 3.0 * EPSILON] {
        let traced = sample(&MalaKernel { epsilon }, &mut target, 300_000);
        assert_law(&quadratic_scores(&traced, &exact), "MALA");
        let traced = sample(&HmcKernel { epsilon, leapfrog_steps: 7 }, &mut target, 100_000);
        assert_law(&quadratic_scores(&traced, &exact), "HMC");
    }
    let traced = sample(&Gibbs, &mut target, 100_000);
    assert_law(&quadratic_scores(&traced, &exact), "Gibbs");
}

#[test]
fn sums_of_even_powers_follow_the_gamma_law() {
    // nβ·K ~ Gamma(λ, 1) at every nβ where γ = 0: mean and variance are both λ.
    let half_powers = vec![1, 2, 3];
    let law = EvenPowers::new(&half_powers).unwrap();
    let lambda = law.learning_coefficient().lambda_f64();
    let mut target = LawTarget::new(Law::EvenPowers { half_powers }, GradientNoise::None, N_BETA, 0.0).unwrap();
    for traced in [
        sample(&MalaKernel { epsilon: 0.02 }, &mut target, 600_000),
        sample(&HmcKernel { epsilon: 0.01, leapfrog_steps: 9 }, &mut target, 200_000),
    ] {
        assert_law(&[score(&traced.loss.map(|k| N_BETA * k), lambda)], "the mean of the Gamma law");
        assert_law(&[variance_ratio(&traced.loss, 0.0, N_BETA).z(1.0)], "the variance of the Gamma law");
    }
}

#[test]
fn crossed_lines_have_their_exact_moment() {
    // K = w₁²w₂² with γ = 1: λ = ½ with multiplicity 2, reached logarithmically slowly.
    let exact = ProductOfSquares::new(1000.0, 1.0).unwrap().scaled_loss_mean();
    let mut target =
        LawTarget::new(Law::Monomial { half_powers: vec![1, 1] }, GradientNoise::None, 1000.0, 1.0).unwrap();
    let scaled = |traced: Traced| score(&traced.loss.map(|k| 1000.0 * k), exact);
    assert_law(&[scaled(sample(&Gibbs, &mut target, 400_000))], "w₁²w₂² by Gibbs");
    // At |w₂| = 4 the arm along w₂ has the width 1/√(2·1000·16 + 1) = 0.0056. Leapfrog steps above twice that are unstable there, and a chain that
    // comes in sticks: its own error would be no measure.
    let hmc = HmcKernel { epsilon: 0.008 * 0.008, leapfrog_steps: 60 };
    assert_law(&[scaled(sample(&hmc, &mut target, 100_000))], "w₁²w₂² by HMC");
}

#[test]
fn the_virial_sum_is_the_number_of_parameters() {
    // E[(w − w*)·∇U] = d for every loss; SGLD's on a quadratic is larger by its discretisation.
    let mut powers =
        LawTarget::new(Law::EvenPowers { half_powers: vec![1, 2, 3] }, GradientNoise::None, N_BETA, 1.0).unwrap();
    let traced = sample(&HmcKernel { epsilon: 0.01, leapfrog_steps: 9 }, &mut powers, 200_000);
    assert_law(&[score(&traced.virial, 3.0)], "the virial identity");
    let traced = sample(&sgld(EPSILON), &mut quadratic(GradientNoise::None), 400_000);
    let inflated: f64 = CURVATURES.iter().map(|&h| SgldLaw::new(mode(h), EPSILON).unwrap().stationary_virial()).sum();
    assert_law(&[score(&traced.virial, inflated)], "SGLD's virial");
}

#[test]
fn without_noise_sgld_is_gradient_descent() {
    let mut target = quadratic(GradientNoise::None);
    let mut start = target.local().w_star().try_clone().unwrap();
    start.as_mut_slice::<f64>().unwrap().copy_from_slice(&[1.0, -2.0, 0.5, 3.0]);
    let kernel = SgldKernel { noise: 0.0, ..sgld(EPSILON) };
    let mut state = kernel.init(&start, &mut target, Batch::Full).unwrap();
    let mut expected = [1.0, -2.0, 0.5, 3.0];
    for step in 0..100 {
        kernel.step(Key::new(1).step(step), &mut state, &mut target, Batch::Full).unwrap();
        for (w, h) in expected.iter_mut().zip(CURVATURES) {
            *w -= 0.5 * EPSILON * (N_BETA * h * *w + GAMMA * *w);
        }
    }
    let w = common::point(&state);
    assert!(w.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-14), "{w:?} against {expected:?}");
}

#[test]
fn hmc_with_one_leapfrog_step_is_mala() {
    let mut target = quadratic(GradientNoise::None);
    let mala = sample(&MalaKernel { epsilon: 0.01 }, &mut target, 500);
    let hmc = sample(&HmcKernel { epsilon: 0.01, leapfrog_steps: 1 }, &mut target, 500);
    for (a, b) in mala.loss.values().iter().zip(hmc.loss.values()) {
        assert!((a - b).abs() < 1e-12 * a.max(1e-3), "{a} against {b}");
    }
}

#[test]
fn a_leapfrog_steps_energy_error_is_of_third_order() {
    // −ln(acceptance) is the energy error of one leapfrog step: halving h, and so quartering ε = h², divides it by eight.
    let law = Law::EvenPowers { half_powers: vec![2, 2] };
    let mut target = LawTarget::new(law, GradientNoise::None, N_BETA, GAMMA).unwrap();
    let mut start = target.local().w_star().try_clone().unwrap();
    start.as_mut_slice::<f64>().unwrap().copy_from_slice(&[0.4, -0.7]);
    let mut error_at = |epsilon: f64, seed: u64| {
        let kernel = HmcKernel { epsilon, leapfrog_steps: 1 };
        let mut state = kernel.init(&start, &mut target, Batch::Full).unwrap();
        let info = kernel.step(Key::new(seed), &mut state, &mut target, Batch::Full).unwrap();
        -info.acceptance.unwrap().ln()
    };
    // Half of the momenta lower the energy, and tell nothing; the others all must.
    let mut num_told = 0;
    for seed in 0..20 {
        let (coarse, fine) = (error_at(1e-6, seed), error_at(0.25e-6, seed));
        if coarse > 0.0 {
            num_told += 1;
            assert!((coarse / fine - 8.0).abs() < 1.0, "seed {seed}: {coarse:e} and {fine:e}");
        }
    }
    assert!(num_told >= 5);
}

#[test]
fn mala_is_in_detailed_balance() {
    let law = Law::EvenPowers { half_powers: vec![1, 2, 3] };
    let mut target = LawTarget::new(law, GradientNoise::None, 7.0, 0.5).unwrap();
    let epsilon = 0.05;
    let key = Key::new(3);
    for pair in 0..200u64 {
        let mut at = |side: u64| {
            let mut w = target.local().w_star().zeros_like().unwrap();
            for (i, w) in w.as_mut_slice::<f64>().unwrap().iter_mut().enumerate() {
                *w = 2.0 * key.part(pair).part(side).uniform(i as u64) - 1.0;
            }
            let mut grad = w.zeros_like().unwrap();
            let loss = target.loss_and_grad(&w, Batch::Full, &mut grad).unwrap();
            (w, grad, loss)
        };
        let (x, y) = (at(0), at(1));
        let evaluated = |p: &'_ (Params, Params, f64)| (p.2, p.0.as_slice::<f64>().unwrap().to_vec());
        let local = target.local();
        let log_alpha = |a: &(Params, Params, f64), b: &(Params, Params, f64)| {
            let from = Evaluated { w: &a.0, loss: a.2, grad: &a.1 };
            let to = Evaluated { w: &b.0, loss: b.2, grad: &b.1 };
            log_acceptance(local, epsilon, &[], from, to).unwrap().min(0.0)
        };
        // log π(a)·q(b | a)·α(a → b), with π and q written out anew.
        let log_flow = |a: &(Params, Params, f64), b: &(Params, Params, f64)| {
            let ((loss, w), (_, w_to)) = (evaluated(a), evaluated(b));
            let grad = a.1.as_slice::<f64>().unwrap();
            let potential = 7.0 * loss + 0.25 * w.iter().map(|w| w * w).sum::<f64>();
            let proposal: f64 = (0..3)
                .map(|i| {
                    let mean = w[i] - 0.5 * epsilon * (7.0 * grad[i] + 0.5 * w[i]);
                    (w_to[i] - mean).powi(2) / (2.0 * epsilon)
                })
                .sum();
            -potential - proposal + log_alpha(a, b)
        };
        let (there, back) = (log_flow(&x, &y), log_flow(&y, &x));
        assert!((there - back).abs() < 1e-10 * (1.0 + there.abs()), "{there} against {back}");
    }
}

/// Ways in which a Langevin sampler has been got wrong.
#[derive(Debug, Clone, Copy)]
enum Fault {
    NoiseVarianceTwice,
    NoiseVarianceSquared,
    NoiseWithoutRoot,
    GammaLost,
    NBetaLost,
    GammaSign,
    DriftNotHalved,
    NoiseWithoutPreconditioner,
    PreconditionerWithoutRoot,
}

/// G of the faults of a preconditioner; ε·G is [`EPSILON`], whose law a right one keeps to.
const PRECONDITIONER: f64 = 0.25;

struct WrongLangevin {
    epsilon: f64,
    fault: Fault,
}

impl Kernel for WrongLangevin {
    type State = common::Point;
    const GRADIENT: llc::kernel::GradientNeed = llc::kernel::GradientNeed::Minibatch;

    fn init(&self, at: &Params, _: &mut dyn Target, _: Batch) -> Result<common::Point, llc::kernel::KernelError> {
        Ok(common::Point(at.try_clone()?))
    }

    fn step(
        &self,
        key: Key,
        state: &mut common::Point,
        target: &mut dyn Target,
        batch: Batch,
    ) -> Result<Info, llc::kernel::KernelError> {
        let mut grad = state.0.zeros_like()?;
        let loss = target.loss_and_grad(&state.0, batch, &mut grad)?;
        let (mut n_beta, mut gamma) = (target.local().n_beta(), target.local().gamma());
        let (mut drift, mut deviation) = (0.5 * self.epsilon, self.epsilon.sqrt());
        match self.fault {
            Fault::NoiseVarianceTwice => deviation *= 2f64.sqrt(),
            Fault::NoiseVarianceSquared => deviation = self.epsilon,
            Fault::NoiseWithoutRoot => deviation = 2.0 * self.epsilon,
            Fault::GammaLost => gamma = 0.0,
            Fault::NBetaLost => n_beta = 1.0,
            Fault::GammaSign => gamma = -gamma,
            Fault::DriftNotHalved => drift *= 2.0,
            // √ε instead of √(εG), and G·√ε.
            Fault::NoiseWithoutPreconditioner => deviation /= PRECONDITIONER.sqrt(),
            Fault::PreconditionerWithoutRoot => deviation *= PRECONDITIONER.sqrt(),
        }
        let mut z = vec![0.0; grad.len()];
        llc::rng::fill_normal(key, 0, &mut z);
        let g = grad.as_slice::<f64>().unwrap();
        for ((w, g), z) in state.0.as_mut_slice::<f64>().unwrap().iter_mut().zip(g).zip(z) {
            *w += -drift * (n_beta * g + gamma * *w) + deviation * z;
        }
        Ok(Info { loss, acceptance: None, squared_distance: None })
    }
}

#[test]
fn every_wrong_langevin_sampler_is_found_out() {
    let laws = CURVATURES.map(|h| SgldLaw::new(mode(h), EPSILON).unwrap().stationary_variance());
    for fault in [
        Fault::NoiseVarianceTwice,
        Fault::NoiseVarianceSquared,
        Fault::NoiseWithoutRoot,
        Fault::GammaLost,
        Fault::NBetaLost,
        Fault::GammaSign,
        Fault::DriftNotHalved,
        Fault::NoiseWithoutPreconditioner,
        Fault::PreconditionerWithoutRoot,
    ] {
        let kernel = WrongLangevin { epsilon: EPSILON, fault };
        let traced = sample(&kernel, &mut quadratic(GradientNoise::None), 400_000);
        // NaN or an overflow is found out as well.
        let scores = quadratic_scores(&traced, &laws);
        assert!(!scores.iter().all(|z| z.abs() < MAX_Z), "{fault:?} passes: {scores:.1?}");
    }
}

/// MALA whose acceptance ratio forgets the proposal's density.
struct MalaWithoutProposalRatio {
    epsilon: f64,
}

impl Kernel for MalaWithoutProposalRatio {
    type State = common::Point;
    const GRADIENT: llc::kernel::GradientNeed = llc::kernel::GradientNeed::Exact;

    fn init(&self, at: &Params, _: &mut dyn Target, _: Batch) -> Result<common::Point, llc::kernel::KernelError> {
        Ok(common::Point(at.try_clone()?))
    }

    fn step(
        &self,
        key: Key,
        state: &mut common::Point,
        target: &mut dyn Target,
        batch: Batch,
    ) -> Result<Info, llc::kernel::KernelError> {
        let kernel = sgld(self.epsilon);
        let mut proposed = kernel.init(&state.0, target, batch)?;
        let before = target.loss(&state.0, batch)?;
        kernel.step(key, &mut proposed, target, batch)?;
        let w = llc::kernel::State::w(&proposed).try_clone()?;
        let after = target.loss(&w, batch)?;
        let distance = |w: &Params| w.as_slice::<f64>().unwrap().iter().map(|w| w * w).sum::<f64>();
        let local: &LocalPosterior = target.local();
        let change = local.potential(after, distance(&w)) - local.potential(before, distance(&state.0));
        let accepted = key.part(9).uniform(0) < (-change).exp();
        if accepted {
            state.0 = w;
        }
        Ok(Info { loss: if accepted { after } else { before }, acceptance: None, squared_distance: None })
    }
}

#[test]
fn mala_without_the_proposal_ratio_is_found_out() {
    let kernel = MalaWithoutProposalRatio { epsilon: 3.0 * EPSILON };
    let traced = sample(&kernel, &mut quadratic(GradientNoise::None), 300_000);
    let scores = quadratic_scores(&traced, &exact_variances());
    assert!(!scores.iter().all(|z| z.abs() < MAX_Z), "passes: {scores:.1?}");
}
