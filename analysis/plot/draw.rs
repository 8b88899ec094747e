//! Draws a panel: grid, axes, marks, and the labels at the ends of lines.

use super::canvas::{Anchor, Canvas, TextStyle};
use super::font::{Fonts, Weight};
use super::paint::Paint;
use super::panel::{Axis, Mark, Panel, Point, Shape};
use super::scale::{Scale, Tick};

const TICK_SIZE: f64 = 11.0;
const LABEL_SIZE: f64 = 12.0;
const TITLE_SIZE: f64 = 12.5;
/// Height of a line of labels at the ends of lines.
const END_LABEL_STEP: f64 = 13.0;

/// Room around a panel's axes, in pixels.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Margins {
    pub left: f64,
    pub right: f64,
    pub top: f64,
    pub bottom: f64,
}

impl Margins {
    /// The room that both need.
    pub fn max(self, other: Self) -> Self {
        Self {
            left: self.left.max(other.left),
            right: self.right.max(other.right),
            top: self.top.max(other.top),
            bottom: self.bottom.max(other.bottom),
        }
    }
}

/// The room that `panel` needs.
pub fn margins(fonts: &Fonts, panel: &Panel) -> Margins {
    let [_, y] = panel.scales();
    let widest = |texts: &mut dyn Iterator<Item = &str>, size: f64| {
        texts.map(|text| fonts.width(Weight::Regular, size, text)).fold(0.0, f64::max)
    };
    let ticks = ticks(&panel.y, &y);
    let tick_width = widest(&mut ticks.iter().filter_map(|tick| tick.label.as_deref()), TICK_SIZE);
    let ends = widest(&mut end_labels(panel).map(|(_, label, _)| label), TICK_SIZE);
    let of_axis = if panel.y.label.is_empty() { 0.0 } else { LABEL_SIZE + 8.0 };
    let right = panel.right.as_ref().zip(panel.right_scale()).map_or(0.0, |((axis, _), scale)| {
        let ticks = self::ticks(axis, &scale);
        widest(&mut ticks.iter().filter_map(|tick| tick.label.as_deref()), TICK_SIZE) + LABEL_SIZE + 18.0
    });
    Margins {
        left: tick_width + of_axis + 10.0,
        right: if ends > 0.0 { ends + 12.0 } else { 14.0_f64.max(right) },
        top: if panel.title.is_empty() { 8.0 } else { TITLE_SIZE + 13.0 },
        bottom: TICK_SIZE + 10.0 + if panel.x.label.is_empty() { 0.0 } else { LABEL_SIZE + 9.0 },
    }
}

/// Draws `panel` with its axes in the rectangle `[x, y, width, height]`, its labels around it.
pub fn draw(canvas: &mut Canvas, panel: &Panel, area: [f64; 4]) {
    let [x, y] = panel.scales();
    let frame = Frame { x, y, area };
    let [left, top, width, height] = area;
    grid(canvas, panel, &frame);
    canvas.clipped([left - 1.0, top - 1.0, width + 2.0, height + 2.0], |canvas| {
        panel.marks.iter().filter(|mark| !is_over_the_edge(mark)).for_each(|mark| draw_mark(canvas, mark, &frame));
    });
    // Points at the edge are whole.
    panel.marks.iter().filter(|mark| is_over_the_edge(mark)).for_each(|mark| draw_mark(canvas, mark, &frame));
    if let (Some((axis, marks)), Some(y)) = (&panel.right, panel.right_scale()) {
        let frame = Frame { x, y, area };
        canvas.clipped([left - 1.0, top - 1.0, width + 2.0, height + 2.0], |canvas| {
            marks.iter().filter(|mark| !is_over_the_edge(mark)).for_each(|mark| draw_mark(canvas, mark, &frame));
        });
        marks.iter().filter(|mark| is_over_the_edge(mark)).for_each(|mark| draw_mark(canvas, mark, &frame));
        right_axis(canvas, axis, &frame);
    }
    axes(canvas, panel, &frame);
    label_ends(canvas, panel, &frame);
    if !panel.title.is_empty() {
        let style = TextStyle { weight: Weight::Bold, ..TextStyle::new(TITLE_SIZE) };
        let title = canvas.fonts.shortened(style.weight, style.size, &panel.title, width);
        canvas.text([left, top - 9.0], style, &title);
    }
}

fn is_over_the_edge(mark: &Mark) -> bool {
    matches!(mark, Mark::Points { .. })
}

/// Where values are on the image.
struct Frame {
    x: Scale,
    y: Scale,
    area: [f64; 4],
}

