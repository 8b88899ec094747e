//! Counts the singular values of the Jacobian and the eigenvalues of the loss's Hessian by size (`llc dln --spectra`).

use std::collections::BTreeMap;
use std::fs::File;

use llc::config::dln::defaults::FUNCTIONAL_RANK_THRESHOLD;
use llc::record::read::Run;
use serde::Deserialize;

use super::figure::{Figure, Input, NoData, counted};
use crate::plot::paint::Paint;
use crate::plot::panel::{Axis, Drawing, Key, Mark, Panel, Shape, Table, cell};
use crate::plot::scale::readable;
use crate::statistics::quantiles::histogram;

pub const FIGURE: Figure = Figure {
    name: "spectra",
    summary: "singular values of the Jacobian and eigenvalues of the Hessian by size, of up to three runs (llc dln --spectra)",
    shows_single_runs: true,
    draw,
};

/// The points that a run writes spectra of, by the start of the file's name, and as a title has them.
const POINTS: [(&str, &str); 2] = [("true", "w*"), ("trained", "trained point")];
/// The matrices by their name in the file, what their values are called, and the power of a singular value that they are of.
const MATRICES: [(&str, &str, i32); 2] =
    [("jacobian", "singular value of J/√n", 1), ("hessian", "|eigenvalue| of the Hessian", 2)];
/// The least share of the largest singular value that is shown: below it there is only rounding.
const LEAST_SHARE: f64 = 1e-10;
const NUM_BINS: usize = 40;

#[derive(Deserialize)]
struct Row {
    matrix: String,
    value: f64,
}

/// The values of each matrix at one point.
type Spectra = BTreeMap<String, Vec<f64>>;

fn draw(input: &Input) -> Result<Drawing, NoData> {
    let runs = input.some(3, |run| {
        let points: Vec<_> =
            POINTS.iter().filter_map(|&(name, label)| Some((label, read(input, run, name)?))).collect();
        (!points.is_empty()).then_some(points)
    });
    if runs.is_empty() {
        return Err(NoData::of("a run with spectra (llc dln --spectra)"));
    }
    let mut table = Table::new(["run_dir", "point", "matrix", "from", "to", "num_positive", "num_negative"]);
    let mut panels = Vec::new();
    for (run, points) in &runs {
        for (label, spectra) in points {
            for (matrix, axis, power) in MATRICES {
                let bins = Bins::new(spectra.get(matrix).map_or(&[], Vec::as_slice), power);
                for [from, to, positive, negative] in &bins.counts {
                    let [from, to, positive, negative] = [*from, *to, *positive, *negative].map(cell);
                    let names = [run.path.display().to_string(), (*label).to_owned(), matrix.to_owned()];
                    let [run_dir, point, matrix] = names;
                    table.push([run_dir, point, matrix, from, to, positive, negative]);
                }
                let run_name = run.path.file_name().unwrap_or_default().to_string_lossy();
                panels.push(bins.panel(axis).titled(format!("{run_name}, {label}: {}", bins.summary())));
            }
        }
    }
    Ok(Drawing {
        title: "Spectra of Jacobian and Hessian".to_owned(),
        caption: format!(
            "{}, one row for each point. Vertical line: {} of the largest for the Hessian, the root of that for the \
             Jacobian, above which a direction counts by default. Values below {} of the largest eigenvalue are not \
             shown.",
            counted(runs.len(), "run"),
            readable(FUNCTIONAL_RANK_THRESHOLD, 2),
            readable(LEAST_SHARE.powi(2), 2),
        ),
        keys: vec![
            Key::Point(Shape::Disc, Paint::Series(0), "positive".to_owned()),
            Key::Point(Shape::Disc, Paint::Series(1), "negative".to_owned()),
        ],
        panels,
        columns: MATRICES.len(),
        panel_size: [330.0, 190.0],
        table,
    })
}

