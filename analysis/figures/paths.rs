//! Draws the paths of `llc paths`: segments between minima and starts, the fitted curve beside the segment, λ̂ along the curve.

use llc::record::read::Run;
use serde_json::Value;

use super::against_lambda::verdict_keys;
use super::figure::{Figure, Input, NoData, counted};
use crate::plot::paint::Paint;
use crate::plot::panel::{Axis, Drawing, Key, Mark, Panel, Point, Table, cell};
use crate::records::estimate::Estimate;

pub const SEGMENTS: Figure = Figure {
    name: "path-segments",
    summary: "loss and accuracy along segments between minima and starts, training and test, of one run",
    shows_single_runs: true,
    draw: draw_segments,
};

pub const CURVE: Figure = Figure {
    name: "path-curve",
    summary: "loss and accuracy along the fitted curve and along the segment between the same minima, of one run",
    shows_single_runs: true,
    draw: draw_curve,
};

pub const COEFFICIENT: Figure = Figure {
    name: "path-llc",
    summary: "λ̂ with its interval along the fitted curve, and the loss there",
    shows_single_runs: true,
    draw: draw_coefficient,
};

/// Runs that λ̂ is shown of.
const MAX_RUNS: usize = 4;
/// Test data are dashed.
const DASHES: [(&str, &str); 2] = [("train", ""), ("test", "5 3")];
/// A mode of the segments, and what is at t = 0 and t = 1.
const MODES: [(&str, &str); 4] = [
    ("minima", "minimum to minimum"),
    ("own-init", "start to its own minimum"),
    ("other-init", "start to another minimum"),
    ("inits", "start to start"),
];

/// The numbers of a list; NaN where there is none.
pub fn numbers(list: &Value) -> Vec<f64> {
    let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
    list.as_array().map_or_else(Vec::new, |list| list.iter().map(number).collect())
}

/// The first run whose report has `key`, and how many there are.
pub fn one<'a>(input: &Input<'a>, key: &str) -> Result<(&'a Run, &'a Value, usize), NoData> {
    let has = |run: &'a Run| {
        let found = run.report.as_ref()?.get(key)?;
        let is_there = found.is_object() || found.as_array().is_some_and(|list| !list.is_empty());
        is_there.then_some((run, found))
    };
    let all: Vec<(&Run, &Value)> = input.runs.iter().filter_map(has).collect();
    let &(run, found) = all.first().ok_or_else(|| NoData::of("one on paths between minima (llc paths)"))?;
    Ok((run, found, all.len()))
}

/// Which run is shown, of how many.
pub fn which(run: &Run, count: usize) -> String {
    match count {
        1 => format!("Run {}.", run.id),
        _ => format!("Run {}, the first of {count}; choose another by id=NUMBER.", run.id),
    }
}

