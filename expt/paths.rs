//! Runs `llc paths`: minima of one network, and the loss on segments, a fitted curve and a plane between them.
//!
//! The stages are: train the minima, fit the curve, evaluate segments, the curve, the plane, and estimate λ along the curve. Each keeps
//! what it has in the run's journal, and a run that continues does all stages again, which find their results there.

mod answers;
mod estimates;
mod points;
mod report;
mod training;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::Context as _;
use llc::config::PathsConfig;
use llc::config::network::BatchSize;
use llc::config::network::model;
use llc::journal::Journal;
use llc::landscape::{Curve, Landscape, Scores};
use llc::model::{ModelSpec, Network};
use llc::observe::{Event, Observers, RunInfo, Status};
use llc::report::paths::Point;
use llc::rng::{Key, Role};
use llc::train::{Objective, TrainingData};

use crate::checkpoints::Checkpoints;
use crate::cli::{self, Context, Outcome};
use crate::registry::Experiment;
use crate::session;
use points::{Plane, Segments, Walk};
use training::Minimum;

impl Experiment for PathsConfig {
    /// Does what it asks for, records the run, and prints what was found.
    fn run(&self, context: &Context) -> anyhow::Result<Outcome> {
        session::record(context, |observers| {
            let mut paths = Paths::new(self, context, observers)?;
            match paths.follow(observers) {
                Ok(()) => {
                    let is_cancelled = context.cancel.load(Ordering::Relaxed);
                    let status = if is_cancelled { Status::Interrupted } else { Status::Completed };
                    paths.end(status, &[], observers)
                }
                // What there is so far is worth keeping.
                Err(error) if session::has_diverged(&error) => {
                    cli::print_error(&error);
                    paths.end(Status::Failed, &session::fail_trace(&error), observers)
                }
                Err(error) => Err(error),
            }
        })
    }
}

/// A run under way.
struct Paths<'a> {
    config: &'a PathsConfig,
    context: &'a Context,
    spec: ModelSpec,
    network: Arc<Network>,
    data: TrainingData,
    device: tch::Device,
    landscape: Landscape,
    journal: Journal,
    checkpoints: Option<Checkpoints>,
    found: Found,
}

/// What was found so far.
#[derive(Default)]
struct Found {
    minima: Vec<Minimum>,
    /// Steps of the trainings of all minima so far, had none ended early.
    num_steps_planned: u64,
    segments: Vec<Segments>,
    curve: Option<Curve>,
    /// Seconds that the fit took.
    fit_s: f64,
    walk: Option<Walk>,
    plane: Option<Plane>,
    /// The estimates along the curve, as the report has them.
    estimates: Vec<Point>,
    /// Sentences about what there is not.
    notes: Vec<String>,
}

impl<'a> Paths<'a> {
    fn new(config: &'a PathsConfig, context: &'a Context, observers: &mut Observers) -> anyhow::Result<Paths<'a>> {
        observers.emit(&Event::Stage("reading the data"));
        tch::set_num_threads(config.run().threads as i32);
        let device = session::device(config.run().device)?;
        let data = TrainingData::load(config.data())?;
        let spec = model::for_data(config.model(), data.train.input_shape(), data.train.num_classes());
        let network = Arc::new(spec.build().context("the network cannot be built")?);
        let train = config.train();
        let objective = Objective {
            loss: train.loss.clone(),
            precision: train.precision,
            has_channels_last: train.has_channels_last,
        };
        let landscape = {
            let sets = [&data.train, &data.test];
            Landscape::new(Arc::clone(&network), sets, objective, batch_size(config, &data), device)?
        };
        let sampler = config.sampler();
        let has_draws = config.points().llc_every > 0;
        observers.emit(&Event::Started(&RunInfo {
            num_chains: if has_draws { sampler.num_chains } else { 0 },
            num_draws: sampler.num_draws(),
            num_warmup: sampler.num_warmup_draws(),
            num_parameters: network.num_parameters(),
            n_beta: sampler.n_beta(crate::trained::samples(&data, config.point())?.len()),
            draws_at_points: true,
            ..session::run_info(PathsConfig::EXPERIMENT, config, context)?
        }));
        session::ensure_recorded(observers)?;
        let checkpoints = observers.run_dir().map(|run_dir| Checkpoints::create(&run_dir)).transpose()?;
        let journal = session::journal(context, observers, config);
        let found = Found::default();
        Ok(Paths { config, context, spec, network, data, device, landscape, journal, checkpoints, found })
    }

    /// Goes through the stages, to the end or to where it is cancelled.
    fn follow(&mut self, observers: &mut Observers) -> anyhow::Result<()> {
        type StageOf<'a> = fn(&mut Paths<'a>, &mut Observers) -> anyhow::Result<()>;
        let stages: [StageOf; 6] = [
            Paths::train_minima,
            Paths::fit_curve,
            Paths::walk_segments,
            Paths::walk_curve,
            Paths::scan_plane,
            Paths::estimate_along,
        ];
        for stage in stages {
            if self.is_cancelled() {
                break;
            }
            stage(self, observers)?;
        }
        Ok(())
    }

    fn is_cancelled(&self) -> bool {
        self.context.cancel.load(Ordering::Relaxed)
    }

    /// The stream of what is done on the curve.
    fn path_key(&self) -> Key {
        Key::new(self.config.seed()).role(Role::Path)
    }

    fn end(self, status: Status, fail_trace: &[String], observers: &mut Observers) -> anyhow::Result<Outcome> {
        for (name, content) in report::tables(&self.found)? {
            observers.emit(&Event::Artifact { name, content: &content });
        }
        let found = report::found(&self);
        let report = session::report(PathsConfig::EXPERIMENT, self.config.seed(), found, status, observers);
        session::end(self.context, observers, (&report, &report::render(&report)), fail_trace)?;
        let has_diverged = self.found.estimates.iter().any(|point| point.estimate.judgement.has_diverged());
        Ok(session::outcome(status, has_diverged))
    }
}

/// Samples of a minibatch of the training.
fn batch_size(config: &PathsConfig, data: &TrainingData) -> u64 {
    match config.train().batch_size {
        BatchSize::Full(_) => data.train.len() as u64,
        BatchSize::Samples(batch_size) => (batch_size as u64).min(data.train.len() as u64),
    }
}

/// Records the scores at one place of a path.
fn report_scores(path: &str, index: u64, scores: &Scores, observers: &mut Observers) {
    let name = |quantity: &str| format!("{path}.{quantity}");
    let values = [
        (name("train_loss"), scores.train_loss),
        (name("train_accuracy"), scores.train_accuracy),
        (name("test_loss"), scores.test_loss),
        (name("test_accuracy"), scores.test_accuracy),
    ];
    let values: Vec<(&str, f64)> = values.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    observers.emit(&Event::Metrics { step: index, values: &values });
}
