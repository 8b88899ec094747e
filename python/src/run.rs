//! Runs an estimate of a loss that Python computes: configuration, chains, record and report, as `llc estimate` does.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use llc::config::{ConfigError, Configuration as _, EstimateConfig, PythonConfig, RawConfig, Switch};
use llc::estimate::{EstimateError, Estimation, estimate as sample};
use llc::journal::{Journal, Pace};
use llc::kernel::KernelError;
use llc::observe::file_tree::FileTreeObserver;
use llc::observe::terminal::TerminalObserver;
use llc::observe::{Event, Observers, RunInfo, Status, forward};
use llc::record::folder::JOURNAL;
use llc::report::network::Network;
use llc::report::table::render_network;
use llc::report::{Estimate, Report, SCHEMA_VERSION};
use llc_core::diagnostics::{Draws, rhat};
use llc_core::memory::{Host, Memory as _};
use llc_core::params::{Layout, ParamSpec, Params};
use llc_core::rng::Key;
use llc_core::run::{Chains, RunError};
use llc_core::target::{Target as _, TargetError};
use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use sha2::{Digest as _, Sha256};

use crate::memory::BufferMemory;
use crate::progress::PythonObserver;
use crate::target::PythonTarget;

/// Ends a run from another thread: its chains stop at their next draw.
#[pyclass(frozen)]
#[derive(Default)]
pub struct Cancel(Arc<AtomicBool>);

#[pymethods]
impl Cancel {
    #[new]
    fn new() -> Cancel {
        Cancel::default()
    }

    /// Ends the run.
    fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was ended.
    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Where the record of a run goes.
enum Storage {
    Nowhere,
    /// A new run in this folder.
    New(PathBuf),
    /// The run in this folder, which is continued.
    Resumed(PathBuf),
}

/// What became of a run: `(report, table)`, the report as JSON and the table that a terminal shows.
///
/// `settings` are pairs of key and text, as `--set` takes them. `record` is the folder of records, `resume` the folder of a run.
///
/// # Errors
/// `ValueError` for settings that are not legal, `OSError` for a record that can't be written, whatever the model raises.
#[pyfunction]
#[pyo3(signature = (evaluator, settings, progress, cancel, *, record=None, resume=None, is_quiet=false))]
pub fn estimate(
    py: Python,
    evaluator: Py<PyAny>,
    settings: Vec<(String, String)>,
    progress: Py<PyAny>,
    cancel: &Cancel,
    record: Option<PathBuf>,
    resume: Option<PathBuf>,
    is_quiet: bool,
) -> PyResult<(String, String)> {
    let config = configuration(&settings)?;
    let names: Vec<String> = evaluator.bind(py).getattr("names")?.extract()?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let sampled = config.point().sampled(&names).map_err(|error| PyValueError::new_err(error.to_string()))?;
    evaluator.call_method1(py, "select", (sampled,))?;
    let storage = match (record, resume) {
        (_, Some(run_dir)) => Storage::Resumed(run_dir),
        (Some(folder), None) => Storage::New(folder),
        (None, None) => Storage::Nowhere,
    };
    let model = Model::of(evaluator.bind(py))?;
    let cancel = Arc::clone(&cancel.0);
    py.detach(|| {
        let mut observers = observers(storage, progress, &cancel, is_quiet)?;
        let outcome = run(&config, model, &evaluator, &cancel, &mut observers);
        if let Err(error) = &outcome {
            let fail_trace = lines(error.as_ref());
            observers.emit(&Event::Ended { status: Status::Failed, report: None, fail_trace: &fail_trace });
        }
        if let (true, Some(failure)) = (observers.is_record_lost(), observers.failures().first()) {
            return Err(PyOSError::new_err(failure.clone()));
        }
        outcome.map_err(raised)
    })
}

type Boxed = Box<dyn Error + Send + Sync>;

/// What the evaluator says of its model.
struct Model {
    specs: Vec<ParamSpec>,
    /// All parameters, those included that are not sampled.
    num_parameters: usize,
    memory: BufferMemory,
    notes: Vec<String>,
}

impl Model {
    fn of(evaluator: &Bound<PyAny>) -> PyResult<Model> {
        let specs: Vec<(String, Vec<i64>)> = evaluator.getattr("specs")?.extract()?;
        Ok(Model {
            specs: specs.into_iter().map(|(name, shape)| ParamSpec { name, shape }).collect(),
            num_parameters: evaluator.getattr("num_parameters")?.extract()?,
            memory: BufferMemory::of(&evaluator.getattr("w_star")?)?,
            notes: evaluator.getattr("notes")?.extract()?,
        })
    }

