//! Draws λ̂ of ReLU networks against the factor of a rescaling that leaves their function as it is (`llc rescaling`).

use llc::config::rescaling::Preconditioner;
use llc::record::read::Run;
use llc::report::read;
use llc::report::trials::{Rescaled, Rescaling};

use super::figure::{Figure, Input, LEVEL, NoData, counted};
use crate::plot::paint::Paint;
use crate::plot::panel::{Axis, Drawing, Key, Mark, Panel, Point, Shape, Table, cell};
use crate::records::group::groups_besides;
use crate::records::trials::{self, Mean, Place, places};

pub const FIGURE: Figure = Figure {
    name: "rescaling",
    summary: "λ̂ of ReLU networks against the factor of a rescaling that doesn't change their function",
    shows_single_runs: false,
    draw,
};

/// The parts of a configuration that the figure shows by itself.
const AXES: [&str; 2] = ["config.rescaling", "config.model.networks"];

/// Where a line of λ̂ belongs.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Series {
    preconditioner: Preconditioner,
    network: String,
}

/// The points of `run`, as far as it is a rescaling.
fn points(run: &Run) -> Vec<trials::Point<Series>> {
    let Some(found) = read::found::<Rescaling>(run.report.as_ref(), "rescaling") else { return Vec::new() };
    let preconditioner = found.preconditioner;
    let point = |point: Rescaled| (Series { preconditioner, network: point.network }, point.factor, point.trials);
    found.points.into_iter().map(point).collect()
}

/// What lines and points of a preconditioner look like, and what they are called.
const LOOKS: [(Preconditioner, &str, Shape, &str); 2] = [
    (Preconditioner::Invariant, "ε scaled with the parameters", Shape::Disc, ""),
    (Preconditioner::None, "the same ε for all, if no chain diverged", Shape::Ring, "4 3"),
];

fn draw(input: &Input) -> Result<Drawing, NoData> {
    let runs: Vec<&Run> = input.runs.iter().filter(|run| !points(run).is_empty()).collect();
    let groups = groups_besides(&runs, input.options.hue.as_deref(), &AXES);
    let lines: Vec<(&str, Vec<Place<Series>>)> =
        groups.iter().map(|group| (group.name.as_str(), places(group, points))).collect();
    if lines.iter().all(|(_, places)| places.is_empty()) {
        return Err(NoData::of("a rescaling (llc rescaling)"));
    }
    let label = |group: &str, network: &str| match groups.len() {
        1 => network.to_owned(),
        _ => format!("{network}, {group}"),
    };
    let mut labels: Vec<String> = Vec::new();
    let (mut marks, mut keys) = (Vec::new(), Vec::new());
    let mut table = Table::new(COLUMNS);
    for (name, legend, shape, dashes) in LOOKS {
        let is_shown = |place: &&Place<Series>| place.series.preconditioner == name && place.num_diverged() == 0;
        if lines.iter().any(|(_, places)| places.iter().any(|place| is_shown(&place))) {
            keys.push(Key::Point(shape, Paint::Ink, legend.to_owned()));
        }
        for (group, places) in &lines {
            for places in places.chunk_by(|a, b| a.series == b.series) {
                if places[0].series.preconditioner != name {
                    continue;
                }
                places.iter().for_each(|place| push(&mut table, group, place));
                let label = label(group, &places[0].series.network);
                if !labels.contains(&label) {
                    labels.push(label.clone());
                }
                let paint = Paint::Series(labels.iter().position(|known| *known == label).unwrap_or(0));
                let shown = places.iter().filter(is_shown);
                let shown = shown.filter_map(|place| Some((place.x, place.mean(|trial| Some(trial.llc), LEVEL)?)));
                let point =
                    |(x, llc): (f64, Mean)| Point { interval_y: llc.interval, shape, ..Point::new(x, llc.mean, paint) };
                let points: Vec<Point> = shown.map(point).collect();
                let line = points.iter().map(|point| [point.x, point.y]).collect();
                marks.push(Mark::Line { points: line, paint, width: 1.4, dashes, opacity: 1.0, label: None });
                marks.push(Mark::Points { points, radius: 3.6 });
            }
        }
    }
    let of_labels = labels.into_iter().enumerate().map(|(i, label)| Key::Line(Paint::Series(i), "", label));
    let keys = of_labels.chain(keys).collect();
    let all = || lines.iter().flat_map(|(_, places)| places);
    let num_seeds = all().map(Place::num_seeds).max().unwrap_or(0);
    let diverged = match all().map(Place::num_diverged).sum() {
        0 => String::new(),
        count => format!(" {} diverged; points with one are left out.", counted(count, "chain")),
    };
    Ok(Drawing {
        title: "λ̂ of rescaled ReLU networks".to_owned(),
        caption: format!(
            "{}. The factor multiplies the first layer and divides the second layer's weights. Means over {} with 90 \
             % intervals.{diverged}",
            counted(runs.len(), "run"),
            counted(num_seeds, "seed"),
        ),
        keys,
        panels: vec![Panel::new(Axis::log("factor"), Axis::linear("λ̂").including(0.0), marks)],
        columns: 1,
        panel_size: [470.0, 330.0],
        table,
    })
}

const COLUMNS: [&str; 9] =
    ["group", "network", "preconditioner", "factor", "num_seeds", "llc", "ci90_low", "ci90_high", "num_diverged"];

fn push(table: &mut Table, group: &str, place: &Place<Series>) {
    let llc = place.mean(|trial| Some(trial.llc), LEVEL);
    let end = |i: usize| cell(llc.as_ref().and_then(|llc| llc.interval).map(|ends| ends[i]));
    table.push([
        group.to_owned(),
        place.series.network.clone(),
        place.series.preconditioner.name().to_owned(),
        cell(place.x),
        place.num_seeds().to_string(),
        cell(llc.as_ref().map(|llc| llc.mean)),
        end(0),
        end(1),
        place.num_diverged().to_string(),
    ]);
}
