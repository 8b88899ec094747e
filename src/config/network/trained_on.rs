//! Carries in a checkpoint what a network was trained on and towards, for λ̂ depends on it as much as on the weights.
//!
//! The header has it under the fact `trained_on`: the loss, and the table `data` of the training's configuration without the folder, so
//! that a checkpoint can be used on another machine. `llc estimate` lays these settings under all others, and refuses or reports what
//! deviates from them. A checkpoint of another program, or of an older llc, has no such fact.
//!
//! *Tested by* a round trip below, and by `tests/checkpoint_settings.rs`: the loss and accuracy of a training are those of the estimate.

use std::fmt;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::data::{self, DataConfig, DataDefaults};
use crate::checkpoint::Header;
use crate::config::{Kind, Setting};
use crate::data::DatasetName;
use crate::loss::Loss;
use crate::words::{did_you_mean, nearest};

/// The fact of a checkpoint's header.
const FACT: &str = "trained_on";
/// The settings of a file that a checkpoint carries.
const DATA: &str = "data";
const LOSS: &str = "train.loss";
/// The folder of the data is that of a machine.
const FOLDER: &str = "dir";

/// What a network was trained on and towards.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainedOn {
    /// What was minimised, as `--loss` takes it.
    pub loss: String,
    /// The table `data` of the training's settings, without the folder; `None` where the samples are of no such table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Map<String, Value>>,
}

/// A setting that differs from the training's.
#[derive(Debug, Clone, PartialEq)]
pub struct Deviation {
    /// The key, such as `data.preprocessing`.
    pub key: &'static Setting,
    /// What is asked for; `None` where the setting is left out.
    pub given: Option<Value>,
    /// What the training had.
    pub trained: Option<Value>,
}

impl TrainedOn {
    /// A training on `data` towards the minimum of `loss`.
    pub fn new(loss: &Loss, data: Option<&DataConfig>) -> TrainedOn {
        TrainedOn { loss: loss.to_string(), data: data.map(table) }
    }

    /// What `header` says of it.
    pub fn of(header: &Header) -> Option<TrainedOn> {
        serde_json::from_value(header.facts.get(FACT)?.clone()).ok()
    }

    /// Puts it among the facts of a header.
    pub fn insert_into(&self, facts: &mut Map<String, Value>) {
        // Text and numbers: there is nothing to refuse.
        facts.insert(FACT.to_owned(), serde_json::to_value(self).unwrap_or_default());
    }

    /// The same as settings of a file, as far as `keys` has them.
    pub(in crate::config) fn settings(&self, keys: &[Setting]) -> toml::Table {
        let is_known = |path: &str| keys.iter().any(|key| key.path == path);
        let mut settings = toml::Table::new();
        let known = self.data.iter().flatten().filter(|(name, _)| is_known(&format!("{DATA}.{name}")));
        let data: Map<String, Value> = known.map(|(name, value)| (name.clone(), value.clone())).collect();
        if let Ok(data) = toml::Value::try_from(data) {
            settings.insert(DATA.to_owned(), data);
        }
        if let (true, Some((section, name))) = (is_known(LOSS), LOSS.split_once('.')) {
            let loss = toml::Table::from_iter([(name.to_owned(), toml::Value::String(self.loss.clone()))]);
            settings.insert(section.to_owned(), loss.into());
        }
        settings
    }

    /// Where training on `data` towards the minimum of `loss` would be another one: in the order of `--help`, each deviation once. Means and
    /// deviations of channels go with the preprocessing and the dataset, and are named only where these agree.
    pub fn deviations(&self, data: Option<&DataConfig>, loss: &Loss) -> Vec<Deviation> {
        let given = TrainedOn::new(loss, data);
        let mut deviations: Vec<Deviation> = Vec::new();
        for key in carried_keys() {
            let (trained, given) = (self.value(key.path), given.value(key.path));
            // A checkpoint that does not know its data contradicts none.
            let is_known = key.path == LOSS || self.data.is_some() && data.is_some();
            // `data.mean` is chosen for `data.preprocessing`, which stands before it.
            let follows = deviations.iter().any(|deviation| key.chosen_for.contains(&deviation.key.path));
            if is_known && !follows && !is_same(trained.as_ref(), given.as_ref()) {
                deviations.push(Deviation { key, given, trained });
            }
        }
        deviations
    }

