//! Runs an estimate of a loss that Python computes: configuration, chains, record and report, as `llc estimate` does.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use llc::climb::{self, Climb, ClimbError};
use llc::config::profile::{Along, ProfileSection};
use llc::config::{ConfigError, Configuration as _, PythonConfig, RawConfig, Switch};
use llc::estimate::{EstimateError, Estimation, estimate as sample};
use llc::journal::{Journal, Pace};
use llc::kernel::KernelError;
use llc::mongo::address::{self, Address, AddressText};
use llc::observe::file_tree::FileTreeObserver;
use llc::observe::mongo::MongoObserver;
use llc::observe::terminal::TerminalObserver;
use llc::observe::{Event, Observers, RunInfo, Status, forward};
use llc::record::folder::JOURNAL;
use llc::report::network::Network;
use llc::report::rungs::{self, Columns};
use llc::report::table::render_network;
use llc::report::{Estimate, Report, SCHEMA_VERSION};
use llc_core::diagnostics::{Draws, rhat};
use llc_core::memory::{Host, Memory as _};
use llc_core::params::{Layout, ParamSpec, Params};
use llc_core::rng::Key;
use llc_core::run::RunError;
use llc_core::target::{Target, TargetError};
use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use serde::Serialize;
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
/// `settings` are pairs of key and text, as `--set` takes them. `storage` is the folder of records, the folder of a run to resume, and
/// the addresses to which the record is delivered as well.
///
/// # Errors
/// `ValueError` for settings that are not legal, `OSError` for a record that can't be written, whatever the model raises.
#[pyfunction]
pub fn estimate(
    py: Python,
    evaluator: Py<PyAny>,
    settings: Vec<(String, String)>,
    storage: (Option<PathBuf>, Option<PathBuf>, Vec<String>),
    progress: Py<PyAny>,
    cancel: &Cancel,
) -> PyResult<(String, String)> {
    let config = configuration(&settings)?;
    let (record, resume, mongo) = storage;
    let storage = match (record, resume) {
        (_, Some(run_dir)) => Storage::Resumed(run_dir),
        (Some(folder), None) => Storage::New(folder),
        (None, None) => Storage::Nowhere,
    };
    let model = Model::selected(evaluator.bind(py), &config)?;
    let addresses = addresses(&mongo)?;
    let is_quiet = progress.getattr(py, "is_quiet")?.extract(py)?;
    let cancel = Arc::clone(&cancel.0);
    py.detach(|| {
        let mut observers = observers(storage, &addresses, progress, &cancel, is_quiet)?;
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
    /// The tensors that `config` samples: the evaluator selects them, and computes the loss at w*.
    fn selected(evaluator: &Bound<PyAny>, config: &PythonConfig) -> PyResult<Model> {
        let names: Vec<String> = evaluator.getattr("names")?.extract()?;
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let sampled = config.part().sampled(&names).map_err(|error| PyValueError::new_err(error.to_string()))?;
        evaluator.call_method1("select", (sampled,))?;
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

/// `HOST:PORT:DATABASE`, or MongoDB URLs, as `-m` and `--mongo-url` take them.
fn addresses(texts: &[String]) -> PyResult<Vec<Address>> {
    let of = |is_url: bool| -> Vec<AddressText> {
        // Reading one can't fail.
        texts.iter().filter(|text| text.contains("://") == is_url).filter_map(|text| text.parse().ok()).collect()
    };
    address::addresses(&of(false), &of(true), |name| std::env::var(name).ok())
        .map_err(|error| PyValueError::new_err(error.to_string()))
}

fn observers(
    storage: Storage,
    addresses: &[Address],
    progress: Py<PyAny>,
    cancel: &Arc<AtomicBool>,
    is_quiet: bool,
) -> PyResult<Observers> {
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
    if let (Some(run_dir), false) = (observers.run_dir(), addresses.is_empty()) {
        observers.push(Box::new(MongoObserver::new(&run_dir, addresses)));
    }
    observers.push(Box::new(TerminalObserver::new(is_quiet, |chains| rhat(&Draws::new(chains)))));
    observers.push(Box::new(PythonObserver::new(progress, Arc::clone(cancel))));
    Ok(observers)
}

/// What is sampled, once it is known at which scale.
struct Subject<'a> {
    config: &'a PythonConfig,
    target: PythonTarget,
    key: Key,
    /// Names configuration and parameters in the journal.
    hash: String,
    num_parameters: usize,
    notes: Vec<String>,
}

impl<'a> Subject<'a> {
    fn new(config: &'a PythonConfig, model: Model, evaluator: &Py<PyAny>) -> Result<Subject<'a>, Boxed> {
        let (key, num_parameters, notes) = (Key::new(config.seed()), model.num_parameters, model.notes.clone());
        let hash = format!("{}-{}", config.hash(), model.fingerprint());
        let w_star = Params::new(&Arc::new(Layout::new(model.specs)), Box::new(model.memory));
        let density = (config.sampler().n_beta(config.python().num_samples), config.sampler().fixed_gamma());
        let evaluator = Python::attach(|py| evaluator.clone_ref(py));
        let target = PythonTarget::new(evaluator, w_star, density, key)?;
        Ok(Subject { config, target, key, hash, num_parameters, notes })
    }
}

fn run(
    config: &PythonConfig,
    model: Model,
    evaluator: &Py<PyAny>,
    cancel: &Arc<AtomicBool>,
    observers: &mut Observers,
) -> Result<(String, String), Boxed> {
    let subject = Subject::new(config, model, evaluator)?;
    match config.profile() {
        Some(section) => profile(subject, section, cancel, observers),
        None => estimate_at_one_scale(subject, cancel, observers),
    }
}

fn estimate_at_one_scale(
    subject: Subject,
    cancel: &Arc<AtomicBool>,
    observers: &mut Observers,
) -> Result<(String, String), Boxed> {
    let Subject { config, mut target, key, hash, num_parameters, notes } = subject;
    let n = config.python().num_samples;
    let (gamma, largest_curvature) = config.sampler().gamma_around(&mut target, key)?;
    target = target.at_gamma(gamma)?;
    let sampler = config.sampler().for_samples(n);
    let mut chains = sampler.chains(config.run(), key, target.init_loss());
    chains.plan.largest_curvature = largest_curvature;
    let plan = &chains.plan;
    let sizes = (chains.num_chains, plan.num_draws, plan.num_warmup);
    start(config, sizes, &target, observers)?;
    if let Some(run_dir) = observers.run_dir() {
        chains.store = Arc::new(journal(&run_dir, &hash));
    }
    let kernel = sampler.kernel.sampler();
    let check = sampler.check_localisation == Switch::On;
    let done = sample(&mut target, kernel.as_ref(), &chains, check, cancel, &mut forward(observers))?;
    let found = Network {
        checkpoint: None,
        network: config.python().model.clone(),
        data: None,
        n,
        d: target.local().w_star().len(),
        num_parameters,
        init_loss: chains.plan.init_loss,
        scores: None,
        chains: (&sampler).into(),
        estimate: Estimate::from(&done).with_notes(&notes),
    };
    let explanations = found.estimate.judgement.explanations.clone();
    let report = report(config, found, status(&done, chains.num_chains), observers);
    end(&report, render_network(&report), &explanations, observers)
}

fn profile(
    mut subject: Subject,
    section: &ProfileSection,
    cancel: &Arc<AtomicBool>,
    observers: &mut Observers,
) -> Result<(String, String), Boxed> {
    let config = subject.config;
    if section.along == Along::NBeta {
        let (gamma, _) = config.sampler().gamma_around(&mut subject.target, subject.key)?;
        subject.target = subject.target.at_gamma(gamma)?;
    }
    start(config, (0, 0, 0), &subject.target, observers)?;
    let journal = observers.run_dir().map_or_else(Journal::default, |run_dir| journal(&run_dir, &subject.hash));
    let sampler = config.sampler().for_samples(config.python().num_samples);
    let climb = Climb { section, sampler: &sampler, run: config.run() };
    let (found, is_interrupted) = climb.climb(&mut subject, journal, cancel, observers)?;
    let status = found.status(is_interrupted);
    observers.emit(&Event::Artifact { name: "profile.csv", content: &rungs::csv(&found.rungs)? });
    let explanations: Vec<String> =
        found.rungs.iter().flat_map(|rung| rung.estimate.judgement.explanations.clone()).collect();
    let report = report(config, found, status, observers);
    let columns = climb::Source::columns(&subject);
    let lines = report.found.rungs.iter().map(|rung| rungs::line(rung, columns) + "\n");
    let table = format!("{}\n{}{}", rungs::header(columns), lines.collect::<String>(), rungs::render(&report));
    end(&report, table, &explanations, observers)
}

impl climb::Source for Subject<'_> {
    fn target(&mut self) -> &mut dyn Target {
        &mut self.target
    }

    fn init_loss(&self) -> f64 {
        self.target.init_loss()
    }

    fn key(&self) -> Key {
        self.key
    }

    fn subject(&self) -> llc::report::profile::Subject {
        llc::report::profile::Subject::Model {
            network: self.config.python().model.clone(),
            n: self.config.python().num_samples,
            num_parameters: self.num_parameters,
            notes: self.notes.clone(),
        }
    }

    fn columns(&self) -> Columns {
        Columns { has_test: false, has_exact: false }
    }
}

/// Lets the observers know that the run starts; fails where it is not on record.
fn start(
    config: &PythonConfig,
    (num_chains, num_draws, num_warmup): (usize, usize, usize),
    target: &PythonTarget,
    observers: &mut Observers,
) -> Result<(), Boxed> {
    let json = serde_json::to_value(config)?;
    let info = RunInfo {
        name: config.experiment().to_owned(),
        command: config.experiment().to_owned(),
        argv: std::env::args().collect(),
        config_updates: json.clone(),
        config: json,
        num_chains,
        num_draws,
        num_warmup,
        num_parameters: target.local().w_star().len(),
        n_beta: target.local().n_beta(),
        init_loss: target.init_loss(),
        ..RunInfo::default()
    };
    observers.emit(&Event::Started(&info));
    observers.failures().first().map_or(Ok(()), |failure| Err(failure.clone().into()))
}

fn report<R>(config: &PythonConfig, found: R, status: Status, observers: &Observers) -> Report<R> {
    let run_dir = observers.run_dir().map(|run_dir| run_dir.display().to_string());
    let experiment = config.experiment().to_owned();
    Report { schema_version: SCHEMA_VERSION, experiment, found, seed: config.seed(), run_dir, status }
}

/// Ends the record with `report`; returns it as JSON, and its table.
fn end<R: Serialize>(
    report: &Report<R>,
    table: String,
    explanations: &[String],
    observers: &mut Observers,
) -> Result<(String, String), Boxed> {
    let status = report.status;
    let lines = explanations.iter().map(|line| format!("{line}\n"));
    let fail_trace = if status == Status::Failed { lines.collect() } else { Vec::new() };
    let report = serde_json::to_value(report)?;
    observers.emit(&Event::Output(&table));
    observers.emit(&Event::Ended { status, report: Some(&report), fail_trace: &fail_trace });
    Ok((report.to_string(), table))
}

fn journal(run_dir: &Path, hash: &str) -> Journal {
    Journal::new(&run_dir.join(JOURNAL), hash, Pace::default())
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

/// γ that `settings` choose around the parameters of `evaluator`.
///
/// # Errors
/// As [`estimate`].
#[pyfunction]
pub fn gamma_around(py: Python, evaluator: Py<PyAny>, settings: Vec<(String, String)>) -> PyResult<f64> {
    let config = configuration(&settings)?;
    let model = Model::selected(evaluator.bind(py), &config)?;
    py.detach(|| {
        let subject = Subject::new(&config, model, &evaluator).map_err(raised)?;
        let Subject { mut target, key, .. } = subject;
        config.sampler().gamma_around(&mut target, key).map(|(gamma, _)| gamma).map_err(|error| raised(error.into()))
    })
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
    let error = match error.downcast_ref() {
        Some(ClimbError::Estimate(error)) => error,
        Some(ClimbError::Target(error)) => return of_target(error),
        _ => error,
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
