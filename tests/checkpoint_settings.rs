//! Trains networks and estimates around their checkpoints as a user does: what a checkpoint carries is what the estimate takes.
#![cfg(feature = "torch")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use llc::checkpoint::Checkpoint;
use serde_json::{Value, json};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
/// A small network on 200 images; one thread, so that it is the same everywhere.
const TRAINING: &str =
    "train --model mlp --widths 8 --batch-size 50 --num-epochs 2 --evaluate-train --threads 1 --seed 3";
/// A few steps: these tests are about the loss at w*.
const CHAINS: &str = "--num-chains 1 --num-steps 60 --epsilon 1e-6 --check-localisation off --threads 1";

fn llc(base: &Path, flags: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_llc"));
    command.args(flags.split_whitespace()).args(["--data-dir", FIXTURES]).arg("-F").arg(base).arg("--json");
    command.output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn report(output: &Output) -> Value {
    assert!(output.status.success(), "{}", stderr(output));
    serde_json::from_str(stdout(output).lines().last().unwrap()).unwrap()
}

/// The report of a training with `flags` as the first run of `base`, and its last checkpoint.
fn trained(base: &Path, flags: &str) -> (Value, PathBuf) {
    (report(&llc(base, &format!("{TRAINING} {flags}"))), base.join("1/checkpoint/latest.safetensors"))
}

fn estimated(base: &Path, checkpoint: &Path, flags: &str) -> Output {
    llc(base, &format!("estimate --checkpoint {} {CHAINS} {flags}", checkpoint.display()))
}

/// Losses and accuracies on training and test data, of a training's report or of an estimate's.
fn scores(report: &Value) -> Vec<f64> {
    let names = [("train", "loss"), ("train", "accuracy"), ("test", "loss"), ("test", "accuracy")];
    let score = |(set, name): (&str, &str)| {
        report
            .pointer(&format!("/{set}/{name}"))
            .or(report.pointer(&format!("/{set}_{name}")))
            .unwrap()
            .as_f64()
            .unwrap()
    };
    names.map(score).to_vec()
}

/// What the notes say of the checkpoint; others are about the few steps.
fn notes_of_settings(report: &Value) -> Vec<&str> {
    let notes = report["notes"].as_array().unwrap().iter().filter_map(Value::as_str);
    notes.filter(|note| note.contains("--override-checkpoint") || note.contains("what it was trained on")).collect()
}

/// Checks that an estimate that is given nothing but the checkpoint of a training with `flags` finds that training's losses.
fn assert_carried(flags: &str) {
    let base = tempfile::tempdir().unwrap();
    let (training, checkpoint) = trained(base.path(), flags);
    let estimate = report(&estimated(base.path(), &checkpoint, ""));
    let (expected, found) = (scores(&training), scores(&estimate));
    let is_close = expected.iter().zip(&found).all(|(a, b)| (a - b).abs() <= 1e-9 * a.abs().max(1.0));
    assert!(is_close, "{flags}: trained to {expected:?}, estimated at {found:?}");
    assert_eq!(notes_of_settings(&estimate), Vec::<&str>::new(), "{flags}");
}

#[test]
fn an_estimate_of_a_checkpoint_has_the_training_s_losses_for_every_preprocessing_and_loss() {
    for flags in [
        "--data mnist",
        "--data mnist --preprocessing scale --loss squared-error",
        "--data mnist --preprocessing channels --mean 0.2 --deviation 0.4 --crop 20 --train-size 120 --test-size 40",
        "--data mnist --preprocessing whitening --loss accuracy",
        "--data cifar10 --crop 8",
        "--data cifar10 --crop 8 --preprocessing whitening --loss squared-error",
    ] {
        assert_carried(flags);
    }
}

#[test]
fn an_estimate_of_a_checkpoint_has_the_training_s_losses_for_every_corruption() {
    for flags in [
        "--label-corruption 0.5",
        "--label-corruption 0.5 --label-corruption-kind random-joint --corruption-seed 7",
        "--label-corruption-kind permuted --corrupt-test=off",
        "--label-corruption 0.3 --label-corruption-kind noise --preprocessing whitening",
        "--pixel-corruption shuffled --label-corruption 0.5 --label-corruption-kind random-joint",
        "--pixel-corruption random --preprocessing scale",
        "--pixel-corruption gaussian",
    ] {
        assert_carried(&format!("--data mnist {flags}"));
    }
}

#[test]
fn a_contradiction_is_refused_with_both_values_and_one_that_is_asked_for_is_reported() {
    let base = tempfile::tempdir().unwrap();
    let (training, checkpoint) = trained(base.path(), "--data mnist --label-corruption 0.5");
    let refused = estimated(base.path(), &checkpoint, "--preprocessing scale --label-corruption 0.25");
    assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
    for part in [
        "--preprocessing (data.preprocessing) is scale, but was channels in the training",
        "--label-corruption (data.label_corruption) is 0.25, but was 0.5 in the training",
        "--override-checkpoint label-corruption,preprocessing",
        "latest.safetensors",
    ] {
        assert!(stderr(&refused).contains(part), "{part}: {}", stderr(&refused));
    }
    let partly = "--preprocessing scale --loss squared-error --override-checkpoint preprocessing";
    let partly = estimated(base.path(), &checkpoint, partly);
    assert!(!partly.status.success() && stderr(&partly).contains("--override-checkpoint loss"), "{}", stderr(&partly));
    let asked = estimated(base.path(), &checkpoint, "--preprocessing scale --override-checkpoint preprocessing");
    let estimate = report(&asked);
    let note = notes_of_settings(&estimate)[0];
    assert!(
        note.starts_with("--preprocessing (data.preprocessing) is scale, but was channels in the training"),
        "{note}"
    );
    assert!(stderr(&asked).contains(note), "{}", stderr(&asked));
    assert!((scores(&estimate)[0] - scores(&training)[0]).abs() > 1e-3, "other inputs, another loss");
    // What agrees is not refused.
    report(&estimated(base.path(), &checkpoint, "--data mnist --label-corruption 0.5 --preprocessing channels"));
    let unknown = estimated(base.path(), &checkpoint, "--override-checkpoint preprocesing");
    assert!(stderr(&unknown).contains("did you mean `preprocessing`?"), "{}", stderr(&unknown));
}

#[test]
fn a_training_that_is_resumed_on_other_data_or_towards_another_loss_is_refused() {
    let base = tempfile::tempdir().unwrap();
    let (_, checkpoint) = trained(base.path(), "--data mnist");
    for (flags, part) in [
        ("--preprocessing scale", "--preprocessing (data.preprocessing) is scale, but was channels in the training"),
        ("--loss squared-error", "--loss (train.loss) is squared-error, but was cross-entropy in the training"),
        ("--label-corruption 0.5", "--label-corruption (data.label_corruption) is 0.5, but was 0.0 in the training"),
    ] {
        let again = format!("{TRAINING} --data mnist --num-epochs 3 --resume {}", checkpoint.display());
        let again = again.replacen("--num-epochs 2 ", "", 1);
        let refused = llc(base.path(), &format!("{again} {flags}"));
        assert!(!refused.status.success() && stderr(&refused).contains(part), "{flags}: {}", stderr(&refused));
    }
}

#[test]
fn own_outputs_are_refused_as_targets_of_the_loss_that_a_checkpoint_carries_where_they_are_no_minimum() {
    let base = tempfile::tempdir().unwrap();
    let (_, checkpoint) = trained(base.path(), "--data mnist --loss accuracy");
    let refused = estimated(base.path(), &checkpoint, "--force-realisable");
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("not a minimum of the loss accuracy"), "{}", stderr(&refused));
}

