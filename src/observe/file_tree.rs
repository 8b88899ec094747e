//! Writes the record of a run to disk: Sacred's file tree, `report.json`, and `draws.zarr` for ArviZ.
//!
//! A separate thread does nearly all the writing, so that the heartbeat continues while the sampler is busy and the
//! sampler never waits for the disk. Every file is replaced in one step, except `cout.txt`, to which text is appended.
//!
//! | file | written |
//! |---|---|
//! | `config.json` | at the start |
//! | `run.json` | at the start, at every heartbeat, twice at the end: the last beat, then the status |
//! | `cout.txt` | as text arrives: stages, warnings, the program's own output |
//! | `metrics.json` | at every heartbeat ([`crate::observe::metrics`]) |
//! | `draws.zarr` | four times a heartbeat ([`crate::record::draws`]), if the run has chains |
//! | `draws-NAME.zarr` | the same for the draws around a point other than w* |
//! | artifacts | at the next heartbeat |
//! | `report.json`, `info.json` | at the end |
//!
//! A resumed run ([`FileTreeObserver::reopen`]) keeps its folder, its id and its start; repeated draws and metrics
//! replace the same ones in the record.
//!
//! Sacred's own observer loses the run on SIGTERM and the output of a run that fails; this one does not. `kill -9`
//! leaves the status RUNNING with an old heartbeat, and all draws except those of the last seconds.
//!
//! *Tested by* `tests/file_tree.rs`, and against incense and arviz by `tests/readers.rs`.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::metrics::{Metrics, parse_series};
use super::writer::{Draws, TICKS_PER_BEAT, Writer, io_error, write};
use super::{DrawBlock, Event, Observer, ObserverError, PointInfo, RunInfo, Status, identity};
use crate::record::atomic::Durability;
use crate::record::draws::Extent;
use crate::record::folder::RunFolder;
use crate::record::{json, redact, time};

/// Time between heartbeats, as in Sacred. Readers consider a run without one for 120 s dead.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(10);
/// Heartbeats during which a failed write is tried again before the observer gives up: a network file system may
/// be briefly unavailable.
pub const PATIENCE_BEATS: u32 = 6;

/// Writes one run's folder.
///
/// ```
/// use llc::observe::{DrawBlock, Event, Observers, RunInfo, Status};
/// use llc::observe::file_tree::FileTreeObserver;
///
/// let base = tempfile::tempdir()?;
/// let mut observers = Observers::default();
/// observers.push(Box::new(FileTreeObserver::create(base.path())?));
/// let info = RunInfo { name: "dln".into(), num_chains: 1, num_draws: 2, n_beta: 10.0, ..RunInfo::default() };
/// observers.emit(&Event::Started(&info));
/// let block = DrawBlock { loss: vec![0.5, 0.7], distance: vec![1.0, 1.1], acceptance: vec![0.8, 0.9], ..DrawBlock::default() };
/// observers.emit(&Event::Draws { chain: 0, first_draw: 0, block: &block });
/// observers.emit(&Event::Ended { status: Status::Completed, report: None, fail_trace: &[] });
/// assert!(observers.failures().is_empty());
///
/// let run = llc::record::read::Run::open(&base.path().join("1"))?;
/// assert_eq!(run.status, "COMPLETED");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct FileTreeObserver {
    folder: RunFolder,
    base: PathBuf,
    heartbeat: Duration,
    cout: File,
    /// Text that `cout.txt` does not have yet.
    unsaid: String,
    /// `run.json` of a resumed run, until it starts.
    before: Option<Map<String, Value>>,
    running: Option<Running>,
}

/// The parts that exist from the start of a run to its end.
#[derive(Debug)]
struct Running {
    info: RunInfo,
    started: Timestamp,
    writer: Arc<Writer>,
    /// Dropping it stops the thread.
    stop: mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

impl FileTreeObserver {
    /// Creates the next free folder `base/<id>`, so that a record that can't be written fails before anything is sampled.
    /// The folder is removed if the observer is dropped before [`Event::Started`].
    ///
    /// # Errors
    ///
    /// [`ObserverError`] if `base` can't be created or written; nothing is left behind.
    pub fn create(base: &Path) -> Result<Self, ObserverError> {
        Self::with_heartbeat(base, HEARTBEAT)
    }

    /// The same with a time between heartbeats other than 10 s, for tests.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    pub fn with_heartbeat(base: &Path, heartbeat: Duration) -> Result<Self, ObserverError> {
        Self::in_folder(RunFolder::create(base)?, base, heartbeat, None)
    }

    /// Resumes the run in `run_dir`, whose process is gone. Nothing there changes before [`Event::Started`].
    ///
    /// # Errors
    ///
    /// [`ObserverError`] if there is no such run, its process still runs, or `run.json` can't be read.
    pub fn reopen(run_dir: &Path) -> Result<Self, ObserverError> {
        Self::reopen_with_heartbeat(run_dir, HEARTBEAT)
    }

