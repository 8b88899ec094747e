//! Reads what a run's folder says at one moment.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use mongodb::bson::DateTime;
use serde_json::{Map, Value};

use super::bson::moment;
use super::error::MongoError;
use super::ledger::State;
use crate::record::json;

/// The most of `cout.txt` that is read, its beginning and its end: a document holds 16 MiB.
const MAX_OUTPUT_BYTES: u64 = 16 << 20;

/// The text files of a run's folder.
#[derive(Debug)]
pub(super) struct RunFiles {
    /// `run.json`.
    pub(super) run: Map<String, Value>,
    /// `config.json`.
    pub(super) config: Value,
    /// `info.json`; empty as long as there is none.
    pub(super) info: Map<String, Value>,
    /// `cout.txt`.
    pub(super) captured_out: String,
    /// `metrics.json`, by name.
    pub(super) metrics: BTreeMap<String, Series>,
}

/// The points of one metric, all lists of one length.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Series {
    pub(super) steps: Vec<i64>,
    pub(super) values: Vec<f64>,
    pub(super) timestamps: Vec<DateTime>,
}

impl RunFiles {
    /// Reads the folder `run_dir`.
    ///
    /// `run.json` is read first: it is written last, so that where it says that the run has ended the others are final.
    pub(super) fn read(run_dir: &Path) -> Result<Self, MongoError> {
        let run = object(&run_dir.join("run.json"))?.unwrap_or_default();
        let config = object(&run_dir.join("config.json"))?.unwrap_or_default();
        let cout = run_dir.join("cout.txt");
        let captured_out = match ends_of(&cout) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            text => text.map_err(|source| MongoError::io(&cout, source))?,
        };
        let path = run_dir.join("metrics.json");
        let mut metrics = BTreeMap::new();
        for (name, series) in object(&path)?.unwrap_or_default() {
            metrics.insert(name, Series::from_json(&series));
        }
        let info = object(&run_dir.join("info.json"))?.unwrap_or_default();
        Ok(Self { run, config: Value::Object(config), info, captured_out, metrics })
    }

    /// What distinguishes this state of the folder from others.
    pub(super) fn state(&self) -> State {
        let text = |key: &str| self.run.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        State { status: text("status"), heartbeat: text("heartbeat") }
    }

    /// The names of the run's artifacts that are plain names, each once.
    pub(super) fn artifacts(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for name in self.run.get("artifacts").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
        {
            // A name with a path in it could lead out of the run's folder.
            if !name.contains(['/', '\\']) && !name.starts_with('.') && !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        names
    }
}

impl Series {
    /// Reads `{"steps": […], "timestamps": […], "values": […]}`.
    fn from_json(series: &Value) -> Self {
        let list = |key: &str| series[key].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut read = Self::default();
        for ((step, value), at) in list("steps").iter().zip(list("values")).zip(list("timestamps")) {
            read.steps.push(step.as_i64().unwrap_or(0));
            read.values.push(number(value));
            read.timestamps.push(at.as_str().and_then(moment).unwrap_or(DateTime::from_millis(0)));
        }
        read
    }

    /// The number of points.
    pub(super) fn len(&self) -> usize {
        self.steps.len()
    }

    /// The points from number `start` on.
    pub(super) fn from(&self, start: usize) -> Self {
        Self {
            steps: self.steps[start..].to_vec(),
            values: self.values[start..].to_vec(),
            timestamps: self.timestamps[start..].to_vec(),
        }
    }

    /// Whether `self` is how `longer` begins. A resumed run makes its points again, at other times.
    pub(super) fn begins(&self, longer: &Self) -> bool {
        let same_values = |(a, b): (&f64, &f64)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
        longer.steps.starts_with(&self.steps) && self.values.iter().zip(&longer.values).all(same_values)
    }
}

/// A number, or one of Python's words for a non-finite one.
fn number(value: &Value) -> f64 {
    match value.as_str() {
        Some("Infinity") => f64::INFINITY,
        Some("-Infinity") => f64::NEG_INFINITY,
        _ => value.as_f64().unwrap_or(f64::NAN),
    }
}

/// The object in the file `path`; `None` where there is no file.
fn object(path: &Path) -> Result<Option<Map<String, Value>>, MongoError> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text.map_err(|source| MongoError::io(path, source))?,
    };
    let error = |error| MongoError::Json { path: path.to_owned(), error };
    let value = json::parse_words(&text).map_err(error)?;
    serde_json::from_value(value).map(Some).map_err(error)
}

