//! Shows what needs no runs: how volumes shrink with the loss, and how λ of deep linear networks goes with their depth.

use llc::rng::Key;
use llc::theory::DeepLinear;

use super::figure::{Figure, NoData};
use crate::plot::paint::Paint;
use crate::plot::panel::{self, Axis, Drawing, Mark, Panel, Table, cell};
use crate::statistics::quantiles::quantile;

pub const VOLUME_SCALING: Figure = Figure {
    name: "volume-scaling",
    summary: "the volume in which x²/2, x² and x⁴ are below a loss, which shrinks as its power λ",
    shows_single_runs: false,
    draw: |_| Ok(draw_volumes()),
};

pub const DEPTH: Figure = Figure {
    name: "lambda-against-depth",
    summary: "exact λ and m of deep linear networks against their number of layers",
    shows_single_runs: false,
    draw: |_| draw_depth(),
};

/// K(x) = c·|x|^(2k) of one variable, for which {K ≤ ε} has the length 2·(ε/c)^λ with λ = 1/(2k).
struct Power {
    name: &'static str,
    factor: f64,
    lambda: f64,
}

const POWERS: [Power; 3] = [
    Power { name: "K = x²/2", factor: 0.5, lambda: 0.5 },
    Power { name: "K = x²", factor: 1.0, lambda: 0.5 },
    Power { name: "K = x⁴", factor: 1.0, lambda: 0.25 },
];

/// Losses that volumes are shown at, as published.
const LOSSES: [f64; 2] = [0.5, 0.1];
/// Half the width of the panels.
const REACH: f64 = 1.2;

fn draw_volumes() -> Drawing {
    let mut table = Table::new(["potential", "lambda", "epsilon", "half_width", "volume"]);
    let panel = |power: &Power| {
        let value = |x: f64| power.factor * x.abs().powf(1.0 / power.lambda);
        let mut marks = Vec::new();
        for (i, epsilon) in LOSSES.into_iter().enumerate() {
            let half_width = (epsilon / power.factor).powf(power.lambda);
            let numbers = [power.lambda, epsilon, half_width, 2.0 * half_width].map(cell);
            let [lambda, epsilon_cell, half_cell, volume] = numbers;
            table.push([power.name.to_owned(), lambda, epsilon_cell, half_cell, volume]);
            let paint = Paint::Series(i);
            let inside = grid(-half_width, half_width).map(|x| [x, value(x), epsilon]).collect();
            marks.push(Mark::Band { points: inside, paint });
            let label = Some(format!("ε = {epsilon}: V = {:.2}", 2.0 * half_width));
            let points = vec![[-half_width, epsilon], [half_width, epsilon]];
            marks.push(Mark::Line { points, paint, width: 1.2, dashes: "", opacity: 1.0, label });
        }
        marks.push(Mark::line(grid(-REACH, REACH).map(|x| [x, value(x)]).collect(), Paint::Ink));
        Panel::new(Axis::linear("x").between(-REACH, REACH), Axis::linear("K").between(0.0, 1.0), marks)
            .titled(format!("{}, λ = {}", power.name, power.lambda))
    };
    let panels = POWERS.iter().map(panel).collect();
    Drawing {
        title: "Volumes below a loss".to_owned(),
        caption:
            "V is the length of the set where K(x) ≤ ε. It scales as ε^{λ}: from ε = 0.5 to 0.1 it shrinks by 2.24 or \
             by 1.50."
                .to_owned(),
        keys: Vec::new(),
        panels,
        columns: 3,
        panel_size: [235.0, 200.0],
        table,
    }
}

fn grid(from: f64, to: f64) -> impl Iterator<Item = f64> {
    const STEPS: i32 = 60;
    (0..=STEPS).map(move |i| from + (to - from) * f64::from(i) / f64::from(STEPS))
}

/// The width of every layer, and the ranks that are shown of it.
const WIDTH: usize = 100;
const RANKS: [usize; 4] = [0, 25, 50, 75];
const MOST_LAYERS: usize = 120;
/// Random networks: their number at each depth, their widths as in the published group of 10⁶ parameters.
const NUM_RANDOM: u64 = 200;
const RANDOM_WIDTHS: [u64; 2] = [100, 1000];
const MOST_RANDOM_LAYERS: usize = 40;
/// What is shown of the random networks at a depth: low, median, high.
const SHARES: [f64; 3] = [0.05, 0.5, 0.95];

fn draw_depth() -> Result<Drawing, NoData> {
    let mut table = Table::new(["widths", "rank", "num_layers", "share_below", "lambda", "multiplicity"]);
    let [lambda, multiplicity] = constant_widths(&mut table)?;
    let [random_lambda, random_multiplicity] = random_widths(&mut table)?;
    let layers = || Axis::whole("layers");
    let key = |(i, rank)| panel::Key::Line(rank_paint(i), "", format!("rank {rank}"));
    let [low, high] = RANDOM_WIDTHS;
    Ok(Drawing {
        title: "Exact λ of deep linear networks against their depth".to_owned(),
        caption: format!(
            "Left: every layer {WIDTH} wide. Right: {NUM_RANDOM} networks at each depth, with half their largest \
             possible rank: the median, and 5 to 95 %."
        ),
        keys: RANKS.into_iter().enumerate().map(key).collect(),
        panels: vec![
            Panel::new(layers(), Axis::log("λ"), lambda).titled(format!("width {WIDTH}")),
            Panel::new(layers(), Axis::log("λ"), random_lambda)
                .titled(format!("widths from {low} to {high}, at random")),
            Panel::new(layers(), Axis::log("multiplicity m"), multiplicity),
            Panel::new(layers(), Axis::whole("multiplicity m").including(0.0), random_multiplicity),
        ],
        columns: 2,
        panel_size: [290.0, 200.0],
        table,
    })
}

