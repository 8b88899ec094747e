//! Says what a panel shows: two axes, and marks in their units.

use super::paint::Paint;
use super::scale::{Scale, Spacing};

/// One axis.
#[derive(Debug, Clone)]
pub struct Axis {
    pub label: String,
    pub spacing: Spacing,
    /// Values that must be inside, besides those of the marks.
    pub include: Vec<f64>,
    /// The ends, where the marks don't decide them.
    pub limits: Option<[f64; 2]>,
    /// Ticks are at whole numbers only.
    pub is_whole: bool,
    /// Names at 0, 1, … instead of numbers.
    pub categories: Vec<String>,
}

impl Axis {
    fn new(label: &str, spacing: Spacing) -> Self {
        let label = label.to_owned();
        Self { label, spacing, include: Vec::new(), limits: None, is_whole: false, categories: Vec::new() }
    }

    pub fn linear(label: &str) -> Self {
        Self::new(label, Spacing::Linear)
    }

    pub fn log(label: &str) -> Self {
        Self::new(label, Spacing::Logarithmic)
    }

    /// An axis of whole numbers.
    pub fn whole(label: &str) -> Self {
        Self { is_whole: true, ..Self::linear(label) }
    }

    /// An axis of names, the first at 0.
    pub fn categories(label: &str, names: Vec<String>) -> Self {
        let limits = Some([-0.6, names.len() as f64 - 0.4]);
        Self { limits, categories: names, ..Self::linear(label) }
    }

    /// With `value` inside.
    pub fn including(mut self, value: f64) -> Self {
        self.include.push(value);
        self
    }

    /// From `low` to `high`, whatever the marks are.
    pub fn between(mut self, low: f64, high: f64) -> Self {
        self.limits = Some([low, high]);
        self
    }

    /// The scale for marks at `values`.
    pub fn scale(&self, values: impl Iterator<Item = f64>) -> Scale {
        match self.limits {
            Some([low, high]) => Scale { spacing: self.spacing, low, high },
            None => Scale::around(self.spacing, values.chain(self.include.iter().copied())),
        }
    }
}

/// How a point looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Disc,
    Square,
    Diamond,
    Ring,
    Cross,
}

/// A value with, perhaps, its interval.
#[derive(Debug, Clone, Copy)]
pub struct Point {
    pub x: f64,
    pub y: f64,
    pub interval_x: Option<[f64; 2]>,
    pub interval_y: Option<[f64; 2]>,
    pub paint: Paint,
    pub shape: Shape,
}

impl Point {
    /// A disc without an interval.
    pub fn new(x: f64, y: f64, paint: Paint) -> Self {
        Self { x, y, interval_x: None, interval_y: None, paint, shape: Shape::Disc }
    }
}

/// What a panel draws, in the order given.
#[derive(Debug, Clone)]
pub enum Mark {
    /// A line; `label` stands at its right end.
    Line {
        points: Vec<[f64; 2]>,
        paint: Paint,
        width: f64,
        dashes: &'static str,
        opacity: f64,
        label: Option<String>,
    },
    /// The area between two curves: x, low, high.
    Band {
        points: Vec<[f64; 3]>,
        paint: Paint,
    },
    /// The area inside an odd number of rings.
    Region {
        rings: Vec<Vec<[f64; 2]>>,
        paint: Paint,
    },
    /// Points, of the same radius.
    Points {
        points: Vec<Point>,
        radius: f64,
    },
    /// Bars from `base`: left, right, top.
    Bars {
        bars: Vec<[f64; 3]>,
        paint: Paint,
        base: f64,
    },
    /// A horizontal box plot at `y`: low end, quartiles, high end.
    Box {
        y: f64,
        quantiles: [f64; 5],
        paint: Paint,
    },
    /// y = x.
    Diagonal,
    /// A line of reference across the panel at a value of x or y, with a note beside it.
    AtX {
        x: f64,
        label: String,
    },
    AtY {
        y: f64,
        label: String,
    },
    /// The part of the panel between two values of x.
    SpanX {
        from: f64,
        to: f64,
    },
}

impl Mark {
    /// A plain line.
    pub fn line(points: Vec<[f64; 2]>, paint: Paint) -> Self {
        Self::Line { points, paint, width: 1.6, dashes: "", opacity: 1.0, label: None }
    }

