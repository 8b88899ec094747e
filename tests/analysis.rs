//! Runs `llc-analysis figures`, `table` and `report` on records of real runs, and computes their numbers a second time.

#[path = "common/skip.rs"]
mod skip;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn records() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/records")
}

/// Runs among the fixtures.
fn num_records() -> usize {
    fs::read_dir(records()).unwrap().filter(|entry| entry.as_ref().unwrap().path().join("run.json").is_file()).count()
}

fn analysis(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_llc-analysis")).args(arguments).output().unwrap()
}

fn stdout(arguments: &[&str]) -> String {
    let output = analysis(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Draws `figures` of the fixtures that meet `filters`, in its own folder.
fn drawn(words: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (records, output) = (records(), folder.path().to_owned());
    let fixed = ["figures", "-F", records.to_str().unwrap(), "-o", output.to_str().unwrap()];
    stdout(&[&fixed, words].concat());
    folder
}

/// The rows of a file of comma-separated values, by column.
fn rows(path: &Path) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    reader.deserialize().map(|row| row.unwrap()).collect()
}

fn real(row: &BTreeMap<String, String>, column: &str) -> f64 {
    row[column].parse().unwrap_or_else(|_| panic!("{column} is {:?}", row[column]))
}

fn report(run: u64) -> Value {
    serde_json::from_str(&fs::read_to_string(records().join(format!("{run}/report.json"))).unwrap()).unwrap()
}

fn assert_close(a: f64, b: f64) {
    assert!((a - b).abs() <= 1e-9 * a.abs().max(1.0), "{a} is not {b}");
}

/// Figures that show no runs.
const OF_THEORY: [&str; 2] = ["volume-scaling", "lambda-against-depth"];

/// Whether the font has a shape for every letter: its first glyph stands for those it has none for.
fn has_every_letter(svg: &str) -> bool {
    !svg.contains("#llc-r0\"") && !svg.contains("#llc-b0\"")
}

#[test]
fn figures_of_theory_need_no_runs() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    stdout(&[&["figures", "-F", &path("none"), "-o", &path("drawn")], OF_THEORY.as_slice()].concat());
    for name in OF_THEORY {
        assert!(image::open(path(&format!("drawn/{name}.png"))).is_ok(), "{name}");
        assert!(has_every_letter(&fs::read_to_string(path(&format!("drawn/{name}.svg"))).unwrap()), "{name}");
        assert!(rows(Path::new(&path(&format!("drawn/{name}.csv")))).len() >= 6, "{name}");
    }
}

#[test]
fn every_figure_is_drawn_with_its_numbers_and_its_filter() {
    let folder = drawn(&[]);
    let listed = stdout(&["figures", "--list"]);
    let names: Vec<&str> = listed.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.len() >= 21);
    for name in names.into_iter().filter(|name| !OF_THEORY.contains(name)) {
        let file = |extension: &str| folder.path().join(format!("{name}.{extension}"));
        let svg = fs::read_to_string(file("svg")).unwrap_or_else(|_| panic!("{name} was not drawn"));
        let tree = resvg::usvg::Tree::from_str(&svg, &resvg::usvg::Options::default()).unwrap();
        let picture = image::open(file("png")).unwrap();
        // Two pixels for one, up to rounding.
        assert!((picture.width() as f32 - 2.0 * tree.size().width()).abs() <= 2.0, "{name}");
        assert!(!svg.contains("<text") && svg.contains("prefers-color-scheme:dark"), "{name}");
        assert!(has_every_letter(&svg), "{name}");
        assert!(!rows(&file("csv")).is_empty(), "{name} has no numbers");
        let about: Value = serde_json::from_str(&fs::read_to_string(file("json")).unwrap()).unwrap();
        assert_eq!(
            (about["filter"].as_str(), about["runs"].as_array().map(Vec::len)),
            (Some(""), Some(num_records())),
            "{name}"
        );
    }
}

