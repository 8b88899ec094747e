//! Holds `llc rescaling` to what it says: a rescaled chain is the original's image, and the check fails if it is not.
#![cfg(feature = "torch")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use llc::config::{ExperimentArgs, RescalingConfig};
use llc::journal::Journal;
use llc::model::relu;
use llc::relu::rescaled;
use llc::target::Batch;
use llc::trials::Trial;
use serde_json::Value;

const SMALL: &str = "--networks 4-9-3 --num-training-data 300 --batch-size 50 --num-steps 400 --num-seeds 2";

fn config(flags: &str) -> RescalingConfig {
    let words = SMALL.split_whitespace().chain(flags.split_whitespace());
    ExperimentArgs::<RescalingConfig>::try_parse_from(words).unwrap().resolve().unwrap().config
}

fn trial(config: &RescalingConfig, factor: f64) -> Trial {
    rescaled(config, &config.model().networks[0].0, factor, 1, Journal::default()).unwrap()
}

fn llc_of(trial: Trial) -> f64 {
    trial.run(&AtomicBool::new(false)).unwrap().llc.mean
}

#[test]
fn at_powers_of_two_a_rescaled_chain_is_the_original_s_image_bit_for_bit_in_both_precisions() {
    for precision in ["f32", "f64"] {
        let config = config(&format!("--precision {precision}"));
        let original = llc_of(trial(&config, 1.0));
        assert!(original > 1.0, "{original}");
        for exponent in [-13, -1, 1, 4, 13] {
            let rescaled = llc_of(trial(&config, 2f64.powi(exponent)));
            assert_eq!(rescaled.to_bits(), original.to_bits(), "2^{exponent}: {rescaled} against {original}");
        }
    }
}

#[test]
fn at_other_factors_it_is_so_up_to_rounding() {
    let config = config("--precision f64");
    let original = llc_of(trial(&config, 1.0));
    for factor in [1e-4, 0.3, 1e4] {
        let rescaled = llc_of(trial(&config, factor));
        assert!((rescaled / original - 1.0).abs() < 1e-6, "{factor}: {rescaled} against {original}");
    }
}

#[test]
fn a_preconditioner_that_forgets_a_tensor_is_not_invariant() {
    let config = config("");
    let (original, factor) = (llc_of(trial(&config, 1.0)), 2.0);
    let right = relu::invariant_preconditioner(4, factor);
    for forgotten in 0..3 {
        let mut wrong = right.clone();
        wrong[forgotten] = 1.0;
        let mut trial = trial(&config, factor);
        trial.sampler = config.sampler(&wrong);
        let llc = llc_of(trial);
        assert!((llc / original - 1.0).abs() > 1e-3, "tensor {forgotten}: {llc} against {original}");
    }
}

#[test]
fn rescaling_leaves_the_function_as_it_is() {
    let config = config("--precision f64");
    let mut trial = trial(&config, 1.0);
    let mut w = trial.target.local().w_star().try_clone().unwrap();
    // The targets are the original's outputs: at the rescaled point they are met exactly, elsewhere they are not.
    relu::rescale(&mut w, 64.0);
    assert_eq!(trial.target.loss(&w, Batch::Full).unwrap(), 0.0);
    relu::rescale(&mut w, 1e-3);
    assert!(trial.target.loss(&w, Batch::Full).unwrap() < 1e-24);
    w.as_mut_slice::<f64>().unwrap()[0] *= 2.0;
    assert!(trial.target.loss(&w, Batch::Full).unwrap() > 1e-3);
}

