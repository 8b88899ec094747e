//! Trains a network on labelled samples, epoch by epoch: the trainer that every experiment on images shares.
//!
//! A step takes a minibatch of an [`EpochOrder`], a pass in [`Mode::Train`] (batch statistics, dropout, augmentation), the gradient of
//! the mean loss, and the optimiser's move at the epoch's learning rate. The order, dropout and augmentation are functions of a key and
//! the step, so that a training that continues from a [checkpoint](super::network_checkpoint) is the one that was never stopped.
//!
//! No step waits for a GPU: measurements stay there and are read every [`READ_EVERY`] steps, so that a loss that is not finite may
//! be noticed several steps late; the error names the right one.
//!
//! *Tested by* a linear network's steps against gradients by hand, resuming bit for bit, divergence and cancelling, in `network_tests`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use tch::{Device, Kind, TchError, Tensor};

use super::measured::Unread;
use super::objective::{Objective, Target, num_correct, rows};
use super::running::{Running, StepLosses};
use super::{EpochOrder, Evaluation, Optimizer, Parametrisation, TrainError, WeightNoise, evaluate, memory, optimizer};
use crate::config::dln::OptimizerConfig;
use crate::config::network::{BatchSize, Length, TrainConfig};
use crate::data::Augmentation;
use crate::model::{Buffers, Mode, Network};
use crate::params::Params;
use crate::rng::{Key, Role};
use crate::samples::Samples;
use crate::schedule::Schedule;
use crate::tensors::Tensors;

/// Steps between two readings of a GPU's measurements.
const READ_EVERY: usize = 50;

/// A network in training.
pub struct NetworkTrainer {
    pub(super) network: Arc<Network>,
    pub(super) w: Params,
    pub(super) buffers: Buffers,
    pub(super) optimizer: Box<dyn Optimizer>,
    pub(super) plan: Plan,
    /// Steps made.
    pub(super) step: u64,
    pub(super) running: Running,
    /// Seconds that the steps took, including those before a stop.
    pub(super) runtime_s: f64,
    samples: Samples,
    /// Probabilities instead of the labels, shape `[n, num_outputs]`.
    soft_targets: Option<Tensor>,
    /// All samples, if a step uses all of them.
    whole: Option<(Tensor, Tensor)>,
    order: EpochOrder,
    grad: Params,
    pub(super) unread: Vec<Unread>,
    /// Noise on the weights, in steps only.
    pub(super) noise: Option<WeightNoise>,
    pub(super) moved: Option<Moved>,
}

/// The parametrisation that the optimiser moves instead of the parameters, and its gradient.
pub(super) struct Moved {
    pub parametrisation: Box<dyn Parametrisation>,
    grad: Params,
}

/// The constants of a training.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub objective: Objective,
    pub optimizer: OptimizerConfig,
    pub learning_rate: f64,
    pub schedule: Schedule,
    pub batch_size: u64,
    pub num_steps: u64,
    pub augmentation: Option<Augmentation>,
    /// The stream of the order, of dropout and of augmentation.
    pub key: Key,
    pub device: Device,
}

/// Why a part of a training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// At the end of an epoch, or of the whole training.
    Epoch,
    /// After the requested number of steps.
    Steps,
    /// Cancelled.
    Cancelled,
}

impl NetworkTrainer {
    /// Trains `network` from a random start on `samples` with `config`; `key` is that of the run's seed.
    ///
    /// # Errors
    /// [`TrainError::Data`] if the samples don't fit the network; errors of libtorch.
    pub fn new(
        network: Arc<Network>,
        samples: Samples,
        config: &TrainConfig,
        key: Key,
        device: Device,
    ) -> Result<NetworkTrainer, TrainError> {
        evaluate::check_fit(&network, &samples)?;
        let objective = Objective {
            loss: config.loss.clone(),
            precision: config.precision,
            has_channels_last: config.has_channels_last,
        };
        let n = samples.len() as u64;
        let batch_size = match config.batch_size {
            BatchSize::Full(_) => n,
            BatchSize::Samples(batch_size) => (batch_size as u64).min(n),
        };
        let w = network.init(key.role(Role::Init))?.to(objective.kind(), device)?;
        let buffers = network.initial_buffers()?.to(objective.kind(), device)?;
        let key = key.role(Role::Training);
        let order = EpochOrder::new(key, n, batch_size);
        let num_steps = match config.length {
            Length::Epochs(num_epochs) => num_epochs.saturating_mul(order.num_batches()),
            Length::Steps(num_steps) => num_steps,
        };
        let plan = Plan {
            objective,
            optimizer: config.optimizer,
            learning_rate: config.learning_rate.get(),
            schedule: config.schedule.clone(),
            batch_size,
            num_steps,
            augmentation: config.has_augmentation.then_some(Augmentation::CIFAR10),
            key,
            device,
        };
        Ok(NetworkTrainer {
            grad: w.zeros_like()?,
            optimizer: optimizer::of(config),
            network,
            w,
            buffers,
            plan,
            step: 0,
            running: Running::default(),
            runtime_s: 0.0,
            samples,
            soft_targets: None,
            whole: None,
            order,
            unread: Vec::new(),
            moved: None,
            noise: None,
        })
    }

