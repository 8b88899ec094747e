//! Runs `llc curve`: the local learning coefficient of a network followed over its training.
//!
//! The run has two phases. It trains to the end and keeps the network at every logging point; then it estimates λ at each of them in turn,
//! all at one scale (nβ and γ), which is chosen around the trained network. Points are kept as they complete, so that a run that is
//! interrupted in either phase continues where it was.
//!
//! *Tested by* `tests/network_commands.rs`, and by interrupted runs against unbroken ones in `tests/resume.rs`.

mod former;
mod point;
mod scale;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::Context as _;
use llc::checkpoint::Checkpoint;
use llc::config::Choice as _;
use llc::config::network::model;
use llc::config::{CurveConfig, Gamma, Switch};
use llc::journal::Journal;
use llc::model::ModelSpec;
use llc::observe::{Event, Observers, RunInfo, Status};
use llc::posterior::Posterior;
use llc::report::network::{self as report, Point};
use llc::rng::Key;
use llc::samples::Samples;
use llc::target::network::TrainedNetwork;
use llc::train::{NetworkTrainer, StepLosses, TrainError, TrainingData};

use crate::checkpoints::{self, Checkpoints};
use crate::cli::{self, Context, Outcome};
use crate::registry::Experiment;
use crate::trained::samples;
use crate::{expected, session};
use former::{Estimated, Former};
use llc::points::Points;
use llc::report::table;
use scale::{Decision, Scale};

/// Steps of the training between two looks at the clock.
const STRETCH: u64 = 50;

/// The stage of the journal that holds points and their chains. Versions that estimated while they trained had no such stage: what they
/// left of an unfinished point is not found, and its chains are drawn again.
const STAGE: &str = "curve";

