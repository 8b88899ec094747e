//! Configures the ladder and its budget: the table `profile`.

use llc_core::setting::choice;
use serde::{Serialize, Serializer};

use crate::config::sampler::{SamplerConfig, defaults};
use crate::config::{ConfigError, PositiveF64, RawConfig, Value};

/// Rungs of a ladder: over the three decades that it spans by default, two or three in each.
pub(super) const NUM_RUNGS: usize = 9;
/// Half of the 90 % interval, as a share of λ̂: the bias that a verdict tolerates.
pub(super) const HALF_WIDTH: f64 = 0.03;
/// Steps of all rounds of a rung, against those of the first: five doublings.
pub(super) const MAX_ROUNDS_STEPS: usize = 32;
/// The most rungs.
const MAX_RUNGS: u64 = 1000;

/// What falls from rung to rung.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Along {
    /// γ.
    #[default]
    Gamma,
    /// nβ.
    NBeta,
}

choice!(Along: Gamma = "gamma", NBeta = "n-beta");

impl Along {
    /// The word on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gamma => "gamma",
            Self::NBeta => "n-beta",
        }
    }

    /// The letter in texts.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Gamma => "γ",
            Self::NBeta => "nβ",
        }
    }

    /// What stays the same.
    pub fn other(self) -> Self {
        match self {
            Self::Gamma => Self::NBeta,
            Self::NBeta => Self::Gamma,
        }
    }
}

/// The ladder and its budget, in files the table `profile`.
#[derive(Debug, Clone, PartialEq, Serialize, Default)]
#[non_exhaustive]
pub struct ProfileSection {
    /// What it runs along.
    pub along: Along,
    /// Its rungs.
    #[serde(flatten)]
    pub ladder: LadderConfig,
    /// Half of the 90 % interval, as a share of λ̂, at which a rung is done; above 0.
    pub half_width: f64,
    /// Seconds of sampling for the whole ladder.
    #[serde(rename = "time", serialize_with = "in_seconds", skip_serializing_if = "Option::is_none")]
    pub time_s: Option<f64>,
    /// The most steps of a chain on one rung, at least those of the first round.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_steps: Option<usize>,
}

/// The rungs of a ladder.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum LadderConfig {
    /// Each by itself: finite, above 0, falling.
    Given {
        /// From the largest to the smallest.
        ladder: Vec<f64>,
    },
    /// A geometric sequence.
    Geometric {
        /// The first; follows from w* where it is `None`.
        #[serde(skip_serializing_if = "Option::is_none")]
        from: Option<f64>,
        /// The last, below the first; a thousandth of it where it is `None`.
        #[serde(skip_serializing_if = "Option::is_none")]
        to: Option<f64>,
        /// How many, at least 1.
        rungs: usize,
    },
}

impl Default for LadderConfig {
    fn default() -> Self {
        Self::Geometric { from: None, to: None, rungs: NUM_RUNGS }
    }
}

/// As `profile.time` is read.
fn in_seconds<S: Serializer>(time_s: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format!("{}s", time_s.unwrap_or_default()))
}

/// What `raw` lets the ladder run along.
pub(super) fn along(raw: &RawConfig) -> Along {
    raw.choice("profile.along").unwrap_or(Along::Gamma)
}

/// The ladder that `raw` asks for, of chains that `sampler` draws.
pub(super) fn check(raw: &RawConfig, sampler: &SamplerConfig) -> Result<ProfileSection, ConfigError> {
    let path = "profile.half_width";
    let half_width = raw.within(path, "(0, 1)", |share| share > 0.0 && share < 1.0)?.unwrap_or(HALF_WIDTH);
    let time_s = time(raw)?;
    let path = "profile.max_steps";
    let max_steps = raw.count(path, 1)?;
    if let Some(found) = max_steps.filter(|&steps| steps < sampler.num_steps) {
        let (key, found, minimum) = (raw.key(path)?, found as u64, sampler.num_steps as u64);
        return Err(ConfigError::TooSmall { key, found, minimum });
    }
    let no_limit = time_s.is_none().then(|| sampler.num_steps.saturating_mul(MAX_ROUNDS_STEPS));
    Ok(ProfileSection {
        along: along(raw),
        ladder: ladder(raw)?,
        half_width,
        time_s,
        max_steps: max_steps.or(no_limit),
    })
}

fn ladder(raw: &RawConfig) -> Result<LadderConfig, ConfigError> {
    let path = "profile.ladder";
    let Some(Value::RealList(ladder)) = raw.get(path) else {
        let value = |path| Ok::<_, ConfigError>(raw.positive(path)?.map(PositiveF64::get));
        let (from, to) = (value("profile.from")?, value("profile.to")?);
        if let (Some(from), Some(to)) = (from, to)
            && from <= to
        {
            let reason = format!("it must be smaller than --from, {from}: a ladder goes from large to small values");
            return Err(ConfigError::Refused { key: raw.key("profile.to")?, reason });
        }
        return Ok(LadderConfig::Geometric {
            from,
            to,
            rungs: raw.count_to("profile.rungs", MAX_RUNGS)?.unwrap_or(NUM_RUNGS),
        });
    };
    let key = raw.key(path)?;
    if let Some(other) = ["profile.from", "profile.to", "profile.rungs"].iter().find(|path| raw.get(path).is_some()) {
        let reason =
            "--ladder lists every rung: leave this out, or use --from, --to and --rungs instead of --ladder".to_owned();
        return Err(ConfigError::Refused { key: raw.key(other)?, reason });
    }
    if ladder.is_empty() {
        return Err(ConfigError::EmptyItem { key, found: String::new() });
    }
    if let Some(&found) = ladder.iter().find(|value| !(value.is_finite() && **value > 0.0)) {
        return Err(ConfigError::NotPositive { key, found });
    }
    if !ladder.is_sorted_by(|a, b| a > b) {
        let reason =
            "give the values from the largest to the smallest: each rung is wider than the previous one".to_owned();
        return Err(ConfigError::Refused { key, reason });
    }
    Ok(LadderConfig::Given { ladder: ladder.clone() })
}

/// Seconds in each unit of a time.
const UNITS: [(&str, f64); 3] = [("s", 1.0), ("m", 60.0), ("h", 3600.0)];

/// The time that `raw` grants: seconds, or a number with its unit.
fn time(raw: &RawConfig) -> Result<Option<f64>, ConfigError> {
    let path = "profile.time";
    let Some(text) = raw.word(path) else { return Ok(None) };
    let unit = UNITS.iter().find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, *seconds)));
    let (number, unit_s) = unit.unwrap_or((text, 1.0));
    match number.trim().parse::<f64>() {
        Ok(number) if number.is_finite() && number > 0.0 => Ok(Some(number * unit_s)),
        _ => {
            let expected = "a time above 0, such as 600, 90s, 10m or 2h";
            Err(ConfigError::WrongKind { key: raw.key(path)?, found: text.to_owned(), expected })
        }
    }
}

impl SamplerConfig {
    /// The most draws of a chain on one rung of a ladder whose chains make at most `max_steps`.
    pub fn max_draws(&self, max_steps: Option<usize>) -> usize {
        let in_memory = defaults::MAX_DRAWS / self.num_chains;
        max_steps.map_or(in_memory, |steps| (steps / self.thin).min(in_memory)).max(self.num_draws())
    }
}
