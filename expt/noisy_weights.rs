//! Runs `llc noisy-weights`: a network trained with noise on its weights, and the samples that it keeps, learns and forgets.

mod report;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::Context as _;
use llc::checkpoint::Checkpoint;
use llc::config::network::{Length, TrainConfig, model};
use llc::config::noisy_weights::{NoisyWeightsConfig, WeightStart};
use llc::model::{ModelSpec, Network};
use llc::observe::{Event, Observers, RunInfo, Status};
use llc::report::training::{Evaluation, NoisyEpoch, NoisyWeights, OnSet};
use llc::rng::{Key, Role};
use llc::samples::Samples;
use llc::tensors::Tensors;
use llc::train::{
    Agreement, NetworkTrainer, Outcomes, ResumeError, StepLosses, Stop, TrainingData, WeightNoise, log_uniform_start,
    outcomes,
};
use serde_json::{Map, json};
use tch::Device;

use crate::checkpoints::{self, Checkpoints};
use crate::cli::{self, Context, Outcome};
use crate::registry::Experiment;
use crate::session;

/// What a checkpoint's header calls the epochs so far.
const EPOCHS: &str = "epochs";

impl Experiment for NoisyWeightsConfig {
    /// Trains, records the run, and prints a line for each epoch.
    fn run(&self, context: &Context) -> anyhow::Result<Outcome> {
        session::record(context, |observers| {
            let mut run = Run::new(self, context, observers)?;
            match run.train(observers) {
                Ok(is_interrupted) => {
                    let status = if is_interrupted { Status::Interrupted } else { Status::Completed };
                    run.end(status, &[], observers)?;
                    Ok(if is_interrupted { Outcome::Interrupted } else { Outcome::Done })
                }
                Err(error) if session::has_diverged(&error) => {
                    cli::print_error(&error);
                    run.end(Status::Failed, &session::fail_trace(&error), observers)?;
                    Ok(Outcome::Diverged)
                }
                Err(error) => Err(error),
            }
        })
    }
}

/// A part of the training, on one set of samples.
struct Phase {
    /// Its name in records.
    name: &'static str,
    samples: Samples,
    train: TrainConfig,
}

/// A run under way.
struct Run<'a> {
    config: &'a NoisyWeightsConfig,
    context: &'a Context,
    spec: ModelSpec,
    /// Training and validation samples.
    sets: [Samples; 2],
    phases: Vec<Phase>,
    /// Which of them is under way.
    phase: usize,
    /// `None` only while one phase gives way to the next.
    trainer: Option<NetworkTrainer>,
    checkpoints: Checkpoints,
    /// The epochs so far, as the report has them.
    epochs: Vec<NoisyEpoch>,
    /// What was right after the last epoch, of either set.
    before: Option<[Outcomes; 2]>,
    saved_at: Instant,
}

