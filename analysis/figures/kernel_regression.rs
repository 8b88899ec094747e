//! Draws what labels fitted by a kernel (`llc kernel-regression`) cost and teach: errors and norms against the number of samples, and how
//! the iterative solver got there.

use std::collections::BTreeMap;

use llc::record::read::Run;
use llc::report::kernel_regression::{Fit, KernelRegression};
use llc::report::read;

use super::figure::{Figure, Input, LEVEL, NoData, counted};
use super::hue::{group_keys, group_paints};
use crate::plot::paint::Paint;
use crate::plot::panel::{Axis, Drawing, Key, Mark, Panel, Point, Shape, Table, cell};
use crate::records::group::{Group, groups_besides};
use crate::statistics::bootstrap::mean_interval;

pub const FIGURE: Figure = Figure {
    name: "kernel-regression",
    summary: "test error, training error and norm of kernel regressions against the number of samples, by --hue \
              [default: every setting that differs]",
    shows_single_runs: false,
    draw,
};

pub const RESIDUALS: Figure = Figure {
    name: "conjugate-gradient",
    summary: "residual of kernel regressions after every iteration of the solver, by number of samples",
    shows_single_runs: false,
    draw: draw_residuals,
};

/// What runs may differ in and still be of one line: where on it they are, and how they were solved.
const AXES: [&str; 7] = [
    "config.regression.train_sizes",
    "config.regression.solver",
    "config.regression.memory",
    "config.regression.tolerance",
    "config.regression.max_iterations",
    "config.regression.preconditioner_rank",
    "config.data.corrupt_test",
];

/// A value of one fit, and its interval.
type WithInterval = (f64, Option<[f64; 2]>);
/// What a panel shows of a fit.
type Quantity = fn(&Fit) -> WithInterval;

const QUANTITIES: [(&str, &str, Quantity); 3] = [
    ("test_error", "test error", |fit| (fit.test_error, Some(fit.test_error_ci90))),
    ("train_error", "training error", |fit| (fit.train_error, None)),
    ("norm", "norm of the solution", |fit| (fit.norm, None)),
];

fn fits(run: &Run) -> Vec<Fit> {
    read::found::<KernelRegression>(run.report.as_ref(), "kernel-regression").map_or(Vec::new(), |found| found.points)
}

fn regressions<'a>(input: &Input<'a>) -> Result<Vec<&'a Run>, NoData> {
    let runs: Vec<&Run> = input.runs.iter().filter(|run| !fits(run).is_empty()).collect();
    if runs.is_empty() { Err(NoData::of("a kernel regression (llc kernel-regression)")) } else { Ok(runs) }
}

fn draw(input: &Input) -> Result<Drawing, NoData> {
    let runs = regressions(input)?;
    let hue = input.options.hue.as_deref();
    let groups = groups_besides(&runs, hue, &AXES);
    if groups.is_empty() {
        return Err(NoData("none of the kernel regressions has the field of --hue".to_owned()));
    }
    let paints = group_paints(&groups);
    let mut table = Table::new(["group", "quantity", "n", "num_runs", "mean", "ci90_low", "ci90_high"]);
    let mut panels = Vec::new();
    for (name, label, quantity) in QUANTITIES {
        let mut marks = Vec::new();
        for (group, &paint) in groups.iter().zip(&paints) {
            let means = means(group, quantity);
            for (n, count, (mean, interval)) in &means {
                let [low, high] = interval.map_or([None; 2], |ends| ends.map(Some));
                let numbers = [n.to_string(), count.to_string(), cell(*mean), cell(low), cell(high)];
                let [n, count, mean, low, high] = numbers;
                table.push([group.name.clone(), name.to_owned(), n, count, mean, low, high]);
            }
            let point = |(n, _, (mean, interval)): &(u64, usize, WithInterval)| Point {
                interval_y: *interval,
                ..Point::new(*n as f64, *mean, paint)
            };
            marks.push(Mark::line(means.iter().map(|(n, _, (mean, _))| [*n as f64, *mean]).collect(), paint));
            marks.push(Mark::Points { points: means.iter().map(point).collect(), radius: 3.4 });
        }
        // A training error is 0 wherever labels are interpolated.
        let y =
            if name == "train_error" { Axis::linear(label).including(0.0).including(0.01) } else { Axis::log(label) };
        panels.push(Panel::new(Axis::log("training samples n"), y, marks).titled(label));
    }
    let repeated = groups.iter().any(|group| group.runs.len() > 1);
    let means = if repeated { " Means if several runs have the same n, with 90 % bootstrap intervals." } else { "" };
    Ok(Drawing {
        title: "Labels fitted by a Gaussian kernel".to_owned(),
        caption: format!(
            "{}. Vertical lines: 90 % intervals of the test error, from the number of test samples.{means}",
            counted(runs.len(), "run")
        ),
        keys: group_keys(&groups, hue, |paint, name| Key::Point(Shape::Disc, paint, name)),
        panels,
        columns: 3,
        panel_size: [265.0, 220.0],
        table,
    })
}