#[test]
fn the_curve_and_the_segment_between_two_minima_meet_at_both_ends_and_only_one_climbs() {
    let folder = drawn(&["path-curve", "id=80"]);
    let rows = rows(&folder.path().join("path-curve.csv"));
    let of = |path: &str| rows.iter().filter(|row| row["path"] == path && real(row, "t") <= 1.0).collect::<Vec<_>>();
    let (curve, segment) = (of("curve"), of("segment"));
    for quantity in ["train_loss", "train_accuracy", "test_loss", "test_accuracy"] {
        for (at, t) in [(0, 0.0), (1, 1.0)] {
            let end = |path: &[&BTreeMap<String, String>]| {
                let row = path.iter().find(|row| real(row, "t") == t).unwrap_or_else(|| panic!("no point at {at}"));
                real(row, quantity)
            };
            assert!((end(&curve) - end(&segment)).abs() < 1e-5, "{quantity} at t = {t}");
        }
    }
    let highest =
        |path: &[&BTreeMap<String, String>]| path.iter().map(|row| real(row, "train_loss")).fold(0.0, f64::max);
    assert!(highest(&segment) > 10.0 * highest(&curve), "{} and {}", highest(&segment), highest(&curve));
    // A second computation of what the report says of the barrier.
    let barrier = report(80)["segments"][0]["profiles"]["train_loss"]["barrier"].as_f64().unwrap();
    let ends = |t: f64| segment.iter().find(|row| real(row, "t") == t).map(|row| real(row, "train_loss")).unwrap();
    assert_close(barrier, highest(&segment) - ends(0.0).max(ends(1.0)));
}

#[test]
fn spectra_count_every_value_above_the_threshold_and_the_rank_is_that_of_the_report() {
    let folder = drawn(&["spectra"]);
    let rows = rows(&folder.path().join("spectra.csv"));
    for (point, pointer) in [("w*", "/functional_rank"), ("trained point", "/trained/functional_rank")] {
        let of = |matrix: &str| {
            rows.iter().filter(|row| row["point"] == point && row["matrix"] == matrix).collect::<Vec<_>>()
        };
        let total = |matrix: &str, column: &str| of(matrix).iter().map(|row| real(row, column)).sum::<f64>();
        // All singular values that are no rounding, above 1e-5 of the largest.
        let rank = report(20).pointer(pointer).unwrap().as_f64().unwrap();
        let largest = of("jacobian").iter().map(|row| real(row, "to")).fold(0.0, f64::max);
        let above = of("jacobian")
            .iter()
            .filter(|row| real(row, "from") > 1e-5 * largest)
            .map(|row| real(row, "num_positive"))
            .sum::<f64>();
        assert_eq!((above, total("jacobian", "num_negative")), (rank, 0.0), "{point}");
        assert!(total("hessian", "num_positive") >= rank, "{point}");
    }
}

#[test]
fn the_plane_has_the_minima_and_the_bend_where_the_report_has_them() {
    let folder = drawn(&["path-plane", "path-llc", "path-segments", "id=80"]);
    let rows_of = |name: &str| rows(&folder.path().join(format!("{name}.csv")));
    let plane = &report(80)["plane"];
    let length = |i: usize| plane["lengths"][i].as_f64().unwrap();
    let table = rows_of("path-plane");
    assert_eq!(table.len(), 121);
    let corner = &table[120];
    assert_close(real(corner, "x"), 1.5 * length(0));
    assert_close(real(corner, "y"), 1.5 * length(1));
    assert_close(real(corner, "train_loss"), plane["train_loss"][10][10].as_f64().unwrap());
    let estimates = rows_of("path-llc");
    for (row, point) in estimates.iter().zip(report(80)["points"].as_array().unwrap()) {
        assert_close(real(row, "llc"), point["llc"]["mean"].as_f64().unwrap());
        assert!(real(row, "ci90_low") < real(row, "llc") && real(row, "llc") < real(row, "ci90_high"));
    }
    assert_eq!((estimates.len(), rows_of("path-segments").len()), (4, 42));
}

#[test]
fn relative_errors_are_those_of_the_reports() {
    let folder = drawn(&["relative-error-against-size", "status=completed"]);
    let rows = rows(&folder.path().join("relative-error-against-size.csv"));
    assert_eq!(rows.len(), 10);
    for row in rows {
        let run: u64 = row["run_dir"].rsplit('/').next().unwrap().parse().unwrap();
        let report = report(run);
        assert_close(real(&row, "relative_error"), report["relative_error"].as_f64().unwrap());
        let lambda = report["lambda_true"].as_f64().unwrap();
        let low = report["llc"]["ci90"][0].as_f64().unwrap();
        assert_close(real(&row, "ci90_low"), low / lambda - 1.0);
    }
}