/// The lines of `quantity` along `path`, on training and test data.
fn lines(path: &Value, quantity: &str, paint: impl Fn(usize) -> Paint, opacity: f64) -> Vec<Mark> {
    let t = numbers(&path["t"]);
    let line = |(i, (set, dashes)): (usize, (&str, &'static str))| {
        let values = numbers(&path[format!("{set}_{quantity}").as_str()]);
        let points = t.iter().zip(values).map(|(t, value)| [*t, value]).collect();
        Mark::Line { points, paint: paint(i), width: 1.8, dashes, opacity, label: None }
    };
    DASHES.into_iter().enumerate().map(line).collect()
}

fn rows(table: &mut Table, name: &str, path: &Value) {
    let column = |key: &str| numbers(&path[key]);
    let columns = ["t", "train_loss", "train_accuracy", "test_loss", "test_accuracy"].map(column);
    let text = |key: &str| path[key].as_str().unwrap_or_default().to_owned();
    for i in 0..columns[0].len() {
        let [t, a, b, c, d] = columns.each_ref().map(|column| cell(column.get(i).copied()));
        table.push([name.to_owned(), text("at_zero"), text("at_one"), t, a, b, c, d]);
    }
}

fn table() -> Table {
    Table::new(["path", "at_zero", "at_one", "t", "train_loss", "train_accuracy", "test_loss", "test_accuracy"])
}

fn axis(quantity: &str) -> Axis {
    match quantity {
        "loss" => Axis::linear("loss").including(0.0),
        _ => Axis::linear("accuracy").including(0.0).including(1.0),
    }
}

fn draw_segments(input: &Input) -> Result<Drawing, NoData> {
    let (run, segments, count) = one(input, "segments")?;
    let mut table = table();
    let mut panels = Vec::new();
    for (mode, title) in MODES {
        let of_mode = || segments.as_array().into_iter().flatten().filter(|segment| segment["mode"] == mode);
        of_mode().for_each(|segment| rows(&mut table, mode, segment));
        let opacity = if of_mode().count() > 1 { 0.7 } else { 1.0 };
        for quantity in ["loss", "accuracy"] {
            let mut marks = vec![Mark::AtX { x: 1.0, label: String::new() }];
            marks.extend(of_mode().flat_map(|segment| lines(segment, quantity, Paint::Series, opacity)));
            panels.push(Panel::new(Axis::linear("t"), axis(quantity), marks).titled(format!("{title}: {quantity}")));
        }
    }
    Ok(Drawing {
        title: "Loss and accuracy along segments".to_owned(),
        caption: format!(
            "{} w(t) = t·a + (1 − t)·b: b at t = 0, a at the dashed line t = 1, beyond it the straight line goes on.",
            which(run, count)
        ),
        keys: vec![
            Key::Line(Paint::Series(0), "", "training".to_owned()),
            Key::Line(Paint::Series(1), DASHES[1].1, "test".to_owned()),
        ],
        panels,
        columns: 2,
        panel_size: [290.0, 170.0],
        table,
    })
}

fn draw_curve(input: &Input) -> Result<Drawing, NoData> {
    let (run, curve, count) = one(input, "curve")?;
    let segment = run.report.as_ref().and_then(|report| {
        let is_between = |segment: &&Value| {
            segment["mode"] == "minima"
                && segment["at_one"] == curve["at_one"]
                && segment["at_zero"] == curve["at_zero"]
        };
        report["segments"].as_array()?.iter().find(is_between)
    });
    let shape = curve["shape"].as_str().unwrap_or_default();
    let name = match shape {
        "bezier" => "Bézier curve",
        _ => "chain",
    };
    let bends = curve["num_bends"].as_u64().unwrap_or(1) as usize;
    let paths: Vec<(&str, &Value, usize)> =
        [Some(("curve", curve, 0)), segment.map(|segment| ("segment", segment, 1))].into_iter().flatten().collect();
    let mut table = table();
    paths.iter().for_each(|(name, path, _)| rows(&mut table, name, path));
    let panel = |quantity: &str| {
        let mut marks = vec![Mark::AtX { x: 1.0, label: String::new() }];
        // The curve last, on top.
        for (_, path, series) in paths.iter().rev() {
            marks.extend(lines(path, quantity, |_| Paint::Series(*series), 1.0));
        }
        Panel::new(Axis::linear("t"), axis(quantity), marks).titled(quantity)
    };
    let key = |series: usize, dashes, text: &str| Key::Line(Paint::Series(series), dashes, text.to_owned());
    let mut keys = vec![key(0, "", &format!("{name}, training")), key(0, DASHES[1].1, &format!("{name}, test"))];
    if segment.is_some() {
        keys.extend([key(1, "", "segment, training"), key(1, DASHES[1].1, "segment, test")]);
    }
    Ok(Drawing {
        title: format!("The fitted {name} and the segment between two minima"),
        caption: format!(
            "{} A {name} with {}, {} at t = 0, {} at the dashed line t = 1, where both go on.",
            which(run, count),
            counted(bends, "bend"),
            curve["at_zero"].as_str().unwrap_or_default(),
            curve["at_one"].as_str().unwrap_or_default()
        ),
        keys,
        panels: vec![panel("loss"), panel("accuracy")],
        columns: 2,
        panel_size: [320.0, 240.0],
        table,
    })
}

fn draw_coefficient(input: &Input) -> Result<Drawing, NoData> {
    let estimates = |run: &Run| -> Option<Vec<(f64, Value, Estimate)>> {
        let points = run.report.as_ref().filter(|report| report["experiment"] == "paths")?["points"].as_array()?;
        let read = |point: &Value| Some((point["t"].as_f64()?, point.clone(), Estimate::read(point)?));
        Some(points.iter().filter_map(read).collect()).filter(|found: &Vec<_>| !found.is_empty())
    };
    let runs = input.some(MAX_RUNS, estimates);
    if runs.is_empty() {
        return Err(NoData::of("one with estimates along a path (llc paths --llc-every)"));
    }
    let mut table = Table::new(["run_dir", "t", "train_loss", "test_loss", "llc", "ci90_low", "ci90_high", "verdict"]);
    let (mut of_llc, mut of_loss, mut verdicts) = (Vec::new(), Vec::new(), Vec::new());
    for (series, (run, found)) in runs.iter().enumerate() {
        let paint = Paint::Series(series);
        let mut points = Vec::new();
        for (t, report, estimate) in found {
            let [low, high] = estimate.interval.map_or([None; 2], |ends| ends.map(Some));
            table.push([
                run.path.display().to_string(),
                cell(*t),
                cell(report["train_loss"].as_f64()),
                cell(report["test_loss"].as_f64()),
                cell(estimate.llc),
                cell(low),
                cell(high),
                estimate.verdict.word().to_owned(),
            ]);
            let point = Point::new(*t, estimate.llc, paint);
            points.push(Point { interval_y: estimate.interval, shape: estimate.verdict.shape(), ..point });
            verdicts.push(estimate.verdict);
        }
        let line = points.iter().map(|point| [point.x, point.y]).collect();
        of_llc.push(Mark::Line { points: line, paint, width: 1.2, dashes: "", opacity: 0.6, label: None });
        of_llc.push(Mark::Points { points, radius: 4.0 });
        let curve = run.report.as_ref().map_or(&Value::Null, |report| &report["curve"]);
        of_loss.extend(lines(curve, "loss", |_| paint, 1.0).into_iter().map(within));
    }
    let mut keys = verdict_keys(verdicts.into_iter());
    if runs.len() > 1 {
        let name =
            |(series, (run, _)): (usize, &(&Run, _))| Key::Line(Paint::Series(series), "", format!("run {}", run.id));
        keys.extend(runs.iter().enumerate().map(name));
    }
    Ok(Drawing {
        title: "λ̂ along the path between two minima".to_owned(),
        caption: format!(
            "{}; vertical lines: 90 % intervals of λ̂'s sampling error. Loss: training, and test dashed.",
            counted(runs.len(), "run")
        ),
        keys,
        panels: vec![
            Panel::new(Axis::linear("t"), Axis::linear("λ̂"), of_llc).titled("λ̂"),
            Panel::new(Axis::linear("t"), axis("loss"), of_loss).titled("loss"),
        ],
        columns: 2,
        panel_size: [320.0, 240.0],
        table,
    })
}

/// A line as far as the path's end, t = 1.
fn within(mark: Mark) -> Mark {
    match mark {
        Mark::Line { points, paint, width, dashes, opacity, label } => {
            let points = points.into_iter().filter(|[t, _]| *t <= 1.0 + 1e-9).collect();
            Mark::Line { points, paint, width, dashes, opacity, label }
        }
        other => other,
    }
}
