//! Runs `llc noisy-weights` as a user does, on the small fixtures, and reads what it prints and leaves behind.
#![cfg(feature = "torch")]

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use llc::checkpoint::Checkpoint;
use serde_json::Value;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
const SMALL: &str = "--model mlp --widths 24 --crop 16 --batch-size 32 --seed 3";

fn llc(words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_llc"));
    command.args(words.split_whitespace()).arg("--json");
    command
}

fn output(base: &Path, flags: &str) -> Output {
    let words = format!("noisy-weights {SMALL} {flags} --data-dir {FIXTURES} --threads 1 -F {}", base.display());
    llc(&words).output().unwrap()
}

fn report(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().last().unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    serde_json::from_str(last).unwrap_or_else(|_| panic!("{text} {}", String::from_utf8_lossy(&output.stderr)))
}

fn number(value: &Value, pointer: &str) -> f64 {
    value.pointer(pointer).and_then(Value::as_f64).unwrap_or(f64::NAN)
}

#[test]
fn every_epoch_reports_its_agreement_norms_and_noise_which_doubles_when_it_should() {
    let base = tempfile::tempdir().unwrap();
    let output = output(base.path(), "--num-epochs 4 --learn-noise=off --noise-doubling-epochs 2 --checkpoint-every 2");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report = report(&output);
    let epochs = report["epochs"].as_array().unwrap();
    let alphas: Vec<f64> = epochs.iter().map(|epoch| number(epoch, "/mean_alpha")).collect();
    let expected = [0.05, 0.05, 0.1, 0.1];
    assert!(alphas.iter().zip(expected).all(|(alpha, expected)| (alpha - expected).abs() < 1e-6), "{alphas:?}");
    assert!(epochs[0]["train"]["agreement"].is_null());
    for epoch in &epochs[1..] {
        let at = |name: &str| number(epoch, &format!("/train/{name}"));
        assert!((at("agreement") - at("intersection") / at("union")).abs() < 1e-12);
        assert!(at("intersection") <= 200.0 * at("accuracy") + 1e-9 && 200.0 * at("accuracy") <= at("union") + 1e-9);
        assert!(number(epoch, "/weight_norm") > 0.0 && number(epoch, "/gradient_norm") > 0.0);
    }
    let run = base.path().join("1");
    assert!(run.join("checkpoint/e_002.safetensors").exists() && run.join("checkpoint/e_004.safetensors").exists());
    assert_eq!(std::fs::read_to_string(run.join("epochs.csv")).unwrap().lines().count(), 5);
}

#[test]
fn a_price_on_information_makes_learnt_noise_grow() {
    let base = tempfile::tempdir().unwrap();
    let alpha =
        |flags: &str| number(&report(&output(base.path(), &format!("--num-epochs 6 {flags}"))), "/epochs/5/mean_alpha");
    let free = alpha("--learning-rate 0.01");
    let dear = alpha("--learning-rate 0.01 --information-penalty 2000");
    assert!((free - 0.05).abs() < 0.01 && dear > 0.1, "{free} {dear}");
}

#[test]
fn a_second_phase_without_the_validation_samples_forgets_some_of_them() {
    let base = tempfile::tempdir().unwrap();
    let flags = "--noise 0 --label-corruption 1 --val-label-corruption 1 --num-epochs 40 --retrain-epochs 40 --learning-rate 0.02 --weight-decay 0.02";
    let output = output(base.path(), flags);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report = report(&output);
    assert_eq!(report["epochs"].as_array().unwrap().len(), 80);
    assert_eq!(
        (&report["epochs"][39]["phase"], &report["epochs"][40]["phase"]),
        (&"train+val".into(), &"train".into())
    );
    let before = number(&report, "/forgotten/val_accuracy_before");
    assert!(before > 0.9, "random labels are learnt first: {before}");
    assert!(number(&report, "/forgotten/difference") > 0.2, "{}", report["forgotten"]);
}

#[test]
fn a_run_that_is_killed_and_resumed_ends_in_the_same_bits() {
    let base = tempfile::tempdir().unwrap();
    let flags = "--num-epochs 60 --retrain-epochs 60 --optimizer adam --checkpoint-every 20";
    let words = format!("noisy-weights {SMALL} {flags} --data-dir {FIXTURES} --threads 1 -F {}", base.path().display());
    assert!(llc(&words).output().unwrap().status.success());
    let mut killed = llc(&words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let began = Instant::now();
    while !base.path().join("2/checkpoint/e_020.safetensors").exists() {
        assert!(began.elapsed() < Duration::from_secs(60), "no checkpoint");
        std::thread::sleep(Duration::from_millis(5));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    let resumed = llc(&format!("resume {}", base.path().join("2").display())).output().unwrap();
    assert!(resumed.status.success(), "{}", String::from_utf8_lossy(&resumed.stderr));
    let weights = |run: &str| {
        let checkpoint = Checkpoint::read(&base.path().join(run).join("checkpoint/latest.safetensors")).unwrap();
        checkpoint.tensors.into_iter().map(|tensor| (tensor.name, tensor.bytes)).collect::<Vec<_>>()
    };
    assert!(weights("1") == weights("2"), "bit for bit, the noise's α included");
    assert!(weights("1").iter().any(|(name, _)| name == "train.noise.alpha"));
}

#[test]
fn a_last_step_that_blows_up_ends_with_code_3_and_without_its_epoch() {
    let base = tempfile::tempdir().unwrap();
    let output = output(base.path(), "--num-epochs 1 --learning-rate 1e30 --train-size 32");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains("the training diverged"), "{stderr}");
    let report = report(&output);
    assert_eq!((report["status"].as_str(), report["epochs"].as_array().map(Vec::len)), (Some("FAILED"), Some(0)));
}