#[test]
fn the_running_estimate_of_every_chain_ends_in_the_one_of_the_report() {
    let folder = drawn(&["running-llc", "id=1"]);
    let rows = rows(&folder.path().join("running-llc.csv"));
    let per_chain = report(1)["llc"]["per_chain"].clone();
    assert_eq!(per_chain.as_array().map(Vec::len), Some(4));
    for (chain, expected) in per_chain.as_array().unwrap().iter().enumerate() {
        let last = rows.iter().rfind(|row| row["chain"] == chain.to_string()).unwrap();
        assert!((real(last, "llc") / expected.as_f64().unwrap() - 1.0).abs() < 1e-9, "chain {chain}");
    }
}

#[test]
fn ranks_share_every_kept_draw_out_among_the_chains() {
    let folder = drawn(&["rank-plots", "id=1"]);
    let rows = rows(&folder.path().join("rank-plots.csv"));
    let report = report(1);
    let kept = report["num_draws"].as_f64().unwrap() - report["num_warmup"].as_f64().unwrap();
    let (mut by_chain, mut by_bin) = (BTreeMap::new(), BTreeMap::new());
    for row in &rows {
        *by_chain.entry(row["chain"].clone()).or_insert(0.0) += real(row, "count");
        *by_bin.entry(row["rank_from"].clone()).or_insert(0.0) += real(row, "count");
    }
    assert!(by_chain.len() == 4 && by_chain.values().all(|&count| count == kept), "{by_chain:?}");
    let fair = 4.0 * kept / by_bin.len() as f64;
    assert!(by_bin.values().all(|count| (count - fair).abs() <= 1.0), "{by_bin:?}");
}

#[test]
fn curves_are_means_over_seeds_within_their_intervals() {
    let folder = drawn(&["curves", "--hue", "config.train.learning_rate"]);
    let rows = rows(&folder.path().join("curves.csv"));
    // Runs 11 and 12 have the rate 0.02, 13 and 14 the rate 0.1; points are at steps 0, 20 and 40.
    for (group, runs) in [("0.02", [11, 12]), ("0.1", [13, 14])] {
        for point in 0..3 {
            let llc = runs.map(|run| report(run)["points"][point]["llc"]["mean"].as_f64().unwrap());
            let is_it = |row: &&BTreeMap<String, String>| {
                row["group"] == group && row["quantity"] == "llc" && row["step"] == (20 * point).to_string()
            };
            let row = rows.iter().find(is_it).unwrap();
            assert_close(real(row, "mean"), (llc[0] + llc[1]) / 2.0);
            // Of two values a quarter of the drawn means is each of them.
            assert_close(real(row, "ci90_low"), llc[0].min(llc[1]));
            assert_close(real(row, "ci90_high"), llc[0].max(llc[1]));
        }
    }
}

#[test]
fn llc_over_training_shows_every_point_of_every_run_with_its_interval_its_verdict_and_both_losses() {
    let folder = drawn(&["llc-over-training", "config.experiment=curve"]);
    let table = rows(&folder.path().join("llc-over-training.csv"));
    let number = |point: &Value, pointer: &str| point.pointer(pointer).unwrap().as_f64().unwrap();
    let mut table = table.iter();
    for run in [11, 12, 13, 14] {
        for point in report(run)["points"].as_array().unwrap() {
            let row = table.next().unwrap();
            assert_eq!(
                (&row["group"], row["verdict"].as_str()),
                (&format!("run {run}"), point["verdict"].as_str().unwrap())
            );
            for (column, pointer) in [
                ("step", "/step"),
                ("llc", "/llc/mean"),
                ("ci90_low", "/llc/ci90/0"),
                ("ci90_high", "/llc/ci90/1"),
                ("train_loss", "/train_loss"),
                ("test_loss", "/test_loss"),
            ] {
                assert_close(real(row, column), number(point, pointer));
            }
        }
    }
    assert!(table.next().is_none());
    let by_rate = drawn(&["llc-over-training", "--hue", "config.train.learning_rate"]);
    let groups: Vec<String> =
        rows(&by_rate.path().join("llc-over-training.csv")).iter().map(|row| row["group"].clone()).collect();
    assert_eq!(groups, [vec!["0.02"; 6], vec!["0.1"; 6]].concat());
}

