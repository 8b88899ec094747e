//! Draws the paths of `llc paths`: segments between minima and starts, the fitted curve beside the segment, λ̂ along the curve.

use llc::record::read::Run;
use llc::report::paths::{self, Columns, Curve, Paths};
use llc::report::read;

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

/// The paths of `run`.
fn paths(run: &Run) -> Option<Paths> {
    read::found(run.report.as_ref(), "paths")
}

/// The first run whose paths have what `part` finds, with that, and how many there are.
pub fn one<'a, T>(input: &Input<'a>, part: impl Fn(Paths) -> Option<T>) -> Result<(&'a Run, T, usize), NoData> {
    let mut all = input.runs.iter().filter_map(|run| Some((run, part(paths(run)?)?)));
    let (run, found) = all.next().ok_or_else(|| NoData::of("one on paths between minima (llc paths)"))?;
    Ok((run, found, 1 + all.count()))
}

/// Which run is shown, of how many.
pub fn which(run: &Run, count: usize) -> String {
    match count {
        1 => format!("Run {}.", run.id),
        _ => format!("Run {}, the first of {count}; choose another by id=NUMBER.", run.id),
    }
}

/// The lines of `quantity` along a path, on training and test data.
fn lines(path: &Columns, quantity: &str, paint: impl Fn(usize) -> Paint, opacity: f64) -> Vec<Mark> {
    let sets = match quantity {
        "loss" => [&path.train_loss, &path.test_loss],
        _ => [&path.train_accuracy, &path.test_accuracy],
    };
    let line = |(i, (values, (_, dashes))): (usize, (&Vec<f64>, (&str, &'static str)))| {
        let points = path.t.iter().zip(values).map(|(t, value)| [*t, *value]).collect();
        Mark::Line { points, paint: paint(i), width: 1.8, dashes, opacity, label: None }
    };
    sets.into_iter().zip(DASHES).enumerate().map(line).collect()
}

/// A row for each place of the path `name`, which has these ends.
fn rows(table: &mut Table, name: &str, [at_zero, at_one]: [&str; 2], path: &Columns) {
    let Columns { t, train_loss, train_accuracy, test_loss, test_accuracy, .. } = path;
    for i in 0..t.len() {
        let [t, a, b, c, d] =
            [t, train_loss, train_accuracy, test_loss, test_accuracy].map(|column| cell(column.get(i).copied()));
        table.push([name.to_owned(), at_zero.to_owned(), at_one.to_owned(), t, a, b, c, d]);
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
    let part = |paths: Paths| Some(paths.segments).filter(|segments| !segments.is_empty());
    let (run, segments, count) = one(input, part)?;
    let mut table = table();
    let mut panels = Vec::new();
    for (mode, title) in MODES {
        let of_mode = || segments.iter().filter(|segment| segment.mode == mode);
        for segment in of_mode() {
            rows(&mut table, mode, [&segment.at_zero, &segment.at_one], &segment.columns);
        }
        let opacity = if of_mode().count() > 1 { 0.7 } else { 1.0 };
        for quantity in ["loss", "accuracy"] {
            let mut marks = vec![Mark::AtX { x: 1.0, label: String::new() }];
            marks.extend(of_mode().flat_map(|segment| lines(&segment.columns, quantity, Paint::Series, opacity)));
            panels.push(Panel::new(Axis::linear("t"), axis(quantity), marks).titled(format!("{title}: {quantity}")));
        }
    }
    Ok(Drawing {
        title: "Loss and accuracy along segments".to_owned(),
        caption: format!(
            "{} w(t) = t·a + (1 − t)·b: b at t = 0, a at the dashed line t = 1; the straight line continues beyond it.",
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
    let (run, (curve, segments), count) = one(input, |paths| Some((paths.curve?, paths.segments)))?;
    let ends = [curve.at_zero.as_str(), &curve.at_one];
    let segment =
        segments.iter().find(|segment| segment.mode == "minima" && [&*segment.at_zero, &segment.at_one] == ends);
    let name = match curve.shape.as_str() {
        "bezier" => "Bézier curve",
        _ => "chain",
    };
    let paths: Vec<(&str, &Columns, usize)> =
        [Some(("curve", &curve.columns, 0)), segment.map(|segment| ("segment", &segment.columns, 1))]
            .into_iter()
            .flatten()
            .collect();
    let mut table = table();
    paths.iter().for_each(|(name, path, _)| rows(&mut table, name, ends, path));
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
            "{} A {name} with {}, {} at t = 0, {} at the dashed line t = 1; both continue beyond it.",
            which(run, count),
            counted(curve.num_bends, "bend"),
            curve.at_zero,
            curve.at_one
        ),
        keys,
        panels: vec![panel("loss"), panel("accuracy")],
        columns: 2,
        panel_size: [320.0, 240.0],
        table,
    })
}

fn draw_coefficient(input: &Input) -> Result<Drawing, NoData> {
    type Estimates = Vec<(paths::Point, Estimate)>;
    let estimates = |run: &Run| -> Option<(Option<Curve>, Estimates)> {
        let Paths { curve, estimates, .. } = paths(run)?;
        let read = |point: paths::Point| {
            let estimate = Estimate::of(&point.estimate.llc, point.estimate.judgement.verdict)?;
            Some((point, estimate))
        };
        let found: Estimates = estimates?.points.into_iter().filter_map(read).collect();
        (!found.is_empty()).then_some((curve, found))
    };
    let runs = input.some(MAX_RUNS, estimates);
    if runs.is_empty() {
        return Err(NoData::of("one with estimates along a path (llc paths --llc-every)"));
    }
    let mut table = Table::new(["run_dir", "t", "train_loss", "test_loss", "llc", "ci90_low", "ci90_high", "verdict"]);
    let (mut of_llc, mut of_loss, mut verdicts) = (Vec::new(), Vec::new(), Vec::new());
    for (series, (run, (curve, found))) in runs.iter().enumerate() {
        let paint = Paint::Series(series);
        let mut points = Vec::new();
        for (point, estimate) in found {
            let [low, high] = estimate.interval.map_or([None; 2], |ends| ends.map(Some));
            table.push([
                run.path.display().to_string(),
                cell(point.t),
                cell(point.train_loss),
                cell(point.test_loss),
                cell(estimate.llc),
                cell(low),
                cell(high),
                estimate.verdict.word().to_owned(),
            ]);
            let point = Point::new(point.t, estimate.llc, paint);
            points.push(Point { interval_y: estimate.interval, shape: estimate.verdict.shape(), ..point });
            verdicts.push(estimate.verdict);
        }
        let line = points.iter().map(|point| [point.x, point.y]).collect();
        of_llc.push(Mark::Line { points: line, paint, width: 1.2, dashes: "", opacity: 0.6, label: None });
        of_llc.push(Mark::Points { points, radius: 4.0 });
        let curve = curve.iter().flat_map(|curve| lines(&curve.columns, "loss", |_| paint, 1.0));
        of_loss.extend(curve.map(within));
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
