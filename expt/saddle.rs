//! Runs `llc saddle`: λ̂ followed while a deep linear network learns its teacher, beside the rank, the exact λ, and Gibbs's λ̂.

mod table;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use llc::config::{Precision, SaddleConfig, SamplerConfig, Switch};
use llc::dln::saddle::{self, Learnt};
use llc::estimate::{Estimation, estimate};
use llc::journal::Journal;
use llc::observe::{Event, Observers, RunInfo, Status};
use llc::params::Params;
use llc::report::Estimate;
use llc::report::saddle::{Point, Saddle, Summary};
use llc::rng::{Key, Role};
use llc::target::{Batch, DeepLinear, Target as _, TargetError};
use llc::theory::Rational;
use llc::train::{Losses, Progress, Sgd, Trainer};
use num_traits::ToPrimitive;

use crate::cli::{self, Context, Outcome};
use crate::registry::Experiment;
use crate::{expected, session};
use llc::points::Points;

/// Approximate number of lines about points that a run prints.
const NUM_LINES: u64 = 20;

impl Experiment for SaddleConfig {
    /// Follows λ̂, records the run, and prints a line for some of the points.
    fn run(&self, context: &Context) -> anyhow::Result<Outcome> {
        session::record(context, |observers| {
            observers.emit(&Event::Stage("drawing the data"));
            tch::set_num_threads(1);
            let teacher = match saddle::teacher(self, &context.cancel) {
                Err(TargetError::Cancelled) => return Ok(session::interrupted_before_sampling()),
                other => other?,
            };
            observers.emit(&Event::Started(&RunInfo {
                num_parameters: teacher.local().w_star().len(),
                n_beta: self.n_beta(),
                ..session::run_info(SaddleConfig::EXPERIMENT, self, context)?
            }));
            session::ensure_recorded(observers)?;
            let journal = session::journal(context, observers, self);
            let device = session::device(self.run().device)?;
            let points = Points::of(&journal)?;
            let mut dynamics = Dynamics { config: self, context, teacher, journal, device, points };
            match dynamics.follow(observers) {
                Ok(is_interrupted) => {
                    let status = if is_interrupted { Status::Interrupted } else { Status::Completed };
                    dynamics.end(status, &[], observers)
                }
                // The points so far are worth keeping.
                Err(error) if session::has_diverged(&error) => {
                    cli::print_error(&error);
                    dynamics.end(Status::Failed, &session::fail_trace(&error), observers)
                }
                Err(error) => Err(error),
            }
        })
    }
}

/// A training with what is needed to estimate along it.
struct Dynamics<'a> {
    config: &'a SaddleConfig,
    context: &'a Context,
    teacher: DeepLinear,
    journal: Journal,
    device: tch::Device,
    points: Points<Point>,
}