impl<'a> Run<'a> {
    fn new(config: &'a NoisyWeightsConfig, context: &'a Context, observers: &mut Observers) -> anyhow::Result<Run<'a>> {
        tch::set_num_threads(config.run().threads as i32);
        let device = session::device(config.run().device)?;
        observers.emit(&Event::Stage("reading the data"));
        let train = TrainingData::load(config.data())?.train;
        let val = TrainingData::load(&config.val_data())?.test;
        let spec = model::for_data(config.model(), train.input_shape(), train.num_classes());
        let network = Arc::new(spec.build()?);
        let phases = phases(config, &train, &val)?;
        let own = context.resumed.as_deref().map(checkpoints::latest_in).filter(|path| path.exists());
        let kept = match own {
            Some(path) => Some(Checkpoint::read(&path)?),
            None => None,
        };
        let fact = |name: &str| kept.as_ref().and_then(|kept| kept.header.facts.get(name)).cloned();
        let phase = fact("phase").and_then(|phase| phase.as_u64()).map_or(0, |phase| phase as usize);
        let first = phases.get(phase).context("the checkpoint belongs to a phase that these settings don't have")?;
        let mut trainer = trainer(config, &network, first, phase, device)?;
        let (mut epochs, mut before) = (Vec::new(), None);
        if let Some(kept) = &kept {
            trainer.resume(kept)?;
            if let Some(known) = fact(EPOCHS) {
                epochs = serde_json::from_value(known).context("the checkpoint's epochs can't be read")?;
            }
            // A pure function of the weights, except that a checkpoint may lie within an epoch.
            before = read_outcomes(kept);
        }
        observers.emit(&Event::Started(&RunInfo {
            num_parameters: trainer.w().len(),
            ..session::run_info(NoisyWeightsConfig::EXPERIMENT, config, context)?
        }));
        session::ensure_recorded(observers)?;
        let run_dir = observers.run_dir().context("the run has no folder for checkpoints")?;
        Ok(Run {
            config,
            context,
            spec,
            sets: [train, val],
            phases,
            phase,
            trainer: Some(trainer),
            checkpoints: Checkpoints::create(&run_dir)?,
            epochs,
            before,
            saved_at: Instant::now(),
        })
    }

    fn cancel(&self) -> &'a AtomicBool {
        &self.context.cancel
    }

    /// The training under way.
    fn trainer(&mut self) -> anyhow::Result<&mut NetworkTrainer> {
        self.trainer.as_mut().context("a phase lost its training")
    }

    /// Trains to the end of the last phase; whether that was interrupted.
    fn train(&mut self, observers: &mut Observers) -> anyhow::Result<bool> {
        loop {
            while !self.trainer()?.is_finished() {
                if self.epoch(observers)? == Stop::Cancelled {
                    self.save(None, observers)?;
                    return Ok(true);
                }
            }
            if self.phase + 1 == self.phases.len() {
                self.save(Some("last".to_owned()), observers)?;
                return Ok(false);
            }
            self.next_phase()?;
        }
    }

    /// Goes on with the next phase's samples from the weights, statistics and noise that this one ends with.
    fn next_phase(&mut self) -> anyhow::Result<()> {
        let former = self.trainer.take().context("a phase lost its training")?;
        self.phase += 1;
        let (network, device) = (Arc::clone(former.network()), former.w().device());
        let next = trainer(self.config, &network, &self.phases[self.phase], self.phase, device)?;
        self.trainer = Some(former.continued_by(next)?);
        Ok(())
    }

    fn epoch(&mut self, observers: &mut Observers) -> anyhow::Result<Stop> {
        let (cancel, every) = (self.cancel(), self.context.pace.every);
        let trainer = self.trainer()?;
        let (epoch, per_epoch) = (trainer.num_epochs(), trainer.num_steps_per_epoch());
        let (first_step, planned) = (epoch * per_epoch, trainer.num_steps_planned());
        let (num_epochs, num_steps) = (trainer.num_epochs_planned(), per_epoch.min(planned - first_step));
        observers.emit(&Event::Epoch { epoch, num_epochs, first_step, num_steps });
        loop {
            let mut on_losses = |StepLosses { first_step, loss }: StepLosses| {
                observers.emit(&Event::Training { first_step, num_steps: planned, loss });
            };
            // Steps between two looks at the clock.
            match self.trainer()?.advance(50, cancel, &mut on_losses)? {
                Stop::Cancelled => return Ok(Stop::Cancelled),
                Stop::Steps if self.saved_at.elapsed() > every => self.save(None, observers)?,
                Stop::Steps => {}
                Stop::Epoch => break,
            }
        }
        self.end_epoch(observers)?;
        if cancel.load(Ordering::Relaxed) { Ok(Stop::Cancelled) } else { Ok(Stop::Epoch) }
    }

    /// Compares the samples that are right with those of the epoch before, and reports the epoch.
    fn end_epoch(&mut self, observers: &mut Observers) -> anyhow::Result<()> {
        let now = self.outcomes()?;
        self.trainer()?.ensure_finite(now[0].loss)?;
        let (phase, doubling) = (self.phases[self.phase].name, self.config.noise().doubling_epochs);
        let trainer = self.trainer()?;
        let num_epochs = trainer.num_epochs();
        // A last epoch that was not whole is none.
        let is_whole = trainer.num_steps().is_multiple_of(trainer.num_steps_per_epoch());
        let (mut mean_alpha, mut information) = (None, None);
        if let Some(noise) = trainer.weight_noise() {
            (mean_alpha, information) = (Some(noise.mean_alpha()?), Some(noise.information()?));
            if doubling > 0 && is_whole && num_epochs.is_multiple_of(doubling) {
                noise.double()?;
            }
        }
        let (learning_rate, gradient_norm) = (trainer.learning_rate(), trainer.running().gradient_norm);
        let (weight_norm, train_s) = (trainer.weight_norm()?, trainer.runtime_s());
        let on_set = |set: usize| {
            let before = self.before.as_ref().map(|before| &before[set].is_correct);
            let agreement = before.map(|before| Agreement::of(before, &now[set].is_correct));
            OnSet {
                evaluation: Evaluation { loss: now[set].loss, accuracy: now[set].accuracy() },
                intersection: agreement.map(|agreement| agreement.intersection),
                union: agreement.map(|agreement| agreement.union),
                agreement: agreement.map(|agreement| agreement.jaccard()),
            }
        };
        let epoch = NoisyEpoch {
            epoch: self.epochs.len() + 1,
            phase: phase.to_owned(),
            learning_rate,
            weight_norm,
            gradient_norm,
            train_s,
            mean_alpha,
            information,
            train: on_set(0),
            val: on_set(1),
        };
        self.before = Some(now);
        self.report_epoch(&epoch, observers);
        self.epochs.push(epoch);
        let every = self.config.train().checkpoint_every;
        if every > 0 && self.epochs.len().is_multiple_of(every as usize) {
            self.save(Some(format!("e_{:03}", self.epochs.len())), observers)?;
        }
        Ok(())
    }

    /// What is right of the training and of the validation samples, at the weights without noise.
    fn outcomes(&mut self) -> anyhow::Result<[Outcomes; 2]> {
        let trainer = self.trainer.as_ref().context("a phase lost its training")?;
        let objective = trainer.objective();
        let mut buffers = trainer.buffers().to(objective.kind(), trainer.w().device())?;
        let mut of = |samples: &Samples| {
            outcomes(trainer.network(), trainer.w(), &mut buffers, samples, &objective, trainer.w().device())
        };
        Ok([of(&self.sets[0])?, of(&self.sets[1])?])
    }

    fn report_epoch(&self, epoch: &NoisyEpoch, observers: &mut Observers) {
        let mut values = Vec::new();
        for (name, value) in report::METRICS {
            if let Some(value) = value(epoch).filter(|value| value.is_finite()) {
                // `train.loss` is that of each minibatch.
                values.push((if name == "train.loss" { "train.mean_loss" } else { name }, value));
            }
        }
        observers.emit(&Event::Metrics { step: self.epochs.len() as u64 + 1, values: &values });
        observers.emit(&Event::Line(&report::line(epoch)));
    }

    /// Writes the checkpoint to resume from, and keeps it under `name` as well.
    fn save(&mut self, name: Option<String>, observers: &mut Observers) -> anyhow::Result<()> {
        observers.emit(&Event::Saving);
        let mut facts =
            Map::from_iter([("phase".to_owned(), json!(self.phase)), (EPOCHS.to_owned(), json!(self.epochs))]);
        if let Some(before) = &self.before {
            facts.insert("correct".to_owned(), json!([ranges(&before[0].is_correct), ranges(&before[1].is_correct)]));
        }
        let trainer = self.trainer.as_ref().context("a phase lost its training")?;
        let checkpoint = trainer.save(&self.spec, facts).map_err(ResumeError::from)?;
        self.checkpoints.write(&checkpoint, name)?;
        self.saved_at = Instant::now();
        Ok(())
    }

    fn end(&self, status: Status, fail_trace: &[String], observers: &mut Observers) -> anyhow::Result<()> {
        let (config, last) = (self.config, self.epochs.last());
        let found = NoisyWeights {
            model: self.spec.clone(),
            data: config.data().name,
            n: self.sets[0].len(),
            num_val: self.sets[1].len(),
            train_label_corruption: config.data().label_corruption,
            val_label_corruption: config.forgetting().val_label_corruption,
            noise: config.noise().clone(),
            train: last.map(|last| report::with_interval(&last.train, self.sets[0].len())),
            val: last.map(|last| report::with_interval(&last.val, self.sets[1].len())),
            forgotten: report::forgotten(&self.epochs),
            epochs: self.epochs.clone(),
        };
        observers.emit(&Event::Artifact { name: "epochs.csv", content: &report::csv(&self.epochs)? });
        let report = session::report(NoisyWeightsConfig::EXPERIMENT, config.seed(), found, status, observers);
        session::end(self.context, observers, (&report, &report::table(&report)), fail_trace)
    }
}

