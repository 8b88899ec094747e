//! Selects runs by conditions on their records, such as `status=COMPLETED` or `config.sampler.epsilon<1e-6`.
//!
//! A condition is a field, an operator and a value, without spaces between them. A run is selected if it meets all of them.
//!
//! | fields | |
//! |---|---|
//! | `id` `status` `name` `command` `comment` `hostname` | as in `llc-analysis runs list` and `show`; a status in any case |
//! | `llc` `mcse` `verdict` `duration_s` | the estimate, its error, the verdict, seconds from start to end |
//! | `config.PATH` `report.PATH` | any value of the configuration or the report: `config.sampler.gamma`, `report.llc.mcse` |
//!
//! Operators are `=` `!=` `<` `<=` `>` `>=` and `~`, which checks whether the text contains the value. Numbers compare as numbers
//! (1e-7 is 0.0000001), lists item by item (`20,20,10`). A run without the field differs from every value, and meets no other
//! condition on it.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::str::FromStr;

use jiff::Timestamp;
use serde_json::{Value, json};
use thiserror::Error;

use super::read::Run;
use crate::words::{did_you_mean, nearest};

/// The fields with their own names.
const FIELDS: [&str; 10] =
    ["id", "status", "name", "command", "comment", "hostname", "llc", "mcse", "verdict", "duration_s"];
/// The parts of a record that a path leads into.
const PARTS: [&str; 2] = ["config", "report"];

/// A condition on a run.
///
/// ```
/// use llc::record::filter::Filter;
/// assert!("config.sampler.epsilon<1e-6".parse::<Filter>().is_ok());
/// let error = "stauts=COMPLETED".parse::<Filter>().unwrap_err().to_string();
/// assert_eq!(error, "stauts=COMPLETED: no run has a field `stauts`: did you mean `status`?");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    field: String,
    operator: Operator,
    value: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    Different,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Contains,
}

/// Why a condition is not valid.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum FilterError {
    /// There is no operator in it.
    #[error(
        "{text}: write a condition as FIELD=VALUE, with one of = != < <= > >= ~ (contains), for example status=COMPLETED"
    )]
    NoOperator {
        /// The condition.
        text: String,
    },
    /// No run has such a field.
    #[error("{text}: no run has a field `{field}`{}", did_you_mean(nearest.as_deref()))]
    UnknownField {
        /// The condition.
        text: String,
        /// Its field.
        field: String,
        /// The field with the most similar name.
        nearest: Option<String>,
    },
    /// An order for a value that has none.
    #[error("{text}: `{value}` is not a number, and only numbers can be less or greater")]
    NoNumber {
        /// The condition.
        text: String,
        /// Its value.
        value: String,
    },
}

/// The `runs` that meet all of `filters` at the time `now`, in order.
///
/// # Errors
///
/// [`FilterError::UnknownField`] for a path that none of the runs has.
pub fn select(runs: Vec<Run>, filters: &[Filter], now: Timestamp) -> Result<Vec<Run>, FilterError> {
    for filter in filters {
        filter.check_field(&runs)?;
    }
    Ok(runs.into_iter().filter(|run| filters.iter().all(|filter| filter.is_met(run, now))).collect())
}

impl Filter {
    /// Whether `run`, as it is at the time `now`, meets it.
    pub fn is_met(&self, run: &Run, now: Timestamp) -> bool {
        let Some(found) = field(run, &self.field, now) else {
            return self.operator == Operator::Different;
        };
        let ignores_case = self.field == "status";
        let order = || number(&found).zip(parse_number(&self.value)).and_then(|(a, b)| a.compare(b));
        match self.operator {
            Operator::Equal => is_equal(&found, &self.value, ignores_case),
            Operator::Different => !is_equal(&found, &self.value, ignores_case),
            Operator::Less => order() == Some(Ordering::Less),
            Operator::LessOrEqual => matches!(order(), Some(Ordering::Less | Ordering::Equal)),
            Operator::Greater => order() == Some(Ordering::Greater),
            Operator::GreaterOrEqual => matches!(order(), Some(Ordering::Greater | Ordering::Equal)),
            Operator::Contains if ignores_case => plain(&found).to_lowercase().contains(&self.value.to_lowercase()),
            Operator::Contains => plain(&found).contains(&self.value),
        }
    }

    /// Rejects a path that exists in none of the `runs`; without runs there is nothing to check against.
    fn check_field(&self, runs: &[Run]) -> Result<(), FilterError> {
        let has_it = |run| field(run, &self.field, Timestamp::UNIX_EPOCH).is_some();
        if runs.is_empty() || FIELDS.contains(&self.field.as_str()) || runs.iter().any(has_it) {
            return Ok(());
        }
        let mut paths = BTreeSet::new();
        for run in runs {
            push_paths("config", &run.config, &mut paths);
            push_paths("report", run.report.as_ref().unwrap_or(&Value::Null), &mut paths);
        }
        let nearest = nearest(&self.field, paths.iter().map(String::as_str)).map(str::to_owned);
        Err(FilterError::UnknownField { text: self.to_string(), field: self.field.clone(), nearest })
    }
}

