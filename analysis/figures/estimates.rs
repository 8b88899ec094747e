//! Draws every λ̂ with its interval, a row a run, or a row for each --hue with the mean over its runs.

use llc::record::read::Run;
use llc::report::read::Said;

use super::against_lambda::verdict_keys;
use super::figure::{Figure, Input, LEVEL, NoData, counted};
use super::hue::field_name;
use super::traces::label;
use crate::plot::paint::Paint;
use crate::plot::panel::{Axis, Drawing, Mark, Panel, Point, Table, cell};
use crate::records::estimate::Estimate;
use crate::records::group::groups;
use crate::statistics::bootstrap::mean_interval;

pub const FIGURE: Figure = Figure {
    name: "estimates",
    summary: "every λ̂ with its interval, one row for each run; with --hue one row for each value, with mean and \
              interval over runs",
    shows_single_runs: false,
    draw,
};

/// Rows that a page has room for.
const MAX_ROWS: usize = 40;

/// A row: its name, and what it shows.
type Row = (String, Vec<Point>);

fn draw(input: &Input) -> Result<Drawing, NoData> {
    let estimated = |run: &'_ Run| Estimate::read(&Said::of(run.report.as_ref()));
    let runs: Vec<&Run> = input.runs.iter().filter(|run| estimated(run).is_some()).collect();
    if runs.is_empty() {
        return Err(NoData("none of the runs has an estimate".to_owned()));
    }
    let mut table = Table::new(["name", "num_runs", "llc", "ci90_low", "ci90_high", "verdict"]);
    let mut rows: Vec<Row> = Vec::new();
    let mut push = |name: String, count: usize, llc: f64, interval: Option<[f64; 2]>, verdict: &str| {
        let [low, high] = interval.map_or([None; 2], |ends| ends.map(Some));
        table.push([name, count.to_string(), cell(llc), cell(low), cell(high), verdict.to_owned()]);
    };
    let mut verdicts = Vec::new();
    match &input.options.hue {
        None => {
            for run in &runs {
                let Some(estimate) = estimated(run) else { continue };
                push(run.path.display().to_string(), 1, estimate.llc, estimate.interval, estimate.verdict.word());
                let point = Point::new(estimate.llc, 0.0, Paint::Series(0));
                let point = Point { interval_x: estimate.interval, shape: estimate.verdict.shape(), ..point };
                rows.push((label(run), vec![point]));
                verdicts.push(estimate.verdict);
            }
        }
        Some(hue) => {
            for group in groups(&runs, Some(hue)) {
                let values: Vec<f64> = group.runs.iter().filter_map(|run| estimated(run)).map(|e| e.llc).collect();
                let (mean, interval) = mean_interval(&values, LEVEL);
                push(group.name.clone(), values.len(), mean, interval, "");
                let single = |&llc: &f64| Point::new(llc, 0.0, Paint::Muted);
                let mut points: Vec<Point> =
                    if values.len() > 1 { values.iter().map(single).collect() } else { Vec::new() };
                points.push(Point { interval_x: interval, ..Point::new(mean, 0.0, Paint::Series(0)) });
                rows.push((format!("{} {}", field_name(hue), group.name).trim().to_owned(), points));
            }
        }
    }
    if rows.is_empty() {
        return Err(NoData("none of the runs has the field of --hue".to_owned()));
    }
    let num_rows = rows.len();
    rows.truncate(MAX_ROWS);
    let left_out = num_rows - rows.len();
    let more = if left_out > 0 { format!(" The table has {left_out} more rows.") } else { String::new() };
    let last = rows.len() - 1;
    let placed = rows
        .iter()
        .enumerate()
        .flat_map(|(i, (_, points))| points.iter().map(move |point| Point { y: (last - i) as f64, ..*point }));
    let points: Vec<Point> = placed.collect();
    let names: Vec<String> = rows.iter().rev().map(|(name, _)| name.clone()).collect();
    // Networks of very different sizes.
    let ends = || points.iter().flat_map(|p| p.interval_x.map_or(vec![p.x], Vec::from));
    let (low, high) = ends().fold((f64::INFINITY, 0.0_f64), |(low, high), end| (low.min(end), high.max(end)));
    let axis = if low > 0.0 && high > 30.0 * low { Axis::log("λ̂") } else { Axis::linear("λ̂") };
    let caption = match &input.options.hue {
        None => format!("{}; lines: 90 % intervals of the sampling error.{more}", counted(runs.len(), "run")),
        Some(_) => format!(
            "{}; blue: mean over runs with its 90 % bootstrap interval; grey: single runs.{more}",
            counted(runs.len(), "run")
        ),
    };
    Ok(Drawing {
        title: "Estimated learning coefficients".to_owned(),
        caption,
        keys: verdict_keys(verdicts.into_iter()),
        panels: vec![Panel::new(axis, Axis::categories("", names), vec![Mark::Points { points, radius: 3.6 }])],
        columns: 1,
        panel_size: [420.0, 30.0 + 20.0 * rows.len() as f64],
        table,
    })
}
