//! Runs `llc curve`: the local learning coefficient of a network followed over its training.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::Context as _;
use llc::checkpoint::Checkpoint;
use llc::config::network::model;
use llc::config::{CurveConfig, Switch};
use llc::data::Samples;
use llc::estimate::{Estimation, estimate};
use llc::model::ModelSpec;
use llc::observe::{Event, Observers, PointInfo, RunInfo, Status};
use llc::posterior::{Around, Posterior};
use llc::rng::Key;
use llc::target::network::TrainedNetwork;
use llc::train::{Evaluation, NetworkTrainer, Objective, StepLosses, TrainingData};
use serde_json::{Map, Value, json};

use crate::checkpoints::{self, Checkpoints};
use crate::cli::{self, Context, Outcome};
use crate::estimate::samples;
use crate::registry::Experiment;
use crate::{estimation, expected, session, table};

impl Experiment for CurveConfig {
    /// Follows λ̂, records the run, and prints a line for each point.
    fn run(&self, context: &Context) -> anyhow::Result<Outcome> {
        session::record(context, |observers| {
            let mut curve = Curve::new(self, context, observers)?;
            match curve.follow(observers) {
                Ok(is_interrupted) => {
                    let status = if is_interrupted { Status::Interrupted } else { Status::Completed };
                    curve.end(status, &[], observers)
                }
                // The points so far are worth keeping.
                Err(error) if curve.is_started && session::has_diverged(&error) => {
                    cli::print_error(&error);
                    curve.end(Status::Failed, &session::fail_trace(&error), observers)
                }
                Err(error) => Err(error),
            }
        })
    }
}

/// What a checkpoint's header calls the points so far.
const POINTS: &str = "points";

/// A training with what is needed to estimate along it.
struct Curve<'a> {
    config: &'a CurveConfig,
    context: &'a Context,
    spec: ModelSpec,
    trainer: NetworkTrainer,
    /// What it is tested on.
    test: Samples,
    /// What estimates are made on.
    samples: Samples,
    /// The points so far, as the report has them.
    points: Vec<Value>,
    /// Whether the run has told what it is, which it does at its first point.
    is_started: bool,
}

