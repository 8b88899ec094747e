//! Reads raw settings by type, with the checks that many of them share; `None` is where no layer has set one.

use llc_core::kernel::Source;

use super::{Choice, ConfigError, PositiveF64, RawConfig, Value};

impl RawConfig {
    pub(crate) fn whole(&self, path: &str) -> Option<u64> {
        match self.get(path) {
            Some(Value::Whole(value)) => Some(*value),
            _ => None,
        }
    }

    pub(crate) fn real(&self, path: &str) -> Option<f64> {
        match self.get(path) {
            Some(Value::Real(value)) => Some(*value),
            _ => None,
        }
    }

    pub(crate) fn word(&self, path: &str) -> Option<&str> {
        match self.get(path) {
            Some(Value::Text(word)) => Some(word),
            _ => None,
        }
    }

    /// The variant that a word names.
    pub(crate) fn choice<C: Choice>(&self, path: &str) -> Option<C> {
        self.word(path).and_then(C::from_name)
    }

    /// Whether a switch was turned on.
    pub(super) fn is_on(&self, path: &str) -> bool {
        self.word(path) == Some("on")
    }

    /// A whole number, `minimum` or more.
    pub(crate) fn count(&self, path: &str, minimum: u64) -> Result<Option<usize>, ConfigError> {
        match self.whole(path) {
            Some(found) if found < minimum => Err(ConfigError::TooSmall { key: self.key(path)?, found, minimum }),
            found => Ok(found.map(to_usize)),
        }
    }

    /// A whole number from 1 to `maximum`.
    pub(crate) fn count_to(&self, path: &str, maximum: u64) -> Result<Option<usize>, ConfigError> {
        match self.whole(path) {
            Some(found) if found > maximum => Err(ConfigError::TooLarge { key: self.key(path)?, found, maximum }),
            _ => self.count(path, 1),
        }
    }

    /// A finite number above 0.
    pub(crate) fn positive(&self, path: &str) -> Result<Option<PositiveF64>, ConfigError> {
        let key = self.key(path)?;
        let positive = |found| PositiveF64::new(found).ok_or(ConfigError::NotPositive { key, found });
        self.real(path).map(positive).transpose()
    }

    /// A finite number, 0 or more.
    pub(crate) fn non_negative(&self, path: &str) -> Result<Option<f64>, ConfigError> {
        match self.real(path) {
            // Not `value < 0.0`, which NaN passes.
            Some(value) if !(value.is_finite() && value >= 0.0) => {
                Err(ConfigError::Negative { key: self.key(path)?, found: value })
            }
            // −0 + 0 = 0: a sign would survive into records.
            value => Ok(value.map(|value| value + 0.0)),
        }
    }

    /// A number that `contains` accepts; `interval` describes these to users.
    pub(crate) fn within(
        &self,
        path: &str,
        interval: &'static str,
        contains: impl Fn(f64) -> bool,
    ) -> Result<Option<f64>, ConfigError> {
        match self.real(path) {
            Some(found) if !contains(found) => {
                Err(ConfigError::OutsideInterval { key: self.key(path)?, found, interval })
            }
            value => Ok(value),
        }
    }
}

/// What the settings of one sampler alone are read from. Their paths are those of its own keys, which every table with samplers has.
impl Source for RawConfig {
    type Error = ConfigError;

    fn count(&self, path: &str, minimum: u64) -> Result<Option<usize>, ConfigError> {
        RawConfig::count(self, path, minimum)
    }

    fn positives(&self, path: &str, len: Option<usize>) -> Result<Option<Vec<PositiveF64>>, ConfigError> {
        let Some(Value::RealList(factors)) = self.get(path) else {
            return Ok(None);
        };
        let key = self.key(path)?;
        if let Some(layers) = len.filter(|&layers| factors.len() != layers) {
            return Err(ConfigError::PreconditionerLength { key, found: factors.len(), layers });
        }
        let positive = |&found| PositiveF64::new(found).ok_or(ConfigError::NotPositive { key, found });
        factors.iter().map(positive).collect::<Result<_, _>>().map(Some)
    }

    fn word(&self, path: &str) -> Option<&str> {
        RawConfig::word(self, path)
    }

    fn unfit(&self, path: &str, found: &'static str, reason: &'static str) -> ConfigError {
        match self.key(path) {
            Ok(key) => ConfigError::Unfit { key, found, reason },
            Err(unknown) => unknown,
        }
    }
}

/// Whole numbers stay below 2⁶³; where addresses are shorter, a size that doesn't fit is as good as the largest.
pub(super) fn to_usize(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}
