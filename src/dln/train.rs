//! Trains a network of the problem's widths from a random start on the problem's data, and makes its end a point to sample around.
//!
//! The start is drawn as a random truth is, from its own stream; the targets are those of the true parameter.

use std::sync::atomic::AtomicBool;

use super::Problem;
use crate::config::DlnConfig;
use crate::config::dln::{OptimizerConfig, TrainConfig, Truth};
use crate::journal::Journal;
use crate::model::deep_linear::draw_truth;
use crate::observe::{Event, Observers};
use crate::params::Params;
use crate::rng::{Key, Role};
use crate::run::Chains;
use crate::target::{Batch, DeepLinear, Target, TargetError};
use crate::tensors::Tensors;
use crate::train::{Adam, Losses, Optimizer, Progress, Sgd, TrainError, Trained, Trainer};

/// Trains as `config` and its `train` say, in the run's precision and on its device. The losses go to `observers`, what a run that is
/// resumed needs to `journal`.
///
/// # Errors
/// [`TrainError::Diverged`] where the loss was no longer finite; whatever the target reports.
pub fn train(
    config: &DlnConfig,
    train: &TrainConfig,
    target: &mut DeepLinear,
    journal: &Journal,
    cancel: &AtomicBool,
    observers: &mut Observers,
) -> Result<Trained, TrainError> {
    let key = Key::new(config.seed());
    let like = target.local().w_star();
    let (kind, device) = (like.kind(), like.device());
    let start = draw_truth(&Truth::Random, key.role(Role::Init), &config.model().dims()).map_err(TargetError::from)?;
    let start = start.w_star.to(kind, device).map_err(TargetError::from)?;
    let num_steps = train.num_steps as u64;
    let trainer = Trainer {
        key: key.role(Role::Training),
        first_step: 0,
        num_steps,
        has_next: false,
        batch_size: Some(train.batch_size),
        learning_rate: train.learning_rate.get(),
    };
    let mut optimizer: Box<dyn Optimizer> = match train.optimizer {
        OptimizerConfig::Sgd { momentum } => Box::new(Sgd::new(momentum)),
        OptimizerConfig::Adam => Box::new(Adam::new()),
    };
    observers.emit(&Event::Stage("training a network from a random start"));
    tch::set_num_threads(num_threads(config));
    let mut on_progress = |progress: Progress| match progress {
        Progress::Losses(Losses { first_step, loss }) => {
            observers.emit(&Event::Training { first_step, num_steps, loss });
        }
        Progress::Saving => observers.emit(&Event::Saving),
    };
    let mut entry = journal.entry("training");
    let trained = trainer.run(optimizer.as_mut(), target, start, &mut entry, cancel, &mut on_progress);
    tch::set_num_threads(config.run().threads as i32);
    trained
}

/// Threads that a training uses: threads that wait for each other cost small products many times what they save.
pub fn num_threads(config: &DlnConfig) -> i32 {
    config.run().threads_for(config.model().num_parameters()) as i32
}

/// What is sampled around the trained point `w`: the same loss, chains of the same length, random numbers of their own.
///
/// # Errors
/// Errors of the target.
pub fn around(problem: &Problem, w: Params) -> Result<(DeepLinear, Chains), TargetError> {
    let mut target = problem.target.around(w.try_clone()?)?;
    let mut chains = problem.chains.clone();
    chains.key = chains.key.role(Role::Trained);
    chains.store = chains.store.stage("trained");
    chains.plan.init_loss = target.loss(&w, Batch::Full)?;
    Ok((target, chains))
}