fn llc(folder: &Path, words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_llc"));
    // What is given wins.
    let is_given = |flag: &str| words.split_whitespace().any(|word| word == flag);
    let small: Vec<&str> = SMALL.split_whitespace().collect();
    let small = small.chunks(2).filter(|setting| !is_given(setting[0])).flatten();
    command.arg("rescaling").args(small).args(words.split_whitespace());
    command.arg("-F").arg(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

fn check(words: &[&str]) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("analysis/check-rescaling");
    let mut command = Command::new(script);
    command.env("LLC", env!("CARGO_BIN_EXE_llc")).env("LLC_ANALYSIS", env!("CARGO_BIN_EXE_llc-analysis"));
    command.args(words).stdin(Stdio::null()).output().unwrap()
}

#[test]
fn the_check_script_passes_what_is_invariant_and_fails_what_is_not() {
    let small: Vec<&str> = SMALL.split_whitespace().chain(["--threads", "1"]).collect();
    let passed = check(&small);
    assert_eq!(passed.status.code(), Some(0), "{}", String::from_utf8_lossy(&passed.stderr));
    assert!(String::from_utf8_lossy(&passed.stdout).contains("8 λ̂ equal bit for bit"));
    let failed = check(&[&small[..], &["--preconditioner", "none"]].concat());
    assert_eq!(failed.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&failed.stderr).contains("not invariant: 4-9-3"));
    let misused = check(&["--no-such-flag"]);
    assert_eq!(misused.status.code(), Some(2));
}

#[test]
fn runs_that_are_there_are_checked_at_any_factor() {
    let folder = tempfile::tempdir().unwrap();
    for (words, run, expected) in [
        ("--factors 0.1,1,7 --precision f64", "1", 0),
        ("--factors 0.25,0.5,1 --preconditioner none", "2", 1),
        ("--factors 2", "3", 1),
    ] {
        llc(folder.path(), &format!("{words} --threads 1")).output().unwrap();
        let checked = check(&[folder.path().join(run).to_str().unwrap()]);
        assert_eq!(checked.status.code(), Some(expected), "{words}: {}", String::from_utf8_lossy(&checked.stderr));
    }
}

fn report(folder: &Path, run: u64) -> Value {
    serde_json::from_str(&fs::read_to_string(folder.join(format!("{run}/report.json"))).unwrap()).unwrap()
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let folder = tempfile::tempdir().unwrap();
    for threads in [1, 2] {
        llc(folder.path(), &format!("--factors 0.3,1,5 --threads {threads}")).output().unwrap();
    }
    let llcs = |run: u64| {
        let points = report(folder.path(), run)["points"].as_array().unwrap().clone();
        points.iter().flat_map(|p| p["llc"]["per_seed"].as_array().unwrap().clone()).collect::<Vec<_>>()
    };
    assert_eq!(llcs(1).len(), 6);
    assert_eq!(llcs(1), llcs(2));
}

#[test]
fn an_interrupted_run_continues_to_what_an_unbroken_one_gives() {
    let folder = tempfile::tempdir().unwrap();
    let words = "--factors 0.25,0.5,1,2,4 --num-steps 10000 --journal-every 0.05 --threads 1";
    let unbroken = llc(folder.path(), words).output().unwrap();
    assert!(unbroken.status.success(), "{}", String::from_utf8_lossy(&unbroken.stderr));
    let mut child = llc(folder.path(), words).spawn().unwrap();
    let began = Instant::now();
    let journal = folder.path().join("2/checkpoint/journal");
    while !(journal.is_dir() && fs::read_dir(&journal).unwrap().count() >= 2) && began.elapsed().as_secs() < 60 {
        thread::sleep(Duration::from_millis(5));
    }
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(75));
    let run_dir = folder.path().join("2");
    let resumed = Command::new(env!("CARGO_BIN_EXE_llc")).arg("resume").arg(&run_dir).output().unwrap();
    assert!(resumed.status.success(), "{}", String::from_utf8_lossy(&resumed.stderr));
    let (one, two) = (report(folder.path(), 1), report(folder.path(), 2));
    for (a, b) in one["points"].as_array().unwrap().iter().zip(two["points"].as_array().unwrap()) {
        assert_eq!(a["llc"], b["llc"]);
        assert_eq!(a["trials"][0]["radius"], b["trials"][0]["radius"]);
    }
    assert_eq!(two["status"], "COMPLETED");
}
