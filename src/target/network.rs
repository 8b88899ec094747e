//! Evaluates any network's loss on images around a trained parameter w*, with its gradient by autograd.
//!
//! Normalisation statistics are frozen, so that L is a pure function of w. What is sampled may be a part of the tensors (`--params`):
//! the others stay at their trained values, and λ̂ is then that of the part, a refined coefficient.
//!
//! The losses of all samples at w* are computed once. L_B(w*) is then known for every minibatch B without another pass, so that the
//! control variate of the loss trace costs nothing. Where targets are the network's own outputs at w* (`OwnOutputs`), L(w*) is their mean
//! entropy and w* is a minimum by construction.
//!
//! Losses are summed in f64. Passes before a chain (curvature, descent) look at 512 samples, the same at each call.
//!
//! *Reference*: Wang et al. 2024, <https://arxiv.org/abs/2410.02984>, for refined coefficients.
//! *Tested by*: gradients against finite differences, minibatches against the full set, a part against the whole, in `tests`.

#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::Arc;

use tch::{Device, Kind, TchError, Tensor, no_grad};

use super::{Batch, Centre, LocalPosterior, Target, TargetError, probed};
use crate::config::network::Loss;
use crate::kernel::Precision;
use crate::model::{BufferSpec, Buffers, Mode, Network};
use crate::params::{Layout, Params};
use crate::rng::{Key, Role};
use crate::samples::Samples;
use crate::tensors::Tensors;
use crate::train::{self, Objective};

/// Samples of a pass over all of them at a time: enough for a processor's caches, little memory.
const CHUNK: u64 = 500;

/// What a network is asked to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// The data's labels.
    Labels,
    /// Its own outputs at w*, as probabilities: realisable by construction.
    OwnOutputs,
}

/// A trained network: its parameters and the statistics that go with them.
#[derive(Debug)]
pub struct TrainedNetwork {
    pub network: Arc<Network>,
    pub w: Params,
    pub buffers: Buffers,
}

/// Samples that a network's norms are shown where they have seen none.
const NUM_SEEN_FIRST: u64 = 1000;

impl TrainedNetwork {
    /// Shows the first thousand of `samples` to norms whose statistics start at zero variance (Haiku's) and have seen no batch yet: frozen
    /// as they are, they would magnify every layer by 1/√ε. Other networks, and trained ones, stay as they are.
    ///
    /// # Errors
    /// Errors of libtorch.
    pub fn see_first(&mut self, samples: &Samples, objective: Objective) -> Result<(), TargetError> {
        let is_variance = |spec: &&BufferSpec| spec.name.ends_with("running_var") && spec.initial == 0.0;
        let variance = self.buffers.specs().iter().find(is_variance).and_then(|spec| self.buffers.get(&spec.name));
        if variance.map_or(Ok(1), |variance| variance.f_count_nonzero(None)?.f_int64_value(&[]))? > 0 {
            return Ok(());
        }
        let (x, _) = samples.range(0..NUM_SEEN_FIRST.min(samples.len() as u64), objective.kind(), self.w.device())?;
        let mode = Mode::Train { key: Key::new(0).role(Role::Probe) };
        let _ = no_grad(|| objective.outputs(&self.network, self.w.views(), &mut self.buffers, &x, mode))?;
        Ok(())
    }
}

/// How its loss is computed.
#[derive(Debug, Clone)]
pub struct Evaluation {
    pub objective: Objective,
    pub answers: Answers,
    /// The indices of the tensors that are sampled, in ascending order; `None` for all.
    pub sampled: Option<Vec<usize>>,
}

/// A network's loss on a set of images, around a trained parameter.
#[derive(Debug)]
pub struct NetworkTarget {
    local: LocalPosterior,
    network: Arc<Network>,
    buffers: Buffers,
    samples: Samples,
    evaluation: Evaluation,
    /// For each tensor of the network its place among those that are sampled, or its fixed value.
    places: Vec<Place>,
    /// Probabilities `[n, K]`, where answers are the network's own.
    probabilities: Option<Tensor>,
    /// The loss of each sample at w*.
    centre: Centre,
    probed: Arc<[u64]>,
}

#[derive(Debug)]
enum Place {
    Sampled(usize),
    Fixed(Tensor),
}

