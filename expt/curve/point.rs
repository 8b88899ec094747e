//! Estimates λ at one point of a training.

use std::sync::Arc;

use llc::config::{SamplerConfig, Switch};
use llc::estimate::{Estimation, estimate};
use llc::observe::{Event, Observers, PointInfo};
use llc::posterior::{Around, Posterior};
use llc::rng::Key;
use llc::target::network::TrainedNetwork;
use llc::train::{Evaluation, Objective};
use serde_json::{Value, json};

use super::Curve;
use crate::{estimation, table};

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
        let key = Key::new(self.config.seed()).part(step);
        Ok(Around { point, sampler, run, objective }.posterior(trained, &self.samples, key)?)
    }

    /// How losses around a point are computed.
    fn objective(&self) -> Objective {
        let Objective { has_channels_last, loss, .. } = self.trainer.objective();
        Objective { has_channels_last, ..crate::estimate::objective(self.config.run().precision, loss) }
    }

    /// The point where the trainer stands, as the report has it, by `sampler`; `None` where that was interrupted. The run's first has no
    /// name of its own.
    pub(super) fn estimate(
        &mut self,
        sampler: &SamplerConfig,
        is_first: bool,
        observers: &mut Observers,
    ) -> anyhow::Result<Option<Value>> {
        let step = self.trainer.num_steps();
        tch::set_num_threads(self.config.run().threads as i32);
        let (on_train, on_test) = (self.trainer.evaluate_train()?, self.trainer.evaluate(&self.test)?);
        let trained = self.network_now()?;
        let mut posterior = self.posterior(&trained, sampler, step)?;
        let init_loss = posterior.chains.plan.init_loss;
        let name = format!("step{step:07}");
        let n_beta = Some(sampler.n_beta(self.samples.len()));
        let shown = if is_first { String::new() } else { name.clone() };
        observers.emit(&Event::Point(&PointInfo { name: shown, init_loss, n_beta }));
        let check = sampler.check_localisation == Switch::On;
        let Posterior { target, sampler, chains } = &mut posterior;
        chains.journal = self.journal.stage(&name);
        let done = estimate(target, sampler.as_ref(), chains, check, &self.context.cancel, observers)?;
        if done.is_interrupted {
            return Ok(None);
        }
        Ok(Some(self.report_point(&done, init_loss, on_train, on_test, observers)))
    }

    /// Records a point, by metrics and a line, and returns it as the report has it.
    fn report_point(
        &self,
        done: &Estimation,
        init_loss: f64,
        on_train: Evaluation,
        on_test: Evaluation,
        observers: &mut Observers,
    ) -> Value {
        let step = self.trainer.num_steps();
        let point = estimation::merged(
            estimation::report(done),
            json!({
                "step": step,
                "epoch": step as f64 / self.trainer.num_steps_per_epoch() as f64,
                "init_loss": init_loss,
                "train_loss": on_train.loss,
                "train_accuracy": on_train.accuracy,
                "test_loss": on_test.loss,
                "test_accuracy": on_test.accuracy,
                "train_s": self.trainer.runtime_s(),
            }),
        );
        observers.emit(&Event::Metrics {
            step,
            values: &[
                ("curve.llc", done.llc.mean),
                ("curve.llc_mcse", done.llc.mcse),
                ("curve.init_loss", init_loss),
                ("curve.train_loss", on_train.loss),
                ("curve.train_accuracy", on_train.accuracy),
                ("curve.test_loss", on_test.loss),
                ("curve.test_accuracy", on_test.accuracy),
            ],
        });
        observers.emit(&Event::Line(&table::curve_line(&point)));
        point
    }
}
