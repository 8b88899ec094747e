//! Names the colours of figures, each with a value for white paper and one for a dark screen.
//!
//! A figure carries the light values as attributes, which every program understands, and the dark ones in a style sheet
//! that applies where the reader prefers dark. The series can be distinguished by people with any of the common colour
//! blindnesses (after Okabe and Ito 2008, darkened to stand out on white); the sequence is viridis, cut at the end that
//! the background would swallow.

use std::fmt::Write as _;

/// A colour by its part in a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// What is drawn upon.
    Paper,
    /// Text and data without a series.
    Ink,
    /// Secondary text, axes, lines of reference.
    Muted,
    /// Grid lines.
    Grid,
    /// The i-th of several things without an order; they repeat after [`Paint::NUM_SERIES`].
    Series(usize),
    /// The place of an ordered quantity between its least (0) and its greatest value ([`Paint::LAST_STEP`]).
    Step(u8),
}

/// Light and dark value.
const SERIES: [[&str; 2]; Paint::NUM_SERIES] = [
    ["#0b6fb8", "#62b5f5"],
    ["#d1500a", "#ff8f52"],
    ["#00875f", "#3ccb9b"],
    ["#a8478f", "#e59ad2"],
    ["#b07a00", "#f0c04a"],
    ["#1593b6", "#7adcf2"],
    ["#7a5540", "#c9a78f"],
    ["#5f6670", "#aab2bd"],
];

/// Viridis at nine equal steps.
const VIRIDIS: [[u8; 3]; 9] = [
    [68, 1, 84],
    [71, 44, 122],
    [59, 81, 139],
    [44, 113, 142],
    [33, 144, 141],
    [39, 173, 129],
    [92, 200, 99],
    [170, 220, 50],
    [253, 231, 37],
];

/// The parts of viridis that stand out on white, and on dark.
const LIGHT_PART: [f64; 2] = [0.0, 0.78];
const DARK_PART: [f64; 2] = [0.3, 1.0];

impl Paint {
    /// Series that look different.
    pub const NUM_SERIES: usize = 8;
    /// The greatest step.
    pub const LAST_STEP: u8 = 23;

    /// The step of `share`, in [0, 1].
    pub fn step(share: f64) -> Self {
        Self::Step((share.clamp(0.0, 1.0) * f64::from(Self::LAST_STEP)).round() as u8)
    }

    /// The colours on white and on dark.
    fn values(self) -> [String; 2] {
        match self {
            Self::Paper => ["#ffffff", "#15181d"].map(str::to_owned),
            Self::Ink => ["#1c2024", "#e8eaed"].map(str::to_owned),
            Self::Muted => ["#5b636d", "#a3abb5"].map(str::to_owned),
            Self::Grid => ["#e3e6ea", "#2c323a"].map(str::to_owned),
            Self::Series(i) => SERIES[i % Self::NUM_SERIES].map(str::to_owned),
            Self::Step(step) => [LIGHT_PART, DARK_PART].map(|[from, to]| {
                viridis(from + (to - from) * f64::from(step.min(Self::LAST_STEP)) / f64::from(Self::LAST_STEP))
            }),
        }
    }

    fn name(self) -> String {
        match self {
            Self::Paper => "p".to_owned(),
            Self::Ink => "k".to_owned(),
            Self::Muted => "m".to_owned(),
            Self::Grid => "g".to_owned(),
            Self::Series(i) => format!("c{}", i % Self::NUM_SERIES),
            Self::Step(step) => format!("q{}", step.min(Self::LAST_STEP)),
        }
    }

    /// Attributes that fill with it.
    pub fn fill(self) -> String {
        format!("fill=\"{}\" class=\"llc-f-{}\"", self.values()[0], self.name())
    }

    /// Attributes that draw lines of it.
    pub fn stroke(self) -> String {
        format!("fill=\"none\" stroke=\"{}\" class=\"llc-s-{}\"", self.values()[0], self.name())
    }

    /// Attributes that fill with paper and draw the edge.
    pub fn outline(self) -> String {
        let (paper, edge) = (Self::Paper.values(), self.values());
        format!("fill=\"{}\" stroke=\"{}\" class=\"llc-f-p llc-s-{}\"", paper[0], edge[0], self.name())
    }
}

/// The style sheet that turns figures dark where the reader prefers it.
pub fn dark_style() -> String {
    let plain = [Paint::Paper, Paint::Ink, Paint::Muted, Paint::Grid];
    let series = (0..Paint::NUM_SERIES).map(Paint::Series);
    let mut rules = String::new();
    for paint in plain.into_iter().chain(series).chain((0..=Paint::LAST_STEP).map(Paint::Step)) {
        let (name, [_, dark]) = (paint.name(), paint.values());
        // Writing to a String can't fail.
        let _ = write!(rules, ".llc-f-{name}{{fill:{dark}}}.llc-s-{name}{{stroke:{dark}}}");
    }
    format!("@media (prefers-color-scheme:dark){{{rules}}}")
}

fn viridis(share: f64) -> String {
    let place = share.clamp(0.0, 1.0) * (VIRIDIS.len() - 1) as f64;
    let below = (place.floor() as usize).min(VIRIDIS.len() - 2);
    let weight = place - below as f64;
    let mix = |i: usize| {
        let (a, b) = (f64::from(VIRIDIS[below][i]), f64::from(VIRIDIS[below + 1][i]));
        (a + weight * (b - a)).round() as u8
    };
    format!("#{:02x}{:02x}{:02x}", mix(0), mix(1), mix(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance as the Web Content Accessibility Guidelines define it.
    fn luminance(colour: &str) -> f64 {
        let channel = |at: usize| {
            let c = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    }

    fn contrast(a: &str, b: &str) -> f64 {
        let (a, b) = (luminance(a) + 0.05, luminance(b) + 0.05);
        if a > b { a / b } else { b / a }
    }

    #[test]
    fn text_and_data_stand_out_on_both_papers() {
        let papers = Paint::Paper.values();
        let series = (0..Paint::NUM_SERIES).map(|i| (Paint::Series(i), 3.0));
        let steps = (0..=Paint::LAST_STEP).map(|i| (Paint::Step(i), 1.9));
        for (paint, least) in [(Paint::Ink, 7.0), (Paint::Muted, 4.5)].into_iter().chain(series).chain(steps) {
            for (paper, colour) in papers.iter().zip(paint.values()) {
                assert!(contrast(paper, &colour) >= least, "{paint:?}: {colour} on {paper}");
            }
        }
    }
}
