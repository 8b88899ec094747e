//! Runs the iterative solver of one fit: what it needs and takes is summary first, its iterations as they come, and kept for a resume.

use std::time::Instant;

use llc::checkpoint::{Checkpoint, Header, NamedTensor};
use llc::journal::Entry;
use llc::kernel_regression::iterative::{self, MAX_INNER_STEPS, Preconditioner, Progress};
use llc::kernel_regression::memory::{self, Storage};
use llc::kernel_regression::{ConjugateGradient, KernelRegressionError, Solution};
use llc::observe::{Event, Observers};
use llc::record::time::duration;
use llc::report::kernel_regression::Iterative;
use llc::rng::{Key, Role};
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

use super::{Problem, Run};
use crate::session;

/// Iterations that take so long have a line each.
const LONG_S: f64 = 2.0;
/// What an entry of the journal calls the iterations so far.
const ITERATIONS: &str = "iterations";

/// An iteration that has ended, as the journal has it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Iteration {
    residual: f64,
    num_inner_steps: u64,
    seconds: f64,
}

impl Run<'_> {
    /// What conjugate gradients find, what that took, and the seconds of iterations before this process continued them.
    pub(super) fn solve_iteratively(
        &mut self,
        problem: &mut Problem,
        observers: &mut Observers,
    ) -> anyhow::Result<(Solution, (Iterative, f64))> {
        let began = Instant::now();
        let settings = self.config.regression();
        let storage = Storage::within(1e9 * settings.memory.get(), problem.n);
        self.report_plan(problem, storage, observers)?;
        let preconditioner = self.prepare(problem, storage, observers)?;
        let journal = session::journal(self.context, observers, self.config).stage(&format!("n{}", problem.n));
        let mut entry = journal.entry("cg");
        let (mut cg, mut iterations) = begin(problem, &entry)?;
        let earlier_s: f64 = iterations.iter().map(|iteration| iteration.seconds).sum();
        let tolerance = settings.tolerance.get();
        while cg.relative_residual()? > tolerance && cg.num_steps < settings.max_iterations {
            let before = self.num_iterations;
            let mut on_progress = |progress| report(progress, (problem.n, before), &mut iterations, observers);
            match iterative::iterate(
                &mut cg,
                &problem.matrix,
                &preconditioner,
                tolerance,
                self.cancel(),
                &mut on_progress,
            ) {
                Ok(()) if entry.is_due() => entry.write(content(&cg, &iterations)?)?,
                Ok(()) => {}
                Err(KernelRegressionError::Cancelled) => {
                    entry.write_now(content(&cg, &iterations)?)?;
                    return Err(KernelRegressionError::Cancelled.into());
                }
                Err(error) => return Err(error.into()),
            }
        }
        let residual = cg.relative_residual()?;
        if residual > tolerance {
            let text = format!(
                "n {}: after {} iterations the residual is {residual:.1e}, not {tolerance:e}: give a larger --max-iterations, \
                 --preconditioner-rank or --ridge",
                problem.n, cg.num_steps
            );
            observers.emit(&Event::Warning(&text));
        }
        self.num_iterations += cg.num_steps;
        let summary = Iterative {
            storage: storage.name().to_owned(),
            kernel_gb: storage.bytes(problem.n) / 1e9,
            num_iterations: cg.num_steps,
            is_converged: residual <= tolerance,
            residuals: iterations.iter().map(|iteration| iteration.residual).collect(),
            num_inner_steps: iterations.iter().map(|iteration| iteration.num_inner_steps).collect(),
            iteration_s: iterations.iter().map(|iteration| iteration.seconds).collect(),
            iterative_s: earlier_s + began.elapsed().as_secs_f64(),
        };
        Ok((Solution { alpha: cg.solution }, (summary, earlier_s)))
    }

    /// What it needs and how long an iteration takes, and refuses what can't be had.
    fn report_plan(&self, problem: &Problem, storage: Storage, observers: &mut Observers) -> anyhow::Result<()> {
        let (n, rank) = (problem.n, self.config.regression().preconditioner_rank);
        let (dimension, num_columns) = (self.train.dimension(), problem.y.size()[1]);
        let needed = memory::iterative_bytes(n, dimension, rank, num_columns as usize, storage);
        if self.train.device() == tch::Device::Cpu {
            let what = format!("the iterative solver for {n} samples");
            let remedy = match storage {
                Storage::Recomputed => "give fewer samples (--train-sizes) or a smaller --preconditioner-rank",
                _ => "give a smaller --memory, which stores less of the kernel",
            };
            // Libtorch and the inputs are there already.
            memory::ensure(what, needed - memory::resident_bytes(), remedy)?;
        }
        let product_s = problem.matrix.seconds_per_product(num_columns)?;
        let kernel_gb = storage.bytes(n) / 1e9;
        observers.emit(&Event::Line(&format!(
            "n {n:>6}  iterative: {:.2} GB in all, {kernel_gb:.2} of it for the kernel, {}; computing it takes about \
             {}{}",
            needed / 1e9,
            storage.as_str(),
            duration(product_s),
            if storage == Storage::Double { ", once" } else { ", at every iteration" },
        )));
        Ok(())
    }

    /// Makes what the iteration needs, the kept blocks included.
    fn prepare(
        &self,
        problem: &mut Problem,
        storage: Storage,
        observers: &mut Observers,
    ) -> anyhow::Result<Preconditioner> {
        let n = problem.n;
        if storage == Storage::Double {
            observers.emit(&Event::Stage(&format!("n {n}: the kernel")));
            problem.matrix.keep(self.cancel())?;
        }
        observers.emit(&Event::Stage(&format!("n {n}: the preconditioner")));
        let began = Instant::now();
        let key = Key::new(self.config.seed()).role(Role::Probe).part(n as u64);
        let rank = self.config.regression().preconditioner_rank;
        let preconditioner = Preconditioner::new(&problem.matrix, storage, rank, key, self.cancel())?;
        let seconds = began.elapsed().as_secs_f64();
        if seconds > LONG_S {
            let text = format!("n {n:>6}  the preconditioner took {}", duration(seconds));
            observers.emit(&Event::Line(&text));
        }
        if let Some(step_s) = preconditioner.seconds_per_inner_step(&problem.y, self.cancel())? {
            let most_s = step_s * MAX_INNER_STEPS as f64;
            if most_s > LONG_S {
                let most = duration(most_s);
                let text = format!(
                    "n {n:>6}  each iteration also takes up to {MAX_INNER_STEPS} steps in 16 bits, which take {most}"
                );
                observers.emit(&Event::Line(&text));
            }
        }
        Ok(preconditioner)
    }
}

