//! Lays out what a run on paths reports: JSON, tables for other programs, and lines for a reader.

use std::fmt::Write as _;

use llc::config::Choice as _;
use llc::config::PathsConfig;
use llc::landscape::Scores;
use llc::record::time::duration;
use llc::report::{Report, paths as report};
use llc::words::counted;

use super::answers;
use super::points::{Plane, Segments, Walk, profile};
use super::training::Minimum;
use super::{Found, Paths};

use llc::report::table;

/// A number of a point: its name, and its place among the scores.
pub type Quantity = (&'static str, fn(&Scores) -> f64);

/// The quantities that every point has: their names, and where they are.
pub const QUANTITIES: [Quantity; 4] = [
    ("train_loss", |at| at.train_loss),
    ("train_error", |at| 1.0 - at.train_accuracy),
    ("test_loss", |at| at.test_loss),
    ("test_error", |at| 1.0 - at.test_accuracy),
];

/// What the report says.
pub fn found(paths: &Paths) -> report::Paths {
    let Paths { config, spec, network, data, found, .. } = paths;
    let n = config.point().size.unwrap_or(usize::MAX).min(data.train.len());
    let minimum = |minimum: &Minimum| report::Minimum {
        scores: minimum.scores,
        init: minimum.init_scores,
        num_steps: minimum.num_steps,
        train_s: minimum.train_s,
    };
    report::Paths {
        model: spec.clone(),
        network: network.name().to_owned(),
        num_parameters: network.num_parameters(),
        data: config.data().name,
        num_train: data.train.len(),
        num_test: data.test.len(),
        minima: found.minima.iter().map(minimum).collect(),
        segments: found.segments.iter().map(segment).collect(),
        curve: found.walk.as_ref().map(|walk| curve(config, found, walk)),
        plane: found.plane.as_ref().map(plane),
        notes: found.notes.clone(),
        answers: answers::answers(found, data.test.len()),
        estimates: (config.points().llc_every > 0).then(|| report::Estimates {
            points: found.estimates.clone(),
            n,
            n_beta: config.sampler().n_beta(n),
            gamma: config.sampler().gamma,
            chains: config.sampler().into(),
        }),
    }
}

/// Profiles up to t = 1.
fn profiles(t: &[f64], scores: &[Scores], steps: &[f64]) -> report::Profiles {
    let [train_loss, train_error, test_loss, test_error] =
        QUANTITIES.map(|(_, quantity)| profile(t, scores, steps, quantity));
    report::Profiles { train_loss, train_error, test_loss, test_error }
}

fn segment(segment: &Segments) -> report::Segment {
    let Segments { mode, pair, length, t, scores } = segment;
    let [a, b] = mode.ends();
    let steps: Vec<f64> = t.windows(2).map(|pair| length * (pair[1] - pair[0])).collect();
    report::Segment {
        mode: mode.name().to_owned(),
        at_one: format!("{a} {}", pair[0]),
        at_zero: format!("{b} {}", pair[1]),
        length: *length,
        columns: report::Columns::new(t, scores),
        profiles: profiles(t, scores, &steps),
    }
}

fn curve(config: &PathsConfig, found: &Found, walk: &Walk) -> report::Curve {
    let Walk { t, scores, steps, num_within, end_difference } = walk;
    report::Curve {
        shape: config.fit().curve.name().to_owned(),
        num_bends: config.fit().num_bends,
        at_one: "minimum 0".to_owned(),
        at_zero: "minimum 1".to_owned(),
        num_within: *num_within,
        length: steps[..num_within - 1].iter().sum(),
        steps: steps.clone(),
        columns: report::Columns::new(t, scores),
        profiles: profiles(t, scores, steps),
        end_difference: *end_difference,
        fit_s: found.fit_s,
    }
}

fn plane(plane: &Plane) -> report::Plane {
    let Plane { grid, scores, lengths, points, curve, num_train } = plane;
    let rows = |quantity: fn(&Scores) -> f64| {
        scores.chunks(grid.len()).map(|row| row.iter().map(quantity).collect()).collect()
    };
    report::Plane {
        grid: grid.clone(),
        lengths: *lengths,
        points: points.clone(),
        curve: curve.clone(),
        num_train: *num_train,
        train_loss: rows(|at| at.train_loss),
        train_accuracy: rows(|at| at.train_accuracy),
        test_loss: rows(|at| at.test_loss),
        test_accuracy: rows(|at| at.test_accuracy),
    }
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
pub fn render(report: &Report<report::Paths>) -> String {
    table::rendered(|out| write(out, report))
}

fn write(out: &mut String, report: &Report<report::Paths>) -> std::fmt::Result {
    let found = &report.found;
    writeln!(out)?;
    writeln!(out, "{:<16}{}, d = {}", "network", found.network, found.num_parameters)?;
    writeln!(out, "{:<16}{}, {} to train on, {} to test on", "images", found.data, found.num_train, found.num_test)?;
    writeln!(out, "{:<16}up to t = 1:  train loss at 0, 1, highest; barrier   test error at 0, 1, highest", "path")?;
    let line = |out: &mut String, name: &str, report::Profiles { train_loss, test_error, .. }: &report::Profiles| {
        writeln!(
            out,
            "{name:<30}{:9.4} {:8.4} {:8.4} {:8.4}   {:7.2} {:7.2} {:7.2} %",
            train_loss.start,
            train_loss.end,
            train_loss.max,
            train_loss.barrier,
            100.0 * test_error.start,
            100.0 * test_error.end,
            100.0 * test_error.max
        )
    };
    for segment in &found.segments {
        line(out, &format!("  {} to {}", segment.at_zero, segment.at_one), &segment.profiles)?;
    }
    if let Some(curve) = &found.curve {
        line(out, &format!("  {} with {}", curve.shape, counted(curve.num_bends, "bend")), &curve.profiles)?;
        writeln!(out, "{:<16}{:.3} long, fitted in {}", "curve", curve.length, duration(curve.fit_s))?;
    }
    for report::Answer { question, answer } in &found.answers {
        writeln!(out, "{question:<16}{answer}")?;
    }
    for note in &found.notes {
        writeln!(out, "{:<16}{note}", "note")?;
    }
    table::write_record(out, report)
}
