//! Keeps the record of a run on disk: Sacred's file tree, `report.json`, and `draws.zarr` for ArviZ.
//!
//! A thread of its own does nearly all the writing, so that the heartbeat beats while the sampler is busy and the
//! sampler never waits for the disk. Every file is replaced in one step, `cout.txt` apart, to which text is added.
//!
//! | file | written |
//! |---|---|
//! | `config.json` | at the start |
//! | `run.json` | at the start, at every heartbeat, twice at the end: the last beat, then the status |
//! | `cout.txt` | as text arrives: stages, warnings, the program's own output |
//! | `metrics.json` | at every heartbeat ([`Metrics`]) |
//! | `draws.zarr` | four times a heartbeat ([`crate::record::draws`]) |
//! | `report.json`, `info.json` | at the end |
//!
//! Sacred's own observer loses the run on SIGTERM and the output of a run that fails; this one does not. `kill -9`
//! leaves the status RUNNING with a heartbeat that grows old, and all draws but those of the last seconds.
//!
//! *Tested by* `tests/file_tree.rs`, and against incense and arviz by `tests/readers.rs`.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::metrics::Metrics;
use super::{Event, Observer, ObserverError, RunInfo, Status, identity};
use crate::record::atomic::{Durability, replace};
use crate::record::draws::{DrawBuffer, DrawWriter, Extent};
use crate::record::folder::RunFolder;
use crate::record::{json, redact, time};

/// Time between heartbeats, as in Sacred. A reader takes a run without one for 120 s for dead.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// Draws are written this many times a heartbeat.
const TICKS_PER_BEAT: u32 = 4;
/// Writing that fails is tried again for this many heartbeats before the observer gives up: a network file system may
/// be away for a moment.
const PATIENCE_BEATS: u32 = 6;

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
/// let block = DrawBlock { loss: vec![0.5, 0.7], distance: vec![1.0, 1.1], acceptance: vec![0.8, 0.9] };
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
    running: Option<Running>,
}

/// What exists from the start of a run to its end.
#[derive(Debug)]
struct Running {
    shared: Arc<Shared>,
    /// Dropping it stops the thread.
    stop: mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

/// What the sampler's thread and the heartbeat's share. `disk` is locked before `state`, never after.
#[derive(Debug)]
struct Shared {
    /// Held while writing, so that one thread writes at a time.
    disk: Mutex<Disk>,
    /// Held for moments.
    state: Mutex<State>,
}

#[derive(Debug)]
struct Disk {
    run_dir: PathBuf,
    draws: DrawWriter,
}

#[derive(Debug)]
struct State {
    /// `run.json`.
    run: Map<String, Value>,
    metrics: Metrics,
    draws: DrawBuffer,
    /// Since when writing fails, and how.
    failing: Option<(Instant, ObserverError)>,
}

impl FileTreeObserver {
    /// Takes the next free folder `base/<id>`, which proves that records can be written before anything is sampled.
    /// It is removed again where the observer is dropped before [`Event::Started`].
    ///
    /// # Errors
    ///
    /// [`ObserverError`] where `base` can't be made or written; nothing is left behind.
    pub fn create(base: &Path) -> Result<Self, ObserverError> {
        Self::with_heartbeat(base, HEARTBEAT)
    }

    /// The same with another time between heartbeats than 10 s, for tests.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    pub fn with_heartbeat(base: &Path, heartbeat: Duration) -> Result<Self, ObserverError> {
        let folder = RunFolder::create(base)?;
        let path = folder.path().join("cout.txt");
        let cout = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(|source| io_error(&path, source))?;
        Ok(Self {
            folder,
            base: base.to_owned(),
            heartbeat,
            cout,
            running: None,
        })
    }