impl NetworkTarget {
    /// The loss of `trained` on `samples`, with the local posterior at nβ and γ around its parameters; `key` chooses the samples that probes
    /// look at. Computes in the precision and on the device of the parameters, and reads all samples once.
    ///
    /// # Errors
    /// [`TargetError`] for nβ or γ out of range; whatever libtorch reports.
    pub fn new(
        trained: &TrainedNetwork,
        samples: Samples,
        evaluation: Evaluation,
        (n_beta, gamma): (f64, f64),
        key: Key,
    ) -> Result<NetworkTarget, TargetError> {
        let (whole, network) = (&trained.w, trained.network.clone());
        let sampled: Vec<usize> = evaluation.sampled.clone().unwrap_or_else(|| (0..whole.views().len()).collect());
        let specs = sampled.iter().map(|&index| whole.layout().specs()[index].clone()).collect();
        let centre = Params::zeros_on(&Arc::new(Layout::new(specs)), whole.kind(), whole.device())?;
        let mut places = Vec::with_capacity(whole.views().len());
        for (index, view) in whole.views().iter().enumerate() {
            places.push(match sampled.iter().position(|&other| other == index) {
                Some(place) => {
                    centre.view(place).shallow_clone().f_copy_(view)?;
                    Place::Sampled(place)
                }
                None => Place::Fixed(view.f_detach_copy()?),
            });
        }
        let mut target = NetworkTarget {
            local: LocalPosterior::new(n_beta, gamma, centre)?,
            buffers: trained.buffers.to(whole.kind(), whole.device())?,
            probed: probed(key, samples.len() as u64),
            network,
            samples,
            evaluation,
            places,
            probabilities: None,
            centre: Centre::new([]),
        };
        target.read_centre()?;
        Ok(target)
    }

    /// The same target with memory of its own, at localisation γ.
    ///
    /// # Errors
    /// As [`NetworkTarget::new`].
    pub fn at_gamma(&self, gamma: f64) -> Result<NetworkTarget, TargetError> {
        self.at_density(self.local.n_beta(), gamma)
    }

    fn at_density(&self, n_beta: f64, gamma: f64) -> Result<NetworkTarget, TargetError> {
        let share = |place: &Place| match place {
            Place::Sampled(index) => Place::Sampled(*index),
            Place::Fixed(tensor) => Place::Fixed(tensor.shallow_clone()),
        };
        Ok(NetworkTarget {
            local: self.local.with_density(n_beta, gamma)?,
            network: self.network.clone(),
            buffers: self.buffers.try_clone()?,
            samples: self.samples.clone(),
            evaluation: self.evaluation.clone(),
            places: self.places.iter().map(share).collect(),
            probabilities: self.probabilities.as_ref().map(Tensor::shallow_clone),
            centre: self.centre.clone(),
            probed: self.probed.clone(),
        })
    }

    /// L_n(w*).
    pub fn init_loss(&self) -> f64 {
        self.centre.mean()
    }

    /// Computes the loss of each sample at w*, and the network's own answers where it is to give these.
    fn read_centre(&mut self) -> Result<(), TargetError> {
        let w_star = self.local.w_star().try_clone()?;
        let tensors = self.tensors(w_star.views());
        let mut centre = Vec::with_capacity(self.samples.len());
        let mut probabilities = Vec::new();
        for range in chunks(self.samples.len() as u64) {
            let (losses, own) = no_grad(|| -> Result<_, TchError> {
                let objective = self.evaluation.objective.clone();
                let (x, labels) = self.samples.range(range, objective.kind(), w_star.device())?;
                let outputs = self.outputs(&tensors, &x)?;
                match self.evaluation.answers {
                    Answers::Labels => Ok((objective.losses(&outputs, &train::Target::Labels(&labels))?, None)),
                    Answers::OwnOutputs => {
                        let own = own_answers(&objective.loss, &outputs)?;
                        Ok((objective.losses(&outputs, &train::Target::Soft(&own))?, Some(own)))
                    }
                }
            })?;
            centre.extend(Vec::<f64>::try_from(losses.f_to_kind(Kind::Double)?.f_to_device(Device::Cpu)?)?);
            probabilities.extend(own);
        }
        self.centre = Centre::new(centre);
        self.probabilities = if probabilities.is_empty() { None } else { Some(Tensor::f_cat(&probabilities, 0)?) };
        Ok(())
    }

    /// All tensors of the network in its order, those that are sampled out of `sampled`.
    fn tensors(&self, sampled: &[Tensor]) -> Vec<Tensor> {
        let tensor = |place: &Place| match place {
            Place::Sampled(index) => sampled[*index].shallow_clone(),
            Place::Fixed(tensor) => tensor.shallow_clone(),
        };
        self.places.iter().map(tensor).collect()
    }

    fn outputs(&mut self, tensors: &[Tensor], x: &Tensor) -> Result<Tensor, TchError> {
        self.evaluation.objective.outputs(&self.network, tensors, &mut self.buffers, x, Mode::Frozen)
    }

    /// The losses of the samples that `select` gives, at `tensors`.
    fn losses(&mut self, tensors: &[Tensor], select: Select) -> Result<Tensor, TchError> {
        let (objective, device) = (self.evaluation.objective.clone(), self.local.w_star().device());
        let (x, labels) = match &select {
            Select::Indices(indices) => self.samples.batch(indices, objective.kind(), device)?,
            Select::Range(range) => self.samples.range(range.clone(), objective.kind(), device)?,
        };
        let outputs = self.outputs(tensors, &x)?;
        let own = match (&self.probabilities, &select) {
            (None, _) => return objective.losses(&outputs, &train::Target::Labels(&labels)),
            (Some(all), Select::Range(range)) => {
                all.f_narrow(0, range.start as i64, (range.end - range.start) as i64)?
            }
            (Some(all), Select::Indices(indices)) => {
                let indices: Vec<i64> = indices.iter().map(|&index| index as i64).collect();
                all.f_index_select(0, &Tensor::f_from_slice(&indices)?.f_to_device(device)?)?
            }
        };
        objective.losses(&outputs, &train::Target::Soft(&own))
    }

