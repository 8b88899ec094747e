//! Computes the fingerprint of a command: the configuration that it asks for, which its run records.

use std::fmt::Write as _;

use clap::error::ErrorKind;
use serde_json::Value;
use thiserror::Error;

use super::experiment::{Experiment, WITHOUT_RUN};
use crate::config::network::point;
use crate::config::{ConfigError, Configuration, ExperimentArgs};
use crate::record::redact;
use crate::words::did_you_mean;

/// The configuration that a command asks for.
///
/// Two commands that give the same settings in different words have the same fingerprint, and so does the record of a run of either:
///
/// ```
/// use llc::sweep::Fingerprint;
/// let fingerprint = |line: &str| Fingerprint::of(&line.split_whitespace().collect::<Vec<_>>()).map(Option::unwrap);
/// let line = fingerprint("dln --layer-widths 20,20,10 --num-training-data 1e5")?;
/// assert_eq!(line, fingerprint("dln --set model.layer_widths=20,20,10 --seed 0 --threads 3")?);
/// assert_ne!(line, fingerprint("dln --seed 1")?);
/// assert!(line.is_recorded_as(line.config()));
/// # Ok::<(), llc::sweep::FingerprintError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Fingerprint {
    config: Value,
}

/// Why words are not a command.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FingerprintError {
    /// There is no such experiment.
    #[error("there is no experiment `{name}`{}", did_you_mean(*nearest))]
    UnknownExperiment {
        /// The name as given.
        name: String,
        /// The experiment with the most similar name.
        nearest: Option<&'static str>,
    },
    /// The experiment is missing.
    #[error("the experiment is missing: write for example llc dln --seed 1")]
    NoExperiment,
    /// An unknown flag, or one without its value.
    #[error("{0}")]
    Usage(String),
    /// A configuration that is not legal.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// The largest legal number: `--threads-per-chain 16` must be accepted on a login node with four processors, since the run may have more.
const THREADS: usize = 4_096;

impl Fingerprint {
    /// The fingerprint of `words`, the subcommand and its flags; `None` for a subcommand that records no run ([`WITHOUT_RUN`]).
    ///
    /// # Errors
    ///
    /// [`FingerprintError`] for words that `llc` would reject with exit code 2.
    pub fn of(words: &[&str]) -> Result<Option<Self>, FingerprintError> {
        let (&name, words) = words.split_first().ok_or(FingerprintError::NoExperiment)?;
        if WITHOUT_RUN.contains(&name) {
            return Ok(None);
        }
        (Experiment::named(name)?.fingerprint)(words).map(Some)
    }

    pub(super) fn of_words<C: Configuration>(words: &[&str]) -> Result<Self, FingerprintError> {
        let args =
            ExperimentArgs::<C>::try_parse_from(words).map_err(|error| FingerprintError::Usage(sentence(&error)))?;
        let config = C::check(&args.raw()?, THREADS)?.config;
        // Keys are text and numbers are finite, so this can't fail. If it did, the line would match no run.
        let config = serde_json::to_value(&config).unwrap_or_default();
        Ok(Self { config: without_threads(&redact::value(&config)) })
    }

    /// The configuration without threads, which depend on the machine and don't change the results' distribution.
    pub fn config(&self) -> &Value {
        &self.config
    }

    /// Whether `recorded`, a run's `config.json`, is this configuration.
    pub fn is_recorded_as(&self, recorded: &Value) -> bool {
        self.text() == fingerprint(recorded)
    }

    /// A text that is equal for equal configurations.
    pub(super) fn text(&self) -> String {
        fingerprint(&self.config)
    }
}

/// A text that is equal for equal recorded configurations: without threads, keys in order, 1.0 as 1 (MongoDB and JSON differ there).
pub fn fingerprint(config: &Value) -> String {
    let mut text = String::new();
    let mut config = without_threads(config);
    point::by_present_name(&mut config);
    push(&mut text, &config);
    text
}

