//! Draws gradient descents: loss and gradient norm as dots, and loss and accuracy against a logarithm of the epoch.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use llc::record::read::Run;
use llc::report::training::Epoch;

use super::figure::{Figure, Input, LEVEL, NoData, counted};
use super::hue::{group_keys, group_paints};
use crate::plot::paint::Paint;
use crate::plot::panel::{Axis, Drawing, Key, Mark, Panel, Point, Shape, Table, cell};
use crate::records::descent::measured;
use crate::records::group::{Group, grouped_by, groups};
use crate::statistics::bootstrap::mean_interval;

pub const BOTH: Figure = Figure {
    name: "descent",
    summary: "gradient descent: loss on the left, gradient norm on the right, against the epoch; one panel for each \
              --hue",
    shows_single_runs: false,
    draw: |input| draw_dots(input, &[LOSS, GRADIENT]),
};

pub const LOSSES: Figure = Figure {
    name: "descent-loss",
    summary: "the same for the loss alone",
    shows_single_runs: false,
    draw: |input| draw_dots(input, &[LOSS]),
};

pub const GRADIENTS: Figure = Figure {
    name: "descent-gradient",
    summary: "the same for the gradient norm alone",
    shows_single_runs: false,
    draw: |input| draw_dots(input, &[GRADIENT]),
};

pub const MEMORISING: Figure = Figure {
    name: "descent-accuracy",
    summary: "accuracy and loss of gradient descents against the logarithm of the epoch, by --hue",
    shows_single_runs: false,
    draw: draw_memorising,
};

/// Epochs that a line or a row of dots shows, at most.
const MAX_SHOWN: usize = 300;
/// The axes end at so much of the greatest value.
const ROOM: f64 = 1.1;

/// What is shown of an epoch: its name in the table, its label, its colour.
#[derive(Debug, Clone, Copy)]
struct Quantity {
    name: &'static str,
    label: &'static str,
    paint: Paint,
    of: fn(&Epoch) -> f64,
}

const LOSS: Quantity = Quantity { name: "loss", label: "loss", paint: Paint::Series(0), of: |measured| measured.loss };
const GRADIENT: Quantity = Quantity {
    name: "gradient_norm",
    label: "norm of the gradient",
    paint: Paint::Series(1),
    of: |measured| measured.gradient_norm,
};
const ACCURACY: Quantity =
    Quantity { name: "accuracy", label: "accuracy", paint: Paint::Series(2), of: |measured| measured.accuracy };

/// A mean over seeds, and its interval where there are several.
type Mean = (u64, usize, f64, Option<[f64; 2]>);

/// Descents with their epochs, by group.
struct Descents<'a> {
    runs: Vec<&'a Run>,
    groups: Vec<Group<'a>>,
    measured: BTreeMap<&'a Path, Vec<Epoch>>,
}

impl<'a> Descents<'a> {
    fn read(input: &Input<'a>) -> Result<Self, NoData> {
        let is_descent = |run: &&Run| run.command == "descent";
        let read = |run: &'a Run| (run.path.as_path(), measured(run, input.details));
        let measured: BTreeMap<&Path, Vec<Epoch>> =
            input.runs.iter().filter(is_descent).map(read).filter(|(_, measured)| !measured.is_empty()).collect();
        let runs: Vec<&Run> = input.runs.iter().filter(|run| measured.contains_key(run.path.as_path())).collect();
        if runs.is_empty() {
            return Err(NoData::of("a gradient descent (llc descent) with at least one epoch"));
        }
        let groups = groups(&runs, input.options.hue.as_deref());
        if groups.is_empty() {
            return Err(NoData("none of the descents has the field of --hue".to_owned()));
        }
        Ok(Self { runs, groups, measured })
    }

    /// Means of `quantity` over the runs of `group` at the epochs that `is_shown`.
    fn means(&self, group: &Group, quantity: Quantity, is_shown: &BTreeSet<u64>) -> Vec<Mean> {
        let mut at: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
        for measured in group.runs.iter().filter_map(|run| self.measured.get(run.path.as_path())).flatten() {
            let value = (quantity.of)(measured);
            if is_shown.contains(&measured.epoch) && value.is_finite() {
                at.entry(measured.epoch).or_default().push(value);
            }
        }
        at.into_iter()
            .map(|(epoch, values)| {
                let (mean, interval) = mean_interval(&values, LEVEL);
                (epoch, values.len(), mean, interval)
            })
            .collect()
    }

    /// The epochs of `group`, thinned so that the places of those that stay are about equally far apart; the first and last stay.
    fn shown(&self, group: &Group, place: fn(f64) -> f64) -> BTreeSet<u64> {
        let measured = group.runs.iter().filter_map(|run| self.measured.get(run.path.as_path())).flatten();
        let epochs: BTreeSet<u64> = measured.map(|measured| measured.epoch).collect();
        let (Some(&first), Some(&last)) = (epochs.first(), epochs.last()) else { return epochs };
        let step = (place(last as f64) - place(first as f64)) / MAX_SHOWN as f64;
        let mut next = f64::NEG_INFINITY;
        let is_kept = |&epoch: &u64| {
            let at = place(epoch as f64);
            let is_due = at >= next || epoch == last;
            if is_due {
                next = at + step;
            }
            is_due
        };
        epochs.into_iter().filter(is_kept).collect()
    }

    fn num_seeds(&self) -> usize {
        self.groups.iter().map(|group| group.runs.len()).max().unwrap_or(1)
    }

