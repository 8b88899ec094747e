//! Runs `llc kernel-regression` as a user does, on the small fixtures, and reads what it prints and leaves behind.
#![cfg(feature = "torch")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");

fn output(base: &Path, flags: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_llc"));
    command.arg("kernel-regression").args(flags.split_whitespace()).args(["--data-dir", FIXTURES, "--threads", "1"]);
    command.arg("-F").arg(base).arg("--json").output().unwrap()
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
fn random_labels_are_interpolated_by_both_solvers_whose_predictions_agree() {
    let base = tempfile::tempdir().unwrap();
    let flags = "--train-sizes 50,200 --label-corruption 1 --solver both --tolerance 1e-10 --preconditioner-rank 40";
    let output = output(base.path(), flags);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report = report(&output);
    let points = report["points"].as_array().unwrap();
    assert_eq!(points.iter().map(|point| point["n"].as_u64().unwrap()).collect::<Vec<_>>(), [50, 200]);
    for point in points {
        assert_eq!(point["train_error"], 0.0);
        assert!(number(point, "/max_difference") < 1e-6, "{point}");
        assert!(number(point, "/residual") < 1e-9 && number(point, "/test_error") > 0.6, "{point}");
        assert!(number(point, "/test_error_ci90/0") < number(point, "/test_error"));
        assert_eq!(point["num_iterations"].as_u64().unwrap() as usize, point["residuals"].as_array().unwrap().len());
    }
    assert!(number(points.last().unwrap(), "/norm") > number(&points[0], "/norm"), "more labels take a larger norm");
    let run = base.path().join("1");
    let csv = std::fs::read_to_string(run.join("points.csv")).unwrap();
    assert_eq!(csv.lines().count(), 3);
    assert!(std::fs::read_to_string(run.join("residuals.csv")).unwrap().lines().count() > 3);
    let metrics = llc::record::json::parse(&std::fs::read_to_string(run.join("metrics.json")).unwrap()).unwrap();
    assert_eq!(metrics["regression.test_error"]["steps"], serde_json::json!([0, 1]));
}

#[test]
fn true_labels_are_learnt_and_a_ridge_gives_up_training_error_for_norm() {
    let base = tempfile::tempdir().unwrap();
    let exact = report(&output(base.path(), ""));
    let ridge = report(&output(base.path(), "--ridge 10"));
    assert!(number(&exact, "/points/0/test_error") < 0.6 && number(&exact, "/points/0/train_error") == 0.0);
    assert!(number(&ridge, "/points/0/norm") < number(&exact, "/points/0/norm"));
    assert!(number(&ridge, "/points/0/train_loss") > number(&exact, "/points/0/train_loss"));
}

#[test]
fn what_goes_wrong_is_reported_in_a_sentence() {
    let base = tempfile::tempdir().unwrap();
    let message = |flags: &str| {
        let output = output(base.path(), flags);
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, error) = message("--train-sizes 100,1000");
    assert!(code == 1 && error.contains("--train-sizes has 1000, and there are 200 training samples"), "{error}");
    // At that bandwidth every k is 1 to rounding.
    let (code, error) = message("--bandwidth 1e-19 --solver direct");
    assert!(code == 1 && error.contains("singular to rounding") && error.contains("--ridge"), "{error}");
    let (code, error) = message("--solver iterative --tolerance 1e-10 --max-iterations 1 --preconditioner-rank 1");
    assert!(code == 0 && error.contains("after 1 iterations the residual is"), "{error}");
}
