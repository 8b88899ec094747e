//! Draws λ̂ and seconds of samplers on the same networks and data against n (`llc mala-vs-sgld`): side by side, and one above the other.

use llc::record::read::Run;
use serde_json::Value;

use super::figure::{Figure, Input, NoData, counted};
use crate::plot::paint::Paint;
use crate::plot::panel::{Axis, Drawing, Key, Mark, Panel, Point, Shape, Table, cell};

pub const FIGURE: Figure = Figure {
    name: "sampler-comparison",
    summary: "λ̂, seconds and acceptance of SGLD, MALA and HMC on the same ReLU networks, against n",
    shows_single_runs: false,
    draw: |input| draw(input, 3, [280.0, 250.0]),
};

pub const COLUMN: Figure = Figure {
    name: "sampler-comparison-column",
    summary: "the same, one panel above the other",
    shows_single_runs: false,
    draw: |input| draw(input, 1, [420.0, 230.0]),
};

/// The samplers in the order of their keys, each with its colour: purple and orange as published.
const LOOKS: [(&str, &str, Paint); 3] = [
    ("sgld", "SGLD, minibatches", Paint::Series(3)),
    ("mala", "MALA, all samples", Paint::Series(1)),
    ("hmc", "HMC, all samples", Paint::Series(0)),
];

/// What a panel shows of a point: the name in the report, the label, and whether its axis is logarithmic.
const QUANTITIES: [(&str, &str, bool); 3] =
    [("llc", "λ̂", false), ("sampling_s", "seconds of sampling", true), ("acceptance", "mean acceptance", false)];

/// One sampler at one n.
struct At<'a> {
    sampler: &'a str,
    n: f64,
    point: &'a Value,
}

fn points<'a>(run: &'a Run) -> Vec<At<'a>> {
    let report = run.report.as_ref().filter(|report| report["experiment"] == "mala-vs-sgld");
    let points = report.and_then(|report| report["points"].as_array());
    let read = |point: &'a Value| Some(At { sampler: point["sampler"].as_str()?, n: point["n"].as_f64()?, point });
    let mut points: Vec<At> = points.into_iter().flatten().filter_map(read).collect();
    // An interrupted run may have some of a point's runs only.
    let num_runs = |at: &At| at.point["trials"].as_array().map_or(0, Vec::len);
    let most = points.iter().map(num_runs).max();
    points.retain(|at| Some(num_runs(at)) == most);
    points
}

/// Mean and interval over runs.
fn quantity(at: &At, name: &str) -> Option<(f64, Option<[f64; 2]>)> {
    let value = &at.point[name];
    let ends = [&value["ci90"][0], &value["ci90"][1]].map(Value::as_f64);
    let interval = if let [Some(low), Some(high)] = ends { Some([low, high]) } else { None };
    Some((value["mean"].as_f64()?, interval))
}

fn draw(input: &Input, columns: usize, panel_size: [f64; 2]) -> Result<Drawing, NoData> {
    let runs: Vec<&Run> = input.runs.iter().filter(|run| !points(run).is_empty()).collect();
    let points: Vec<At> = runs.iter().flat_map(|run| points(run)).collect();
    if points.is_empty() {
        return Err(NoData::of("a comparison (llc mala-vs-sgld)"));
    }
    let mut table =
        Table::new(["sampler", "n", "quantity", "num_runs", "mean", "ci90_low", "ci90_high", "num_diverged"]);
    let mut panels = Vec::new();
    for (name, label, is_log) in QUANTITIES {
        let mut marks = Vec::new();
        for (index, (sampler, _, paint)) in LOOKS.into_iter().enumerate() {
            let mut shown: Vec<&At> = points.iter().filter(|at| at.sampler == sampler).collect();
            shown.sort_by(|a, b| a.n.total_cmp(&b.n));
            let (mut line, mut discs) = (Vec::new(), Vec::new());
            for at in shown {
                let Some((mean, interval)) = quantity(at, name) else { continue };
                let num_runs = at.point[name]["per_seed"].as_array().map_or(0, Vec::len);
                table.push([
                    sampler.to_owned(),
                    cell(at.n),
                    name.to_owned(),
                    num_runs.to_string(),
                    cell(mean),
                    cell(interval.map(|ends| ends[0])),
                    cell(interval.map(|ends| ends[1])),
                    at.point["num_diverged"].to_string(),
                ]);
                // Side by side, by a few percent of n, so that intervals don't hide each other.
                let x = at.n * [0.95, 1.0, 1.05][index];
                line.push([x, mean]);
                discs.push(Point { interval_y: interval, ..Point::new(x, mean, paint) });
            }
            marks.push(Mark::line(line, paint));
            marks.push(Mark::Points { points: discs, radius: 3.6 });
        }
        let y = match (is_log, name) {
            (true, _) => Axis::log(label),
            (false, "acceptance") => Axis::linear(label).between(0.0, 1.02),
            (false, _) => Axis::linear(label).including(0.0),
        };
        panels.push(Panel::new(Axis::log("samples n"), y, marks).titled(label));
    }
    let is_there = |sampler: &str| points.iter().any(|at| at.sampler == sampler);
    let keys = LOOKS.into_iter().filter(|(sampler, ..)| is_there(sampler));
    let num_runs = points.iter().map(|at| at.point["trials"].as_array().map_or(0, Vec::len)).max().unwrap_or(0);
    let num_diverged: u64 = points.iter().filter_map(|at| at.point["num_diverged"].as_u64()).sum();
    let diverged = match num_diverged {
        0 => String::new(),
        n => format!(" {} diverged and are left out.", counted(n as usize, "chain")),
    };
    Ok(Drawing {
        title: "SGLD against MALA and HMC".to_owned(),
        caption: format!("Means over {} with 90 % intervals.{diverged}", counted(num_runs, "run")),
        keys: keys.map(|(_, told, paint)| Key::Point(Shape::Disc, paint, told.to_owned())).collect(),
        panels,
        columns,
        panel_size,
        table,
    })
}
