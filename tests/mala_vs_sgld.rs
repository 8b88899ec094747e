//! Holds the samplers of `llc mala-vs-sgld` to a closed form, and to each other.
#![cfg(feature = "torch")]

use std::fs;
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;

use llc::config::dln::InputDist;
use llc::config::{ExperimentArgs, MalaVsSgldConfig};
use llc::data::synthetic::SyntheticInputs;
use llc::journal::Journal;
use llc::kernel::SamplerKind;
use llc::relu::compared;
use llc::rng::{Key, Role};
use llc::theory::sampler_law::{QuadraticMode, SgldLaw};
use serde_json::Value;

/// Without a hidden layer L is quadratic: λ̂ is known at every ε, n and γ.
const LINEAR: &str = "--widths 3,2 --n 200 --num-steps 20000 --warmup 0.1 --epsilon 1e-3 --precision f64 --threads 1";

fn config(flags: &str) -> MalaVsSgldConfig {
    ExperimentArgs::<MalaVsSgldConfig>::try_parse_from(flags.split_whitespace()).unwrap().resolve().unwrap().config
}

/// Curvatures of L: with x̃ = (x, 1) the eigenvalues of 2·x̃ᵀx̃/(n·out), each once for an output.
fn curvatures(seed: u64, n: u64) -> Vec<f64> {
    let inputs = SyntheticInputs::new(Key::new(seed).role(Role::Data), InputDist::Uniform, 3, n);
    let mut columns = vec![0f64; 3 * n as usize];
    inputs.fill_columns(&(0..n).collect::<Vec<_>>(), &mut columns);
    let x = nalgebra::DMatrix::from_fn(n as usize, 4, |i, j| if j < 3 { columns[j * n as usize + i] } else { 1.0 });
    let values = (x.transpose() * &x / n as f64).symmetric_eigenvalues();
    values.iter().flat_map(|h| [*h; 2]).collect()
}

#[test]
fn on_a_quadratic_mala_and_hmc_have_the_exact_mean_and_full_batch_sgld_that_of_its_step() {
    let config = config(LINEAR);
    let full = self::config(&format!("{LINEAR} --batch-size 200"));
    let n_beta = 200.0 / 200f64.ln();
    let modes = curvatures(3, 200).into_iter().map(|h| (h, QuadraticMode::new(h, n_beta, 1.0).unwrap()));
    let (mut exact, mut of_step) = (0.0, 0.0);
    for (h, mode) in modes {
        exact += 0.5 * n_beta * h * mode.variance();
        of_step += 0.5 * n_beta * h * SgldLaw::new(mode, 1e-3).unwrap().stationary_variance();
    }
    for (kind, config, expected) in
        [(SamplerKind::Mala, &config, exact), (SamplerKind::Hmc, &config, exact), (SamplerKind::Sgld, &full, of_step)]
    {
        let trial = compared(config, kind, 200, 3, Journal::default()).unwrap();
        let llc = trial.run(&AtomicBool::new(false)).unwrap().llc;
        assert!(llc.mcse < 0.2 * expected, "{kind:?}: {} ± {}", llc.mean, llc.mcse);
        let z = (llc.mean - expected) / llc.mcse;
        assert!(z.abs() < 6.0, "{kind:?}: {} ± {} against {expected}", llc.mean, llc.mcse);
    }
}

#[test]
fn the_samplers_of_a_run_see_the_same_network_and_a_smaller_n_the_first_of_its_samples() {
    let config = config("--threads 1");
    let centre = |kind, n| {
        let trial = compared(&config, kind, n, 4, Journal::default()).unwrap();
        trial.target.local().w_star().as_slice::<f32>().unwrap().to_vec()
    };
    let of_sgld = centre(SamplerKind::Sgld, 100);
    assert_eq!(of_sgld.len(), 850);
    assert_eq!(of_sgld, centre(SamplerKind::Hmc, 316));
}

#[test]
fn a_run_reports_every_sampler_at_every_n_with_intervals_over_its_runs() {
    let folder = tempfile::tempdir().unwrap();
    let words = "mala-vs-sgld --widths 3,4,2 --n 50,100 --num-runs 2 --num-steps 400 --threads 1 --json --quiet";
    let output = Command::new(env!("CARGO_BIN_EXE_llc"))
        .args(words.split_whitespace())
        .arg("-F")
        .arg(folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let points = report["points"].as_array().unwrap();
    let places: Vec<String> = points.iter().map(|p| format!("{} {}", p["n"], p["sampler"].as_str().unwrap())).collect();
    assert_eq!(places, ["50 sgld", "50 mala", "50 hmc", "100 sgld", "100 mala", "100 hmc"]);
    for point in points {
        let [low, high] = [0, 1].map(|end| point["llc"]["ci90"][end].as_f64().unwrap());
        let mean = point["llc"]["mean"].as_f64().unwrap();
        assert!(low < mean && mean < high && point["sampling_s"]["mean"].as_f64().unwrap() > 0.0, "{point}");
        let acceptance = point["acceptance"]["mean"].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&acceptance), "{point}");
    }
    let table = fs::read_to_string(folder.path().join("1/mala-vs-sgld.csv")).unwrap();
    assert_eq!(table.lines().count(), 13);
}