impl Frame {
    fn left(&self) -> f64 {
        self.area[0]
    }
    fn right(&self) -> f64 {
        self.area[0] + self.area[2]
    }
    fn top(&self) -> f64 {
        self.area[1]
    }
    fn bottom(&self) -> f64 {
        self.area[1] + self.area[3]
    }
    fn at_x(&self, value: f64) -> f64 {
        self.left() + self.area[2] * self.x.share(value)
    }
    fn at_y(&self, value: f64) -> f64 {
        self.bottom() - self.area[3] * self.y.share(value)
    }
    fn at(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        [self.at_x(x), self.at_y(y)]
    }
}

fn ticks(axis: &Axis, scale: &Scale) -> Vec<Tick> {
    if axis.categories.is_empty() {
        return scale.ticks(axis.is_whole);
    }
    let name = |(i, name): (usize, &String)| Tick { value: i as f64, label: Some(name.clone()) };
    axis.categories.iter().enumerate().map(name).collect()
}

fn grid(canvas: &mut Canvas, panel: &Panel, frame: &Frame) {
    let mut labelled = ticks(&panel.y, &frame.y).into_iter().filter(|tick| tick.label.is_some());
    if panel.y.categories.is_empty() {
        labelled.by_ref().for_each(|tick| {
            let y = frame.at_y(tick.value);
            canvas.line([frame.left(), y], [frame.right(), y], Paint::Grid, 1.0);
        });
    }
    // Rows of names are read along x.
    if !panel.y.categories.is_empty() || panel.marks.iter().any(|mark| matches!(mark, Mark::Diagonal)) {
        for tick in ticks(&panel.x, &frame.x).into_iter().filter(|tick| tick.label.is_some()) {
            let x = frame.at_x(tick.value);
            canvas.line([x, frame.top()], [x, frame.bottom()], Paint::Grid, 1.0);
        }
    }
}

fn axes(canvas: &mut Canvas, panel: &Panel, frame: &Frame) {
    let (left, right, top, bottom) = (frame.left(), frame.right(), frame.top(), frame.bottom());
    canvas.line([left, bottom], [right, bottom], Paint::Muted, 1.0);
    if panel.y.categories.is_empty() {
        canvas.line([left, top], [left, bottom], Paint::Muted, 1.0);
    }
    let label = TextStyle { paint: Paint::Muted, ..TextStyle::new(TICK_SIZE) };
    for tick in ticks(&panel.x, &frame.x) {
        let x = frame.at_x(tick.value);
        let length = if tick.label.is_some() { 5.0 } else { 3.0 };
        if panel.x.categories.is_empty() {
            canvas.line([x, bottom], [x, bottom + length], Paint::Muted, 1.0);
        }
        if let Some(text) = &tick.label {
            let style = TextStyle { anchor: Anchor::Middle, ..label };
            canvas.text([x, bottom + 7.0 + TICK_SIZE], style, text);
        }
    }
    for tick in ticks(&panel.y, &frame.y) {
        let y = frame.at_y(tick.value);
        let length = if tick.label.is_some() { 5.0 } else { 3.0 };
        if panel.y.categories.is_empty() {
            canvas.line([left - length, y], [left, y], Paint::Muted, 1.0);
        }
        if let Some(text) = &tick.label {
            let style = TextStyle { anchor: Anchor::End, ..label };
            canvas.text([left - 8.0, y + 0.36 * TICK_SIZE], style, text);
        }
    }
    let style = TextStyle { anchor: Anchor::Middle, ..TextStyle::new(LABEL_SIZE) };
    let middle = [(left + right) / 2.0, (top + bottom) / 2.0];
    canvas.text([middle[0], bottom + TICK_SIZE + LABEL_SIZE + 13.0], style, &panel.x.label);
    if !panel.y.label.is_empty() {
        let widest = margins(&canvas.fonts, panel).left;
        canvas.text([left - widest + LABEL_SIZE, middle[1]], TextStyle { is_turned: true, ..style }, &panel.y.label);
    }
}

