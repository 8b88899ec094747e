//! Lays out what a run on paths reports: JSON, tables for other programs, and lines for a reader.

use std::fmt::Write as _;
use std::path::Path;

use llc::config::PathsConfig;
use llc::landscape::Scores;
use llc::observe::Status;
use llc::record::time::duration;
use llc::words::counted;
use serde_json::{Value, json};

use super::answers;
use super::points::{Plane, Segments, Walk, profile};
use super::{Found, Paths};
use crate::table;

/// What is told of a point: its name, and where it is among the scores.
pub type Quantity = (&'static str, fn(&Scores) -> f64);

/// The quantities that every point has: their names, and where they are.
pub const QUANTITIES: [Quantity; 4] = [
    ("train_loss", |at| at.train_loss),
    ("train_error", |at| 1.0 - at.train_accuracy),
    ("test_loss", |at| at.test_loss),
    ("test_error", |at| 1.0 - at.test_accuracy),
];

/// The object that `--json` prints.
pub fn report(paths: &Paths, status: Status, run_dir: Option<&Path>) -> Value {
    let Paths { config, spec, network, data, found, .. } = paths;
    let sampler = config.sampler();
    let n = config.point().size.unwrap_or(usize::MAX).min(data.train.len());
    let minima: Vec<Value> = found.minima.iter().map(|minimum| {
        json!({"scores": minimum.scores, "init": minimum.init_scores, "num_steps": minimum.num_steps, "train_s": minimum.train_s})
    }).collect();
    let mut report = json!({
        "experiment": PathsConfig::EXPERIMENT,
        "model": spec,
        "network": network.name(),
        "num_parameters": network.num_parameters(),
        "data": config.data().name,
        "num_train": data.train.len(),
        "num_test": data.test.len(),
        "minima": minima,
        "segments": found.segments.iter().map(segment).collect::<Vec<_>>(),
        "curve": found.walk.as_ref().map(|walk| curve(config, found, walk)),
        "plane": found.plane.as_ref().map(plane),
        "notes": found.notes,
        "answers": answers::answers(found, data.test.len()),
        "seed": config.seed(),
        "run_dir": run_dir.and_then(Path::to_str),
        "status": status.as_str(),
    });
    if config.points().llc_every > 0 {
        let of_estimates = json!({
            "points": found.estimates,
            "n": n,
            "sampler": sampler.kernel.kind().name(),
            "num_chains": sampler.num_chains,
            "num_draws": sampler.num_draws(),
            "num_warmup": sampler.num_warmup_draws(),
            "gamma": sampler.gamma,
            "n_beta": sampler.n_beta(n),
        });
        report = crate::estimation::merged(report, of_estimates);
    }
    report
}

/// The scores as lists, by quantity.
fn columns(t: &[f64], scores: &[Scores]) -> Value {
    let column = |quantity: fn(&Scores) -> f64| scores.iter().map(quantity).collect::<Vec<_>>();
    json!({
        "t": t,
        "train_loss": column(|at| at.train_loss),
        "train_accuracy": column(|at| at.train_accuracy),
        "test_loss": column(|at| at.test_loss),
        "test_loss_error": column(|at| at.test_loss_error),
        "test_accuracy": column(|at| at.test_accuracy),
    })
}

/// Profiles up to t = 1, by quantity.
fn profiles(t: &[f64], scores: &[Scores], steps: &[f64]) -> Value {
    let of = QUANTITIES.map(|(name, quantity)| (name.to_owned(), json!(profile(t, scores, steps, quantity))));
    Value::Object(of.into_iter().collect())
}

fn segment(segment: &Segments) -> Value {
    let Segments { mode, pair, length, t, scores } = segment;
    let [a, b] = mode.ends();
    let steps: Vec<f64> = t.windows(2).map(|pair| length * (pair[1] - pair[0])).collect();
    crate::estimation::merged(
        columns(t, scores),
        json!({
            "mode": mode.name(),
            "at_one": format!("{a} {}", pair[0]),
            "at_zero": format!("{b} {}", pair[1]),
            "length": length,
            "profiles": profiles(t, scores, &steps),
        }),
    )
}

fn curve(config: &PathsConfig, found: &Found, walk: &Walk) -> Value {
    let Walk { t, scores, steps, num_within, end_difference } = walk;
    crate::estimation::merged(
        columns(t, scores),
        json!({
            "shape": config.fit().curve.name(),
            "num_bends": config.fit().num_bends,
            "at_one": "minimum 0",
            "at_zero": "minimum 1",
            "num_within": num_within,
            "length": steps[..num_within - 1].iter().sum::<f64>(),
            "steps": steps,
            "profiles": profiles(t, scores, steps),
            "end_difference": end_difference,
            "fit_s": found.fit_s,
        }),
    )
}

fn plane(plane: &Plane) -> Value {
    let Plane { grid, scores, lengths, points, curve, num_train } = plane;
    let rows = |quantity: fn(&Scores) -> f64| {
        scores.chunks(grid.len()).map(|row| row.iter().map(quantity).collect::<Vec<_>>()).collect::<Vec<_>>()
    };
    json!({
        "grid": grid,
        "lengths": lengths,
        "points": points,
        "curve": curve,
        "num_train": num_train,
        "train_loss": rows(|at| at.train_loss),
        "train_accuracy": rows(|at| at.train_accuracy),
        "test_loss": rows(|at| at.test_loss),
        "test_accuracy": rows(|at| at.test_accuracy),
    })
}

/// Files of comma-separated values: `segments.csv`, `curve.csv`, `plane.csv`, `estimates.csv`, as far as there is something in them.
pub fn tables(found: &Found) -> anyhow::Result<Vec<(&'static str, Vec<u8>)>> {
    let mut tables = Vec::new();
    let of_scores = |at: &Scores| {
        [at.train_loss, at.train_accuracy, at.test_loss, at.test_loss_error, at.test_accuracy].map(|x| x.to_string())
    };
    let names = ["train_loss", "train_accuracy", "test_loss", "test_loss_error", "test_accuracy"];
    if !found.segments.is_empty() {
        let mut table = csv::Writer::from_writer(Vec::new());
        table.write_record(["mode", "at_one", "at_zero", "t"].iter().chain(&names))?;
        for segment in &found.segments {
            for (t, at) in segment.t.iter().zip(&segment.scores) {
                let [a, b] = segment.pair.map(|index| index.to_string());
                let place = [segment.mode.name().to_owned(), a, b, t.to_string()];
                table.write_record(place.iter().chain(&of_scores(at)))?;
            }
        }
        tables.push(("segments.csv", table.into_inner()?));
    }
    if let Some(walk) = &found.walk {
        let mut table = csv::Writer::from_writer(Vec::new());
        table.write_record(["t", "distance"].iter().chain(&names))?;
        let mut distance = 0.0;
        for (i, (t, at)) in walk.t.iter().zip(&walk.scores).enumerate() {
            distance += if i > 0 { walk.steps[i - 1] } else { 0.0 };
            table.write_record([t.to_string(), distance.to_string()].iter().chain(&of_scores(at)))?;
        }
        tables.push(("curve.csv", table.into_inner()?));
    }
    if let Some(plane) = &found.plane {
        let mut table = csv::Writer::from_writer(Vec::new());
        table.write_record(["alpha", "beta"].iter().chain(&names))?;
        for (i, at) in plane.scores.iter().enumerate() {
            let place = [i % plane.grid.len(), i / plane.grid.len()].map(|i| plane.grid[i].to_string());
            table.write_record(place.iter().chain(&of_scores(at)))?;
        }
        tables.push(("plane.csv", table.into_inner()?));
    }
    if !found.estimates.is_empty() {
        tables.push(("estimates.csv", table::path_csv(&found.estimates)?));
    }
    Ok(tables)
}

/// The report for a reader.
pub fn render(report: &Value) -> String {
    table::rendered(|out| write(out, report))
}

fn write(out: &mut String, report: &Value) -> std::fmt::Result {
    let text = |pointer: &str| report.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let number = |pointer: &str| report.pointer(pointer).and_then(Value::as_f64).unwrap_or(f64::NAN);
    let list = |name: &str| report[name].as_array().cloned().unwrap_or_default();
    writeln!(out)?;
    writeln!(out, "{:<16}{}, d = {}", "network", text("/network"), report["num_parameters"])?;
    writeln!(
        out,
        "{:<16}{}, {} to train on, {} to test on",
        "pictures",
        text("/data"),
        report["num_train"],
        report["num_test"]
    )?;
    writeln!(out, "{:<16}up to t = 1:  train loss at 0, 1, highest; barrier   test error at 0, 1, highest", "path")?;
    let line = |out: &mut String, name: &str, path: &Value| {
        let of = |pointer: &str| path.pointer(pointer).and_then(Value::as_f64).unwrap_or(f64::NAN);
        let loss = ["start", "end", "max", "barrier"].map(|end| of(&format!("/profiles/train_loss/{end}")));
        let error = ["start", "end", "max"].map(|end| 100.0 * of(&format!("/profiles/test_error/{end}")));
        writeln!(
            out,
            "{name:<30}{:9.4} {:8.4} {:8.4} {:8.4}   {:7.2} {:7.2} {:7.2} %",
            loss[0], loss[1], loss[2], loss[3], error[0], error[1], error[2]
        )
    };
    for segment in list("segments") {
        let end = |key: &str| segment[key].as_str().unwrap_or_default().to_owned();
        line(out, &format!("  {} to {}", end("at_zero"), end("at_one")), &segment)?;
    }
    if report["curve"].is_object() {
        let num_bends = report["curve"]["num_bends"].as_u64().unwrap_or(0);
        let name = format!("  {} with {}", text("/curve/shape"), counted(num_bends as usize, "bend"));
        line(out, &name, &report["curve"])?;
        writeln!(
            out,
            "{:<16}{:.3} long, fitted in {}",
            "curve",
            number("/curve/length"),
            duration(number("/curve/fit_s"))
        )?;
    }
    for answer in list("answers") {
        let of = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
        writeln!(out, "{:<16}{}", of("question"), of("answer"))?;
    }
    for note in list("notes") {
        writeln!(out, "{:<16}{}", "note", note.as_str().unwrap_or_default())?;
    }
    let dir = text("/run_dir");
    if dir.is_empty() { Ok(()) } else { writeln!(out, "{:<16}{dir} ({})", "record", text("/status")) }
}