    /// The values of x and of y that it needs room for.
    pub fn extent(&self) -> (Vec<f64>, Vec<f64>) {
        match self {
            Self::Line { points, .. } => {
                points.iter().map(|[x, y]| (*x, *y)).filter(|(x, y)| x.is_finite() && y.is_finite()).unzip()
            }
            Self::Band { points, .. } => points.iter().flat_map(|[x, low, high]| [(*x, *low), (*x, *high)]).unzip(),
            // Regions lie below what an axis is made for.
            Self::Region { .. } => (vec![], vec![]),
            Self::Points { points, .. } => {
                let with =
                    |at: f64, interval: Option<[f64; 2]>| [vec![at], interval.map_or(vec![], Vec::from)].concat();
                let x = points.iter().flat_map(|point| with(point.x, point.interval_x)).collect();
                (x, points.iter().flat_map(|point| with(point.y, point.interval_y)).collect())
            }
            Self::Bars { bars, base, .. } => {
                let x = bars.iter().flat_map(|[left, right, _]| [*left, *right]).collect();
                (x, bars.iter().map(|[_, _, top]| *top).chain([*base]).collect())
            }
            Self::Box { y, quantiles, .. } => (quantiles.to_vec(), vec![*y]),
            Self::Diagonal | Self::SpanX { .. } => (vec![], vec![]),
            Self::AtX { x, .. } => (vec![*x], vec![]),
            Self::AtY { y, .. } => (vec![], vec![*y]),
        }
    }
}

/// Two axes and what is between them.
#[derive(Debug, Clone)]
pub struct Panel {
    /// Shown above it, where there are several.
    pub title: String,
    pub x: Axis,
    pub y: Axis,
    pub marks: Vec<Mark>,
    /// Its own axis at the right edge, and the marks that it is for.
    pub right: Option<(Axis, Vec<Mark>)>,
}

impl Panel {
    pub fn new(x: Axis, y: Axis, marks: Vec<Mark>) -> Self {
        Self { title: String::new(), x, y, marks, right: None }
    }

    /// With a second quantity on its own axis at the right edge.
    pub fn with_right(self, axis: Axis, marks: Vec<Mark>) -> Self {
        Self { right: Some((axis, marks)), ..self }
    }

    pub fn titled(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// The scale of the axis at the right edge, if there is one.
    pub fn right_scale(&self) -> Option<Scale> {
        let (axis, marks) = self.right.as_ref()?;
        Some(axis.scale(marks.iter().flat_map(|mark| mark.extent().1)))
    }

    /// The scales of x and y that hold every mark.
    pub fn scales(&self) -> [Scale; 2] {
        let (mut x, y): (Vec<_>, Vec<_>) = self.marks.iter().map(Mark::extent).unzip();
        x.extend(self.right.iter().flat_map(|(_, marks)| marks).map(|mark| mark.extent().0));
        let mut scales = [self.x.scale(x.into_iter().flatten()), self.y.scale(y.into_iter().flatten())];
        // Bars stand on the axis.
        for mark in &self.marks {
            if let Mark::Bars { base, .. } = mark {
                scales[1].low = scales[1].low.max(*base);
            }
        }
        scales
    }
}

/// Explains the looks of marks above the panels.
#[derive(Debug, Clone)]
pub enum Key {
    /// A point of this look.
    Point(Shape, Paint, String),
    /// A line of this look.
    Line(Paint, &'static str, String),
    /// Colours from the least to the greatest value of something.
    Ramp { label: String, low: String, high: String },
}

/// A whole figure: panels, their explanations, and their numbers.
#[derive(Debug, Clone)]
pub struct Drawing {
    pub title: String,
    /// What is shown and how it was made, in a sentence or two.
    pub caption: String,
    pub keys: Vec<Key>,
    pub panels: Vec<Panel>,
    /// Panels side by side.
    pub columns: usize,
    /// Width and height of a panel's axes, in pixels.
    pub panel_size: [f64; 2],
    pub table: Table,
}

/// The numbers of a figure, as text that reads back to the same numbers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new<const N: usize>(columns: [&str; N]) -> Self {
        Self { columns: columns.map(str::to_owned).to_vec(), rows: Vec::new() }
    }

    pub fn push<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.to_vec());
    }
}

/// A number of a [`Table`]: nothing if there is none.
pub fn cell(number: impl Into<Option<f64>>) -> String {
    number.into().filter(|number| !number.is_nan()).map_or_else(String::new, |number| number.to_string())
}
