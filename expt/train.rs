//! Runs `llc train`: a network trained on images, with epoch lines in the format of the published experiments.

mod report;
mod style;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use llc::checkpoint::Checkpoint;
use llc::config::network::model::for_data;
use llc::config::training::{Style, TrainingConfig};
use llc::model::ModelSpec;
use llc::observe::{Event, Observers, RunInfo, Status};
use llc::report::training::Threshold;
use llc::rng::Key;
use llc::train::{Evaluation, NetworkTrainer, Stop, TrainError, TrainingData, reaches_threshold};
use serde_json::json;

use crate::checkpoints::{self, Checkpoints};
use crate::cli::{Context, Outcome};
use crate::registry::Experiment;
use crate::session;

/// Steps between two looks at the clock.
const STRETCH: u64 = 50;

impl Experiment for TrainingConfig {
    /// Trains, records the run, and prints its epochs and its end.
    fn run(&self, context: &Context) -> anyhow::Result<Outcome> {
        session::record(context, |observers| train(self, context, observers))
    }
}

/// Why a checkpoint is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// To continue after a crash or a signal.
    Latest,
    /// As often as was asked for.
    Epoch,
    /// At the interpolation threshold.
    Threshold,
    /// At the end.
    Last,
}

/// A run under way.
struct Run<'a> {
    config: &'a TrainingConfig,
    spec: ModelSpec,
    data: TrainingData,
    trainer: NetworkTrainer,
    checkpoints: Checkpoints,
    /// Where the training met the threshold, if it did.
    threshold: Option<Threshold>,
    /// Lines of epochs, for the log file of the original.
    log: String,
    saved_at: Instant,
    /// Time between two checkpoints to resume from after a crash.
    save_every: Duration,
}

fn train(config: &TrainingConfig, context: &Context, observers: &mut Observers) -> anyhow::Result<Outcome> {
    tch::set_num_threads(config.run().threads as i32);
    let device = session::device(config.run().device)?;
    observers.emit(&Event::Stage("reading the data"));
    let data = TrainingData::load(config.data())?;
    let spec = for_data(config.model(), data.train.input_shape(), data.train.num_classes());
    let network = Arc::new(spec.build()?);
    let key = Key::new(config.seed());
    let mut trainer = NetworkTrainer::new(network, data.train.clone(), config.train(), key, device)?;
    let own = context.resumed.as_deref().filter(|run_dir| checkpoints::latest_in(run_dir).exists());
    let from = own.or(config.run().resume.as_deref());
    let resumed = from.map(|from| resume(&mut trainer, from)).transpose()?;
    observers.emit(&Event::Started(&RunInfo {
        name: style::run_name(config, context),
        num_parameters: trainer.w().len(),
        ..session::run_info(TrainingConfig::EXPERIMENT, config, context)?
    }));
    session::ensure_recorded(observers)?;
    let run_dir = observers.run_dir().context("the run has no folder for checkpoints")?;
    let checkpoints = Checkpoints::create(&run_dir)?;
    let threshold = resumed.as_ref().and_then(report::threshold_of);
    // A run that continues in its own folder writes the rest of the same log.
    let known_log = resumed.as_ref().filter(|_| own.is_some()).and_then(|from| from.header.facts.get("log")?.as_str());
    let log = known_log.unwrap_or_default().to_owned();
    let mut run = Run {
        config,
        spec,
        data,
        trainer,
        checkpoints,
        threshold,
        log,
        saved_at: Instant::now(),
        save_every: context.pace.every,
    };
    for line in style::opening(config, &run.trainer, &run.data, resumed.as_ref()) {
        run.log_line(&line, observers);
    }
    match run.run_to_end(&context.cancel, observers) {
        Ok(last) => run.finish(last, context, observers),
        Err(error) => run.fail(error, context, observers),
    }
}

/// Lets `trainer` continue from a run's folder or from a file, and returns what was read.
fn resume(trainer: &mut NetworkTrainer, from: &Path) -> anyhow::Result<Checkpoint> {
    let path = if from.is_dir() { checkpoints::latest_in(from) } else { from.to_owned() };
    let checkpoint = Checkpoint::read(&path)?;
    trainer.resume(&checkpoint).with_context(|| format!("--resume {}", from.display()))?;
    Ok(checkpoint)
}

