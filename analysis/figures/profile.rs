//! Draws ladders of scales (`llc profile`): λ̂ over the radius of the region that it describes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use llc::record::read::Run;
use llc::report::profile::{Profile, Rung, Subject};
use llc::report::read;

use super::figure::{Figure, Input, NoData, counted};
use super::hue::{group_keys, group_paints};
use crate::plot::paint::Paint;
use crate::plot::panel::{Axis, Drawing, Key, Mark, Panel, Point, Shape, Table, cell};
use crate::records::estimate::Estimate;
use crate::records::group::{grouped_by, groups};

pub const FIGURE: Figure = Figure {
    name: "profile",
    summary: "λ̂ over the radius of its region, for every rung of a ladder of scales, with the exact value if it is \
              known",
    shows_single_runs: false,
    draw,
};

/// One rung.
struct At {
    radius: f64,
    n_beta: f64,
    gamma: f64,
    estimate: Estimate,
    is_certified: bool,
    exact: f64,
}

fn profile(run: &Run) -> Option<Profile> {
    read::found(run.report.as_ref(), "profile")
}

fn rungs(profile: &Profile) -> Vec<At> {
    let read = |rung: &Rung| {
        Some(At {
            radius: Some(rung.radius).filter(|radius| *radius > 0.0)?,
            n_beta: rung.estimate.n_beta,
            gamma: rung.estimate.gamma,
            estimate: Estimate::of(&rung.estimate.llc, rung.estimate.judgement.verdict)?,
            is_certified: rung.is_certified,
            exact: rung.llc_exact.unwrap_or(f64::NAN),
        })
    };
    profile.rungs.iter().filter_map(read).collect()
}

fn draw(input: &Input) -> Result<Drawing, NoData> {
    let runs: Vec<(&Run, Vec<At>)> = input
        .runs
        .iter()
        .filter_map(|run| Some((run, rungs(&profile(run)?))))
        .filter(|(_, rungs)| !rungs.is_empty())
        .collect();
    if runs.is_empty() {
        return Err(NoData::of("a ladder of scales (llc profile)"));
    }
    let (paints, mut keys) = colours(input, &runs);
    let columns = [
        "run_dir",
        "radius",
        "n_beta",
        "gamma",
        "llc",
        "ci90_low",
        "ci90_high",
        "verdict",
        "is_certified",
        "llc_exact",
        "lambda_true",
    ];
    let mut table = Table::new(columns);
    let (mut exact, mut lines, mut points) = (Vec::new(), Vec::new(), Vec::new());
    for (run, rungs) in &runs {
        let paint = paints.get(&run.path).copied().unwrap_or(Paint::Muted);
        let lambda = lambda(run);
        let [first, last] = [0, rungs.len() - 1].map(|i| rungs[i].radius);
        let known: Vec<[f64; 2]> = match rungs.iter().any(|at| at.exact.is_finite()) {
            true => rungs.iter().map(|at| [at.radius, at.exact]).collect(),
            false => [first, last].map(|radius| [radius, lambda]).to_vec(),
        };
        exact.push(dashed(known, paint));
        lines.push(Mark::Line {
            points: rungs.iter().map(|at| [at.radius, at.estimate.llc]).collect(),
            paint,
            width: 1.2,
            dashes: "",
            opacity: 0.6,
            label: None,
        });
        for at in rungs {
            let shape = if at.is_certified { Shape::Disc } else { Shape::Ring };
            let interval_y = at.estimate.interval;
            points.push(Point { interval_y, shape, ..Point::new(at.radius, at.estimate.llc, paint) });
            let end = |i: usize| cell(interval_y.map(|ends| ends[i]));
            table.push([
                run.path.display().to_string(),
                cell(at.radius),
                cell(at.n_beta),
                cell(at.gamma),
                cell(at.estimate.llc),
                end(0),
                end(1),
                at.estimate.verdict.word().to_owned(),
                at.is_certified.to_string(),
                cell(at.exact),
                cell(lambda),
            ]);
        }
    }
    exact.retain(|mark| matches!(mark, Mark::Line { points, .. } if points.iter().any(|[_, y]| y.is_finite())));
    for (is_certified, shape, name) in [(true, Shape::Disc, "certified"), (false, Shape::Ring, "not certified")] {
        if runs.iter().flat_map(|(_, rungs)| rungs).any(|at| at.is_certified == is_certified) {
            keys.push(Key::Point(shape, Paint::Ink, name.to_owned()));
        }
    }
    if !exact.is_empty() {
        keys.push(Key::Line(Paint::Ink, "6 4", "exact".to_owned()));
    }
    let marks = exact.into_iter().chain(lines).chain([Mark::Points { points, radius: 3.4 }]).collect();
    let num_stopped = runs.iter().filter(|(run, _)| is_stopped(run)).count();
    let stopped = match num_stopped {
        0 => String::new(),
        n => format!(
            " {} ended before the last rung: the next one did not converge, or no time was left.",
            counted(n, "ladder")
        ),
    };
    Ok(Drawing {
        title: "λ̂ over the radius of its region".to_owned(),
        caption: format!(
            "{}; vertical lines: 90 % intervals of the sampling error. Each rung is wider than the previous \
             one.{stopped}",
            counted(runs.len(), "run")
        ),
        keys,
        panels: vec![Panel::new(Axis::log("radius √E|w − w*|²"), Axis::linear("λ̂").including(0.0), marks)],
        columns: 1,
        panel_size: [520.0, 300.0],
        table,
    })
}

