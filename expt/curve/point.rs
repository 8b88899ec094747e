//! Estimates λ at one point of a training.

use std::sync::Arc;

use llc::config::SamplerConfig;
use llc::observe::Observers;
use llc::posterior::{Around, Posterior};
use llc::report::network::Point;
use llc::rng::Key;
use llc::target::network::TrainedNetwork;
use llc::tensors::Tensors;
use llc::train::Objective;

use super::Curve;
use crate::trained::{objective, scores};
use crate::trajectory::{Place, Trajectory};

impl Curve<'_> {
    /// The network where the trainer stands.
    pub(super) fn network_now(&self) -> anyhow::Result<TrainedNetwork> {
        let objective = self.objective();
        let (w, device) = (self.trainer.w(), self.trainer.w().device());
        let mut trained = TrainedNetwork {
            network: Arc::clone(self.trainer.network()),
            w: w.to(objective.kind(), device)?,
            buffers: self.trainer.buffers().to(objective.kind(), device)?,
        };
        trained.see_first(&self.samples, objective)?;
        Ok(trained)
    }

    /// What `sampler` draws from around `trained`, the network at `step`.
    pub(super) fn posterior(
        &self,
        trained: &TrainedNetwork,
        sampler: &SamplerConfig,
        step: u64,
    ) -> anyhow::Result<Posterior> {
        let (point, run, objective) = (self.config.point(), self.config.run(), self.objective());
        Ok(Around { point, sampler, run, objective }.posterior(trained, &self.samples, self.key_at(step))?)
    }

    /// How losses around a point are computed.
    fn objective(&self) -> Objective {
        let Objective { has_channels_last, loss, .. } = self.trainer.objective();
        Objective { has_channels_last, ..objective(self.config.run().precision, loss) }
    }

    /// The point where the trainer stands, as the report has it, by `sampler`; `None` where that was interrupted. The run's first has no
    /// name of its own.
    pub(super) fn estimate(
        &mut self,
        sampler: &SamplerConfig,
        is_first: bool,
        observers: &mut Observers,
    ) -> anyhow::Result<Option<Point>> {
        let step = self.trainer.num_steps();
        tch::set_num_threads(self.config.run().threads as i32);
        let (on_train, on_test) = (self.trainer.evaluate_train()?, self.trainer.evaluate(&self.test)?);
        let trained = self.network_now()?;
        let name = format!("step{step:07}");
        let draws = if is_first { String::new() } else { name.clone() };
        let trajectory = Trajectory {
            context: self.context,
            sampler,
            run: self.config.run(),
            num_samples: self.samples.len(),
            journal: self.journal.clone(),
        };
        let place = Place {
            name,
            draws,
            label: String::new(),
            step,
            scores: Some(scores(on_train, on_test)),
            epoch: Some(step as f64 / self.trainer.num_steps_per_epoch() as f64),
            train_s: Some(self.trainer.runtime_s()),
            file: None,
        };
        let posterior = self.posterior(&trained, sampler, step)?;
        trajectory.estimate(&place, (posterior, &[]), None, observers)
    }

    /// The random numbers of the point at `step`.
    fn key_at(&self, step: u64) -> Key {
        Key::new(self.config.seed()).part(step)
    }
}
