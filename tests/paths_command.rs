//! Runs `llc paths` as a user does, on the small fixtures, and reads what it prints and leaves behind.
#![cfg(feature = "torch")]

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
const SMALL: &str = "--widths 8 --num-epochs 8 --train-batch-size 20 --learning-rate 0.1 --fit-epochs 3 --segment-points 4 \
                     --curve-points 5 --plane-points 4 --threads 1 --seed 2";

fn command(base: &Path, flags: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_llc"));
    command
        .arg("paths")
        .args(flags.split_whitespace())
        .args(["--data-dir", FIXTURES])
        .arg("-F")
        .arg(base)
        .arg("--json");
    command
}

fn finish(mut command: Command) -> Output {
    command.output().unwrap()
}

fn report(output: &Output) -> Value {
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let last = stdout.lines().last().unwrap_or_else(|| panic!("no output; {stderr}"));
    serde_json::from_str(last).unwrap_or_else(|_| panic!("{last}; {stderr}"))
}

fn number(value: &Value, pointer: &str) -> f64 {
    value.pointer(pointer).and_then(Value::as_f64).unwrap_or_else(|| panic!("{pointer} in {value}"))
}

const QUANTITIES: [&str; 4] = ["train_loss", "train_accuracy", "test_loss", "test_accuracy"];

#[test]
fn every_path_passes_the_points_that_it_joins_and_its_estimates_have_intervals() {
    let base = tempfile::tempdir().unwrap();
    let flags = "--llc-every 2 --num-chains 2 --num-steps 40 --batch-size 50 --epsilon 1e-5";
    let output = finish(command(base.path(), &format!("{SMALL} {flags}")));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report = report(&output);
    let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-5 * (1.0 + b.abs()), "{a}, not {b}");
    // Four kinds of segments, t = 0, ½, 1, 1½: the third point is `at_one`, the first `at_zero`.
    let segments = report["segments"].as_array().unwrap();
    assert_eq!(segments.len(), 6);
    let scores = |name: &Value, quantity: &str| {
        let (kind, index) = name.as_str().unwrap().split_once(' ').unwrap();
        number(&report, &format!("/minima/{index}/{}/{quantity}", if kind == "init" { "init" } else { "scores" }))
    };
    for segment in segments {
        for quantity in QUANTITIES {
            close(number(segment, &format!("/{quantity}/2")), scores(&segment["at_one"], quantity));
            close(number(segment, &format!("/{quantity}/0")), scores(&segment["at_zero"], quantity));
        }
    }
    // Five points up to t = 1, two beyond; the plane's second row has minimum 1 at its second place and minimum 0 at its third.
    let curve = &report["curve"];
    assert_eq!(curve["t"], serde_json::json!([0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5]));
    assert!(number(curve, "/end_difference") == 0.0);
    for quantity in QUANTITIES {
        for (index, minimum) in [(0, 1), (4, 0)] {
            let expected = number(&report, &format!("/minima/{minimum}/scores/{quantity}"));
            close(number(curve, &format!("/{quantity}/{index}")), expected);
        }
        for (column, minimum) in [(1, 1), (2, 0)] {
            let expected = number(&report, &format!("/minima/{minimum}/scores/{quantity}"));
            if quantity != "test_loss_error" {
                close(number(&report["plane"], &format!("/{quantity}/1/{column}")), expected);
            }
        }
    }
    assert_eq!(report["plane"]["points"].as_array().unwrap().len(), 3);
    close(number(&report["plane"], "/points/1/1"), 1.0);
    let points = report["points"].as_array().unwrap();
    assert_eq!(points.iter().map(|point| number(point, "/t")).collect::<Vec<_>>(), [0.0, 0.5, 1.0]);
    for (point, index) in points.iter().zip([0, 2, 4]) {
        assert!(number(point, "/llc/mcse") > 0.0 && point["llc"]["ci90"].is_array());
        // No corruption: the loss around the point is the training loss there.
        close(number(point, "/init_loss"), number(curve, &format!("/train_loss/{index}")));
    }
    let run = base.path().join("1");
    for name in [
        "segments.csv",
        "curve.csv",
        "plane.csv",
        "estimates.csv",
        "draws-curve0002.zarr",
        "checkpoint/minimum-1.safetensors",
        "checkpoint/init-0.safetensors",
        "checkpoint/bend-0.safetensors",
    ] {
        assert!(run.join(name).exists(), "{name}");
    }
    assert!(!run.join("draws.zarr").exists(), "there are no draws but around points");
    assert!(report["answers"].as_array().unwrap().len() >= 6);
}