#[test]
fn a_checkpoint_without_settings_is_taken_at_the_defaults_with_its_losses_and_a_warning() {
    let base = tempfile::tempdir().unwrap();
    let (_, path) = trained(base.path(), "--data mnist");
    let mut checkpoint = Checkpoint::read(&path).unwrap();
    checkpoint.header.facts.remove("trained_on").unwrap();
    let old = base.path().join("old.safetensors");
    checkpoint.write(&old).unwrap();
    let output = estimated(base.path(), &old, "--data mnist");
    let estimate = report(&output);
    assert!(stdout(&output).contains("old.safetensors on the training data: loss "), "{}", stdout(&output));
    assert!(stderr(&output).contains("does not say what it was trained on"), "{}", stderr(&output));
    assert_eq!(notes_of_settings(&estimate).len(), 1);
    // The default of before, and what the checkpoint of today deviates from.
    let scale = report(&estimated(base.path(), &path, "--preprocessing scale --override-checkpoint all"));
    assert_eq!(scores(&estimate), scores(&scale));
}

#[test]
fn a_weight_that_is_not_finite_is_named() {
    let base = tempfile::tempdir().unwrap();
    let (_, path) = trained(base.path(), "--data mnist");
    let mut checkpoint = Checkpoint::read(&path).unwrap();
    let tensor = checkpoint.tensors.iter_mut().find(|tensor| tensor.shape == [10, 8]).unwrap();
    tensor.bytes[..8].copy_from_slice(&[f32::NAN, f32::INFINITY].map(f32::to_le_bytes).concat());
    let name = tensor.name.clone();
    let broken = base.path().join("broken.safetensors");
    checkpoint.write(&broken).unwrap();
    let output = estimated(base.path(), &broken, "");
    assert!(!output.status.success());
    let expected = format!("tensor {name} has 2 of 80 elements that are NaN or infinite");
    assert!(stderr(&output).contains(&expected), "{}", stderr(&output));
}