/// Draws the axis at the right edge.
fn right_axis(canvas: &mut Canvas, axis: &Axis, frame: &Frame) {
    let (right, top, bottom) = (frame.right(), frame.top(), frame.bottom());
    canvas.line([right, top], [right, bottom], Paint::Muted, 1.0);
    let label = TextStyle { paint: Paint::Muted, ..TextStyle::new(TICK_SIZE) };
    let mut widest: f64 = 0.0;
    for tick in ticks(axis, &frame.y) {
        let y = frame.at_y(tick.value);
        let length = if tick.label.is_some() { 5.0 } else { 3.0 };
        canvas.line([right, y], [right + length, y], Paint::Muted, 1.0);
        if let Some(text) = &tick.label {
            canvas.text([right + 8.0, y + 0.36 * TICK_SIZE], label, text);
            widest = widest.max(canvas.fonts.width(Weight::Regular, TICK_SIZE, text));
        }
    }
    let style = TextStyle { anchor: Anchor::Middle, is_turned: true, ..TextStyle::new(LABEL_SIZE) };
    canvas.text([right + widest + LABEL_SIZE + 14.0, (top + bottom) / 2.0], style, &axis.label);
}

fn draw_mark(canvas: &mut Canvas, mark: &Mark, frame: &Frame) {
    let note = TextStyle { paint: Paint::Muted, ..TextStyle::new(TICK_SIZE) };
    match mark {
        Mark::Line { points, paint, width, dashes, opacity, .. } => {
            // A line has a gap where a value is missing, or can't be shown.
            let placed: Vec<[f64; 2]> = points.iter().map(|&point| frame.at(point)).collect();
            let is_shown = |point: &[f64; 2]| point.iter().all(|place| place.is_finite());
            for part in placed.chunk_by(|a, b| is_shown(a) && is_shown(b)).filter(|part| is_shown(&part[0])) {
                canvas.path(part, *paint, *width, dashes, *opacity);
            }
        }
        Mark::Band { points, paint } => {
            let low = points.iter().map(|[x, low, _]| [*x, *low]);
            let high = points.iter().rev().map(|[x, _, high]| [*x, *high]);
            let lowest = frame.y.low;
            let placed = low.chain(high).map(|[x, y]| frame.at([x, if y.is_nan() { lowest } else { y.max(lowest) }]));
            canvas.polygon(&placed.collect::<Vec<_>>(), *paint, 0.18);
        }
        Mark::Region { rings, paint } => {
            let placed = |ring: &Vec<[f64; 2]>| ring.iter().map(|&point| frame.at(point)).collect();
            canvas.region(&rings.iter().map(placed).collect::<Vec<_>>(), *paint);
        }
        Mark::Points { points, radius } => draw_points(canvas, points, *radius, frame),
        Mark::Bars { bars, paint, base } => {
            for &[from, to, top] in bars.iter().filter(|[_, _, top]| top > base) {
                let (x, y) = (frame.at_x(from), frame.at_y(top));
                let width = (frame.at_x(to) - x - 1.0).max(0.5);
                canvas.rectangle([x + 0.5, y, width, frame.at_y(*base) - y], *paint, 0.9);
            }
        }
        Mark::Box { y, quantiles, paint } => {
            let y = frame.at_y(*y);
            let [low, first, median, third, high] = quantiles.map(|quantile| frame.at_x(quantile));
            canvas.line([low, y], [high, y], *paint, 1.2);
            canvas.rectangle([first, y - 6.0, third - first, 12.0], *paint, 0.28);
            canvas.line([median, y - 8.0], [median, y + 8.0], *paint, 2.4);
        }
        Mark::Diagonal => {
            let (from, to) = (frame.x.low.max(frame.y.low), frame.x.high.min(frame.y.high));
            if from < to {
                canvas.path(&[frame.at([from, from]), frame.at([to, to])], Paint::Muted, 1.2, "5 4", 1.0);
            }
        }
        Mark::AtX { x, label } => {
            let x = frame.at_x(*x);
            canvas.path(&[[x, frame.top()], [x, frame.bottom()]], Paint::Muted, 1.2, "5 4", 1.0);
            canvas.text([x + 5.0, frame.top() + 10.0], note, label);
        }
        Mark::AtY { y, label } => {
            let y = frame.at_y(*y);
            canvas.path(&[[frame.left(), y], [frame.right(), y]], Paint::Muted, 1.2, "5 4", 1.0);
            canvas.text([frame.right() - 4.0, y - 5.0], TextStyle { anchor: Anchor::End, ..note }, label);
        }
        Mark::SpanX { from, to } => {
            let (from, to) = (frame.at_x(from.max(frame.x.low)), frame.at_x(to.min(frame.x.high)));
            canvas.rectangle([from, frame.top(), to - from, frame.bottom() - frame.top()], Paint::Grid, 0.55);
        }
    }
}

