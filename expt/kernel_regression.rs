//! Runs `llc kernel-regression`: labels fitted by a Gaussian kernel at several numbers of training samples.

mod report;
mod solve;

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::Context as _;
use llc::config::KernelRegressionConfig;
use llc::config::kernel_regression::Solver;
use llc::diagnostics::proportion_interval;
use llc::kernel_regression::{Inputs, KernelMatrix, KernelRegressionError, Solution, direct, error_rate, memory};
use llc::observe::{Event, Observers, RunInfo, Status};
use llc::report::kernel_regression::{Fit, Iterative, KernelRegression};
use llc::train::TrainingData;
use tch::{Kind, Tensor};

use crate::cli::{Context, Outcome};
use crate::registry::Experiment;
use crate::session;
use llc::points::Points;

/// The share that the interval of a test error claims to cover.
const LEVEL: f64 = 0.9;
/// The residual above which a solution is none: what is read off it, errors and norms, moves by as much.
const MAX_RESIDUAL: f64 = 1e-6;

impl Experiment for KernelRegressionConfig {
    /// Fits, records the run, and prints a line for each number of samples.
    fn run(&self, context: &Context) -> anyhow::Result<Outcome> {
        session::record(context, |observers| {
            let mut run = Run::new(self, context, observers)?;
            let fitted = run.fit_all(observers);
            let saved = run.points.finish();
            let status = match fitted {
                Ok(()) => Status::Completed,
                Err(error) if matches!(error.downcast_ref(), Some(KernelRegressionError::Cancelled)) => {
                    Status::Interrupted
                }
                // The fits so far are worth keeping.
                Err(error) if !run.points.all().is_empty() => {
                    run.end(Status::Failed, &session::fail_trace(&error), observers)?;
                    return Err(error);
                }
                Err(error) => return Err(error),
            };
            saved?;
            run.end(status, &[], observers)?;
            Ok(if status == Status::Interrupted { Outcome::Interrupted } else { Outcome::Done })
        })
    }
}

/// A run under way.
struct Run<'a> {
    config: &'a KernelRegressionConfig,
    context: &'a Context,
    data: TrainingData,
    train: Inputs,
    test: Inputs,
    /// Numbers of training samples.
    sizes: Vec<usize>,
    /// The fits so far.
    points: Points<Fit>,
    /// Iterations of all fits so far.
    num_iterations: u64,
}

/// What is fitted at one number of samples.
struct Problem {
    n: usize,
    matrix: KernelMatrix,
    /// One-hot targets, shape `[n, num_classes]`.
    y: Tensor,
    labels: Tensor,
}

