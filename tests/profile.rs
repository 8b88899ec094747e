//! Climbs ladders of scales whose λ̂ is known at every rung, in the library and as a user does.
//!
//! A check compares λ̂ with its exact value in units of its Monte Carlo standard error: at five of them a right sampler fails with probability
//! 6·10⁻⁷ per rung, and there are thirty.
#![cfg(feature = "torch")]

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use llc::config::profile::Source;
use llc::config::{DlnConfig, ExperimentArgs, ProfileConfig};
use llc::dln::Problem;
use llc::estimate::Probes;
use llc::params::Params;
use llc::profile::{Budget, Climbed, Ladder, Profile, Rung, Scale, Stop};
use llc::record::json;
use llc::rng::Key;
use llc::target::Target;
use llc::target::law::{GradientNoise, Law, LawTarget};
use llc::theory::Toy;
use llc::theory::sampler_law::QuadraticMode;
use serde_json::Value;

const MAX_Z: f64 = 5.0;
const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");

/// The configuration of `llc profile` with `flags`.
fn config(flags: &str) -> ProfileConfig {
    let words = flags.split_whitespace();
    ExperimentArgs::<ProfileConfig>::try_parse_from(words).unwrap().resolve().unwrap().config
}

/// A ladder along γ, with what climbs it.
struct Climb {
    config: ProfileConfig,
    target: Box<dyn Target>,
    init_loss: f64,
    scales: Vec<Scale>,
}

impl Climb {
    fn new(flags: &str, target: Box<dyn Target>, init_loss: f64, gammas: &[f64]) -> Climb {
        let n_beta = target.local().n_beta();
        let scales = gammas.iter().map(|&gamma| Scale { n_beta, gamma }).collect();
        Climb { config: config(flags), target, init_loss, scales }
    }

    fn of_law(flags: &str, law: Law, gammas: &[f64]) -> Climb {
        let climb = config(flags);
        let Source::Potential(potential) = climb.source() else { panic!("{flags}") };
        let target = LawTarget::new(law, GradientNoise::None, potential.n_beta(), 1.0).unwrap();
        Climb::new(flags, Box::new(target), 0.0, gammas)
    }

    fn ladder(&self) -> Ladder {
        Ladder::new(self.scales.clone(), self.target.local().w_star()).unwrap()
    }

    /// The rungs of `ladder` from where it is, and why it ended.
    fn climb(&mut self, ladder: &mut Ladder) -> (Vec<Rung>, Option<Stop>) {
        let (sampler, key) = (self.config.sampler(), Key::new(self.config.seed()));
        let kernel = sampler.kernel.sampler();
        let profile = Profile {
            probes: Probes::of(self.target.as_mut(), key, None).unwrap(),
            target: self.target.as_ref(),
            sampler: kernel.as_ref(),
            chains: sampler.chains(self.config.run(), key, self.init_loss),
            budget: Budget {
                half_width: self.config.profile().half_width,
                max_draws: sampler.max_draws(self.config.profile().max_steps),
                time_s: self.config.profile().time_s,
            },
        };
        let mut rungs = Vec::new();
        while let Some(rung) = ladder.climb(&profile, &AtomicBool::new(false), &mut |_| {}).unwrap() {
            rungs.push(rung);
        }
        (rungs, ladder.stop())
    }

    fn all(&mut self) -> (Vec<Rung>, Option<Stop>) {
        let mut ladder = self.ladder();
        self.climb(&mut ladder)
    }
}

fn assert_exact(rung: &Rung, exact: f64) {
    let llc = &rung.estimation.llc;
    let z = (llc.mean - exact) / llc.mcse;
    assert!(z.abs() < MAX_Z, "{:?}: {} ± {} for {exact}", rung.scale, llc.mean, llc.mcse);
}

/// Whether rungs have what was asked for, and each a wider region than the one before.
fn assert_ladder(rungs: &[Rung], half_width: f64) {
    for rung in rungs {
        assert!(rung.has_converged && rung.half_width <= half_width, "{:?}: {:?}", rung.scale, rung.estimation);
    }
    let radii: Vec<f64> = rungs.iter().map(|rung| rung.estimation.diagnostics.radius).collect();
    assert!(radii.is_sorted(), "{radii:?}");
}