#[test]
fn verdicts_of_a_newer_llc_are_drawn_and_keep_apart() {
    let base = tempfile::tempdir().unwrap();
    let (from, to) = (records().join("11"), base.path().join("1"));
    fs::create_dir(&to).unwrap();
    for name in ["config.json", "run.json", "report.json"] {
        fs::copy(from.join(name), to.join(name)).unwrap();
    }
    let mut changed = report(11);
    for (index, verdict) in ["trusted", "trusted_at_scale", "trusted_on_sundays"].into_iter().enumerate() {
        changed["points"][index]["verdict"] = verdict.into();
    }
    fs::write(to.join("report.json"), changed.to_string()).unwrap();
    let output = base.path().join("drawn");
    let [base, output] = [base.path(), output.as_path()].map(|path| path.to_str().unwrap());
    stdout(&["figures", "-F", base, "-o", output, "llc-over-training"]);
    let verdicts: Vec<String> =
        rows(&Path::new(output).join("llc-over-training.csv")).iter().map(|row| row["verdict"].clone()).collect();
    assert_eq!(verdicts, ["trusted", "trusted_at_scale", "unknown"]);
}

#[test]
fn saddle_to_saddle_dynamics_show_every_point_of_the_report_and_means_of_ten() {
    let folder = drawn(&["dln-saddle-to-saddle", "config.experiment=saddle"]);
    let rows = rows(&folder.path().join("dln-saddle-to-saddle.csv"));
    let report = report(61);
    let points = report["points"].as_array().unwrap();
    assert_eq!(rows.len(), points.len());
    for (row, point) in rows.iter().zip(points) {
        assert_close(real(row, "llc"), point["llc"]["mean"].as_f64().unwrap());
        assert_close(real(row, "gibbs_ci90_high"), point["gibbs"]["llc"]["ci90"][1].as_f64().unwrap());
        assert_close(real(row, "lambda_exact"), point["lambda_exact"].as_f64().unwrap());
    }
    let middle: f64 = rows[5..15].iter().map(|row| real(row, "llc")).sum::<f64>() / 10.0;
    assert_close(real(&rows[10], "llc_running_mean"), middle);
}

#[test]
fn toys_are_drawn_against_the_exact_value_of_their_own_theory() {
    let folder = drawn(&["toy", "toy-against-n", "config.experiment=toy"]);
    let rows = rows(&folder.path().join("toy.csv"));
    // Fourth power, crossing and line at two n, by the samplers that fit.
    assert_eq!(rows.len(), 2 * (3 + 4 + 3));
    for row in rows {
        let toy = llc::theory::Toy::from_name(&row["potential"]).unwrap();
        let exact = toy.scaled_loss_mean(real(&row, "n_beta"), real(&row, "gamma")).unwrap();
        assert_close(real(&row, "llc_exact"), exact);
        let mcse = (real(&row, "llc") - exact) / real(&row, "z");
        assert!(mcse > 0.0 && real(&row, "ci90_low") <= real(&row, "llc") - mcse, "{row:?}");
    }
}

#[test]
fn epochs_to_the_threshold_are_means_over_seeds_at_every_share_of_spoilt_labels() {
    let folder = drawn(&["corruption"]);
    let rows = rows(&folder.path().join("corruption.csv"));
    let at = |quantity: &str, level: &str| {
        rows.iter().find(|row| row["quantity"] == quantity && row["label_corruption"] == level)
    };
    for (level, runs) in [("0", [15, 16]), ("1", [17, 18])] {
        let mean = |pointer: &str| {
            runs.iter().map(|run| report(*run).pointer(pointer).unwrap().as_f64().unwrap()).sum::<f64>() / 2.0
        };
        assert_close(real(at("epochs_to_overfit", level).unwrap(), "mean"), mean("/epochs_to_overfit"));
        assert_close(real(at("test_error", level).unwrap(), "mean"), 1.0 - mean("/threshold/test/accuracy"));
    }
    assert!(at("epochs_to_overfit", "0.5").is_none(), "it stopped before the threshold");
    assert_close(real(at("test_error", "0.5").unwrap(), "mean"), report(19)["test_error"].as_f64().unwrap());
}

