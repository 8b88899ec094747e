//! Runs `llc dln` as a user does, and reads what it prints and leaves behind.
#![cfg(feature = "torch")]

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// `llc dln FLAGS -F base --json --quiet`, not started yet.
fn llc(base: &Path, flags: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_llc"));
    command.arg("dln").args(flags.split_whitespace()).arg("-F").arg(base).args(["--json", "--quiet"]);
    command
}

fn finish(output: &Output) -> Value {
    let stdout = String::from_utf8_lossy(&output.stdout);
    let last =
        stdout.lines().last().unwrap_or_else(|| panic!("no output; {}", String::from_utf8_lossy(&output.stderr)));
    serde_json::from_str(last).unwrap()
}

fn report(base: &Path, flags: &str) -> Value {
    finish(&llc(base, flags).output().unwrap())
}

fn json(path: &Path) -> Value {
    llc::record::json::parse(&std::fs::read_to_string(path).unwrap()).unwrap()
}

const SMALL: &str = "--input-dim 4 --layer-widths 6,3 --truth aligned --rank 2 --num-steps 400 --seed 2";

#[test]
fn the_report_has_every_key_and_the_record_repeats_it() {
    let base = tempfile::tempdir().unwrap();
    let output = llc(base.path(), SMALL).output().unwrap();
    assert!(output.status.success());
    let report = finish(&output);
    for path in [
        "/llc/mean",
        "/llc/mcse",
        "/llc/ci90/1",
        "/llc/per_chain/3",
        "/lambda_true",
        "/multiplicity",
        "/rank_true",
        "/relative_error",
        "/init_loss",
        "/n_beta",
        "/d",
        "/diagnostics/rhat",
        "/diagnostics/ess_bulk",
        "/diagnostics/ess_tail",
        "/diagnostics/virial",
        "/diagnostics/variance_ratio",
        "/timing/sampling_s",
        "/timing/steps_per_s",
        "/seed",
    ] {
        assert!(report.pointer(path).is_some_and(Value::is_number), "{path} in {report}");
    }
    for path in ["/lambda_true_is_local", "/diagnostics/acceptance", "/verdict", "/reasons", "/run_dir", "/status"] {
        assert!(report.pointer(path).is_some(), "{path}");
    }
    let run_dir = base.path().join("1");
    assert_eq!(Path::new(report["run_dir"].as_str().unwrap()), run_dir);
    assert_eq!(json(&run_dir.join("report.json")), report);
    assert_eq!(json(&run_dir.join("run.json"))["status"], "COMPLETED");
    assert_eq!(json(&run_dir.join("config.json"))["seed"], 2);
    let again = self::report(base.path(), SMALL);
    assert_eq!(again["llc"], report["llc"], "the same seed gives the same estimate");
}

#[test]
fn sigterm_ends_a_run_in_order_with_its_draws_readable() {
    let base = tempfile::tempdir().unwrap();
    let flags = "--input-dim 4 --layer-widths 6,3 --num-steps 100000000 --warmup 0 --seed 2 --compute-distance --functional-rank \
                 --hessian-trace";
    let mut child = llc(base.path(), flags).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let draws = base.path().join("1/draws.zarr/posterior/loss/0.0");
    let began = Instant::now();
    while !draws.exists() {
        assert!(began.elapsed() < Duration::from_secs(60) && child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(50));
    }
    Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(75));
    let report = finish(&output);
    assert_eq!(report["status"], "INTERRUPTED");
    assert_eq!(json(&base.path().join("1/run.json"))["status"], "INTERRUPTED");
    let (shape, loss) = llc::record::zarr::read_floats(&base.path().join("1/draws.zarr/posterior/loss")).unwrap();
    assert!(report["llc"]["mean"].as_f64().is_some(), "chains that never began don't cost the others their draws");
    for (path, note) in [
        ("functional_rank", "the rank of the Jacobian was not computed: the run was interrupted"),
        ("hessian_trace", "the trace of the Hessian was not computed: the run was interrupted"),
        (
            "distance_per_layer",
            "the distance by layer was not computed: the chains were interrupted at different draws",
        ),
    ] {
        assert_eq!(report.get(path), Some(&Value::Null), "{path}");
        assert!(report["notes"].as_array().unwrap().iter().any(|found| found == note), "{note} in {}", report["notes"]);
    }
    assert_eq!(shape[0], 4);
    assert!(shape[1] > 10 && loss.iter().filter(|loss| loss.is_finite()).count() > 10, "{shape:?}");
}

