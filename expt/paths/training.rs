//! Trains the minima and fits the curve between the first two: several trainings in a row, reported as one.

use std::sync::Arc;

use anyhow::Context as _;
use llc::config::network::{TrainConfig, TrainedOn};
use llc::journal::Entry;
use llc::landscape::{Curve, CurveFit, Scores, places};
use llc::model::Buffers;
use llc::observe::{Event, Observers};
use llc::params::Params;
use llc::rng::Key;
use llc::tensors::Tensors;
use llc::train::{NetworkTrainer, StepLosses, Stop, reaches_threshold};
use llc::words::counted;
use serde_json::Map;

use super::{Paths, report_scores};

/// Steps between two looks at the clock.
const STRETCH: u64 = 50;
/// What metrics call the fit of the curve; minima are `minimum_0` and so on.
const FIT: &str = "fit";

/// The training `name` in an error's words, with the flags that are its own.
fn training_of(name: &str) -> String {
    match name {
        FIT => "the fit of the curve (its learning rate is --fit-learning-rate, not --learning-rate)".to_owned(),
        _ => format!("the training of {}", name.replace('_', " ")),
    }
}

/// A trained network, and where its training began.
pub struct Minimum {
    pub w: Params,
    /// The statistics that the training left.
    pub buffers: Buffers,
    pub init: Params,
    /// With those statistics.
    pub scores: Scores,
    pub init_scores: Scores,
    pub num_steps: u64,
    pub train_s: f64,
}

