//! Evaluates any network's loss on images around a trained parameter w*, with its gradient by autograd.
//!
//! Normalisation statistics are frozen, so that L is a pure function of w. What is sampled may be a part of the tensors (`--params`):
//! the others stay at their trained values, and λ̂ is then that of the part, a refined coefficient.
//!
//! Where targets are the network's own outputs at w* (`OwnOutputs`), L(w*) is their mean entropy and w* is a minimum by construction.
//!
//! *Reference*: Wang et al. 2024, <https://arxiv.org/abs/2410.02984>, for refined coefficients.
//! *Tested by*: gradients against finite differences, minibatches against the full set, a part against the whole, in `tests`.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use tch::{TchError, Tensor, no_grad};

use super::TargetError;
use super::autograd::{AutogradTarget, Leaf, SampleLosses, Select, chunks, on_host};
use crate::config::network::Loss;
use crate::kernel::Precision;
use crate::model::{BufferSpec, Buffers, Mode, Network};
use crate::params::{Layout, Params};
use crate::rng::{Key, Role};
use crate::samples::Samples;
use crate::tensors::Tensors;
use crate::train::{self, Objective};

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
pub type NetworkTarget = AutogradTarget<NetworkLosses>;

/// A network's losses on images.
#[derive(Debug)]
pub struct NetworkLosses {
    network: Arc<Network>,
    buffers: Buffers,
    samples: Samples,
    evaluation: Evaluation,
    /// For each tensor of the network its place among those that are sampled, or its fixed value.
    places: Vec<Place>,
    /// Probabilities `[n, K]`, where answers are the network's own.
    probabilities: Option<Tensor>,
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
        density: (f64, f64),
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
        let buffers = trained.buffers.to(whole.kind(), whole.device())?;
        let losses = NetworkLosses { buffers, network, samples, evaluation, places, probabilities: None };
        AutogradTarget::around(centre, losses, density, key)
    }
}

impl NetworkLosses {
    /// The outputs for `x` where the sampled tensors are `leaves`.
    fn outputs(&mut self, leaves: &[Leaf], x: &Tensor) -> Result<Tensor, TchError> {
        let tensor = |place: &Place| match place {
            Place::Sampled(index) => leaves[*index].tensor.shallow_clone(),
            Place::Fixed(tensor) => tensor.shallow_clone(),
        };
        let tensors: Vec<Tensor> = self.places.iter().map(tensor).collect();
        self.evaluation.objective.outputs(&self.network, &tensors, &mut self.buffers, x, Mode::Frozen)
    }

    /// Inputs and labels of `select`.
    fn batch(&self, leaves: &[Leaf], select: &Select) -> Result<(Tensor, Tensor), TchError> {
        let kind = self.evaluation.objective.kind();
        // There is always something that is sampled.
        let device = leaves.first().map_or(tch::Device::Cpu, |leaf| leaf.tensor.device());
        match select {
            Select::Indices(indices) => self.samples.batch(indices, kind, device),
            Select::Range(range) => self.samples.range(range.clone(), kind, device),
        }
    }

    /// The losses of `select` at w*, and the network's own answers where it is to give these.
    fn first_losses(&mut self, leaves: &[Leaf], select: &Select) -> Result<(Tensor, Option<Tensor>), TchError> {
        let (x, labels) = self.batch(leaves, select)?;
        let outputs = self.outputs(leaves, &x)?;
        let objective = &self.evaluation.objective;
        match self.evaluation.answers {
            Answers::Labels => Ok((objective.losses(&outputs, &train::Target::Labels(&labels))?, None)),
            Answers::OwnOutputs => {
                let own = own_answers(&objective.loss, &outputs)?;
                Ok((objective.losses(&outputs, &train::Target::Soft(&own))?, Some(own)))
            }
        }
    }
}

impl SampleLosses for NetworkLosses {
    fn num_samples(&self) -> u64 {
        self.samples.len() as u64
    }

    fn leaves(&mut self, w: &[Tensor]) -> Result<Vec<Leaf>, TchError> {
        Leaf::on(w)
    }

    fn losses(&mut self, leaves: &[Leaf], select: &Select) -> Result<Tensor, TargetError> {
        let (x, labels) = self.batch(leaves, select)?;
        let outputs = self.outputs(leaves, &x)?;
        let objective = &self.evaluation.objective;
        Ok(match &self.probabilities {
            None => objective.losses(&outputs, &train::Target::Labels(&labels))?,
            Some(all) => objective.losses(&outputs, &train::Target::Soft(&select.rows(all)?))?,
        })
    }

    fn at_centre(&mut self, leaves: &[Leaf]) -> Result<Vec<f64>, TargetError> {
        let (mut centre, mut probabilities) = (Vec::with_capacity(self.samples.len()), Vec::new());
        for range in chunks(self.num_samples()) {
            let (losses, own) = no_grad(|| self.first_losses(leaves, &Select::Range(range)))?;
            centre.extend(on_host(&losses)?);
            probabilities.extend(own);
        }
        self.probabilities = if probabilities.is_empty() { None } else { Some(Tensor::f_cat(&probabilities, 0)?) };
        Ok(centre)
    }

    fn is_at_minimum(&self) -> bool {
        self.evaluation.answers == Answers::OwnOutputs
    }

    fn precise(&self) -> Result<Option<NetworkLosses>, TargetError> {
        if self.evaluation.objective.precision != Precision::Bf16 {
            return Ok(None);
        }
        let mut precise = self.fork()?;
        precise.evaluation.objective.precision = Precision::F32;
        Ok(Some(precise))
    }

    fn fork(&self) -> Result<NetworkLosses, TargetError> {
        let share = |place: &Place| match place {
            Place::Sampled(index) => Place::Sampled(*index),
            Place::Fixed(tensor) => Place::Fixed(tensor.shallow_clone()),
        };
        Ok(NetworkLosses {
            network: self.network.clone(),
            buffers: self.buffers.try_clone()?,
            samples: self.samples.clone(),
            evaluation: self.evaluation.clone(),
            places: self.places.iter().map(share).collect(),
            probabilities: self.probabilities.as_ref().map(Tensor::shallow_clone),
        })
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