impl<'a> Run<'a> {
    fn new(
        config: &'a KernelRegressionConfig,
        context: &'a Context,
        observers: &mut Observers,
    ) -> anyhow::Result<Run<'a>> {
        tch::set_num_threads(config.run().threads as i32);
        let device = session::device(config.run().device)?;
        observers.emit(&Event::Stage("reading the data"));
        let data = TrainingData::load(config.data())?;
        let bandwidth = config.regression().bandwidth.get();
        let train = Inputs::of(&data.train, bandwidth, device)?;
        let test = Inputs::of(&data.test, bandwidth, device)?;
        let mut sizes = config.regression().train_sizes.clone();
        if let Some(size) = sizes.iter().find(|&&size| size > train.len()) {
            anyhow::bail!("--train-sizes has {size}, and there are {} training samples: give fewer", train.len());
        }
        if sizes.is_empty() {
            sizes.push(train.len());
        }
        let largest = sizes[sizes.len() - 1];
        observers.emit(&Event::Started(&RunInfo {
            num_parameters: largest * data.train.num_classes(),
            ..session::run_info(KernelRegressionConfig::EXPERIMENT, config, context)?
        }));
        session::ensure_recorded(observers)?;
        let points = Points::of(&session::journal(context, observers, config))?;
        Ok(Run { config, context, data, train, test, sizes, points, num_iterations: 0 })
    }

    fn cancel(&self) -> &'a AtomicBool {
        &self.context.cancel
    }

    /// Fits at every number of samples that isn't known yet.
    fn fit_all(&mut self, observers: &mut Observers) -> anyhow::Result<()> {
        for n in self.sizes.clone() {
            let known = self.points.all().iter().find(|point| point.n == n);
            if let Some(known) = known {
                self.num_iterations += known.iterative.as_ref().map_or(0, |iterative| iterative.num_iterations);
                continue;
            }
            let point = self.fit(n, observers)?;
            self.report_fit(&point, observers);
            self.points.push(point)?;
        }
        Ok(())
    }

    fn problem(&self, n: usize) -> Result<Problem, KernelRegressionError> {
        let labels: Vec<i64> = self.data.train.labels()[..n].iter().map(|&label| i64::from(label)).collect();
        let labels = Tensor::f_from_slice(&labels)?.f_to_device(self.train.device())?;
        let y = labels.f_one_hot(self.data.train.num_classes() as i64)?.f_to_kind(Kind::Double)?;
        let matrix = KernelMatrix::new(self.train.first(n)?, self.config.regression().ridge);
        Ok(Problem { n, matrix, y, labels })
    }

    /// Fits the first `n` samples; the report's object.
    fn fit(&mut self, n: usize, observers: &mut Observers) -> anyhow::Result<Fit> {
        let began = Instant::now();
        let settings = self.config.regression();
        let is_small = memory::direct_bytes(n) <= 1e9 * settings.memory.get();
        let (is_direct, is_iterative) = match settings.solver {
            Solver::Auto => (is_small, !is_small),
            Solver::Direct => (true, false),
            Solver::Iterative => (false, true),
            Solver::Both => (true, true),
        };
        let mut problem = self.problem(n)?;
        let solver = match (is_direct, is_iterative) {
            (true, true) => "both",
            (true, false) => "direct",
            (false, _) => "iterative",
        };
        let direct = if is_direct { Some(self.solve_directly(&problem, observers)?) } else { None };
        let iterative = if is_iterative { Some(self.solve_iteratively(&mut problem, observers)?) } else { None };
        let (direct, direct_s) = direct.unzip();
        let (iterative, summary) = iterative.unzip();
        let (mut summary, earlier_s) = summary.unzip();
        let to_compare = iterative.as_ref().filter(|_| is_direct);
        let to_compare = to_compare.map(|found| found.outputs(problem.matrix.inputs(), &self.test, self.cancel()));
        let to_compare = to_compare.transpose()?;
        // One of the two solvers was chosen; results common to both are those of the direct one.
        let solution = direct.or(iterative).context("no solver was chosen")?;
        observers.emit(&Event::Stage(&format!("n {n}: predicting")));
        let outputs = solution.outputs(problem.matrix.inputs(), &self.test, self.cancel())?;
        let fit = solution.fit(&problem.matrix, &problem.y, &problem.labels, self.cancel())?;
        let test_labels: Vec<i64> = self.data.test.labels().iter().map(|&label| i64::from(label)).collect();
        let test_labels = Tensor::f_from_slice(&test_labels)?.f_to_device(outputs.device())?;
        let test_error = error_rate(&outputs, &test_labels)?;
        let num_test = self.data.test.len() as u64;
        let num_wrong = (test_error * num_test as f64).round() as u64;
        let one_hot = test_labels.f_one_hot(self.data.train.num_classes() as i64)?;
        let test_loss = (&outputs - one_hot).f_square()?.f_mean(Kind::Double)?.f_double_value(&[])?;
        let max_difference = match &to_compare {
            Some(iterative) => Some((iterative - &outputs).f_abs()?.f_max()?.f_double_value(&[])?),
            None => None,
        };
        if !is_direct {
            // The recurrence's residual continues falling where that of the solution has met rounding.
            let is_converged = fit.residual <= 2.0 * settings.tolerance.get();
            summary.iter_mut().for_each(|summary: &mut Iterative| summary.is_converged = is_converged);
        } else if fit.residual > MAX_RESIDUAL {
            let text = format!(
                "n {n}: the residual of the solution is {:.1e} of the labels: the kernel matrix is nearly singular in \
                 double precision; try a larger --ridge or --bandwidth",
                fit.residual
            );
            observers.emit(&Event::Warning(&text));
        }
        Ok(Fit {
            n,
            solver: solver.to_owned(),
            direct_s,
            iterative: summary,
            test_error,
            test_error_ci90: proportion_interval(num_wrong, num_test, LEVEL),
            test_loss,
            train_error: fit.train_error,
            train_loss: fit.train_loss,
            norm: fit.norm,
            norms: fit.norms,
            residual: fit.residual,
            max_difference,
            total_s: earlier_s.unwrap_or(0.0) + began.elapsed().as_secs_f64(),
            peak_memory_gb: memory::peak_bytes().map(|bytes| bytes / 1e9),
        })
    }

    /// What the Cholesky factor finds, and the seconds that it took.
    fn solve_directly(&self, problem: &Problem, observers: &mut Observers) -> anyhow::Result<(Solution, f64)> {
        let (n, ridge) = (problem.n, problem.matrix.ridge());
        let needed_gb = memory::direct_bytes(n) / 1e9;
        if needed_gb > 1.0 {
            observers.emit(&Event::Line(&format!("n {n:>6}  direct: {needed_gb:.1} GB for the matrix and its factor")));
        }
        observers.emit(&Event::Stage(&format!("n {n}: Cholesky factor")));
        let began = Instant::now();
        let alpha = direct::solve(problem.matrix.inputs(), ridge, &problem.y, self.cancel())?;
        Ok((Solution { alpha }, began.elapsed().as_secs_f64()))
    }

    /// Records a fit: metrics and a line.
    fn report_fit(&self, fit: &Fit, observers: &mut Observers) {
        let values = [
            ("regression.n", fit.n as f64),
            ("regression.test_error", fit.test_error),
            ("regression.train_error", fit.train_error),
            ("regression.norm", fit.norm),
            ("regression.residual", fit.residual),
        ];
        observers.emit(&Event::Metrics { step: self.points.all().len() as u64, values: &values });
        observers.emit(&Event::Line(&report::line(fit)));
    }

    fn end(&self, status: Status, fail_trace: &[String], observers: &mut Observers) -> anyhow::Result<()> {
        let (data, settings) = (self.config.data(), self.config.regression());
        let points = self.points.all();
        observers.emit(&Event::Artifact { name: "points.csv", content: &report::points_csv(points)? });
        observers.emit(&Event::Artifact { name: "residuals.csv", content: &report::residuals_csv(points)? });
        let found = KernelRegression {
            data: data.name,
            input_dim: self.train.dimension(),
            num_train: self.train.len(),
            num_test: self.data.test.len(),
            bandwidth: settings.bandwidth.get(),
            ridge: settings.ridge,
            label_corruption: data.label_corruption,
            label_corruption_observed: self.data.share_of_changed_labels(),
            points: points.to_vec(),
        };
        let report = session::report(KernelRegressionConfig::EXPERIMENT, self.config.seed(), found, status, observers);
        session::end(self.context, observers, (&report, &report::table(&report)), fail_trace)
    }
}