#[test]
fn a_run_whose_chains_all_diverge_ends_with_code_3_and_says_so() {
    let base = tempfile::tempdir().unwrap();
    let output = llc(base.path(), "--layer-widths 6,3 --sampler sgld --epsilon 1 --num-steps 100").output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let report = finish(&output);
    assert_eq!((report["verdict"].as_str(), report["reasons"][0].as_str()), (Some("not_trusted"), Some("diverged")));
    assert_eq!(json(&base.path().join("1/run.json"))["status"], "FAILED");
}

const TRAINED: &str = "--input-dim 4 --layer-widths 6,3 --truth aligned --rank 2 --num-steps 400 --seed 2 --train --train-steps 1000 \
     --learning-rate 0.001";

#[test]
fn a_trained_point_has_an_estimate_and_draws_of_its_own() {
    let base = tempfile::tempdir().unwrap();
    let output = llc(base.path(), TRAINED).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report = finish(&output);
    let number =
        |path: &str| report.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("{path} in {report}"));
    let run_dir = base.path().join("1");
    for (prefix, store, init_loss) in
        [("", "draws.zarr", "/init_loss"), ("/trained", "draws-trained.zarr", "/trained/train_loss")]
    {
        let (shape, loss) = llc::record::zarr::read_floats(&run_dir.join(store).join("posterior/loss")).unwrap();
        assert_eq!(shape, [4, 300], "{store}");
        let mean = loss.iter().sum::<f64>() / loss.len() as f64;
        let llc = number("/n_beta") * (mean - number(init_loss));
        assert!((llc / number(&format!("{prefix}/llc/mean")) - 1.0).abs() < 1e-9, "{store}");
    }
    assert!(number("/trained/train_loss") < 1e-3 && number("/trained/distance") > 0.1, "{report}");
    assert_eq!(number("/trained/num_steps"), 1000.0);
    let metrics = json(&run_dir.join("metrics.json"));
    let last = |name: &str| {
        metrics[name]["values"].as_array().and_then(|values| values.last()).and_then(Value::as_f64).unwrap()
    };
    assert!((last("trained.llc") / number("/trained/llc/mean") - 1.0).abs() < 1e-9);
    assert!(last("train.loss") < 1e-3);
    let plain = self::report(base.path(), SMALL);
    assert_eq!(plain["llc"], report["llc"], "a training moves nothing at w*");
    assert_ne!(report["trained"]["llc"], report["llc"]);
}

