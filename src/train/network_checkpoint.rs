//! Saves a training and continues with it, bit for bit on the CPU at the same number of threads.
//!
//! What a step needs is in the checkpoint: parameters, running statistics, the optimiser's state, the number of steps. The order of the
//! samples, dropout and augmentation are functions of the seed and the step. What would silently make it another training (another
//! seed, other samples, another size of minibatch, another optimiser) is refused; a learning rate, a schedule or a length may change.
//!
//! *Tested by* a stop in the middle of an epoch for every optimiser, in `network_tests`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tch::Tensor;

use super::{NetworkTrainer, OptimizerState, Running, TrainError, WeightNoise};
use crate::checkpoint::{Checkpoint, CheckpointError, load_into};
use crate::config::network::trained_on::{Deviations, TrainedOn};
use crate::model::ModelSpec;
use crate::tensors::Tensors;

/// What the header says of a training, under the key `training`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Facts {
    /// Whole epochs made.
    epoch: u64,
    /// Steps made.
    step: u64,
    runtime_s: f64,
    /// Names the stream of the order: trainings of one seed share it.
    stream: String,
    num_samples: u64,
    batch_size: u64,
    optimizer: String,
    optimizer_steps: i32,
    /// What the current epoch's steps measured: number of samples, sum of losses, number right, gradient norm.
    running: (u64, f64, f64, f64),
}

/// Key of the header that holds [`Facts`].
const FACTS: &str = "training";
/// What the optimiser's tensors are called in [`Checkpoint::from_parts`], before their own names.
const OPTIMIZER: &str = "optimizer.";
/// The same of θ, where a parametrisation moves that.
const THETA: &str = "theta";
const READ_THETA: &str = "train.theta";
/// The same where a checkpoint was read: it marks what is not a network's.
const READ_OPTIMIZER: &str = "train.optimizer.";
/// The same of the noise on the weights, and the header's key for the steps of its optimiser.
const NOISE: &str = "noise.";
const READ_NOISE: &str = "train.noise.";
const NOISE_STEPS: &str = "noise_steps";

/// Why a training can't be saved, or can't continue from a checkpoint.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResumeError {
    /// The tensors are none of this network, or can't be read.
    #[error(transparent)]
    Checkpoint(Box<CheckpointError>),
    /// There are parameters, but nothing says how far the training was.
    #[error("the checkpoint has no training to continue; `llc estimate --checkpoint` can use it")]
    NoTraining,
    /// It is another training.
    #[error("the checkpoint is of a training with {what} {found}, not {expected}: give the settings of that training")]
    Other { what: &'static str, found: String, expected: String },
    /// It is on other samples, or of another loss.
    #[error(
        "the checkpoint is of another training: {0}; leave the flag out, give the training's value, or start a new training"
    )]
    Deviates(Deviations),
}

impl From<CheckpointError> for ResumeError {
    fn from(error: CheckpointError) -> ResumeError {
        ResumeError::Checkpoint(Box::new(error))
    }
}

impl NetworkTrainer {
    /// All that is needed to resume from here, and to use the network; `spec` names it, `facts` are whatever else is to be known.
    ///
    /// # Errors
    /// [`CheckpointError`], where libtorch refuses.
    pub fn save(&self, spec: &ModelSpec, mut facts: Map<String, Value>) -> Result<Checkpoint, CheckpointError> {
        let OptimizerState { num_steps, tensors } = self.optimizer.state();
        let Running { num_samples, loss_sum, num_correct, gradient_norm } = self.running;
        let training = Facts {
            epoch: self.num_epochs(),
            step: self.step,
            runtime_s: self.runtime_s,
            optimizer_steps: num_steps,
            running: (num_samples, loss_sum, num_correct, gradient_norm),
            ..self.identity()
        };
        // Numbers and text: there is nothing to refuse.
        facts.insert(FACTS.to_owned(), serde_json::to_value(training).unwrap_or_default());
        self.trained_on().insert_into(&mut facts);
        let theta = self.moved.iter().map(|_| (THETA.to_owned(), self.theta().flat().shallow_clone()));
        let state = tensors.into_iter().map(|(name, tensor)| (format!("{OPTIMIZER}{name}"), tensor));
        let extras: Vec<(String, Tensor)> = theta.chain(state).collect();
        let noise = self.noise.as_ref().map(WeightNoise::state);
        facts.insert(NOISE_STEPS.to_owned(), noise.as_ref().map_or(0, |state| state.num_steps).into());
        let of_noise = noise.into_iter().flat_map(|state| state.tensors);
        let extras =
            extras.into_iter().chain(of_noise.map(|(name, tensor)| (format!("{NOISE}{name}"), tensor))).collect();
        Checkpoint::from_parts(spec, &self.w, &self.buffers, facts, extras)
    }

