//! Writes a run's files on the heartbeat's thread, and for the last time on the caller's.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::metrics::Metrics;
use super::{DrawBlock, ObserverError, RunInfo, Status};
use crate::record::atomic::{Durability, replace};
use crate::record::draw_buffer::DrawBuffer;
use crate::record::draws::{DrawWriter, Extent};
use crate::record::{json, redact, time};

/// Number of times that draws are written in a heartbeat.
pub(super) const TICKS_PER_BEAT: u32 = 4;

/// The state shared by the sampler's thread and the heartbeat's. `disk` is locked before `state`, never after.
#[derive(Debug)]
pub(super) struct Writer {
    /// Held while writing, so that one thread writes at a time.
    disk: Mutex<Disk>,
    /// Held for moments.
    state: Mutex<State>,
}

#[derive(Debug)]
struct Disk {
    run_dir: PathBuf,
    /// By point, as in [`State`].
    draws: Vec<Draws>,
}

/// The draws around one point. A new run creates them at once; a resumed run creates them with the first draw, and leaves earlier points unchanged.
#[derive(Debug)]
pub(super) struct Draws {
    pub(super) path: PathBuf,
    pub(super) extent: Extent,
    pub(super) attributes: Value,
    pub(super) writer: Option<DrawWriter>,
}

impl Draws {
    /// Their writer; creates the folder if it does not exist yet.
    pub(super) fn writer(&mut self) -> Result<&mut DrawWriter, ObserverError> {
        let writer = match self.writer.take() {
            Some(writer) => writer,
            None => DrawWriter::create(self.path.clone(), self.extent, &self.attributes)
                .map_err(|source| io_error(&self.path, source))?,
        };
        Ok(self.writer.insert(writer))
    }
}

#[derive(Debug)]
struct State {
    /// `run.json`.
    run: Map<String, Value>,
    metrics: Metrics,
    /// By point, the one that is being sampled last.
    draws: Vec<DrawBuffer>,
    /// Files to be written: name and content.
    artifacts: Vec<(String, Vec<u8>)>,
    /// When writing began to fail, and the error.
    failing: Option<(Instant, ObserverError)>,
}

impl Writer {
    /// Starts with the fields `run` of `run.json`, `metrics` and the `draws.zarr` of `draws`, if the run draws.
    pub(super) fn new(run_dir: PathBuf, run: Map<String, Value>, metrics: Metrics, draws: Option<Draws>) -> Self {
        let draw_buffers = draws.iter().map(|draws| DrawBuffer::new(draws.extent)).collect();
        let state = State { run, metrics, draws: draw_buffers, artifacts: Vec::new(), failing: None };
        Self { disk: Mutex::new(Disk { run_dir, draws: draws.into_iter().collect() }), state: Mutex::new(state) }
    }

    /// Continues with the point `name`, whose draws `info` describes and `draws` receives.
    pub(super) fn begin_point(&self, name: &str, info: &RunInfo, draws: Draws) {
        let mut disk = lock(&self.disk);
        let mut state = lock(&self.state);
        state.draws.push(DrawBuffer::new(draws.extent));
        disk.draws.push(draws);
        state.metrics.begin_point(name, info);
    }

    /// Stores losses of a training, to be written later.
    pub(super) fn push_training(&self, first_step: u64, num_steps: u64, loss: &[f64]) {
        lock(&self.state).metrics.push_training(first_step, num_steps, loss);
    }

    /// Stores named numbers, to be written later.
    pub(super) fn push_values(&self, step: u64, values: &[(&str, f64)]) {
        lock(&self.state).metrics.push_values(step, values);
    }

    /// Stores a file, to be written later.
    pub(super) fn push_artifact(&self, name: &str, content: &[u8]) {
        lock(&self.state).artifacts.push((name.to_owned(), content.to_vec()));
    }

    /// Stores draws, to be written later. Returns the error if writing has failed for longer than `patience`.
    pub(super) fn push(
        &self,
        chain: usize,
        first_draw: usize,
        block: &DrawBlock,
        patience: Duration,
    ) -> Result<(), ObserverError> {
        let mut state = lock(&self.state);
        state.metrics.push(chain, first_draw, block);
        if let Some(draws) = state.draws.last_mut() {
            draws.push(chain, first_draw, block);
        }
        let given_up = state.failing.take_if(|(since, _)| since.elapsed() > patience);
        given_up.map_or(Ok(()), |(_, error)| Err(error))
    }

    /// Writes until the sender of `stopped` is dropped: draws at every tick, everything at every heartbeat.
    pub(super) fn beat_until(&self, stopped: &mpsc::Receiver<()>, tick: Duration) {
        for count in 1_u32.. {
            if stopped.recv_timeout(tick) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            let is_beat = count % TICKS_PER_BEAT == 0;
            let written = if is_beat { self.beat() } else { self.write_draws(&mut lock(&self.disk)) };
            let mut state = lock(&self.state);
            state.failing = match (written, state.failing.take()) {
                // Draws may go where run.json does not: a whole heartbeat must succeed.
                (Ok(()), failing) => failing.filter(|_| !is_beat),
                (Err(error), Some((since, _))) => Some((since, error)),
                (Err(error), None) => Some((Instant::now(), error)),
            };
        }
    }