    /// The same with a time between heartbeats other than 10 s.
    ///
    /// # Errors
    ///
    /// As [`reopen`](Self::reopen).
    pub fn reopen_with_heartbeat(run_dir: &Path, heartbeat: Duration) -> Result<Self, ObserverError> {
        let folder = RunFolder::open(run_dir)?;
        let before = read_json(&folder.path().join("run.json"))?.as_object().cloned().unwrap_or_default();
        let base = folder.path().parent().unwrap_or(run_dir).to_owned();
        Self::in_folder(folder, &base, heartbeat, Some(before))
    }

    fn in_folder(
        folder: RunFolder,
        base: &Path,
        heartbeat: Duration,
        before: Option<Map<String, Value>>,
    ) -> Result<Self, ObserverError> {
        let path = folder.path().join("cout.txt");
        let cout =
            OpenOptions::new().create(true).append(true).open(&path).map_err(|source| io_error(&path, source))?;
        Ok(Self { folder, base: base.to_owned(), heartbeat, cout, unsaid: String::new(), before, running: None })
    }

    fn start(&mut self, info: &RunInfo) -> Result<(), ObserverError> {
        let run_dir = self.folder.path().to_owned();
        let file = |name: &str, text: String| write(&run_dir, name, &text, Durability::Power);
        let before = self.before.take();
        let is_new = before.is_none();
        let known_start = before.as_ref().and_then(|run| time::parse(run.get("start_time")?.as_str()?));
        let started = known_start.unwrap_or_else(Timestamp::now);
        let attributes = draw_attributes(info, started);
        let mut draws = Draws { path: run_dir.join("draws.zarr"), extent: extent(info), attributes, writer: None };
        // A run without chains, such as a training, leaves no file without draws.
        let has_draws = info.num_chains > 0 && !info.draws_at_points;
        let mut metrics = Metrics::new(info);
        let run = match before {
            None => {
                file("config.json", json::to_string(&redact::value(&info.config)))?;
                if has_draws {
                    draws.writer()?;
                }
                run_fields(info, &self.base, started)
            }
            Some(before) => {
                let path = run_dir.join("metrics.json");
                if path.exists() {
                    metrics = Metrics::going_on(info, parse_series(&read_json(&path)?));
                }
                // To readers it marks a run that has ended.
                let _ = fs::remove_file(run_dir.join("info.json"));
                fields_again(before)
            }
        };
        file("run.json", json::to_string(&Value::Object(run.clone())))?;
        self.folder.keep();
        if !is_new {
            self.say(&format!("resumed at {} UTC", time::format(Timestamp::now())));
        }

        let writer = Arc::new(Writer::new(run_dir, run, metrics, has_draws.then_some(draws)));
        let (stop, stopped) = mpsc::channel();
        let for_thread = Arc::clone(&writer);
        let tick = self.heartbeat / TICKS_PER_BEAT;
        let thread = thread::Builder::new()
            .name("heartbeat".to_owned())
            .spawn(move || for_thread.beat_until(&stopped, tick))
            .map_err(|source| io_error(self.folder.path(), source))?;
        self.running = Some(Running { info: info.clone(), started, writer, stop, thread });
        Ok(())
    }

    /// Begins the draws around another point, in a separate folder.
    fn begin_point(&mut self, point: &PointInfo) -> Result<(), ObserverError> {
        let Some(Running { info, started, writer, .. }) = &mut self.running else {
            return Ok(());
        };
        info.n_beta = point.n_beta.unwrap_or(info.n_beta);
        let info = RunInfo { init_loss: point.init_loss, ..info.clone() };
        let path = self.folder.path().join(match point.name.as_str() {
            "" => "draws.zarr".to_owned(),
            name => format!("draws-{name}.zarr"),
        });
        let attributes = draw_attributes(&info, *started);
        let mut draws = Draws { path, extent: extent(&info), attributes, writer: None };
        draws.writer()?;
        writer.begin_point(&point.name, &info, draws);
        Ok(())
    }

    /// Appends `text` to `cout.txt` with a newline. If that fails, the text is kept for the next time.
    fn say(&mut self, text: &str) {
        self.unsaid.push_str(&redact::text(text));
        if !self.unsaid.ends_with('\n') {
            self.unsaid.push('\n');
        }
        // `end` tries for the last time, and reports the failure.
        let _ = self.write_unsaid();
    }

    fn write_unsaid(&mut self) -> Result<(), ObserverError> {
        let path = self.folder.path().join("cout.txt");
        self.cout.write_all(self.unsaid.as_bytes()).map_err(|source| io_error(&path, source))?;
        self.unsaid.clear();
        Ok(())
    }

    fn push(&mut self, chain: usize, first_draw: usize, block: &DrawBlock) -> Result<(), ObserverError> {
        let Some(running) = &self.running else {
            return Ok(());
        };
        let failed = running.writer.push(chain, first_draw, block, PATIENCE_BEATS * self.heartbeat);
        if failed.is_err() {
            // Nothing more is written, not even that the run failed: it continues.
            self.running = None;
        }
        failed
    }