    fn start(&mut self, info: &RunInfo) -> Result<(), ObserverError> {
        let run_dir = self.folder.path().to_owned();
        write(
            &run_dir,
            "config.json",
            &json::to_string(&redact::value(&info.config)),
            Durability::Power,
        )?;

        let extent = Extent {
            num_chains: info.num_chains,
            num_draws: info.num_draws,
            num_warmup: info.num_warmup,
        };
        let started = Timestamp::now();
        let path = run_dir.join("draws.zarr");
        let draws = DrawWriter::create(path.clone(), extent, &draw_attributes(info, started))
            .map_err(|source| io_error(&path, source))?;

        let run = run_fields(info, &self.base, started);
        write(
            &run_dir,
            "run.json",
            &json::to_string(&Value::Object(run.clone())),
            Durability::Power,
        )?;
        self.folder.keep();

        let state = State {
            run,
            metrics: Metrics::new(info),
            draws: DrawBuffer::new(extent),
            failing: None,
        };
        let shared = Arc::new(Shared {
            disk: Mutex::new(Disk { run_dir, draws }),
            state: Mutex::new(state),
        });
        let (stop, stopped) = mpsc::channel();
        let for_thread = Arc::clone(&shared);
        let tick = self.heartbeat / TICKS_PER_BEAT;
        let thread = thread::Builder::new()
            .name("heartbeat".to_owned())
            .spawn(move || for_thread.beat_until(&stopped, tick))
            .map_err(|source| io_error(self.folder.path(), source))?;
        self.running = Some(Running {
            shared,
            stop,
            thread,
        });
        Ok(())
    }

    /// Adds `text` to `cout.txt`, ended by a newline.
    fn say(&mut self, text: &str) -> Result<(), ObserverError> {
        let mut text = redact::text(text);
        if !text.ends_with('\n') {
            text.push('\n');
        }
        self.cout
            .write_all(text.as_bytes())
            .map_err(|source| io_error(&self.folder.path().join("cout.txt"), source))
    }

    fn push(
        &self,
        chain: usize,
        first_draw: usize,
        block: &super::DrawBlock,
    ) -> Result<(), ObserverError> {
        let Some(running) = &self.running else {
            return Ok(());
        };
        let mut state = lock(&running.shared.state);
        if state
            .failing
            .as_ref()
            .is_some_and(|(since, _)| since.elapsed() > PATIENCE_BEATS * self.heartbeat)
            && let Some((_, error)) = state.failing.take()
        {
            return Err(error);
        }
        state.metrics.push(chain, first_draw, block);
        state.draws.push(chain, first_draw, block);
        Ok(())
    }

    fn end(
        &mut self,
        status: Status,
        report: Option<&Value>,
        fail_trace: &[String],
    ) -> Result<(), ObserverError> {
        let Some(Running {
            shared,
            stop,
            thread,
        }) = self.running.take()
        else {
            return Ok(());
        };
        drop(stop);
        // The thread doesn't panic; if it did, the end of the run is still worth writing.
        let _ = thread.join();
        shared.finish(status, report, fail_trace)
    }
}

impl Observer for FileTreeObserver {
    fn on_event(&mut self, event: &Event) -> Result<(), ObserverError> {
        match *event {
            Event::Started(info) => self.start(info),
            Event::Draws {
                chain,
                first_draw,
                block,
            } => self.push(chain, first_draw, block),
            Event::Stage(text) | Event::Output(text) => self.say(text),
            Event::Warning(text) => self.say(&format!("warning: {text}")),
            Event::ChainEnded { error: None, .. } => Ok(()),
            Event::ChainEnded {
                chain,
                num_draws,
                error: Some(error),
            } => self.say(&format!(
                "chain {chain} ended after {num_draws} draws: {error}"
            )),
            Event::Ended {
                status,
                report,
                fail_trace,
            } => {
                let said = fail_trace.iter().try_for_each(|line| self.say(line));
                said.and(self.end(status, report, fail_trace))
            }
        }
    }

    fn run_dir(&self) -> Option<PathBuf> {
        Some(self.folder.path().to_owned())
    }
}

impl Drop for FileTreeObserver {
    /// A run that never said how it ended, because of a panic, say, is recorded as failed.
    fn drop(&mut self) {
        let trace = "the record was closed before the run said how it ended".to_owned();
        // An error has nowhere to go.
        let _ = self.end(Status::Failed, None, &[trace]);
    }
}

impl Shared {
    /// Writes until the sender of `stopped` is dropped: draws at every tick, everything at every heartbeat.
    fn beat_until(&self, stopped: &mpsc::Receiver<()>, tick: Duration) {
        for count in 1_u32.. {
            if stopped.recv_timeout(tick) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            let written = if count % TICKS_PER_BEAT == 0 {
                self.beat()
            } else {
                self.write_draws(&lock(&self.disk))
            };
            let mut state = lock(&self.state);
            state.failing = match (written, state.failing.take()) {
                (Ok(()), _) => None,
                (Err(error), Some((since, _))) => Some((since, error)),
                (Err(error), None) => Some((Instant::now(), error)),
            };
        }
    }

