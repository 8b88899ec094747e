//! Runs `llc curve` and `llc estimate` as a user does, on the small fixtures, and reads what they print and leave behind.
#![cfg(feature = "torch")]

use std::path::Path;
use std::process::{Command, Output};

use llc::checkpoint::{Checkpoint, NamedTensor};
use serde_json::Value;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
/// A small network on the middle of 200 images of CIFAR-10; one thread, so that it is the same everywhere.
const NETWORK: &str = "--model mlp --widths 8 --crop 8";
const CHAINS: &str = "--num-chains 2 --num-steps 60 --batch-size 50 --epsilon 1e-5 --threads 1 --seed 4";

/// `flags`, of which a later one of the same name takes an earlier one's place.
fn last_of_each(flags: &str) -> Vec<String> {
    let mut kept: Vec<Vec<String>> = Vec::new();
    for word in flags.split_whitespace() {
        if word.starts_with("--") {
            kept.retain(|words| words[0] != word);
            kept.push(Vec::new());
        } else if kept.is_empty() {
            kept.push(Vec::new());
        }
        kept.last_mut().unwrap().push(word.to_owned());
    }
    kept.concat()
}

fn llc(base: &Path, flags: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_llc"));
    command.args(last_of_each(flags)).args(["--data-dir", FIXTURES]).arg("-F").arg(base).arg("--json");
    command.output().unwrap()
}