    fn end(&mut self, status: Status, report: Option<&Value>, fail_trace: &[String]) -> Result<(), ObserverError> {
        let Some(Running { writer, stop, thread, .. }) = self.running.take() else {
            return Ok(());
        };
        drop(stop);
        // The thread doesn't panic; if it did, the end of the run is still worth writing.
        let _ = thread.join();
        let finished = writer.finish(status, report, fail_trace).and(self.write_unsaid());
        if status == Status::Completed && finished.is_ok() {
            self.folder.tidy();
        }
        finished
    }
}

fn read_json(path: &Path) -> Result<Value, ObserverError> {
    let text = fs::read_to_string(path).map_err(|error| ObserverError::Read { path: path.to_owned(), error })?;
    json::parse(&text).map_err(|error| ObserverError::Read { path: path.to_owned(), error: error.into() })
}

impl Observer for FileTreeObserver {
    fn on_event(&mut self, event: &Event) -> Result<(), ObserverError> {
        match *event {
            Event::Started(info) => return self.start(info),
            Event::Draws { chain, first_draw, block } => return self.push(chain, first_draw, block),
            Event::Point(point) => return self.begin_point(point),
            Event::Training { first_step, num_steps, loss } => {
                self.running.iter().for_each(|running| running.writer.push_training(first_step, num_steps, loss));
            }
            Event::Metrics { step, values } => {
                self.running.iter().for_each(|running| running.writer.push_values(step, values));
            }
            Event::Artifact { name, content } => {
                self.running.iter().for_each(|running| running.writer.push_artifact(name, content));
            }
            // If that fails, the heartbeats fail too, which is reported after a while.
            Event::Saving => self.running.iter().for_each(|running| drop(running.writer.beat())),
            Event::Stage(text) | Event::Output(text) | Event::Line(text) => self.say(text),
            Event::Warning(text) => self.say(&format!("warning: {text}")),
            Event::ChainEnded { error: None, .. } | Event::Epoch { .. } | Event::Sweep { .. } => {}
            Event::ChainEnded { chain, num_draws, error: Some(error) } => {
                self.say(&format!("chain {chain} ended after {num_draws} draws: {error}"));
            }
            Event::Ended { status, report, fail_trace } => {
                fail_trace.iter().for_each(|line| self.say(line));
                return self.end(status, report, fail_trace);
            }
        }
        Ok(())
    }

    fn run_dir(&self) -> Option<PathBuf> {
        Some(self.folder.path().to_owned())
    }
}

impl Drop for FileTreeObserver {
    /// A run that did not report its end, because of a panic for example, is recorded as failed.
    fn drop(&mut self) {
        let trace = "the record was closed before the run reported its end".to_owned();
        // An error has nowhere to go.
        let _ = self.end(Status::Failed, None, &[trace]);
    }
}

/// The fields of `run.json` at the start, with a heartbeat, since some readers fail without one.
fn run_fields(info: &RunInfo, base: &Path, started: Timestamp) -> Map<String, Value> {
    let started = Value::from(time::format(started));
    let mut experiment = identity::experiment(info);
    experiment["name"] = Value::from(redact::text(&info.name));
    [
        ("artifacts", json!([])),
        ("command", json!(info.command)),
        ("experiment", experiment),
        ("heartbeat", started.clone()),
        ("host", identity::host()),
        ("meta", identity::meta(info, base)),
        ("resources", json!([])),
        ("result", Value::Null),
        ("start_time", started),
        ("status", json!("RUNNING")),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into_iter()
    .collect()
}

/// The fields of `run.json` of a resumed run: those it had, but running, on this host.
fn fields_again(mut run: Map<String, Value>) -> Map<String, Value> {
    let now = Value::from(time::format(Timestamp::now()));
    run.insert("status".to_owned(), Value::from("RUNNING"));
    run.insert("host".to_owned(), identity::host());
    run.insert("heartbeat".to_owned(), now.clone());
    for ended in ["stop_time", "fail_trace"] {
        run.remove(ended);
    }
    if let Some(Value::Object(meta)) = run.get_mut("meta")
        && let Value::Array(times) = meta.entry("resumed").or_insert_with(|| json!([]))
    {
        times.push(now);
    }
    run
}

/// The attributes of `draws.zarr`: those of ArviZ's own files, and the numbers that λ̂ needs besides the losses.
fn draw_attributes(info: &RunInfo, started: Timestamp) -> Value {
    json!({
        "created_at": time::format(started),
        "creation_library": env!("CARGO_PKG_NAME"),
        "creation_library_language": "Rust",
        "creation_library_version": env!("CARGO_PKG_VERSION"),
        "inference_library": env!("CARGO_PKG_NAME"),
        "inference_library_version": env!("CARGO_PKG_VERSION"),
        "init_loss": info.init_loss,
        "n_beta": info.n_beta,
        "num_parameters": info.num_parameters,
        "sample_dims": ["chain", "draw"],
    })
}

/// The sizes of the draws that `info` plans.
fn extent(info: &RunInfo) -> Extent {
    let RunInfo { num_chains, num_draws, num_warmup, .. } = *info;
    Extent { num_chains, num_draws, num_warmup }
}