impl std::fmt::Display for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}{}", self.field, self.operator.sign(), self.value)
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        let no_operator = || FilterError::NoOperator { text: text.to_owned() };
        let at = text.find(['=', '!', '<', '>', '~']).ok_or_else(no_operator)?;
        let (field, rest) = (text[..at].trim(), &text[at..]);
        let operator = Operator::ALL.into_iter().find(|operator| rest.starts_with(operator.sign()));
        let operator = operator.filter(|_| !field.is_empty()).ok_or_else(no_operator)?;
        let rest = &rest[operator.sign().len()..];
        // `==`, as programming languages have it.
        let value = if operator == Operator::Equal { rest.strip_prefix('=').unwrap_or(rest) } else { rest }.trim();
        let is_path = PARTS.iter().any(|part| field.strip_prefix(part).is_some_and(|rest| rest.starts_with('.')));
        let (text, value) = (text.to_owned(), value.to_owned());
        if !is_path && !FIELDS.contains(&field) {
            let nearest = nearest(field, FIELDS.into_iter()).map(str::to_owned);
            // `sampler.gamma` is a path that lacks its part.
            let nearest = nearest.or_else(|| field.contains('.').then(|| format!("config.{field}")));
            return Err(FilterError::UnknownField { text, field: field.to_owned(), nearest });
        }
        if operator.is_order() && parse_number(&value).is_none() {
            return Err(FilterError::NoNumber { text, value });
        }
        Ok(Self { field: field.to_owned(), operator, value })
    }
}

impl Operator {
    /// All of them, the longer of two that start alike first.
    const ALL: [Self; 7] = [
        Self::Different,
        Self::LessOrEqual,
        Self::GreaterOrEqual,
        Self::Equal,
        Self::Less,
        Self::Greater,
        Self::Contains,
    ];

    fn sign(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::Different => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Contains => "~",
        }
    }

    fn is_order(self) -> bool {
        matches!(self, Self::Less | Self::LessOrEqual | Self::Greater | Self::GreaterOrEqual)
    }
}

/// The value of the field in `run`; `None` for nothing, for null, and for a table.
fn field(run: &Run, name: &str, now: Timestamp) -> Option<Value> {
    let found = match name {
        "id" => json!(run.id),
        "status" => json!(run.shown_status(now)),
        "name" => json!(run.name),
        "command" => json!(run.command),
        "comment" => json!(run.comment),
        "hostname" => json!(run.hostname),
        "llc" => json!(run.result),
        "mcse" => run.report.as_ref()?.pointer("/llc/mcse")?.clone(),
        "verdict" => run.report.as_ref()?.get("verdict")?.clone(),
        "duration_s" => json!(run.duration_s()),
        path => {
            let (part, path) = path.split_once('.')?;
            let whole = if part == "config" { Some(&run.config) } else { run.report.as_ref() };
            path.split('.').try_fold(whole?, step)?.clone()
        }
    };
    (!found.is_null() && !found.is_object()).then_some(found)
}

/// The value at `name` in `value`: a field of a table, or an item of a list, counted from 0.
fn step<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    match value {
        Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        value => value.get(name),
    }
}

fn push_paths(name: &str, value: &Value, paths: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(key, field)| push_paths(&format!("{name}.{key}"), field, paths));
        }
        Value::Null => {}
        _ => drop(paths.insert(name.to_owned())),
    }
}

fn is_equal(found: &Value, wanted: &str, ignores_case: bool) -> bool {
    match found {
        Value::Array(items) => {
            let inner = wanted.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(wanted);
            let wanted: Vec<&str> = inner.split([',', ' ']).map(str::trim).filter(|item| !item.is_empty()).collect();
            items.len() == wanted.len() && items.iter().zip(wanted).all(|(item, wanted)| is_equal(item, wanted, false))
        }
        Value::Number(_) => {
            number(found).zip(parse_number(wanted)).and_then(|(a, b)| a.compare(b)) == Some(Ordering::Equal)
        }
        Value::String(text) if ignores_case => text.eq_ignore_ascii_case(wanted),
        found => plain(found) == wanted,
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

/// A number. Whole numbers are separate because above 2⁵³ an f64 can't distinguish neighbours (such as seeds).
#[derive(Clone, Copy)]
enum Number {
    Whole(i128),
    Real(f64),
}

impl Number {
    fn compare(self, other: Self) -> Option<Ordering> {
        let real = |number| match number {
            Self::Whole(whole) => whole as f64,
            Self::Real(real) => real,
        };
        match (self, other) {
            (Self::Whole(a), Self::Whole(b)) => Some(a.cmp(&b)),
            (a, b) => real(a).partial_cmp(&real(b)),
        }
    }
}

fn number(value: &Value) -> Option<Number> {
    let whole = value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from));
    whole.map(Number::Whole).or_else(|| value.as_f64().map(Number::Real))
}