    /// The same training of a `parametrisation`, which sets the network's parameters in every step.
    ///
    /// # Errors
    /// Errors of libtorch.
    pub fn with_parametrisation(
        mut self,
        parametrisation: Box<dyn Parametrisation>,
    ) -> Result<NetworkTrainer, TrainError> {
        let grad = parametrisation.theta().zeros_like()?;
        self.moved = Some(Moved { parametrisation, grad });
        Ok(self)
    }

    /// The same training from another start.
    ///
    /// # Errors
    /// Errors of libtorch.
    pub fn with_start(mut self, w: &Params, buffers: &Buffers) -> Result<NetworkTrainer, TrainError> {
        self.w.copy_from(w)?;
        self.buffers = buffers.to(self.plan.objective.kind(), self.plan.device)?;
        Ok(self)
    }

    /// The same training towards the probabilities `targets`, shape `[n, num_outputs]`, instead of the labels; accuracies are still
    /// against the labels.
    ///
    /// # Errors
    /// Errors of libtorch; [`TrainError::Data`] for another shape.
    pub fn with_soft_targets(mut self, targets: &Tensor) -> Result<NetworkTrainer, TrainError> {
        let expected = [self.samples.len() as i64, self.network.num_outputs() as i64];
        if targets.size() != expected {
            let reason = format!("soft targets of shape {:?}, not {expected:?}", targets.size());
            return Err(TrainError::Data { reason });
        }
        self.soft_targets = Some(targets.f_to_device(self.plan.device)?.f_to_kind(self.plan.objective.kind())?);
        Ok(self)
    }

    /// The network.
    pub fn network(&self) -> &Arc<Network> {
        &self.network
    }

    /// Its current parameters; under a parametrisation those that were set last.
    pub fn w(&self) -> &Params {
        &self.w
    }

    /// The parameters that the optimiser moves: the network's, or θ of the parametrisation.
    pub fn theta(&self) -> &Params {
        self.moved.as_ref().map_or(&self.w, |moved| moved.parametrisation.theta())
    }

    /// Its current running statistics.
    pub fn buffers(&self) -> &Buffers {
        &self.buffers
    }

    /// The training samples.
    pub fn samples(&self) -> &Samples {
        &self.samples
    }

    /// Number of training samples.
    pub fn num_samples(&self) -> u64 {
        self.samples.len() as u64
    }

    /// How its losses are computed.
    pub fn objective(&self) -> Objective {
        self.plan.objective.clone()
    }

    /// Steps made.
    pub fn num_steps(&self) -> u64 {
        self.step
    }

    /// Steps planned.
    pub fn num_steps_planned(&self) -> u64 {
        self.plan.num_steps
    }

    /// Whole epochs made.
    pub fn num_epochs(&self) -> u64 {
        self.step / self.order.num_batches()
    }

    /// Steps of an epoch.
    pub fn num_steps_per_epoch(&self) -> u64 {
        self.order.num_batches()
    }

    /// Samples of all steps so far.
    pub fn num_samples_seen(&self) -> u64 {
        let rest = (self.step % self.order.num_batches()) * self.plan.batch_size;
        self.num_epochs() * self.num_samples() + rest
    }

    /// Epochs planned; the last one may be incomplete.
    pub fn num_epochs_planned(&self) -> u64 {
        self.plan.num_steps.div_ceil(self.order.num_batches())
    }

    /// Whether all steps are made.
    pub fn is_finished(&self) -> bool {
        self.step >= self.plan.num_steps
    }

    /// Samples of a step.
    pub fn batch_size(&self) -> u64 {
        self.plan.batch_size
    }

