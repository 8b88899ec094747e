//! Evaluates a network on samples: mean loss and accuracy of a pure function of its parameters and frozen statistics.
//!
//! A pass goes in chunks, so that memory doesn't grow with the samples; sums are in f64.

use std::ops::Range;

use tch::{Device, Kind, TchError, Tensor};

use super::TrainError;
use super::memory;
use super::objective::{Objective, Target, num_correct};
use crate::model::{Buffers, Mode, Network, shape};
use crate::params::Params;
use crate::samples::Samples;
use crate::tensors::Tensors;

/// Samples of a pass, in a chunk.
const CHUNK: u64 = 500;

/// How well a network does on some samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evaluation {
    /// Mean loss.
    pub loss: f64,
    /// Share of the samples whose largest output is their label's, in [0, 1].
    pub accuracy: f64,
}

/// Sums over the samples of one pass.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sums {
    /// Of the losses.
    pub loss: f64,
    /// Of their squares.
    pub loss_square: f64,
    /// Samples whose largest output is their label's.
    pub num_correct: f64,
}

/// Gives the inputs and labels of a range of samples, on the device and of the kind of a pass.
pub(crate) type Read<'a> = &'a dyn Fn(Range<u64>) -> Result<(Tensor, Tensor), TchError>;

/// Sums over `n` samples, read by `read`, for the network whose parameters are `w`; else as [`evaluate`].
pub(crate) fn sums(
    network: &Network,
    w: &[Tensor],
    buffers: &mut Buffers,
    (n, read): (u64, Read),
    soft_targets: Option<&Tensor>,
    objective: &Objective,
) -> Result<Sums, TrainError> {
    let mut chunk = |first: u64, size: u64| -> Result<Tensor, TchError> {
        let (x, labels) = read(first..(first + size).min(n))?;
        let outputs = objective.outputs(network, w, buffers, &x, Mode::Frozen)?;
        let soft = soft_targets.map(|all| all.f_narrow(0, first as i64, labels.size()[0])).transpose()?;
        let target = soft.as_ref().map_or(Target::Labels(&labels), Target::Soft);
        let losses = objective.losses(&outputs, &target)?.f_to_kind(Kind::Double)?;
        let square = losses.f_dot(&losses)?;
        Tensor::f_stack(&[losses.f_sum(Kind::Double)?, square, num_correct(&outputs, &labels)?], 0)
    };
    let all = tch::no_grad(|| -> Result<Vec<f64>, TchError> {
        let mut parts = Vec::new();
        for first in (0..n).step_by(CHUNK as usize) {
            parts.push(chunk(first, CHUNK)?);
        }
        // Read at the end: a GPU has them all by then.
        let all = Tensor::f_stack(&parts, 0)?.f_to_device(Device::Cpu)?;
        Vec::<f64>::try_from(all.f_flatten(0, -1)?)
    });
    match all {
        Ok(all) => {
            let (parts, _) = all.as_chunks::<3>();
            let total = |i: usize| parts.iter().map(|part| part[i]).sum();
            Ok(Sums { loss: total(0), loss_square: total(1), num_correct: total(2) })
        }
        Err(error) if memory::is_exhausted(&error) => {
            let fits = memory::largest_fit(CHUNK, |size| tch::no_grad(|| chunk(0, size)).map(drop));
            Err(TrainError::OutOfMemory { batch_size: CHUNK as usize, fits })
        }
        Err(error) => Err(error.into()),
    }
}

/// Mean loss and accuracy of `network` at `w` on `samples`; `soft_targets`, shape `[n, num_outputs]`, are for the loss instead of the
/// labels. `buffers` are only read.
///
/// # Errors
/// [`TrainError::OutOfMemory`], or whatever libtorch reports.
pub fn evaluate(
    network: &Network,
    w: &Params,
    buffers: &mut Buffers,
    samples: &Samples,
    soft_targets: Option<&Tensor>,
    objective: &Objective,
    device: Device,
) -> Result<Evaluation, TrainError> {
    let n = samples.len() as u64;
    let read = |range| samples.range(range, objective.kind(), device);
    let sums = sums(network, w.views(), buffers, (n, &read), soft_targets, objective)?;
    Ok(Evaluation { loss: sums.loss / n as f64, accuracy: sums.num_correct / n as f64 })
}

/// How a network does on every single sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcomes {
    /// Mean loss.
    pub loss: f64,
    /// Whether the largest output is the label's, one a sample.
    pub is_correct: Vec<bool>,
}

impl Outcomes {
    /// Share of the samples that are right, in [0, 1].
    pub fn accuracy(&self) -> f64 {
        self.is_correct.iter().filter(|is_correct| **is_correct).count() as f64 / self.is_correct.len() as f64
    }
}

/// As [`evaluate`], sample by sample.
///
/// # Errors
/// Errors of libtorch.
pub fn outcomes(
    network: &Network,
    w: &Params,
    buffers: &mut Buffers,
    samples: &Samples,
    objective: &Objective,
    device: Device,
) -> Result<Outcomes, TchError> {
    let n = samples.len() as u64;
    let mut all = Outcomes { loss: 0.0, is_correct: Vec::with_capacity(samples.len()) };
    tch::no_grad(|| {
        for first in (0..n).step_by(CHUNK as usize) {
            let (x, labels) = samples.range(first..(first + CHUNK).min(n), objective.kind(), device)?;
            let outputs = objective.outputs(network, w.views(), buffers, &x, Mode::Frozen)?;
            let losses = objective.losses(&outputs, &Target::Labels(&labels))?;
            all.loss += losses.f_sum(Kind::Double)?.f_double_value(&[])? / n as f64;
            all.is_correct.extend(Vec::<bool>::try_from(outputs.f_argmax(1, false)?.f_eq_tensor(&labels)?)?);
        }
        Ok(all)
    })
}

/// Refuses samples that a network can't take.
///
/// # Errors
/// [`TrainError::Data`], with both shapes.
pub fn check_fit(network: &Network, samples: &Samples) -> Result<(), TrainError> {
    let (takes, has) = (network.input_shape(), samples.input_shape());
    let reason = if samples.is_empty() {
        "there are no samples".to_owned()
    } else if takes != has {
        format!("{} takes inputs of shape {}, but the data have {}", network.name(), shape(&takes), shape(&has))
    } else if samples.num_classes() > network.num_outputs() {
        let (classes, outputs) = (samples.num_classes(), network.num_outputs());
        format!("the data have {classes} classes, but {} has {outputs} outputs", network.name())
    } else {
        return Ok(());
    };
    Err(TrainError::Data { reason })
}