impl Paths<'_> {
    /// Trains every minimum, from its own start.
    pub(super) fn train_minima(&mut self, observers: &mut Observers) -> anyhow::Result<()> {
        for index in 0..self.config.points().num_minima {
            let mut trainer = self.trainer(self.config.train(), Key::new(self.config.seed()).part(index as u64))?;
            let init = trainer.w().try_clone()?;
            let init_buffers = trainer.buffers().try_clone()?;
            self.keep(&format!("init-{index}"), &init, &init_buffers)?;
            let before = index as u64 * trainer.num_steps_planned();
            self.found.num_steps_planned = before + trainer.num_steps_planned();
            let entry = self.journal.entry(&format!("minimum-{index}"));
            let name = format!("minimum_{index}");
            if !self.train(&mut trainer, entry, (&name, before), observers)? {
                return Ok(());
            }
            let (w, mut buffers) = (trainer.w().try_clone()?, trainer.buffers().try_clone()?);
            let scores = self.landscape.scores_with(&w, &mut buffers)?;
            trainer.ensure_finite(scores.train_loss).with_context(|| training_of(&name))?;
            self.keep(&format!("minimum-{index}"), &w, &buffers)?;
            let minimum = Minimum {
                init_scores: self.landscape.scores(&init)?,
                w,
                buffers,
                init,
                scores,
                num_steps: trainer.num_steps(),
                train_s: trainer.runtime_s(),
            };
            report_scores("minima", index as u64, &minimum.scores, observers);
            observers.emit(&Event::Line(&format!(
                "minimum {index}   train {:.4} {:6.2} %   test {:.4} {:6.2} %   {}",
                scores.train_loss,
                100.0 * scores.train_accuracy,
                scores.test_loss,
                100.0 * scores.test_accuracy,
                counted(minimum.num_steps as usize, "step")
            )));
            self.found.minima.push(minimum);
        }
        Ok(())
    }

    /// Fits the curve from minimum 1, at t = 0, to minimum 0, at t = 1.
    pub(super) fn fit_curve(&mut self, observers: &mut Observers) -> anyhow::Result<()> {
        let [first, second, ..] = self.found.minima.as_slice() else { return Ok(()) };
        let fit = self.config.fit();
        let mut curve = Curve::straight(fit.curve, &second.w, &first.w, fit.num_bends)?;
        let settings = fit.training(self.config.train());
        let mut trainer = self
            .trainer(&settings, self.path_key().part(0))?
            .with_parametrisation(Box::new(CurveFit::new(&curve, fit.weight_decay)?))?;
        let before = self.found.num_steps_planned;
        let entry = self.journal.entry(FIT);
        if !self.train(&mut trainer, entry, (FIT, before), observers)? {
            return Ok(());
        }
        curve.set_bends(trainer.theta().flat())?;
        // As many places as bends: the last step may have blown up any of them.
        let mut w = second.w.zeros_like()?;
        for t in &places(0.0, 1.0, fit.num_bends + 2)[1..=fit.num_bends] {
            curve.place(*t, &mut w)?;
            trainer.ensure_finite(self.landscape.scores(&w)?.train_loss).with_context(|| training_of(FIT))?;
        }
        for (index, bend) in curve.points()[1..=fit.num_bends].iter().enumerate() {
            let buffers = self.landscape.statistics(bend)?;
            self.keep(&format!("bend-{index}"), bend, &buffers)?;
        }
        self.found.fit_s = trainer.runtime_s();
        self.found.curve = Some(curve);
        Ok(())
    }

    fn trainer(&self, settings: &TrainConfig, key: Key) -> anyhow::Result<NetworkTrainer> {
        Ok(NetworkTrainer::new(Arc::clone(&self.network), self.data.train.clone(), settings, key, self.device)?)
    }

    /// Trains to the end, from where `entry` is, and keeps the training there; `false` where it was cancelled. `before` are the steps of
    /// the trainings before, so that all of them are one series of losses.
    fn train(
        &self,
        trainer: &mut NetworkTrainer,
        mut entry: Entry,
        (name, before): (&str, u64),
        observers: &mut Observers,
    ) -> anyhow::Result<bool> {
        if let Some(kept) = entry.read()? {
            trainer.resume(&kept)?;
        }
        let settings = self.config.train();
        let is_over = |trainer: &NetworkTrainer| {
            let running = trainer.running().evaluation();
            let is_at_end_of_epoch = trainer.num_steps().is_multiple_of(trainer.num_steps_per_epoch());
            let may_stop = settings.stop_at_threshold && name != FIT && trainer.num_steps() > 0;
            trainer.is_finished() || may_stop && is_at_end_of_epoch && reaches_threshold(running.loss, running.accuracy)
        };
        // Of all minima and the fit, which has as many steps in an epoch.
        let of_minima = match name {
            FIT => before,
            _ => self.config.points().num_minima as u64 * trainer.num_steps_planned(),
        };
        let planned = of_minima + self.config.fit().num_epochs * trainer.num_steps_per_epoch();
        while !is_over(trainer) {
            let mut on_losses = |StepLosses { first_step, loss }: StepLosses| {
                observers.emit(&Event::Training { first_step: before + first_step, num_steps: planned, loss });
            };
            let advanced = trainer.advance(STRETCH, &self.context.cancel, &mut on_losses);
            let stop = advanced.with_context(|| training_of(name))?;
            if stop == Stop::Epoch {
                let running = trainer.running().evaluation();
                let [loss, accuracy] = ["loss", "accuracy"].map(|quantity| format!("{name}.train_{quantity}"));
                let values = [(loss.as_str(), running.loss), (accuracy.as_str(), running.accuracy)];
                observers.emit(&Event::Metrics { step: trainer.num_steps(), values: &values });
            }
            if stop == Stop::Cancelled || entry.is_due() {
                observers.emit(&Event::Saving);
                entry.write(trainer.save(&self.spec, Map::new())?)?;
            }
            if stop == Stop::Cancelled {
                return Ok(false);
            }
        }
        observers.emit(&Event::Saving);
        entry.write_now(trainer.save(&self.spec, Map::new())?)?;
        Ok(true)
    }

    /// Writes a checkpoint that `llc estimate --checkpoint` reads.
    fn keep(&self, name: &str, w: &Params, buffers: &Buffers) -> anyhow::Result<()> {
        let Some(checkpoints) = &self.checkpoints else { return Ok(()) };
        let mut facts = Map::new();
        TrainedOn::new(&self.config.train().loss, self.data.train.origin()).insert_into(&mut facts);
        let checkpoint = llc::checkpoint::Checkpoint::from_parts(&self.spec, w, buffers, facts, Vec::new())?;
        Ok(checkpoints.keep(&checkpoint, name)?)
    }
}
