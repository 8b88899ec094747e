//! Draws λ̂ of every point of trainings followed by `llc curve`, with its interval and its verdict, and the losses below.

use llc::record::read::Run;

use super::against_lambda::verdict_keys;
use super::curves::{At, curves, points};
use super::figure::{Figure, Input, NoData, counted};
use super::hue::{group_keys, group_paints};
use crate::plot::paint::Paint;
use crate::plot::panel::{Axis, Drawing, Key, Mark, Panel, Point, Table, cell};
use crate::records::estimate::Estimate;
use crate::records::group::{Group, groups};

pub const FIGURE: Figure = Figure {
    name: "llc-over-training",
    summary: "λ̂ of every point of a training with its interval and verdict, training and test loss below; one colour \
              for each run or --hue",
    shows_single_runs: false,
    draw,
};

const TRAINING: &str = "";
const TEST: &str = "5 3";

fn draw(input: &Input) -> Result<Drawing, NoData> {
    let runs = curves(input)?;
    let hue = input.options.hue.as_deref();
    let groups = coloured(&runs, hue);
    if groups.is_empty() {
        return Err(NoData("none of the curves has the field of --hue".to_owned()));
    }
    let mut table =
        Table::new(["run_dir", "group", "step", "llc", "ci90_low", "ci90_high", "verdict", "train_loss", "test_loss"]);
    let (mut lines, mut marks, mut losses, mut verdicts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (group, paint) in groups.iter().zip(group_paints(&groups)) {
        for run in &group.runs {
            let points = points(run);
            points.iter().for_each(|at| table.push(row(run, group, at)));
            let line = |quantity: fn(&At) -> f64, width: f64, dashes: &'static str| Mark::Line {
                points: points.iter().map(|at| [at.step as f64, quantity(at)]).filter(|[_, y]| y.is_finite()).collect(),
                paint,
                width,
                dashes,
                opacity: 1.0,
                label: None,
            };
            lines.push(line(|at| at.estimate.map_or(f64::NAN, |estimate| estimate.llc), 1.0, ""));
            losses.push(line(|at| at.train_loss, 1.6, TRAINING));
            losses.push(line(|at| at.test_loss, 1.6, TEST));
            let estimates = points.iter().filter_map(|at| at.estimate.map(|estimate| (at.step as f64, estimate)));
            let estimates: Vec<_> = estimates.collect();
            verdicts.extend(estimates.iter().map(|(_, estimate)| estimate.verdict));
            let mark = |&(step, estimate): &(f64, Estimate)| Point {
                interval_y: estimate.interval,
                shape: estimate.verdict.shape(),
                ..Point::new(step, estimate.llc, paint)
            };
            marks.push(Mark::Points { points: estimates.iter().map(mark).collect(), radius: 3.2 });
        }
    }
    let mut keys = verdict_keys(verdicts.into_iter());
    keys.push(Key::Line(Paint::Ink, TRAINING, "training loss".to_owned()));
    keys.push(Key::Line(Paint::Ink, TEST, "test loss".to_owned()));
    if groups.len() > 1 {
        keys.extend(group_keys(&groups, hue, |paint, name| Key::Line(paint, "", name)));
    }
    let zero = Mark::AtY { y: 0.0, label: String::new() };
    let of_llc = [vec![zero], lines, marks].concat();
    let step = || Axis::linear("step of the training");
    Ok(Drawing {
        title: "λ̂ over training".to_owned(),
        caption: format!("{}. Vertical lines: 90 % intervals of the sampling error.", counted(runs.len(), "training")),
        keys,
        panels: vec![Panel::new(step(), Axis::linear("λ̂"), of_llc), Panel::new(step(), Axis::linear("loss"), losses)],
        columns: 1,
        panel_size: [520.0, 230.0],
        table,
    })
}

/// The runs that have a colour in common: those of one value of `hue`, or without it each by itself.
fn coloured<'a>(runs: &[&'a Run], hue: Option<&str>) -> Vec<Group<'a>> {
    match hue {
        Some(_) => groups(runs, hue),
        None => {
            runs.iter().map(|&run| Group { name: format!("run {}", run.id), number: None, runs: vec![run] }).collect()
        }
    }
}

fn row(run: &Run, group: &Group, at: &At) -> [String; 9] {
    let [low, high] = at.estimate.and_then(|estimate| estimate.interval).map_or([None; 2], |ends| ends.map(Some));
    [
        run.path.display().to_string(),
        group.name.clone(),
        at.step.to_string(),
        cell(at.estimate.map(|estimate| estimate.llc)),
        cell(low),
        cell(high),
        at.estimate.map_or("", |estimate| estimate.verdict.word()).to_owned(),
        cell(at.train_loss),
        cell(at.test_loss),
    ]
}
