//! Draws the training of a deep linear network from saddle to saddle (`llc saddle`): its loss, and below λ̂ with the exact λ and Gibbs's λ̂.

use llc::record::read::Run;
use llc::report::read;
use llc::report::saddle::{self, Saddle, Summary};
use serde_json::Value;

use super::figure::{Figure, Input, NoData, counted};
use crate::plot::paint::Paint;
use crate::plot::panel::{Axis, Drawing, Key, Mark, Panel, Point, Shape, Table, cell};
use crate::records::estimate::Estimate;

pub const FIGURE: Figure = Figure {
    name: "dln-saddle-to-saddle",
    summary: "training loss and λ̂ over the training of a deep linear network, with the exact λ of its rank and \
              Gibbs's λ̂",
    shows_single_runs: false,
    draw,
};

/// Runs that stand side by side.
const MAX_RUNS: usize = 3;
/// Points of a running mean, as published.
const WINDOW: usize = 10;

const SAMPLER: Paint = Paint::Series(0);
const GIBBS: Paint = Paint::Series(1);
const EXACT: Paint = Paint::Series(2);
const MEAN: Paint = Paint::Ink;

/// One point of the training.
struct At {
    step: f64,
    loss: f64,
    rank: f64,
    /// λ of the rank, and the largest local value.
    exact: [f64; 2],
    sampler: Option<Estimate>,
    gibbs: Option<Estimate>,
}

/// The points of `run`, and the name of its sampler.
fn points(run: &Run) -> Option<(String, Vec<At>)> {
    let found: Saddle = read::found(run.report.as_ref(), "saddle")?;
    let estimate = |summary: &Summary| Estimate::of(&summary.llc, summary.verdict);
    let read = |point: &saddle::Point| At {
        step: point.step as f64,
        loss: point.train_loss,
        rank: point.rank as f64,
        exact: [point.lambda_exact, point.lambda_bounds[1]],
        sampler: estimate(&point.summary),
        gibbs: point.gibbs.as_ref().and_then(estimate),
    };
    let points: Vec<At> = found.points.iter().map(read).collect();
    (!points.is_empty()).then_some((found.chains.sampler, points))
}

/// The mean of the [`WINDOW`] values around each, fewer at the ends.
fn running_mean(values: &[f64]) -> Vec<f64> {
    let mean = |i: usize| {
        let window = &values[i.saturating_sub(WINDOW / 2)..(i + WINDOW.div_ceil(2)).min(values.len())];
        window.iter().sum::<f64>() / window.len() as f64
    };
    (0..values.len()).map(mean).collect()
}

fn draw(input: &Input) -> Result<Drawing, NoData> {
    let runs = input.some(MAX_RUNS, points);
    if runs.is_empty() {
        return Err(NoData::of("saddle-to-saddle dynamics (llc saddle)"));
    }
    let num_all = input.runs.iter().filter(|run| points(run).is_some()).count();
    let columns = [
        "run_dir",
        "step",
        "train_loss",
        "rank",
        "lambda_exact",
        "lambda_high",
        "llc",
        "ci90_low",
        "ci90_high",
        "llc_running_mean",
        "verdict",
        "llc_gibbs",
        "gibbs_ci90_low",
        "gibbs_ci90_high",
    ];
    let mut table = Table::new(columns);
    let (mut losses, mut estimates, mut beside) = (Vec::new(), Vec::new(), Vec::new());
    let has_gibbs = runs.iter().any(|(_, (_, points))| points.iter().any(|at| at.gibbs.is_some()));
    for (run, (_, points)) in &runs {
        let llc: Vec<f64> = points.iter().map(|at| at.sampler.map_or(f64::NAN, |e| e.llc)).collect();
        let mean = running_mean(&llc);
        for (at, mean) in points.iter().zip(&mean) {
            let end =
                |estimate: Option<Estimate>, i: usize| cell(estimate.and_then(|e| e.interval).map(|ends| ends[i]));
            table.push([
                run.path.display().to_string(),
                cell(at.step),
                cell(at.loss),
                cell(at.rank),
                cell(at.exact[0]),
                cell(at.exact[1]),
                cell(at.sampler.map(|e| e.llc)),
                end(at.sampler, 0),
                end(at.sampler, 1),
                cell(*mean),
                at.sampler.map_or("", |e| e.verdict.word()).to_owned(),
                cell(at.gibbs.map(|e| e.llc)),
                end(at.gibbs, 0),
                end(at.gibbs, 1),
            ]);
        }
        let title = title(run);
        losses.push(loss_panel(points).titled(title));
        let top = points.iter().flat_map(|at| [at.sampler, at.gibbs]).flatten().map(|e| e.llc).fold(0.0, f64::max);
        estimates.push(llc_panel(points, |at| at.sampler, (SAMPLER, Shape::Disc), "λ̂", top));
        beside.push(llc_panel(points, |at| at.gibbs, (GIBBS, Shape::Ring), "λ̂ by Gibbs", top));
    }
    let sampler = if runs[0].1.0 == "sgld" { "SGLD" } else { &runs[0].1.0 };
    let mut keys = vec![
        Key::Point(Shape::Disc, SAMPLER, format!("λ̂ by {sampler}")),
        Key::Line(MEAN, "", format!("running mean over {WINDOW} points")),
        Key::Line(EXACT, "6 4", "exact λ at the rank".to_owned()),
    ];
    if has_gibbs {
        keys.push(Key::Point(Shape::Ring, GIBBS, "λ̂ by Gibbs, around the same point".to_owned()));
    }
    let left_out = num_all.saturating_sub(runs.len());
    let more = if left_out > 0 { format!(" {} more not shown.", counted(left_out, "run")) } else { String::new() };
    Ok(Drawing {
        title: "From saddle to saddle: loss and λ̂ of a deep linear network".to_owned(),
        caption: format!(
            "Targets of λ̂ are the network's own outputs at each point. Vertical lines, or the band: 90 % intervals of the sampling error of single \
             points; λ̂ below 0 is drawn at 0.{more}"
        ),
        keys,
        columns: runs.len(),
        panel_size: [if runs.len() == 1 { 520.0 } else { 330.0 }, 190.0],
        panels: losses.into_iter().chain(estimates).chain(if has_gibbs { beside } else { Vec::new() }).collect(),
        table,
    })
}

