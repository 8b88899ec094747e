//! Estimates λ at one of several points of a training and records it: the draws under the point's name, metrics, a line, a row of `curve.csv`.
//!
//! What a point is, the caller says: a step of a training, or a checkpoint of one that is over.

use std::sync::Arc;

use llc::config::{Configuration, RunConfig, SamplerConfig, Switch};
use llc::estimate::estimate;
use llc::journal::Journal;
use llc::observe::{Event, Observers, PointInfo, RunInfo, forward};
use llc::posterior::Posterior;
use llc::report::network::Point;
use llc::report::{Estimate, Scores};

use crate::cli::Context;
use crate::{expected, session};
use llc::report::table;

/// What is the same at every point.
#[derive(Debug)]
pub struct Trajectory<'a> {
    pub context: &'a Context,
    pub sampler: &'a SamplerConfig,
    pub run: &'a RunConfig,
    /// Samples that the loss is taken on.
    pub num_samples: usize,
    pub journal: Journal,
}

/// One point.
#[derive(Debug)]
pub struct Place {
    /// In the journal: lower-case letters and digits.
    pub name: String,
    /// Of its draws, `draws-NAME.zarr`; empty for `draws.zarr`.
    pub draws: String,
    /// In its line; empty where the step says enough.
    pub label: String,
    /// Where it is among the metrics.
    pub step: u64,
    pub scores: Option<Scores>,
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
            n_beta: self.sampler.n_beta(self.num_samples),
            draws_at_points: true,
            ..session::run_info(experiment, config, self.context)?
        })
    }

    /// The report of λ̂ from draws of `posterior`, at `place`, with `notes`; `None` if it was interrupted. The first of `num_points` reports how
    /// long all of them take.
    pub fn estimate(
        &self,
        place: &Place,
        (mut posterior, notes): (Posterior, &[String]),
        num_points: Option<usize>,
        observers: &mut Observers,
    ) -> anyhow::Result<Option<Point>> {
        let init_loss = posterior.chains.plan.init_loss;
        let n_beta = Some(posterior.target.local().n_beta());
        observers.emit(&Event::Point(&PointInfo { name: place.draws.clone(), init_loss, n_beta }));
        let check = self.sampler.check_localisation == Switch::On;
        let Posterior { target, sampler, chains } = &mut posterior;
        let target = target.as_mut();
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
            scores: place.scores,
            estimate: Estimate::from(&done).with_notes(notes),
        };
        let mut values =
            vec![("curve.llc", done.llc.mean), ("curve.llc_mcse", done.llc.mcse), ("curve.init_loss", init_loss)];
        if let Some(Scores { train_loss, train_accuracy, test_loss, test_accuracy }) = place.scores {
            values.extend([
                ("curve.train_loss", train_loss),
                ("curve.train_accuracy", train_accuracy),
                ("curve.test_loss", test_loss),
                ("curve.test_accuracy", test_accuracy),
            ]);
        }
        observers.emit(&Event::Metrics { step: place.step, values: &values });
        observers.emit(&Event::Line(&table::curve_line(&point, &place.label)));
        Ok(Some(point))
    }
}
