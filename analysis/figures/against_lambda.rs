//! Draws λ̂ against the exact λ of networks whose λ is known, on one dashed line y = x where all would be right.

use llc::record::read::Run;
use llc::report::read::Said;

use super::figure::{Figure, Input, NoData, counted};
use super::hue::Hue;
use crate::plot::paint::Paint;
use crate::plot::panel::{Axis, Drawing, Key, Mark, Panel, Point, Table, cell};
use crate::records::estimate::{Estimate, Known, Verdict, known};
use crate::records::group::{size_group, size_of};

pub const FIGURE: Figure = Figure {
    name: "llc-against-lambda",
    summary: "λ̂ with its interval against the exact λ, both on logarithmic axes",
    shows_single_runs: false,
    draw: |input| {
        let points = points(input, |said| Some(said));
        draw(input, points, "Estimated against exact learning coefficient", true)
    },
};

pub const LINEAR: Figure = Figure {
    name: "llc-against-lambda-linear",
    summary: "the same on linear axes, a panel for each size of network",
    shows_single_runs: false,
    draw: |input| {
        let points = points(input, |said| Some(said));
        draw(input, points, "Estimated against exact learning coefficient, by size", false)
    },
};

pub const TRAINED: Figure = Figure {
    name: "llc-against-lambda-trained",
    summary: "λ̂ where training from a random start ended, against the exact λ of the truth",
    shows_single_runs: false,
    draw: |input| {
        let points = points(input, |said| said.trained.as_deref());
        draw(input, points, "Estimated at the trained point against exact λ of the truth", true)
    },
};

struct At<'a> {
    known: Known<'a>,
    estimate: Option<Estimate>,
}

/// The runs whose λ is known and that have a point there, with the estimate at it.
fn points<'a>(input: &Input<'a>, point: fn(&Said) -> Option<&Said>) -> Vec<At<'a>> {
    let at = |known: Known<'a>| point(&known.said).map(Estimate::read).map(|estimate| At { estimate, known });
    known(input.runs).into_iter().filter_map(at).collect()
}

fn draw(input: &Input, points: Vec<At>, title: &str, is_log: bool) -> Result<Drawing, NoData> {
    if points.is_empty() {
        return Err(NoData::of("of a network whose λ is known, at that point"));
    }
    let runs: Vec<&Run> = points.iter().map(|at| at.known.run).collect();
    let d = |run: &Run| Said::of(run.report.as_ref()).d().unwrap_or(f64::NAN);
    let hue = Hue::new(&runs, input.options.hue.as_deref(), d);
    let is_shown = |at: &&At| at.estimate.is_some_and(|e| !is_log || (e.llc > 0.0 && at.known.lambda > 0.0));
    let num_shown = points.iter().filter(is_shown).count();

    let mut keys = hue.keys.clone();
    keys.extend(verdict_keys(points.iter().filter_map(|at| at.estimate).map(|estimate| estimate.verdict)));
    let mut caption = format!("{}. Vertical lines: 90 % intervals of the sampling error.", counted(num_shown, "run"));
    let num_bounds = points.iter().filter(|at| !at.known.is_local).count();
    if num_bounds > 0 {
        caption += &format!(" In {num_bounds} of {} λ is a lower bound of the local coefficient.", points.len());
    }
    let num_hidden = points.len() - num_shown;
    if num_hidden > 0 {
        caption += &format!(" {} without a λ̂ that these axes can show.", counted(num_hidden, "run"));
    }

    let panel = |points: &[&At]| {
        let shown: Vec<Point> = points.iter().copied().filter(|at| is_shown(at)).map(|at| point(at, &hue)).collect();
        let axis = if is_log { Axis::log } else { Axis::linear };
        // Both axes have the same ends, so that y = x goes from corner to corner.
        let of_interval = |point: &Point| point.interval_y.map_or(vec![], Vec::from);
        let ends: Vec<f64> = shown.iter().flat_map(|p| [vec![p.x, p.y], of_interval(p)].concat()).collect();
        let with = |axis: Axis| ends.iter().fold(axis, |axis, &end| axis.including(end));
        let radius = if points.len() > 200 { 2.6 } else { 3.6 };
        Panel::new(with(axis("λ")), with(axis("λ̂")), vec![Mark::Diagonal, Mark::Points { points: shown, radius }])
    };
    let panels = if is_log {
        vec![panel(&points.iter().collect::<Vec<_>>())]
    } else {
        let mut groups: Vec<String> = points.iter().map(|at| size_group(at.known.run, at.known.d)).collect();
        groups.sort_by_key(|group| size_of(group));
        groups.dedup();
        let of = |group: &String| -> Vec<&At> {
            points.iter().filter(|at| size_group(at.known.run, at.known.d) == *group).collect()
        };
        groups.iter().map(|group| panel(&of(group)).titled(format!("{group} parameters"))).collect()
    };
    Ok(Drawing {
        title: title.to_owned(),
        caption,
        keys,
        columns: if panels.len() > 4 { 3 } else { 2 },
        panel_size: if panels.len() == 1 { [470.0, 430.0] } else { [260.0, 240.0] },
        panels,
        table: table(&points),
    })
}

fn point(at: &At, hue: &Hue) -> Point {
    let (y, interval_y, shape) =
        at.estimate.map_or((f64::NAN, None, Verdict::NotTrusted.shape()), |e| (e.llc, e.interval, e.verdict.shape()));
    let paint = hue.paint(at.known.run);
    Point { interval_y, shape, ..Point::new(at.known.lambda, y, paint) }
}

/// What the shapes of points mean, of the verdicts that occur.
pub fn verdict_keys(verdicts: impl Iterator<Item = Verdict>) -> Vec<Key> {
    let present: Vec<Verdict> = verdicts.collect();
    let key = |verdict: Verdict| Key::Point(verdict.shape(), Paint::Ink, verdict.name().to_owned());
    Verdict::ALL.into_iter().filter(|verdict| present.contains(verdict)).map(key).collect()
}

fn table(points: &[At]) -> Table {
    let columns = [
        "run_dir",
        "group",
        "d",
        "lambda_true",
        "lambda_true_is_local",
        "llc",
        "llc_mcse",
        "ci90_low",
        "ci90_high",
        "verdict",
    ];
    let mut table = Table::new(columns);
    for At { known, estimate } in points {
        let interval = estimate.and_then(|estimate| estimate.interval);
        table.push([
            known.run.path.display().to_string(),
            size_group(known.run, known.d),
            cell(known.d),
            cell(known.lambda),
            known.is_local.to_string(),
            cell(estimate.map(|e| e.llc)),
            cell(estimate.map(|e| e.mcse)),
            cell(interval.map(|ends| ends[0])),
            cell(interval.map(|ends| ends[1])),
            estimate.map_or("", |e| e.verdict.word()).to_owned(),
        ]);
    }
    table
}