    /// Writes the draws that are not on disk yet; where that fails they are kept for the next time.
    fn write_draws(&self, disk: &Disk) -> Result<(), ObserverError> {
        let unwritten = lock(&self.state).draws.take_unwritten();
        let written = disk.draws.write(&unwritten);
        let mut state = lock(&self.state);
        match written {
            Ok(()) => {
                state.draws.forget(&unwritten);
                Ok(())
            }
            Err(source) => {
                state.draws.put_back(&unwritten);
                Err(io_error(&disk.run_dir.join("draws.zarr"), source))
            }
        }
    }

    /// Writes draws, metrics and a new heartbeat.
    fn beat(&self) -> Result<(), ObserverError> {
        let disk = lock(&self.disk);
        let draws = self.write_draws(&disk);
        let (metrics, run) = {
            let mut state = lock(&self.state);
            state.run.insert("heartbeat".to_owned(), now());
            let metrics = (!state.metrics.is_empty()).then(|| state.metrics.to_json());
            (metrics, json::to_string(&Value::Object(state.run.clone())))
        };
        let metrics = metrics.map_or(Ok(()), |text| {
            write(&disk.run_dir, "metrics.json", &text, Durability::Process)
        });
        // A disk that takes no draws may still take the heartbeat, which says that the run lives.
        let run = write(&disk.run_dir, "run.json", &run, Durability::Process);
        draws.and(metrics).and(run)
    }

    /// Writes the files of a run that has ended, the status last. One that fails doesn't keep the others from it.
    fn finish(
        &self,
        status: Status,
        report: Option<&Value>,
        fail_trace: &[String],
    ) -> Result<(), ObserverError> {
        let report = report.map(redact::value);
        {
            let mut state = lock(&self.state);
            state.metrics.finish();
            let result = report
                .as_ref()
                .and_then(|report| report.pointer("/llc/mean"))
                .filter(|mean| mean.is_number());
            state
                .run
                .insert("result".to_owned(), result.cloned().unwrap_or(Value::Null));
        }
        let beaten = self.beat();

        let mut disk = lock(&self.disk);
        let path = disk.run_dir.join("draws.zarr");
        let drawn = disk
            .draws
            .finish(&lock(&self.state).draws)
            .map_err(|source| io_error(&path, source));
        let mut state = lock(&self.state);
        let file = |name: &str, text: &str| write(&disk.run_dir, name, text, Durability::Power);
        let metrics = file("metrics.json", &state.metrics.to_json());
        let reported = report.as_ref().map_or(Ok(()), |report| {
            file("report.json", &json::to_string(report))
        });
        let info = report.map_or_else(|| json!({}), |report| json!({"report": report}));
        if info.get("report").is_some() {
            state
                .run
                .insert("artifacts".to_owned(), json!(["report.json"]));
        }
        let informed = file("info.json", &json::to_string(&info));

        state
            .run
            .insert("status".to_owned(), Value::from(status.as_str()));
        state.run.insert("stop_time".to_owned(), now());
        if status == Status::Failed {
            let lines = fail_trace
                .iter()
                .map(|line| format!("{}\n", redact::text(line.trim_end_matches('\n'))));
            state.run.insert("fail_trace".to_owned(), lines.collect());
        }
        let closed = file(
            "run.json",
            &json::to_string(&Value::Object(state.run.clone())),
        );
        beaten
            .and(drawn)
            .and(metrics)
            .and(reported)
            .and(informed)
            .and(closed)
    }
}

/// The fields of `run.json` at the start. The heartbeat is there from the start: some readers fail without.
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

/// The attributes of `draws.zarr`: what ArviZ's own files carry, and what λ̂ needs beside the losses.
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

fn now() -> Value {
    Value::from(time::format(Timestamp::now()))
}

fn write(
    run_dir: &Path,
    name: &str,
    text: &str,
    durability: Durability,
) -> Result<(), ObserverError> {
    let path = run_dir.join(name);
    replace(&path, text.as_bytes(), durability).map_err(|source| io_error(&path, source))
}

fn io_error(path: &Path, source: io::Error) -> ObserverError {
    ObserverError::Io {
        path: path.to_owned(),
        source,
    }
}

/// A thread that panicked while it held the lock left plain data: the record goes on.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
