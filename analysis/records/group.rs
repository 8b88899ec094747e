//! Puts runs into groups: by any field, by the settings that differ, or by the size of the network.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use llc::config::dln::Preset;
use llc::record::read::Run;
use serde_json::Value;

/// Parts of a configuration that don't make a run another experiment: repetitions, and where it ran.
const INCIDENTAL: [&str; 5] =
    ["config.seed", "config.run", "config.descent", "config.data.dir", "config.data.corruption_seed"];

/// What `run` has at `path`, such as `config.sampler.gamma`; `None` for nothing, null and tables.
pub fn field<'a>(run: &'a Run, path: &str) -> Option<&'a Value> {
    let (part, path) = path.split_once('.')?;
    let whole = match part {
        "config" => &run.config,
        "report" => run.report.as_ref()?,
        _ => return None,
    };
    let found = path.split('.').try_fold(whole, |value, name| value.get(name))?;
    (!found.is_null() && !found.is_object()).then_some(found)
}

/// A value as people write it.
pub fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(words).collect::<Vec<_>>().join(","),
        value => value.to_string(),
    }
}

/// Runs that are alike.
#[derive(Debug, Clone)]
pub struct Group<'a> {
    /// What they have in common, in words.
    pub name: String,
    /// The same as a number, where every group's is one.
    pub number: Option<f64>,
    pub runs: Vec<&'a Run>,
}

/// The groups of `runs` by the field `hue`, in the order of its values; without it by all settings in which their configurations differ, seeds
/// left out. Runs without the field are left out.
pub fn groups<'a>(runs: &[&'a Run], hue: Option<&str>) -> Vec<Group<'a>> {
    groups_besides(runs, hue, &[])
}

/// As [`groups`], but without `hue` runs may also differ in `axes`, the parts of a configuration that a figure shows anyway.
pub fn groups_besides<'a>(runs: &[&'a Run], hue: Option<&str>, axes: &[&str]) -> Vec<Group<'a>> {
    let keys: Vec<String> = match hue {
        Some(hue) => vec![hue.to_owned()],
        None => differing(runs).into_iter().filter(|key| !is_part(key, axes)).collect(),
    };
    let mut groups: BTreeMap<String, Group<'a>> = BTreeMap::new();
    for run in without_repeats(runs) {
        let values: Vec<Option<&Value>> = keys.iter().map(|key| field(run, key)).collect();
        if hue.is_some() && values[0].is_none() {
            continue;
        }
        let name = match (&values[..], &keys[..]) {
            ([Some(value)], [_]) => words(value),
            _ => labelled(&keys, &values),
        };
        let number = if let [Some(value)] = values[..] { value.as_f64() } else { None };
        groups.entry(name.clone()).or_insert_with(|| Group { name, number, runs: Vec::new() }).runs.push(run);
    }
    let mut groups: Vec<Group> = groups.into_values().collect();
    groups.sort_by(|a, b| match (a.number, b.number) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        _ => natural(&a.name, &b.name),
    });
    if groups.iter().any(|group| group.number.is_none()) {
        groups.iter_mut().for_each(|group| group.number = None);
    }
    groups
}

/// What [`groups`] goes by, in words; nothing where all runs are of one group.
pub fn grouped_by(runs: &[&Run], hue: Option<&str>) -> Option<String> {
    let keys = hue.map_or_else(|| differing(runs), |hue| vec![hue.to_owned()]);
    let short = |key: &String| key.rsplit('.').next().unwrap_or(key).to_owned();
    (!keys.is_empty()).then(|| keys.iter().map(short).collect::<Vec<_>>().join(", "))
}

/// Whether the names of `groups` fit beside the ends of lines.
pub fn fit_beside_lines(groups: &[Group]) -> bool {
    (2..=8).contains(&groups.len()) && groups.iter().all(|group| group.name.chars().count() <= 14)
}

/// The keys of the configuration in which `runs` differ, but for repetitions.
pub fn differing(runs: &[&Run]) -> Vec<String> {
    let mut values: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for run in runs {
        push_leaves("config", &run.config, &mut values);
    }
    let num_runs_with = |key: &str| runs.iter().filter(|run| field(run, key).is_some()).count();
    let differs = |(key, values): &(&String, &BTreeSet<String>)| {
        !is_part(key, &INCIDENTAL) && (values.len() > 1 || num_runs_with(key) < runs.len())
    };
    values.iter().filter(differs).map(|(key, _)| key.clone()).collect()
}

/// `runs` without those that a later one repeats, seeds and all: the same numbers twice are no second seed.
fn without_repeats<'a>(runs: &[&'a Run]) -> Vec<&'a Run> {
    let identity = |run: &Run| {
        let mut leaves = BTreeMap::new();
        push_leaves("config", &run.config, &mut leaves);
        leaves.retain(|key, _| !is_part(key, &["config.run", "config.descent", "config.data.dir"]));
        (run.command.clone(), leaves)
    };
    let mut seen = BTreeSet::new();
    let mut kept: Vec<&Run> = runs.iter().rev().filter(|run| seen.insert(identity(run))).copied().collect();
    kept.reverse();
    kept
}

/// Whether `key` is one of `parts`, or below one.
fn is_part(key: &str, parts: &[&str]) -> bool {
    parts.iter().any(|part| key.strip_prefix(part).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
}

fn push_leaves(name: &str, value: &Value, leaves: &mut BTreeMap<String, BTreeSet<String>>) {
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(key, field)| push_leaves(&format!("{name}.{key}"), field, leaves))
        }
        Value::Null => {}
        value => drop(leaves.entry(name.to_owned()).or_default().insert(words(value))),
    }
}

fn labelled(keys: &[String], values: &[Option<&Value>]) -> String {
    let pairs = keys.iter().zip(values).filter_map(|(key, value)| {
        let short = key.rsplit('.').next().unwrap_or(key);
        value.map(|value| format!("{short} {}", words(value)))
    });
    pairs.collect::<Vec<_>>().join(", ")
}

/// Numbers in names by their size: 2 before 10.
fn natural(a: &str, b: &str) -> Ordering {
    let leading =
        |text: &str| text.split(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse::<u64>().ok());
    leading(a).cmp(&leading(b)).then_with(|| a.cmp(b))
}

/// The published group that `run` was drawn from, by its command line, or else the power of ten nearest to its number of parameters.
pub fn size_group(run: &Run, d: f64) -> String {
    let given = run.argv.iter().enumerate().find_map(|(i, word)| match word.strip_prefix("--preset") {
        Some("") => run.argv.get(i + 1).map(String::as_str),
        Some(rest) => rest.strip_prefix('='),
        None => None,
    });
    if let Some(preset) = given.filter(|name| Preset::from_name(name).is_some()) {
        return preset.to_owned();
    }
    // Groups are named by a thousand parameters and more.
    let decade = d.max(1000.0).log10().round() as i32;
    match decade {
        ..6 => format!("{}k", 10_i64.pow((decade - 3) as u32)),
        _ => format!("{}m", 10_i64.pow((decade - 6).min(12) as u32)),
    }
}

/// How many parameters the name of a size group promises, to sort by.
pub fn size_of(group: &str) -> u64 {
    let unit = if group.ends_with('m') { 1_000_000 } else { 1000 };
    group.trim_end_matches(['k', 'm']).parse::<u64>().map_or(u64::MAX, |number| number.saturating_mul(unit))
}