impl Dynamics<'_> {
    /// Trains and estimates in turn, to the end of the training; whether that was interrupted.
    fn follow(&mut self, observers: &mut Observers) -> anyhow::Result<bool> {
        let is_interrupted = self.train(observers)?;
        self.points.finish()?;
        Ok(is_interrupted)
    }

    /// Trains from stop to stop, with a point at each; whether that was interrupted.
    fn train(&mut self, observers: &mut Observers) -> anyhow::Result<bool> {
        let train = self.config.train();
        let (num_steps, period) = (train.num_steps as u64, self.config.saddle().logging_period as u64);
        let stops: Vec<u64> = (0..num_steps).step_by(period as usize).chain([num_steps]).collect();
        let first = self.points.all().len();
        let mut w = self.teacher.local().w_star().try_clone()?;
        let mut optimizer = Sgd::new(train.momentum);
        // A run that continues finds the point where it was, after its last estimate, in the journal.
        let mut entry = self.journal.entry("training");
        for (index, &stop) in stops.iter().enumerate().skip(first) {
            let trainer = Trainer {
                key: Key::new(self.config.seed()).role(Role::Training),
                // Without an entry to resume from the training starts over, at step 0 even if there are points.
                first_step: if index == first { 0 } else { stops[index - 1] },
                num_steps: stop,
                has_next: stop < num_steps,
                batch_size: Some(train.batch_size),
                learning_rate: train.learning_rate.get(),
            };
            let mut on_progress = |progress: Progress| match progress {
                Progress::Losses(Losses { first_step, loss }) => {
                    observers.emit(&Event::Training { first_step, num_steps, loss });
                }
                Progress::Saving => observers.emit(&Event::Saving),
            };
            let cancel = &self.context.cancel;
            let trained = trainer.run(&mut optimizer, &mut self.teacher, w, &mut entry, cancel, &mut on_progress)?;
            w = trained.w;
            let began = Instant::now();
            let point = if trained.is_cancelled { None } else { self.point(stop, &w, observers)? };
            let Some(point) = point else { return Ok(true) };
            if index == first {
                expected::report(began.elapsed().as_secs_f64() * (stops.len() - first) as f64, self.context, observers);
            }
            let shown_every = (stops.len() as u64).div_ceil(NUM_LINES);
            if (index as u64).is_multiple_of(shown_every) || stop == num_steps {
                observers.emit(&Event::Line(&table::line(&point)));
            }
            observers.emit(&Event::Saving);
            self.points.push(point)?;
        }
        Ok(false)
    }

    /// What the report says of the training at `step`, where it is at `w`; `None` where that was interrupted.
    fn point(&mut self, step: u64, w: &Params, observers: &mut Observers) -> anyhow::Result<Option<Point>> {
        let config = self.config;
        let train_loss = self.teacher.loss(w, Batch::Full)?;
        let own = saddle::around(&self.teacher, w, Precision::F64, tch::Device::Cpu)?;
        let learnt = Learnt::at(config, w, &own)?;
        let key = Key::new(config.seed()).part(step);
        let target = saddle::around(&self.teacher, w, config.run().precision, self.device)?;
        let stage = format!("step{step:07}");
        let Some(done) = self.estimate(config.sampler(), target, key, &stage)? else { return Ok(None) };
        let gibbs = match config.gibbs() {
            None => None,
            Some(gibbs) => match self.estimate(gibbs, own, key.part(1), &format!("{stage}-gibbs"))? {
                None => return Ok(None),
                done => done,
            },
        };
        let end = |bound: &Rational| bound.to_f64().unwrap_or(f64::NAN);
        let point = Point {
            step,
            train_loss,
            rank: learnt.rank,
            lambda_exact: learnt.coefficient.lambda_f64(),
            multiplicity: learnt.coefficient.multiplicity,
            lambda_bounds: [end(&learnt.bounds.lower), end(&learnt.bounds.upper)],
            singular_values: learnt.singular_values,
            summary: summary(&done),
            gibbs: gibbs.as_ref().map(summary),
        };
        let mut values = vec![
            ("saddle.train_loss", train_loss),
            ("saddle.rank", point.rank as f64),
            ("saddle.lambda_exact", point.lambda_exact),
            ("saddle.llc", done.llc.mean),
            ("saddle.llc_mcse", done.llc.mcse),
        ];
        values.extend(gibbs.iter().map(|gibbs| ("saddle.llc_gibbs", gibbs.llc.mean)));
        observers.emit(&Event::Metrics { step, values: &values });
        Ok(Some(point))
    }

    /// λ̂ around the centre of `target` by `sampler`; `None` if it was interrupted. The draws of so many points are reported by their
    /// summaries alone.
    fn estimate(
        &self,
        sampler: &SamplerConfig,
        mut target: DeepLinear,
        key: Key,
        stage: &str,
    ) -> anyhow::Result<Option<Estimation>> {
        let w_star = target.local().w_star().try_clone()?;
        let init_loss = target.loss(&w_star, Batch::Full)?;
        let mut chains = sampler.chains(self.config.run(), key, init_loss);
        // A chain is short: what is kept of it would cost more than the chain.
        if sampler.num_steps > LONG {
            chains.store = Arc::new(self.journal.stage(stage));
        }
        let check = sampler.check_localisation == Switch::On;
        let (sampler, cancel) = (sampler.kernel.sampler(), &self.context.cancel);
        let done = estimate(&mut target, sampler.as_ref(), &chains, check, cancel, &mut |_| {})?;
        Ok((!done.is_interrupted && !cancel.load(Ordering::Relaxed)).then_some(done))
    }

    fn end(self, status: Status, fail_trace: &[String], observers: &mut Observers) -> anyhow::Result<Outcome> {
        let config = self.config;
        let points = self.points.into_all();
        observers.emit(&Event::Artifact { name: "saddle.csv", content: &table::csv(&points)? });
        let has_diverged = points.iter().any(|point| point.summary.has_diverged());
        let found = Saddle {
            network: config.widths().to_vec(),
            num_parameters: self.teacher.local().w_star().len(),
            teacher: config.data().teacher.clone(),
            n: config.data().num_training_data,
            n_beta: config.n_beta(),
            gamma: config.sampler().fixed_gamma(),
            chains: config.sampler().into(),
            stages: table::stages(&points),
            num_steps: points.last().map(|point| point.step),
            points,
        };
        let report = session::report(SaddleConfig::EXPERIMENT, config.seed(), found, status, observers);
        session::end(self.context, observers, (&report, &table::render(&report)), fail_trace)?;
        Ok(session::outcome(status, has_diverged))
    }
}

/// Steps of chains that are worth being taken up in the middle.
const LONG: usize = 10_000;

/// The part of an estimate's report that each of several hundred points has.
fn summary(done: &Estimation) -> Summary {
    let Estimate { llc, epsilon, diagnostics, descent, judgement, .. } = done.into();
    Summary {
        llc,
        epsilon,
        rhat: diagnostics.rhat,
        ess_bulk: diagnostics.ess_bulk,
        virial: diagnostics.virial,
        variance_ratio: diagnostics.variance_ratio,
        descent,
        verdict: judgement.verdict,
        reasons: judgement.reasons,
        num_diverged: done.num_diverged,
        sampling_s: done.sampling_s,
    }
}