    /// How many runs there are, and what a band is.
    fn caption(&self) -> String {
        let seeds = match self.num_seeds() {
            1 => String::new(),
            n => format!(" Means over up to {n} seeds; bands: their 90 % bootstrap intervals."),
        };
        format!("{}.{seeds}", counted(self.runs.len(), "descent"))
    }
}

fn table() -> Table {
    Table::new(["group", "quantity", "epoch", "num_runs", "mean", "ci90_low", "ci90_high"])
}

fn push(table: &mut Table, group: &Group, quantity: Quantity, means: &[Mean]) {
    for (epoch, count, mean, interval) in means {
        let [low, high] = interval.map_or([None; 2], |ends| ends.map(Some));
        table.push([
            group.name.clone(),
            quantity.name.to_owned(),
            epoch.to_string(),
            count.to_string(),
            cell(*mean),
            cell(low),
            cell(high),
        ]);
    }
}

/// The band of the intervals, if there are some; `x` places an epoch.
fn band(means: &[Mean], x: fn(f64) -> f64, paint: Paint) -> Option<Mark> {
    let points: Vec<[f64; 3]> = means
        .iter()
        .filter_map(|(epoch, _, _, interval)| interval.map(|[low, high]| [x(*epoch as f64), low, high]))
        .collect();
    (points.len() > 1).then_some(Mark::Band { points, paint })
}

fn draw_dots(input: &Input, quantities: &[Quantity]) -> Result<Drawing, NoData> {
    let descents = Descents::read(input)?;
    let mut table = table();
    let mut panels = Vec::new();
    for group in &descents.groups {
        // Dots at equal distances, and more where all the change is.
        let mut shown = descents.shown(group, |epoch| epoch);
        shown.extend(descents.shown(group, |epoch| after(epoch).ln()));
        let mut sides = Vec::new();
        for &quantity in quantities {
            let means = descents.means(group, quantity, &shown);
            push(&mut table, group, quantity, &means);
            let greatest = means.iter().map(|(_, _, mean, _)| *mean).fold(0.0, f64::max);
            let axis = Axis::linear(quantity.label).between(0.0, if greatest > 0.0 { ROOM * greatest } else { 1.0 });
            let point = |(epoch, _, mean, _): &Mean| Point::new(*epoch as f64, *mean, quantity.paint);
            let dots = Mark::Points { points: means.iter().map(point).collect(), radius: 1.8 };
            sides.push((axis, band(&means, |epoch| epoch, quantity.paint).into_iter().chain([dots]).collect()));
        }
        let mut sides = sides.into_iter();
        // There is one quantity at least.
        let Some((axis, marks)) = sides.next() else { continue };
        let panel = Panel::new(Axis::whole("epoch"), axis, marks);
        let panel = match sides.next() {
            Some((axis, marks)) => panel.with_right(axis, marks),
            None => panel,
        };
        panels.push(if descents.groups.len() > 1 { panel.titled(group.name.clone()) } else { panel });
    }
    let labels: Vec<&str> = quantities.iter().map(|quantity| quantity.label).collect();
    let side = |i: usize| if quantities.len() > 1 { [" (left)", " (right)"][i] } else { "" };
    let key = |(i, quantity): (usize, &Quantity)| {
        Key::Point(Shape::Disc, quantity.paint, format!("{}{}", quantity.label, side(i)))
    };
    let is_one = descents.groups.len() == 1;
    Ok(Drawing {
        title: format!("Gradient descent: {}", labels.join(" and ")),
        caption: format!(
            "{} The loss is measured after an epoch, the gradient before its last step.",
            descents.caption()
        ),
        keys: quantities.iter().enumerate().map(key).collect(),
        panels,
        columns: if is_one { 1 } else { 2 },
        panel_size: if is_one { [460.0, 260.0] } else { [320.0, 210.0] },
        table,
    })
}

/// Where an epoch is on a logarithmic axis, whose first is 1.
fn after(epoch: f64) -> f64 {
    epoch + 1.0
}

fn draw_memorising(input: &Input) -> Result<Drawing, NoData> {
    let descents = Descents::read(input)?;
    let paints = group_paints(&descents.groups);
    let mut table = table();
    let mut panels = Vec::new();
    for quantity in [ACCURACY, LOSS] {
        let (mut bands, mut lines) = (Vec::new(), Vec::new());
        for (group, &paint) in descents.groups.iter().zip(&paints) {
            let shown = descents.shown(group, |epoch| after(epoch).ln());
            let means = descents.means(group, quantity, &shown);
            push(&mut table, group, quantity, &means);
            bands.extend(band(&means, after, paint));
            lines.push(Mark::line(
                means.iter().map(|(epoch, _, mean, _)| [after(*epoch as f64), *mean]).collect(),
                paint,
            ));
        }
        let y = match quantity.name {
            "accuracy" => Axis::linear("accuracy").including(1.0),
            _ => Axis::log("loss"),
        };
        bands.extend(lines);
        panels.push(Panel::new(Axis::log("epochs"), y, bands).titled(quantity.label));
    }
    let by = grouped_by(&descents.runs, input.options.hue.as_deref()).filter(|by| !by.contains(','));
    let is_one = descents.groups.len() == 1;
    Ok(Drawing {
        title: "What gradient descent memorises".to_owned(),
        caption: descents.caption(),
        keys: match is_one {
            true => Vec::new(),
            false => group_keys(&descents.groups, by.as_deref(), |paint, name| Key::Line(paint, "", name)),
        },
        panels,
        columns: 2,
        panel_size: [320.0, 240.0],
        table,
    })
}