fn parse_number(text: &str) -> Option<Number> {
    let text = text.replace('_', "");
    text.parse().ok().map(Number::Whole).or_else(|| text.parse().ok().map(Number::Real))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(id: u64, status: &str, config: Value, report: Option<Value>) -> Run {
        let start = Timestamp::from_second(1_000_000).ok();
        Run {
            id,
            path: format!("runs/{id}").into(),
            status: status.to_owned(),
            name: "dln".to_owned(),
            command: "dln".to_owned(),
            comment: "a remark".to_owned(),
            argv: Vec::new(),
            hostname: "node1".to_owned(),
            start,
            stop: Timestamp::from_second(1_000_060).ok(),
            heartbeat: start,
            result: report.as_ref().and_then(|report| report["llc"]["mean"].as_f64()),
            fail_trace: Vec::new(),
            config,
            report,
        }
    }

    fn runs() -> Vec<Run> {
        let config = |seed: u64, epsilon: Value| json!({"seed": seed, "sampler": {"epsilon": epsilon}, "model": {"layer_widths": [20, 20, seed]}});
        let report = |mean: f64| Some(json!({"llc": {"mean": mean, "mcse": 0.25}, "verdict": "trusted"}));
        vec![
            run(1, "COMPLETED", config(10, json!(1e-7)), report(49.8)),
            run(2, "COMPLETED", config(9_007_199_254_740_993, json!("auto")), report(-1.5)),
            run(3, "FAILED", config(10, json!(2e-8)), None),
            run(4, "RUNNING", json!({"seed": 3, "other": {"deep": true}}), None),
        ]
    }

    fn chosen(conditions: &str) -> Vec<u64> {
        let filters: Vec<Filter> = conditions.split(' ').map(|text| text.parse().unwrap()).collect();
        let now = Timestamp::from_second(2_000_000).unwrap();
        select(runs(), &filters, now).unwrap().iter().map(|run| run.id).collect()
    }

    #[test]
    fn runs_are_chosen_by_every_kind_of_field() {
        for (conditions, ids) in [
            ("status=completed", vec![1, 2]),
            ("status=probably_dead", vec![4]),
            ("status~DEAD name=dln", vec![4]),
            ("llc>0", vec![1]),
            ("llc<=-1.5 verdict=trusted", vec![2]),
            ("mcse=0.250", vec![1, 2]),
            ("id>=3", vec![3, 4]),
            ("duration_s>59.9 id!=1 hostname=node1", vec![2, 3, 4]),
            ("comment~mark command==dln id<2", vec![1]),
            ("config.other.deep=true", vec![4]),
            ("report.llc.mcse<1", vec![1, 2]),
        ] {
            assert_eq!(chosen(conditions), ids, "{conditions}");
        }
    }

    #[test]
    fn numbers_compare_as_numbers_and_lists_item_by_item() {
        for same in ["1e-7", "0.0000001", "1.0E-07"] {
            assert_eq!(chosen(&format!("config.sampler.epsilon={same}")), [1], "{same}");
        }
        assert_eq!(chosen("config.sampler.epsilon<1e-7"), [3], "`auto` is neither less nor greater");
        assert_eq!(chosen("config.sampler.epsilon=auto"), [2]);
        assert_eq!(chosen("config.seed=9007199254740993"), [2]);
        assert_eq!(chosen("config.seed=9007199254740992"), [0; 0], "its neighbour, which an f64 can't tell apart");
        for same in ["20,20,10", "[20,20,10]", "2e1,20.0,10"] {
            assert_eq!(chosen(&format!("config.model.layer_widths={same}")), [1, 3], "{same}");
        }
        assert_eq!(chosen("config.model.layer_widths=20,20"), [0; 0]);
        assert_eq!(chosen("config.model.layer_widths.0=20"), [1, 2, 3]);
    }

    #[test]
    fn a_run_without_the_field_differs_from_every_value_and_meets_nothing_else() {
        assert_eq!(chosen("config.sampler.epsilon!=1e-7"), [2, 3, 4]);
        assert_eq!(chosen("config.sampler.epsilon~1"), [1]);
        assert_eq!(chosen("llc!=49.8"), [2, 3, 4]);
    }

    #[test]
    fn a_field_that_no_run_has_is_refused_with_the_nearest() {
        let refused = |text: &str| match text.parse::<Filter>() {
            Err(error) => error.to_string(),
            Ok(filter) => select(runs(), &[filter], Timestamp::UNIX_EPOCH).unwrap_err().to_string(),
        };
        assert!(refused("config.sampler.epsilom=1").ends_with("did you mean `config.sampler.epsilon`?"));
        assert!(refused("report.llc.mcs<1").ends_with("did you mean `report.llc.mcse`?"));
        assert!(refused("sampler.epsilon=1").ends_with("did you mean `config.sampler.epsilon`?"));
        assert!(refused("config.sampler=1").contains("no run has a field `config.sampler`"), "a table is no value");
        assert!(refused("statsu=FAILED").ends_with("did you mean `status`?"));
        assert!(refused("llc<many").contains("`many` is not a number"));
        assert!(refused("llc").contains("FIELD=VALUE") && refused("=3").contains("FIELD=VALUE"));
        assert!(select(Vec::new(), &["config.any=1".parse().unwrap()], Timestamp::UNIX_EPOCH).is_ok());
    }
}