/// The iteration that the journal has, or a new one, with what its iterations were.
fn begin(problem: &Problem, entry: &Entry) -> anyhow::Result<(ConjugateGradient, Vec<Iteration>)> {
    let new = || anyhow::Ok((ConjugateGradient::start(&problem.y)?, Vec::new()));
    let Some(kept) = entry.read()? else { return new() };
    let known = kept.header.facts.get(ITERATIONS).cloned().and_then(|known| serde_json::from_value(known).ok());
    let Some(iterations): Option<Vec<Iteration>> = known else { return new() };
    let device = problem.y.device();
    let tensor = |name: &str| kept.tensor(name).map(|tensor| tensor.to_tensor()?.f_to_device(device)).transpose();
    let cg = iterative::restored(&problem.y, iterations.len() as u64, tensor)?;
    Ok((cg.ok_or_else(|| entry.incomplete("a vector of the iteration"))?, iterations))
}

/// What the journal keeps of an iteration under way.
fn content(cg: &ConjugateGradient, iterations: &[Iteration]) -> anyhow::Result<Checkpoint> {
    let named = iterative::named(cg).into_iter();
    let tensors = named.map(|(name, tensor)| NamedTensor::from_tensor(name, tensor)).collect::<Result<_, _>>()?;
    let facts = Map::from_iter([(ITERATIONS.to_owned(), json!(iterations))]);
    Ok(Checkpoint { header: Header { model: None, facts }, tensors })
}

/// Records what happened at the fit of `n` samples; `before` iterations were made in earlier fits.
fn report(progress: Progress, (n, before): (usize, u64), iterations: &mut Vec<Iteration>, observers: &mut Observers) {
    match progress {
        Progress::InnerStep { step, residual } => {
            let iteration = iterations.len() + 1;
            let text = format!("n {n}: iteration {iteration}, step {step} in 16 bits, residual {residual:.1e}");
            observers.emit(&Event::Stage(&text));
        }
        Progress::Iteration { iteration, residual, num_inner_steps, seconds } => {
            iterations.push(Iteration { residual, num_inner_steps, seconds });
            let values = [("cg.residual", residual), ("cg.n", n as f64)];
            observers.emit(&Event::Metrics { step: before + iteration, values: &values });
            let mut text = format!("n {n:>6}  iteration {iteration:>3}  residual {residual:.2e}  {seconds:.1} s");
            if num_inner_steps > 0 {
                text.push_str(&format!("  {num_inner_steps} steps in 16 bits"));
            }
            let event = if seconds > LONG_S { Event::Line(&text) } else { Event::Stage(&text) };
            observers.emit(&event);
        }
    }
}