    /// The learning rate of the next step.
    pub fn learning_rate(&self) -> f64 {
        self.plan.schedule.rate(self.plan.learning_rate, self.num_epochs())
    }

    /// Returns an error if `loss`, measured at the current point, is not finite. A step measures the point before it, so the result of
    /// the last step would otherwise go unchecked.
    ///
    /// # Errors
    /// [`TrainError::Diverged`].
    pub fn ensure_finite(&self, loss: f64) -> Result<(), TrainError> {
        match loss.is_finite() {
            true => Ok(()),
            false => Err(TrainError::Diverged { step: self.step, loss, learning_rate: self.learning_rate_before() }),
        }
    }

    /// The learning rate of the last step; the next step may be in another epoch.
    pub(super) fn learning_rate_before(&self) -> f64 {
        let epoch = self.step.saturating_sub(1) / self.order.num_batches();
        self.plan.schedule.rate(self.plan.learning_rate, epoch)
    }

    /// The measurements of the steps in the current epoch; right after an epoch's last step, of that whole epoch.
    pub fn running(&self) -> Running {
        self.running
    }

    /// Seconds that the steps took.
    pub fn runtime_s(&self) -> f64 {
        self.runtime_s
    }

    /// Trains to the end of the epoch, or of the training; cancelled, to the end of the current step.
    ///
    /// # Errors
    /// [`TrainError`].
    pub fn epoch(&mut self, cancel: &AtomicBool, on_losses: &mut dyn FnMut(StepLosses)) -> Result<Stop, TrainError> {
        self.advance(u64::MAX, cancel, on_losses)
    }

    /// Trains for `num_steps` steps, but not beyond the end of the epoch or of the training.
    ///
    /// # Errors
    /// [`TrainError`].
    pub fn advance(
        &mut self,
        num_steps: u64,
        cancel: &AtomicBool,
        on_losses: &mut dyn FnMut(StepLosses),
    ) -> Result<Stop, TrainError> {
        let began = Instant::now();
        let trained = self.try_advance(num_steps, cancel, on_losses);
        self.runtime_s += began.elapsed().as_secs_f64();
        trained
    }

    fn try_advance(
        &mut self,
        num_steps: u64,
        cancel: &AtomicBool,
        on_losses: &mut dyn FnMut(StepLosses),
    ) -> Result<Stop, TrainError> {
        let end_of_epoch = (self.num_epochs() + 1).saturating_mul(self.order.num_batches()).min(self.plan.num_steps);
        let end = self.step.saturating_add(num_steps).min(end_of_epoch);
        let read_every = if self.plan.device == Device::Cpu { 1 } else { READ_EVERY };
        while self.step < end {
            if cancel.load(Ordering::Relaxed) {
                self.read(on_losses)?;
                return Ok(Stop::Cancelled);
            }
            self.step()?;
            if self.unread.len() >= read_every {
                self.read(on_losses)?;
            }
        }
        self.read(on_losses)?;
        Ok(if self.step == end_of_epoch { Stop::Epoch } else { Stop::Steps })
    }

    /// Makes one step. Its measurements are in [`NetworkTrainer::running`] after the next [`NetworkTrainer::read`].
    fn step(&mut self) -> Result<(), TrainError> {
        let (epoch, batch) = (self.num_epochs(), self.step % self.order.num_batches());
        if batch == 0 {
            self.running = Running::default();
        }
        let indices = match self.order.num_batches() {
            1 => (0..self.num_samples()).collect(),
            _ => self.order.at(epoch, batch).to_vec(),
        };
        if let Some(moved) = &mut self.moved {
            moved.parametrisation.place(self.plan.key.step(self.step), &mut self.w)?;
        }
        match self.gradient(&indices, epoch) {
            Ok(measured) => self.unread.push(Unread { step: self.step, num_samples: indices.len() as u64, measured }),
            Err(error) => return Err(self.explained(error, indices.len())),
        }
        let rate = self.learning_rate();
        tch::no_grad(|| match &mut self.moved {
            None => self.optimizer.step(rate, &self.grad, &mut self.w),
            Some(Moved { parametrisation, grad }) => {
                parametrisation.pull_back(&self.w, &self.grad, grad)?;
                self.optimizer.step(rate, grad, parametrisation.theta_mut())
            }
        })?;
        self.noise.as_mut().map_or(Ok(()), |noise| noise.step(rate))?;
        self.step += 1;
        Ok(())
    }