#[test]
fn rescaled_networks_are_means_over_seeds_with_student_s_interval_and_diverged_ones_are_left_out() {
    let folder = drawn(&["rescaling"]);
    let rows = rows(&folder.path().join("rescaling.csv"));
    for (run, preconditioner) in [(40, "invariant"), (41, "none")] {
        let report = report(run);
        for point in report["points"].as_array().unwrap() {
            let is_it = |row: &&BTreeMap<String, String>| {
                row["preconditioner"] == preconditioner
                    && row["network"] == point["network"].as_str().unwrap()
                    && real(row, "factor") == point["factor"].as_f64().unwrap()
            };
            let row = rows.iter().find(is_it).unwrap();
            let per_seed: Vec<f64> =
                point["llc"]["per_seed"].as_array().unwrap().iter().filter_map(Value::as_f64).collect();
            assert_eq!(row["num_diverged"].parse::<usize>().unwrap(), 2 - per_seed.len());
            if let [a, b] = per_seed[..] {
                assert_close(real(row, "llc"), (a + b) / 2.0);
                // The quantile of Student's law at one degree of freedom is tan(0.45π); the deviation of the mean is |a − b|/2.
                let half_width = (0.45 * std::f64::consts::PI).tan() * (a - b).abs() / 2.0;
                assert!((real(row, "ci90_high") - (a + b) / 2.0 - half_width).abs() < 1e-6 * half_width);
            }
        }
    }
    assert!(rows.iter().any(|row| row["num_diverged"] == "2"), "none diverged");
}

#[test]
fn samplers_are_compared_by_the_means_of_their_chains() {
    let folder = drawn(&["sampler-comparison"]);
    let rows = rows(&folder.path().join("sampler-comparison.csv"));
    let report = report(42);
    let points = report["points"].as_array().unwrap();
    // λ̂, seconds and acceptance of each.
    assert_eq!(rows.len(), 3 * points.len());
    for point in points {
        for (quantity, of_trial) in [("llc", "llc"), ("sampling_s", "sampling_s"), ("acceptance", "acceptance")] {
            let trials = point["trials"].as_array().unwrap();
            let mean = trials.iter().map(|t| t[of_trial].as_f64().unwrap()).sum::<f64>() / trials.len() as f64;
            let is_it = |row: &&BTreeMap<String, String>| {
                row["sampler"] == point["sampler"].as_str().unwrap()
                    && real(row, "n") == point["n"].as_f64().unwrap()
                    && row["quantity"] == quantity
            };
            assert_close(real(rows.iter().find(is_it).unwrap(), "mean"), mean);
        }
    }
}

#[test]
fn the_check_of_rescaled_networks_reports_by_its_exit_status() {
    let check = |run: u64| analysis(&["check-rescaling", records().join(run.to_string()).to_str().unwrap()]);
    assert!(check(40).status.success());
    let failed = check(41);
    assert_eq!(failed.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&failed.stderr).contains("not invariant"));
    assert_eq!(check(1).status.code(), Some(1), "it is no rescaling");
}

#[test]
fn errors_and_norms_of_kernel_regressions_are_those_of_the_reports_and_residuals_start_at_1() {
    let folder = drawn(&["kernel-regression", "conjugate-gradient"]);
    let errors = rows(&folder.path().join("kernel-regression.csv"));
    for (level, run) in [("0.0", 70), ("1.0", 71)] {
        for point in report(run)["points"].as_array().unwrap() {
            let is_it = |row: &&BTreeMap<String, String>| {
                row["group"] == level && real(row, "n") == point["n"].as_f64().unwrap()
            };
            let at: Vec<_> = errors.iter().filter(is_it).collect();
            let row = |quantity: &str| *at.iter().find(|row| row["quantity"] == quantity).unwrap();
            assert_close(real(row("norm"), "mean"), point["norm"].as_f64().unwrap());
            let (error, n) = (point["test_error"].as_f64().unwrap(), 100.0);
            assert_close(real(row("test_error"), "mean"), error);
            // The ends of Wilson's interval are 1.645 of their own standard errors away.
            for end in ["ci90_low", "ci90_high"] {
                let end = real(row("test_error"), end);
                assert!(((error - end).abs() / (end * (1.0 - end) / n).sqrt() - 1.6449).abs() < 1e-3, "{end}");
            }
        }
    }
    let residuals = rows(&folder.path().join("conjugate-gradient.csv"));
    let firsts: Vec<_> = residuals.iter().filter(|row| row["iteration"] == "0").collect();
    assert!(firsts.len() == 6 && firsts.iter().all(|row| real(row, "residual") == 1.0));
    let of_last = &report(71)["points"][2]["residuals"];
    let last = residuals.iter().rfind(|row| row["n"] == "200").unwrap();
    assert_close(real(last, "residual"), of_last[of_last.as_array().unwrap().len() - 1].as_f64().unwrap());
}

