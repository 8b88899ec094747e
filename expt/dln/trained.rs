//! Trains a network where the run asks for it, and estimates λ at the point where the training ends.

use llc::config::DlnConfig;
use llc::config::Switch;
use llc::config::dln::TrainConfig;
use llc::dln::{Problem, train};
use llc::estimate;
use llc::observe::{Event, Observers, PointInfo, Status, forward};
use llc::report::Judgement;
use llc::report::dln::{self, Outcome, Training};
use llc::target::Target as _;
use llc::train::TrainError;
use llc::update;
use llc::verdict::Verdict;

use super::{measured, report};
use crate::cli::Context;
use crate::session;

/// What became of the second point.
pub struct Trained {
    /// The report's `trained`.
    pub report: dln::Trained,
    /// Whether a signal ended it early.
    pub is_interrupted: bool,
    /// Whether some loss was no longer finite: of the training, or of a chain.
    pub has_diverged: bool,
    /// Why there is no estimate, if there is none; one line each.
    pub failure: Vec<String>,
}

/// Trains as `how` says, and samples around the end as around w*. Whatever fails here costs this point alone: the estimate at w* is not
/// to be lost over it.
pub fn run(
    config: &DlnConfig,
    how: &TrainConfig,
    problem: &mut Problem,
    context: &Context,
    observers: &mut Observers,
) -> Trained {
    let mut facts = Training::default();
    match try_run(config, how, problem, context, observers, &mut facts) {
        Ok(trained) => trained,
        Err(error) => failed(facts, &error),
    }
}

/// As [`run`]; `facts` are what is known of the training, also where it ends in an error.
fn try_run(
    config: &DlnConfig,
    how: &TrainConfig,
    problem: &mut Problem,
    context: &Context,
    observers: &mut Observers,
    facts: &mut Training,
) -> anyhow::Result<Trained> {
    let journal = session::journal(context, observers, config);
    let trained = match train::train(config, how, &mut problem.target, &journal, &context.cancel, observers) {
        Ok(trained) => trained,
        Err(error) => {
            if let TrainError::Diverged { step, .. } = error {
                facts.num_steps = Some(step);
            }
            return Err(error.into());
        }
    };
    facts.num_steps = Some(trained.num_steps);
    facts.train_s = Some(trained.train_s);
    facts.distance = Some(update::squared_distance(&trained.w, problem.target.local().w_star())?.sqrt());
    let (mut target, chains) = train::around(problem, trained.w)?;
    facts.train_loss = Some(chains.plan.init_loss);
    measured::save(config, "trained_param.npz", target.local().w_star(), observers)?;
    if trained.is_cancelled {
        let note = format!(
            "interrupted after {} of {} training steps: nothing was sampled at the trained point",
            trained.num_steps, how.num_steps
        );
        return Ok(Trained {
            report: nothing(facts.clone(), Status::Interrupted, None, vec![note]),
            is_interrupted: true,
            has_diverged: false,
            failure: Vec::new(),
        });
    }
    observers.emit(&Event::Stage("sampling around the trained point"));
    observers.emit(&Event::Point(&PointInfo {
        name: "trained".to_owned(),
        init_loss: chains.plan.init_loss,
        n_beta: None,
    }));
    let check = config.sampler().check_localisation == Switch::On;
    let sampler = problem.sampler.as_ref();
    let done = estimate::estimate(&mut target, sampler, &chains, check, &context.cancel, &mut forward(observers))?;
    let measured = measured::measure(config, "trained", &mut target, chains.key, context, observers);
    let has_failed = done.num_diverged == chains.num_chains;
    let status = match (done.is_interrupted, has_failed) {
        (true, _) => Status::Interrupted,
        (false, true) => Status::Failed,
        (false, false) => Status::Completed,
    };
    let explanations = done.judgement.findings.iter().map(|f| format!("at the trained point: {}\n", f.explanation));
    Ok(Trained {
        is_interrupted: done.is_interrupted,
        has_diverged: done.num_diverged > 0,
        failure: if has_failed { explanations.collect() } else { Vec::new() },
        report: dln::Trained {
            training: facts.clone(),
            status,
            outcome: Outcome::Estimated(Box::new(report::point(config, &done, measured))),
        },
    })
}

/// What is said where there is no estimate because of `error`.
fn failed(facts: Training, error: &anyhow::Error) -> Trained {
    let has_diverged = session::has_diverged(error);
    let reason = if has_diverged { "diverged" } else { "failed" };
    // libtorch adds a stack trace below its own line.
    let text = error.to_string();
    let why = text.lines().next().unwrap_or("unknown");
    Trained {
        report: nothing(facts, Status::Failed, Some((reason, why)), Vec::new()),
        is_interrupted: false,
        has_diverged,
        failure: vec![format!("at the trained point: {why}\n")],
    }
}

/// The point without an estimate, because of a reason with its explanation, if it is not that of a signal.
fn nothing(training: Training, status: Status, reason: Option<(&str, &str)>, notes: Vec<String>) -> dln::Trained {
    let judgement = Judgement {
        verdict: Verdict::NotTrusted,
        reasons: reason.iter().map(|(reason, _)| (*reason).to_owned()).collect(),
        explanations: reason.iter().map(|(_, why)| (*why).to_owned()).collect(),
        notes,
    };
    dln::Trained { training, status, outcome: Outcome::Nothing { llc: (), judgement } }
}

#[cfg(test)]
mod tests {
    use llc::estimate::EstimateError;
    use llc::kernel::KernelError;

    use super::*;

    #[test]
    fn a_chain_without_a_step_size_is_a_failed_point_and_not_a_diverged_one() {
        let error = KernelError::NoStepSize { smallest: 1e-9, largest: 1.0 };
        let error = EstimateError::Chain { chain: 2, num_draws: 0, error };
        let trained = failed(Training { num_steps: Some(10), ..Training::default() }, &error.into());
        assert_eq!(trained.report.outcome.judgement().reasons, ["failed"]);
        let report = serde_json::json!(trained.report);
        assert_eq!((&report["status"], &report["num_steps"]), (&"FAILED".into(), &10.into()));
        assert_eq!(report["llc"], serde_json::Value::Null);
        assert!(!trained.has_diverged && !trained.is_interrupted);
        let line = &trained.failure[0];
        assert!(line.starts_with("at the trained point: chain 2, after 0 draws: no step size"), "{line}");
        let diverged = failed(Training::default(), &EstimateError::Probe(KernelError::Diverged).into());
        assert!(diverged.has_diverged && diverged.report.outcome.judgement().has_diverged());
    }
}
