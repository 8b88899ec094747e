//! Evaluates the mean of per-sample losses around a trained parameter w*, with its gradient by autograd: what targets on networks and on
//! modules share.
//!
//! The losses of all samples at w* are computed once. L_B(w*) is then known for every minibatch B without another pass, so that the
//! control variate of the loss trace costs nothing. The loss alone is summed in f64; with a gradient, the mean of each chunk is in the precision
//! of the losses. Passes before a chain (curvature, descent) look at 512
//! samples, the same at each call.
//!
//! *Tested by*: the tests of both, against finite differences and a formula.

use std::ops::Range;
use std::sync::Arc;

use tch::{Device, Kind, TchError, Tensor, no_grad};

use super::{Batch, Centre, LocalPosterior, Target, TargetError, probed};
use crate::params::Params;
use crate::rng::Key;
use crate::tensors::Tensors;

/// Samples of a pass over all of them at a time: enough for a processor's caches, little memory.
const CHUNK: u64 = 500;

/// Samples of one pass.
#[derive(Debug, Clone)]
pub enum Select<'a> {
    /// Those of these indices.
    Indices(&'a [u64]),
    /// Consecutive ones.
    Range(Range<u64>),
}

impl Select<'_> {
    /// Number of samples.
    pub fn len(&self) -> u64 {
        match self {
            Select::Indices(indices) => indices.len() as u64,
            Select::Range(range) => range.end - range.start,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows of `all` that belong to these samples.
    ///
    /// # Errors
    /// What libtorch reports.
    pub fn rows(&self, all: &Tensor) -> Result<Tensor, TchError> {
        match self {
            Select::Range(range) => all.f_narrow(0, range.start as i64, (range.end - range.start) as i64),
            Select::Indices(indices) => {
                let indices: Vec<i64> = indices.iter().map(|&index| index as i64).collect();
                all.f_index_select(0, &Tensor::f_from_slice(&indices)?.f_to_device(all.device())?)
            }
        }
    }
}

/// A tensor that autograd takes the gradient of.
#[derive(Debug)]
pub struct Leaf {
    /// Index of the sampled tensor whose memory it shares.
    pub place: usize,
    /// The tensor.
    pub tensor: Tensor,
}

impl Leaf {
    /// Leaves of their own on the memory of `tensors`, one for each.
    ///
    /// # Errors
    /// What libtorch reports.
    pub fn on(tensors: &[Tensor]) -> Result<Vec<Leaf>, TchError> {
        let leaf = |(place, tensor): (usize, &Tensor)| {
            Ok(Leaf { place, tensor: tensor.f_detach()?.f_set_requires_grad(true)? })
        };
        tensors.iter().enumerate().map(leaf).collect()
    }
}

/// The losses of n samples at any parameters.
pub trait SampleLosses: Send + Sized + 'static {
    /// Number of samples n.
    fn num_samples(&self) -> u64;

    /// The tensors to differentiate with respect to, at `w`, whose memory they share.
    ///
    /// # Errors
    /// What libtorch reports.
    fn leaves(&mut self, w: &[Tensor]) -> Result<Vec<Leaf>, TchError>;

    /// The losses of the samples of `select` at `leaves`, shape `[b]`.
    ///
    /// # Errors
    /// Any failure to compute them.
    fn losses(&mut self, leaves: &[Leaf], select: &Select) -> Result<Tensor, TargetError>;

    /// The loss of each sample at w*, where `leaves` are. Called first, so that an implementation can store what it needs from w*.
    ///
    /// # Errors
    /// As [`SampleLosses::losses`].
    fn at_centre(&mut self, leaves: &[Leaf]) -> Result<Vec<f64>, TargetError> {
        let mut centre = Vec::with_capacity(self.num_samples() as usize);
        for range in chunks(self.num_samples()) {
            centre.extend(on_host(&no_grad(|| self.losses(leaves, &Select::Range(range)))?)?);
        }
        Ok(centre)
    }

    /// Whether w* is a minimum by construction.
    fn is_at_minimum(&self) -> bool;

    /// The same losses in the arithmetic of the parameters; `None` where they are computed in it.
    ///
    /// # Errors
    /// As [`SampleLosses::fork`].
    fn precise(&self) -> Result<Option<Self>, TargetError> {
        Ok(None)
    }

    /// The same losses for another chain.
    ///
    /// # Errors
    /// What libtorch reports.
    fn fork(&self) -> Result<Self, TargetError>;
}

/// A mean of per-sample losses, around a trained parameter.
#[derive(Debug)]
pub struct AutogradTarget<L> {
    local: LocalPosterior,
    losses: L,
    /// The loss of each sample at w*.
    centre: Centre,
    probed: Arc<[u64]>,
}

impl<L: SampleLosses> AutogradTarget<L> {
    /// The mean of `losses`, with the local posterior at nβ and γ around `w_star`; `key` chooses the samples that probes look at. Computes in
    /// the precision and on the device of the parameters, and reads all samples once.
    ///
    /// # Errors
    /// [`TargetError`] for nβ or γ out of range; what keeps a loss from being computed.
    pub(super) fn around(
        w_star: Params,
        mut losses: L,
        (n_beta, gamma): (f64, f64),
        key: Key,
    ) -> Result<Self, TargetError> {
        let n = losses.num_samples();
        let leaves = losses.leaves(w_star.views())?;
        let centre = losses.at_centre(&leaves)?;
        let local = LocalPosterior::new(n_beta, gamma, w_star)?;
        Ok(AutogradTarget { local, losses, centre: Centre::new(centre), probed: probed(key, n) })
    }