impl Experiment for CurveConfig {
    /// Follows λ̂, records the run, and prints a line for each point.
    fn run(&self, context: &Context) -> anyhow::Result<Outcome> {
        session::record(context, |observers| {
            let mut curve = Curve::new(self, context, observers)?;
            curve.start(observers)?;
            match curve.follow(observers) {
                Ok(is_interrupted) => {
                    let status = if is_interrupted { Status::Interrupted } else { Status::Completed };
                    curve.end(status, &[], observers)
                }
                // The points so far are worth keeping.
                Err(error) if session::has_diverged(&error) => {
                    cli::print_error(&error);
                    curve.end(Status::Failed, &session::fail_trace(&error), observers)
                }
                Err(error) => Err(error),
            }
        })
    }
}

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
    checkpoints: Checkpoints,
    /// The steps at which the network is kept.
    kept: BTreeSet<u64>,
    /// Steps that were made in all; the trainer itself returns to earlier ones.
    num_steps: u64,
    journal: Journal,
    /// The points so far.
    points: Points<Point>,
    /// Those in the checkpoint from which this run continues.
    former: Option<Former>,
    /// The scale of all points, once it is chosen.
    scale: Option<Scale>,
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
        let run_dir = observers.run_dir().context("the run has no folder for checkpoints")?;
        let journal = session::journal(context, observers, config).stage(STAGE);
        let mut curve = Curve {
            trainer: NetworkTrainer::new(network, data.train, config.train(), key, device)?,
            test: data.test,
            checkpoints: Checkpoints::create(&run_dir)?,
            kept: BTreeSet::new(),
            num_steps: 0,
            points: Points::of(&journal)?,
            journal,
            former: None,
            scale: None,
            config,
            context,
            spec,
            samples,
        };
        let is_own = match &context.resumed {
            Some(run_dir) => curve.continue_own(run_dir)?,
            None => false,
        };
        if let (false, Some(from)) = (is_own, config.resume()) {
            curve.continue_another(from)?;
        }
        Ok(curve)
    }

    /// Continues from where an earlier process of this run, whose folder is `run_dir`, was; `false` where that left nothing. It may have
    /// been killed while it replaced its newest checkpoint.
    fn continue_own(&mut self, run_dir: &Path) -> anyhow::Result<bool> {
        let path = checkpoints::latest_in(run_dir);
        let Some(checkpoint) = Checkpoint::read_newest(&path)? else { return Ok(false) };
        self.trainer.resume(&checkpoint).with_context(|| path.display().to_string())?;
        let step = self.trainer.num_steps();
        self.kept = checkpoints::steps_beside(&path).into_keys().filter(|&kept| kept <= step).collect();
        self.former = Former::of(&checkpoint, Some(run_dir), self.configured());
        Ok(true)
    }

    /// Begins where the run in the folder `from` was, or the checkpoint that `from` names. What that kept of the network before is taken
    /// over.
    fn continue_another(&mut self, from: &Path) -> anyhow::Result<()> {
        let (run_dir, path) = match from.is_dir() {
            true => (Some(from), checkpoints::latest_in(from)),
            false => (from.parent().and_then(Path::parent), from.to_owned()),
        };
        let checkpoint = Checkpoint::read(&path)?;
        self.trainer.resume(&checkpoint).with_context(|| format!("--resume {}", from.display()))?;
        let step = self.trainer.num_steps();
        let configured = self.configured();
        self.former = Former::of(&checkpoint, run_dir, configured.clone()).map(Former::of_another_run);
        let is_over = |former: &Former| former.has(step) && former.estimated.loss_around == configured.loss_around;
        anyhow::ensure!(
            !(self.trainer.is_finished() && self.former.as_ref().is_some_and(is_over)),
            "--resume {}: that run has reached its end, step {step}; give a larger --train-steps to continue it",
            from.display()
        );
        for (kept, path) in checkpoints::steps_beside(&path).into_iter().filter(|(kept, _)| *kept <= step) {
            self.checkpoints.adopt(&path, kept)?;
            self.kept.insert(kept);
        }
        Ok(())
    }

    /// What points share where nothing else is known than the configuration.
    fn configured(&self) -> Estimated {
        self.estimated(Scale::configured(self.config.sampler(), self.samples.len()))
    }

    /// What points at `scale` share.
    fn estimated(&self, scale: Scale) -> Estimated {
        Estimated::new(self.config.point().loss_around, scale)
    }

    /// Starts the record, after a look at the network as it is now: what can't be sampled is refused before the training.
    fn start(&mut self, observers: &mut Observers) -> anyhow::Result<()> {
        let (trained, step) = (self.network_now()?, self.trainer.num_steps());
        // The scale is not known yet; it changes nothing of what is looked at here.
        let sampler = self.config.sampler().with_gamma(self.config.sampler().fixed_gamma());
        let mut posterior = self.posterior(&trained, &sampler, step)?;
        let info = session::run_info(CurveConfig::EXPERIMENT, self.config, self.context)?;
        let info = RunInfo { draws_at_points: true, ..session::info_around(info, &posterior) };
        observers.emit(&Event::Started(&info));
        session::ensure_recorded(observers)?;
        let check = self.config.sampler().check_localisation == Switch::On;
        let Posterior { target, sampler, chains } = &mut posterior;
        let once_s = expected::sampling_seconds(target.as_mut(), sampler.as_ref(), chains, check)?;
        let left = self.trainer.num_steps_planned().saturating_sub(step);
        let to_come = left.div_ceil(self.config.curve().logging_period as u64);
        let so_far = self.kept.len() + usize::from(!self.kept.contains(&step));
        let num_points = (so_far as u64 + to_come).saturating_sub(self.points.all().len() as u64);
        expected::report(once_s * num_points as f64, self.context, observers);
        Ok(())
    }

    /// Trains, and then estimates at every point that was kept; whether that was interrupted. Of a training that diverges the points before
    /// are estimated.
    fn follow(&mut self, observers: &mut Observers) -> anyhow::Result<bool> {
        let trained = self.train(observers);
        self.num_steps = self.trainer.num_steps();
        let end = match &trained {
            Ok(true) => return Ok(true),
            Ok(false) => u64::MAX,
            Err(error) => match diverged_at(error) {
                Some(step) => {
                    let text = format!("the training diverged at step {step}: only earlier points are estimated");
                    observers.emit(&Event::Warning(&text));
                    step
                }
                None => return trained,
            },
        };
        let is_interrupted = self.estimate_all(end, observers)?;
        if is_interrupted { Ok(true) } else { trained }
    }

    /// Trains to the end, and keeps the network at every logging point; whether that was interrupted.
    fn train(&mut self, observers: &mut Observers) -> anyhow::Result<bool> {
        let period = self.config.curve().logging_period as u64;
        let planned = self.trainer.num_steps_planned();
        let mut saved_at = Instant::now();
        tch::set_num_threads(self.config.run().threads as i32);
        loop {
            let step = self.trainer.num_steps();
            let is_due = step.is_multiple_of(period) || self.trainer.is_finished();
            if is_due && !self.kept.contains(&step) {
                if self.trainer.is_finished() {
                    // No further step would notice that the last one was too far.
                    self.trainer.evaluate_train()?;
                }
                self.save(Some(step), observers)?;
                saved_at = Instant::now();
            }
            if self.trainer.is_finished() {
                return Ok(false);
            }
            if self.context.cancel.load(Ordering::Relaxed) {
                self.save(None, observers)?;
                return Ok(true);
            }
            if saved_at.elapsed() > self.context.pace.every {
                self.save(None, observers)?;
                saved_at = Instant::now();
            }
            let until = ((step / period + 1) * period).min(planned);
            let mut report = |StepLosses { first_step, loss }: StepLosses| {
                observers.emit(&Event::Training { first_step, num_steps: planned, loss });
            };
            self.trainer.advance((until - step).min(STRETCH), &self.context.cancel, &mut report)?;
        }
    }

    /// Writes the checkpoint from which a training that is stopped continues, and keeps it for an estimate at `step`, if it is one.
    fn save(&mut self, step: Option<u64>, observers: &mut Observers) -> anyhow::Result<()> {
        observers.emit(&Event::Saving);
        let facts = self.former.as_ref().map(Former::facts).unwrap_or_default();
        let checkpoint = self.trainer.save(&self.spec, facts)?;
        self.checkpoints.write(&checkpoint, step.map(checkpoints::step_name))?;
        self.kept.extend(step);
        Ok(())
    }

    /// Estimates at every network that was kept before step `end`, in order; whether that was interrupted.
    ///
    /// One point at a time: its chains run side by side where the network is small, and in turn with all threads where it is large, so that
    /// no thread is idle unless there are more of them than chains.
    fn estimate_all(&mut self, end: u64, observers: &mut Observers) -> anyhow::Result<bool> {
        let steps: Vec<u64> = self.kept.range(..end).copied().collect();
        let Some(&last) = steps.last() else { return Ok(false) };
        let Some(Decision { scale, num_former }) = self.decide(last, observers)? else { return Ok(true) };
        self.scale = Some(scale);
        let sampler = scale.of(self.config.sampler())?;
        for step in steps {
            if self.points.all().iter().any(|point| point.step == step) {
                continue;
            }
            if self.context.cancel.load(Ordering::Relaxed) {
                return Ok(true);
            }
            self.go_to(step)?;
            let is_first = self.points.all().len() == num_former;
            let Some(point) = self.estimate(&sampler, is_first, observers)? else { return Ok(true) };
            observers.emit(&Event::Saving);
            self.points.push(point)?;
        }
        self.points.finish()?;
        Ok(false)
    }

    /// The scale, and how many points of another run stand before this one's: as an earlier process of this run decided, or chosen around the
    /// network at step `last`. `None` where that was interrupted.
    fn decide(&mut self, last: u64, observers: &mut Observers) -> anyhow::Result<Option<Decision>> {
        let mut entry = scale::entry(&self.journal);
        let known = scale::read(&entry)?;
        let scale = match known {
            Some(Decision { scale, .. }) => scale,
            None => {
                self.go_to(last)?;
                let trained = self.network_now()?;
                let scale = self.choose_scale(&trained)?;
                if self.context.cancel.load(Ordering::Relaxed) {
                    return Ok(None);
                }
                scale
            }
        };
        let former = if self.points.all().is_empty() { self.former_at(scale, observers) } else { None };
        let num_former = former.as_ref().filter(|former| former.is_another).map_or(0, |former| former.points.len());
        let decision = known.unwrap_or(Decision { scale, num_former });
        if known.is_none() {
            scale::write(&mut entry, decision)?;
        }
        if let Some(former) = former {
            self.points.extend(former.points)?;
        }
        Ok(Some(decision))
    }

    /// Chooses the scale of all points around `trained`, the network at the end of the training. **This is the one place for it**: it is
    /// called once in a run, before the first point, and what it returns is kept in the journal for the processes that continue the run.
    fn choose_scale(&mut self, trained: &TrainedNetwork) -> anyhow::Result<Scale> {
        let sampler = self.config.sampler();
        if sampler.gamma != Gamma::Auto {
            return Ok(Scale::configured(sampler, self.samples.len()));
        }
        let posterior = self.posterior(trained, sampler, self.trainer.num_steps())?;
        let local = posterior.target.local();
        Ok(Scale { n_beta: local.n_beta(), gamma: local.gamma() })
    }

    /// The points in the checkpoint, where they were estimated around the same loss and at `scale`; others are estimated again.
    fn former_at(&mut self, scale: Scale, observers: &mut Observers) -> Option<Former> {
        let former = self.former.take()?;
        if former.estimated == self.estimated(scale) {
            return Some(former);
        }
        let num_lost = former.points.iter().filter(|point| !self.kept.contains(&point.step)).count();
        let mut text =
            "the points so far are around another loss or at another scale (n_beta, gamma): they are estimated again"
                .to_owned();
        if num_lost > 0 {
            text += &format!(", except the {num_lost} whose network was not saved");
        }
        observers.emit(&Event::Warning(&text));
        None
    }

    /// Returns the trainer to `step`, where the network is kept.
    fn go_to(&mut self, step: u64) -> anyhow::Result<()> {
        let path = self.checkpoints.at_step(step);
        let checkpoint = Checkpoint::read(&path)?;
        self.trainer.resume(&checkpoint).with_context(|| path.display().to_string())?;
        Ok(())
    }

    fn end(self, status: Status, fail_trace: &[String], observers: &mut Observers) -> anyhow::Result<Outcome> {
        let scale = self.scale.unwrap_or(Scale::configured(self.config.sampler(), self.samples.len()));
        let (config, points) = (self.config, self.points.all());
        if !points.is_empty() {
            observers.emit(&Event::Saving);
            former::leave(self.checkpoints.run_dir(), points, &self.estimated(scale))?;
        }
        observers.emit(&Event::Artifact { name: "curve.csv", content: &table::curve_csv(points)? });
        let has_diverged = points.iter().any(|point| point.estimate.judgement.has_diverged());
        let found = report::Curve {
            network: self.trainer.network().name().to_owned(),
            num_parameters: self.trainer.network().num_parameters(),
            data: Some(config.data().name),
            n: self.samples.len(),
            n_beta: scale.n_beta,
            gamma: scale.gamma,
            chains: config.sampler().into(),
            points: self.points.into_all(),
            subject: report::Subject::Training {
                num_steps: self.num_steps,
                loss_around: Some(config.point().loss_around.name().to_owned()),
            },
        };
        let report = session::report(CurveConfig::EXPERIMENT, config.seed(), found, status, observers);
        session::end(self.context, observers, (&report, &table::render_curve(&report)), fail_trace)?;
        Ok(session::outcome(status, has_diverged))
    }
}

/// The step whose loss is not finite, where `error` is that of a training that diverged.
fn diverged_at(error: &anyhow::Error) -> Option<u64> {
    error.chain().find_map(|cause| match cause.downcast_ref() {
        Some(TrainError::Diverged { step, .. }) => Some(*step),
        _ => None,
    })
}