    fn value(&self, path: &str) -> Option<Value> {
        match path.split_once('.') {
            _ if path == LOSS => Some(self.loss.clone().into()),
            Some((DATA, name)) if name != FOLDER => self.data.as_ref()?.get(name).cloned(),
            _ => None,
        }
    }
}

/// The settings of `data` as a file has them, without the folder.
fn table(data: &DataConfig) -> Map<String, Value> {
    match serde_json::to_value(data) {
        Ok(Value::Object(mut table)) => {
            table.remove(FOLDER);
            table
        }
        // Text and finite numbers: there is nothing to refuse.
        _ => Map::new(),
    }
}

/// Whether two settings are the same; numbers may differ by their rounding in a file.
fn is_same(a: Option<&Value>, b: Option<&Value>) -> bool {
    match (a, b) {
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(Some(a), Some(b)))
        }
        (Some(Value::Number(a)), Some(Value::Number(b))) => match (a.as_f64(), b.as_f64()) {
            (Some(a), Some(b)) => (a - b).abs() <= 1e-12 * a.abs().max(b.abs()),
            _ => a == b,
        },
        (a, b) => a == b,
    }
}

impl Deviation {
    /// The value as a flag takes it; `not given` if there is none.
    pub fn shown(value: Option<&Value>) -> String {
        let text = |value: &Value| match value {
            Value::String(text) => text.clone(),
            Value::Bool(is_on) => if *is_on { "on" } else { "off" }.to_owned(),
            other => other.to_string(),
        };
        match value {
            None => "not given".to_owned(),
            Some(Value::Array(items)) => items.iter().map(text).collect::<Vec<_>>().join(","),
            Some(value) => text(value),
        }
    }
}

impl fmt::Display for Deviation {
    /// The key and both values: `--preprocessing (data.preprocessing) is scale, but was channels in the training`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [given, trained] = [&self.given, &self.trained].map(|value| Deviation::shown(value.as_ref()));
        write!(f, "{} is {given}, but was {trained} in the training", self.key)
    }
}

/// Several of them, in a sentence.
#[derive(Debug, Clone, PartialEq)]
pub struct Deviations(pub Vec<Deviation>);

impl fmt::Display for Deviations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.iter().map(Deviation::to_string).collect::<Vec<_>>().join("; "))
    }
}

/// The keys of what a checkpoint carries, for messages: their paths and flags are the same in every experiment.
pub fn carried_keys() -> &'static [Setting] {
    static KEYS: LazyLock<Vec<Setting>> = LazyLock::new(|| {
        let defaults = DataDefaults { name: DatasetName::Cifar10, is_normalised: false };
        let loss = Setting::new(LOSS, "loss", Kind::Text, "LOSS", "");
        data::keys(&defaults).into_iter().filter(|key| is_carried(key.path)).chain([loss]).collect()
    });
    &KEYS
}

/// Which settings of a training may be deviated from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Overrides {
    all: bool,
    paths: Vec<&'static str>,
}

/// The word for every setting.
const ALL: &str = "all";

impl Overrides {
    /// Reads a list of flags or keys, separated by commas, such as `preprocessing,data.crop`, or `all`.
    ///
    /// # Errors
    ///
    /// A sentence about the first word that does not name a setting of a checkpoint.
    pub fn parse(text: &str) -> Result<Overrides, String> {
        let mut overrides = Overrides::default();
        for word in text.split(',').map(|word| word.trim().trim_start_matches("--")).filter(|word| !word.is_empty()) {
            if word == ALL {
                overrides.all = true;
                continue;
            }
            match carried_keys().iter().find(|key| key.flag == word || key.path == word) {
                Some(key) => overrides.paths.push(key.path),
                None => {
                    let names = carried_keys().iter().flat_map(|key| [key.flag, key.path]);
                    let hint = did_you_mean(nearest(word, names));
                    let known = carried_keys().iter().map(|key| key.flag).collect::<Vec<_>>().join(", ");
                    return Err(format!(
                        "`{word}` is not a setting that a checkpoint records{hint} (give all, or some of {known})"
                    ));
                }
            }
        }
        Ok(overrides)
    }