#[test]
fn every_rung_of_a_quadratic_has_its_exact_value_and_radius() {
    let curvatures = [2.0, 2.0, 4.0];
    let law = Law::Quadratic { curvatures: curvatures.to_vec() };
    for sampler in ["gibbs", "hmc"] {
        let flags =
            format!("--potential regular --sampler {sampler} --n-beta 100 --half-width 0.02 --threads 1 --seed 4");
        let mut climb = Climb::of_law(&flags, law.clone(), &[130.0, 40.0, 10.0, 1.0]);
        let (rungs, stop) = climb.all();
        assert_eq!((rungs.len(), stop), (4, None), "{sampler}");
        assert_ladder(&rungs, 0.02);
        for rung in &rungs {
            let modes = curvatures.map(|h| QuadraticMode::new(h, rung.scale.n_beta, rung.scale.gamma).unwrap());
            assert_exact(rung, modes.iter().map(QuadraticMode::scaled_loss_mean).sum());
            let radius = modes.iter().map(QuadraticMode::variance).sum::<f64>().sqrt();
            // A thousand effective draws and more: the root of a mean square is off by a few percent at most.
            assert!((rung.estimation.diagnostics.radius / radius - 1.0).abs() < 0.1, "{sampler}: {:?}", rung.scale);
        }
    }
}

#[test]
fn rungs_of_a_toy_potential_meet_the_exact_curve() {
    let gammas = [100.0, 10.0, 1.0, 0.1];
    let flags = "--potential even-powers --n-beta 1000 --half-width 0.02 --threads 1";
    let (rungs, stop) = Climb::of_law(flags, Law::of(Toy::EvenPowers), &gammas).all();
    assert_eq!((rungs.len(), stop), (4, None));
    assert_ladder(&rungs, 0.02);
    for rung in &rungs {
        assert_exact(rung, Toy::EvenPowers.scaled_loss_mean(rung.scale.n_beta, rung.scale.gamma).unwrap());
    }
}

/// A truth of multiplicity 1: at nβ = 10⁶ λ̂ is λ = 8 as soon as γ takes nothing from it.
const NETWORK: &str =
    "--input-dim 4 --layer-widths 8,4 --truth aligned --rank 2 --n-beta 1e6 --num-steps 1000 --threads 1 --seed 1";

fn deep_linear(flags: &str, gammas: &[f64]) -> Climb {
    let args = ExperimentArgs::<DlnConfig>::try_parse_from(NETWORK.split_whitespace()).unwrap();
    let problem = Problem::new(&args.resolve().unwrap().config, tch::Device::Cpu, &AtomicBool::new(false)).unwrap();
    let init_loss = problem.chains.plan.init_loss;
    Climb::new(&format!("{NETWORK} {flags}"), Box::new(problem.target), init_loss, gammas)
}

#[test]
fn the_ladder_of_a_deep_linear_network_ends_on_the_level_of_its_lambda() {
    let (rungs, stop) = deep_linear("", &[100.0, 10.0, 1.0]).all();
    assert_eq!((rungs.len(), stop), (3, None));
    assert_ladder(&rungs, 0.03);
    rungs.iter().skip(1).for_each(|rung| assert_exact(rung, 8.0));
    let slope = rungs[2].estimation.diagnostics.gamma_sensitivity;
    assert!(slope.value.abs() < MAX_Z * slope.mcse, "level: {slope:?}");
    assert!(rungs.iter().all(Rung::is_certified));
}

#[test]
fn a_ladder_ends_at_the_first_rung_that_does_not_converge_in_its_budget() {
    // Every chain of 200 draws could not be so precise.
    let flags = "--potential regular --sampler gibbs --num-steps 100 --max-steps 200 --half-width 0.005 --threads 1";
    let (rungs, stop) = Climb::of_law(flags, Law::of(Toy::Regular), &[10.0, 1.0]).all();
    assert_eq!((rungs.len(), stop), (1, Some(Stop::NotConverged { rung: 0 })));
    assert!(!rungs[0].has_converged && !rungs[0].is_certified());
    assert_eq!(
        (rungs[0].num_draws, rungs[0].num_rounds),
        (200, 3),
        "the budget is used: 100, 80 and the 20 that are left"
    );
    // A time that is used up before the second rung.
    let flags = "--potential regular --sampler gibbs --time 1e-9 --half-width 0.5 --threads 1";
    let (rungs, stop) = Climb::of_law(flags, Law::of(Toy::Regular), &[10.0, 1.0]).all();
    assert_eq!((rungs.len(), stop), (1, Some(Stop::TimeIsUsed { rung: 1 })));
}

#[test]
fn a_ladder_that_is_taken_up_continues_to_the_same_rungs() {
    let mut climb = deep_linear("", &[100.0, 10.0, 1.0]);
    let (rungs, _) = climb.all();
    let ends =
        |rung: &Rung| rung.ends.as_ref().unwrap().iter().map(|w| w.try_clone().unwrap()).collect::<Vec<Params>>();
    let before = |ends: Vec<Params>, has_converged: bool| Climbed {
        num_rungs: 2,
        ends,
        spent_s: 0.0,
        seconds_per_draw: 0.0,
        has_converged,
    };
    let mut again = climb.ladder().resumed(before(ends(&rungs[1]), true));
    let (rest, _) = climb.climb(&mut again);
    assert_eq!((rest.len(), rest[0].index), (1, 2));
    assert_eq!(rest[0].estimation.llc, rungs[2].estimation.llc);
    // Behind one that has not converged there is nothing.
    let mut over = climb.ladder().resumed(before(Vec::new(), false));
    assert_eq!(climb.climb(&mut over).1, Some(Stop::NotConverged { rung: 1 }));
}

