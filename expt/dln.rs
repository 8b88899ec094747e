//! Runs `llc dln`: the local learning coefficient of a deep linear network, whose exact value is known.

mod measured;
pub mod report;
mod trained;

use std::sync::Arc;

use llc::config::dln::Training;
use llc::config::{DlnConfig, Switch};
use llc::dln::known::Known;
use llc::dln::{Problem, train};
use llc::estimate;
use llc::kernel::GradientNeed;
use llc::observe::{Event, Observers, RunInfo, Status, forward};
use llc::report::dln::Dln;
use llc::target::{Batch, Target as _, TargetError};

use crate::cli::{Context, Outcome};
use crate::registry::Experiment;
use crate::{expected, session};
use llc::report::table;

impl Experiment for DlnConfig {
    /// Estimates λ, records the run, and prints the result.
    fn run(&self, context: &Context) -> anyhow::Result<Outcome> {
        session::record(context, |observers| sample(self, context, observers))
    }
}

fn sample(config: &DlnConfig, context: &Context, observers: &mut Observers) -> anyhow::Result<Outcome> {
    let sampler_config = config.sampler();
    let mut problem = match Problem::new(config, session::device(config.run().device)?, &context.cancel) {
        Err(TargetError::Cancelled) => return Ok(session::interrupted_before_sampling()),
        other => other?,
    };
    let known = Known::new(config, &problem.truth, problem.target.targets())?;
    let plan = &problem.chains.plan;
    observers.emit(&Event::Started(&RunInfo {
        num_chains: sampler_config.num_chains,
        num_draws: plan.num_draws,
        num_warmup: plan.num_warmup,
        num_parameters: config.model().num_parameters(),
        n_beta: config.n_beta(),
        init_loss: plan.init_loss,
        ..session::run_info(DlnConfig::EXPERIMENT, config, context)?
    }));
    session::ensure_recorded(observers)?;
    problem.chains.store = Arc::new(session::journal(context, observers, config));
    let chains = problem.chains.clone();
    let check = sampler_config.check_localisation == Switch::On;
    let num_points = if matches!(config.train(), Training::On(_)) { 2.0 } else { 1.0 };
    let expected_s = num_points
        * expected::sampling_seconds(&mut problem.target, problem.sampler.as_ref(), &chains, check)?
        + training_seconds(config, &mut problem)?;
    expected::report(expected_s, context, observers);
    let Problem { target, sampler, .. } = &mut problem;
    measured::save(config, "true_param.npz", target.local().w_star(), observers)?;
    let done = estimate::estimate(target, sampler.as_ref(), &chains, check, &context.cancel, &mut forward(observers))?;
    let measured = measured::measure(config, "true", target, chains.key, context, observers);
    let trained = match config.train() {
        Training::On(how) if !done.is_interrupted => Some(trained::run(config, how, &mut problem, context, observers)),
        _ => None,
    };
    let mut fail_trace: Vec<String> = Vec::new();
    if done.num_diverged == sampler_config.num_chains {
        fail_trace.extend(done.judgement.findings.iter().map(|f| format!("{}\n", f.explanation)));
    }
    fail_trace.extend(trained.iter().flat_map(|trained| trained.failure.clone()));
    let is_interrupted = done.is_interrupted || trained.as_ref().is_some_and(|trained| trained.is_interrupted);
    let status = match (is_interrupted, fail_trace.is_empty()) {
        (true, _) => Status::Interrupted,
        (false, false) => Status::Failed,
        (false, true) => Status::Completed,
    };
    let has_diverged = done.num_diverged > 0 || trained.as_ref().is_some_and(|trained| trained.has_diverged);
    let mut point = report::point(config, &done, measured);
    point.estimate.timing.data_s = Some(problem.data_s);
    point.estimate.judgement.notes.extend(known.note());
    let found = Dln {
        network: config.model().dims().to_vec(),
        truth: config.truth().kind.name().to_owned(),
        n: config.data().num_training_data,
        d: config.model().num_parameters(),
        chains: config.sampler().into(),
        lambda_at_n_beta: known.coefficient.finite_n(config.n_beta()),
        relative_error: (done.llc.mean - known.coefficient.lambda_f64()) / known.coefficient.lambda_f64(),
        known: report::known(&known),
        init_loss: problem.chains.plan.init_loss,
        point,
        trained: trained.map(|trained| trained.report),
    };
    let report = session::report(DlnConfig::EXPERIMENT, config.seed(), found, status, observers);
    let shown = table::render(&report);
    session::end(context, observers, (&report, &shown), &fail_trace)?;
    Ok(match status {
        Status::Interrupted => Outcome::Interrupted,
        _ if has_diverged => Outcome::Diverged,
        // The first estimate stands in the report, but what was asked for is not all there.
        Status::Failed => {
            fail_trace.iter().for_each(|line| eprint!("error: {line}"));
            Outcome::Failed
        }
        Status::Completed => Outcome::Done,
    })
}

/// Seconds that the training is expected to take, from the cost of one gradient.
fn training_seconds(config: &DlnConfig, problem: &mut Problem) -> anyhow::Result<f64> {
    let Training::On(how) = config.train() else { return Ok(0.0) };
    let indices: Vec<u64> = (0..how.batch_size as u64).collect();
    let batch = Batch::Minibatch { key: problem.chains.key, indices: &indices };
    tch::set_num_threads(train::num_threads(config));
    let pass_s = estimate::seconds_per_pass(&mut problem.target, GradientNeed::Minibatch, batch);
    tch::set_num_threads(config.run().threads as i32);
    Ok(pass_s? * how.num_steps as f64)
}