    /// The parts that a pass over `batch` is made in.
    fn selections<'a>(&self, batch: Batch<'a>, probed: &'a [u64]) -> Vec<Select<'a>> {
        match batch {
            Batch::Minibatch { indices, .. } => vec![Select::Indices(indices)],
            Batch::Probe => vec![Select::Indices(probed)],
            Batch::Full => chunks(self.samples.len() as u64).map(Select::Range).collect(),
        }
    }
}

/// Samples of one pass.
#[derive(Debug, Clone)]
enum Select<'a> {
    Indices(&'a [u64]),
    Range(Range<u64>),
}

impl Select<'_> {
    fn len(&self) -> u64 {
        match self {
            Select::Indices(indices) => indices.len() as u64,
            Select::Range(range) => range.end - range.start,
        }
    }
}

impl Target for NetworkTarget {
    fn local(&self) -> &LocalPosterior {
        &self.local
    }

    fn loss_and_grad(&mut self, w: &Params, batch: Batch, grad: &mut Params) -> Result<f64, TargetError> {
        let probed = self.probed.clone();
        let selections = self.selections(batch, &probed);
        let num_samples: u64 = selections.iter().map(Select::len).sum();
        let mut loss = 0.0;
        for (index, select) in selections.into_iter().enumerate() {
            let share = select.len() as f64 / num_samples as f64;
            // Leaves of their own, on the same memory.
            let leaf = |view: &Tensor| view.f_detach()?.f_set_requires_grad(true);
            let leaves = w.views().iter().map(leaf).collect::<Result<Vec<_>, TchError>>()?;
            let tensors = self.tensors(&leaves);
            let losses = self.losses(&tensors, select)?;
            let mean = losses.f_mean(losses.kind())?;
            let gradients = Tensor::f_run_backward(&[mean.f_mul_scalar(share)?], &leaves, false, false)?;
            no_grad(|| -> Result<(), TchError> {
                for (view, gradient) in grad.views().iter().zip(gradients) {
                    let mut view = view.shallow_clone();
                    if index == 0 {
                        view.f_copy_(&gradient)?;
                    } else {
                        let _ = view.f_add_(&gradient)?;
                    }
                }
                Ok(())
            })?;
            loss += share * mean.f_detach()?.f_double_value(&[])?;
        }
        Ok(loss)
    }

    fn loss(&mut self, w: &Params, batch: Batch) -> Result<f64, TargetError> {
        let tensors = self.tensors(w.views());
        let probed = self.probed.clone();
        let (mut sum, mut num_samples) = (0.0, 0);
        for select in self.selections(batch, &probed) {
            num_samples += select.len();
            let losses = no_grad(|| self.losses(&tensors, select))?;
            sum += losses.f_sum(Kind::Double)?.f_double_value(&[])?;
        }
        Ok(sum / num_samples as f64)
    }

    fn loss_at_centre(&self, batch: Batch) -> Option<f64> {
        Some(self.centre.loss(batch, &self.probed))
    }

    fn precise_loss(&mut self, w: &Params) -> Result<Option<f64>, TargetError> {
        let coarse = self.evaluation.objective.clone();
        if coarse.precision != Precision::Bf16 {
            return Ok(None);
        }
        self.evaluation.objective.precision = Precision::F32;
        let loss = self.loss(w, Batch::Full);
        self.evaluation.objective = coarse;
        loss.map(Some)
    }

    fn is_at_minimum(&self) -> bool {
        self.evaluation.answers == Answers::OwnOutputs
    }

    fn probes_a_part(&self) -> bool {
        self.probed.len() < self.samples.len()
    }

    /// libtorch keeps a number of threads for each calling thread.
    fn use_threads(&mut self, num_threads: usize) {
        tch::set_num_threads(num_threads as i32);
    }

    fn num_samples(&self) -> Option<u64> {
        Some(self.samples.len() as u64)
    }

    fn with_density(&self, n_beta: f64, gamma: f64) -> Result<Box<dyn Target>, TargetError> {
        Ok(Box::new(self.at_density(n_beta, gamma)?))
    }
}

/// The answers that make `outputs` a minimum: probabilities for cross-entropy, the outputs themselves for the squared error.
fn own_answers(loss: &Loss, outputs: &Tensor) -> Result<Tensor, TchError> {
    match loss {
        Loss::CrossEntropy => outputs.f_softmax(1, outputs.kind()),
        Loss::SquaredError => Ok(outputs.shallow_clone()),
        // Their minima are elsewhere, whatever the answers: configurations refuse it.
        other => Err(TchError::Shape(format!(
            "a network's own outputs are not a minimum of the loss {other} for any \
                                              targets"
        ))),
    }
}

fn chunks(n: u64) -> impl Iterator<Item = Range<u64>> {
    (0..n.div_ceil(CHUNK)).map(move |chunk| chunk * CHUNK..((chunk + 1) * CHUNK).min(n))
}