/// The text of the file `path`, without its middle where it is very long.
fn ends_of(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut bytes = Vec::new();
    if length <= MAX_OUTPUT_BYTES {
        file.read_to_end(&mut bytes)?;
        return Ok(String::from_utf8_lossy(&bytes).into_owned());
    }
    let half = MAX_OUTPUT_BYTES / 2;
    file.by_ref().take(half).read_to_end(&mut bytes)?;
    let head = String::from_utf8_lossy(&bytes).into_owned();
    file.seek(SeekFrom::Start(length - half))?;
    bytes.clear();
    file.take(half).read_to_end(&mut bytes)?;
    Ok(format!("{head}{}{}", gap(length - MAX_OUTPUT_BYTES), String::from_utf8_lossy(&bytes)))
}

/// `text` cut to at most `max_bytes` bytes by omitting its middle.
pub(super) fn without_middle(text: &str, max_bytes: usize) -> String {
    if text.len() <= max_bytes {
        return text.to_owned();
    }
    let half = max_bytes.saturating_sub(gap(u64::MAX).len()) / 2;
    let (head, tail) = (text.floor_char_boundary(half), text.ceil_char_boundary(text.len() - half));
    format!("{}{}{}", &text[..head], gap((tail - head) as u64), &text[tail..])
}

fn gap(num_bytes: u64) -> String {
    format!("\n[… {num_bytes} bytes are omitted here; cout.txt in the run's folder has them …]\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(files: &[(&str, &str)]) -> tempfile::TempDir {
        let run_dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(run_dir.path().join(name), text).unwrap();
        }
        run_dir
    }

    #[test]
    fn a_metric_is_read_with_its_non_finite_values() {
        let metrics = r#"{"a": {"steps": [0, 3, 4, 5], "values": [1.5, NaN, -Infinity, Infinity],
            "timestamps": ["2026-11-21T17:20:43.704198", "2026-11-21T17:20:43.7", "", ""]}}"#;
        let run_dir = written(&[("run.json", "{}"), ("metrics.json", metrics)]);
        let series = &RunFiles::read(run_dir.path()).unwrap().metrics["a"];
        assert_eq!(series.steps, [0, 3, 4, 5]);
        assert!(series.values[1].is_nan());
        assert_eq!((series.values[0], series.values[2], series.values[3]), (1.5, f64::NEG_INFINITY, f64::INFINITY));
        assert_eq!(series.timestamps[0], DateTime::from_millis(1_795_281_643_704));
    }

    #[test]
    fn a_series_begins_another_by_steps_and_values() {
        let series = |values: &[f64]| Series {
            steps: (0..values.len() as i64).collect(),
            values: values.to_vec(),
            timestamps: vec![DateTime::now(); values.len()],
        };
        let long = series(&[1.0, f64::NAN, 3.0]);
        assert!(series(&[1.0, f64::NAN]).begins(&long) && long.begins(&long) && series(&[]).begins(&long));
        assert!(!series(&[2.0]).begins(&long) && !long.begins(&series(&[1.0])));
    }

    #[test]
    fn artifacts_that_lead_out_of_the_folder_are_not_read() {
        let run = r#"{"artifacts": ["a.csv", "../b", "/etc/passwd", "a.csv", ".llc", "report.json"]}"#;
        let run_dir = written(&[("run.json", run)]);
        assert_eq!(RunFiles::read(run_dir.path()).unwrap().artifacts(), ["a.csv", "report.json"]);
    }

    #[test]
    fn long_output_loses_its_middle() {
        let text = "λ".repeat(1000);
        let cut = without_middle(&text, 500);
        assert!(cut.len() <= 500 && cut.starts_with("λλ") && cut.ends_with("λλ") && cut.contains("bytes are omitted"));
        assert_eq!(without_middle(&text, 2000), text);

        let run_dir = written(&[("cout.txt", "")]);
        let path = run_dir.path().join("cout.txt");
        fs::write(&path, vec![b'a'; 17 << 20]).unwrap();
        let read = ends_of(&path).unwrap();
        assert!(read.contains("1048576 bytes are omitted") && read.len() < (16 << 20) + 100);
    }
}