#[test]
fn what_is_asked_for_is_measured_at_both_points_and_agrees_with_what_else_is_known() {
    let base = tempfile::tempdir().unwrap();
    let flags =
        "--functional-rank --hessian-trace --spectra --compute-distance --save-true-param --estimator wbic-slope";
    let report = report(base.path(), &format!("{TRAINED} {flags}"));
    for point in [&report, &report["trained"]] {
        let number =
            |path: &str| point.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("{path} in {point}"));
        let apart = number("/llc_wbic_slope/mean") - number("/llc/mean");
        // γ lowers the mean of a mode by f and its variance by f²: 3 % beside the errors.
        let tolerance = 4.0 * number("/llc_wbic_slope/mcse").hypot(number("/llc/mcse")) + 0.03 * number("/llc/mean");
        assert!(apart.abs() < tolerance, "{apart} beyond {tolerance}: {point}");
        let squares: f64 =
            point["distance_per_layer"].as_array().unwrap().iter().map(|r| r.as_f64().unwrap().powi(2)).sum();
        assert!((squares.sqrt() / number("/diagnostics/radius") - 1.0).abs() < 1e-9, "{squares}: {point}");
        let curvature = number("/largest_curvature");
        assert!((curvature..42.0 * curvature).contains(&number("/hessian_trace/mean")), "{point}");
    }
    // r(H_0 + H_L) − r² where all layers have rank r = 2; H_0·H_L where the first layer is of full rank.
    assert_eq!(
        (report["functional_rank"].as_u64(), report["trained"]["functional_rank"].as_u64()),
        (Some(10), Some(12))
    );

    let run_dir = base.path().join("1");
    assert_eq!(
        json(&run_dir.join("run.json"))["artifacts"],
        serde_json::json!([
            "true_param.npz",
            "true_spectra.csv",
            "trained_param.npz",
            "trained_spectra.csv",
            "report.json"
        ])
    );
    for (point, name) in [(&report, "true"), (&report["trained"], "trained")] {
        let [jacobian, hessian] = spectra(&run_dir.join(format!("{name}_spectra.csv")));
        let num_above = jacobian.iter().filter(|s| s.powi(2) > 1e-10 * jacobian[0].powi(2)).count();
        assert_eq!(
            (jacobian.len(), hessian.len(), point["functional_rank"].as_u64()),
            (12, 42, Some(num_above as u64))
        );
        let number = |path: &str| point.pointer(path).and_then(Value::as_f64).unwrap();
        let trace = hessian.iter().sum::<f64>();
        let tolerance = 5.0 * number("/hessian_trace/mcse");
        assert!((trace - number("/hessian_trace/mean")).abs() < tolerance, "{name}: {trace} in {point}");
        // The Hessian of ‖f(w) − f(w*)‖²/out, where the residual is nearly nothing at the trained point.
        let apart = |(h, s): (&f64, &f64)| (h - 2.0 / 3.0 * s.powi(2)).abs() / hessian[0];
        let largest = hessian.iter().zip(&jacobian).map(apart).fold(0.0, f64::max);
        assert!(largest < if name == "true" { 1e-12 } else { 0.05 }, "{name}: {largest}");
    }
    let [truth, trained] = ["true_param.npz", "trained_param.npz"].map(|name| {
        let mut archive = npyz::npz::NpzArchive::open(run_dir.join(name)).unwrap();
        let mut layer = |name: &str, shape: [u64; 2]| {
            let layer = archive.by_name(name).unwrap().unwrap();
            assert_eq!(layer.shape(), shape);
            layer.into_vec::<f64>().unwrap()
        };
        [layer("layer1", [4, 6]), layer("layer2", [6, 3])].concat()
    });
    let distance = truth.iter().zip(&trained).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
    assert!((distance / report["trained"]["distance"].as_f64().unwrap() - 1.0).abs() < 1e-12);
}

/// Singular values of the Jacobian and eigenvalues of the Hessian, descending.
fn spectra(path: &Path) -> [Vec<f64>; 2] {
    let rows: Vec<(String, f64)> =
        csv::Reader::from_path(path).unwrap().deserialize().collect::<Result<_, _>>().unwrap();
    ["jacobian", "hessian"]
        .map(|name| rows.iter().filter(|(matrix, _)| matrix == name).map(|(_, value)| *value).collect())
}

#[test]
fn a_training_that_diverges_ends_with_code_3_and_leaves_the_first_estimate() {
    let base = tempfile::tempdir().unwrap();
    let output = llc(base.path(), &format!("{SMALL} --train --learning-rate 1 --train-steps 5000")).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let report = finish(&output);
    assert_eq!(report["trained"]["reasons"][0], "diverged");
    let sentence = report["trained"]["explanations"][0].as_str().unwrap();
    assert!(sentence.contains("--learning-rate") && sentence.contains("at step"), "{sentence}");
    assert!(report["llc"]["mean"].is_number());
    let run = json(&base.path().join("1/run.json"));
    assert_eq!((run["status"].as_str(), &run["result"]), (Some("FAILED"), &report["llc"]["mean"]));
    assert!(run["fail_trace"][0].as_str().unwrap().contains("the training diverged: "), "{run}");
}

#[test]
fn estimates_on_aligned_truths_meet_theory() {
    let base = tempfile::tempdir().unwrap();
    let report = report(base.path(), "--input-dim 10 --layer-widths 10,10 --truth aligned --rank 5 --seed 1");
    meets_theory(&report, 0.02);
    assert_eq!((report["lambda_true"].as_f64(), report["multiplicity"].as_u64()), (Some(47.0), Some(2)));
}

/// Within `tolerance` of λ − (m − 1)/ln(nβ), with nothing against it.
fn meets_theory(report: &Value, tolerance: f64) {
    meets_theory_but_for(report, tolerance, &[]);
}