#[test]
fn forgetting_is_the_mean_of_its_seeds_and_agreement_that_of_the_sets() {
    let folder = drawn(&["forgetting", "agreement"]);
    let rows_of = |name: &str| rows(&folder.path().join(format!("{name}.csv")));
    let at = |run: u64, epoch: usize, pointer: &str| {
        report(run)["epochs"][epoch - 1].pointer(pointer).unwrap().as_f64().unwrap()
    };
    let forgetting = rows_of("forgetting");
    for epoch in [24, 40] {
        let is_it = |row: &&BTreeMap<String, String>| {
            row["quantity"] == "accuracy" && row["data"] == "val" && row["epoch"] == epoch.to_string()
        };
        let row = forgetting.iter().find(is_it).unwrap();
        let both = [72, 73].map(|run| at(run, epoch, "/val/accuracy"));
        assert_close(real(row, "mean"), (both[0] + both[1]) / 2.0);
        assert_eq!(row["num_runs"], "2");
    }
    let agreement = rows_of("agreement");
    let is_it = |row: &&BTreeMap<String, String>| {
        row["quantity"] == "agreement" && row["data"] == "train" && row["num_runs"] == "1" && row["epoch"] == "9"
    };
    let row = agreement.iter().find(is_it).unwrap();
    assert_close(real(row, "mean"), at(74, 9, "/train/intersection") / at(74, 9, "/train/union"));
    assert!(agreement.iter().all(|row| row["quantity"] != "agreement" || row["epoch"] != "1"));
}

#[test]
fn smoothing_keeps_the_plain_values_beside() {
    let folder = drawn(&["learning-curves", "id=15", "--smooth", "5"]);
    let rows = rows(&folder.path().join("learning-curves.csv"));
    let losses: Vec<_> = rows.iter().filter(|row| row["quantity"] == "loss" && row["data"] == "test").collect();
    assert_eq!(losses.len(), 10);
    assert!(losses.iter().any(|row| real(row, "mean") != real(row, "shown")));
}

#[test]
fn conditions_choose_the_runs_and_are_kept_beside_the_figure() {
    let folder = drawn(&["multiplicity", "config.sampler.kind=gibbs", "id<4"]);
    let about: Value =
        serde_json::from_str(&fs::read_to_string(folder.path().join("multiplicity.json")).unwrap()).unwrap();
    assert_eq!(about["filter"], "config.sampler.kind=gibbs id<4");
    assert_eq!(about["runs"].as_array().map(Vec::len), Some(3));
}

