//! Reads the file of a sweep.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use llc::config::{self, ConfigError, Kind};
use llc::sweep::product::Axis;
use llc::sweep::{Experiment, FingerprintError, Line, Range, RangeError, Setting};
use llc::words::{did_you_mean, nearest};
use toml::{Table, Value as Toml};

use super::distribution::{Law, Random};

/// What the file says, each block in the order of the experiment's settings.
#[derive(Debug)]
pub struct Sweep {
    experiment: &'static Experiment,
    fixed: Vec<Setting>,
    pub(super) grid: Vec<Axis>,
    pub(super) random: Vec<Random>,
    /// Lines for each point of the grid.
    pub(super) count: u64,
    /// Seed of the draws.
    pub(super) seed: u64,
}

/// Why a file is not a sweep.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SweepError {
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is not TOML: line {line}: {message}", path.display())]
    Toml { path: PathBuf, line: usize, message: String },
    #[error("`{key}` is not a key of a sweep: {}{}", PARTS.join(", "), did_you_mean(*nearest))]
    UnknownPart { key: String, nearest: Option<&'static str> },
    #[error("`{key}`: {expected}")]
    WrongPart { key: &'static str, expected: &'static str },
    #[error(transparent)]
    Experiment(#[from] FingerprintError),
    #[error("[{block}] unknown key `{key}`{}", did_you_mean(*nearest))]
    UnknownKey { block: &'static str, key: String, nearest: Option<&'static str> },
    #[error("[{block}] `{key}` is in [{other}] too: leave it in one of them")]
    Twice { block: &'static str, other: &'static str, key: String },
    #[error("[{block}]")]
    Config { block: &'static str, source: ConfigError },
    #[error("[{block}] `{key}`: {problem}")]
    Value { block: &'static str, key: String, problem: String },
    #[error("[{block}] `{key}`")]
    Range { block: &'static str, key: String, source: RangeError },
}

const FIXED: &str = "fixed";
const GRID: &str = "grid";
const RANDOM: &str = "random";
const BLOCKS: [&str; 3] = [FIXED, GRID, RANDOM];
const PARTS: [&str; 6] = ["experiment", "count", "seed", FIXED, GRID, RANDOM];
const PRESET: &str = "preset";
const LENGTH: &str = "length";

impl Sweep {
    /// Reads the file at `path`.
    ///
    /// # Errors
    ///
    /// [`SweepError`], with the key that is wrong and the nearest known one.
    pub fn read(path: &Path) -> Result<Self, SweepError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| SweepError::Read { path: path.to_owned(), source })?;
        let table = text.parse::<Table>().map_err(|error| SweepError::Toml {
            path: path.to_owned(),
            line: error.span().map_or(1, |span| 1 + text[..span.start.min(text.len())].matches('\n').count()),
            message: error.message().lines().collect::<Vec<_>>().join(" "),
        })?;
        Self::from_table(&table)
    }

    pub(super) fn from_table(table: &Table) -> Result<Self, SweepError> {
        if let Some(key) = table.keys().find(|key| !PARTS.contains(&key.as_str())) {
            return Err(SweepError::UnknownPart { key: key.clone(), nearest: nearest(key, PARTS.into_iter()) });
        }
        let name = match table.get("experiment") {
            Some(Toml::String(name)) => name,
            _ => return Err(wrong("experiment", "give one, such as experiment = \"dln\"")),
        };
        let experiment = Experiment::named(name)?;
        let mut seen = BTreeSet::new();
        let mut blocks = Vec::new();
        for block in BLOCKS {
            let mut settings = Vec::new();
            match table.get(block) {
                None => {}
                Some(Toml::Table(table)) => flatten(experiment, block, "", table, &mut settings)?,
                Some(_) => return Err(wrong(block, "it is a table: write its settings below its name in brackets")),
            }
            for (slot, _) in &settings {
                if !seen.insert((slot.path(), "")) {
                    let is_there = |(_, others): &&(&str, Vec<(Slot, Toml)>)| {
                        others.iter().any(|(other, _)| other.path() == slot.path())
                    };
                    let other = blocks.iter().find(is_there).map_or(block, |(other, _)| *other);
                    return Err(SweepError::Twice { block, other, key: slot.path().to_owned() });
                }
            }
            settings.sort_by_key(|(slot, _)| slot.place(experiment));
            blocks.push((block, settings));
        }
        let mut blocks = blocks.into_iter().map(|(_, settings)| settings);
        let mut next = || blocks.next().unwrap_or_default();
        let fixed = next().iter().map(|(slot, value)| slot.setting(FIXED, value)).collect::<Result<_, _>>()?;
        let grid = next().iter().map(|(slot, values)| axis(*slot, values)).collect::<Result<_, _>>()?;
        let random = next().iter().map(|(slot, law)| random(*slot, law)).collect::<Result<Vec<_>, _>>()?;
        let count = whole(table, "count", "give a whole number of lines for each point, 1 or more")?;
        if count.is_some() && random.is_empty() {
            return Err(wrong(
                "count",
                "without [random] all lines of a point would be the same: leave it out, or add [random]",
            ));
        }
        let count = count.unwrap_or(1);
        if count == 0 {
            return Err(wrong("count", "give 1 or more"));
        }
        let seed = whole(
            table,
            "seed",
            "give a whole number from 0 up; the runs' own seeds go into [fixed], [grid] or [random]",
        )?;
        Ok(Self { experiment, fixed, grid, random, count, seed: seed.unwrap_or(0) })
    }

    /// The line that all others are made of.
    pub(super) fn base(&self, extra: &[String]) -> Line {
        self.fixed.iter().cloned().fold(Line::new(self.experiment, extra), Line::with)
    }
}

/// What a key of a block stands for.
#[derive(Debug, Clone, Copy)]
enum Slot {
    Key(&'static config::Setting),
    Preset(&'static Experiment),
}

impl Slot {
    fn path(self) -> &'static str {
        match self {
            Self::Key(key) => key.path,
            Self::Preset(_) => PRESET,
        }
    }

    /// Its place in `--help`; presets first.
    fn place(self, experiment: &Experiment) -> usize {
        (experiment.keys)().iter().position(|key| key.path == self.path()).map_or(0, |place| place + 1)
    }

    fn setting(self, block: &'static str, value: &Toml) -> Result<Setting, SweepError> {
        match self {
            Self::Key(key) => match config::convert(key, value) {
                Ok(value) => Ok(Setting::new(key, &value)),
                Err(source) => Err(SweepError::Config { block, source }),
            },
            Self::Preset(experiment) => match value.as_str() {
                Some(name) if experiment.presets.contains(&name) => Ok(Setting::preset(name)),
                _ => {
                    let name = value.as_str().unwrap_or_default();
                    let hint = did_you_mean(nearest(name, experiment.presets.iter().copied()));
                    let problem = format!("{value} is not one of {}{hint}", experiment.presets.join(", "));
                    Err(SweepError::Value { block, key: PRESET.to_owned(), problem })
                }
            },
        }
    }
}

/// The settings of a block by their keys, which may be dotted or in tables of their own.
fn flatten(
    experiment: &'static Experiment,
    block: &'static str,
    prefix: &str,
    table: &Table,
    settings: &mut Vec<(Slot, Toml)>,
) -> Result<(), SweepError> {
    for (name, value) in table {
        let path = format!("{prefix}{name}");
        let section = format!("{path}.");
        if path == PRESET && !experiment.presets.is_empty() {
            settings.push((Slot::Preset(experiment), value.clone()));
        } else if let Some(key) = experiment.key(&path).filter(|key| !key.flag.is_empty()) {
            settings.push((Slot::Key(key), value.clone()));
        } else if let (Toml::Table(inner), true) =
            (value, (experiment.keys)().iter().any(|key| key.path.starts_with(&section)))
        {
            flatten(experiment, block, &section, inner, settings)?;
        } else {
            let nearest = experiment.nearest(&path);
            return Err(SweepError::UnknownKey { block, key: path, nearest });
        }
    }
    Ok(())
}

/// A setting of the grid.
fn axis(slot: Slot, values: &Toml) -> Result<Axis, SweepError> {
    let block = GRID;
    let problem = |problem: &str| SweepError::Value { block, key: slot.path().to_owned(), problem: problem.to_owned() };
    let settings: Vec<Setting> = match values {
        Toml::Array(values) => values.iter().map(|value| slot.setting(block, value)).collect::<Result<_, _>>()?,
        Toml::String(text) if matches!(slot, Slot::Key(key) if key.kind == Kind::Whole) => {
            let range = range(block, slot, text)?;
            if range.num_values() > llc::sweep::product::MAX_LINES as u64 {
                return Err(problem("the range is too long"));
            }
            let value = |value: u64| slot.setting(block, &Toml::Integer(i64::try_from(value).unwrap_or(i64::MAX)));
            range.values().map(value).collect::<Result<_, _>>()?
        }
        _ => {
            return Err(problem(
                "give a list of values, such as [1, 10, 100]; a single value goes into [fixed], a law into [random]",
            ));
        }
    };
    if settings.is_empty() { Err(problem("the list is empty")) } else { Ok(Axis { settings }) }
}

/// A setting that is drawn.
fn random(slot: Slot, law: &Toml) -> Result<Random, SweepError> {
    let block = RANDOM;
    let problem = |problem: String| SweepError::Value { block, key: slot.path().to_owned(), problem };
    let example = "give a law: { uniform = [0, 1] }, { log-uniform = [1e-8, 1e-6] }, { integers = \"5..50\" } or { \
                   choice = [1, 10] }";
    let Toml::Table(table) = law else { return Err(problem(example.to_owned())) };
    let laws: Vec<(&String, &Toml)> = table.iter().filter(|(name, _)| *name != LENGTH).collect();
    let [(name, ends)] = laws.as_slice() else { return Err(problem(example.to_owned())) };
    let length = match table.get(LENGTH) {
        None => None,
        Some(Toml::Integer(length)) => Some(range(block, slot, &length.to_string())?),
        Some(Toml::String(text)) => Some(range(block, slot, text)?),
        Some(_) => return Err(problem("give length = \"2..5\" or length = 3".to_owned())),
    };
    if let ("choice", Toml::Array(values)) = (name.as_str(), ends) {
        if length.is_some() {
            return Err(problem("a choice selects whole lists: leave length out".to_owned()));
        }
        let settings: Vec<Setting> = values.iter().map(|value| slot.setting(block, value)).collect::<Result<_, _>>()?;
        return if settings.is_empty() {
            Err(problem("the list is empty".to_owned()))
        } else {
            Ok(Random::Choice(settings))
        };
    }
    let law = match (name.as_str(), ends) {
        ("integers", Toml::String(text)) => Law::Integers(range(block, slot, text)?),
        ("integers", _) => return Err(problem("give a range: integers = \"5..50\" for 5 to 49".to_owned())),
        ("uniform", ends) => {
            Law::Uniform(two(ends).ok_or_else(|| problem("give two numbers, the smaller first".to_owned()))?)
        }
        ("log-uniform", ends) => {
            let ends = two(ends).filter(|[low, _]| *low > 0.0);
            Law::LogUniform(ends.ok_or_else(|| problem("give two numbers above 0, the smaller first".to_owned()))?)
        }
        ("choice", _) => return Err(problem("give a list to choose from: choice = [1, 10, 100]".to_owned())),
        (other, _) => {
            let hint = did_you_mean(nearest(other, Law::NAMES.into_iter()));
            return Err(problem(format!("there is no law `{other}`: {}{hint}", Law::NAMES.join(", "))));
        }
    };
    let Slot::Key(key) = slot else {
        return Err(problem("a preset can only be a choice: { choice = [...] }".to_owned()));
    };
    let is_list = matches!(key.kind, Kind::WholeList | Kind::RealList);
    match (key.kind, law) {
        (Kind::Whole | Kind::WholeList | Kind::Real | Kind::RealOrAuto | Kind::RealList, Law::Integers(_)) => {}
        (Kind::Real | Kind::RealOrAuto | Kind::RealList, _) => {}
        (Kind::Whole | Kind::WholeList, _) => return Err(problem("it is a whole number: use integers".to_owned())),
        _ => return Err(problem("it is not a number: use a choice".to_owned())),
    }
    match (is_list, length) {
        (true, None) => Err(problem("it is a list: give its length, with length = \"2..5\" or length = 3".to_owned())),
        (false, Some(_)) => Err(problem("it is not a list: leave length out".to_owned())),
        (true, Some(length)) if length.last > MAX_LENGTH => Err(problem(format!("the length is at most {MAX_LENGTH}"))),
        _ => Ok(Random::Numbers { key, law, length }),
    }
}

/// Longer lists are surely a slip.
const MAX_LENGTH: u64 = 1000;

fn range(block: &'static str, slot: Slot, text: &str) -> Result<Range, SweepError> {
    text.parse().map_err(|source| SweepError::Range { block, key: slot.path().to_owned(), source })
}

/// Two finite numbers, the less one first.
fn two(ends: &Toml) -> Option<[f64; 2]> {
    let number = |value: &Toml| value.as_float().or_else(|| value.as_integer().map(|value| value as f64));
    let [low, high] = ends.as_array()?.as_slice() else { return None };
    let ends = [number(low)?, number(high)?];
    // Twice the width must be finite too, or no number could be drawn between them.
    (ends[0] < ends[1] && ends.iter().all(|end| end.abs() < f64::MAX / 4.0)).then_some(ends)
}

fn whole(table: &Table, key: &'static str, expected: &'static str) -> Result<Option<u64>, SweepError> {
    let Some(value) = table.get(key) else { return Ok(None) };
    let whole = value.as_integer().and_then(|value| u64::try_from(value).ok());
    whole.map(Some).ok_or_else(|| wrong(key, expected))
}

fn wrong(key: &'static str, expected: &'static str) -> SweepError {
    SweepError::WrongPart { key, expected }
}
