//! Colours runs: by a field that the user names, or by the number of parameters.

use std::collections::BTreeMap;
use std::path::PathBuf;

use llc::record::read::Run;

use crate::plot::paint::Paint;
use crate::plot::panel::{Key, Shape};
use crate::plot::scale::readable;
use crate::records::group::{Group, groups};

/// Values above which colours are a ramp rather than a colour each.
const MAX_SEPARATE: usize = 4;

/// The colour of every run, and the keys that explain them.
pub struct Hue {
    paints: BTreeMap<PathBuf, Paint>,
    pub keys: Vec<Key>,
}

impl Hue {
    /// Colours by the field `hue` if it is given, else by `size`, on a ramp of its logarithm.
    pub fn new(runs: &[&Run], hue: Option<&str>, size: impl Fn(&Run) -> f64) -> Self {
        match hue {
            Some(hue) => Self::by_field(runs, hue),
            None => Self::by_size(runs, size),
        }
    }

    fn by_size(runs: &[&Run], size: impl Fn(&Run) -> f64) -> Self {
        let sizes: Vec<f64> = runs.iter().map(|run| size(run)).filter(|size| *size > 0.0).collect();
        let (low, high) =
            sizes.iter().fold((f64::INFINITY, 0.0_f64), |(low, high), &size| (low.min(size), high.max(size)));
        if low >= high {
            let paints = runs.iter().map(|run| (run.path.clone(), Paint::Series(0))).collect();
            return Self { paints, keys: Vec::new() };
        }
        let step = |run: &Run| Paint::step((size(run) / low).ln() / (high / low).ln());
        let paints = runs.iter().map(|run| (run.path.clone(), step(run))).collect();
        let label = "parameters d".to_owned();
        Self { paints, keys: vec![Key::Ramp { label, low: readable(low, 3), high: readable(high, 3) }] }
    }

    fn by_field(runs: &[&Run], hue: &str) -> Self {
        let groups = groups(runs, Some(hue));
        let paints = group_paints(&groups);
        let keys = group_keys(&groups, Some(hue), |paint, name| Key::Point(Shape::Disc, paint, name));
        let of_group = |(group, paint): (&Group, &Paint)| -> Vec<(PathBuf, Paint)> {
            group.runs.iter().map(|run| (run.path.clone(), *paint)).collect()
        };
        let paints = groups.iter().zip(&paints).flat_map(of_group).collect();
        Self { paints, keys }
    }

    /// The colour of `run`; muted where it lacks the field.
    pub fn paint(&self, run: &Run) -> Paint {
        self.paints.get(&run.path).copied().unwrap_or(Paint::Muted)
    }
}

/// A colour for each group: steps of a ramp for more than a few numbers, else a colour each.
pub fn group_paints(groups: &[Group]) -> Vec<Paint> {
    let numbers: Vec<f64> = groups.iter().filter_map(|group| group.number).collect();
    let is_ramp = numbers.len() == groups.len() && groups.len() > MAX_SEPARATE || groups.len() > Paint::NUM_SERIES;
    let paint = |i: usize| match is_ramp {
        true => Paint::step(i as f64 / (groups.len() - 1) as f64),
        false => Paint::Series(i),
    };
    (0..groups.len()).map(paint).collect()
}

/// What a field is called before its values: the last part of its path, nothing where the values say it.
pub fn field_name(path: &str) -> &str {
    match path.rsplit('.').next() {
        Some("name" | "kind") | None => "",
        Some(last) => last,
    }
}

/// The keys of coloured groups: a ramp for those on one, else one each.
///
/// `by` is the field that the groups go by, if it is one.
pub fn group_keys(groups: &[Group], by: Option<&str>, one: impl Fn(Paint, String) -> Key) -> Vec<Key> {
    let name = by.map_or("", field_name);
    let paints = group_paints(groups);
    match (groups, &paints[..]) {
        ([first, .., last], [Paint::Step(_), ..]) => {
            vec![Key::Ramp { label: name.to_owned(), low: first.name.clone(), high: last.name.clone() }]
        }
        _ => groups
            .iter()
            .zip(paints)
            .map(|(group, paint)| one(paint, format!("{name} {}", group.name).trim().to_owned()))
            .collect(),
    }
}
