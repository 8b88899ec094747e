//! Puts a command together out of settings, and checks it by reading it back.

use thiserror::Error;

use super::command_file::{self, CommandFileError};
use super::experiment::Experiment;
use super::fingerprint::FingerprintError;
use crate::config::{self, ConfigError, Kind, Value};
use crate::record::redact;

/// A command being put together: an experiment, its settings, and the words after them.
#[derive(Debug, Clone)]
pub struct Line {
    experiment: &'static Experiment,
    settings: Vec<Setting>,
    extra: Vec<String>,
}

/// A flag with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The path of its key; `preset` for a preset, which is not a setting of its own.
    pub path: &'static str,
    words: Vec<String>,
}

/// Why a line is not printed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LineError {
    /// A word that not every reader would take as it stands.
    #[error(
        "`{word}` in `{line}` has a `{sign}`: a shell may change it; use only letters, digits and - _ . , : = / + @ %"
    )]
    Sign {
        /// The line.
        line: String,
        /// The word.
        word: String,
        /// The sign.
        sign: char,
    },
    /// A password, which every log of the command would show.
    #[error("the line has a password, which job logs and process lists would show: give it by the environment instead")]
    Credentials,
    /// What `llc` would refuse.
    #[error("llc would reject `{line}`")]
    Refused {
        /// The line.
        line: String,
        /// Why.
        source: FingerprintError,
    },
}

impl Setting {
    /// The flag of `key`, at `value`.
    pub fn new(key: &'static config::Setting, value: &Value) -> Self {
        let text = text(value);
        let words = match key.kind {
            Kind::Switch => vec![format!("--{}={text}", key.flag)],
            _ => vec![format!("--{}", key.flag), text],
        };
        Self { path: key.path, words }
    }

    /// A preset.
    pub fn preset(name: &str) -> Self {
        Self { path: "preset", words: vec!["--preset".to_owned(), name.to_owned()] }
    }

    /// The flag, with its dashes.
    fn flag(&self) -> &str {
        let flag = self.words.first().map_or("", String::as_str);
        flag.split_once('=').map_or(flag, |(flag, _)| flag)
    }
}

impl Line {
    /// `llc EXPERIMENT`, followed by `extra`, the user's flags for every line.
    pub fn new(experiment: &'static Experiment, extra: &[String]) -> Self {
        Self { experiment, settings: Vec::new(), extra: extra.to_vec() }
    }

    /// Adds a setting, unless the extra words give the same setting.
    #[must_use]
    pub fn with(mut self, setting: Setting) -> Self {
        if !self.is_said_behind(setting.path, setting.flag()) {
            self.settings.push(setting);
        }
        self
    }

    /// Whether the extra words do not give the setting of `key`.
    pub fn leaves_open(&self, key: &config::Setting) -> bool {
        !self.is_said_behind(key.path, &format!("--{}", key.flag))
    }

    /// Whether the extra words give the setting at `path`, by its `flag` or by `--set`.
    fn is_said_behind(&self, path: &str, flag: &str) -> bool {
        let is_set = |word: &str| word.split_once('=').is_some_and(|(set, _)| set.trim() == path);
        let is_flag = |word: &str| word.split_once('=').map_or(word, |(flag, _)| flag) == flag;
        let before = std::iter::once("").chain(self.extra.iter().map(String::as_str));
        before.zip(&self.extra).any(|(before, word)| {
            is_flag(word) || word.strip_prefix("--set=").is_some_and(is_set) || (before == "--set" && is_set(word))
        })
    }

    /// The same without the setting at `path`.
    fn without(mut self, path: &str) -> Self {
        self.settings.retain(|setting| setting.path != path);
        self
    }

    /// Whether it says the setting at `path` itself.
    pub fn has(&self, path: &str) -> bool {
        self.settings.iter().any(|setting| setting.path == path)
    }

    /// The paths of its settings.
    pub fn paths(&self) -> impl Iterator<Item = &'static str> {
        self.settings.iter().map(|setting| setting.path)
    }

    /// The line, read back and found legal.
    ///
    /// ```
    /// use llc::sweep::{Experiment, Line, Setting};
    /// let dln = Experiment::named("dln")?;
    /// let epsilon = dln.key("sampler.epsilon").unwrap();
    /// let line = Line::new(dln, &["--sampler".to_owned(), "sgld".to_owned()]);
    /// let line = line.with(Setting::new(epsilon, &llc::config::parse(epsilon, "0.00000002")?));
    /// assert_eq!(line.checked()?, "llc dln --epsilon 2e-8 --sampler sgld");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`LineError`] for what `llc` would refuse, or a shell would change.
    pub fn checked(&self) -> Result<String, LineError> {
        let settings = self.settings.iter().flat_map(|setting| &setting.words);
        let words: Vec<&str> =
            ["llc", self.experiment.name].into_iter().chain(settings.chain(&self.extra).map(String::as_str)).collect();
        let line = words.join(" ");
        if redact::text(&line) != line {
            return Err(LineError::Credentials);
        }
        let is_plain = |sign: char| sign.is_ascii_alphanumeric() || "-_.,:=/+@%".contains(sign);
        for word in words {
            // A word without a character would be lost between two spaces.
            if let Some(sign) = word.chars().find(|&sign| !is_plain(sign)).or(word.is_empty().then_some(' ')) {
                return Err(LineError::Sign { word: word.to_owned(), line, sign });
            }
        }
        match command_file::parse(&line) {
            Ok(_) => Ok(line),
            Err(CommandFileError::Refused { source, .. }) => Err(LineError::Refused { line, source }),
            // Signs and passwords have been looked for, and the line starts with `llc`.
            Err(_) => Err(LineError::Refused { line, source: FingerprintError::NoExperiment }),
        }
    }

    /// The same without those of its settings that the others have no use for (a momentum beside Adam), and why each had to go.
    ///
    /// # Errors
    ///
    /// As [`Line::checked`], for what leaving out can't mend.
    pub fn fitted(mut self) -> Result<(Self, String, Vec<LineError>), LineError> {
        let mut reasons = Vec::new();
        loop {
            let error = match self.checked() {
                Ok(text) => return Ok((self, text, reasons)),
                Err(error) => error,
            };
            match error.useless() {
                Some(path) if self.has(path) => {
                    self = self.without(path);
                    reasons.push(error);
                }
                _ => return Err(error),
            }
        }
    }
}