/// The exact λ at w*, where the report has it.
fn lambda(run: &Run) -> f64 {
    let profile = profile(run);
    let known = profile.as_ref().and_then(|profile| profile.subject.lambda());
    known.filter(|known| known.lambda_true_is_local).map_or(f64::NAN, |known| known.lambda_true)
}

fn is_stopped(run: &Run) -> bool {
    profile(run).is_some_and(|profile| profile.stopped.is_some())
}

fn dashed(points: Vec<[f64; 2]>, paint: Paint) -> Mark {
    Mark::Line { points, paint, width: 1.8, dashes: "6 4", opacity: 1.0, label: None }
}

/// A colour for every run, or with --hue for every value of that field, and the keys that explain them.
fn colours(input: &Input, runs: &[(&Run, Vec<At>)]) -> (BTreeMap<PathBuf, Paint>, Vec<Key>) {
    let plain: Vec<&Run> = runs.iter().map(|(run, _)| *run).collect();
    let hue = input.options.hue.as_deref();
    let Some(hue) = hue else {
        let paint = |i: usize| match plain.len() {
            2..=Paint::NUM_SERIES | 0 | 1 => Paint::Series(i),
            len => Paint::step(i as f64 / (len - 1) as f64),
        };
        let paints = plain.iter().enumerate().map(|(i, run)| (run.path.clone(), paint(i))).collect();
        let keys = match plain.len() {
            2..=Paint::NUM_SERIES => {
                plain.iter().enumerate().map(|(i, run)| Key::Point(Shape::Disc, paint(i), name(run))).collect()
            }
            _ => Vec::new(),
        };
        return (paints, keys);
    };
    let groups = groups(&plain, Some(hue));
    let group_paints = group_paints(&groups);
    let by = grouped_by(&plain, Some(hue)).filter(|by| !by.contains(','));
    let keys = group_keys(&groups, by.as_deref(), |paint, name| Key::Point(Shape::Disc, paint, name));
    let paints = groups
        .iter()
        .zip(group_paints)
        .flat_map(|(group, paint)| group.runs.iter().map(move |run| (run.path.clone(), paint)).collect::<Vec<_>>());
    (paints.collect(), keys)
}

/// What a ladder is around.
fn around(subject: Subject) -> String {
    match subject {
        Subject::Checkpoint { checkpoint, .. } => {
            checkpoint.replace("checkpoint/", "").trim_end_matches(".safetensors").to_owned()
        }
        Subject::Model { network, .. } => network,
        Subject::DeepLinear { network, .. } => network.iter().map(usize::to_string).collect::<Vec<_>>().join("–"),
        Subject::Potential { potential, .. } => potential,
    }
}

/// What a run is around, with its number.
fn name(run: &Run) -> String {
    let (around, sampler) = match profile(run) {
        Some(profile) => (around(profile.subject), profile.chains.sampler),
        None => Default::default(),
    };
    let number = run.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let seed = &run.config["seed"];
    format!("{number}: {around}, {sampler}, seed {seed}")
}