fn rank_paint(i: usize) -> Paint {
    Paint::step(i as f64 / (RANKS.len() - 1) as f64)
}

/// λ and m of a network.
fn known(widths: &[usize], rank: usize) -> Result<[f64; 2], NoData> {
    let network = DeepLinear::new(widths, rank).map_err(|error| NoData(error.to_string()))?;
    let known = network.learning_coefficient();
    Ok([known.lambda_f64(), known.multiplicity as f64])
}

/// Lines of λ and of m, one a rank.
fn constant_widths(table: &mut Table) -> Result<[Vec<Mark>; 2], NoData> {
    let mut marks = [Vec::new(), Vec::new()];
    for (i, rank) in RANKS.into_iter().enumerate() {
        let mut lines = [Vec::new(), Vec::new()];
        for num_layers in 2..=MOST_LAYERS {
            let known = known(&vec![WIDTH; num_layers + 1], rank)?;
            let [lambda, multiplicity] = known.map(cell);
            table.push([
                WIDTH.to_string(),
                rank.to_string(),
                num_layers.to_string(),
                String::new(),
                lambda,
                multiplicity,
            ]);
            lines.iter_mut().zip(known).for_each(|(line, value)| line.push([num_layers as f64, value]));
        }
        marks.iter_mut().zip(lines).for_each(|(marks, line)| marks.push(Mark::line(line, rank_paint(i))));
    }
    Ok(marks)
}

/// Medians and bands of λ and of m over random networks.
fn random_widths(table: &mut Table) -> Result<[Vec<Mark>; 2], NoData> {
    let [low, high] = RANDOM_WIDTHS;
    let mut spreads: [Vec<[f64; 4]>; 2] = [Vec::new(), Vec::new()];
    for num_layers in 2..=MOST_RANDOM_LAYERS {
        let mut values = [Vec::new(), Vec::new()];
        for network in 0..NUM_RANDOM {
            let key = Key::new(num_layers as u64).part(network);
            let width = |layer: usize| (low + key.below(layer as u64, high - low + 1)) as usize;
            let widths: Vec<usize> = (0..=num_layers).map(width).collect();
            let rank = widths.iter().copied().min().unwrap_or(0) / 2;
            values.iter_mut().zip(known(&widths, rank)?).for_each(|(values, value)| values.push(value));
        }
        let [lambda, multiplicity] = values.each_ref().map(|values| SHARES.map(|share| quantile(values, share)));
        for (i, share) in SHARES.into_iter().enumerate() {
            let of = [format!("{low} to {high}"), "half the largest".to_owned(), num_layers.to_string()];
            let [widths, rank, layers] = of;
            table.push([widths, rank, layers, cell(share), cell(lambda[i]), cell(multiplicity[i])]);
        }
        for (spreads, [low, median, high]) in spreads.iter_mut().zip([lambda, multiplicity]) {
            spreads.push([num_layers as f64, low, median, high]);
        }
    }
    Ok(spreads.map(|spreads| {
        let paint = Paint::Series(0);
        let band = spreads.iter().map(|[x, low, _, high]| [*x, *low, *high]).collect();
        let median = spreads.iter().map(|[x, _, median, _]| [*x, *median]).collect();
        vec![Mark::Band { points: band, paint }, Mark::line(median, paint)]
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_shrink_by_the_power_of_the_loss_that_lambda_is() {
        // Counting a fine grid of points is a second way to a length.
        for power in &POWERS {
            let length = |epsilon: f64| {
                let is_below =
                    |i: &i32| power.factor * (f64::from(*i) * 1e-5).abs().powf(1.0 / power.lambda) <= epsilon;
                (-200_000..=200_000).filter(is_below).count() as f64 * 1e-5
            };
            let ratio = (length(LOSSES[0]) / length(LOSSES[1])).ln() / (LOSSES[0] / LOSSES[1]).ln();
            assert!((ratio - power.lambda).abs() < 1e-4, "{}: {ratio}", power.name);
        }
    }

    #[test]
    fn depth_shows_the_published_values_at_rank_zero() {
        let table = draw_depth().unwrap().table;
        let lambda = |num_layers: &str| {
            let row = table.rows.iter().find(|row| row[..3] == ["100", "0", num_layers]).unwrap();
            (row[4].parse::<f64>().unwrap(), row[5].parse::<f64>().unwrap())
        };
        assert_eq!((lambda("2").0, lambda("10").0, lambda("50").0), (3750.0, 2750.0, 2550.0));
        assert_eq!(lambda("118"), (2525.0, 1801.0));
    }
}
