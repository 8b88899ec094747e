//! Reads runs from their folders: those of `llc`, and those that Sacred wrote.
//!
//! A run that was killed stays RUNNING on disk. [`Run::shown_status`] calls it PROBABLY_DEAD, as Omniboard does, once
//! its heartbeat is older than [`DEAD_AFTER_S`].

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rayon::prelude::*;
use serde_json::Value;

use super::folder::run_ids;
use super::{json, time};

/// Seconds without a heartbeat after which a running run is considered dead: twelve heartbeats.
pub const DEAD_AFTER_S: f64 = 120.0;

/// One run, read from its folder.
#[derive(Debug, Clone)]
pub struct Run {
    /// The folder's number.
    pub id: u64,
    /// The folder.
    pub path: PathBuf,
    /// The status on disk: `RUNNING`, `COMPLETED`, `FAILED`, `INTERRUPTED`, or another word of Sacred's.
    pub status: String,
    /// The experiment's name.
    pub name: String,
    /// The subcommand.
    pub command: String,
    /// The comment, empty if there is none.
    pub comment: String,
    /// The whole command line, as it was typed; empty for runs of Sacred.
    pub argv: Vec<String>,
    /// The machine.
    pub hostname: String,
    /// When it started; `None` for a run that Sacred queued.
    pub start: Option<Timestamp>,
    /// When it stopped; `None` while it runs, or if it was killed.
    pub stop: Option<Timestamp>,
    /// The last sign of life.
    pub heartbeat: Option<Timestamp>,
    /// λ̂, if the run has one.
    pub result: Option<f64>,
    /// Why it failed, line by line.
    pub fail_trace: Vec<String>,
    /// `config.json`.
    pub config: Value,
    /// `report.json`, the object that `--json` prints; `None` if there is none.
    pub report: Option<Value>,
}

/// Why a folder could not be read as a run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// A file or folder is missing or can't be read.
    #[error("cannot read {}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    /// A file is not JSON.
    #[error("{} is not JSON: {error}", path.display())]
    Json { path: PathBuf, error: serde_json::Error },
    /// The folder's name is not a number.
    #[error("{} is not a run: its name is not a number", path.display())]
    NotARun { path: PathBuf },
}

/// The runs of a base folder.
#[derive(Debug, Default)]
pub struct Runs {
    /// Those that could be read, by number.
    pub runs: Vec<Run>,
    /// Why others could not, for example a folder whose run has not started yet.
    pub unreadable: Vec<ReadError>,
}

