//! Draws what chains did step by step: losses, acceptance, and both for a run each.

use llc::record::read::Run;
use llc::report::read::Said;

use super::chain_panels::is_finite;
use super::figure::{Figure, Input, NoData, counted, thinned};
use crate::plot::paint::Paint;
use crate::plot::panel::{Axis, Drawing, Mark, Panel, Table, cell};
use crate::plot::scale::readable;
use crate::records::chains::Chains;
use crate::statistics::quantiles::mean;

pub const LOSS: Figure = Figure {
    name: "loss-traces",
    summary: "the loss of the first chain of up to eight runs, draw by draw",
    shows_single_runs: true,
    draw: draw_losses,
};

pub const ACCEPTANCE: Figure = Figure {
    name: "acceptance-traces",
    summary: "the acceptance probability of the first chain of up to five runs, draw by draw",
    shows_single_runs: true,
    draw: draw_acceptances,
};

pub const PANELS: Figure = Figure {
    name: "trace-panels",
    summary: "losses and acceptance of all chains of up to six runs, one column for each run",
    shows_single_runs: true,
    draw: draw_panels,
};

/// Points of a line: more can't be distinguished.
const MAX_POINTS: usize = 900;
/// Draws that an acceptance is averaged over: single ones jump between 0 and 1.
const ACCEPTANCE_BINS: usize = 60;

fn draw_losses(input: &Input) -> Result<Drawing, NoData> {
    let runs = input.some(8, |run| input.chains(run).filter(is_finite));
    if runs.is_empty() {
        return Err(NoData("none of the runs has draws that are all finite".to_owned()));
    }
    let length = Length::new(runs.iter().map(|(_, chains)| chains));
    let mut table = Table::new(["run_dir", "draw", "loss", "loss_over_mean"]);
    let mut marks = Vec::new();
    for (i, (run, chains)) in runs.iter().enumerate() {
        let level = chains.kept().next().map_or(f64::NAN, mean);
        let mut points = points(&chains.loss[0], chains.stride);
        for point in &mut points {
            let [draw, loss] = *point;
            *point = [draw / length.of(chains), loss / level];
            table.push([run.path.display().to_string(), cell(draw), cell(loss), cell(point[1])]);
        }
        marks.push(Mark::Line {
            points,
            paint: Paint::Series(i),
            width: 0.9,
            dashes: "",
            opacity: 0.85,
            label: Some(label(run)),
        });
    }
    Ok(Drawing {
        title: "Losses along the chains".to_owned(),
        caption: format!(
            "First chain of {}, evenly chosen; the loss over its mean in the kept draws, to compare networks of any \
             size.",
            counted(runs.len(), "run")
        ),
        keys: Vec::new(),
        panels: vec![Panel::new(Axis::linear(length.label()), Axis::linear("loss L / mean of the kept"), marks)],
        columns: 1,
        panel_size: [500.0, 320.0],
        table,
    })
}

fn draw_acceptances(input: &Input) -> Result<Drawing, NoData> {
    let runs = input.some(5, |run| input.chains(run).filter(|chains| !chains.acceptance.is_empty()));
    if runs.is_empty() {
        return Err(NoData("none of the runs has an acceptance".to_owned()));
    }
    let length = Length::new(runs.iter().map(|(_, chains)| chains));
    let mut table = Table::new(["run_dir", "draw", "acceptance"]);
    let mut marks = Vec::new();
    for (i, (run, chains)) in runs.iter().enumerate() {
        let mut points = binned(&chains.acceptance[0], chains.stride);
        for point in &mut points {
            table.push([run.path.display().to_string(), cell(point[0]), cell(point[1])]);
            point[0] /= length.of(chains);
        }
        marks.push(Mark::Line {
            points,
            paint: Paint::Series(i),
            width: 1.5,
            dashes: "",
            opacity: 1.0,
            label: Some(label(run)),
        });
    }
    Ok(Drawing {
        title: "Acceptance along the chains".to_owned(),
        caption: format!(
            "First chain of {}, evenly chosen; means over a {ACCEPTANCE_BINS}th of the chain each.",
            counted(runs.len(), "run")
        ),
        keys: Vec::new(),
        panels: vec![Panel::new(
            Axis::linear(length.label()),
            Axis::linear("acceptance probability").between(0.0, 1.02),
            marks,
        )],
        columns: 1,
        panel_size: [500.0, 300.0],
        table,
    })
}