    /// The same target with memory of its own, at localisation γ.
    ///
    /// # Errors
    /// [`TargetError`] for γ out of range; what libtorch reports.
    pub fn at_gamma(&self, gamma: f64) -> Result<Self, TargetError> {
        self.at_density(self.local.n_beta(), gamma)
    }

    fn at_density(&self, n_beta: f64, gamma: f64) -> Result<Self, TargetError> {
        Ok(AutogradTarget {
            local: self.local.with_density(n_beta, gamma)?,
            losses: self.losses.fork()?,
            centre: self.centre.clone(),
            probed: self.probed.clone(),
        })
    }

    /// L_n(w*).
    pub fn init_loss(&self) -> f64 {
        self.centre.mean()
    }

    /// The parts that a pass over `batch` is made in.
    fn selections<'a>(&self, batch: Batch<'a>, probed: &'a [u64]) -> Vec<Select<'a>> {
        match batch {
            Batch::Minibatch { indices, .. } => vec![Select::Indices(indices)],
            Batch::Probe => vec![Select::Indices(probed)],
            Batch::Full => chunks(self.losses.num_samples()).map(Select::Range).collect(),
        }
    }
}

/// L(w) over `selections`.
fn mean<L: SampleLosses>(losses: &mut L, w: &Params, selections: &[Select]) -> Result<f64, TargetError> {
    let leaves = losses.leaves(w.views())?;
    let (mut sum, mut num_samples) = (0.0, 0);
    for select in selections {
        num_samples += select.len();
        sum += no_grad(|| losses.losses(&leaves, select))?.f_sum(Kind::Double)?.f_double_value(&[])?;
    }
    Ok(sum / num_samples as f64)
}

impl<L: SampleLosses> Target for AutogradTarget<L> {
    fn local(&self) -> &LocalPosterior {
        &self.local
    }

    fn loss_and_grad(&mut self, w: &Params, batch: Batch, grad: &mut Params) -> Result<f64, TargetError> {
        let probed = self.probed.clone();
        let selections = self.selections(batch, &probed);
        let num_samples: u64 = selections.iter().map(Select::len).sum();
        let mut loss = 0.0;
        let mut is_written = vec![false; grad.views().len()];
        for select in selections {
            let share = select.len() as f64 / num_samples as f64;
            let leaves = self.losses.leaves(w.views())?;
            let losses = self.losses.losses(&leaves, &select)?;
            let mean = losses.f_mean(losses.kind())?;
            let tensors: Vec<&Tensor> = leaves.iter().map(|leaf| &leaf.tensor).collect();
            let gradients = Tensor::f_run_backward(&[mean.f_mul_scalar(share)?], &tensors, false, false)?;
            no_grad(|| -> Result<(), TchError> {
                // The gradient is undefined where the loss does not depend on the leaf.
                for (leaf, gradient) in leaves.iter().zip(gradients).filter(|(_, gradient)| gradient.defined()) {
                    let gradient = if gradient.is_sparse() { gradient.f_to_dense(None, false)? } else { gradient };
                    let mut view = grad.view(leaf.place).shallow_clone();
                    if std::mem::replace(&mut is_written[leaf.place], true) {
                        let _ = view.f_add_(&gradient)?;
                    } else {
                        view.f_copy_(&gradient)?;
                    }
                }
                Ok(())
            })?;
            loss += share * mean.f_detach()?.f_double_value(&[])?;
        }
        for (view, _) in grad.views().iter().zip(is_written).filter(|(_, is_written)| !is_written) {
            let _ = no_grad(|| view.shallow_clone().f_zero_())?;
        }
        Ok(loss)
    }

    fn loss(&mut self, w: &Params, batch: Batch) -> Result<f64, TargetError> {
        let probed = self.probed.clone();
        let selections = self.selections(batch, &probed);
        mean(&mut self.losses, w, &selections)
    }

    fn loss_at_centre(&self, batch: Batch) -> Option<f64> {
        Some(self.centre.loss(batch, &self.probed))
    }

    fn precise_loss(&mut self, w: &Params) -> Result<Option<f64>, TargetError> {
        let Some(mut precise) = self.losses.precise()? else { return Ok(None) };
        mean(&mut precise, w, &self.selections(Batch::Full, &[])).map(Some)
    }

    fn is_at_minimum(&self) -> bool {
        self.losses.is_at_minimum()
    }

    fn probes_a_part(&self) -> bool {
        (self.probed.len() as u64) < self.losses.num_samples()
    }

    /// libtorch keeps a number of threads for each calling thread.
    fn use_threads(&mut self, num_threads: usize) {
        tch::set_num_threads(num_threads as i32);
    }

    fn num_samples(&self) -> Option<u64> {
        Some(self.losses.num_samples())
    }

    fn with_density(&self, n_beta: f64, gamma: f64) -> Result<Box<dyn Target>, TargetError> {
        Ok(Box::new(self.at_density(n_beta, gamma)?))
    }
}

/// The parts of a pass over n samples.
pub(super) fn chunks(n: u64) -> impl Iterator<Item = Range<u64>> {
    (0..n.div_ceil(CHUNK)).map(move |chunk| chunk * CHUNK..((chunk + 1) * CHUNK).min(n))
}

/// Losses `[b]` in f64.
pub(super) fn on_host(losses: &Tensor) -> Result<Vec<f64>, TchError> {
    Vec::<f64>::try_from(losses.f_to_kind(Kind::Double)?.f_to_device(Device::Cpu)?)
}