impl Run {
    /// Reads the run in the folder `path`, `base/<id>`.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if `run.json` or `config.json` is missing or broken, or `report.json` is broken.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let id = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
        let id = id.ok_or_else(|| ReadError::NotARun { path: path.to_owned() })?;
        let run = read_json(&path.join("run.json"))?;
        let config = read_json(&path.join("config.json"))?;
        let report = match read_json(&path.join("report.json")) {
            Ok(report) => Some(report),
            Err(ReadError::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let text = |pointer: &str| run.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let moment = |pointer: &str| run.pointer(pointer).and_then(Value::as_str).and_then(time::parse);
        let texts = |value: &Value| -> Vec<String> {
            value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        Ok(Self {
            id,
            path: path.to_owned(),
            status: text("/status"),
            name: text("/experiment/name"),
            command: text("/command"),
            comment: text("/meta/comment"),
            argv: run.pointer("/meta/argv").map(texts).unwrap_or_default(),
            hostname: text("/host/hostname"),
            start: moment("/start_time"),
            stop: moment("/stop_time"),
            heartbeat: moment("/heartbeat"),
            result: run["result"].as_f64(),
            fail_trace: texts(&run["fail_trace"]).iter().map(|line| line.trim_end().to_owned()).collect(),
            config,
            report,
        })
    }

    /// The status at the time `now`: the one on disk, or `PROBABLY_DEAD` for a running run without a recent heartbeat.
    pub fn shown_status(&self, now: Timestamp) -> &str {
        let last_sign = self.heartbeat.max(self.start);
        let is_silent = last_sign.is_none_or(|last| time::seconds_between(last, now) > DEAD_AFTER_S);
        if self.status == "RUNNING" && is_silent { "PROBABLY_DEAD" } else { &self.status }
    }

    /// Seconds from the start to the end, or to the last heartbeat of a run without an end.
    pub fn duration_s(&self) -> Option<f64> {
        Some(time::seconds_between(self.start?, self.stop.or(self.heartbeat)?))
    }
}

/// Reads every run in the folder `base`, several at a time.
///
/// # Errors
///
/// [`ReadError`] if `base` itself can't be read. Runs that can't be read are in [`Runs::unreadable`].
///
/// ```
/// let base = tempfile::tempdir()?;
/// assert!(llc::record::read::list(base.path())?.runs.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn list(base: &Path) -> Result<Runs, ReadError> {
    let mut ids = run_ids(base).map_err(|error| ReadError::Io { path: base.to_owned(), error })?;
    ids.sort_unstable();
    let mut found = Runs::default();
    let opened: Vec<_> = ids.into_par_iter().map(|id| Run::open(&base.join(id.to_string()))).collect();
    for run in opened {
        match run {
            Ok(run) => found.runs.push(run),
            Err(error) => found.unreadable.push(error),
        }
    }
    Ok(found)
}

fn read_json(path: &Path) -> Result<Value, ReadError> {
    let text = fs::read_to_string(path).map_err(|error| ReadError::Io { path: path.to_owned(), error })?;
    json::parse(&text).map_err(|error| ReadError::Json { path: path.to_owned(), error })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Sacred 0.8.7 writes for a small run, shortened.
    const SACRED: &str = r#"{"command": "main", "experiment": {"name": "exp"}, "heartbeat": "2026-11-21T17:20:53.1",
        "host": {"hostname": "h"}, "meta": {"comment": "c"}, "result": NaN, "start_time": "2026-11-21T17:20:43",
        "status": "RUNNING"}"#;

    fn write(base: &Path, id: &str, run: &str) {
        fs::create_dir(base.join(id)).unwrap();
        fs::write(base.join(id).join("run.json"), run).unwrap();
        fs::write(base.join(id).join("config.json"), r#"{"seed": 3}"#).unwrap();
    }

    #[test]
    fn a_silent_run_is_probably_dead_and_an_ended_one_never() {
        let base = tempfile::tempdir().unwrap();
        write(base.path(), "1", SACRED);
        write(base.path(), "2", &SACRED.replace("RUNNING", "FAILED"));
        let runs = list(base.path()).unwrap().runs;
        let at = |text: &str| time::parse(text).unwrap();
        assert_eq!(runs[0].shown_status(at("2026-11-21T17:22:50")), "RUNNING");
        assert_eq!(runs[0].shown_status(at("2026-11-21T17:22:54")), "PROBABLY_DEAD");
        assert_eq!(runs[1].shown_status(at("2027-11-21T17:22:54")), "FAILED");
        assert!((runs[0].duration_s().unwrap() - 10.1).abs() < 1e-9);
        assert_eq!((runs[0].result, &runs[0].config["seed"]), (None, &Value::from(3)));
    }

    #[test]
    fn one_broken_run_does_not_hide_the_others() {
        let base = tempfile::tempdir().unwrap();
        write(base.path(), "10", SACRED);
        write(base.path(), "9", "{");
        fs::create_dir(base.path().join("8")).unwrap();
        let found = list(base.path()).unwrap();
        assert_eq!(found.runs.iter().map(|run| run.id).collect::<Vec<_>>(), [10]);
        let reasons: Vec<String> = found.unreadable.iter().map(ToString::to_string).collect();
        assert!(reasons[0].contains("run.json") && reasons[1].contains("not JSON"), "{reasons:?}");
    }
}