#[test]
fn what_can_t_be_drawn_is_refused_with_a_reason() {
    let records = records();
    let refused = |words: &[&str], code: i32| {
        let output = analysis(&[&["figures", "-F", records.to_str().unwrap(), "-o", "unused"], words].concat());
        assert_eq!(output.status.code(), Some(code), "{words:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(refused(&["relative-eror-histogram"], 2).contains("did you mean relative-error-histogram?"));
    assert!(refused(&["curves", "config.experiment=dln"], 1).contains("none of the runs is a curve"));
    assert!(refused(&["config.smapler.kind=gibbs"], 2).contains("no run has a field"));
    assert!(!Path::new("unused").exists());
}

#[test]
fn the_table_has_the_means_quartiles_and_shares_of_the_errors() {
    let records = records();
    let text = stdout(&["table", "-F", records.to_str().unwrap(), "--by", "config.sampler.kind", "--csv", "id<20"]);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let rows: Vec<BTreeMap<String, String>> = reader.deserialize().map(|row| row.unwrap()).collect();
    let gibbs = rows.iter().find(|row| row["group"] == "gibbs").unwrap();
    let mut errors = [1, 2, 3, 4, 5].map(|run| report(run)["relative_error"].as_f64().unwrap());
    errors.sort_by(f64::total_cmp);
    assert_close(real(gibbs, "mean"), errors.iter().sum::<f64>() / 5.0);
    // The quartiles of five are the second and the fourth.
    assert_close(real(gibbs, "first_quartile"), errors[1]);
    assert_close(real(gibbs, "median"), errors[2]);
    let within = errors.iter().filter(|error| error.abs() <= 0.05).count();
    assert_close(real(gibbs, "within_5_percent"), within as f64 / 5.0);
    assert_eq!((&gibbs["num_trusted"], &rows.last().unwrap()["group"]), (&"1".to_owned(), &"all".to_owned()));
    let sgld = rows.iter().find(|row| row["group"] == "sgld").unwrap();
    assert_eq!((&sgld["num_runs"][..], &sgld["num_estimates"][..]), ("4", "3"), "one diverged");
}

#[test]
fn the_report_is_one_page_that_needs_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("report.html");
    stdout(&["report", "-F", records().to_str().unwrap(), "-o", page.to_str().unwrap()]);
    let html = fs::read_to_string(page).unwrap();
    for outside in ["<script", "<link rel=\"stylesheet", "src=", "href=\"http", "@import", "url(http"] {
        assert!(!html.contains(outside), "{outside}");
    }
    assert!(html.contains("llc dln --input-dim 5 --layer-widths 6,5 --truth aligned --rank 2"));
    assert_eq!(html.matches("<details class=\"run\"").count(), num_records());
    assert!(html.contains("not trusted") && html.contains("λ̂"));
    // Every glyph that is used is there, once.
    let used: Vec<&str> = html.split("<use href=\"#").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(!used.is_empty());
    for id in used {
        assert_eq!(html.matches(&format!("<path id=\"{id}\"")).count(), 1, "{id}");
    }
}

#[test]
fn what_a_record_says_is_text_of_the_report_and_never_markup() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("1");
    fs::create_dir(&run).unwrap();
    for file in ["config.json", "run.json", "report.json"] {
        let text = fs::read_to_string(records().join("6").join(file)).unwrap();
        let text = text.replace("\"name\": \"dln\"", "\"name\": \"<script>alert(1)</script>\"");
        fs::write(run.join(file), text.replace("\"--seed\"", "\"--seed=<b>&\\\"'\"")).unwrap();
    }
    let page = folder.path().join("report.html");
    stdout(&["report", "1", "-F", folder.path().to_str().unwrap(), "-o", page.to_str().unwrap()]);
    let html = fs::read_to_string(page).unwrap();
    assert!(!html.contains("<script") && html.contains("&lt;script&gt;"));
    assert!(!html.contains("<b>") && html.contains("--seed=&lt;b&gt;&amp;"));
}

/// The table of a descent's epochs.
fn epochs(run: u64) -> Vec<BTreeMap<String, String>> {
    rows(&records().join(format!("{run}/descent.csv")))
}

#[test]
fn descents_are_means_over_seeds_within_their_intervals() {
    let folder = drawn(&["descent-accuracy", "config.data.label_seed=0", "--hue", "config.train.loss"]);
    let rows = rows(&folder.path().join("descent-accuracy.csv"));
    for (group, runs) in [("cross-entropy", [50, 51]), ("accuracy", [52, 53])] {
        let both = runs.map(epochs);
        for quantity in ["accuracy", "loss"] {
            let of_it: Vec<_> =
                rows.iter().filter(|row| row["group"] == group && row["quantity"] == quantity).collect();
            assert_eq!(of_it.len(), both[0].len(), "{group}: sixty epochs are all shown");
            for (row, (a, b)) in of_it.into_iter().zip(both[0].iter().zip(&both[1])) {
                let values = [real(a, quantity), real(b, quantity)];
                assert_eq!((&row["epoch"], &row["num_runs"][..]), (&a["epoch"], "2"));
                assert_close(real(row, "mean"), (values[0] + values[1]) / 2.0);
                // Of two values a quarter of the drawn means is each of them.
                assert_close(real(row, "ci90_low"), values[0].min(values[1]));
                assert_close(real(row, "ci90_high"), values[0].max(values[1]));
            }
        }
    }
}

#[test]
fn loss_and_gradient_of_a_descent_are_shown_together_or_alone() {
    let folder = drawn(&["descent", "descent-loss", "descent-gradient", "id=50"]);
    let quantities = |name: &str| {
        let rows = rows(&folder.path().join(format!("{name}.csv")));
        let expected = epochs(50);
        for row in &rows {
            let epoch = expected.iter().find(|expected| expected["epoch"] == row["epoch"]).unwrap();
            assert_eq!(real(row, "mean"), real(epoch, &row["quantity"]));
        }
        rows.iter().map(|row| row["quantity"].clone()).collect::<std::collections::BTreeSet<_>>()
    };
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(quantities("descent"), set(&["loss", "gradient_norm"]));
    assert_eq!(quantities("descent-loss"), set(&["loss"]));
    assert_eq!(quantities("descent-gradient"), set(&["gradient_norm"]));
}