/// Hidden layers M, width H, steps T, period k and seed.
fn title(run: &Run) -> String {
    let config = &run.config;
    let widths: Vec<u64> =
        config["model"]["hidden_widths"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
    let width = match widths.split_first() {
        Some((first, others)) if others.iter().all(|width| width == first) => first.to_string(),
        _ => widths.iter().map(u64::to_string).collect::<Vec<_>>().join(","),
    };
    let number = |value: &Value| value.as_u64().map_or_else(String::new, |number| number.to_string());
    format!(
        "M = {}, H = {width}, T = {}, k = {}, seed {}",
        widths.len(),
        number(&config["train"]["num_steps"]),
        number(&config["saddle"]["logging_period"]),
        number(&config["seed"])
    )
}

/// The least loss that is shown, as a share of the largest: what is learnt further has no stage.
const LEAST_LOSS: f64 = 1e-7;

fn loss_panel(points: &[At]) -> Panel {
    let most = points.iter().map(|at| at.loss).fold(f64::MIN_POSITIVE, f64::max);
    let least = points.iter().map(|at| at.loss).fold(f64::INFINITY, f64::min).max(LEAST_LOSS * most);
    let line = points.iter().map(|at| [at.step, at.loss]).filter(|[_, loss]| *loss >= least).collect();
    let axis = Axis::log("training loss").between(0.5 * least, 2.0 * most);
    Panel::new(x_axis(points), axis, vec![Mark::line(line, Paint::Ink)])
}

/// All panels of a run have the same steps, also where a line ends early.
fn x_axis(points: &[At]) -> Axis {
    points.iter().fold(Axis::linear("step of SGD"), |axis, at| axis.including(at.step))
}

/// Points above which their intervals would hide each other, and are shown as a band around the running mean.
const MANY: usize = 100;

/// One sampler's λ̂ with its running mean, and the exact λ; `top` is the largest λ̂ of any.
fn llc_panel(
    points: &[At],
    pick: fn(&At) -> Option<Estimate>,
    (paint, shape): (Paint, Shape),
    label: &str,
    top: f64,
) -> Panel {
    // What is not a number stays none.
    let clipped = |value: f64| if value < 0.0 { 0.0 } else { value };
    let is_many = points.len() > MANY;
    let point = |at: &At| {
        pick(at).map(|estimate| Point {
            interval_y: estimate.interval.filter(|_| !is_many).map(|ends| ends.map(clipped)),
            shape: if is_many { Shape::Disc } else { shape },
            ..Point::new(at.step, clipped(estimate.llc), paint)
        })
    };
    let running = |value: &dyn Fn(Estimate) -> f64| {
        running_mean(&points.iter().map(|at| pick(at).map_or(f64::NAN, value)).collect::<Vec<_>>())
    };
    let mean = running(&|estimate| estimate.llc);
    // Where the rank does not decide the local value, between these two.
    let bounds: Vec<[f64; 3]> = points.iter().map(|at| [at.step, at.exact[0], at.exact[1]]).collect();
    let mut marks = Vec::new();
    if points.len() > 1 && bounds.iter().any(|[_, low, high]| low < high) {
        marks.push(Mark::Band { points: bounds, paint: EXACT });
    }
    if is_many {
        let [low, high] = [0, 1].map(|i| running(&|e: Estimate| e.interval.map_or(f64::NAN, |ends| ends[i])));
        let band =
            points.iter().zip(low.iter().zip(&high)).map(|(at, (low, high))| [at.step, clipped(*low), clipped(*high)]);
        marks.push(Mark::Band { points: band.filter(|row| row.iter().all(|x| x.is_finite())).collect(), paint });
    }
    marks.push(Mark::Points {
        points: points.iter().filter_map(point).collect(),
        radius: if is_many { 1.1 } else { 2.8 },
    });
    marks.push(Mark::line(points.iter().zip(mean).map(|(at, mean)| [at.step, clipped(mean)]).collect(), MEAN));
    marks.push(Mark::Line {
        points: points.iter().map(|at| [at.step, at.exact[0]]).collect(),
        paint: EXACT,
        width: 2.2,
        dashes: "6 4",
        opacity: 1.0,
        label: None,
    });
    Panel::new(x_axis(points), Axis::linear(label).including(0.0).including(1.1 * top), marks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_mean_is_over_the_ten_points_around_or_as_many_as_there_are() {
        let values: Vec<f64> = (0..30).map(f64::from).collect();
        let means = running_mean(&values);
        assert_eq!((means[0], means[2], means[10], means[29]), (2.0, 3.0, 9.5, 26.5));
    }
}