#[test]
fn statistics_of_norms_are_gathered_at_every_point_and_the_ends_are_the_minima() {
    let base = tempfile::tempdir().unwrap();
    let flags = "--data cifar10 --model resnet18 --width-factor 1 --num-epochs 2 --train-batch-size 50 --learning-rate 0.05 --fit-epochs 1 \
                 --segment-points 2 --curve-points 3 --plane-points 0 --segment-end 1 --curve bezier --num-bends 2 --threads 1";
    let output = finish(command(base.path(), flags));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report = report(&output);
    assert!(number(&report, "/curve/end_difference") < 1e-4);
    assert!(report["plane"].is_null() && report["points"].is_null());
    // With statistics of its own a network of two epochs is about as good as with those that its training left, not at chance by a long way.
    for (index, minimum) in [(0, 1), (2, 0)] {
        let gathered = number(&report, &format!("/curve/train_loss/{index}"));
        let own = number(&report, &format!("/minima/{minimum}/scores/train_loss"));
        assert!(gathered.is_finite() && gathered < own + 0.5, "{gathered} against {own}");
    }
}

/// What must not depend on how often a run was stopped: not times.
fn timeless(report: &Value) -> Value {
    let mut report = report.clone();
    report["run_dir"].take();
    report["curve"]["fit_s"].take();
    for minimum in report["minima"].as_array_mut().unwrap() {
        minimum["train_s"].take();
    }
    for point in report["points"].as_array_mut().unwrap() {
        point["timing"].take();
    }
    report
}

/// Ends `child` by a signal some time after its run in `run_dir` is under way; its exit code.
fn interrupted(mut child: Child, run_dir: &Path, patience: Duration) -> Option<i32> {
    let is_running = || std::fs::read_to_string(run_dir.join("run.json")).is_ok_and(|run| run.contains("\"RUNNING\""));
    while !is_running() && child.try_wait().unwrap().is_none() {
        thread::sleep(Duration::from_millis(2));
    }
    thread::sleep(patience);
    // One that has ended meanwhile takes no signal.
    let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).stderr(Stdio::null()).status().unwrap();
    child.wait().unwrap().code()
}

#[test]
fn a_run_that_is_stopped_again_and_again_ends_with_the_same_report() {
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // Two chains of a second each are at its end: it can't be over when the first signal comes.
    let flags = format!(
        "{SMALL} --num-epochs 12 --fit-epochs 12 --plane-points 12 --llc-every 4 --num-chains 1 --num-steps 2000 \
                         --batch-size 50 --epsilon 1e-5 --journal-every 0"
    )
    .replacen("--num-epochs 8 ", "", 1);
    let flags = flags.replacen("--fit-epochs 3 ", "", 1).replacen("--plane-points 4 ", "", 1);
    let expected = report(&finish(command(whole.path(), &flags)));
    let run_dir = parts.path().join("1");
    let quiet = |mut command: Command| command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let resume = || {
        let mut resume = Command::new(env!("CARGO_BIN_EXE_llc"));
        resume.arg("resume").arg(&run_dir).args(["--json", "--journal-every", "0"]);
        resume
    };
    let mut status = interrupted(quiet(command(parts.path(), &flags)), &run_dir, Duration::from_millis(40));
    assert_eq!(status, Some(75), "it was over before it was stopped");
    let mut num_stops = 0;
    while status == Some(75) && num_stops < 6 {
        num_stops += 1;
        status = interrupted(quiet(resume()), &run_dir, Duration::from_millis(60 + 60 * num_stops));
    }
    let found = if status == Some(0) {
        serde_json::from_str(&std::fs::read_to_string(run_dir.join("report.json")).unwrap()).unwrap()
    } else {
        report(&finish(resume()))
    };
    assert_eq!(timeless(&found), timeless(&expected));
}

