//! Gathers settings from layers: each is optional, and only its kind is checked so far.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::ConfigError;
use super::network::point;
use super::setting::{self, Setting, Value};
use crate::words::nearest;

/// Settings by key, from any number of layers. A later layer overrides an earlier one.
#[derive(Debug, Clone)]
pub struct RawConfig {
    keys: &'static [Setting],
    values: BTreeMap<&'static str, Value>,
}

/// Pairs of keys that set the same quantity: a layer that sets one removes the other's earlier value.
const ALTERNATIVES: [(&str, &str); 4] = [
    ("sampler.beta", "sampler.n_beta"),
    ("train.num_epochs", "train.num_steps"),
    ("train.batch_size", "train.full_batch"),
    ("toy.n", "toy.n_beta"),
];

/// A switch that was replaced by a key with words. Files, records and flags may still use it.
struct FormerSwitch {
    path: &'static str,
    replaced_by: &'static str,
    on: &'static str,
    off: &'static str,
}

const FORMER_SWITCHES: [FormerSwitch; 1] = [FormerSwitch {
    path: point::FORCE_REALISABLE,
    replaced_by: point::LOSS_AROUND,
    on: point::OWN_FUNCTION,
    off: point::LABELS,
}];

impl RawConfig {
    /// No settings yet, out of `keys`.
    pub fn new(keys: &'static [Setting]) -> Self {
        Self { keys, values: BTreeMap::new() }
    }

