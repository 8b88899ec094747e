//! Evaluates any network's loss on pictures around a trained parameter w*, with its gradient by autograd.
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
//! *Tested by*: gradients against finite differences, minibatches against the full set, a part against the whole, below.

use std::ops::Range;
use std::sync::Arc;

use tch::{Device, Kind, TchError, Tensor, no_grad};

use super::{Batch, LocalPosterior, Target, TargetError};
use crate::config::network::Loss;
use crate::data::Samples;
use crate::loss;
use crate::model::{Buffers, Mode, Network};
use crate::params::{Layout, Params};
use crate::rng::{Key, Permutation};

/// Samples that the probes before a chain look at: the gradient's error is then a twentieth of its spread over samples.
const NUM_PROBED: u64 = 512;

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

/// How its loss is computed.
#[derive(Debug, Clone)]
pub struct Evaluation {
    pub loss: Loss,
    pub answers: Answers,
    /// The indices of the tensors that are sampled, in ascending order; `None` for all.
    pub sampled: Option<Vec<usize>>,
    /// The arithmetic of the passes: the parameters' own kind, or `BFloat16`.
    pub kind: Kind,
    /// Whether pictures are laid out with their channels last.
    pub has_channels_last: bool,
}

/// A network's loss on a set of pictures, around a trained parameter.
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
    centre: Arc<[f64]>,
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
        let centre = Params::zeros(&Arc::new(Layout::new(specs)), whole.kind(), whole.device())?;
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
            centre: Arc::from([]),
        };
        target.read_centre()?;
        Ok(target)
    }

    /// L_n(w*).
    pub fn init_loss(&self) -> f64 {
        mean(&self.centre)
    }

    /// Computes the loss of each sample at w*, and the network's own answers where it is to give these.
    fn read_centre(&mut self) -> Result<(), TargetError> {
        let w_star = self.local.w_star().try_clone()?;
        let tensors = self.tensors(w_star.views())?;
        let mut centre = Vec::with_capacity(self.samples.len());
        let mut probabilities = Vec::new();
        for range in chunks(self.samples.len() as u64) {
            let (losses, own) = no_grad(|| -> Result<_, TchError> {
                let (x, labels) = self.samples.range(range, self.evaluation.kind, w_star.device())?;
                let outputs = self.outputs(&tensors, &x)?;
                match self.evaluation.answers {
                    Answers::Labels => Ok((loss::per_sample(self.evaluation.loss, &outputs, &labels)?, None)),
                    Answers::OwnOutputs => {
                        let own = own_answers(self.evaluation.loss, &outputs)?;
                        Ok((loss::per_sample(self.evaluation.loss, &outputs, &own)?, Some(own)))
                    }
                }
            })?;
            centre.extend(Vec::<f64>::try_from(losses.f_to_kind(Kind::Double)?.f_to_device(Device::Cpu)?)?);
            probabilities.extend(own);
        }
        self.centre = centre.into();
        self.probabilities = if probabilities.is_empty() { None } else { Some(Tensor::f_cat(&probabilities, 0)?) };
        Ok(())
    }

    /// All tensors of the network in its order, those that are sampled from `sampled`, in the arithmetic of the passes.
    fn tensors(&self, sampled: &[Tensor]) -> Result<Vec<Tensor>, TchError> {
        let tensor = |place: &Place| {
            let tensor = match place {
                Place::Sampled(index) => &sampled[*index],
                Place::Fixed(tensor) => tensor,
            };
            // The kind that it has already is no copy.
            tensor.f_to_kind(self.evaluation.kind)
        };
        self.places.iter().map(tensor).collect()
    }

    fn outputs(&mut self, tensors: &[Tensor], x: &Tensor) -> Result<Tensor, TchError> {
        let x = if self.evaluation.has_channels_last { channels_last(x)? } else { x.shallow_clone() };
        self.network.forward(tensors, &mut self.buffers, &x, Mode::Frozen)
    }

    /// The losses of the samples that `select` gives, at `tensors`.
    fn losses(&mut self, tensors: &[Tensor], select: Select) -> Result<Tensor, TchError> {
        let (kind, device) = (self.evaluation.kind, self.local.w_star().device());
        let (x, labels) = match &select {
            Select::Indices(indices) => self.samples.batch(indices, kind, device)?,
            Select::Range(range) => self.samples.range(range.clone(), kind, device)?,
        };
        let answers = match (&self.probabilities, &select) {
            (None, _) => labels,
            (Some(own), Select::Range(range)) => own.f_narrow(0, range.start as i64, (range.end - range.start) as i64)?,
            (Some(own), Select::Indices(indices)) => {
                let indices: Vec<i64> = indices.iter().map(|&index| index as i64).collect();
                own.f_index_select(0, &Tensor::f_from_slice(&indices)?.f_to_device(device)?)?
            }
        };
        let outputs = self.outputs(tensors, &x)?;
        loss::per_sample(self.evaluation.loss, &outputs, &answers)
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
            let tensors = self.tensors(&leaves)?;
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
        let tensors = self.tensors(w.views())?;
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
        Some(match batch {
            Batch::Full => mean(&self.centre),
            Batch::Probe => mean_of(&self.centre, &self.probed),
            Batch::Minibatch { indices, .. } => mean_of(&self.centre, indices),
        })
    }

    fn probes_a_part(&self) -> bool {
        self.probed.len() < self.samples.len()
    }

    fn num_samples(&self) -> Option<u64> {
        Some(self.samples.len() as u64)
    }

    fn with_gamma(&self, gamma: f64) -> Result<Box<dyn Target>, TargetError> {
        let share = |place: &Place| match place {
            Place::Sampled(index) => Place::Sampled(*index),
            Place::Fixed(tensor) => Place::Fixed(tensor.shallow_clone()),
        };
        Ok(Box::new(NetworkTarget {
            local: self.local.with_gamma(gamma)?,
            network: self.network.clone(),
            buffers: self.buffers.try_clone()?,
            samples: self.samples.clone(),
            evaluation: self.evaluation.clone(),
            places: self.places.iter().map(share).collect(),
            probabilities: self.probabilities.as_ref().map(Tensor::shallow_clone),
            centre: self.centre.clone(),
            probed: self.probed.clone(),
        }))
    }
}

