//! Draws the relative error (λ̂ − λ)/λ: how often it is how large, against the size of the network, and by group.

use super::against_lambda::verdict_keys;
use super::figure::{Figure, Input, NoData, counted};
use super::hue::{Hue, field_name};
use crate::plot::paint::Paint;
use crate::plot::panel::{Axis, Drawing, Mark, Panel, Point, Table, cell};
use crate::records::estimate::{Known, Verdict, known};
use crate::records::group::{groups, size_group, size_of};
use crate::statistics::quantiles::{histogram, quantile, share};

pub const HISTOGRAM: Figure = Figure {
    name: "relative-error-histogram",
    summary: "histogram of the relative error of λ̂",
    shows_single_runs: false,
    draw: draw_histogram,
};

pub const AGAINST_SIZE: Figure = Figure {
    name: "relative-error-against-size",
    summary: "the relative error of λ̂ with its interval, against the number of parameters",
    shows_single_runs: false,
    draw: draw_against_size,
};

pub const BY_GROUP: Figure = Figure {
    name: "relative-error-by-group",
    summary: "the relative error of λ̂ by size of network or --hue: every run, quartiles, median",
    shows_single_runs: false,
    draw: draw_by_group,
};

const AXIS: &str = "relative error (λ̂ − λ)/λ";

struct Error<'a> {
    known: Known<'a>,
    error: f64,
    interval: Option<[f64; 2]>,
    verdict: Verdict,
}

fn errors<'a>(input: &Input<'a>) -> Result<Vec<Error<'a>>, NoData> {
    let error = |known: Known<'a>| {
        let (error, interval) = known.relative_error()?;
        let verdict = known.estimate?.verdict;
        Some(Error { known, error, interval, verdict })
    };
    let errors: Vec<Error> = known(input.runs).into_iter().filter_map(error).collect();
    if errors.is_empty() { Err(NoData::of("an estimate for a network whose λ is known")) } else { Ok(errors) }
}

fn draw_histogram(input: &Input) -> Result<Drawing, NoData> {
    let errors = errors(input)?;
    let values: Vec<f64> = errors.iter().map(|error| error.error).collect();
    let (low, high) = values.iter().fold((0.0_f64, 0.0_f64), |(low, high), &value| (low.min(value), high.max(value)));
    // Freedman and Diaconis, within what can be seen.
    let spread = quantile(&values, 0.75) - quantile(&values, 0.25);
    let width = (2.0 * spread / (values.len() as f64).cbrt()).max((high - low) / 40.0);
    let num_bins = ((high - low) / width).ceil().clamp(8.0, 40.0) as usize;
    // One of the bins of equal width begins at 0, to separate too low from too high.
    let width = (high - low).max(1e-3) / num_bins as f64;
    let from = (low / width).floor() * width;
    let num_bins = ((high - from) / width).floor() as usize + 1;
    let bins = histogram(&values, from, from + num_bins as f64 * width, num_bins);
    let mut table = Table::new(["from", "to", "count"]);
    bins.iter().for_each(|bin| table.push(bin.map(cell)));
    let median = quantile(&values, 0.5);
    let within = |limit: f64| 100.0 * share(&values, |value| value.abs() <= limit);
    Ok(Drawing {
        title: "Relative error of λ̂".to_owned(),
        caption: format!(
            "{}. Median {:+.1} %; {:.0} % of the runs within 5 %, {:.0} % within 10 %. Negative: too low.",
            counted(values.len(), "run"),
            100.0 * median,
            within(0.05),
            within(0.1)
        )
        .replace('-', "−"),
        keys: Vec::new(),
        panels: vec![Panel::new(
            Axis::linear(AXIS).including(0.0),
            Axis::whole("runs"),
            vec![
                Mark::Bars { bars: bins, paint: Paint::Series(0), base: 0.0 },
                Mark::AtX { x: 0.0, label: String::new() },
            ],
        )],
        columns: 1,
        panel_size: [480.0, 290.0],
        table,
    })
}