/// The phases: training samples throughout, or both sets and then the training samples.
fn phases(config: &NoisyWeightsConfig, train: &Samples, val: &Samples) -> anyhow::Result<Vec<Phase>> {
    let phase = |name, samples: Samples, train: &TrainConfig| Phase { name, samples, train: train.clone() };
    let retrain_epochs = config.forgetting().retrain_epochs;
    if retrain_epochs == 0 {
        return Ok(vec![phase("train", train.clone(), config.train())]);
    }
    let both = train.followed_by(val)?;
    let mut again = config.train().clone();
    again.length = Length::Epochs(retrain_epochs);
    Ok(vec![phase("train+val", both.clone(), config.train()), phase("train", both.first(train.len()), &again)])
}

/// The training of a phase, from its start.
fn trainer(
    config: &NoisyWeightsConfig,
    network: &Arc<Network>,
    phase: &Phase,
    index: usize,
    device: Device,
) -> anyhow::Result<NetworkTrainer> {
    let key = Key::new(config.seed());
    // A later phase starts from the weights of the former, and has its own order.
    let key = if index == 0 { key } else { key.part(index as u64) };
    let mut trainer = NetworkTrainer::new(Arc::clone(network), phase.samples.clone(), &phase.train, key, device)?;
    if let WeightStart::LogUniform { log_uniform_range } = config.noise().start {
        let mut w = trainer.w().to(trainer.w().kind(), Device::Cpu)?;
        log_uniform_start(&mut w, log_uniform_range, key.role(Role::Init));
        let buffers = trainer.buffers().to(trainer.objective().kind(), device)?;
        trainer = trainer.with_start(&w, &buffers)?;
    }
    if config.noise().alpha > 0.0 {
        let noise = WeightNoise::new(trainer.w(), config.noise(), &phase.train)?;
        trainer = trainer.with_weight_noise(noise);
    }
    Ok(trainer)
}

