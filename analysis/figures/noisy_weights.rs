//! Draws trainings with noise on the weights (`llc noisy-weights`): which samples stay right from epoch to epoch, and how samples that are taken
//! away are forgotten.

use std::collections::BTreeMap;

use llc::record::read::Run;
use llc::report::read;
use llc::report::training::{NoisyEpoch, NoisyWeights};

use super::figure::{Figure, Input, LEVEL, NoData, counted};
use super::hue::{group_keys, group_paints};
use crate::plot::paint::Paint;
use crate::plot::panel::{Axis, Drawing, Key, Mark, Panel, Table, cell};
use crate::records::group::{Group, fit_beside_lines, grouped_by, groups};
use crate::statistics::bootstrap::mean_interval;

pub const AGREEMENT: Figure = Figure {
    name: "agreement",
    summary: "noisy weights: samples that are right in an epoch and the previous one, over those right in either; \
              noise and information",
    shows_single_runs: false,
    draw: draw_agreement,
};

pub const FORGETTING: Figure = Figure {
    name: "forgetting",
    summary: "accuracy on training and validation samples before and after the latter are removed (llc noisy-weights \
              --retrain-epochs)",
    shows_single_runs: false,
    draw: draw_forgetting,
};

const SETS: [&str; 2] = ["train", "val"];
/// Validation samples are dashed.
const DASHES: [&str; 2] = ["", "5 3"];
const SET_NAMES: [&str; 2] = ["training samples", "validation samples"];

/// What an epoch has, of a set or of the network.
type Value = fn(&NoisyEpoch) -> Option<f64>;

/// A panel: its name in the table, its title, and what an epoch has there, of each set or of the network.
struct Quantity {
    name: &'static str,
    label: &'static str,
    values: &'static [Value],
}

const ACCURACY: Quantity = Quantity {
    name: "accuracy",
    label: "accuracy",
    values: &[|epoch| Some(epoch.train.evaluation.accuracy), |epoch| Some(epoch.val.evaluation.accuracy)],
};
const AGREEMENTS: [Quantity; 3] = [
    Quantity {
        name: "agreement",
        label: "agreement with the previous epoch",
        values: &[|epoch| epoch.train.agreement, |epoch| epoch.val.agreement],
    },
    ACCURACY,
    Quantity { name: "mean_alpha", label: "mean α of the noise", values: &[|epoch| epoch.mean_alpha] },
];
const FORGETTINGS: [Quantity; 2] = [
    ACCURACY,
    Quantity {
        name: "loss",
        label: "loss",
        values: &[|epoch| Some(epoch.train.evaluation.loss), |epoch| Some(epoch.val.evaluation.loss)],
    },
];

fn epochs(run: &Run) -> Vec<NoisyEpoch> {
    read::found::<NoisyWeights>(run.report.as_ref(), "noisy-weights").map_or(Vec::new(), |found| found.epochs)
}

/// The first epoch of the second phase, if there was one.
fn second_phase(run: &Run) -> Option<f64> {
    let all = epochs(run);
    let first = &all.first()?.phase;
    all.iter().find(|epoch| epoch.phase != *first).map(|epoch| epoch.epoch as f64)
}

fn draw_agreement(input: &Input) -> Result<Drawing, NoData> {
    let runs: Vec<&Run> = input.runs.iter().filter(|run| epochs(run).len() > 1).collect();
    if runs.is_empty() {
        return Err(NoData::of("a training with noise on its weights (llc noisy-weights) and two epochs or more"));
    }
    let title = "Samples that stay right from one epoch to the next";
    drawing(input, &runs, title, &AGREEMENTS, "Agreement: samples right in both epochs over those right in either.")
}

fn draw_forgetting(input: &Input) -> Result<Drawing, NoData> {
    let runs: Vec<&Run> = input.runs.iter().filter(|run| second_phase(run).is_some()).collect();
    if runs.is_empty() {
        return Err(NoData::of("a training in two phases (llc noisy-weights --retrain-epochs)"));
    }
    let note = "Vertical line: the validation samples are removed after this epoch.";
    drawing(input, &runs, "Forgetting removed samples", &FORGETTINGS, note)
}