/// The spectra at the point `name` of `run`; `None` if there are none that can be read.
fn read(input: &Input, run: &Run, name: &str) -> Option<Spectra> {
    let path = input.details.path(run, &format!("{name}_spectra.csv")).ok()?;
    let mut spectra = Spectra::new();
    for row in csv::Reader::from_reader(File::open(path).ok()?).deserialize() {
        let Row { matrix, value } = row.ok()?;
        spectra.entry(matrix).or_default().push(value);
    }
    (!spectra.is_empty()).then_some(spectra)
}

/// Values counted by size, in bins that are equal on a logarithmic axis.
struct Bins {
    /// Left end, right end, how many are positive and how many negative there.
    counts: Vec<[f64; 4]>,
    threshold: f64,
    num_above: usize,
    num_values: usize,
}

impl Bins {
    /// Bins of `values`, each the `power`-th power of a singular value.
    fn new(values: &[f64], power: i32) -> Self {
        let largest = values.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
        let threshold = FUNCTIONAL_RANK_THRESHOLD.sqrt().powi(power) * largest;
        let exponents = |sign: f64| -> Vec<f64> {
            let sizes =
                values.iter().map(|value| sign * value).filter(|size| *size >= LEAST_SHARE.powi(power) * largest);
            sizes.filter(|size| *size > 0.0).map(f64::log10).collect()
        };
        let (positive, negative) = (exponents(1.0), exponents(-1.0));
        let both = || positive.iter().chain(&negative).copied();
        let (low, high) = (both().fold(f64::INFINITY, f64::min), both().fold(f64::NEG_INFINITY, f64::max));
        let count = |exponents: &[f64]| histogram(exponents, low, high.max(low + 1.0), NUM_BINS);
        let counts = match low.is_finite() {
            true => count(&positive)
                .into_iter()
                .zip(count(&negative))
                .map(|([from, to, positive], [_, _, negative])| {
                    [10.0_f64.powf(from), 10.0_f64.powf(to), positive, negative]
                })
                .collect(),
            false => Vec::new(),
        };
        let num_above = values.iter().filter(|value| value.abs() > threshold).count();
        Self { counts, threshold, num_above, num_values: values.len() }
    }

    fn summary(&self) -> String {
        match self.num_values {
            0 => "not computed".to_owned(),
            count => format!("{} of {count} count", self.num_above),
        }
    }

    fn panel(&self, axis: &str) -> Panel {
        // What is left of a bar above its positive values is negative.
        let bars = |height: fn(&[f64; 4]) -> f64, paint| Mark::Bars {
            bars: self.counts.iter().map(|bin| [bin[0], bin[1], height(bin)]).collect(),
            paint,
            base: 0.0,
        };
        let mut marks = vec![bars(|bin| bin[2] + bin[3], Paint::Series(1)), bars(|bin| bin[2], Paint::Series(0))];
        if self.threshold > 0.0 {
            marks.push(Mark::AtX { x: self.threshold, label: String::new() });
        }
        Panel::new(Axis::log(axis), Axis::whole("number").including(0.0), marks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_that_is_not_rounding_is_in_one_bin_by_its_sign() {
        let bins = Bins::new(&[4.0, 2.0, 1e-3, -0.5, 1e-30, 0.0], 2);
        let total = |i: usize| bins.counts.iter().map(|bin| bin[i]).sum::<f64>();
        assert_eq!((total(2), total(3), bins.num_above, bins.num_values), (3.0, 1.0, 4, 6));
        assert!(
            (bins.counts[0][0] / 1e-3 - 1.0).abs() < 1e-9 && (bins.counts[NUM_BINS - 1][1] / 4.0 - 1.0).abs() < 1e-9
        );
        assert!((bins.threshold / 4e-10 - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_matrix_of_zeros_has_an_empty_panel() {
        let bins = Bins::new(&[0.0, 0.0], 1);
        assert!(bins.counts.is_empty() && bins.num_above == 0);
        assert_eq!((bins.summary().as_str(), Bins::new(&[], 1).summary().as_str()), ("0 of 2 count", "not computed"));
    }
}