fn draw_against_size(input: &Input) -> Result<Drawing, NoData> {
    let errors = errors(input)?;
    let runs: Vec<_> = errors.iter().map(|error| error.known.run).collect();
    let hue = input.options.hue.as_ref().map(|hue| Hue::new(&runs, Some(hue), |_| f64::NAN));
    let point = |error: &Error| Point {
        interval_y: error.interval,
        shape: error.verdict.shape(),
        ..Point::new(
            error.known.d,
            error.error,
            hue.as_ref().map_or(Paint::Series(0), |hue| hue.paint(error.known.run)),
        )
    };
    let points = errors.iter().map(point).collect();
    let mut keys = hue.as_ref().map(|hue| hue.keys.clone()).unwrap_or_default();
    keys.extend(verdict_keys(errors.iter().map(|error| error.verdict)));
    Ok(Drawing {
        title: "Relative error of λ̂ against the size of the network".to_owned(),
        caption: format!("{}. Vertical lines: 90 % intervals of the sampling error.", counted(errors.len(), "run")),
        keys,
        panels: vec![Panel::new(
            Axis::log("parameters d"),
            Axis::linear(AXIS).including(0.0),
            vec![Mark::AtY { y: 0.0, label: String::new() }, Mark::Points { points, radius: 3.4 }],
        )],
        columns: 1,
        panel_size: [500.0, 330.0],
        table: table(&errors),
    })
}

fn draw_by_group(input: &Input) -> Result<Drawing, NoData> {
    let errors = errors(input)?;
    let named: Vec<(String, Vec<&Error>)> = match &input.options.hue {
        Some(hue) => {
            let runs: Vec<_> = errors.iter().map(|error| error.known.run).collect();
            let of = |run_path: &std::path::Path| errors.iter().find(|error| error.known.run.path == run_path);
            let short = field_name(hue);
            let groups = groups(&runs, Some(hue)).into_iter();
            groups
                .map(|g| {
                    (
                        format!("{short} {}", g.name).trim().to_owned(),
                        g.runs.iter().filter_map(|run| of(&run.path)).collect(),
                    )
                })
                .collect()
        }
        None => {
            let mut names: Vec<String> =
                errors.iter().map(|error| size_group(error.known.run, error.known.d)).collect();
            names.sort_by_key(|name| size_of(name));
            names.dedup();
            let of = |name: &String| -> Vec<&Error> {
                errors.iter().filter(|error| size_group(error.known.run, error.known.d) == *name).collect()
            };
            names.iter().map(|name| (format!("{name} parameters"), of(name))).collect()
        }
    };
    if named.is_empty() {
        return Err(NoData("none of the runs has the field of --hue".to_owned()));
    }
    // The first group is at the top.
    let row = |i: usize| (named.len() - 1 - i) as f64;
    let (mut boxes, mut points) = (Vec::new(), Vec::new());
    let mut table = Table::new(["group", "num_runs", "low", "first_quartile", "median", "third_quartile", "high"]);
    for (i, (name, errors)) in named.iter().enumerate() {
        let values: Vec<f64> = errors.iter().map(|error| error.error).collect();
        let quantiles = [0.05, 0.25, 0.5, 0.75, 0.95].map(|p| quantile(&values, p));
        boxes.push(Mark::Box { y: row(i), quantiles, paint: Paint::Series(0) });
        for (j, error) in errors.iter().enumerate() {
            // Below the box, in a few rows so that runs don't hide each other.
            let y = row(i) - 0.28 - 0.06 * (j % 3) as f64;
            points.push(Point { shape: error.verdict.shape(), ..Point::new(error.error, y, Paint::Muted) });
        }
        let [low, first, median, third, high] = quantiles.map(cell);
        table.push([name.clone(), values.len().to_string(), low, first, median, third, high]);
    }
    let names = named.iter().rev().map(|(name, errors)| format!("{name} ({})", errors.len())).collect();
    let marks =
        [vec![Mark::AtX { x: 0.0, label: String::new() }], boxes, vec![Mark::Points { points, radius: 2.6 }]].concat();
    Ok(Drawing {
        title: "Relative error of λ̂ by group".to_owned(),
        caption: "Box: quartiles and median; line: 5 % to 95 % of the runs; below it: every run. Negative: too low."
            .to_owned(),
        keys: verdict_keys(errors.iter().map(|error| error.verdict)),
        panels: vec![Panel::new(Axis::linear(AXIS).including(0.0), Axis::categories("", names), marks)],
        columns: 1,
        panel_size: [440.0, 44.0 + 52.0 * named.len() as f64],
        table,
    })
}

fn table(errors: &[Error]) -> Table {
    let mut table =
        Table::new(["run_dir", "group", "d", "lambda_true", "relative_error", "ci90_low", "ci90_high", "verdict"]);
    for Error { known, error, interval, verdict } in errors {
        table.push([
            known.run.path.display().to_string(),
            size_group(known.run, known.d),
            cell(known.d),
            cell(known.lambda),
            cell(*error),
            cell(interval.map(|ends| ends[0])),
            cell(interval.map(|ends| ends[1])),
            verdict.word().to_owned(),
        ]);
    }
    table
}
