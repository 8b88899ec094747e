//! Estimates λ at one of several points of a training and records it: the draws under the point's name, metrics, a line, a row of `curve.csv`.
//!
//! What a point is, the caller says: a step of a training, or a checkpoint of one that is over.

use std::sync::Arc;

use llc::config::network::point::PointConfig;
use llc::config::{Configuration, RunConfig, SamplerConfig, Switch};
use llc::estimate::estimate;
use llc::journal::Journal;
use llc::observe::{Event, Observers, PointInfo, RunInfo, forward};
use llc::posterior::{Around, Posterior};
use llc::report::network::Point;
use llc::report::{Estimate, Scores};
use llc::rng::Key;
use llc::samples::Samples;
use llc::target::Target as _;
use llc::target::network::TrainedNetwork;
use llc::train::{Evaluation, Objective};

use crate::cli::Context;
use crate::{expected, session};
use llc::report::table;

/// What is the same at every point.
#[derive(Debug)]
pub struct Trajectory<'a> {
    pub context: &'a Context,
    /// Labels, targets and tensors.
    pub point: &'a PointConfig,
    pub sampler: &'a SamplerConfig,
    pub run: &'a RunConfig,
    /// What the loss is taken on.
    pub samples: &'a Samples,
    pub journal: Journal,
}

/// One point.
#[derive(Debug)]
pub struct Place {
    /// In the journal: lower-case letters and digits.
    pub name: String,
    /// Of its draws, `draws-NAME.zarr`; empty for `draws.zarr`.
    pub draws: String,
    /// Where it is among the metrics.
    pub step: u64,
    pub on_train: Evaluation,
    pub on_test: Evaluation,
    pub epoch: Option<f64>,
    /// Seconds of training until there, where this run trains.
    pub train_s: Option<f64>,
    /// The place and the name of its file, if it is of one.
    pub file: Option<(usize, String)>,
}

impl Trajectory<'_> {
    /// What a run of `experiment` reports of itself when it starts, before its first point.
    pub fn run_info(&self, experiment: &str, config: &impl Configuration, d: usize) -> anyhow::Result<RunInfo> {
        Ok(RunInfo {
            num_chains: self.sampler.num_chains,
            num_draws: self.sampler.num_draws(),
            num_warmup: self.sampler.num_warmup_draws(),
            num_parameters: d,
            n_beta: self.sampler.n_beta(self.samples.len()),
            draws_at_points: true,
            ..session::run_info(experiment, config, self.context)?
        })
    }

    /// The report of λ̂ around `trained`, at `place`, with `notes`; `None` if it was interrupted. The first of `num_points` reports how
    /// long all of them take.
    pub fn estimate(
        &self,
        place: &Place,
        (trained, notes): (&TrainedNetwork, &[String]),
        objective: Objective,
        key: Key,
        num_points: Option<usize>,
        observers: &mut Observers,
    ) -> anyhow::Result<Option<Point>> {
        let around = Around { point: self.point, sampler: self.sampler, run: self.run, objective };
        let mut posterior = around.posterior(trained, self.samples, key)?;
        let init_loss = posterior.chains.plan.init_loss;
        let n_beta = Some(posterior.target.local().n_beta());
        observers.emit(&Event::Point(&PointInfo { name: place.draws.clone(), init_loss, n_beta }));
        let check = self.sampler.check_localisation == Switch::On;
        let Posterior { target, sampler, chains } = &mut posterior;
        chains.store = Arc::new(self.journal.stage(&place.name));
        if let Some(num_points) = num_points {
            let once_s = expected::sampling_seconds(target, sampler.as_ref(), chains, check)?;
            expected::report(once_s * num_points as f64, self.context, observers);
        }
        let done = estimate(target, sampler.as_ref(), chains, check, &self.context.cancel, &mut forward(observers))?;
        tch::set_num_threads(self.run.threads as i32);
        if done.is_interrupted {
            return Ok(None);
        }
        let (index, checkpoint) = place.file.clone().unzip();
        let point = Point {
            step: place.step,
            epoch: place.epoch,
            train_s: place.train_s,
            index,
            checkpoint,
            init_loss,
            scores: scores(place.on_train, place.on_test),
            estimate: Estimate::from(&done).with_notes(notes),
        };
        observers.emit(&Event::Metrics {
            step: place.step,
            values: &[
                ("curve.llc", done.llc.mean),
                ("curve.llc_mcse", done.llc.mcse),
                ("curve.init_loss", init_loss),
                ("curve.train_loss", place.on_train.loss),
                ("curve.train_accuracy", place.on_train.accuracy),
                ("curve.test_loss", place.on_test.loss),
                ("curve.test_accuracy", place.on_test.accuracy),
            ],
        });
        observers.emit(&Event::Line(&table::curve_line(&point)));
        Ok(Some(point))
    }
}

/// Losses and accuracies as reports have them.
pub fn scores(on_train: Evaluation, on_test: Evaluation) -> Scores {
    Scores {
        train_loss: on_train.loss,
        train_accuracy: on_train.accuracy,
        test_loss: on_test.loss,
        test_accuracy: on_test.accuracy,
    }
}