impl<'a> Curve<'a> {
    fn new(config: &'a CurveConfig, context: &'a Context, observers: &mut Observers) -> anyhow::Result<Curve<'a>> {
        observers.emit(&Event::Stage("reading the data"));
        tch::set_num_threads(config.run().threads as i32);
        let device = session::device(config.run().device)?;
        let data = TrainingData::load(config.data())?;
        let spec = model::for_data(config.model(), data.train.input_shape(), data.train.num_classes());
        let network = Arc::new(spec.build().context("the network cannot be built")?);
        let samples = samples(&data, config.point())?;
        let key = Key::new(config.seed());
        let mut curve = Curve {
            trainer: NetworkTrainer::new(network, data.train, config.train(), key, device)?,
            test: data.test,
            points: Vec::new(),
            is_started: false,
            config,
            context,
            spec,
            samples,
        };
        let own = context.resumed.as_deref().filter(|run_dir| checkpoints::latest_in(run_dir).exists());
        if let Some(from) = own.or(config.resume()) {
            curve.resume(from, own.is_some())?;
        }
        if own.is_some() && !curve.points.is_empty() {
            curve.start_again(observers)?;
        }
        Ok(curve)
    }

    /// Goes on from where the run in the folder `from` was, or from the checkpoint that `from` names; `is_own` says that it is this run.
    fn resume(&mut self, from: &Path, is_own: bool) -> anyhow::Result<()> {
        let path = if from.is_dir() { checkpoints::latest_in(from) } else { from.to_owned() };
        let checkpoint = Checkpoint::read(&path)?;
        self.trainer.resume(&checkpoint).with_context(|| format!("--resume {}", from.display()))?;
        if let Some(Value::Array(points)) = checkpoint.header.facts.get(POINTS) {
            self.points = points.clone();
        }
        let step = self.trainer.num_steps();
        anyhow::ensure!(
            is_own || !(self.trainer.is_finished() && self.is_known(step)),
            "--resume {}: that run is at its end, step {step}; a larger --train-steps goes on",
            from.display()
        );
        Ok(())
    }

    /// Starts a run that has points in its own folder: those stay as they are.
    fn start_again(&mut self, observers: &mut Observers) -> anyhow::Result<()> {
        let sampler = self.config.sampler();
        observers.emit(&Event::Started(&RunInfo {
            num_chains: sampler.num_chains,
            num_draws: sampler.num_draws(),
            num_warmup: sampler.num_warmup_draws(),
            num_parameters: self.trainer.network().num_parameters(),
            n_beta: sampler.n_beta(self.samples.len()),
            init_loss: self.points[0]["init_loss"].as_f64().unwrap_or(f64::NAN),
            ..session::run_info(CurveConfig::EXPERIMENT, self.config, self.context)?
        }));
        session::ensure_recorded(observers)?;
        self.is_started = true;
        Ok(())
    }

    /// Whether there is a point at `step`.
    fn is_known(&self, step: u64) -> bool {
        self.points.last().is_some_and(|point| point["step"] == json!(step))
    }

    /// Trains and estimates in turn, to the end of the training; whether that was interrupted.
    fn follow(&mut self, observers: &mut Observers) -> anyhow::Result<bool> {
        let period = self.config.curve().logging_period as u64;
        let planned = self.trainer.num_steps_planned();
        loop {
            let step = self.trainer.num_steps();
            let is_due = step.is_multiple_of(period) || self.trainer.is_finished();
            if is_due && !self.is_known(step) && !self.estimate(observers)? {
                return Ok(true);
            }
            if self.trainer.is_finished() {
                return Ok(false);
            }
            let until = ((step / period + 1) * period).min(planned);
            self.train(until, planned, observers)?;
            if self.context.cancel.load(Ordering::Relaxed) {
                self.save(None, observers)?;
                return Ok(true);
            }
        }
    }

    /// Trains to step `until`, or until it is cancelled.
    fn train(&mut self, until: u64, planned: u64, observers: &mut Observers) -> anyhow::Result<()> {
        while self.trainer.num_steps() < until && !self.context.cancel.load(Ordering::Relaxed) {
            let num_steps = until - self.trainer.num_steps();
            let mut tell = |StepLosses { first_step, loss }: StepLosses| {
                observers.emit(&Event::Training { first_step, num_steps: planned, loss });
            };
            self.trainer.advance(num_steps, &self.context.cancel, &mut tell)?;
        }
        Ok(())
    }

    /// Estimates λ where the training is now; `false` where that was interrupted.
    fn estimate(&mut self, observers: &mut Observers) -> anyhow::Result<bool> {
        let (config, step) = (self.config, self.trainer.num_steps());
        tch::set_num_threads(config.run().threads as i32);
        let (on_train, on_test) = (self.trainer.evaluate_train()?, self.trainer.evaluate(&self.test)?);
        let objective = self.objective();
        let mut trained = TrainedNetwork {
            network: Arc::clone(self.trainer.network()),
            w: self.trainer.w().to(objective.kind(), self.trainer.w().device())?,
            buffers: self.trainer.buffers().to(objective.kind(), self.trainer.w().device())?,
        };
        trained.see_first(&self.samples, objective.clone())?;
        let around = Around { point: config.point(), sampler: config.sampler(), run: config.run(), objective };
        let key = Key::new(config.seed()).part(step);
        let mut posterior = around.posterior(&trained, &self.samples, key)?;
        let init_loss = posterior.chains.plan.init_loss;
        // The run starts with its first point, which tells how large the posterior is.
        if !self.is_started {
            let info = session::run_info(CurveConfig::EXPERIMENT, config, self.context)?;
            observers.emit(&Event::Started(&session::info_around(info, &posterior)));
            session::ensure_recorded(observers)?;
            self.is_started = true;
            self.tell_expected(&mut posterior, observers)?;
        } else {
            observers.emit(&Event::Point(&PointInfo { name: format!("step{step:07}"), init_loss }));
        }
        let check = config.sampler().check_localisation == Switch::On;
        let Posterior { target, sampler, chains } = &mut posterior;
        chains.journal = session::journal(self.context, observers, config).stage(&format!("step{step:07}"));
        let done = estimate(target, sampler.as_ref(), chains, check, &self.context.cancel, observers)?;
        if done.is_interrupted {
            self.save(None, observers)?;
            return Ok(false);
        }
        self.tell(&done, init_loss, on_train, on_test, observers)?;
        Ok(true)
    }

    /// Records a point: metrics, a line, the checkpoint.
    fn tell(
        &mut self,
        done: &Estimation,
        init_loss: f64,
        on_train: Evaluation,
        on_test: Evaluation,
        observers: &mut Observers,
    ) -> anyhow::Result<()> {
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
        self.points.push(point);
        self.save(Some(format!("step{step:07}")), observers)
    }

    /// Writes the checkpoint to go on from, and keeps it under `name` as well.
    fn save(&self, name: Option<String>, observers: &mut Observers) -> anyhow::Result<()> {
        observers.emit(&Event::Saving);
        let Some(run_dir) = observers.run_dir() else { return Ok(()) };
        let facts = Map::from_iter([(POINTS.to_owned(), json!(self.points))]);
        let checkpoint = self.trainer.save(&self.spec, facts)?;
        Ok(Checkpoints::create(&run_dir)?.write(&checkpoint, name)?)
    }

    fn objective(&self) -> Objective {
        let Objective { has_channels_last, loss, .. } = self.trainer.objective();
        Objective { has_channels_last, ..crate::estimate::objective(self.config.run().precision, loss) }
    }

    /// Says how long all estimates will take, where that is long: training comes on top.
    fn tell_expected(&self, posterior: &mut Posterior, observers: &mut Observers) -> anyhow::Result<()> {
        let check = self.config.sampler().check_localisation == Switch::On;
        let Posterior { target, sampler, chains } = posterior;
        let once_s = expected::sampling_seconds(target, sampler.as_ref(), chains, check)?;
        let left = self.trainer.num_steps_planned() - self.trainer.num_steps();
        let num_points = 1 + left.div_ceil(self.config.curve().logging_period as u64);
        expected::tell(once_s * num_points as f64, self.context, observers);
        Ok(())
    }

    fn end(self, status: Status, fail_trace: &[String], observers: &mut Observers) -> anyhow::Result<Outcome> {
        let report = json!({
            "experiment": CurveConfig::EXPERIMENT,
            "network": self.trainer.network().name(),
            "num_parameters": self.trainer.network().num_parameters(),
            "data": self.config.data().name,
            "n": self.samples.len(),
            "sampler": self.config.sampler().kernel.kind().name(),
            "num_chains": self.config.sampler().num_chains,
            "num_draws": self.config.sampler().num_draws(),
            "num_warmup": self.config.sampler().num_warmup_draws(),
            "gamma": self.config.sampler().gamma,
            "n_beta": self.config.sampler().n_beta(self.samples.len()),
            "points": self.points,
            "num_steps": self.trainer.num_steps(),
            "seed": self.config.seed(),
            "run_dir": observers.run_dir().as_deref().and_then(|dir| dir.to_str()),
            "status": status.as_str(),
        });
        observers.emit(&Event::Artifact { name: "curve.csv", content: &table::curve_csv(&self.points)? });
        session::end(self.context, observers, status, (&report, &table::render_curve(&report)), fail_trace)?;
        Ok(session::outcome(status, &self.points))
    }
}
