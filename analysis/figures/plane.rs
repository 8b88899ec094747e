//! Draws the plane through two minima and the bend of the curve between them: contours of training loss and test error, the curve and the
//! segment drawn in.
//!
//! Levels lie at equal ratios above the least value: min + e^(a + g·j), j = 0 … 6, with g such that the last is the greatest value, cut at
//! 5 nats and 40 %. *Reference*: Garipov et al. 2018, <https://arxiv.org/abs/1802.10026>, whose published program draws the same levels.

use contour::ContourBuilder;

use super::figure::{Figure, Input, NoData};
use super::paths::{one, which};
use crate::plot::paint::Paint;
use crate::plot::panel::{Axis, Drawing, Key, Mark, Panel, Point, Shape, Table, cell};

pub const FIGURE: Figure = Figure {
    name: "path-plane",
    summary: "training loss and test error in the plane through two minima and the bend, with the curve, of one run",
    shows_single_runs: true,
    draw,
};

/// Contours; one band more.
const NUM_LEVELS: usize = 7;
/// Of training loss and test error in percent: the greatest value that is distinguished, and the logarithm of the first level above the least.
const LOSS: Scaling = Scaling { most: 5.0, log_alpha: -5.0 };
const ERROR: Scaling = Scaling { most: 40.0, log_alpha: -1.0 };

#[derive(Debug, Clone, Copy)]
struct Scaling {
    most: f64,
    log_alpha: f64,
}

impl Scaling {
    /// The levels for `values`, in ascending order.
    fn levels(self, values: &[f64]) -> Vec<f64> {
        let finite = || values.iter().copied().filter(|value| value.is_finite());
        let least = finite().fold(f64::INFINITY, f64::min);
        let most = finite().fold(f64::NEG_INFINITY, f64::max).min(self.most);
        // A plane that is flat to the first level has this one only.
        let log_range = (most - least).max(1e-300).ln() - self.log_alpha;
        let log_gamma = log_range.max(0.0) / (NUM_LEVELS - 1) as f64;
        let mut levels: Vec<f64> =
            (0..NUM_LEVELS).map(|j| least + (self.log_alpha + log_gamma * j as f64).exp()).collect();
        levels.dedup();
        levels
    }
}

/// The colour of band `index`: bright where the loss is low.
fn paint(index: usize) -> Paint {
    Paint::step(1.0 - index as f64 / NUM_LEVELS as f64)
}

fn draw(input: &Input) -> Result<Drawing, NoData> {
    let (run, plane, count) = one(input, |paths| paths.plane)?;
    let (grid, [across, up]) = (plane.grid, plane.lengths);
    let (Some(&first), Some(&last)) = (grid.first(), grid.last()) else {
        return Err(NoData("the run's plane has no grid".to_owned()));
    };
    let loss = plane.train_loss.concat();
    let error: Vec<f64> = plane.test_accuracy.concat().into_iter().map(|accuracy| 100.0 * (1.0 - accuracy)).collect();
    if [&loss, &error].into_iter().any(|values| values.len() != grid.len() * grid.len()) {
        return Err(NoData("the run's plane is incomplete".to_owned()));
    }
    let scale = |[alpha, beta]: [f64; 2]| [alpha * across, beta * up];
    let [points, curve] = [plane.points, plane.curve].map(|places| places.into_iter().map(scale).collect::<Vec<_>>());
    let mut table = Table::new(["x", "y", "train_loss", "test_error_percent"]);
    for (i, (loss, error)) in loss.iter().zip(&error).enumerate() {
        let [x, y] = scale([grid[i % grid.len()], grid[i / grid.len()]]);
        table.push([cell(x), cell(y), cell(*loss), cell(*error)]);
    }
    let corners = [scale([first, first]), scale([last, last])];
    let panel = |title: &str, values: &[f64], levels: &[f64]| {
        let mut marks = bands(values, levels, grid.len(), corners);
        marks.extend(drawn_in(&points, &curve));
        let axis = |label: &str, i: usize| Axis::linear(label).between(corners[0][i], corners[1][i]);
        Panel::new(axis("along the segment", 0), axis("towards the bend", 1), marks).titled(title)
    };
    let (of_loss, of_error) = (LOSS.levels(&loss), ERROR.levels(&error));
    let level = |levels: &[f64], i: usize, digits: usize| match levels.get(i) {
        Some(level) => format!("{level:.digits$}"),
        None => format!("> {:.digits$}", levels[levels.len() - 1]),
    };
    let num_bands = of_loss.len().max(of_error.len()) + 1;
    let key = |i: usize| {
        let text = format!("{}, {} %", level(&of_loss, i, 3), level(&of_error, i, 1));
        Key::Point(Shape::Disc, paint(i), text)
    };
    let mut keys: Vec<Key> = (0..num_bands).map(key).collect();
    keys.push(Key::Line(Paint::Ink, "", "curve".to_owned()));
    keys.push(Key::Line(Paint::Ink, "5 4", "segment".to_owned()));
    Ok(Drawing {
        title: "The plane through two minima and the bend between them".to_owned(),
        caption: format!(
            "{} Axes are distances in parameter space. The two numbers of a colour are the largest training loss and \
             test error that it covers. Discs: the minima; crosses: the bends.",
            which(run, count)
        ),
        keys,
        panels: vec![panel("training loss", &loss, &of_loss), panel("test error", &error, &of_error)],
        columns: 2,
        panel_size: [320.0, 320.0],
        table,
    })
}

