//! Trains a network where the run asks for it, and estimates λ at the point where the training ends.

use llc::config::DlnConfig;
use llc::config::dln::{Switch, TrainConfig};
use llc::dln::{Problem, train};
use llc::estimate::{self, EstimateError};
use llc::kernel::KernelError;
use llc::observe::{Event, Observers, PointInfo};
use llc::target::Target as _;
use llc::train::TrainError;
use llc::update;
use serde_json::{Value, json};

use super::{measured, report};
use crate::cli::Context;

/// What became of the second point.
pub struct Trained {
    /// The report's `trained`.
    pub report: Value,
    /// Whether a signal ended it early.
    pub is_interrupted: bool,
    /// Chains whose loss was no longer finite.
    pub num_diverged: usize,
    /// Why there is no estimate, if there is none; one line each.
    pub failure: Vec<String>,
}

impl Trained {
    /// Whether some loss was no longer finite: of the training, or of a chain.
    pub fn has_diverged(&self) -> bool {
        self.num_diverged > 0 || !self.failure.is_empty()
    }
}

/// Trains as `how` says, and samples around the end as around w*.
pub fn run(
    config: &DlnConfig,
    how: &TrainConfig,
    problem: &mut Problem,
    context: &Context,
    observers: &mut Observers,
) -> anyhow::Result<Trained> {
    let trained = match train::train(config, how, &mut problem.target, &context.cancel, observers) {
        Ok(trained) => trained,
        Err(error @ TrainError::Diverged { step, .. }) => {
            let facts = json!({"train_loss": null, "distance": null, "num_steps": step});
            return Ok(diverged(facts, error.to_string()));
        }
        Err(error) => return Err(error.into()),
    };
    let distance = update::squared_distance(&trained.w, problem.target.local().w_star())?.sqrt();
    let (mut target, chains) = train::around(problem, trained.w)?;
    measured::save(config, "trained_param.npz", target.local().w_star(), observers)?;
    let facts = json!({
        "train_loss": chains.plan.init_loss,
        "distance": distance,
        "num_steps": trained.num_steps,
        "train_s": trained.train_s,
    });
    if trained.is_cancelled {
        let note = format!(
            "interrupted after {} of {} training steps: nothing was sampled there",
            trained.num_steps, how.num_steps
        );
        let none = json!({
            "llc": null, "verdict": "not_trusted", "reasons": [], "explanations": [], "notes": [note],
        });
        return Ok(Trained {
            report: report::merged(facts, none),
            is_interrupted: true,
            num_diverged: 0,
            failure: Vec::new(),
        });
    }
    observers.emit(&Event::Stage("sampling around the trained point"));
    observers.emit(&Event::Point(&PointInfo { name: "trained".to_owned(), init_loss: chains.plan.init_loss }));
    let check = config.sampler().check_localisation == Switch::On;
    let sampler = problem.sampler.as_ref();
    let done = match estimate::estimate(&mut target, sampler, &chains, check, &context.cancel, observers) {
        Ok(done) => done,
        // The estimate at w* is not to be lost over a point so far out that nothing around it is finite.
        Err(error @ EstimateError::Probe(KernelError::Diverged)) => return Ok(diverged(facts, error.to_string())),
        Err(error) => return Err(error.into()),
    };
    let measured = measured::measure(config, &mut target, chains.key, context, observers)?;
    let has_failed = done.num_diverged == chains.num_chains;
    let explanations = done.judgement.findings.iter().map(|f| format!("at the trained point: {}\n", f.explanation));
    Ok(Trained {
        is_interrupted: done.is_interrupted,
        num_diverged: done.num_diverged,
        failure: if has_failed { explanations.collect() } else { Vec::new() },
        report: report::merged(facts, report::point(config, &done, measured)),
    })
}

/// What is said where there is nothing finite to sample around.
fn diverged(facts: Value, why: String) -> Trained {
    let none = json!({
        "llc": null, "verdict": "not_trusted", "reasons": ["diverged"], "explanations": [why], "notes": [],
    });
    Trained {
        report: report::merged(facts, none),
        is_interrupted: false,
        num_diverged: 0,
        failure: vec![format!("at the trained point: {why}\n")],
    }
}