impl LineError {
    /// The setting that the others have no use for, if that is what is wrong.
    pub(super) fn useless(&self) -> Option<&'static str> {
        let Self::Refused { source: FingerprintError::Config(error), .. } = self else { return None };
        match error {
            ConfigError::AdamHasNoMomentum { key }
            | ConfigError::NeedsSwitch { key, .. }
            | ConfigError::NotForThisChoice { key, .. }
            | ConfigError::NotForThisSampler { key, .. }
            | ConfigError::NotForThisTruth { key, .. } => Some(key.path),
            _ => None,
        }
    }
}

/// A value as a flag takes it.
fn text(value: &Value) -> String {
    let list = |items: Vec<String>| items.join(",");
    match value {
        Value::Whole(whole) => whole.to_string(),
        Value::Real(real) => number(*real),
        Value::Text(text) => text.clone(),
        Value::WholeList(items) => list(items.iter().map(u64::to_string).collect()),
        Value::RealList(items) => list(items.iter().copied().map(number).collect()),
    }
}

/// The shortest text that reads back to `value`: 2e-8 rather than 0.00000002.
///
/// ```
/// assert_eq!([2e-8, 0.5, 100.0, 1e9].map(llc::sweep::number), ["2e-8", "0.5", "100", "1e9"]);
/// ```
pub fn number(value: f64) -> String {
    let (plain, exponent) = (format!("{value}"), format!("{value:e}"));
    if exponent.len() < plain.len() && !(1e-3..1e6).contains(&value.abs()) { exponent } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(extra: &str, settings: &[(&str, &str)]) -> Line {
        let dln = Experiment::named("dln").unwrap();
        let extra: Vec<String> = extra.split_whitespace().map(str::to_owned).collect();
        settings.iter().fold(Line::new(dln, &extra), |line, (path, text)| {
            let key = dln.key(path).unwrap();
            line.with(Setting::new(key, &config::parse(key, text).unwrap()))
        })
    }

    #[test]
    fn every_kind_of_value_is_written_so_that_it_is_read_back() {
        let settings = [
            ("model.layer_widths", "[20, 10]"),
            ("sampler.epsilon", "auto"),
            ("sampler.gamma", "1e-9"),
            ("train.enabled", "true"),
            ("measure.distance", "off"),
            ("seed", "9007199254740993"),
        ];
        assert_eq!(
            line("--sampler hmc", &settings).checked().unwrap(),
            "llc dln --layer-widths 20,10 --epsilon auto --gamma 1e-9 --train=on --compute-distance=off --seed 9007199254740993 \
             --sampler hmc"
        );
    }

    #[test]
    fn what_is_said_behind_wins_however_it_is_said() {
        let settings = [("sampler.gamma", "1"), ("train.enabled", "on"), ("seed", "3")];
        for extra in ["--gamma 5", "--gamma=5", "--set sampler.gamma=5", "--set=sampler.gamma=5"] {
            let text = line(extra, &settings).checked().unwrap();
            assert_eq!(text, format!("llc dln --train=on --seed 3 {extra}"));
        }
        assert_eq!(line("--train", &settings).checked().unwrap(), "llc dln --gamma 1 --seed 3 --train");
    }

    #[test]
    fn signs_that_a_shell_would_touch_are_refused() {
        for extra in ["--comment it's", "--params fc.*", "-F $HOME", "--name λ"] {
            assert!(matches!(line(extra, &[]).checked(), Err(LineError::Sign { .. })), "{extra}");
        }
        let error = line("--comment mongodb://me:s$cret@host/llc", &[]).checked().unwrap_err();
        assert!(matches!(error, LineError::Credentials) && !error.to_string().contains("cret"));
    }

    #[test]
    fn a_setting_without_use_is_left_out_and_one_that_is_wrong_is_not() {
        let (fitted, text, reasons) =
            line("--sampler gibbs", &[("sampler.epsilon", "1e-7"), ("train.momentum", "0.5"), ("seed", "1")])
                .fitted()
                .unwrap();
        assert_eq!(text, "llc dln --seed 1 --sampler gibbs");
        assert!(!fitted.has("train.momentum") && fitted.has("seed") && reasons.len() == 2);
        assert!(line("", &[("sampler.gamma", "-1")]).fitted().is_err());
        assert!(line("--rank 3", &[]).fitted().is_err(), "what the user put behind stays, or is refused");
    }
}