/// The areas between `levels`, each painted over the one below it, with lines between them.
fn bands(values: &[f64], levels: &[f64], side: usize, [low, high]: [[f64; 2]; 2]) -> Vec<Mark> {
    let steps = [0, 1].map(|i| (high[i] - low[i]) / (side - 1) as f64);
    // The builder's cells have their values in the middle.
    let origin = [0, 1].map(|i| low[i] - 0.5 * steps[i]);
    let builder =
        ContourBuilder::new(side, side, true).x_origin(origin[0]).y_origin(origin[1]).x_step(steps[0]).y_step(steps[1]);
    let end = [0, 1].map(|i| high[i] + 0.5 * steps[i]);
    let rectangle = vec![origin, [end[0], origin[1]], end, [origin[0], end[1]]];
    let mut marks = vec![Mark::Region { rings: vec![rectangle], paint: paint(0) }];
    let top = values.iter().copied().filter(|value| value.is_finite()).fold(0.0, f64::max);
    let finite: Vec<f64> = values.iter().map(|value| if value.is_finite() { *value } else { top }).collect();
    // As many values as cells: there is nothing that the builder refuses.
    for (i, contour) in builder.contours(&finite, levels).unwrap_or_default().into_iter().enumerate() {
        let polygons = contour.geometry().0.iter();
        let rings = polygons.flat_map(|polygon| std::iter::once(polygon.exterior()).chain(polygon.interiors()));
        let rings: Vec<Vec<[f64; 2]>> =
            rings.map(|ring| ring.0.iter().map(|point| [point.x, point.y]).collect()).collect();
        let line = |points: &Vec<[f64; 2]>| Mark::Line {
            points: points.clone(),
            paint: Paint::Paper,
            width: 0.6,
            dashes: "",
            opacity: 0.8,
            label: None,
        };
        let lines: Vec<Mark> = rings.iter().map(line).collect();
        marks.push(Mark::Region { rings, paint: paint(i + 1) });
        marks.extend(lines);
    }
    marks
}

/// The segment, the curve and its points, with a rim that stands out from every band.
fn drawn_in(points: &[[f64; 2]], curve: &[[f64; 2]]) -> Vec<Mark> {
    let ([start, .., end], true) = (points, !curve.is_empty()) else { return Vec::new() };
    let line = |points: &[[f64; 2]], paint: Paint, width: f64, dashes: &'static str| Mark::Line {
        points: points.to_vec(),
        paint,
        width,
        dashes,
        opacity: 1.0,
        label: None,
    };
    let segment = [*start, *end];
    let point = |&[x, y]: &[f64; 2], shape: Shape, paint: Paint| Point { shape, ..Point::new(x, y, paint) };
    let ends = |paint| [start, end].map(|place| point(place, Shape::Disc, paint)).to_vec();
    let bends = points[1..points.len() - 1].iter().map(|place| point(place, Shape::Cross, Paint::Ink)).collect();
    vec![
        line(&segment, Paint::Paper, 4.0, ""),
        line(curve, Paint::Paper, 4.6, ""),
        line(&segment, Paint::Ink, 1.6, "5 4"),
        line(curve, Paint::Ink, 2.2, ""),
        Mark::Points { points: ends(Paint::Paper), radius: 6.5 },
        Mark::Points { points: ends(Paint::Ink), radius: 5.0 },
        Mark::Points { points: bends, radius: 6.0 },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_have_equal_ratios_above_the_least_value_and_end_at_the_greatest() {
        let levels = LOSS.levels(&[0.3, 2.0, 9.0, f64::NAN, 4.0]);
        assert_eq!(levels.len(), NUM_LEVELS);
        assert!((levels[0] - 0.3 - (-5f64).exp()).abs() < 1e-12);
        assert!((levels[NUM_LEVELS - 1] - 5.0).abs() < 1e-12, "{levels:?}");
        let ratios: Vec<f64> = levels.windows(2).map(|pair| (pair[1] - 0.3) / (pair[0] - 0.3)).collect();
        assert!(ratios.iter().all(|ratio| (ratio - ratios[0]).abs() < 1e-9), "{ratios:?}");
        assert_eq!(LOSS.levels(&[1.0, 1.0, 1.0]).len(), 1);
    }

    #[test]
    fn the_bands_of_a_cone_are_rings_around_its_tip() {
        let side = 21;
        let value = |i: usize| {
            let [x, y] = [i % side, i / side].map(|i| i as f64 / 10.0 - 1.0);
            x.hypot(y)
        };
        let values: Vec<f64> = (0..side * side).map(value).collect();
        let marks = bands(&values, &[0.5], side, [[-1.0; 2], [1.0; 2]]);
        // Outside 0.5: the outer edge, and a hole whose points all are half a unit from the tip.
        let Some(Mark::Region { rings, .. }) = marks.get(1) else { panic!("no region") };
        let hole = rings.iter().min_by(|a, b| a.len().cmp(&b.len())).unwrap();
        assert!(rings.len() == 2 && hole.iter().all(|[x, y]| (x.hypot(*y) - 0.5).abs() < 0.02), "{hole:?}");
    }
    /// Where all of a plane is at negative coordinates, the ground is below the plane all the same.
    #[test]
    fn the_ground_of_the_bands_is_the_plane_wherever_it_lies() {
        let marks = bands(&[1.0; 9], &[2.0], 3, [[-2.0; 2], [-1.0; 2]]);
        let Mark::Region { rings, .. } = &marks[0] else { panic!("nothing below the bands") };
        assert_eq!(rings[0], [[-2.25, -2.25], [-0.75, -2.25], [-0.75, -0.75], [-2.25, -0.75]]);
    }
}