/// What is known at the end of an epoch, or where a training stops.
#[derive(Debug, Clone, Copy)]
struct EpochEnd {
    train: Evaluation,
    test: Evaluation,
}

impl Run<'_> {
    /// Trains to the end, the threshold or a signal; what the last epoch's end measured, and whether a signal came.
    fn run_to_end(
        &mut self,
        cancel: &AtomicBool,
        observers: &mut Observers,
    ) -> Result<(Option<EpochEnd>, bool), TrainError> {
        let mut last = None;
        // One that was resumed may have been there already.
        let is_over = |run: &Self| run.config.train().stop_at_threshold && run.threshold.is_some();
        while !self.trainer.is_finished() && !is_over(self) {
            self.begin_epoch(observers);
            if self.epoch(cancel, observers)? == Stop::Cancelled {
                return Ok((last, true));
            }
            let end = self.end_epoch(observers)?;
            last = Some(end);
            let is_new = self.threshold.is_none();
            let running = self.trainer.running().evaluation();
            if is_new && reaches_threshold(running.loss, running.accuracy) {
                self.reach_threshold(end, observers)?;
            }
            let every = self.config.train().checkpoint_every;
            if every > 0 && self.trainer.num_epochs().is_multiple_of(every) {
                self.save(Kind::Epoch, observers)?;
            }
        }
        Ok((last, false))
    }

    fn begin_epoch(&self, observers: &mut Observers) {
        let trainer = &self.trainer;
        let per_epoch = trainer.num_steps_per_epoch();
        let (epoch, first_step) = (trainer.num_epochs(), trainer.num_epochs() * per_epoch);
        let num_steps = per_epoch.min(trainer.num_steps_planned() - first_step);
        observers.emit(&Event::Epoch { epoch, num_epochs: trainer.num_epochs_planned(), first_step, num_steps });
    }

    /// Trains to the end of the epoch, with evaluations and a checkpoint now and then.
    fn epoch(&mut self, cancel: &AtomicBool, observers: &mut Observers) -> Result<Stop, TrainError> {
        let num_steps = self.trainer.num_steps_planned();
        let log_every = self.config.train().log_every;
        loop {
            let to_log = if log_every > 0 { log_every - self.trainer.num_steps() % log_every } else { u64::MAX };
            let mut on_losses = |losses: llc::train::StepLosses| {
                observers.emit(&Event::Training { first_step: losses.first_step, num_steps, loss: losses.loss });
            };
            let stop = self.trainer.advance(to_log.min(STRETCH), cancel, &mut on_losses)?;
            if stop != Stop::Steps {
                return Ok(stop);
            }
            if log_every > 0 && self.trainer.num_steps().is_multiple_of(log_every) {
                let test = self.trainer.evaluate(&self.data.test)?;
                self.measure(self.trainer.running().evaluation(), test, observers);
            }
            if self.saved_at.elapsed() > self.save_every {
                self.save(Kind::Latest, observers)?;
            }
        }
    }

    /// Evaluates the finished epoch and logs its line.
    fn end_epoch(&mut self, observers: &mut Observers) -> Result<EpochEnd, TrainError> {
        let train = match self.config.train().evaluate_train {
            true => self.trainer.evaluate_train()?,
            false => self.trainer.running().evaluation(),
        };
        let test = self.trainer.evaluate(&self.data.test)?;
        if self.trainer.is_finished() {
            // No further step would detect it.
            self.trainer.ensure_finite(test.loss)?;
        }
        self.measure(train, test, observers);
        let line = style::epoch_line(self.config, &self.trainer, train, test);
        self.log_line(&line, observers);
        Ok(EpochEnd { train, test })
    }

    /// Records numbers.
    fn measure(&self, train: Evaluation, test: Evaluation, observers: &mut Observers) {
        let trainer = &self.trainer;
        let values = [
            ("epoch", trainer.num_epochs() as f64),
            ("gradient_norm", trainer.running().gradient_norm),
            ("learning_rate", trainer.learning_rate()),
            ("runtime_s", trainer.runtime_s()),
            ("test.accuracy", test.accuracy),
            ("test.error", 1.0 - test.accuracy),
            ("test.loss", test.loss),
            ("train.accuracy", train.accuracy),
            // `train.loss` is that of each minibatch.
            ("train.mean_loss", train.loss),
        ];
        observers.emit(&Event::Metrics { step: trainer.num_steps(), values: &values });
    }

    fn reach_threshold(&mut self, end: EpochEnd, observers: &mut Observers) -> Result<(), TrainError> {
        let threshold =
            Threshold { epoch: self.trainer.num_epochs(), runtime_s: self.trainer.runtime_s(), test: end.test.into() };
        let values = [
            ("epochs_to_overfit", threshold.epoch as f64),
            ("label_corruption", self.config.data().label_corruption),
            ("time_to_overfit", threshold.runtime_s / 60.0),
        ];
        observers.emit(&Event::Metrics { step: self.trainer.num_steps(), values: &values });
        for line in style::threshold_lines(self.config, &threshold) {
            self.log_line(&line, observers);
        }
        self.threshold = Some(threshold);
        self.save(Kind::Threshold, observers)
    }

    fn save(&mut self, kind: Kind, observers: &mut Observers) -> Result<(), TrainError> {
        observers.emit(&Event::Saving);
        let mut facts = serde_json::Map::new();
        facts.insert("seed".to_owned(), json!(self.config.seed()));
        facts.insert("num_epochs".to_owned(), json!(self.trainer.num_epochs_planned()));
        facts.insert("threshold".to_owned(), json!(self.threshold));
        facts.insert("log".to_owned(), json!(self.log));
        let checkpoint = self.trainer.save(&self.spec, facts).map_err(llc::train::ResumeError::from)?;
        let saved =
            self.checkpoints.write(&checkpoint, style::checkpoint_name(self.config, kind, self.trainer.num_epochs()));
        self.saved_at = Instant::now();
        Ok(saved?)
    }

    /// Prints a line and appends it to the log.
    fn log_line(&mut self, line: &str, observers: &mut Observers) {
        observers.emit(&Event::Line(line));
        self.log.push_str(line);
        self.log.push('\n');
    }

    fn finish(
        mut self,
        (last, is_cancelled): (Option<EpochEnd>, bool),
        context: &Context,
        observers: &mut Observers,
    ) -> anyhow::Result<Outcome> {
        self.save(if is_cancelled { Kind::Latest } else { Kind::Last }, observers)?;
        let last = match last {
            Some(last) => Some(last),
            // A training that was over before it began, or was stopped in its first epoch here.
            None if !is_cancelled => {
                Some(EpochEnd { train: self.trainer.evaluate_train()?, test: self.trainer.evaluate(&self.data.test)? })
            }
            None => None,
        };
        let status = if is_cancelled { Status::Interrupted } else { Status::Completed };
        self.end(last, status, &[], context, observers)?;
        if is_cancelled {
            return Ok(Outcome::Interrupted);
        }
        Ok(Outcome::Done)
    }

    /// A loss that is not finite is its own outcome; other errors are passed on.
    fn fail(self, error: TrainError, context: &Context, observers: &mut Observers) -> anyhow::Result<Outcome> {
        if !matches!(error, TrainError::Diverged { .. }) {
            return Err(error.into());
        }
        let line = error.to_string();
        self.end(None, Status::Failed, &[format!("{line}\n")], context, observers)?;
        eprintln!("error: {line}");
        Ok(Outcome::Diverged)
    }

    /// Tells how it ended, to the record and the user.
    fn end(
        &self,
        last: Option<EpochEnd>,
        status: Status,
        fail_trace: &[String],
        context: &Context,
        observers: &mut Observers,
    ) -> anyhow::Result<()> {
        let (experiment, seed) = (TrainingConfig::EXPERIMENT, self.config.seed());
        let report = session::report(experiment, seed, report::found(self, last), status, observers);
        let shown = report::table(&report);
        if self.config.run().style == Style::FittingRandomLabels {
            observers.emit(&Event::Artifact { name: &style::log_name(), content: self.log.as_bytes() });
        }
        session::end(context, observers, (&report, &shown), fail_trace)
    }
}