    /// Writes ∇L of the samples `indices` into `grad`, and returns the measurements of the pass.
    fn gradient(&mut self, indices: &[u64], epoch: u64) -> Result<Tensor, TchError> {
        let (x, labels) = self.batch(indices, epoch)?;
        let (objective, key) = (&self.plan.objective, self.plan.key);
        let leaf = |view: &Tensor| view.f_detach()?.f_set_requires_grad(true);
        let leaves: Vec<Tensor> = self.w.views().iter().map(leaf).collect::<Result<_, _>>()?;
        let mode = Mode::Train { key: key.step(self.step) };
        let noise_key = key.role(Role::WeightNoise).step(self.step);
        let noisy = self.noise.as_ref().map(|noise| noise.on(&leaves, noise_key)).transpose()?;
        let weights = noisy.as_ref().map_or(&leaves, |noisy| &noisy.weights);
        let outputs = objective.outputs(&self.network, weights, &mut self.buffers, &x, mode)?;
        let soft = self.soft_targets.as_ref().map(|all| rows(all, indices)).transpose()?;
        let target = soft.as_ref().map_or(Target::Labels(&labels), Target::Soft);
        let loss = objective.losses(&outputs, &target)?.f_mean(None::<Kind>)?;
        let grads = match (&mut self.noise, &noisy) {
            (Some(noise), Some(noisy)) => noise.backward(&loss, &leaves, noisy)?,
            _ => Tensor::f_run_backward(&[&loss], &leaves, false, false)?,
        };
        tch::no_grad(|| {
            let flat = |grad: &Tensor| grad.f_reshape([-1]);
            let grads: Vec<Tensor> = grads.iter().map(flat).collect::<Result<_, _>>()?;
            let _ = Tensor::f_cat_out(self.grad.flat(), &grads, 0)?;
            let norm = self.grad.flat().f_norm()?;
            let measured = [loss, num_correct(&outputs, &labels)?, norm].map(|one| one.f_to_kind(Kind::Double));
            let [loss, correct, norm] = measured;
            Tensor::f_stack(&[loss?, correct?, norm?], 0)
        })
    }

    /// Inputs and labels of the samples `indices`. A batch of all samples is the same in every epoch: it is made once.
    fn batch(&mut self, indices: &[u64], epoch: u64) -> Result<(Tensor, Tensor), TchError> {
        let (kind, device, key) = (self.plan.objective.kind(), self.plan.device, self.plan.key);
        if let Some(how) = &self.plan.augmentation {
            return self.samples.augmented_batch(indices, (how, key, epoch), kind, device);
        }
        if (indices.len() as u64) < self.num_samples() {
            return self.samples.batch(indices, kind, device);
        }
        let (x, labels) = match self.whole.take() {
            Some(whole) => whole,
            None => self.samples.batch(indices, kind, device)?,
        };
        self.whole = Some((x.shallow_clone(), labels.shallow_clone()));
        Ok((x, labels))
    }

    /// Mean loss and accuracy on `samples`, a pure function of the current parameters and statistics.
    ///
    /// # Errors
    /// [`TrainError`].
    pub fn evaluate(&mut self, samples: &Samples) -> Result<Evaluation, TrainError> {
        let Plan { objective, device, .. } = &self.plan;
        evaluate::evaluate(&self.network, &self.w, &mut self.buffers, samples, None, objective, *device)
    }

    /// Mean loss and accuracy on the training data, towards the soft targets if there are some.
    ///
    /// # Errors
    /// [`TrainError`]; [`TrainError::Diverged`] if the loss is not finite.
    pub fn evaluate_train(&mut self) -> Result<Evaluation, TrainError> {
        let Plan { objective, device, .. } = &self.plan;
        let soft = self.soft_targets.as_ref();
        let (w, buffers) = (&self.w, &mut self.buffers);
        let found = evaluate::evaluate(&self.network, w, buffers, &self.samples, soft, objective, *device)?;
        self.ensure_finite(found.loss)?;
        Ok(found)
    }

    /// `error`, or if memory ran out, an error with the largest minibatch that fits.
    fn explained(&mut self, error: TchError, batch_size: usize) -> TrainError {
        if !memory::is_exhausted(&error) {
            return error.into();
        }
        // What a pass does to the statistics no longer matters: there is no training to continue with.
        self.whole = None;
        let fits = memory::largest_fit(batch_size as u64, |size| {
            let indices: Vec<u64> = (0..size).collect();
            self.gradient(&indices, 0).map(drop)
        });
        TrainError::OutOfMemory { batch_size, fits }
    }
}