#[test]
fn a_pattern_of_checkpoints_gives_the_points_of_one_record_at_one_scale() {
    let base = tempfile::tempdir().unwrap();
    let (_, latest) = trained(base.path(), "--data mnist --checkpoint-every 1");
    let folder = latest.parent().unwrap();
    let output = estimated(base.path(), &folder.join("*.safetensors"), "");
    let several = report(&output);
    let points = several["points"].as_array().unwrap();
    let of_points = |name: &str| points.iter().map(|point| point[name].clone()).collect::<Vec<_>>();
    assert_eq!((of_points("step"), of_points("epoch")), (vec![json!(4), json!(8)], vec![json!(1.0), json!(2.0)]));
    assert!(stdout(&output).contains("latest.safetensors is identical to another file"), "{}", stdout(&output));
    assert!(several["n_beta"].is_number() && several["gamma"].is_number() && several["llc"].is_null(), "{several}");
    let run = base.path().join("2");
    for name in ["draws-step0000004.zarr", "draws-step0000008.zarr", "curve.csv", "report.json"] {
        assert!(run.join(name).exists(), "{name}");
    }
    let table = std::fs::read_to_string(run.join("curve.csv")).unwrap();
    assert_eq!(table.lines().count(), 3, "{table}");
    assert!(table.lines().nth(1).unwrap().ends_with("e_001.safetensors"), "{table}");
    let metrics = llc::record::json::parse(&std::fs::read_to_string(run.join("metrics.json")).unwrap()).unwrap();
    assert_eq!(metrics["curve.llc"]["steps"], json!([4, 8]));
    // Each point is what an estimate of its file alone measures at w*.
    let alone = report(&estimated(base.path(), &folder.join("e_002.safetensors"), ""));
    assert_eq!(scores(&points[1]), scores(&alone));
    assert_eq!(points[1]["init_loss"], alone["init_loss"]);
    let missing = estimated(base.path(), &folder.join("none*"), "");
    assert!(stderr(&missing).contains("no file matches"), "{}", stderr(&missing));
}

#[test]
fn a_pattern_of_checkpoints_that_is_interrupted_continues_after_its_last_point() {
    let base = tempfile::tempdir().unwrap();
    let (_, latest) = trained(base.path(), "--data mnist --checkpoint-every 1");
    let pattern = latest.parent().unwrap().join("e_*.safetensors");
    let long = "--num-steps 3000 --thin 5";
    let chains = CHAINS.replace("--num-steps 60", long);
    let flags = format!("estimate --checkpoint {} {chains} --data-dir {FIXTURES} --json", pattern.display());
    let start = |base: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_llc"));
        command.args(flags.split_whitespace()).arg("-F").arg(base).stdout(Stdio::piped()).stderr(Stdio::null());
        command.spawn().unwrap()
    };
    let whole = report(&start(base.path()).wait_with_output().unwrap());
    let other = tempfile::tempdir().unwrap();
    let stopped = start(other.path());
    let began = Instant::now();
    while !other.path().join("1/draws-step0000008.zarr").exists() {
        assert!(began.elapsed() < Duration::from_secs(60), "no second point");
        thread::sleep(Duration::from_millis(5));
    }
    assert!(Command::new("kill").args(["-TERM", &stopped.id().to_string()]).status().unwrap().success());
    assert_eq!(stopped.wait_with_output().unwrap().status.code(), Some(75));
    let mut again = Command::new(env!("CARGO_BIN_EXE_llc"));
    let again = report(&again.arg("resume").arg(other.path().join("1")).arg("--json").output().unwrap());
    let timeless = |report: &Value| {
        let mut points = report["points"].as_array().unwrap().clone();
        points.iter_mut().for_each(|point| drop(point.as_object_mut().unwrap().remove("timing")));
        points
    };
    assert_eq!(timeless(&again), timeless(&whole));
}
