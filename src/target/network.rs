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
use crate::config::network::{Loss, NetworkPrecision};
use crate::data::Samples;
use crate::model::{BufferSpec, Buffers, Mode, Network};
use crate::params::{Layout, Params};
use crate::rng::{Key, Permutation, Role};
use crate::train::{self, Objective};

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

/// Samples that a network's norms are shown where they have seen none.
const NUM_SEEN_FIRST: u64 = 1000;

impl TrainedNetwork {
    /// Shows the first thousand of `samples` to norms whose statistics start at zero variance (Haiku's) and have seen no batch yet: frozen
    /// as they are, they would magnify every layer by 1/√ε. Other networks, and trained ones, stay as they are.
    ///
    /// # Errors
    /// Whatever libtorch reports.
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
        let tensors = self.tensors(w_star.views());
        let mut centre = Vec::with_capacity(self.samples.len());
        let mut probabilities = Vec::new();
        for range in chunks(self.samples.len() as u64) {
            let (losses, own) = no_grad(|| -> Result<_, TchError> {
                let objective = self.evaluation.objective;
                let (x, labels) = self.samples.range(range, objective.kind(), w_star.device())?;
                let outputs = self.outputs(&tensors, &x)?;
                match self.evaluation.answers {
                    Answers::Labels => Ok((objective.losses(&outputs, &train::Target::Labels(&labels))?, None)),
                    Answers::OwnOutputs => {
                        let own = own_answers(objective.loss, &outputs)?;
                        Ok((objective.losses(&outputs, &train::Target::Soft(&own))?, Some(own)))
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
        let (objective, device) = (self.evaluation.objective, self.local.w_star().device());
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
        Some(match batch {
            Batch::Full => mean(&self.centre),
            Batch::Probe => mean_of(&self.centre, &self.probed),
            Batch::Minibatch { indices, .. } => mean_of(&self.centre, indices),
        })
    }

    fn precise_loss(&mut self, w: &Params) -> Result<Option<f64>, TargetError> {
        let coarse = self.evaluation.objective;
        if coarse.precision != NetworkPrecision::Bf16 {
            return Ok(None);
        }
        self.evaluation.objective.precision = NetworkPrecision::F32;
        let loss = self.loss(w, Batch::Full);
        self.evaluation.objective = coarse;
        loss.map(Some)
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
    match loss {
        Loss::CrossEntropy => outputs.f_softmax(1, outputs.kind()),
        Loss::SquaredError => Ok(outputs.shallow_clone()),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Pictures, Preprocessing};
    use crate::model::{ModelOptions, ModelSpec};

    fn pictures(n: usize) -> Samples {
        let key = Key::new(11);
        let pixels = (0..n * 16).map(|index| key.below(index as u64, 256) as u8).collect();
        let labels = (0..n).map(|index| key.part(1).below(index as u64, 3) as u8).collect();
        let classes = ["a", "b", "c"].map(str::to_owned).to_vec();
        let pictures = Pictures { shape: [1, 4, 4], pixels, labels, classes };
        Samples::new(&pictures, &Preprocessing::default()).unwrap()
    }

    fn trained() -> TrainedNetwork {
        let options = ModelOptions {
            input_shape: Some([1, 4, 4]),
            num_classes: Some(3),
            widths: Some(vec![5]),
            activation: Some(crate::model::layer::Activation::Tanh),
            ..ModelOptions::default()
        };
        let network = Arc::new(ModelSpec { name: "mlp".to_owned(), options }.build().unwrap());
        let w = network.init(Key::new(3)).unwrap().to(Kind::Double, Device::Cpu).unwrap();
        TrainedNetwork { buffers: network.initial_buffers().unwrap(), w, network }
    }

    fn target(n: usize, loss: Loss, answers: Answers, sampled: Option<Vec<usize>>) -> NetworkTarget {
        let precision = crate::config::network::NetworkPrecision::F64;
        let objective = Objective { loss, precision, has_channels_last: false };
        let evaluation = Evaluation { objective, answers, sampled };
        NetworkTarget::new(&trained(), pictures(n), evaluation, (10.0, 1.0), Key::new(5)).unwrap()
    }

    fn moved(target: &NetworkTarget, by: f64) -> Params {
        let mut w = target.local().w_star().try_clone().unwrap();
        let mut z = vec![0.0; w.len()];
        crate::rng::fill_normal(Key::new(9), 0, &mut z);
        w.as_mut_slice::<f64>().unwrap().iter_mut().zip(z).for_each(|(w, z)| *w += by * z);
        w
    }

    #[test]
    fn gradients_equal_finite_differences_for_every_loss_target_and_choice_of_tensors() {
        let indices = [3u64, 700, 15, 9];
        let batches = [Batch::Full, Batch::Probe, Batch::Minibatch { key: Key::new(0), indices: &indices }];
        for loss in [Loss::CrossEntropy, Loss::SquaredError] {
            for (answers, sampled) in [(Answers::Labels, None), (Answers::OwnOutputs, Some(vec![0, 3]))] {
                let mut target = target(1203, loss, answers, sampled);
                let w = moved(&target, 0.3);
                for batch in batches {
                    let mut grad = w.zeros_like().unwrap();
                    let loss = target.loss_and_grad(&w, batch, &mut grad).unwrap();
                    assert!((loss - target.loss(&w, batch).unwrap()).abs() < 1e-12);
                    for i in (0..w.len()).step_by(11) {
                        let h = 1e-5;
                        let mut at = |shift: f64| {
                            let mut w = w.try_clone().unwrap();
                            w.as_mut_slice::<f64>().unwrap()[i] += shift;
                            target.loss(&w, batch).unwrap()
                        };
                        let difference = (at(h) - at(-h)) / (2.0 * h);
                        let found = grad.as_slice::<f64>().unwrap()[i];
                        assert!((difference - found).abs() < 1e-8 * (1.0 + found.abs()), "{difference} {found}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_known_at_the_centre_is_what_a_pass_there_gives() {
        let indices = [1u64, 2, 3, 1100];
        for answers in [Answers::Labels, Answers::OwnOutputs] {
            let mut target = target(1203, Loss::CrossEntropy, answers, None);
            let w_star = target.local().w_star().try_clone().unwrap();
            for batch in [Batch::Full, Batch::Probe, Batch::Minibatch { key: Key::new(0), indices: &indices }] {
                let known = target.loss_at_centre(batch).unwrap();
                assert!((known - target.loss(&w_star, batch).unwrap()).abs() < 1e-12);
            }
            assert_eq!(target.init_loss(), target.loss_at_centre(Batch::Full).unwrap());
        }
    }

    #[test]
    fn its_own_outputs_make_a_minimum_of_positive_loss_and_labels_do_not() {
        let gradient = |answers| {
            let mut target = target(300, Loss::CrossEntropy, answers, None);
            let w_star = target.local().w_star().try_clone().unwrap();
            let mut grad = w_star.zeros_like().unwrap();
            let loss = target.loss_and_grad(&w_star, Batch::Full, &mut grad).unwrap();
            (loss, crate::update::dot(&grad, &grad).unwrap().sqrt())
        };
        let (entropy, at_minimum) = gradient(Answers::OwnOutputs);
        assert!(entropy > 0.1 && at_minimum < 1e-14, "{entropy} {at_minimum}");
        assert!(gradient(Answers::Labels).1 > 1e-2);
    }

    #[test]
    fn a_part_of_the_tensors_moves_alone_and_gives_the_whole_s_loss_and_gradient_of_that_part() {
        let mut whole = target(200, Loss::CrossEntropy, Answers::Labels, None);
        let mut part = target(200, Loss::CrossEntropy, Answers::Labels, Some(vec![2]));
        let w_part = moved(&part, 0.2);
        let w = whole.local().w_star().try_clone().unwrap();
        w.view(2).shallow_clone().copy_(w_part.view(0));
        let (mut grad, mut grad_part) = (w.zeros_like().unwrap(), w_part.zeros_like().unwrap());
        let loss = whole.loss_and_grad(&w, Batch::Full, &mut grad).unwrap();
        let loss_part = part.loss_and_grad(&w_part, Batch::Full, &mut grad_part).unwrap();
        assert_eq!(loss, loss_part);
        assert_eq!(grad.view(2), grad_part.view(0));
        assert_eq!(part.local().w_star().len(), whole.local().w_star().view(2).numel());
    }

    #[test]
    fn coarse_passes_know_the_precise_loss_and_precise_ones_have_none_beside_it() {
        let trained = TrainedNetwork { w: trained().w.to(Kind::Float, Device::Cpu).unwrap(), ..trained() };
        let losses = |precision| {
            let objective = Objective { loss: Loss::CrossEntropy, precision, has_channels_last: false };
            let evaluation = Evaluation { objective, answers: Answers::Labels, sampled: None };
            let mut target = NetworkTarget::new(&trained, pictures(600), evaluation, (10.0, 1.0), Key::new(5)).unwrap();
            (target.loss(&trained.w, Batch::Full).unwrap(), target.precise_loss(&trained.w).unwrap())
        };
        let (single, beside) = losses(NetworkPrecision::F32);
        assert_eq!(beside, None);
        let (coarse, precise) = losses(NetworkPrecision::Bf16);
        assert_eq!(precise, Some(single));
        // Eight bits: a relative error of some thousandths, and hardly none at all.
        assert!(coarse != single && (coarse - single).abs() < 0.02 * single, "{coarse} and {single}");
    }
}