fn without_threads(config: &Value) -> Value {
    let mut config = config.clone();
    if let Some(run) = config.get_mut("run").and_then(Value::as_object_mut) {
        run.remove("threads");
        run.remove("threads_per_chain");
    }
    config
}

fn push(text: &mut String, value: &Value) {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_unstable_by_key(|(name, _)| *name);
            text.push('{');
            for (name, field) in fields {
                let _ = write!(text, "{name:?}:");
                push(text, field);
                text.push(',');
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for item in items {
                push(text, item);
                text.push(',');
            }
            text.push(']');
        }
        Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(real) if real.fract() == 0.0 && real.abs() < 1e15 => text.push_str(&(real as i64).to_string()),
            _ => text.push_str(&number.to_string()),
        },
        value => text.push_str(&value.to_string()),
    }
}

/// What clap says, on one line, without its usage.
fn sentence(error: &clap::Error) -> String {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return "it only prints help".to_owned();
    }
    let text = error.to_string();
    let lines =
        text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    let line = lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ");
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fingerprint_of(line: &str) -> Result<Fingerprint, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        Fingerprint::of(&words).map(Option::unwrap).map_err(|error| error.to_string())
    }

    #[test]
    fn a_record_matches_its_line_on_any_machine_and_no_other_line() {
        let line = fingerprint_of("dln --preset 1k --seed 3").unwrap();
        let mut recorded = line.config().clone();
        recorded["run"]["threads"] = json!(64);
        recorded["run"]["threads_per_chain"] = json!(16);
        recorded["sampler"]["gamma"] = json!(1);
        assert!(line.is_recorded_as(&recorded), "1 is 1.0");
        recorded["sampler"]["gamma"] = json!(1.5);
        assert!(!line.is_recorded_as(&recorded));
        assert!(!fingerprint_of("dln --preset 1k --seed 4").unwrap().is_recorded_as(line.config()));
    }

    #[test]
    fn a_record_with_a_former_switch_matches_the_line_that_says_the_same_by_its_present_name() {
        let line = fingerprint_of("curve --model mlp1 --loss-around labels").unwrap();
        let mut recorded = line.config().clone();
        recorded["point"].as_object_mut().unwrap().remove("loss_around");
        recorded["point"]["force_realisable"] = json!(false);
        assert!(line.is_recorded_as(&recorded));
        assert!(fingerprint_of("curve --model mlp1 --force-realisable=off").unwrap().is_recorded_as(&recorded));
        assert!(!fingerprint_of("curve --model mlp1").unwrap().is_recorded_as(&recorded));
        recorded["point"]["force_realisable"] = json!(true);
        assert!(fingerprint_of("curve --model mlp1").unwrap().is_recorded_as(&recorded));
    }

    #[test]
    fn more_threads_than_this_machine_has_are_legal() {
        assert!(fingerprint_of("dln --threads-per-chain 512").is_ok());
        assert!(fingerprint_of("dln --threads-per-chain 5000").is_err());
    }

    #[test]
    fn what_llc_refuses_is_refused_in_one_sentence() {
        for (line, sentence) in [
            ("trian --seed 1", "there is no experiment `trian`: did you mean `train`?"),
            (
                "dln --epsilom 1e-7",
                "unexpected argument '--epsilom' found; tip: a similar argument exists: '--epsilon'",
            ),
            ("dln --gamma -1", "--gamma (sampler.gamma) is -1: give a finite number, 0 or more"),
            ("dln --help", "it only prints help"),
        ] {
            assert_eq!(fingerprint_of(line).unwrap_err(), sentence, "{line}");
        }
        assert_eq!(
            Fingerprint::of(&[]).unwrap_err().to_string(),
            "the experiment is missing: write for example llc dln --seed 1"
        );
        assert_eq!(Fingerprint::of(&["theory", "dln"]).unwrap(), None);
    }
}