fn drawing(input: &Input, runs: &[&Run], title: &str, quantities: &[Quantity], note: &str) -> Result<Drawing, NoData> {
    let groups = groups(runs, input.options.hue.as_deref());
    if groups.is_empty() {
        return Err(NoData("none of the trainings has the field of --hue".to_owned()));
    }
    let paints = group_paints(&groups);
    let one_field = grouped_by(runs, input.options.hue.as_deref()).filter(|by| !by.contains(','));
    let is_labelled = fit_beside_lines(&groups);
    let mut table = Table::new(["group", "quantity", "data", "epoch", "num_runs", "mean", "ci90_low", "ci90_high"]);
    let mut panels = Vec::new();
    for quantity in quantities {
        let (mut bands, mut lines) = (Vec::new(), Vec::new());
        for (group, &paint) in groups.iter().zip(&paints) {
            for (set, value) in quantity.values.iter().enumerate() {
                let means = means(group, *value);
                for (epoch, count, mean, interval) in &means {
                    let [low, high] = interval.map_or([None; 2], |ends| ends.map(Some));
                    let data = if quantity.values.len() > 1 { SETS[set] } else { "" };
                    table.push([
                        group.name.clone(),
                        quantity.name.to_owned(),
                        data.to_owned(),
                        epoch.to_string(),
                        count.to_string(),
                        cell(*mean),
                        cell(low),
                        cell(high),
                    ]);
                }
                let band =
                    means.iter().filter_map(|(epoch, _, _, ends)| ends.map(|[low, high]| [*epoch as f64, low, high]));
                let band: Vec<[f64; 3]> = band.collect();
                if band.len() > 1 {
                    bands.push(Mark::Band { points: band, paint });
                }
                let label = (is_labelled && set == 0).then(|| group.name.clone());
                let points = means.iter().map(|(epoch, _, mean, _)| [*epoch as f64, *mean]).collect();
                lines.push(Mark::Line { points, paint, width: 1.7, dashes: DASHES[set], opacity: 1.0, label });
            }
        }
        let is_empty = |mark: &Mark| matches!(mark, Mark::Line { points, .. } if points.is_empty());
        lines.retain(|mark| !is_empty(mark));
        if lines.is_empty() {
            continue;
        }
        let mut starts: Vec<f64> = runs.iter().filter_map(|run| second_phase(run)).collect();
        starts.sort_by(f64::total_cmp);
        starts.dedup();
        bands.extend(starts.into_iter().map(|x| Mark::AtX { x: x - 1.0, label: String::new() }));
        bands.extend(lines);
        panels.push(
            Panel::new(Axis::whole("epoch"), Axis::linear(quantity.label).including(0.0), bands).titled(quantity.label),
        );
    }
    let mut keys: Vec<Key> =
        SET_NAMES.iter().zip(DASHES).map(|(set, dashes)| Key::Line(Paint::Ink, dashes, (*set).to_owned())).collect();
    if groups.len() > 1 && !is_labelled {
        let line = |paint, name| Key::Line(paint, "", name);
        keys.extend(group_keys(&groups, one_field.as_deref(), line));
    }
    let repeated = groups.iter().any(|group| group.runs.len() > 1);
    let means = if repeated { " Means over seeds; bands: their 90 % bootstrap intervals." } else { "" };
    let by = one_field.filter(|_| is_labelled).map_or(String::new(), |by| format!(", by {by}"));
    Ok(Drawing {
        title: format!("{title}{by}"),
        caption: format!("{}. {note}{means}", counted(runs.len(), "training")),
        keys,
        columns: panels.len(),
        panels,
        panel_size: [265.0, 220.0],
        table,
    })
}

/// By epoch: how many runs have the `value`, their mean, and its bootstrap interval where there are several.
fn means(group: &Group, value: Value) -> Vec<(u64, usize, f64, Option<[f64; 2]>)> {
    let mut at: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for epoch in group.runs.iter().flat_map(|run| epochs(run)) {
        if let Some(value) = value(&epoch).filter(|value| value.is_finite()) {
            at.entry(epoch.epoch as u64).or_default().push(value);
        }
    }
    let mean = |(epoch, values): (u64, Vec<f64>)| {
        let (mean, interval) = mean_interval(&values, LEVEL);
        (epoch, values.len(), mean, interval)
    };
    at.into_iter().map(mean).collect()
}
