//! Estimates λ at points of the curve: the coefficient as a function of the way from one minimum to the other.

use std::sync::Arc;

use llc::config::{Gamma, Switch};
use llc::estimate::estimate;
use llc::observe::{Event, Observers, PointInfo, forward};
use llc::posterior::{Around, Posterior};
use llc::report::paths::Point;
use llc::target::network::TrainedNetwork;
use llc::tensors::Tensors;

use super::Paths;
use crate::{expected, session};
use llc::points::Points;
use llc::report::table;

impl Paths<'_> {
    /// One estimate at every `llc_every`-th point of the curve, and at its end.
    pub(super) fn estimate_along(&mut self, observers: &mut Observers) -> anyhow::Result<()> {
        let every = self.config.points().llc_every;
        let (Some(walk), true) = (&self.found.walk, every > 0) else { return Ok(()) };
        let last = walk.num_within - 1;
        let chosen: Vec<usize> = (0..last).step_by(every).chain([last]).collect();
        let mut points = Points::of(&self.journal.stage("estimates"))?;
        let num_known = points.all().len().min(chosen.len());
        self.found.estimates = points.all().to_vec();
        for (count, index) in chosen[num_known..].iter().copied().enumerate() {
            let num_left = (count == 0).then_some(chosen.len() - num_known);
            let point = if self.is_cancelled() { None } else { self.estimate_at(index, num_left, observers)? };
            let Some(point) = point else { break };
            points.push(point)?;
            self.found.estimates = points.all().to_vec();
        }
        Ok(points.finish()?)
    }

    /// The estimate at the point `index` of the curve; `None` if it was cancelled. The first of `num_points` reports how long all take.
    fn estimate_at(
        &mut self,
        index: usize,
        num_points: Option<usize>,
        observers: &mut Observers,
    ) -> anyhow::Result<Option<Point>> {
        let (config, context) = (self.config, self.context);
        let (Some(curve), Some(walk)) = (&self.found.curve, &self.found.walk) else { return Ok(None) };
        let (t, at) = (walk.t[index], walk.scores[index]);
        let mut w = curve.points()[0].zeros_like()?;
        curve.place(t, &mut w)?;
        let objective = {
            let own = self.landscape.objective();
            let of_chains = crate::trained::objective(config.run().precision, own.loss.clone());
            llc::train::Objective { has_channels_last: own.has_channels_last, ..of_chains }
        };
        let buffers = self.landscape.statistics(&w)?.to(objective.kind(), self.device)?;
        let w = w.to(objective.kind(), self.device)?;
        let trained = TrainedNetwork { network: Arc::clone(&self.network), w, buffers };
        let samples = crate::trained::samples(&self.data, config.point())?;
        let mut around = Around { point: config.point(), sampler: config.sampler(), run: config.run(), objective };
        // Points compare at one scale: that of the first one, which is a minimum.
        let known = self.found.estimates.first().map(|point| point.estimate.gamma);
        let at_one_scale = match known {
            Some(gamma) => config.sampler().with_gamma(gamma),
            None if config.sampler().gamma == Gamma::Auto => {
                let first = around.posterior(&trained, &samples, self.path_key())?;
                first.at_its_scale(config.sampler())
            }
            None => config.sampler().clone(),
        };
        around.sampler = &at_one_scale;
        let mut posterior = around.posterior(&trained, &samples, self.path_key().part(1 + index as u64))?;
        let init_loss = posterior.chains.plan.init_loss;
        let name = format!("curve{index:04}");
        observers.emit(&Event::Point(&PointInfo { name: name.clone(), init_loss, n_beta: None }));
        let check = config.sampler().check_localisation == Switch::On;
        let Posterior { target, sampler, chains } = &mut posterior;
        let target = target.as_mut();
        chains.store = Arc::new(session::journal(context, observers, config).stage(&name));
        if let Some(num_points) = num_points {
            let once_s = expected::sampling_seconds(target, sampler.as_ref(), chains, check)?;
            expected::report(once_s * num_points as f64, context, observers);
        }
        let done = estimate(target, sampler.as_ref(), chains, check, &context.cancel, &mut forward(observers))?;
        tch::set_num_threads(config.run().threads as i32);
        if done.is_interrupted {
            return Ok(None);
        }
        let point =
            Point { index, t, init_loss, train_loss: at.train_loss, test_loss: at.test_loss, estimate: (&done).into() };
        observers.emit(&Event::Metrics {
            step: index as u64,
            values: &[("curve.llc", done.llc.mean), ("curve.llc_mcse", done.llc.mcse), ("curve.init_loss", init_loss)],
        });
        observers.emit(&Event::Line(&table::path_line(&point)));
        Ok(Some(point))
    }
}