/// The columns of a table, by name.
fn column(path: &Path, name: &str) -> Vec<f64> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let index = reader.headers().unwrap().iter().position(|header| header == name).unwrap();
    reader.records().map(|row| row.unwrap()[index].parse().unwrap()).collect()
}

#[test]
fn points_on_a_line_cost_the_plane_alone_and_a_note_says_what_to_do() {
    let base = tempfile::tempdir().unwrap();
    // No step moves the bend off the segment.
    let flags = SMALL.replace("--fit-epochs 3", "--fit-epochs 1 --fit-learning-rate 1e-30");
    let of_chains = "--llc-every 4 --num-chains 1 --num-steps 20 --batch-size 50 --epsilon 1e-5";
    let output = finish(command(base.path(), &format!("{flags} {of_chains}")));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let run = base.path().join("1");
    let kept: Value = serde_json::from_str(&std::fs::read_to_string(run.join("report.json")).unwrap()).unwrap();
    assert_eq!(kept, report(&output));
    assert_eq!((kept["status"].as_str(), kept["plane"].is_null()), (Some("COMPLETED"), true));
    let note = kept["notes"][0].as_str().unwrap();
    for part in ["no plane", "do not span a plane", "--fit-epochs", "--plane-points 0"] {
        assert!(note.contains(part) && stderr.contains(part), "{part}: {note}; {stderr}");
    }
    for (name, num_rows) in [("segments.csv", 6 * 4), ("curve.csv", 7)] {
        let losses = column(&run.join(name), "train_loss");
        assert!(losses.len() == num_rows && losses.iter().all(|loss| *loss > 0.0), "{name}: {losses:?}");
    }
    assert!(!run.join("plane.csv").exists());
    assert_eq!(column(&run.join("estimates.csv"), "t"), [0.0, 1.0]);
}

#[test]
fn profiles_end_at_the_minimum_on_a_grid_that_passes_it_by() {
    let base = tempfile::tempdir().unwrap();
    let flags =
        SMALL.replace("--segment-points 4", "--segment-points 5").replace("--plane-points 4", "--plane-points 0");
    let report = report(&finish(command(base.path(), &flags)));
    let segments = report["segments"].as_array().unwrap();
    for segment in segments {
        assert_eq!(segment["t"], serde_json::json!([0.0, 0.375, 0.75, 1.0, 1.125, 1.5]));
        for (key, pointer) in [("at_zero", "start"), ("at_one", "end")] {
            let (kind, index) = segment[key].as_str().unwrap().split_once(' ').unwrap();
            let scores = if kind == "init" { "init" } else { "scores" };
            let expected = number(&report, &format!("/minima/{index}/{scores}/train_loss"));
            let found = number(segment, &format!("/profiles/train_loss/{pointer}"));
            assert!((found - expected).abs() < 1e-5 * (1.0 + expected), "{key}: {found}, not {expected}");
        }
    }
    assert_eq!(column(&base.path().join("1/segments.csv"), "t").len(), 6 * 6);
}

#[test]
fn a_last_step_that_blows_up_ends_with_code_3_and_is_no_minimum_and_no_curve() {
    let flags = "--widths 8 --num-epochs 1 --fit-epochs 1 --train-batch-size 1000 --threads 1 --curve-points 3 --plane-points 0";
    for (rates, num_minima, training) in [
        ("--learning-rate 1e30", 0, "the training of minimum 0"),
        (
            "--learning-rate 0.1 --fit-learning-rate 1e30",
            2,
            "the fit of the curve (its learning rate is --fit-learning-rate",
        ),
    ] {
        let base = tempfile::tempdir().unwrap();
        let output = finish(command(base.path(), &format!("{flags} {rates}")));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{stderr}");
        assert!(stderr.contains("the training diverged") && stderr.contains("at step 1, "), "{stderr}");
        assert!(stderr.contains(training), "{stderr}");
        let report = report(&output);
        assert_eq!((report["status"].as_str(), report["curve"].is_null()), (Some("FAILED"), true));
        assert_eq!(report["minima"].as_array().unwrap().len(), num_minima);
        let is_kept = |name: &str| base.path().join(format!("1/checkpoint/{name}.safetensors")).exists();
        assert_eq!([is_kept("minimum-0"), is_kept("bend-0")], [num_minima > 0, false]);
    }
}