fn draw_panels(input: &Input) -> Result<Drawing, NoData> {
    let mut runs =
        input.some(6, |run| input.chains(run).filter(is_finite).filter(|chains| !chains.acceptance.is_empty()));
    if runs.is_empty() {
        return Err(NoData("none of the runs has draws with an acceptance".to_owned()));
    }
    // Rows of losses and of acceptance take turns: the last one may not be short.
    if runs.len() > 3 {
        runs.truncate(runs.len() / 3 * 3);
    }
    let mut table = Table::new(["run_dir", "quantity", "chain", "draw", "value"]);
    let (mut upper, mut lower) = (Vec::new(), Vec::new());
    for (run, chains) in &runs {
        upper.push(loss_panel(chains).titled(title(run, chains)));
        lower.push(acceptance_panel(chains));
        let mut push = |quantity: &str, chain: usize, points: Vec<[f64; 2]>| {
            for [draw, value] in points {
                let run_dir = run.path.display().to_string();
                table.push([run_dir, quantity.to_owned(), chain.to_string(), cell(draw), cell(value)]);
            }
        };
        chains.loss.iter().enumerate().for_each(|(i, loss)| push("loss", i, points(loss, chains.stride)));
        chains.acceptance.iter().enumerate().for_each(|(i, rate)| push("acceptance", i, binned(rate, chains.stride)));
    }
    // Three columns: losses above the acceptance of the same run.
    let columns = runs.len().min(3);
    let rows = upper.chunks(columns).zip(lower.chunks(columns));
    let mut panels = Vec::new();
    for (upper, lower) in rows {
        panels.extend_from_slice(upper);
        panels.extend_from_slice(lower);
    }
    Ok(Drawing {
        title: "Losses and acceptance of single runs".to_owned(),
        caption: "One colour for each chain; grey: warm-up. Title: parameters d, and mean acceptance over the kept \
                  draws."
            .to_owned(),
        keys: Vec::new(),
        panels,
        columns,
        panel_size: [235.0, 150.0],
        table,
    })
}

/// What draws are counted in: themselves, or chains where these are of different lengths.
enum Length {
    Draws,
    Chains,
}

impl Length {
    fn new<'a>(chains: impl Iterator<Item = &'a Chains>) -> Self {
        let mut lengths: Vec<usize> = chains.map(|chains| chains.loss[0].len() * chains.stride).collect();
        lengths.sort_unstable();
        match lengths[..] {
            [shortest, .., longest] if longest > 2 * shortest => Self::Chains,
            _ => Self::Draws,
        }
    }

    /// Draws of a unit.
    fn of(&self, chains: &Chains) -> f64 {
        match self {
            Self::Draws => 1.0,
            Self::Chains => (chains.loss[0].len() * chains.stride) as f64,
        }
    }

    fn label(&self) -> &'static str {
        match self {
            Self::Draws => "draw",
            Self::Chains => "share of the chain",
        }
    }
}

/// The losses of every chain, over a grey warm-up.
pub fn loss_panel(chains: &Chains) -> Panel {
    let line = |(i, loss): (usize, &Vec<f64>)| Mark::Line {
        points: points(loss, chains.stride),
        paint: Paint::Series(i),
        width: 0.8,
        dashes: "",
        opacity: 0.8,
        label: None,
    };
    let marks = warmup(chains).into_iter().chain(chains.loss.iter().enumerate().map(line)).collect();
    Panel::new(Axis::linear("draw"), Axis::linear("loss L"), marks)
}

/// The acceptance of every chain, over a grey warm-up.
pub fn acceptance_panel(chains: &Chains) -> Panel {
    let line = |(i, rate): (usize, &Vec<f64>)| Mark::line(binned(rate, chains.stride), Paint::Series(i));
    let marks = warmup(chains).into_iter().chain(chains.acceptance.iter().enumerate().map(line)).collect();
    let last = chains.loss.iter().map(|loss| loss.len() * chains.stride).max().unwrap_or(1) as f64;
    Panel::new(
        Axis::linear("draw").including(0.0).including(last),
        Axis::linear("acceptance").between(0.0, 1.02),
        marks,
    )
}

/// The part of a panel of draws that is warm-up.
pub fn warmup(chains: &Chains) -> Option<Mark> {
    (chains.num_warmup > 0).then_some(Mark::SpanX { from: 0.0, to: chains.num_warmup as f64 })
}

fn title(run: &Run, chains: &Chains) -> String {
    let d = Said::of(run.report.as_ref()).d();
    let kept = |rate: &Vec<f64>| rate.get(chains.num_warmup.div_ceil(chains.stride)..).unwrap_or_default().to_vec();
    let rates: Vec<f64> = chains.acceptance.iter().flat_map(kept).filter(|rate| rate.is_finite()).collect();
    let rate = if rates.is_empty() { String::new() } else { format!(", acceptance {:.2}", mean(&rates)) };
    format!("d = {}{rate}", d.map_or("?".to_owned(), |d| readable(d, 3)))
}

/// The name of a run in a figure.
pub fn label(run: &Run) -> String {
    let d = Said::of(run.report.as_ref()).d();
    d.map_or_else(|| format!("run {}", run.id), |d| format!("run {}: d {}", run.id, readable(d, 2)))
}

/// A chain's values against the draw.
fn points(values: &[f64], stride: usize) -> Vec<[f64; 2]> {
    thinned(values.iter().enumerate().map(|(i, &value)| [(i * stride) as f64, value]), MAX_POINTS)
}

/// Means over equal stretches of draws, those without a value left out.
fn binned(rates: &[f64], stride: usize) -> Vec<[f64; 2]> {
    let len = rates.len().div_ceil(ACCEPTANCE_BINS).max(1);
    let bin = |(i, part): (usize, &[f64])| {
        let some: Vec<f64> = part.iter().copied().filter(|rate| rate.is_finite()).collect();
        (!some.is_empty()).then(|| [stride as f64 * ((i * len) as f64 + part.len() as f64 / 2.0), mean(&some)])
    };
    rates.chunks(len).enumerate().filter_map(bin).collect()
}
