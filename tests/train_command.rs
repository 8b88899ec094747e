//! Runs `llc train` as a user does, on the small fixtures, and reads what it prints and leaves behind.
#![cfg(feature = "torch")]

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use llc::checkpoint::Checkpoint;
use serde_json::Value;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
/// 200 training images of CIFAR-10 in batches of 32: seven steps an epoch. One thread, so that it is the same everywhere.
const SMALL: &str = "--model mlp --widths 32 --crop 16 --batch-size 32 --threads 1 --seed 3";

fn llc(base: &Path, flags: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_llc"));
    command
        .arg("train")
        .args(flags.split_whitespace())
        .args(["--data-dir", FIXTURES])
        .arg("-F")
        .arg(base)
        .arg("--json");
    command
}

fn output(base: &Path, flags: &str) -> Output {
    llc(base, flags).output().unwrap()
}

fn lines(output: &Output) -> Vec<String> {
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

fn report(output: &Output) -> Value {
    let lines = lines(output);
    let last = lines.last().unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    serde_json::from_str(last).unwrap()
}

fn json(path: &Path) -> Value {
    llc::record::json::parse(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn weights(run: &Path) -> Vec<(String, Vec<u8>)> {
    let checkpoint = Checkpoint::read(&run.join("checkpoint/latest.safetensors")).unwrap();
    checkpoint.tensors.into_iter().map(|tensor| (tensor.name, tensor.bytes)).collect()
}

#[test]
fn a_training_leaves_a_record_with_its_metrics_and_checkpoints() {
    let base = tempfile::tempdir().unwrap();
    let output = output(base.path(), &format!("{SMALL} --num-epochs 3 --checkpoint-every 2 --log-every 5"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report = report(&output);
    assert_eq!((&report["d"], &report["num_epochs"], &report["num_steps"]), (&24_938.into(), &3.into(), &21.into()));
    assert!(report["train"]["loss"].as_f64().unwrap() < 2.4 && report["test"]["accuracy"].as_f64().unwrap() > 0.05);
    let run = base.path().join("1");
    assert_eq!(json(&run.join("run.json"))["status"], "COMPLETED");
    assert_eq!(json(&run.join("report.json")), report);
    let metrics = json(&run.join("metrics.json"));
    assert_eq!(metrics["test.loss"]["steps"], serde_json::json!([5, 7, 10, 14, 15, 20, 21]));
    assert_eq!(metrics["train.loss"]["steps"].as_array().unwrap().len(), 21);
    assert!(!run.join("draws.zarr").exists(), "nothing was drawn");
    let mut names: Vec<String> = std::fs::read_dir(run.join("checkpoint"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["e_002.safetensors", "e_003.safetensors", "latest.safetensors"]);
    let epochs = lines(&output).iter().filter(|line| line.starts_with("epoch ")).count();
    assert_eq!(epochs, 3);
    assert!(std::fs::read_to_string(run.join("cout.txt")).unwrap().contains("epoch   3  train loss"));
}

#[test]
fn a_training_that_is_killed_ends_in_the_same_bits_as_one_that_is_not() {
    let base = tempfile::tempdir().unwrap();
    let flags = format!("{SMALL} --num-epochs 400 --checkpoint-every 1 --schedule exponential --decay 0.99");
    assert!(output(base.path(), &flags).status.success());
    let mut killed = llc(base.path(), &flags).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let latest = base.path().join("2/checkpoint/latest.safetensors");
    let began = Instant::now();
    while !latest.exists() {
        assert!(began.elapsed() < Duration::from_secs(60), "no checkpoint");
        std::thread::sleep(Duration::from_millis(5));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    let steps = Checkpoint::read(&latest).unwrap().header.facts["training"]["step"].as_u64().unwrap();
    let resumed = output(base.path(), &format!("{flags} --resume {}", base.path().join("2").display()));
    assert!(resumed.status.success(), "{}", String::from_utf8_lossy(&resumed.stderr));
    assert!(
        lines(&resumed)
            .iter()
            .any(|line| line.starts_with("resumed after") && line.contains(&format!("{steps} steps")))
    );
    assert!(steps < 2800, "it was over before it was killed");
    assert!(weights(&base.path().join("1")) == weights(&base.path().join("3")), "bit for bit");
}

#[test]
fn the_originals_lines_and_names_are_theirs() {
    let base = tempfile::tempdir().unwrap();
    let flags = "--preset fitting-random-labels/mlp --label-corruption 0.5 --num-epochs 2 --threads 2";
    let output_d = output(base.path(), flags);
    assert!(output_d.status.success(), "{}", String::from_utf8_lossy(&output_d.stderr));
    let lines_d = lines(&output_d);
    assert_eq!(lines_d[0], "Number of parameters: 1577984");
    let numbers: Vec<&str> =
        lines_d[2].split(|c: char| !c.is_ascii_digit() && c != '.').filter(|w| !w.is_empty()).collect();
    let [epoch, train, test, loss_train, loss_test] = numbers[..] else { panic!("{}", lines_d[2]) };
    let rebuilt = format!("{epoch}: Acc-tr: {train:>6}, Acc-val: {test:>6}, L-tr: {loss_train}, L-val: {loss_test}");
    assert_eq!((lines_d[2].as_str(), epoch), (rebuilt.as_str(), "001"));
    let name = "cifar10_corrupt0.5_mlp512_lr0.01_mmt0.9_Wd0.0001_NoAug";
    assert_eq!(json(&base.path().join("1/run.json"))["experiment"]["name"], name);

    let flags = "--preset zhang-fig1/mlp1 --label-corruption 1 --num-epochs 60 --threads 2";
    let output_b = output(base.path(), flags);
    let lines_b = lines(&output_b);
    let reached = lines_b.iter().find(|line| line.starts_with("Zero-loss condition reached at epoch"));
    let reached = reached.unwrap_or_else(|| panic!("{lines_b:?}"));
    let epoch: u64 = reached.split(' ').nth(5).unwrap().parse().unwrap();
    let checkpoint = base.path().join(format!("2/checkpoint/e_{epoch:03}_MLP1_1.0_none_interp.safetensors"));
    assert!(checkpoint.exists(), "{}", checkpoint.display());
    assert_eq!(report(&output_b)["epochs_to_overfit"], epoch);
    assert!(report(&output_b)["label_corruption_observed"].as_f64().unwrap() > 0.8);
}

#[test]
fn what_goes_wrong_is_reported_in_a_sentence_with_its_exit_code() {
    let base = tempfile::tempdir().unwrap();
    let message = |flags: &str| {
        let output = output(base.path(), flags);
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, error) = message("--crop 16");
    assert_eq!(code, 2);
    assert!(error.starts_with("error: --model (model.name) is missing"), "{error}");
    let (code, error) = message(&format!("{SMALL} --learning-rate 1e30"));
    assert_eq!(code, 3);
    assert!(error.contains("the training diverged: its loss is") && error.contains("at step"), "{error}");
    let (code, error) = message(&format!("{SMALL} --num-epochs 1 --data fashion-mnist --preprocessing scale"));
    assert_eq!(code, 1);
    assert!(error.contains("no fashion-mnist in") || error.contains("fashion"), "{error}");
    assert!(output(base.path(), &format!("{SMALL} --num-epochs 1")).status.success());
    let newest =
        std::fs::read_dir(base.path()).unwrap().filter_map(|e| e.unwrap().file_name().to_str()?.parse().ok()).max();
    let newest: u64 = newest.unwrap();
    let run = base.path().join(newest.to_string());
    let narrower = SMALL.replace("--widths 32", "--widths 31");
    let (code, error) = message(&format!("{narrower} --num-epochs 2 --resume {}", run.display()));
    assert_eq!(code, 1);
    assert!(error.contains("another network"), "{error}");
}

#[test]
fn a_last_step_that_blows_up_ends_with_code_3() {
    let base = tempfile::tempdir().unwrap();
    let flags = SMALL.replace("--batch-size 32", "--batch-size 1000 --num-epochs 1 --learning-rate 1e30");
    for evaluation in ["--evaluate-train=off", "--evaluate-train=on"] {
        let output = output(base.path(), &format!("{flags} {evaluation}"));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{stderr}");
        assert!(stderr.contains("the training diverged"), "{stderr}");
    }
    assert_eq!(json(&base.path().join("1/run.json"))["status"], "FAILED");
}