    /// Goes on from where `checkpoint` was saved; what this trainer did before is forgotten.
    ///
    /// # Errors
    /// [`ResumeError`]: a checkpoint of another network or another training; whatever libtorch reports.
    pub fn resume(&mut self, checkpoint: &Checkpoint) -> Result<(), TrainError> {
        let (w, buffers) = load_into(checkpoint, &self.network).map_err(ResumeError::from)?;
        let facts = checkpoint.header.facts.get(FACTS).cloned().ok_or(ResumeError::NoTraining)?;
        let facts: Facts = serde_json::from_value(facts).map_err(|_| ResumeError::NoTraining)?;
        self.check_identity(&facts)?;
        self.check_trained_on(checkpoint)?;
        let state = self.state_in(checkpoint, READ_OPTIMIZER, facts.optimizer_steps)?;
        let noise_steps = checkpoint.header.facts.get(NOISE_STEPS).and_then(Value::as_i64).unwrap_or(0);
        let of_noise = self.state_in(checkpoint, READ_NOISE, i32::try_from(noise_steps).unwrap_or(0))?;
        self.set_parameters(checkpoint, &w, &buffers)?;
        if let Some(moved) = &mut self.moved {
            let theta = moved.parametrisation.theta_mut();
            let kept = checkpoint.tensor(READ_THETA).filter(|kept| kept.shape == [theta.len()]);
            theta.flat().shallow_clone().f_copy_(&kept.ok_or(ResumeError::NoTraining)?.to_tensor()?)?;
        }
        self.optimizer.restore(&state)?;
        self.noise.as_mut().map_or(Ok(()), |noise| noise.restore(&of_noise))?;
        let (num_samples, loss_sum, num_correct, gradient_norm) = facts.running;
        self.running = Running { num_samples, loss_sum, num_correct, gradient_norm };
        self.step = facts.step;
        self.runtime_s = facts.runtime_s;
        Ok(())
    }

    /// The tensors of `checkpoint` whose names begin with `prefix`, each as long as what is moved.
    fn state_in(&self, checkpoint: &Checkpoint, prefix: &str, num_steps: i32) -> Result<OptimizerState, TrainError> {
        let d = self.theta().len();
        let mut state = OptimizerState { num_steps, tensors: Vec::new() };
        for tensor in &checkpoint.tensors {
            let Some(name) = tensor.name.strip_prefix(prefix) else { continue };
            if tensor.shape != [d] {
                let (found, expected) = (format!("{name} of shape {:?}", tensor.shape), format!("[{d}]"));
                return Err(ResumeError::Other { what: "an optimiser's state", found, expected }.into());
            }
            let on_device = tensor.to_tensor()?.f_to_device(self.w.device())?.f_to_kind(self.w.kind())?;
            state.tensors.push((name.to_owned(), on_device));
        }
        Ok(state)
    }

    /// Takes the parameters and statistics over; those of a training in f64 without rounding.
    fn set_parameters(
        &mut self,
        checkpoint: &Checkpoint,
        w: &crate::params::Params,
        buffers: &crate::model::Buffers,
    ) -> Result<(), TrainError> {
        self.w.copy_from(w)?;
        self.buffers = buffers.to(self.plan.objective.kind(), self.plan.device)?;
        if self.w.kind() == tch::Kind::Double {
            for (spec, view) in self.w.layout().specs().iter().zip(self.w.views()) {
                if let Some(exact) = checkpoint.tensor(&spec.name) {
                    view.shallow_clone().f_copy_(&exact.to_tensor()?.f_view(spec.shape.as_slice())?)?;
                }
            }
            let names: Vec<String> = self.buffers.tensors().map(|(name, _)| name.to_owned()).collect();
            for name in names {
                if let Some(exact) = checkpoint.tensor(&name) {
                    self.buffers.set(&name, &exact.to_tensor()?)?;
                }
            }
        }
        Ok(())
    }

    /// What it is trained on and towards, which every checkpoint carries.
    pub fn trained_on(&self) -> TrainedOn {
        TrainedOn::new(&self.plan.objective.loss, self.samples().origin())
    }

    /// Refuses a checkpoint of a training on other samples or towards the minimum of another loss.
    fn check_trained_on(&self, checkpoint: &Checkpoint) -> Result<(), ResumeError> {
        let Some(before) = TrainedOn::of(&checkpoint.header) else { return Ok(()) };
        let deviations = before.deviations(self.samples().origin(), &self.plan.objective.loss);
        match deviations.is_empty() {
            true => Ok(()),
            false => Err(ResumeError::Deviates(Deviations(deviations))),
        }
    }

    /// What must agree for a training to be the same.
    fn identity(&self) -> Facts {
        Facts {
            epoch: 0,
            step: 0,
            runtime_s: 0.0,
            stream: format!("{:016x}", self.plan.key.word(0)),
            num_samples: self.num_samples(),
            batch_size: self.plan.batch_size,
            optimizer: self.plan.optimizer.name().to_owned(),
            optimizer_steps: 0,
            running: (0, 0.0, 0.0, 0.0),
        }
    }

    fn check_identity(&self, found: &Facts) -> Result<(), ResumeError> {
        let expected = self.identity();
        let texts = |facts: &Facts| {
            [
                ("a seed whose stream is", facts.stream.clone()),
                ("a number of training samples of", facts.num_samples.to_string()),
                ("a minibatch size of", facts.batch_size.to_string()),
                ("the optimiser", facts.optimizer.clone()),
            ]
        };
        let differing = texts(found).into_iter().zip(texts(&expected)).find(|(found, expected)| found != expected);
        match differing {
            Some(((what, found), (_, expected))) => Err(ResumeError::Other { what, found, expected }),
            None => Ok(()),
        }
    }
}