/// `llc WORDS -F runs --json --quiet --threads 1`, in `base`.
fn llc(base: &Path, words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_llc"));
    command.args(words.split_whitespace()).args(["-F", "runs", "--json", "--quiet", "--threads", "1"]);
    command.current_dir(base).stdin(Stdio::null());
    command
}

fn report(output: &Output) -> Value {
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let last = stdout.lines().last().unwrap_or_else(|| panic!("no output; {stderr}"));
    serde_json::from_str(last).unwrap_or_else(|_| panic!("{last}; {stderr}"))
}

fn rungs(report: &Value) -> &[Value] {
    report["rungs"].as_array().unwrap()
}

#[test]
fn a_checkpoint_has_a_rung_for_every_scale_with_what_the_test_data_say() {
    let base = tempfile::tempdir().unwrap();
    let train = format!("train --model mlp --widths 4 --crop 10 --data mnist --data-dir {FIXTURES} --num-epochs 3");
    assert!(llc(base.path(), &train).status().unwrap().success());
    let data = format!("--data mnist --data-dir {FIXTURES} --crop 10 --force-realisable");
    let chains = "--sampler hmc --epsilon 1e-3 --num-steps 40 --num-chains 2 --max-steps 60 --half-width 0.9";
    let words = format!("profile --checkpoint runs/1/checkpoint/latest.safetensors {data} --ladder 1e4,1e3 {chains}");
    let output = llc(base.path(), &words).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let found = report(&output);
    assert_eq!((found["source"].as_str(), found["d"].as_u64()), (Some("checkpoint"), Some(100 * 4 + 4 + 4 * 10 + 10)));
    let all = rungs(&found);
    for rung in all {
        for path in ["/llc/mean", "/radius", "/relative_radius", "/llc_per_ln_gamma", "/test_loss", "/test_accuracy"] {
            assert!(rung.pointer(path).is_some_and(Value::is_number), "{path} in {rung}");
        }
        // A network close by does about as well.
        let off = rung["test_loss"].as_f64().unwrap() - found["test_loss"].as_f64().unwrap();
        assert!(off.abs() < 0.5, "{rung}");
    }
    // So few draws may not converge; then that is said.
    assert!(all.len() == 2 || found["stopped"].as_str().unwrap().contains("did not converge"), "{found}");
    let table = std::fs::read_to_string(base.path().join("runs/2/profile.csv")).unwrap();
    assert_eq!(table.lines().count(), 1 + all.len());
}

#[test]
fn a_profile_that_was_interrupted_continues_to_the_same_rungs() {
    let words = format!("profile {} --ladder 100,30,10,3,1 --journal-every 0", NETWORK.replace("--threads 1", ""));
    let [whole, base] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let expected = report(&llc(whole.path(), &words).output().unwrap());
    let mut child = llc(base.path(), &words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let kept = base.path().join("runs/1/checkpoint/journal/points.safetensors");
    let began = Instant::now();
    while !kept.exists() && child.try_wait().unwrap().is_none() && began.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(2));
    }
    // In the middle of the second rung.
    std::thread::sleep(Duration::from_millis(300));
    Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    let code = child.wait().unwrap().code();
    // On a fast machine it may have been over by then.
    assert!(matches!(code, Some(75 | 0)), "{code:?}");
    if code == Some(75) {
        let words = ["resume", "runs/1", "--quiet"];
        assert!(
            Command::new(env!("CARGO_BIN_EXE_llc")).args(words).current_dir(base.path()).status().unwrap().success()
        );
    }
    let found = json::parse(&std::fs::read_to_string(base.path().join("runs/1/report.json")).unwrap()).unwrap();
    assert_eq!(rungs(&found).len(), rungs(&expected).len());
    for (found, expected) in rungs(&found).iter().zip(rungs(&expected)) {
        for key in ["gamma", "llc", "diagnostics", "num_rounds", "num_draws", "verdict", "is_certified"] {
            assert_eq!(found[key], expected[key], "{key} at γ = {}", expected["gamma"]);
        }
    }
    assert_eq!((found["lambda_true"].as_f64(), found["num_certified"].as_u64()), (Some(8.0), Some(5)));
}

#[test]
fn a_loss_that_is_flat_to_second_order_says_nothing_of_where_to_begin() {
    let base = tempfile::tempdir().unwrap();
    let output = llc(base.path(), "profile --potential crossing").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("give --from and --to, or --ladder"));
}
