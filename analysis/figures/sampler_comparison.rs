//! Draws λ̂ and seconds of samplers on the same networks and data against n (`llc mala-vs-sgld`): side by side, and one above the other.

use llc::record::read::Run;
use llc::report::read;
use llc::report::trials::{Comparison, Sampled};

use super::figure::{Figure, Input, LEVEL, NoData, counted};
use crate::plot::paint::Paint;
use crate::plot::panel::{Axis, Drawing, Key, Mark, Panel, Point, Shape, Table, cell};
use crate::records::group::groups_besides;
use crate::records::trials::{self, Mean, Place, Quantity, places};

pub const FIGURE: Figure = Figure {
    name: "sampler-comparison",
    summary: "λ̂, seconds and acceptance of SGLD, MALA and HMC on the same ReLU networks, against n",
    shows_single_runs: false,
    draw: |input| draw(input, 3, [280.0, 250.0]),
};

pub const COLUMN: Figure = Figure {
    name: "sampler-comparison-column",
    summary: "the same, with panels stacked in a column",
    shows_single_runs: false,
    draw: |input| draw(input, 1, [420.0, 230.0]),
};

/// The samplers in the order of their keys, each with its colour: purple and orange as published.
const LOOKS: [(&str, &str, Paint); 3] = [
    ("sgld", "SGLD, minibatches", Paint::Series(3)),
    ("mala", "MALA, all samples", Paint::Series(1)),
    ("hmc", "HMC, all samples", Paint::Series(0)),
];

/// What a panel shows of a point: its name, its label, whether its axis is logarithmic, and what it takes of a chain.
const QUANTITIES: [(&str, &str, bool, Quantity); 3] = [
    ("llc", "λ̂", false, |trial| Some(trial.llc)),
    ("sampling_s", "seconds of sampling", true, |trial| Some(trial.sampling_s)),
    ("acceptance", "mean acceptance", false, |trial| trial.acceptance),
];

/// The part of a configuration that the figure shows by itself.
const AXES: [&str; 1] = ["config.comparison"];

/// The points of `run`, as far as it is a comparison: the sampler by its place among [`LOOKS`], and n.
fn points(run: &Run) -> Vec<trials::Point<usize>> {
    let Some(found) = read::found::<Comparison>(run.report.as_ref(), "mala-vs-sgld") else { return Vec::new() };
    let point = |point: Sampled| {
        let sampler = LOOKS.iter().position(|(name, ..)| *name == point.sampler)?;
        Some((sampler, point.n as f64, point.trials))
    };
    found.points.into_iter().filter_map(point).collect()
}

fn draw(input: &Input, columns: usize, panel_size: [f64; 2]) -> Result<Drawing, NoData> {
    let runs: Vec<&Run> = input.runs.iter().filter(|run| !points(run).is_empty()).collect();
    let groups = groups_besides(&runs, input.options.hue.as_deref(), &AXES);
    let lines: Vec<(&str, Vec<Place<usize>>)> =
        groups.iter().map(|group| (group.name.as_str(), places(group, points))).collect();
    let lines: Vec<(&str, &[Place<usize>])> = lines
        .iter()
        .flat_map(|(group, places)| places.chunk_by(|a, b| a.series == b.series).map(|places| (*group, places)))
        .collect();
    if lines.is_empty() {
        return Err(NoData::of("a comparison (llc mala-vs-sgld)"));
    }
    // The samplers' own colours, as long as each has one line.
    let paint = |line: usize, sampler: usize| if groups.len() == 1 { LOOKS[sampler].2 } else { Paint::Series(line) };
    let mut table =
        Table::new(["group", "sampler", "n", "quantity", "num_runs", "mean", "ci90_low", "ci90_high", "num_diverged"]);
    let num_places = lines.iter().map(|(_, places)| places.len()).max().unwrap_or(0);
    let mut panels = Vec::new();
    for (name, label, is_log, quantity) in QUANTITIES {
        let mut marks = Vec::new();
        for (index, (group, places)) in lines.iter().enumerate() {
            let sampler = places[0].series;
            let (mut line, mut discs) = (Vec::new(), Vec::new());
            for place in *places {
                let Some(Mean { count, mean, interval }) = place.mean(quantity, LEVEL) else { continue };
                table.push([
                    (*group).to_owned(),
                    LOOKS[sampler].0.to_owned(),
                    cell(place.x),
                    name.to_owned(),
                    count.to_string(),
                    cell(mean),
                    cell(interval.map(|ends| ends[0])),
                    cell(interval.map(|ends| ends[1])),
                    place.num_diverged().to_string(),
                ]);
                // Side by side, by a few percent of n, so that intervals don't hide each other; a single n keeps its place.
                let x = if num_places > 1 { place.x * [0.95, 1.0, 1.05][sampler] } else { place.x };
                line.push([x, mean]);
                discs.push(Point { interval_y: interval, ..Point::new(x, mean, paint(index, sampler)) });
            }
            marks.push(Mark::line(line, paint(index, sampler)));
            marks.push(Mark::Points { points: discs, radius: 3.6 });
        }
        let y = match (is_log, name) {
            (true, _) => Axis::log(label),
            (false, "acceptance") => Axis::linear(label).between(0.0, 1.02),
            (false, _) => Axis::linear(label).including(0.0),
        };
        panels.push(Panel::new(Axis::log("samples n"), y, marks).titled(label));
    }
    let keys = lines.iter().enumerate().map(|(index, (group, places))| {
        let (_, label, _) = LOOKS[places[0].series];
        let label = if groups.len() == 1 { label.to_owned() } else { format!("{label}, {group}") };
        Key::Point(Shape::Disc, paint(index, places[0].series), label)
    });
    let all = || lines.iter().flat_map(|(_, places)| *places);
    let num_runs = all().map(Place::num_seeds).max().unwrap_or(0);
    let diverged = match all().map(Place::num_diverged).sum() {
        0 => String::new(),
        count => format!(" {} diverged and are left out.", counted(count, "chain")),
    };
    Ok(Drawing {
        title: "SGLD against MALA and HMC".to_owned(),
        caption: format!("Means over {} with 90 % intervals.{diverged}", counted(num_runs, "run")),
        keys: keys.collect(),
        panels,
        columns,
        panel_size,
        table,
    })
}