/// By n: how many runs have it, their mean, and its interval: over runs by bootstrap, or that of a single one.
fn means(group: &Group, quantity: Quantity) -> Vec<(u64, usize, WithInterval)> {
    let mut at: BTreeMap<u64, Vec<WithInterval>> = BTreeMap::new();
    for fit in group.runs.iter().flat_map(|run| fits(run)) {
        at.entry(fit.n as u64).or_default().push(quantity(&fit));
    }
    let mean = |(n, values): (u64, Vec<WithInterval>)| match values[..] {
        [one] => (n, 1, one),
        _ => {
            let all: Vec<f64> = values.iter().map(|(value, _)| *value).collect();
            (n, values.len(), mean_interval(&all, LEVEL))
        }
    };
    at.into_iter().map(mean).collect()
}

fn draw_residuals(input: &Input) -> Result<Drawing, NoData> {
    let runs = regressions(input)?;
    let residuals = |fit: Fit| Some((fit.n as u64, fit.iterative?.residuals));
    let of_run = |run| fits(run).into_iter().filter_map(residuals).map(move |(n, residuals)| (n, run, residuals));
    let mut fits: Vec<(u64, &Run, Vec<f64>)> = runs.iter().flat_map(|&run| of_run(run)).collect();
    fits.retain(|(_, _, residuals)| !residuals.is_empty());
    fits.sort_by_key(|(n, run, _)| (*n, run.path.clone()));
    let (Some((smallest, ..)), Some((largest, ..))) = (fits.first(), fits.last()) else {
        return Err(NoData::of("a kernel regression by --solver iterative or both"));
    };
    let mut sizes: Vec<u64> = fits.iter().map(|(n, ..)| *n).collect();
    sizes.dedup();
    let is_ramp = sizes.len() > Paint::NUM_SERIES;
    let paint = |n: u64| match is_ramp {
        true => Paint::step((n as f64 / *smallest as f64).ln() / (*largest as f64 / *smallest as f64).ln()),
        // Every fit's n is among the sizes.
        false => Paint::Series(sizes.iter().position(|size| *size == n).unwrap_or(0)),
    };
    let mut table = Table::new(["run_dir", "n", "iteration", "residual"]);
    let mut lines = Vec::new();
    for (n, run, residuals) in &fits {
        // Before the first iteration the solution is 0.
        let points: Vec<[f64; 2]> =
            std::iter::once(1.0).chain(residuals.iter().copied()).enumerate().map(|(i, r)| [i as f64, r]).collect();
        for [iteration, residual] in &points {
            table.push([run.path.display().to_string(), n.to_string(), iteration.to_string(), cell(*residual)]);
        }
        lines.push(Mark::line(points, paint(*n)));
    }
    let keys = match is_ramp {
        true => vec![Key::Ramp { label: "n".to_owned(), low: smallest.to_string(), high: largest.to_string() }],
        false => sizes.iter().map(|&n| Key::Line(paint(n), "", format!("n = {n}"))).collect(),
    };
    Ok(Drawing {
        title: "Convergence of the iterative solver".to_owned(),
        caption: format!("{}: the largest residual of a class, as a share of its targets.", counted(fits.len(), "fit")),
        keys,
        panels: vec![Panel::new(Axis::whole("iteration"), Axis::log("relative residual"), lines)],
        columns: 1,
        panel_size: [420.0, 260.0],
        table,
    })
}