/// The answers that make `outputs` a minimum: probabilities for cross-entropy, the outputs themselves for the squared error.
fn own_answers(loss: Loss, outputs: &Tensor) -> Result<Tensor, TchError> {
    let outputs = if outputs.kind() == Kind::BFloat16 { outputs.f_to_kind(Kind::Float)? } else { outputs.shallow_clone() };
    match loss {
        Loss::CrossEntropy => outputs.f_softmax(1, outputs.kind()),
        Loss::SquaredError => Ok(outputs),
    }
}

/// The same numbers, laid out with their channels last in memory.
fn channels_last(x: &Tensor) -> Result<Tensor, TchError> {
    x.f_permute([0i64, 2, 3, 1])?.f_contiguous()?.f_permute([0i64, 3, 1, 2])
}

/// Samples that probes look at, in ascending order.
fn probed(key: Key, n: u64) -> Arc<[u64]> {
    let mut indices = vec![0; NUM_PROBED.min(n) as usize];
    Permutation::new(key, n).fill(0, &mut indices);
    indices.sort_unstable();
    indices.into()
}

fn chunks(n: u64) -> impl Iterator<Item = Range<u64>> {
    (0..n.div_ceil(CHUNK)).map(move |chunk| chunk * CHUNK..((chunk + 1) * CHUNK).min(n))
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn mean_of(values: &[f64], indices: &[u64]) -> f64 {
    indices.iter().map(|&index| values[index as usize]).sum::<f64>() / indices.len() as f64
}