/// The same, with nothing against it but `allowed`.
fn meets_theory_but_for(report: &Value, tolerance: f64, allowed: &[&str]) {
    let expected = report["lambda_at_n_beta"].as_f64().unwrap();
    let off = report["llc"]["mean"].as_f64().unwrap() / expected - 1.0;
    let is_allowed = |reason: &&Value| allowed.contains(&reason.as_str().unwrap());
    let against: Vec<_> = report["reasons"].as_array().unwrap().iter().filter(|reason| !is_allowed(reason)).collect();
    assert!(off.abs() < tolerance && against.is_empty(), "{:.1} % off, {against:?}: {report}", 100.0 * off);
}

mod slow {
    use super::*;

    /// The networks that the estimates are held to, as input, layers and rank.
    const NETWORKS: [(&str, &str, &str); 6] = [
        ("10", "10,10", "5"),
        ("10", "20,20,10", "5"),
        ("10", "10,10,10", "0"),
        ("10", "10,10,10", "5"),
        ("30", "25,40,20", "8"),
        ("40", "50,30,45,35", "10"),
    ];

    fn networks_meet_theory(sampler: &str, tolerance: f64, allowed: &[&str]) {
        let base = tempfile::tempdir().unwrap();
        for (input, layers, rank) in NETWORKS {
            let network = format!("--input-dim {input} --layer-widths {layers} --truth aligned --rank {rank} --seed 1");
            meets_theory_but_for(&report(base.path(), &format!("{network} {sampler}")), tolerance, allowed);
        }
    }

    #[test]
    #[ignore = "slow: a minute of sampling"]
    fn gibbs_is_within_two_percent_of_theory_on_every_network() {
        networks_meet_theory("--sampler gibbs", 0.02, &[]);
    }

    #[test]
    #[ignore = "slow: three minutes of sampling"]
    fn hmc_is_within_three_percent_of_theory_on_every_network() {
        // Its flat directions are half way in the default time, and its draws can't show that this does no harm.
        networks_meet_theory("--sampler hmc --gradient exact --epsilon auto", 0.03, &["not_equilibrated"]);
    }

    #[test]
    #[ignore = "slow: needs Python readers in a venv"]
    fn arviz_and_incense_read_a_run_and_get_the_numbers_that_it_reports() {
        let python = std::env::var("LLC_TEST_PYTHON").expect("LLC_TEST_PYTHON is set by `./x test slow`");
        let base = tempfile::tempdir().unwrap();
        let report = report(base.path(), &format!("{TRAINED} --save-true-param"));
        let readers = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/readers.py");
        let output = Command::new(python).arg(readers).arg(base.path().join("1")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let seen: Value = serde_json::from_slice(&output.stdout).unwrap();
        let number = |value: &Value, path: &str| value.pointer(path).and_then(Value::as_f64).unwrap();
        assert_eq!(seen["incense"]["status"], "COMPLETED");
        assert_eq!(number(&seen, "/incense/result"), number(&report, "/llc/mean"));
        let excess = |draws: &str, init_loss: &str| {
            number(&report, "/n_beta") * (number(&seen, &format!("/{draws}/summary/mean")) - number(&report, init_loss))
        };
        let llc = excess("arviz", "/init_loss");
        assert_eq!(seen["numpy"]["true_param"], serde_json::json!({"layer1": [4, 6], "layer2": [6, 3]}));
        assert_eq!(seen["numpy"]["trained_param"], seen["numpy"]["true_param"]);
        for (ours, theirs) in [
            (number(&report, "/llc/mean"), llc),
            (number(&report, "/trained/llc/mean"), excess("arviz_trained", "/trained/train_loss")),
            (number(&report, "/llc/mcse"), number(&report, "/n_beta") * number(&seen, "/arviz/summary/mcse_mean")),
            (number(&report, "/diagnostics/rhat"), number(&seen, "/arviz/summary/r_hat")),
            (number(&report, "/diagnostics/ess_bulk"), number(&seen, "/arviz/summary/ess_bulk")),
            (number(&report, "/diagnostics/ess_tail"), number(&seen, "/arviz/summary/ess_tail")),
        ] {
            assert!((ours - theirs).abs() < 1e-8 * theirs.abs(), "{ours} against {theirs}");
        }
    }
}
