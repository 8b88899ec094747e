//! Shows which networks were run: how many parameters they have, and how λ goes with their shape.

use llc::report::read::Said;

use super::figure::{Figure, Input, NoData, counted};
use crate::plot::paint::Paint;
use crate::plot::panel::{Axis, Drawing, Mark, Panel, Point, Table, cell};
use crate::records::estimate::{Known, known};
use crate::statistics::quantiles::histogram;

pub const DIMENSIONS: Figure = Figure {
    name: "dimension-histogram",
    summary: "histogram of the networks' numbers of parameters",
    shows_single_runs: false,
    draw: draw_dimensions,
};

pub const TRUTHS: Figure = Figure {
    name: "lambda-against-shape",
    summary: "exact λ against parameters, rank, layers and multiplicity",
    shows_single_runs: false,
    draw: draw_truths,
};

fn draw_dimensions(input: &Input) -> Result<Drawing, NoData> {
    let d = |run: &llc::record::read::Run| Said::of(run.report.as_ref()).num_parameters().filter(|d| *d > 0.0);
    let sizes: Vec<f64> = input.runs.iter().filter_map(d).map(f64::log10).collect();
    if sizes.is_empty() {
        return Err(NoData("none of the runs has a report with its number of parameters".to_owned()));
    }
    // Bins of a quarter of a decade.
    let (low, high) =
        sizes.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &x| (low.min(x), high.max(x)));
    let (low, high) = ((low * 4.0).floor() / 4.0, (high * 4.0).floor() / 4.0 + 0.25);
    let bins = histogram(&sizes, low, high, ((high - low) * 4.0).round() as usize);
    let bars: Vec<[f64; 3]> =
        bins.into_iter().map(|[from, to, count]| [10_f64.powf(from), 10_f64.powf(to), count]).collect();
    let mut table = Table::new(["from", "to", "count"]);
    bars.iter().for_each(|bar| table.push(bar.map(cell)));
    Ok(Drawing {
        title: "Size of the networks".to_owned(),
        caption: format!("{}.", counted(sizes.len(), "run")),
        keys: Vec::new(),
        panels: vec![Panel::new(
            Axis::log("parameters d"),
            Axis::whole("runs").including(0.0),
            vec![Mark::Bars { bars, paint: Paint::Series(0), base: 0.0 }],
        )],
        columns: 1,
        panel_size: [440.0, 270.0],
        table,
    })
}

fn draw_truths(input: &Input) -> Result<Drawing, NoData> {
    let known = known(input.runs);
    if known.is_empty() {
        return Err(NoData::of("of a network whose λ is known"));
    }
    let mut table = Table::new(["run_dir", "d", "rank_true", "num_layers", "multiplicity", "lambda_true"]);
    for k in &known {
        let whole = [k.rank, k.num_layers as u64, k.multiplicity].map(|number| number.to_string());
        let [rank, num_layers, multiplicity] = whole;
        table.push([k.run.path.display().to_string(), cell(k.d), rank, num_layers, multiplicity, cell(k.lambda)]);
    }
    let panel = |axis: Axis, x: &dyn Fn(&Known) -> f64, extra: Vec<Mark>| {
        let points = known.iter().map(|k| Point::new(x(k), k.lambda, Paint::Series(0))).collect();
        let marks = [extra, vec![Mark::Points { points, radius: 3.0 }]].concat();
        Panel::new(axis, Axis::log("λ"), marks)
    };
    let (low, high) = known.iter().fold((f64::INFINITY, 0.0_f64), |(low, high), k| (low.min(k.d), high.max(k.d)));
    let half = Mark::Line {
        points: vec![[low, low / 2.0], [high, high / 2.0]],
        paint: Paint::Muted,
        width: 1.2,
        dashes: "5 4",
        opacity: 1.0,
        label: Some("d/2".to_owned()),
    };
    Ok(Drawing {
        title: "Exact λ against the shape of the network".to_owned(),
        caption: format!(
            "{}. Dashed: d/2, the coefficient of a regular model with the same number of parameters.",
            counted(known.len(), "network")
        ),
        keys: Vec::new(),
        panels: vec![
            panel(Axis::log("parameters d"), &|k| k.d, vec![half]),
            panel(Axis::whole("rank of the product"), &|k| k.rank as f64, vec![]),
            panel(Axis::whole("layers"), &|k| k.num_layers as f64, vec![]),
            panel(Axis::whole("multiplicity m"), &|k| k.multiplicity as f64, vec![]),
        ],
        columns: 2,
        panel_size: [270.0, 210.0],
        table,
    })
}
