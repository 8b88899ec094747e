//! Takes the product of lists of settings: one line for every combination, the last list's values next to each other.
//!
//! Settings that do not apply to a combination, such as a momentum with Adam, are left out, and equal combinations appear once: lists
//! for `optimizer` (sgd, adam) and `momentum` (0, 0.9) make three lines. A setting that applies to no line is an error.

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

use super::line::{Line, LineError, Setting};

/// The most lines: more is surely a mistake.
pub const MAX_LINES: usize = 1_000_000;

/// One setting with the values that it takes in turn.
#[derive(Debug, Clone)]
pub struct Axis {
    /// Each value, as a setting.
    pub settings: Vec<Setting>,
}

/// Why there is no product.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProductError {
    /// There are too many combinations.
    #[error("the lists make {0:.0e} lines, but at most {MAX_LINES} are allowed: shorten them")]
    TooMany(f64),
    /// A combination that leaving out can't mend, or a setting that none has a use for.
    #[error(transparent)]
    Line(#[from] LineError),
}

/// One line for every combination of the `axes`' values, put on top of `base`.
///
/// # Errors
///
/// [`ProductError`] for too many lines, a setting without any use, and a line that `llc` would refuse.
pub fn lines(base: &Line, axes: &[Axis]) -> Result<Vec<String>, ProductError> {
    let count = axes.iter().map(|axis| axis.settings.len() as f64).product::<f64>();
    if count > MAX_LINES as f64 {
        return Err(ProductError::TooMany(count));
    }
    let (mut lines, mut seen) = (Vec::new(), BTreeSet::new());
    let mut unused = Unused::default();
    for line in combinations(base, axes) {
        let (line, text, reasons) = line.fitted()?;
        unused.note(&line, reasons);
        if seen.insert(text.clone()) {
            lines.push(text);
        }
    }
    unused.check()?;
    Ok(lines)
}

/// `base` with every combination of the axes' values, unchecked.
pub fn combinations(base: &Line, axes: &[Axis]) -> impl Iterator<Item = Line> {
    let count = axes.iter().map(|axis| axis.settings.len()).product::<usize>();
    (0..count).map(move |index| {
        // The digits of the index in a mixed base, the last axis's the fastest.
        let (mut rest, mut chosen) = (index, Vec::new());
        for axis in axes.iter().rev() {
            chosen.push(axis.settings[rest % axis.settings.len()].clone());
            rest /= axis.settings.len();
        }
        chosen.into_iter().rev().fold(base.clone(), Line::with)
    })
}

/// Settings that no line has had a use for yet, with what the first one said.
#[derive(Debug, Default)]
pub struct Unused {
    used: BTreeSet<&'static str>,
    reasons: BTreeMap<&'static str, LineError>,
}

impl Unused {
    /// Notes which settings `line` kept, and why it lost others.
    pub fn note(&mut self, line: &Line, reasons: Vec<LineError>) {
        self.used.extend(line.paths());
        for reason in reasons {
            if let Some(path) = reason.useless() {
                self.reasons.entry(path).or_insert(reason);
            }
        }
    }

    /// Refuses what no line had a use for.
    ///
    /// # Errors
    ///
    /// What was said of the first such setting.
    pub fn check(self) -> Result<(), LineError> {
        let Self { used, reasons } = self;
        reasons.into_iter().find(|(path, _)| !used.contains(path)).map_or(Ok(()), |(_, reason)| Err(reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::Experiment;

    fn product(lists: &[(&str, &[&str])]) -> Result<Vec<String>, String> {
        let curve = Experiment::named("curve").unwrap();
        let axis = |(path, values): &(&str, &[&str])| {
            let key = curve.key(path).unwrap();
            Axis {
                settings: values
                    .iter()
                    .map(|value| Setting::new(key, &crate::config::parse(key, value).unwrap()))
                    .collect(),
            }
        };
        let axes: Vec<Axis> = lists.iter().map(axis).collect();
        lines(&Line::new(curve, &[]), &axes).map_err(|error| format!("{:#}", anyhow::Error::from(error)))
    }

    #[test]
    fn a_momentum_beside_adam_is_left_out_and_its_line_appears_once() {
        let lines = product(&[("train.optimizer", &["sgd", "adam"]), ("train.momentum", &["0", "0.9"])]).unwrap();
        assert_eq!(
            lines,
            [
                "llc curve --optimizer sgd --momentum 0",
                "llc curve --optimizer sgd --momentum 0.9",
                "llc curve --optimizer adam"
            ]
        );
    }

    #[test]
    fn the_last_list_runs_fastest_and_every_combination_is_there() {
        let lines = product(&[("model.width_factor", &["8", "64"]), ("seed", &["0", "1", "2"])]).unwrap();
        assert_eq!(lines.len(), 6);
        assert_eq!(lines[1], "llc curve --width-factor 8 --seed 1");
        assert_eq!(lines[3], "llc curve --width-factor 64 --seed 0");
        assert_eq!(product(&[]).unwrap(), ["llc curve"]);
    }

    #[test]
    fn a_setting_that_no_line_has_a_use_for_is_refused() {
        let error = product(&[("train.optimizer", &["adam"]), ("train.momentum", &["0.9"])]).unwrap_err();
        assert!(error.contains("--momentum") && error.contains("adam"), "{error}");
        let error = product(&[("train.learning_rate", &["0.1", "-1"])]).unwrap_err();
        assert!(error.contains("llc would reject `llc curve --learning-rate -1`: --learning-rate"), "{error}");
        let seeds: Vec<String> = (0..2000).map(|seed| seed.to_string()).collect();
        let seeds: Vec<&str> = seeds.iter().map(String::as_str).collect();
        assert!(product(&[("seed", &seeds), ("model.width_factor", &seeds[1..])]).unwrap_err().contains("4e6 lines"));
    }
}
