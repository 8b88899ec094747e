//! Draws λ̂, test accuracy and training loss over trainings followed by `llc curve`, or by `llc estimate` on several checkpoints: means over seeds, with their intervals.

use std::collections::BTreeMap;

use llc::record::read::Run;
use llc::report::read::Said;

use super::against_lambda::verdict_keys;
use super::figure::{Figure, Input, LEVEL, NoData, counted};
use super::hue::{group_keys, group_paints};
use crate::plot::panel::{Axis, Drawing, Key, Mark, Panel, Point, Table, cell};
use crate::records::estimate::{Estimate, Verdict};
use crate::records::group::{Group, fit_beside_lines, grouped_by, groups};
use crate::statistics::bootstrap::mean_interval;

pub const FAMILIES: Figure = Figure {
    name: "curves",
    summary: "λ̂, test accuracy and training loss over the training: one line for each --hue, means and intervals \
              over seeds",
    shows_single_runs: false,
    draw: draw_families,
};

pub const AGAINST_LOSS: Figure = Figure {
    name: "llc-against-test",
    summary: "λ̂ of every point of a training against its test accuracy and its training loss",
    shows_single_runs: false,
    draw: draw_against,
};

/// Whether the run has a curve: that of a training, or of several checkpoints of one.
fn is_followed(run: &Run) -> bool {
    ["curve", "estimate"].contains(&run.command.as_str()) && !points(run).is_empty()
}

/// One point of a curve.
pub struct At {
    pub step: u64,
    pub estimate: Option<Estimate>,
    pub test_accuracy: f64,
    pub train_loss: f64,
    pub test_loss: f64,
}

/// The points of the curve that `run` followed; none where it is of another kind.
pub fn points(run: &Run) -> Vec<At> {
    let number = |value: Option<f64>| value.unwrap_or(f64::NAN);
    let read = |point: &Said| {
        Some(At {
            step: point.step?,
            estimate: Estimate::read(point),
            test_accuracy: number(point.test_accuracy),
            train_loss: number(point.train_loss),
            test_loss: number(point.test_loss),
        })
    };
    Said::of(run.report.as_ref()).points.iter().filter_map(read).collect()
}

/// The curves among the runs of `input`.
pub fn curves<'a>(input: &Input<'a>) -> Result<Vec<&'a Run>, NoData> {
    let runs: Vec<&Run> = input.runs.iter().filter(|run| is_followed(run)).collect();
    if runs.is_empty() { Err(NoData::of("a curve (llc curve)")) } else { Ok(runs) }
}

/// What a panel shows of a point.
type Quantity = fn(&At) -> f64;

const QUANTITIES: [(&str, &str, Quantity); 3] = [
    ("llc", "λ̂", |at| at.estimate.map_or(f64::NAN, |estimate| estimate.llc)),
    ("test_accuracy", "test accuracy", |at| at.test_accuracy),
    ("train_loss", "training loss", |at| at.train_loss),
];

fn draw_families(input: &Input) -> Result<Drawing, NoData> {
    let runs = curves(input)?;
    let groups = groups(&runs, input.options.hue.as_deref());
    if groups.is_empty() {
        return Err(NoData("none of the curves has the field of --hue".to_owned()));
    }
    let paints = group_paints(&groups);
    let one_field = grouped_by(&runs, input.options.hue.as_deref()).filter(|by| !by.contains(','));
    let is_labelled = fit_beside_lines(&groups);
    let mut table = Table::new(["group", "quantity", "step", "num_runs", "mean", "ci90_low", "ci90_high"]);
    let mut panels = Vec::new();
    for (name, label, quantity) in QUANTITIES {
        let (mut bands, mut lines) = (Vec::new(), Vec::new());
        for (group, &paint) in groups.iter().zip(&paints) {
            let means = means(group, quantity);
            for (step, count, mean, interval) in &means {
                let [low, high] = interval.map_or([None; 2], |ends| ends.map(Some));
                table.push([
                    group.name.clone(),
                    name.to_owned(),
                    step.to_string(),
                    count.to_string(),
                    cell(*mean),
                    cell(low),
                    cell(high),
                ]);
            }
            let band =
                means.iter().filter_map(|(step, _, _, interval)| interval.map(|[low, high]| [*step as f64, low, high]));
            bands.push(Mark::Band { points: band.collect(), paint });
            let points = means.iter().map(|(step, _, mean, _)| [*step as f64, *mean]).collect();
            let label = (is_labelled && name == "train_loss").then(|| group.name.clone());
            lines.push(Mark::Line { points, paint, width: 1.8, dashes: "", opacity: 1.0, label });
        }
        let mut marks = bands;
        marks.extend(lines);
        if name == "llc" {
            marks.insert(0, Mark::AtY { y: 0.0, label: String::new() });
        }
        let marks = marks.into_iter().filter(|mark| !matches!(mark, Mark::Band { points, .. } if points.len() < 2));
        panels
            .push(Panel::new(Axis::linear("step of the training"), Axis::linear(label), marks.collect()).titled(label));
    }
    let num_seeds = groups.iter().map(|group| group.runs.len()).max().unwrap_or(1);
    let (mut num_untrusted, mut num_points) = (0, 0);
    for at in runs.iter().flat_map(|run| points(run)) {
        num_points += 1;
        num_untrusted += usize::from(at.estimate.is_none_or(|estimate| estimate.verdict == Verdict::NotTrusted));
    }
    let interval = match num_seeds {
        1 => "Band: 90 % interval of λ̂'s sampling error.".to_owned(),
        n => format!("Lines: means over up to {n} seeds; bands: their 90 % bootstrap intervals."),
    };
    let by = one_field.as_ref().filter(|_| is_labelled).map_or(String::new(), |by| format!(", by {by}"));
    Ok(Drawing {
        title: format!("λ̂ over training{by}"),
        caption: format!(
            "{}. {interval} {num_untrusted} of {num_points} estimates are not trusted.",
            counted(runs.len(), "run")
        ),
        keys: if groups.len() > 1 && !is_labelled {
            let line = |paint, name| Key::Line(paint, "", name);
            group_keys(&groups, one_field.as_deref(), line)
        } else {
            Vec::new()
        },
        panels,
        columns: 3,
        panel_size: [270.0, 220.0],
        table,
    })
}

