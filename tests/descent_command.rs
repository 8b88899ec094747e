//! Runs `llc descent` as a user does, on threes and sevens of the fixtures, and reads what it prints and leaves behind.
#![cfg(feature = "torch")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use llc::checkpoint::Checkpoint;
use serde_json::Value;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
/// Sixteen of each class on a small network. One thread, so that it is the same everywhere.
const SMALL: &str = "--train-size 32 --widths 8 --threads 1";

fn llc(base: &Path, flags: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_llc"));
    let plot = if flags.contains("--plot") { None } else { Some("--plot=off") };
    command.arg("descent").args(flags.split_whitespace()).args(plot);
    command.args(["--data-dir", FIXTURES]).arg("-F").arg(base).arg("--json").stdin(Stdio::null());
    command
}

fn output(base: &Path, flags: &str) -> Output {
    llc(base, flags).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn report(output: &Output) -> Value {
    assert!(output.status.success(), "{}", stderr(output));
    serde_json::from_str(String::from_utf8_lossy(&output.stdout).lines().last().unwrap()).unwrap()
}

fn json(path: &Path) -> Value {
    llc::record::json::parse(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The rows of `descent.csv`, by column.
fn rows(run: &Path) -> Vec<BTreeMap<String, f64>> {
    let mut reader = csv::Reader::from_path(run.join("descent.csv")).unwrap();
    reader.deserialize().map(|row| row.unwrap()).collect()
}

fn weights(run: &Path, name: &str) -> Vec<(String, Vec<u8>)> {
    let checkpoint = Checkpoint::read(&run.join(format!("checkpoint/{name}.safetensors"))).unwrap();
    checkpoint.tensors.into_iter().map(|tensor| (tensor.name, tensor.bytes)).collect()
}

#[test]
fn a_descent_leaves_its_series_its_networks_and_a_picture_under_the_original_s_name() {
    let base = tempfile::tempdir().unwrap();
    let flags = format!("{SMALL} --num-epochs 40 --learning-rate 0.05 --nickname MY.TEST --trace");
    let output = output(base.path(), &flags);
    let report = report(&output);
    let run = base.path().join("1");
    let name = report["name"].as_str().unwrap();
    let identity = name.strip_prefix("MY&TEST-lr_0&05-bs_32-eps_40_").unwrap_or_else(|| panic!("{name}"));
    assert!(identity.len() == 32 && identity.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}");
    assert_eq!(json(&run.join("run.json"))["experiment"]["name"], name);
    assert_eq!(json(&run.join("report.json")), report);

    // A step takes all samples: the loss after epoch i is that before step i + 1.
    let rows = rows(&run);
    let before = json(&run.join("metrics.json"))["train.loss"]["values"].clone();
    assert_eq!((rows.len(), before.as_array().unwrap().len()), (40, 40));
    for (i, row) in rows.iter().enumerate().take(39) {
        assert_eq!((row["epoch"], row["loss"]), (i as f64, before[i + 1].as_f64().unwrap()));
    }
    let close = |a: &Value, b: f64| (a.as_f64().unwrap() - b).abs() < 1e-6;
    assert!(close(&before[0], report["initial"]["loss"].as_f64().unwrap()));
    assert!(close(&report["last"]["loss"], rows[39]["loss"]) && rows[39]["loss"] < rows[0]["loss"]);

    // The trace is the original's, one line an epoch.
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("Epoch: ")).collect();
    assert_eq!(lines.len(), 40);
    let words: Vec<&str> = lines[7].split('\t').map(str::trim).collect();
    assert_eq!((words[0], words[1]), ("Epoch: 7", format!("Loss: {}", rows[7]["loss"]).as_str()));
    assert!(words[2].starts_with("Accuracy: ") && words[3].starts_with("Gradients: "), "{}", lines[7]);

    assert_ne!(weights(&run, "initial"), weights(&run, "trained"));
    let picture = image::open(run.join("dataset.png")).unwrap();
    // Eight of each class at three pixels for one, two apart.
    assert_eq!((picture.width(), picture.height()), (8 * 86 + 2, 2 * 86 + 2));
}

#[test]
fn an_experiment_is_found_by_its_name_and_repeats_its_own_numbers() {
    let base = tempfile::tempdir().unwrap();
    let flags = format!(
        "{SMALL} --num-epochs 12 --batch-size 10 --label-seed 4 --selection-seed 2 --seed 9 --loss accuracy --nickname ONE"
    );
    let name = report(&output(base.path(), &flags))["name"].as_str().unwrap().to_owned();
    for (run, again) in [("2", name.as_str()), ("3", "1"), ("4", "ONE-lr_0&1-bs_32-eps_12_")] {
        if run == "4" {
            // Three runs have names that start so now.
            assert_eq!(output(base.path(), &format!("--again {again}")).status.code(), Some(2));
            continue;
        }
        let repeated = report(&output(base.path(), &format!("--again {again}")));
        assert_ne!(repeated["name"], name.as_str());
        let [first, second] = ["1", run].map(|run| base.path().join(run));
        assert!(fs::read(first.join("descent.csv")).unwrap() == fs::read(second.join("descent.csv")).unwrap());
        assert!(weights(&first, "trained") == weights(&second, "trained"), "bit for bit");
        let config = |run: &Path| json(&run.join("config.json"));
        assert_eq!(config(&first), config(&second));
    }
    // A flag lies over the settings of the other run.
    let other = report(&output(base.path(), "--again 1 --num-epochs 3"));
    assert_eq!((&other["num_epochs"], &other["loss"]), (&3.into(), &"accuracy".into()));
    assert!(rows(&base.path().join("4")) == rows(&base.path().join("1"))[..3]);
    let unknown = output(base.path(), "--again nothing");
    assert_eq!(unknown.status.code(), Some(2));
    assert!(stderr(&unknown).contains("--again nothing: no run in"), "{}", stderr(&unknown));
}

#[test]
fn a_descent_that_is_interrupted_continues_as_if_it_had_not_been() {
    let base = tempfile::tempdir().unwrap();
    let flags = format!("{SMALL} --num-epochs 5000 --learning-rate 0.01");
    report(&output(base.path(), &flags));
    let mut stopped = llc(base.path(), &flags).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let began = Instant::now();
    while !base.path().join("2/checkpoint/initial.safetensors").exists() {
        assert!(began.elapsed() < Duration::from_secs(60), "no checkpoint");
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(20));
    assert!(Command::new("kill").args(["-TERM", &stopped.id().to_string()]).status().unwrap().success());
    assert_eq!(stopped.wait().unwrap().code(), Some(75), "it was over before it was stopped");
    let second = base.path().join("2");
    let so_far = rows(&second).len();
    let resumed = Command::new(env!("CARGO_BIN_EXE_llc")).arg("resume").arg(&second).args(["--json"]).output().unwrap();
    let resumed = report(&resumed);
    assert!(so_far < 5000 && resumed["num_epochs"] == 5000, "{so_far}");
    let first = base.path().join("1");
    assert!(fs::read(first.join("descent.csv")).unwrap() == fs::read(second.join("descent.csv")).unwrap());
    assert!(weights(&first, "trained") == weights(&second, "trained"), "bit for bit");
}

#[test]
fn every_nth_epoch_and_the_last_are_measured_and_nothing_is_saved_unasked() {
    let base = tempfile::tempdir().unwrap();
    let flags = format!("{SMALL} --num-epochs 26 --metrics-every 10 --batch-size 20 --save=off");
    let report = report(&output(base.path(), &flags));
    let epochs: Vec<f64> = rows(&base.path().join("1")).iter().map(|row| row["epoch"]).collect();
    assert_eq!(epochs, [0.0, 10.0, 20.0, 25.0]);
    assert_eq!((&report["outputs"]["model"], &report["batch_size"]), (&Value::Null, &20.into()));
    assert!(!base.path().join("1/checkpoint/latest.safetensors").exists());
}

#[test]
fn cross_entropy_learns_permuted_labels_by_heart_and_the_accuracy_loss_is_slower() {
    let base = tempfile::tempdir().unwrap();
    let flags = format!("{SMALL} --label-seed 0 --num-epochs 600 --metrics-every 20");
    let cross_entropy = report(&output(base.path(), &flags));
    assert_eq!(cross_entropy["last"]["accuracy"], 1.0);
    assert!(cross_entropy["share_of_changed_labels"].as_f64().unwrap() > 0.2);
    let accuracy = report(&output(base.path(), &format!("{flags} --loss accuracy")));
    let epochs = |report: &Value| report["epochs_to_memorise"].as_u64().unwrap_or(u64::MAX);
    assert!(epochs(&accuracy) > epochs(&cross_entropy), "{accuracy}");
}

#[test]
fn figures_are_drawn_beside_the_record() {
    let base = tempfile::tempdir().unwrap();
    let mut command = llc(base.path(), &format!("{SMALL} --num-epochs 5 --plot=on"));
    let output = command.args(["--loss", "piecewise: [-1,-0.5,0,0.5,1]: -7x-3; -x; x; 7x-3"]).output().unwrap();
    let report = report(&output);
    assert_eq!(report["loss"], "piecewise: [-1,-0.5,0,0.5,1]: -7x-3; -x; x; 7x-3");
    for name in ["descent.svg", "descent.csv", "loss-function.png"] {
        assert!(base.path().join("1/figures").join(name).exists(), "{name}: {}", stderr(&output));
    }
}

#[test]
fn what_goes_wrong_is_reported_in_a_sentence_with_its_exit_code() {
    let base = tempfile::tempdir().unwrap();
    let message = |words: &[&str]| {
        let output = llc(base.path(), SMALL).args(words).output().unwrap();
        (output.status.code().unwrap(), stderr(&output))
    };
    let (code, error) = message(&["--loss", "piecewise: [-1,0,1]: -x; x+1"]);
    assert_eq!(code, 2);
    assert!(error.contains("the loss jumps: `-x` is 0 at 0, and `x+1` is 1"), "{error}");
    // With a single epoch no later step meets what the last one did.
    for num_epochs in ["50", "1"] {
        let (code, error) = message(&["--learning-rate", "1e30", "--num-epochs", num_epochs]);
        assert_eq!(code, 3, "{num_epochs} epochs: {error}");
        assert!(error.contains("the training diverged"), "{error}");
    }
    assert_eq!(json(&base.path().join("2/run.json"))["status"], "FAILED");
    let output = output(base.path(), "--train-size 34 --widths 8 --threads 1");
    let (code, error) = (output.status.code(), stderr(&output));
    assert_eq!(code, Some(1), "{error}");
    assert!(error.contains("class `3` has 16 samples, but 17 are needed"), "{error}");
}
