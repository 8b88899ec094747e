//! Reads what a run recorded over time: its metrics, thinned to about a thousand points each.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};
use llc::record::json;
use llc::record::read::Run;
use serde::Deserialize;

/// One metric: values at steps. What was not finite is NaN.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Series {
    pub steps: Vec<f64>,
    pub values: Vec<f64>,
}

/// The file's layout. The timestamps, two thirds of it, are skipped as they are read.
#[derive(Deserialize)]
struct Stored {
    steps: Vec<f64>,
    values: Vec<Option<f64>>,
}

impl Series {
    /// Points of (step, value).
    pub fn points(&self) -> impl Iterator<Item = [f64; 2]> {
        self.steps.iter().zip(&self.values).map(|(&step, &value)| [step, value])
    }
}

/// The metrics of `run` by name; none where it recorded none.
///
/// # Errors
///
/// Where `metrics.json` can't be read.
pub fn metrics(run: &Run) -> Result<BTreeMap<String, Series>> {
    let path = run.path.join("metrics.json");
    if !path.exists() {
        return Ok(BTreeMap::new());
    }
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let stored: BTreeMap<String, Stored> =
        json::parse_as(&text).with_context(|| format!("{} has no metrics", path.display()))?;
    let series = |Stored { steps, values }: Stored| Series {
        steps,
        values: values.into_iter().map(|value| value.unwrap_or(f64::NAN)).collect(),
    };
    Ok(stored.into_iter().map(|(name, stored)| (name, series(stored))).collect())
}