/// A value of one run, and its interval.
type WithInterval = (f64, Option<[f64; 2]>);

/// By step: how many runs have it, their mean, and its interval: over seeds by bootstrap, or for a single run that of its own λ̂.
fn means(group: &Group, quantity: Quantity) -> Vec<(u64, usize, f64, Option<[f64; 2]>)> {
    let mut at: BTreeMap<u64, Vec<WithInterval>> = BTreeMap::new();
    for point in group.runs.iter().flat_map(|run| points(run)) {
        let value = quantity(&point);
        if value.is_finite() {
            let own = point.estimate.filter(|estimate| estimate.llc == value).and_then(|estimate| estimate.interval);
            at.entry(point.step).or_default().push((value, own));
        }
    }
    let mean = |(step, values): (u64, Vec<WithInterval>)| match values[..] {
        [(value, own)] => (step, 1, value, own),
        _ => {
            let (mean, interval) = mean_interval(&values.iter().map(|(value, _)| *value).collect::<Vec<_>>(), LEVEL);
            (step, values.len(), mean, interval)
        }
    };
    at.into_iter().map(mean).collect()
}

fn draw_against(input: &Input) -> Result<Drawing, NoData> {
    let runs = curves(input)?;
    let groups = groups(&runs, input.options.hue.as_deref());
    let paints = group_paints(&groups);
    let one_field = grouped_by(&runs, input.options.hue.as_deref()).filter(|by| !by.contains(','));
    let columns =
        ["run_dir", "group", "step", "llc", "ci90_low", "ci90_high", "test_accuracy", "train_loss", "verdict"];
    let mut table = Table::new(columns);
    let (mut by_accuracy, mut by_loss, mut verdicts) = (Vec::new(), Vec::new(), Vec::new());
    for (group, &paint) in groups.iter().zip(&paints) {
        for run in &group.runs {
            for at in points(run) {
                let Some(estimate) = at.estimate else { continue };
                let [low, high] = estimate.interval.map_or([None; 2], |ends| ends.map(Some));
                table.push([
                    run.path.display().to_string(),
                    group.name.clone(),
                    at.step.to_string(),
                    cell(estimate.llc),
                    cell(low),
                    cell(high),
                    cell(at.test_accuracy),
                    cell(at.train_loss),
                    estimate.verdict.word().to_owned(),
                ]);
                let point = Point {
                    interval_y: estimate.interval,
                    shape: estimate.verdict.shape(),
                    ..Point::new(at.test_accuracy, estimate.llc, paint)
                };
                by_accuracy.push(point);
                by_loss.push(Point { x: at.train_loss, ..point });
                verdicts.push(estimate.verdict);
            }
        }
    }
    if by_accuracy.is_empty() {
        return Err(NoData("none of the curves has an estimate".to_owned()));
    }
    let panel = |label: &str, points: Vec<Point>| {
        Panel::new(Axis::linear(label), Axis::linear("λ̂"), vec![Mark::Points { points, radius: 3.2 }])
    };
    let mut keys = verdict_keys(verdicts.into_iter());
    if groups.len() > 1 {
        let point = |paint, name| Key::Point(crate::plot::panel::Shape::Disc, paint, name);
        keys.extend(group_keys(&groups, one_field.as_deref(), point));
    }
    Ok(Drawing {
        title: "λ̂ against test accuracy and training loss".to_owned(),
        caption: format!(
            "Every point of {}; vertical lines: 90 % intervals of the sampling error.",
            counted(runs.len(), "training")
        ),
        keys,
        panels: vec![panel("test accuracy", by_accuracy), panel("training loss", by_loss)],
        columns: 2,
        panel_size: [300.0, 260.0],
        table,
    })
}
