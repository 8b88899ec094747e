//! Brings the events of a run to Python, and Python's Ctrl-C to the run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use llc::observe::{Event, Observer, ObserverError};
use numpy::PyArray1;
use pyo3::prelude::*;

/// Calls the methods of a `llc._progress.Progress`. What they raise is noted, and ends the run.
pub struct PythonObserver {
    progress: Py<PyAny>,
    cancel: Arc<AtomicBool>,
}

impl PythonObserver {
    /// Calls `progress`; sets `cancel` on Ctrl-C.
    pub fn new(progress: Py<PyAny>, cancel: Arc<AtomicBool>) -> PythonObserver {
        PythonObserver { progress, cancel }
    }

    fn call(&self, py: Python, event: &Event) -> PyResult<()> {
        let progress = self.progress.bind(py);
        match *event {
            Event::Started(info) => {
                let sizes = (info.num_chains, info.num_draws, info.num_warmup);
                progress.call_method1("started", (sizes, info.n_beta, info.init_loss, info.num_parameters))?;
            }
            Event::Stage(text) => drop(progress.call_method1("stage", (text,))?),
            Event::Warning(text) => drop(progress.call_method1("warning", (text,))?),
            Event::Line(text) => drop(progress.call_method1("line", (text,))?),
            Event::Point(point) => drop(progress.call_method1("point", (&point.name, point.init_loss))?),
            Event::Draws { chain, first_draw, block } => {
                let columns: Vec<_> =
                    block.columns().map(|(name, column)| (name.to_owned(), PyArray1::from_slice(py, column))).collect();
                progress.call_method1("drawn", (chain, first_draw, columns))?;
            }
            Event::ChainEnded { chain, num_draws, error } => {
                progress.call_method1("ended", (chain, num_draws, error))?;
            }
            _ => {}
        }
        Ok(())
    }
}

impl Observer for PythonObserver {
    fn on_event(&mut self, event: &Event) -> Result<(), ObserverError> {
        Python::attach(|py| {
            if let Err(error) = self.call(py, event).and_then(|()| py.check_signals()) {
                self.cancel.store(true, Ordering::Relaxed);
                // Progress keeps the error; Ctrl-C is none.
                let is_interrupt = error.is_instance_of::<pyo3::exceptions::PyKeyboardInterrupt>(py);
                if !is_interrupt && let Err(error) = self.progress.call_method1(py, "failed", (error,)) {
                    error.write_unraisable(py, None);
                }
            }
        });
        Ok(())
    }
}
