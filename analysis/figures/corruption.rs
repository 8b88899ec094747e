//! Draws what corrupted labels cost: epochs to the interpolation threshold, and the error on test data there.

use std::collections::BTreeMap;

use llc::record::read::Run;
use llc::report::read;
use llc::report::training::Training;

use super::figure::{Figure, Input, LEVEL, NoData, counted};
use super::hue::{group_keys, group_paints};
use crate::plot::panel::{Axis, Drawing, Key, Mark, Panel, Point, Shape, Table, cell};
use crate::records::group::{Group, groups};
use crate::statistics::bootstrap::mean_interval;

pub const FIGURE: Figure = Figure {
    name: "corruption",
    summary: "epochs and minutes to the interpolation threshold, and the test error, against the share of corrupted \
              labels",
    shows_single_runs: false,
    draw,
};

/// What a panel shows of a report.
type Quantity = fn(&Training) -> Option<f64>;

const QUANTITIES: [(&str, &str, Quantity); 3] = [
    ("epochs_to_overfit", "epochs to the threshold", |found| found.epochs_to_overfit.map(|epochs| epochs as f64)),
    ("time_to_overfit_min", "minutes to the threshold", |found| found.time_to_overfit),
    ("test_error", "test error", test_error),
];

/// The error on test data at the threshold, or at the end of a training that did not reach it.
fn test_error(found: &Training) -> Option<f64> {
    let at_threshold = found.threshold.as_ref().map(|threshold| 1.0 - threshold.test.accuracy);
    at_threshold.or(found.test_error)
}

fn training(run: &Run) -> Option<Training> {
    read::found(run.report.as_ref(), "train")
}

fn draw(input: &Input) -> Result<Drawing, NoData> {
    let runs: Vec<&Run> = input.runs.iter().filter(|run| training(run).is_some()).collect();
    if runs.is_empty() {
        return Err(NoData::of("a training (llc train) that has ended"));
    }
    let hue = input.options.hue.as_deref().unwrap_or("config.model.name");
    let groups = groups(&runs, Some(hue));
    if groups.is_empty() {
        return Err(NoData("none of the trainings has the field of --hue".to_owned()));
    }
    let paints = group_paints(&groups);
    let mut table = Table::new(["group", "quantity", "label_corruption", "num_runs", "mean", "ci90_low", "ci90_high"]);
    let mut panels = Vec::new();
    for (name, label, quantity) in QUANTITIES {
        let mut marks = Vec::new();
        for (group, &paint) in groups.iter().zip(&paints) {
            let means = means(group, quantity);
            for (level, count, mean, interval) in &means {
                let [low, high] = interval.map_or([None; 2], |ends| ends.map(Some));
                let numbers = [cell(*level), count.to_string(), cell(*mean), cell(low), cell(high)];
                let [level, count, mean, low, high] = numbers;
                table.push([group.name.clone(), name.to_owned(), level, count, mean, low, high]);
            }
            let point = |(level, _, mean, interval): &(f64, usize, f64, Option<[f64; 2]>)| Point {
                interval_y: *interval,
                ..Point::new(*level, *mean, paint)
            };
            marks.push(Mark::line(means.iter().map(|(level, _, mean, _)| [*level, *mean]).collect(), paint));
            marks.push(Mark::Points { points: means.iter().map(point).collect(), radius: 3.6 });
        }
        let x = Axis::linear("share of corrupted labels").including(0.0).including(1.0);
        let y = Axis::linear(label).including(0.0);
        panels.push(Panel::new(x, y, marks).titled(label));
    }
    let num_short = runs.iter().filter_map(|run| training(run)).filter(|found| found.threshold.is_none()).count();
    let short = match num_short {
        0 => String::new(),
        n => {
            format!(
                " {} did not reach the threshold, and are shown without epochs and with the last test error.",
                counted(n, "training")
            )
        }
    };
    let repeated = groups.iter().any(|group| group.runs.len() > 1);
    let means = if repeated { " Means over seeds, if there are several, with 90 % bootstrap intervals." } else { "" };
    Ok(Drawing {
        title: "Effect of corrupted labels".to_owned(),
        caption: format!("{}.{means}{short}", counted(runs.len(), "training")),
        keys: group_keys(&groups, Some(hue), |paint, name| Key::Point(Shape::Disc, paint, name)),
        panels,
        columns: 3,
        panel_size: [250.0, 220.0],
        table,
    })
}

fn means(group: &Group, quantity: Quantity) -> Vec<(f64, usize, f64, Option<[f64; 2]>)> {
    // Levels such as 0.1 are compared as the text they were given as.
    let mut at: BTreeMap<u64, (f64, Vec<f64>)> = BTreeMap::new();
    for found in group.runs.iter().filter_map(|run| training(run)) {
        if let Some(value) = quantity(&found) {
            let level = found.label_corruption;
            at.entry((level * 1e9) as u64).or_insert((level, Vec::new())).1.push(value);
        }
    }
    let mean = |(level, values): (f64, Vec<f64>)| {
        let (mean, interval) = mean_interval(&values, LEVEL);
        (level, values.len(), mean, interval)
    };
    at.into_values().map(mean).collect()
}