fn draw_points(canvas: &mut Canvas, points: &[Point], radius: f64, frame: &Frame) {
    let shown = || {
        points
            .iter()
            .map(|point| (point, frame.at([point.x, point.y])))
            .filter(|(_, at)| at[0].is_finite() && at[1].is_finite())
    };
    // Many points hide each other less when one sees through them.
    let opacity = if points.len() > 60 { 0.75 } else { 1.0 };
    for (point, [x, y]) in shown() {
        let inside = |value: f64, low: f64, high: f64| value.clamp(low, high);
        if let Some(ends) = point.interval_y {
            let [a, b] = ends.map(|end| if end > frame.y.low { frame.at_y(end) } else { frame.bottom() });
            canvas.path(
                &[[x, inside(a, frame.top(), frame.bottom())], [x, inside(b, frame.top(), frame.bottom())]],
                point.paint,
                1.2,
                "",
                0.75,
            );
        }
        if let Some(ends) = point.interval_x {
            let [a, b] = ends.map(|end| if end > frame.x.low { frame.at_x(end) } else { frame.left() });
            canvas.path(
                &[[inside(a, frame.left(), frame.right()), y], [inside(b, frame.left(), frame.right()), y]],
                point.paint,
                1.2,
                "",
                0.75,
            );
        }
    }
    for (point, at) in shown() {
        draw_shape(canvas, point.shape, at, radius, point.paint, opacity);
    }
}

/// Draws one point.
pub fn draw_shape(canvas: &mut Canvas, shape: Shape, at: [f64; 2], radius: f64, paint: Paint, opacity: f64) {
    let [x, y] = at;
    match shape {
        Shape::Disc => canvas.circle(at, radius, paint, false, opacity),
        // As large to the eye as a disc of that radius.
        Shape::Square => {
            let r = 0.88 * radius;
            canvas.polygon(&[[x - r, y - r], [x + r, y - r], [x + r, y + r], [x - r, y + r]], paint, opacity);
        }
        Shape::Diamond => {
            let r = 1.15 * radius;
            canvas.polygon(&[[x, y - r], [x + r, y], [x, y + r], [x - r, y]], paint, opacity);
        }
        Shape::Ring => canvas.circle(at, radius - 0.4, paint, true, opacity),
        Shape::Cross => {
            let r = 0.85 * radius;
            canvas.path(&[[x - r, y - r], [x + r, y + r]], paint, 1.5, "", opacity);
            canvas.path(&[[x - r, y + r], [x + r, y - r]], paint, 1.5, "", opacity);
        }
    }
}

/// The last point, label and colour of each labelled line.
fn end_labels(panel: &Panel) -> impl Iterator<Item = ([f64; 2], &str, Paint)> {
    panel.marks.iter().filter_map(|mark| match mark {
        Mark::Line { points, paint, label: Some(label), .. } => {
            let last = points.iter().rev().find(|point| point.iter().all(|value| value.is_finite()))?;
            Some((*last, label.as_str(), *paint))
        }
        _ => None,
    })
}

fn label_ends(canvas: &mut Canvas, panel: &Panel, frame: &Frame) {
    let mut labels: Vec<(f64, &str, Paint)> = end_labels(panel)
        .map(|([_, y], label, paint)| (frame.at_y(y), label, paint))
        .filter(|(y, ..)| y.is_finite())
        .collect();
    labels.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut places: Vec<f64> = labels.iter().map(|(y, ..)| y.clamp(frame.top(), frame.bottom())).collect();
    spread(&mut places, END_LABEL_STEP, frame.bottom());
    for (place, (_, label, paint)) in places.into_iter().zip(labels) {
        let style = TextStyle { paint, ..TextStyle::new(TICK_SIZE) };
        canvas.text([frame.right() + 6.0, place + 0.36 * TICK_SIZE], style, label);
    }
}

/// Moves sorted places apart by `step` where they are closer, none past `lowest` as long as there is room.
fn spread(places: &mut [f64], step: f64, lowest: f64) {
    for i in 1..places.len() {
        places[i] = places[i].max(places[i - 1] + step);
    }
    let mut limit = lowest.max(places.first().copied().unwrap_or(0.0) + step * places.len() as f64 - step);
    for place in places.iter_mut().rev() {
        *place = place.min(limit);
        limit = *place - step;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_keep_apart_and_inside() {
        let mut places = [10.0, 11.0, 95.0, 96.0, 97.0];
        spread(&mut places, 13.0, 100.0);
        assert!(places.windows(2).all(|pair| pair[1] - pair[0] >= 13.0 - 1e-9), "{places:?}");
        assert!(places[4] <= 100.0);
    }
}
