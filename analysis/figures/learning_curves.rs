//! Draws loss, accuracy and error of trainings against the epoch, on training and test data.

use std::collections::BTreeMap;

use llc::record::read::Run;
use rayon::prelude::*;

use super::figure::{Figure, Input, LEVEL, NoData, counted};
use super::hue::{group_keys, group_paints};
use crate::plot::paint::Paint;
use crate::plot::panel::{Axis, Drawing, Key, Mark, Panel, Table, cell};
use crate::records::group::{fit_beside_lines, grouped_by, groups};
use crate::records::series::Series;
use crate::statistics::bootstrap::mean_interval;
use crate::statistics::savgol::smooth;

pub const FIGURE: Figure = Figure {
    name: "learning-curves",
    summary: "loss, accuracy and error against the epoch, training and test, by --hue; --smooth WINDOW",
    shows_single_runs: false,
    draw,
};

/// The polynomial of the smoothing.
const ORDER: usize = 3;
/// A panel: its title, and the metric of the training and of the test data. The error of the training is one less its accuracy.
const PANELS: [(&str, [Option<Metric>; 2]); 3] = [
    ("loss", [Some(Metric::Of("train.mean_loss")), Some(Metric::Of("test.loss"))]),
    ("accuracy", [Some(Metric::Of("train.accuracy")), Some(Metric::Of("test.accuracy"))]),
    ("error", [Some(Metric::OneLess("train.accuracy")), Some(Metric::OneLess("test.accuracy"))]),
];
const PARTS: [&str; 2] = ["training", "test"];
/// Test data are dashed.
const DASHES: [&str; 2] = ["", "5 3"];

#[derive(Debug, Clone, Copy)]
enum Metric {
    Of(&'static str),
    OneLess(&'static str),
}

impl Metric {
    /// Points of (epoch, value).
    fn read(self, metrics: &BTreeMap<String, Series>) -> Vec<[f64; 2]> {
        let (name, is_reversed) = match self {
            Self::Of(name) => (name, false),
            Self::OneLess(name) => (name, true),
        };
        let (Some(series), Some(epochs)) = (metrics.get(name), metrics.get("epoch")) else { return Vec::new() };
        // Both have a point at the end of each epoch; a resumed run may repeat one.
        let epoch_at: BTreeMap<u64, f64> = epochs.points().map(|[step, epoch]| (step as u64, epoch)).collect();
        let point = |[step, value]: [f64; 2]| {
            Some([*epoch_at.get(&(step as u64))?, if is_reversed { 1.0 - value } else { value }])
        };
        series.points().filter_map(point).collect()
    }
}

fn draw(input: &Input) -> Result<Drawing, NoData> {
    let read = |run: &Run| Some(input.metrics(run)).filter(|metrics| metrics.contains_key("epoch"));
    let trainings: BTreeMap<_, _> = input
        .runs
        .par_iter()
        .filter(|run| run.command == "train")
        .filter_map(|run| read(run).map(|metrics| (run.path.clone(), metrics)))
        .collect();
    let runs: Vec<&Run> = input.runs.iter().filter(|run| trainings.contains_key(&run.path)).collect();
    if runs.is_empty() {
        return Err(NoData::of("a training (llc train) with at least one epoch"));
    }
    let groups = groups(&runs, input.options.hue.as_deref());
    if groups.is_empty() {
        return Err(NoData("none of the trainings has the field of --hue".to_owned()));
    }
    let paints = group_paints(&groups);
    let one_field = grouped_by(&runs, input.options.hue.as_deref()).filter(|by| !by.contains(','));
    let is_labelled = fit_beside_lines(&groups);
    let mut table =
        Table::new(["group", "quantity", "data", "epoch", "num_runs", "mean", "ci90_low", "ci90_high", "shown"]);
    let mut panels = Vec::new();
    for (title, metrics) in PANELS {
        let (mut bands, mut lines) = (Vec::new(), Vec::new());
        for (group, &paint) in groups.iter().zip(&paints) {
            for (part, metric) in metrics.into_iter().enumerate() {
                let Some(metric) = metric else { continue };
                let mut at: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
                for [epoch, value] in group.runs.iter().flat_map(|run| metric.read(&trainings[&run.path])) {
                    if value.is_finite() {
                        at.entry(epoch as u64).or_default().push(value);
                    }
                }
                let means: Vec<_> = at.values().map(|values| mean_interval(values, LEVEL)).collect();
                let plain: Vec<f64> = means.iter().map(|(mean, _)| *mean).collect();
                let shown = input.options.smooth.map_or_else(|| plain.clone(), |window| smooth(&plain, window, ORDER));
                for (((epoch, values), (mean, interval)), shown) in at.iter().zip(&means).zip(&shown) {
                    let [low, high] = interval.map_or([None; 2], |ends| ends.map(Some));
                    let name = [group.name.clone(), title.to_owned(), PARTS[part].to_owned()];
                    let [group, quantity, data] = name;
                    let numbers = [cell(*mean), cell(low), cell(high), cell(*shown)];
                    let [mean, low, high, shown] = numbers;
                    table.push([
                        group,
                        quantity,
                        data,
                        epoch.to_string(),
                        values.len().to_string(),
                        mean,
                        low,
                        high,
                        shown,
                    ]);
                }
                let band: Vec<[f64; 3]> = at
                    .keys()
                    .zip(&means)
                    .filter_map(|(epoch, (_, interval))| interval.map(|[low, high]| [*epoch as f64, low, high]))
                    .collect();
                if band.len() > 1 {
                    bands.push(Mark::Band { points: band, paint });
                }
                let label = (is_labelled && title == "error" && part == 1).then(|| group.name.clone());
                let points = at.keys().zip(shown).map(|(epoch, value)| [*epoch as f64, value]).collect();
                lines.push(Mark::Line { points, paint, width: 1.7, dashes: DASHES[part], opacity: 1.0, label });
            }
        }
        bands.extend(lines);
        panels.push(Panel::new(Axis::whole("epoch"), Axis::linear(title).including(0.0), bands).titled(title));
    }
    let mut keys: Vec<Key> =
        PARTS.iter().zip(DASHES).map(|(part, dashes)| Key::Line(Paint::Ink, dashes, format!("{part} data"))).collect();
    if groups.len() > 1 && !is_labelled {
        let line = |paint, name| Key::Line(paint, "", name);
        keys.extend(group_keys(&groups, one_field.as_deref(), line));
    }
    let repeated = groups.iter().any(|group| group.runs.len() > 1);
    let means = if repeated { " Means over seeds; bands: their 90 % bootstrap intervals." } else { "" };
    let smoothed = input.options.smooth.map_or_else(String::new, |window| {
        format!(
            " Smoothed by Savitzky and Golay, window {window}, order {ORDER}; the table has the unsmoothed values \
                 too."
        )
    });
    let by = one_field.as_ref().filter(|_| is_labelled);
    Ok(Drawing {
        title: by.map_or("Learning curves".to_owned(), |by| format!("Learning curves by {by}")),
        caption: format!("{}.{means}{smoothed}", counted(runs.len(), "training")),
        keys,
        panels,
        columns: 3,
        panel_size: [265.0, 220.0],
        table,
    })
}