    /// Whether a deviation from the training's setting at `path` was asked for.
    pub fn allow(&self, path: &str) -> bool {
        self.all || self.paths.contains(&path)
    }
}

/// Whether a checkpoint carries the setting at `path`.
fn is_carried(path: &str) -> bool {
    path == LOSS || matches!(path.split_once('.'), Some((DATA, name)) if name != FOLDER)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RawConfig;

    const DEFAULTS: DataDefaults = DataDefaults { name: DatasetName::Cifar10, is_normalised: false };

    fn keys() -> &'static [Setting] {
        let loss = Setting::new(LOSS, "loss", Kind::Text, "LOSS", "");
        data::keys(&DEFAULTS).into_iter().chain([loss]).collect::<Vec<_>>().leak()
    }

    fn config(keys: &'static [Setting], settings: &[(&str, &str)]) -> DataConfig {
        let mut raw = RawConfig::new(keys);
        raw.layer_text(settings.iter().copied()).unwrap();
        data::check(&raw, &DEFAULTS).unwrap()
    }

    const SETTINGS: [(&str, &str); 7] = [
        ("data.name", "mnist"),
        ("data.dir", "/somewhere"),
        ("data.preprocessing", "channels"),
        ("data.label_corruption", "0.1"),
        ("data.label_corruption_kind", "noise"),
        ("data.crop", "20"),
        ("data.corrupt_test", "off"),
    ];

    #[test]
    fn a_header_gives_back_the_settings_that_were_put_in_it_but_for_the_folder() {
        let keys = keys();
        let trained = config(keys, &SETTINGS);
        let mut header = Header::default();
        TrainedOn::new(&Loss::SquaredError, Some(&trained)).insert_into(&mut header.facts);
        let text = serde_json::to_string(&header).unwrap();
        assert!(!text.contains("somewhere"), "{text}");
        let read = TrainedOn::of(&serde_json::from_str(&text).unwrap()).unwrap();
        let mut raw = RawConfig::new(keys);
        raw.layer_under(&read.settings(keys)).unwrap();
        assert_eq!(data::check(&raw, &DEFAULTS).unwrap(), DataConfig { dir: None, ..trained.clone() });
        assert_eq!(raw.word(LOSS), Some("squared-error"));
        assert!(read.deviations(Some(&trained), &Loss::SquaredError).is_empty());
        assert_eq!(TrainedOn::of(&Header::default()), None);
    }

    #[test]
    fn what_is_said_lies_over_the_checkpoint_s_settings_and_every_deviation_is_named_once() {
        let keys = keys();
        let read = TrainedOn::new(&Loss::SquaredError, Some(&config(keys, &SETTINGS)));
        let mut raw = RawConfig::new(keys);
        raw.layer_text([("data.preprocessing", "scale"), ("data.train_size", "50")]).unwrap();
        raw.layer_under(&read.settings(keys)).unwrap();
        let mixed = data::check(&raw, &DEFAULTS).unwrap();
        assert_eq!((mixed.crop, mixed.name), (Some(20), DatasetName::Mnist));
        let found: Vec<String> =
            read.deviations(Some(&mixed), &Loss::CrossEntropy).iter().map(Deviation::to_string).collect();
        assert_eq!(
            found,
            [
                "--train-size (data.train_size) is 50, but was not given in the training",
                "--preprocessing (data.preprocessing) is scale, but was channels in the training",
                "--loss (train.loss) is cross-entropy, but was squared-error in the training",
            ]
        );
    }

    #[test]
    fn overrides_are_named_by_flag_or_key_and_an_unknown_one_gets_a_hint() {
        let some = Overrides::parse("preprocessing, data.crop,--loss").unwrap();
        assert!(["data.preprocessing", "data.crop", LOSS].iter().all(|path| some.allow(path)));
        assert!(!some.allow("data.train_size"));
        assert!(Overrides::parse("all").unwrap().allow("data.train_size"));
        let error = Overrides::parse("preprocesing").unwrap_err();
        assert!(error.contains("did you mean `preprocessing`?"), "{error}");
        assert!(Overrides::parse("data-dir").is_err(), "a checkpoint does not carry the folder");
    }
}
