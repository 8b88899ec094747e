//! Draws λ̂ of ReLU networks against the factor of a rescaling that leaves their function as it is (`llc rescaling`).

use llc::record::read::Run;
use serde_json::Value;

use super::figure::{Figure, Input, NoData, counted};
use crate::plot::paint::Paint;
use crate::plot::panel::{Axis, Drawing, Key, Mark, Panel, Point, Shape, Table, cell};

pub const FIGURE: Figure = Figure {
    name: "rescaling",
    summary: "λ̂ of ReLU networks against the factor of a rescaling that doesn't change their function",
    shows_single_runs: false,
    draw,
};

/// λ̂ of one network at one factor, over seeds.
struct At {
    preconditioner: String,
    network: String,
    factor: f64,
    llc: f64,
    interval: Option<[f64; 2]>,
    num_seeds: usize,
    num_diverged: u64,
}

fn points(run: &Run) -> Vec<At> {
    let Some(report) = run.report.as_ref().filter(|report| report["experiment"] == "rescaling") else {
        return Vec::new();
    };
    let read = |point: &Value| {
        let ends = [&point["llc"]["ci90"][0], &point["llc"]["ci90"][1]].map(Value::as_f64);
        Some(At {
            preconditioner: report["preconditioner"].as_str()?.to_owned(),
            network: point["network"].as_str()?.to_owned(),
            factor: point["factor"].as_f64()?,
            llc: point["llc"]["mean"].as_f64().unwrap_or(f64::NAN),
            interval: if let [Some(low), Some(high)] = ends { Some([low, high]) } else { None },
            num_seeds: point["trials"].as_array().map_or(0, Vec::len),
            num_diverged: point["num_diverged"].as_u64().unwrap_or(0),
        })
    };
    let mut points: Vec<At> = report["points"].as_array().into_iter().flatten().filter_map(read).collect();
    // An interrupted run may have some of a point's seeds only.
    let num_seeds = points.iter().map(|at| at.num_seeds).max();
    points.retain(|at| Some(at.num_seeds) == num_seeds);
    points
}

/// What lines and points of a preconditioner look like, and what they are called.
const LOOKS: [(&str, &str, Shape, &str); 2] = [
    ("invariant", "ε scaled with the parameters", Shape::Disc, ""),
    ("none", "the same ε for all, where no chain diverged", Shape::Ring, "4 3"),
];

fn draw(input: &Input) -> Result<Drawing, NoData> {
    let runs: Vec<&Run> = input.runs.iter().filter(|run| !points(run).is_empty()).collect();
    let points: Vec<At> = runs.iter().flat_map(|run| points(run)).collect();
    if points.is_empty() {
        return Err(NoData::of("a rescaling (llc rescaling)"));
    }
    let mut networks: Vec<&str> = Vec::new();
    for at in &points {
        if !networks.contains(&at.network.as_str()) {
            networks.push(&at.network);
        }
    }
    let (mut marks, mut keys) = (Vec::new(), Vec::new());
    for (name, told, shape, dashes) in LOOKS {
        let is_shown = |at: &&At| at.preconditioner == name && at.llc.is_finite() && at.num_diverged == 0;
        if points.iter().any(|at| is_shown(&at)) {
            keys.push(Key::Point(shape, Paint::Ink, told.to_owned()));
        }
        for (index, network) in networks.iter().enumerate() {
            let paint = Paint::Series(index);
            let mut shown: Vec<&At> = points.iter().filter(is_shown).filter(|at| at.network == *network).collect();
            shown.sort_by(|a, b| a.factor.total_cmp(&b.factor));
            let line = shown.iter().map(|at| [at.factor, at.llc]).collect();
            marks.push(Mark::Line { points: line, paint, width: 1.4, dashes, opacity: 1.0, label: None });
            let point = |at: &&At| Point { interval_y: at.interval, shape, ..Point::new(at.factor, at.llc, paint) };
            marks.push(Mark::Points { points: shown.iter().map(point).collect(), radius: 3.6 });
        }
    }
    let lines = networks.iter().enumerate().map(|(i, name)| Key::Line(Paint::Series(i), "", (*name).to_owned()));
    let keys = lines.chain(keys).collect();
    let num_seeds = points.iter().map(|at| at.num_seeds).max().unwrap_or(0);
    let num_diverged: u64 = points.iter().map(|at| at.num_diverged).sum();
    let diverged = match num_diverged {
        0 => String::new(),
        n => format!(" {} diverged; points with one are left out.", counted(n as usize, "chain")),
    };
    Ok(Drawing {
        title: "λ̂ of rescaled ReLU networks".to_owned(),
        caption: format!(
            "{}. The first layer times the factor, the second layer's weights over it. Means over {} with 90 % intervals.{diverged}",
            counted(runs.len(), "run"),
            counted(num_seeds, "seed"),
        ),
        keys,
        panels: vec![Panel::new(Axis::log("factor"), Axis::linear("λ̂").including(0.0), marks)],
        columns: 1,
        panel_size: [470.0, 330.0],
        table: table(&points),
    })
}

fn table(points: &[At]) -> Table {
    let columns = ["network", "preconditioner", "factor", "num_seeds", "llc", "ci90_low", "ci90_high", "num_diverged"];
    let mut table = Table::new(columns);
    for at in points {
        table.push([
            at.network.clone(),
            at.preconditioner.clone(),
            cell(at.factor),
            at.num_seeds.to_string(),
            cell(at.llc),
            cell(at.interval.map(|ends| ends[0])),
            cell(at.interval.map(|ends| ends[1])),
            at.num_diverged.to_string(),
        ]);
    }
    table
}