/// Flags as the ends of runs of equal ones, the first run of `false`: short in a header.
fn ranges(flags: &[bool]) -> Vec<usize> {
    let mut ends: Vec<usize> = (1..flags.len()).filter(|&i| flags[i] != flags[i - 1]).chain([flags.len()]).collect();
    if flags.first() == Some(&true) {
        ends.insert(0, 0);
    }
    ends
}

/// What [`ranges`] stands for.
fn flags(ranges: &[usize]) -> Vec<bool> {
    let mut flags = Vec::new();
    for (i, &end) in ranges.iter().enumerate() {
        flags.resize(end.max(flags.len()), i % 2 == 1);
    }
    flags
}

/// What was right after the last whole epoch before `checkpoint`; losses are not kept.
fn read_outcomes(checkpoint: &Checkpoint) -> Option<[Outcomes; 2]> {
    let [train, val]: [Vec<usize>; 2] = serde_json::from_value(checkpoint.header.facts.get("correct")?.clone()).ok()?;
    Some([train, val].map(|ranges| Outcomes { loss: f64::NAN, is_correct: flags(&ranges) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_survive_as_the_ends_of_their_runs() {
        for text in ["", "0", "1", "0011", "1101000111", "000", "111"] {
            let all: Vec<bool> = text.chars().map(|c| c == '1').collect();
            assert_eq!(flags(&ranges(&all)), all, "{text}");
        }
    }
}