    /// Adds the file at `path` as a layer.
    ///
    /// # Errors
    ///
    /// [`ConfigError::ReadFile`] and [`ConfigError::Toml`] for the file, else as [`RawConfig::layer_table`].
    pub fn layer_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let text =
            fs::read_to_string(path).map_err(|source| ConfigError::ReadFile { path: path.to_owned(), source })?;
        let table = text.parse::<toml::Table>().map_err(|error| ConfigError::Toml {
            path: path.to_owned(),
            line: error.span().map_or(1, |span| 1 + text[..span.start.min(text.len())].matches('\n').count()),
            message: error.message().lines().collect::<Vec<_>>().join(" "),
        })?;
        self.layer_table(&table)
    }

    /// Adds the settings of the run in `folder` as a layer, except `resume`, the run that it continued. A file, or a folder
    /// without a record, has none.
    ///
    /// # Errors
    ///
    /// [`ConfigError::ReadFile`] and [`ConfigError::Toml`] for the record, else as [`RawConfig::layer_table`].
    pub(super) fn layer_record(&mut self, folder: &Path, resume: &str) -> Result<(), ConfigError> {
        let path = folder.join("config.json");
        if path.is_file() {
            self.layer_json(&path)?;
            self.values.remove(resume);
        }
        Ok(())
    }

    /// Adds the JSON of the file `path`, nested as in a record, as a layer.
    pub(super) fn layer_json(&mut self, path: &Path) -> Result<(), ConfigError> {
        let error = |source| ConfigError::ReadFile { path: path.to_owned(), source };
        let text = fs::read_to_string(path).map_err(error)?;
        let table = serde_json::from_str::<toml::Table>(&text).map_err(|error| ConfigError::Toml {
            path: path.to_owned(),
            line: error.line(),
            message: error.to_string(),
        })?;
        self.layer_table(&table)
    }

    /// Adds a table, nested as in a file, as a layer.
    ///
    /// # Errors
    ///
    /// [`ConfigError::UnknownKey`], or the errors of [`setting::convert`].
    pub fn layer_table(&mut self, table: &toml::Table) -> Result<(), ConfigError> {
        let mut layer = Vec::new();
        self.flatten("", table, &mut layer)?;
        self.layer(layer)
    }

    /// Adds settings given as text, by dotted key, as a layer: all of `--set`, or all flags.
    ///
    /// ```
    /// use llc::config::{RawConfig, dln};
    /// let mut raw = RawConfig::new(dln::keys());
    /// raw.layer_text([("sampler.gamma", "10"), ("model.layer_widths", "[20, 10]")])?;
    /// assert!(raw.layer_text([("sampler.gama", "10")]).is_err());
    /// # Ok::<(), llc::config::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ConfigError::UnknownKey`], or the errors of [`setting::parse`].
    pub fn layer_text<'a>(
        &mut self,
        settings: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<(), ConfigError> {
        let read = |(path, text)| self.key(path).and_then(|key| Ok((key.path, setting::parse(key, text)?)));
        let layer = settings.into_iter().map(read).collect::<Result<_, _>>()?;
        self.layer(layer)
    }

    /// Adds a table, nested as in a file, below the existing layers: a different choice there removes the table's settings for its own choice.
    ///
    /// # Errors
    ///
    /// As [`RawConfig::layer_table`].
    pub(super) fn layer_under(&mut self, table: &toml::Table) -> Result<(), ConfigError> {
        let mut under = RawConfig::new(self.keys);
        under.layer_table(table)?;
        under.layer(std::mem::take(&mut self.values).into_iter().collect())?;
        *self = under;
        Ok(())
    }

    /// The key of that name.
    ///
    /// # Errors
    ///
    /// [`ConfigError::UnknownKey`], with the nearest existing key.
    pub fn key(&self, path: &str) -> Result<&'static Setting, ConfigError> {
        self.keys.iter().find(|key| key.path == path).ok_or_else(|| ConfigError::UnknownKey {
            key: path.to_owned(),
            nearest: nearest(path, self.keys.iter().map(|key| key.path)).map(str::to_owned),
        })
    }

    /// Sets `path` unless a layer has: this puts a preset below the other layers.
    pub(super) fn fill(&mut self, path: &'static str, value: Value) {
        let is_set = |path| self.values.contains_key(path);
        if !is_set(path) {
            self.values.insert(path, value);
        }
    }

    /// Removes the value at `path`.
    pub(super) fn remove(&mut self, path: &str) {
        self.values.remove(path);
    }

    /// The paths that some layer has set.
    pub fn paths(&self) -> impl Iterator<Item = &'static str> {
        self.values.keys().copied()
    }

    /// The value at `path`, if a layer has set it.
    pub fn get(&self, path: &str) -> Option<&Value> {
        self.values.get(path)
    }

    fn layer(&mut self, layer: Vec<(&'static str, Value)>) -> Result<(), ConfigError> {
        let layer = self.by_present_names(layer)?;
        for (first, second) in ALTERNATIVES {
            let sets = |path| layer.iter().any(|(set, _)| *set == path);
            match (sets(first), sets(second)) {
                (true, true) => {
                    let (first, second) = (self.key(first)?, self.key(second)?);
                    return Err(match first.path {
                        "sampler.beta" => ConfigError::BetaAndNBeta { beta: first, n_beta: second },
                        _ => ConfigError::Alternatives { first, second },
                    });
                }
                (true, false) => drop(self.values.remove(second)),
                (false, true) => drop(self.values.remove(first)),
                (false, false) => {}
            }
        }
        // What was set for one choice goes when the choice changes, so that `--config` with a file made for SGLD and
        // `--sampler gibbs` go together. Of two choices in one layer the later wins.
        let chosen: BTreeMap<_, _> = layer.iter().map(|(path, value)| (*path, value)).collect();
        for (choice, new) in chosen {
            if self.values.get(choice).is_some_and(|old| old != new) {
                let is_for_it = |path| self.keys.iter().any(|key| key.path == path && key.chosen_for.contains(&choice));
                self.values.retain(|path, _| !is_for_it(*path));
            }
        }
        self.values.extend(layer);
        Ok(())
    }

    /// The settings of `layer` with former switches replaced by their keys, which must not contradict the layer itself.
    fn by_present_names(
        &self,
        mut layer: Vec<(&'static str, Value)>,
    ) -> Result<Vec<(&'static str, Value)>, ConfigError> {
        for FormerSwitch { path, replaced_by, on, off } in FORMER_SWITCHES {
            let last = |path| layer.iter().rev().find(|(set, _)| *set == path).map(|(_, value)| value.clone());
            let Some(switch) = last(path) else { continue };
            let word = if switch == Value::Text("on".to_owned()) { on } else { off };
            let value = Value::Text(word.to_owned());
            if last(replaced_by).is_some_and(|given| given != value) {
                return Err(ConfigError::Alternatives { first: self.key(path)?, second: self.key(replaced_by)? });
            }
            layer.retain(|(set, _)| *set != path);
            layer.push((replaced_by, value));
        }
        Ok(layer)
    }

    fn flatten(
        &self,
        prefix: &str,
        table: &toml::Table,
        layer: &mut Vec<(&'static str, Value)>,
    ) -> Result<(), ConfigError> {
        for (name, value) in table {
            let path = format!("{prefix}{name}");
            let section = format!("{path}.");
            let is_section = self.keys.iter().any(|key| key.path.starts_with(&section));
            match value {
                toml::Value::Table(inner) if is_section => self.flatten(&section, inner, layer)?,
                toml::Value::Table(_) if self.key(&path).is_err() => {
                    let sections =
                        self.keys.iter().filter_map(|key| key.path.split_once('.')).map(|(section, _)| section);
                    let nearest = nearest(&path, sections).map(str::to_owned);
                    return Err(ConfigError::UnknownKey { key: path, nearest });
                }
                _ if is_section => return Err(ConfigError::NotATable { section: path }),
                value => {
                    let key = self.key(&path)?;
                    layer.push((key.path, setting::convert(key, value)?));
                }
            }
        }
        Ok(())
    }
}