    /// Names parameters and their values, so that a run is not continued around others.
    fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for spec in &self.specs {
            hash.update(format!("{}{:?}", spec.name, spec.shape));
        }
        match self.memory.host() {
            Some(Host::F32(w)) => w.iter().for_each(|w| hash.update(w.to_le_bytes())),
            Some(Host::F64(w)) => w.iter().for_each(|w| hash.update(w.to_le_bytes())),
            None => {}
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn configuration(settings: &[(String, String)]) -> PyResult<PythonConfig> {
    let build = || {
        let mut raw = RawConfig::new(PythonConfig::keys());
        raw.layer_text(settings.iter().map(|(key, text)| (key.as_str(), text.as_str())))?;
        PythonConfig::build(&raw, llc::config::available_threads())
    };
    build().map_err(|error: ConfigError| PyValueError::new_err(error.to_string()))
}

fn observers(storage: Storage, progress: Py<PyAny>, cancel: &Arc<AtomicBool>, is_quiet: bool) -> PyResult<Observers> {
    let mut observers = Observers::default();
    let tree = match &storage {
        Storage::Nowhere => None,
        Storage::New(folder) => Some(FileTreeObserver::create(folder)),
        Storage::Resumed(run_dir) => Some(FileTreeObserver::reopen(run_dir)),
    };
    if let Some(tree) = tree {
        let tree = tree.map_err(|error| PyOSError::new_err(error.to_string()))?;
        observers.push_record(Box::new(tree), Arc::clone(cancel));
    }
    observers.push(Box::new(TerminalObserver::new(is_quiet, |chains| rhat(&Draws::new(chains)))));
    observers.push(Box::new(PythonObserver::new(progress, Arc::clone(cancel))));
    Ok(observers)
}

fn run(
    config: &PythonConfig,
    model: Model,
    evaluator: &Py<PyAny>,
    cancel: &Arc<AtomicBool>,
    observers: &mut Observers,
) -> Result<(String, String), Boxed> {
    let (python, key) = (config.python(), Key::new(config.seed()));
    let (n, num_parameters, notes) = (python.num_samples, model.num_parameters, model.notes.clone());
    let hash = format!("{}-{}", config.hash(), model.fingerprint());
    let w_star = Params::new(&Arc::new(Layout::new(model.specs)), Box::new(model.memory));
    let density = (config.sampler().n_beta(n), config.sampler().fixed_gamma());
    let evaluator = Python::attach(|py| evaluator.clone_ref(py));
    let mut target = PythonTarget::new(evaluator, w_star, density, key)?;
    let gamma = config.sampler().gamma_around(&mut target, key)?;
    target = target.at_gamma(gamma)?;
    let sampler = config.sampler().for_samples(n);
    let mut chains = sampler.chains(config.run(), key, target.init_loss());
    observers.emit(&Event::Started(&info(config, &chains, &target)?));
    if let Some(failure) = observers.failures().first() {
        return Err(failure.clone().into());
    }
    if let Some(run_dir) = observers.run_dir() {
        chains.store = Arc::new(journal(&run_dir, &hash));
    }
    let kernel = sampler.kernel.sampler();
    let check = sampler.check_localisation == Switch::On;
    let done = sample(&mut target, kernel.as_ref(), &chains, check, cancel, &mut forward(observers))?;
    let status = status(&done, chains.num_chains);
    let run_dir = observers.run_dir().map(|run_dir| run_dir.display().to_string());
    let found = Network {
        checkpoint: None,
        network: python.model.clone(),
        data: None,
        n,
        d: target.local().w_star().len(),
        num_parameters,
        init_loss: chains.plan.init_loss,
        scores: None,
        chains: (&sampler).into(),
        estimate: Estimate::from(&done).with_notes(&notes),
    };
    let experiment = EstimateConfig::EXPERIMENT.to_owned();
    let report = Report { schema_version: SCHEMA_VERSION, experiment, found, seed: config.seed(), run_dir, status };
    let table = render_network(&report);
    let explanations = done.judgement.findings.iter().map(|found| format!("{}\n", found.explanation));
    let fail_trace = if status == Status::Failed { explanations.collect() } else { Vec::new() };
    let report = serde_json::to_value(&report)?;
    observers.emit(&Event::Output(&table));
    observers.emit(&Event::Ended { status, report: Some(&report), fail_trace: &fail_trace });
    Ok((report.to_string(), table))
}

fn journal(run_dir: &Path, hash: &str) -> Journal {
    Journal::new(&run_dir.join(JOURNAL), hash, Pace::default())
}

fn info(config: &PythonConfig, chains: &Chains, target: &PythonTarget) -> serde_json::Result<RunInfo> {
    let config = serde_json::to_value(config)?;
    Ok(RunInfo {
        name: EstimateConfig::EXPERIMENT.to_owned(),
        command: EstimateConfig::EXPERIMENT.to_owned(),
        argv: std::env::args().collect(),
        config_updates: config.clone(),
        config,
        num_chains: chains.num_chains,
        num_draws: chains.plan.num_draws,
        num_warmup: chains.plan.num_warmup,
        num_parameters: target.local().w_star().len(),
        n_beta: target.local().n_beta(),
        init_loss: chains.plan.init_loss,
        ..RunInfo::default()
    })
}

fn status(done: &Estimation, num_chains: usize) -> Status {
    match (done.is_interrupted, done.num_diverged == num_chains) {
        (true, _) => Status::Interrupted,
        (false, true) => Status::Failed,
        (false, false) => Status::Completed,
    }
}

/// An error and its causes, a line each.
fn lines(error: &(dyn Error + 'static)) -> Vec<String> {
    let (mut lines, mut next) = (Vec::new(), Some(error));
    while let Some(error) = next {
        lines.push(format!("{error}\n"));
        next = error.source();
    }
    lines
}

/// The table that a terminal shows of `report`, that of an estimate as JSON.
///
/// # Errors
/// `ValueError` where it is none.
#[pyfunction]
pub fn render(report: &str) -> PyResult<String> {
    let report = serde_json::from_str(report).map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok(render_network(&report))
}

/// The exception of Python's own code that `error` is or reports.
fn python_cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a PyErr> {
    let of_target = |error: &'a TargetError| match error {
        TargetError::Other(cause) => cause.downcast_ref::<PyErr>(),
        _ => None,
    };
    let of_kernel = |error: &'a KernelError| match error {
        KernelError::Target(error) => of_target(error),
        _ => None,
    };
    if let Some(error) = error.downcast_ref::<EstimateError>() {
        return match error {
            EstimateError::Chain { error, .. } | EstimateError::Probe(error) => of_kernel(error),
            EstimateError::Run(RunError::Target(error)) => of_target(error),
            _ => None,
        };
    }
    error.downcast_ref().and_then(of_kernel).or_else(|| error.downcast_ref().and_then(of_target))
}

/// What Python raises for `error`: the exception of its own code, where that is the cause.
fn raised(error: Boxed) -> PyErr {
    match python_cause(error.as_ref()) {
        Some(exception) => Python::attach(|py| {
            let exception = exception.clone_ref(py);
            // From Python 3.11 on an exception takes notes.
            let _ = exception.value(py).call_method1("add_note", (format!("llc: {error}"),));
            exception
        }),
        None => PyRuntimeError::new_err(error.to_string()),
    }
}