fn report(output: &Output) -> Value {
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let last = stdout.lines().last().unwrap_or_else(|| panic!("no output; {stderr}"));
    serde_json::from_str(last).unwrap_or_else(|_| panic!("{last}; {stderr}"))
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn curve(base: &Path, flags: &str) -> Output {
    let fixed = "--learning-rate 0.05 --train-batch-size 20 --train-steps 20 --logging-period 8";
    llc(base, &format!("curve {NETWORK} {fixed} {CHAINS} {flags}"))
}

/// What must not depend on how often a run was stopped: not times.
fn timeless(points: &Value) -> Vec<Value> {
    let mut points = points.as_array().unwrap().clone();
    for point in &mut points {
        let point = point.as_object_mut().unwrap();
        point.remove("timing");
        point.remove("train_s");
    }
    points
}

#[test]
fn a_curve_has_a_point_for_each_period_and_the_end_with_a_record_of_each() {
    let base = tempfile::tempdir().unwrap();
    let output = curve(base.path(), "--loss-around labels");
    assert!(output.status.success(), "{}", stderr(&output));
    let report = report(&output);
    assert_eq!(report["loss_around"], "labels");
    let points = report["points"].as_array().unwrap();
    let steps: Vec<u64> = points.iter().map(|point| point["step"].as_u64().unwrap()).collect();
    assert_eq!(steps, [0, 8, 16, 20]);
    for point in points {
        for path in ["/llc/mean", "/llc/mcse", "/train_loss", "/test_accuracy", "/init_loss", "/diagnostics/rhat"] {
            assert!(point.pointer(path).is_some_and(Value::is_number), "{path} in {point}");
        }
        // No network that still learns stands at a minimum, and the verdict says so.
        assert_eq!(point["verdict"], "not_trusted");
        assert!(point["reasons"].as_array().unwrap().contains(&"not_a_minimum".into()), "{point}");
        // Clean labels and no corruption: the loss around the point is the training loss.
        assert!((point["init_loss"].as_f64().unwrap() - point["train_loss"].as_f64().unwrap()).abs() < 1e-6);
    }
    let run = base.path().join("1");
    for name in [
        "draws.zarr",
        "draws-step0000008.zarr",
        "draws-step0000020.zarr",
        "curve.csv",
        "checkpoint/step0000016.safetensors",
    ] {
        assert!(run.join(name).exists(), "{name}");
    }
    let metrics = std::fs::read_to_string(run.join("metrics.json")).unwrap();
    let metrics = llc::record::json::parse(&metrics).unwrap();
    assert_eq!(metrics["curve.llc"]["steps"], serde_json::json!([0, 8, 16, 20]));
    let table = std::fs::read_to_string(run.join("curve.csv")).unwrap();
    assert_eq!(table.lines().count(), 5, "{table}");
}

#[test]
fn a_curve_that_continues_ends_where_one_that_never_stopped_does() {
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let whole_report = report(&curve(whole.path(), ""));
    let first = curve(parts.path(), "--train-steps 8");
    assert!(first.status.success(), "{}", stderr(&first));
    // The run's own settings lie under the flags: only the length is said again.
    let again = format!("curve --resume {} --train-steps 20", parts.path().join("1").display());
    let second = llc(parts.path(), &again);
    assert!(second.status.success(), "{}", stderr(&second));
    assert_eq!(timeless(&report(&second)["points"]), timeless(&whole_report["points"]));
}

#[test]
fn a_training_that_diverges_ends_with_3_and_keeps_the_points_before() {
    let base = tempfile::tempdir().unwrap();
    let output = curve(base.path(), "--learning-rate 1e30");
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let report = report(&output);
    assert_eq!((&report["status"], report["points"].as_array().unwrap().len()), (&"FAILED".into(), 1));
    assert!(stderr(&output).contains("--learning-rate"), "{}", stderr(&output));
}

#[test]
fn its_own_function_makes_every_point_a_minimum_and_is_the_default_by_either_name() {
    let base = tempfile::tempdir().unwrap();
    let chains = "--epsilon 1e-4 --num-steps 400";
    let reports = ["", "--force-realisable", "--loss-around own-function", "--set point.force_realisable=on"]
        .map(|flags| report(&curve(base.path(), &format!("{chains} {flags}"))));
    let [report, others @ ..] = &reports;
    assert_eq!(report["loss_around"], "own-function");
    for other in others {
        assert_eq!(timeless(&other["points"]), timeless(&report["points"]));
    }
    for point in report["points"].as_array().unwrap() {
        assert!(!point["reasons"].as_array().unwrap().contains(&"not_a_minimum".into()), "{point}");
        assert!(point["llc"]["mean"].as_f64().unwrap() > 0.0, "{point}");
    }
}

/// The tensors of a network in a checkpoint, without the state of its training.
fn weights(path: &Path) -> Vec<NamedTensor> {
    let checkpoint = Checkpoint::read(path).unwrap_or_else(|error| panic!("{error}"));
    checkpoint.tensors.into_iter().filter(|tensor| !tensor.name.starts_with("train.")).collect()
}

#[test]
fn a_curve_is_trained_before_it_is_sampled_and_as_llc_train_would() {
    let base = tempfile::tempdir().unwrap();
    let output = curve(base.path(), "--preprocessing scale");
    assert!(output.status.success(), "{}", stderr(&output));
    let trained = llc(
        base.path(),
        &format!(
            "train {NETWORK} --preprocessing scale --learning-rate 0.05 --momentum 0 --batch-size 20 --num-steps 20 --threads 1 --seed 4"
        ),
    );
    assert!(trained.status.success(), "{}", stderr(&trained));
    let [of_curve, of_train] = ["1", "2"].map(|run| base.path().join(run).join("checkpoint/latest.safetensors"));
    assert!(!weights(&of_curve).is_empty() && weights(&of_curve) == weights(&of_train));
    assert_eq!(weights(&of_curve), weights(&base.path().join("1/checkpoint/step0000020.safetensors")));
    let changed = |metrics: &Value, name: &str| {
        let at = metrics[name]["timestamps"].as_array().unwrap();
        [at[0].as_str().unwrap().to_owned(), at.last().unwrap().as_str().unwrap().to_owned()]
    };
    let metrics = std::fs::read_to_string(base.path().join("1/metrics.json")).unwrap();
    let metrics = llc::record::json::parse(&metrics).unwrap();
    let ([_, last_step], [first_point, _]) = (changed(&metrics, "train.loss"), changed(&metrics, "curve.llc"));
    assert!(last_step <= first_point, "{last_step} is after {first_point}");
}

/// Makes the record in `run` look as versions left it that estimated while they trained: a switch in the configuration, and the points alone
/// in the checkpoint.
fn made_old(run: &Path) {
    let path = run.join("config.json");
    let config = std::fs::read_to_string(&path).unwrap();
    let old = config.replace("\"loss_around\": \"labels\"", "\"force_realisable\": false");
    assert_ne!(config, old);
    std::fs::write(&path, old).unwrap();
    let path = run.join("checkpoint/latest.safetensors");
    let mut checkpoint = Checkpoint::read(&path).unwrap();
    assert!(checkpoint.header.facts.remove("estimated").is_some());
    assert!(checkpoint.header.facts["points"].is_array());
    checkpoint.write(&path).unwrap();
}

#[test]
fn a_curve_that_an_older_version_began_is_continued_on_labels() {
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // Such a version had no other scale than the one given.
    let whole_report = report(&curve(whole.path(), "--loss-around labels --gamma 1"));
    let first = curve(parts.path(), "--train-steps 8 --loss-around labels --gamma 1");
    assert!(first.status.success(), "{}", stderr(&first));
    let old = parts.path().join("1");
    made_old(&old);
    let second = llc(parts.path(), &format!("curve --resume {} --train-steps 20", old.display()));
    assert!(second.status.success(), "{}", stderr(&second));
    assert_eq!(timeless(&report(&second)["points"]), timeless(&whole_report["points"]));
    assert!(!stderr(&second).contains("estimated again"), "{}", stderr(&second));
    assert!(parts.path().join("2/draws.zarr").exists() && !parts.path().join("2/draws-step0000008.zarr").exists());

    // The same run, interrupted and continued in its own folder.
    let replace = |name: &str, from: &str, to: &str| {
        let text = std::fs::read_to_string(old.join(name)).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(old.join(name), text.replace(from, to)).unwrap();
    };
    replace("config.json", "\"num_steps\": 8", "\"num_steps\": 20");
    replace("run.json", "\"COMPLETED\"", "\"INTERRUPTED\"");
    let resumed =
        Command::new(env!("CARGO_BIN_EXE_llc")).arg("resume").arg(&old).args(["--json", "--quiet"]).output().unwrap();
    assert!(resumed.status.success(), "{}", stderr(&resumed));
    assert_eq!(timeless(&report(&resumed)["points"]), timeless(&whole_report["points"]));
    assert!(!stderr(&resumed).contains("estimated again"), "{}", stderr(&resumed));
    assert!(old.join("draws-step0000020.zarr").exists());
}

#[test]
fn all_points_of_a_curve_have_the_scale_that_its_last_network_gives() {
    let base = tempfile::tempdir().unwrap();
    let gammas = |report: &Value| -> Vec<f64> {
        report["points"].as_array().unwrap().iter().map(|point| point["gamma"].as_f64().unwrap()).collect()
    };
    let whole = report(&curve(base.path(), "--gamma auto"));
    let [first, ref others @ ..] = gammas(&whole)[..] else { panic!("no points") };
    assert!(others.len() == 3 && others.iter().all(|gamma| *gamma == first), "{whole}");
    assert_eq!(whole["gamma"].as_f64(), Some(first));
    let last = base.path().join("1/checkpoint/step0000020.safetensors");
    let flags = format!("estimate --checkpoint {} --crop 8 --loss-around own-function {CHAINS}", last.display());
    let estimate = report(&llc(base.path(), &flags));
    let own = estimate["gamma"].as_f64().unwrap();
    assert!((own / first - 1.0).abs() < 0.2, "{own} and {first}");
}

#[test]
fn another_loss_has_the_points_of_a_finished_curve_estimated_again() {
    let base = tempfile::tempdir().unwrap();
    let on_labels = report(&curve(base.path(), "--loss-around labels"));
    let own = report(&curve(base.path(), "--loss-around own-function"));
    assert_ne!(timeless(&own["points"]), timeless(&on_labels["points"]));
    let first = base.path().join("1");
    let again = llc(base.path(), &format!("curve --resume {} --loss-around own-function", first.display()));
    assert!(again.status.success(), "{}", stderr(&again));
    assert!(stderr(&again).contains("are estimated again"), "{}", stderr(&again));
    assert_eq!(timeless(&report(&again)["points"]), timeless(&own["points"]));
}

#[test]
fn a_checkpoint_of_a_curve_has_the_loss_and_about_the_coefficient_that_the_curve_had_there() {
    let base = tempfile::tempdir().unwrap();
    let chains = "--num-steps 2000 --epsilon 1e-4";
    let curve = report(&curve(base.path(), &format!("--logging-period 20 {chains}")));
    let last = curve["points"].as_array().unwrap().last().unwrap();
    let checkpoint = base.path().join("1/checkpoint/step0000020.safetensors");
    let flags = format!(
        "estimate --checkpoint {} --loss-around own-function {CHAINS} {chains} --num-chains 4 --check-localisation off",
        checkpoint.display()
    );
    let output = llc(base.path(), &flags);
    assert!(output.status.success(), "{}", stderr(&output));
    let estimate = report(&output);
    assert_eq!(estimate["d"], 3 * 8 * 8 * 8 + 8 + 8 * 10 + 10);
    assert!((estimate["train_loss"].as_f64().unwrap() - last["train_loss"].as_f64().unwrap()).abs() < 1e-9);
    let of = |report: &Value, what: &str| report["llc"][what].as_f64().unwrap();
    // Other chains of the same density.
    let error = of(&estimate, "mcse").hypot(of(last, "mcse"));
    let difference = (of(&estimate, "mean") - of(last, "mean")).abs();
    assert!(difference < 6.0 * error, "{} and {}, ± {error}", of(&estimate, "mean"), of(last, "mean"));
    let other = llc(base.path(), &format!("estimate --checkpoint {} --crop 12 {CHAINS}", checkpoint.display()));
    assert!(!other.status.success() && stderr(&other).contains("--crop"), "{}", stderr(&other));
    let again = llc(base.path(), &format!("curve --resume {}", base.path().join("1").display()));
    assert!(!again.status.success() && stderr(&again).contains("has reached its end, step 20"), "{}", stderr(&again));
    // Fewer tensors, less to count.
    let part = report(&llc(base.path(), &format!("{flags} --params fc.*")));
    assert_eq!(part["d"], 8 * 10 + 10);
    assert!(of(&part, "mean") < of(&estimate, "mean"), "{} and {}", of(&part, "mean"), of(&estimate, "mean"));
}

#[test]
fn mistakes_are_refused_with_what_to_do() {
    let base = tempfile::tempdir().unwrap();
    for (flags, part) in [
        ("estimate", "--checkpoint is missing: give the file"),
        ("estimate --checkpoint no-such-file.pt", "no-such-file.pt"),
        ("estimate --checkpoint x.pt --widths 5", "give --model as well"),
        ("curve --model resnet19", "did you mean"),
        ("curve --loss accuracy --loss-around own-function", "give --loss-around labels"),
        ("curve --force-realisable --loss-around labels", "--loss-around (point.loss_around) are both given"),
        ("curve --model mlp --params fc9.* --num-steps 60 --batch-size 50", "no tensor is called `fc9.*`"),
        ("curve --model mlp --num-steps 60 --batch-size 500", "there are 200 samples"),
        ("curve --model mlp --sampler gibbs", "gibbs"),
    ] {
        let output = llc(base.path(), flags);
        assert!(!output.status.success(), "{flags}");
        assert!(stderr(&output).contains(part), "{flags}: {}", stderr(&output));
    }
}

#[test]
fn without_a_gamma_the_localisation_is_a_thirtieth_of_the_stiffest_direction_at_every_checkpoint() {
    let base = tempfile::tempdir().unwrap();
    let curve = report(&curve(base.path(), ""));
    let folder = Path::new(curve["run_dir"].as_str().unwrap()).join("checkpoint");
    let one = folder.join("step0000020.safetensors");
    let flags = |checkpoint: &Path| {
        format!("estimate --checkpoint {} --loss-around own-function {CHAINS}", checkpoint.display())
    };
    let alone = report(&llc(base.path(), &flags(&one)));
    let number = |report: &Value, path: &str| report.pointer(path).unwrap().as_f64().unwrap();
    let expected = number(&alone, "/n_beta") * number(&alone, "/largest_curvature") / llc::scale::STIFFNESS_RATIO;
    let gamma = number(&alone, "/gamma");
    assert!((gamma / expected - 1.0).abs() < 1e-9, "{gamma} against {expected}");
    // The points of a curve have one scale, and so do several checkpoints: that of the last.
    let several = report(&llc(base.path(), &flags(&folder.join("step*.safetensors"))));
    for (report, name) in [(&curve, "curve"), (&several, "several")] {
        let gammas: Vec<f64> =
            report["points"].as_array().unwrap().iter().map(|point| number(point, "/gamma")).collect();
        assert!(gammas.len() > 1 && gammas.iter().all(|gamma| *gamma == gammas[0]), "{name}: {gammas:?}");
    }
    assert_eq!(number(&several, "/points/0/gamma"), gamma);
}

#[test]
fn an_untrained_network_with_batch_norms_has_the_curvature_of_the_curve_s_first_point() {
    let base = tempfile::tempdir().unwrap();
    let network = "--model resnet18 --width-factor 1 --crop 8";
    let training = "--train-batch-size 20 --train-steps 1 --logging-period 1";
    let curve = report(&llc(base.path(), &format!("curve {network} {training} {CHAINS}")));
    let step_0 = base.path().join("1/checkpoint/step0000000.safetensors");
    let flags = format!("estimate --checkpoint {} --loss-around own-function {CHAINS}", step_0.display());
    let alone = report(&llc(base.path(), &flags));
    let curvature = |report: &Value| report["largest_curvature"].as_f64().unwrap();
    // Statistics that are still zero would magnify every layer by 1/√ε. Twenty power iterations from another start are a few percent off.
    let ratio = curvature(&alone) / curvature(&curve["points"][0]);
    assert!((ratio - 1.0).abs() < 0.2, "{ratio}");
}