    /// Writes the draws that are not on disk yet; if that fails, they are kept for the next time.
    fn write_draws(&self, disk: &mut Disk) -> Result<(), ObserverError> {
        let mut all = Ok(());
        for (point, draws) in disk.draws.iter_mut().enumerate() {
            let unwritten = lock(&self.state).draws[point].take_unwritten();
            if unwritten.is_empty() {
                continue;
            }
            let written = draws
                .writer()
                .and_then(|writer| writer.write(&unwritten).map_err(|source| io_error(writer.path(), source)));
            let mut state = lock(&self.state);
            match written {
                Ok(()) => state.draws[point].forget(&unwritten),
                Err(error) => {
                    state.draws[point].put_back(&unwritten);
                    all = all.and(Err(error));
                }
            }
        }
        all
    }

    /// Writes the files that are not on disk yet, and lists them among the run's artifacts; one that fails is kept for the next time.
    fn write_artifacts(&self, disk: &Disk) -> Result<(), ObserverError> {
        let unwritten = std::mem::take(&mut lock(&self.state).artifacts);
        let mut all = Ok(());
        for (name, content) in unwritten {
            let path = disk.run_dir.join(&name);
            let written = replace(&path, &content, Durability::Process);
            let mut state = lock(&self.state);
            match written {
                Ok(()) => state.list_artifact(&name),
                Err(source) => {
                    state.artifacts.push((name, content));
                    all = all.and(Err(io_error(&path, source)));
                }
            }
        }
        all
    }

    /// Writes draws, metrics and a new heartbeat.
    pub(super) fn beat(&self) -> Result<(), ObserverError> {
        let mut disk = lock(&self.disk);
        let draws = self.write_draws(&mut disk).and(self.write_artifacts(&disk));
        let (metrics, run) = {
            let mut state = lock(&self.state);
            state.run.insert("heartbeat".to_owned(), now());
            (state.metrics.clone(), state.run.clone())
        };
        // Formatted without the lock: with a hundred chains it takes a moment.
        let metrics = if metrics.is_empty() {
            Ok(())
        } else {
            write(&disk.run_dir, "metrics.json", &metrics.to_json(), Durability::Process)
        };
        let run = json::to_string(&Value::Object(run));
        // A disk that takes no draws may still take the heartbeat, which says that the run lives.
        let run = write(&disk.run_dir, "run.json", &run, Durability::Process);
        draws.and(metrics).and(run)
    }

    /// Writes the files of a run that has ended, the status last. A failed file doesn't prevent the others.
    pub(super) fn finish(
        &self,
        status: Status,
        report: Option<&Value>,
        fail_trace: &[String],
    ) -> Result<(), ObserverError> {
        let report = report.map(redact::value);
        {
            let mut state = lock(&self.state);
            state.metrics.finish();
            let result = report.as_ref().and_then(|report| report.pointer("/llc/mean")).filter(|mean| mean.is_number());
            state.run.insert("result".to_owned(), result.cloned().unwrap_or(Value::Null));
        }
        let beaten = self.beat();

        let mut disk = lock(&self.disk);
        let mut drawn = Ok(());
        for (draws, buffer) in disk.draws.iter_mut().zip(&lock(&self.state).draws) {
            let Some(writer) = &mut draws.writer else { continue };
            drawn = drawn.and(writer.finish(buffer).map_err(|source| io_error(&draws.path, source)));
        }
        let mut state = lock(&self.state);
        let file = |name: &str, text: &str| write(&disk.run_dir, name, text, Durability::Power);
        let metrics = file("metrics.json", &state.metrics.to_json());
        let reported = report.as_ref().map_or(Ok(()), |report| file("report.json", &json::to_string(report)));
        let info = report.map_or_else(|| json!({}), |report| json!({"report": report}));
        if info.get("report").is_some() {
            state.list_artifact("report.json");
        }
        let informed = file("info.json", &json::to_string(&info));

        state.run.insert("status".to_owned(), Value::from(status.as_str()));
        state.run.insert("stop_time".to_owned(), now());
        if status == Status::Failed {
            let lines = fail_trace.iter().map(|line| format!("{}\n", redact::text(line.trim_end_matches('\n'))));
            state.run.insert("fail_trace".to_owned(), lines.collect());
        }
        let closed = file("run.json", &json::to_string(&Value::Object(state.run.clone())));
        beaten.and(drawn).and(metrics).and(reported).and(informed).and(closed)
    }
}

impl State {
    fn list_artifact(&mut self, name: &str) {
        if let Some(Value::Array(artifacts)) = self.run.get_mut("artifacts") {
            artifacts.push(Value::from(name));
        }
    }
}

fn now() -> Value {
    Value::from(time::format(Timestamp::now()))
}

pub(super) fn write(run_dir: &Path, name: &str, text: &str, durability: Durability) -> Result<(), ObserverError> {
    let path = run_dir.join(name);
    replace(&path, text.as_bytes(), durability).map_err(|source| io_error(&path, source))
}

pub(super) fn io_error(path: &Path, error: io::Error) -> ObserverError {
    ObserverError::Io { path: path.to_owned(), error }
}

/// A thread that panicked while it held the lock left valid data, so the record continues.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