#[test]
fn losses_are_drawn_at_ninety_nine_predictions_for_either_target() {
    let folder = drawn(&["loss-function"]);
    let rows = rows(&folder.path().join("loss-function.csv"));
    assert_eq!(rows.len(), 3 * 2 * 99);
    for row in rows {
        let (p, y, value) = (real(&row, "prediction"), real(&row, "target"), real(&row, "value"));
        assert_close(real(&row, "difference"), p - y);
        let right = if y == 1.0 { p } else { 1.0 - p };
        let expected = match row["loss"].split(':').next() {
            Some("cross-entropy") => -right.ln(),
            Some("accuracy") => 1.0 - right,
            // -7x-3; -x; x; 7x-3
            _ => (1.0 - right).max(7.0 * (1.0 - right) - 3.0),
        };
        assert_close(value, expected);
    }
}

mod slow {
    use super::*;

    /// Chromium, by the names that distributions give it.
    fn chromium() -> Option<&'static str> {
        let is_there =
            |name: &&str| Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success());
        ["chromium", "chromium-browser", "google-chrome"].into_iter().find(|name| is_there(name))
    }

    #[test]
    #[ignore = "slow: needs Chromium"]
    fn a_browser_shows_the_report_without_complaint_and_within_a_telephone_s_width() {
        let Some(browser) = chromium() else {
            return skip::missing("there is no Chromium here", "`.ci/install` installs it");
        };
        let folder = tempfile::tempdir().unwrap();
        let page = folder.path().join("report.html");
        stdout(&["report", "-F", records().to_str().unwrap(), "-o", page.to_str().unwrap()]);
        // The page has no script; this copy measures itself.
        let measure = "<script>addEventListener('load', () => { document.querySelectorAll('details').forEach(d => d.open = true);\
             const root = document.documentElement; root.dataset.widths = root.scrollWidth + ' ' + innerWidth; });</script></body>";
        let html = fs::read_to_string(&page).unwrap().replace("</body>", measure);
        fs::write(&page, html).unwrap();
        for width in [390, 1280] {
            let output = Command::new(browser)
                .args([
                    "--headless",
                    "--no-sandbox",
                    "--disable-gpu",
                    "--disable-dev-shm-usage",
                    "--enable-logging=stderr",
                ])
                .args([&format!("--window-size={width},900"), "--virtual-time-budget=2000", "--dump-dom"])
                .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
                .arg(format!("file://{}", page.display()))
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(!said.contains("CONSOLE"), "{said}");
            let dom = String::from_utf8_lossy(&output.stdout);
            let widths = dom.split("data-widths=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
            let widths: Vec<f64> = widths.split(' ').filter_map(|width| width.parse().ok()).collect();
            assert!(widths.len() == 2 && widths[0] <= widths[1], "the page is {widths:?} wide in a window of {width}");
        }
    }
}

#[test]
fn ladders_are_drawn_rung_by_rung_filled_where_they_are_certified() {
    let folder = drawn(&["profile", "config.experiment=profile"]);
    let rows = rows(&folder.path().join("profile.csv"));
    let all: Vec<Value> =
        [62, 63, 64].iter().flat_map(|&run| report(run)["rungs"].as_array().unwrap().clone()).collect();
    assert_eq!(rows.len(), all.len());
    for (row, rung) in rows.iter().zip(&all) {
        assert_close(real(row, "llc"), rung["llc"]["mean"].as_f64().unwrap());
        assert_close(real(row, "radius"), rung["radius"].as_f64().unwrap());
        assert_eq!(row["is_certified"], rung["is_certified"].to_string());
        assert_eq!(rung["is_certified"] == true, rung["has_converged"] == true && rung["verdict"] != "not_trusted");
    }
    // The exact curve of w₁² + w₂²: nβh/(nβh + γ) with h = 2.
    for row in rows.iter().filter(|row| !row["llc_exact"].is_empty()) {
        let a = 2.0 * real(row, "n_beta");
        assert_close(real(row, "llc_exact"), a / (a + real(row, "gamma")));
    }
    assert!(rows.iter().any(|row| row["is_certified"] == "false") && rows.iter().any(|row| row["lambda_true"] == "50"));
}
