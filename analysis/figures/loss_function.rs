//! Draws losses of two classes as functions of the difference between prediction and target.

use llc::loss::Loss;
use llc::record::read::Run;

use super::figure::{Figure, Input, NoData};
use super::hue::{group_keys, group_paints};
use crate::plot::panel::{Axis, Drawing, Key, Mark, Panel, Point, Shape, Table, cell};
use crate::records::group::groups;

pub const FIGURE: Figure = Figure {
    name: "loss-function",
    summary: "the losses of gradient descents against prediction − target",
    shows_single_runs: false,
    draw,
};

/// Predictions p = 0.01 … 0.99, first for a target of 1, then of 0.
const NUM_PREDICTIONS: u32 = 99;
const LOSS: &str = "config.train.loss";

fn draw(input: &Input) -> Result<Drawing, NoData> {
    let is_descent = |run: &&Run| run.command == "descent";
    let runs: Vec<&Run> = input.runs.iter().filter(is_descent).collect();
    let mut groups = groups(&runs, Some(LOSS));
    // One by one: a loss that is not a function of a difference has no such image.
    let losses = |name: &str| name.parse::<Loss>().ok().filter(|loss| loss.of_difference(0.0).is_some());
    groups.retain(|group| losses(&group.name).is_some());
    if groups.is_empty() {
        return Err(NoData::of("a gradient descent (llc descent) whose loss is a function of prediction − target"));
    }
    let mut table = Table::new(["loss", "prediction", "target", "difference", "value"]);
    let mut marks = Vec::new();
    for (group, paint) in groups.iter().zip(group_paints(&groups)) {
        let Some(loss) = losses(&group.name) else { continue };
        let mut points = Vec::new();
        for target in [1.0, 0.0] {
            for p in (1..=NUM_PREDICTIONS).map(|percent| f64::from(percent) / 100.0) {
                let difference = p - target;
                let Some(value) = loss.of_difference(difference) else { continue };
                table.push([group.name.clone(), cell(p), cell(target), cell(difference), cell(value)]);
                points.push(Point::new(difference, value, paint));
            }
        }
        if let Loss::Piecewise(piecewise) = &loss {
            let inner = piecewise.ends().len().saturating_sub(1);
            marks.extend(piecewise.ends()[..inner].iter().skip(1).map(|&x| Mark::AtX { x, label: String::new() }));
        }
        marks.push(Mark::Points { points, radius: 2.0 });
    }
    let ends = if groups.iter().any(|group| group.name.starts_with("piecewise")) {
        " Dashed: ends of the pieces."
    } else {
        ""
    };
    Ok(Drawing {
        title: "Loss functions of two classes".to_owned(),
        caption: format!(
            "{}, at predictions of 1 to 99 % for a target of 1 (left half) and of 0 (right half).{ends}",
            if groups.len() == 1 { "1 loss".to_owned() } else { format!("{} losses", groups.len()) }
        ),
        keys: group_keys(&groups, Some(LOSS), |paint, name| {
            Key::Point(Shape::Disc, paint, name.trim_start_matches("loss ").to_owned())
        }),
        panels: vec![Panel::new(Axis::linear("prediction − target"), Axis::linear("loss").including(0.0), marks)],
        columns: 1,
        panel_size: [460.0, 280.0],
        table,
    })
}
