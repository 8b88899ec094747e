//! Computes what a training minimises: the loss of each sample from a network's outputs, in the precision that was asked for.
//!
//! Cross-entropy of outputs z with target probabilities p: −Σ_k p_k·ln softmax(z)_k; a label y is p = e_y. Squared error:
//! Σ_k (z_k − p_k)²/K over K outputs, without ½. In bfloat16 inputs, weight matrices and kernels are rounded on their way into a pass;
//! parameters, norms, outputs and losses stay f32, as under PyTorch's autocast.
//!
//! *Tested by*: both losses against their definitions, hard labels against soft ones, below.

use tch::{Kind, TchError, Tensor};

use crate::config::network::{Loss, NetworkPrecision};
use crate::model::{Buffers, Mode, Network};

/// How outputs and losses are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Objective {
    /// What is averaged over samples.
    pub loss: Loss,
    /// The arithmetic of a pass.
    pub precision: NetworkPrecision,
    /// Whether inputs are laid out with their channels last.
    pub has_channels_last: bool,
}

/// What the outputs of some samples should be.
#[derive(Debug)]
pub enum Target<'a> {
    /// Classes, shape `[n]`, whole numbers.
    Labels(&'a Tensor),
    /// Probabilities, shape `[n, num_outputs]`.
    Soft(&'a Tensor),
}

impl Objective {
    /// Cross-entropy in single precision.
    pub fn cross_entropy() -> Objective {
        Objective { loss: Loss::CrossEntropy, precision: NetworkPrecision::F32, has_channels_last: false }
    }

    /// The kind of parameters and inputs.
    pub fn kind(&self) -> Kind {
        match self.precision {
            NetworkPrecision::F64 => Kind::Double,
            _ => Kind::Float,
        }
    }

    /// The outputs of `network` at `w` for inputs `x` of kind [`Objective::kind`]: shape `[n, num_outputs]`, of that kind again.
    ///
    /// # Errors
    /// Whatever the network or libtorch reports.
    pub fn outputs(
        &self,
        network: &Network,
        w: &[Tensor],
        buffers: &mut Buffers,
        x: &Tensor,
        mode: Mode,
    ) -> Result<Tensor, TchError> {
        let x = if self.has_channels_last { channels_last(x)? } else { x.shallow_clone() };
        if self.precision != NetworkPrecision::Bf16 {
            return network.forward(w, buffers, &x, mode);
        }
        let is_of_norm = |name: &str| {
            let layer = name.rsplit_once('.').map_or("", |(layer, _)| layer);
            network.buffers().iter().any(|buffer| buffer.name.rsplit_once('.').is_some_and(|(norm, _)| norm == layer))
        };
        let round = |(spec, w): (&crate::model::TensorSpec, &Tensor)| match is_of_norm(&spec.name) {
            true => Ok(w.shallow_clone()),
            false => w.f_to_kind(Kind::BFloat16),
        };
        let w: Vec<Tensor> = network.params().iter().zip(w).map(round).collect::<Result<_, _>>()?;
        network.forward(&w, buffers, &x.f_to_kind(Kind::BFloat16)?, mode)?.f_to_kind(Kind::Float)
    }

    /// The loss of each sample, shape `[n]`.
    ///
    /// # Errors
    /// Whatever libtorch reports, such as targets of another shape.
    pub fn losses(&self, outputs: &Tensor, target: &Target) -> Result<Tensor, TchError> {
        let num_outputs = outputs.size().get(1).copied().unwrap_or(1);
        match (self.loss, target) {
            (Loss::CrossEntropy, Target::Labels(labels)) => {
                let log_p = outputs.f_log_softmax(1, None::<Kind>)?;
                log_p.f_gather(1, &labels.f_unsqueeze(1)?, false)?.f_squeeze_dim(1)?.f_neg()
            }
            (Loss::CrossEntropy, Target::Soft(p)) => {
                let log_p = outputs.f_log_softmax(1, None::<Kind>)?;
                log_p.f_mul(p)?.f_sum_dim_intlist(1, false, None::<Kind>)?.f_neg()
            }
            (Loss::SquaredError, target) => {
                let one_hot;
                let p = match target {
                    Target::Soft(p) => *p,
                    Target::Labels(labels) => {
                        one_hot = labels.f_one_hot(num_outputs)?.f_to_kind(outputs.kind())?;
                        &one_hot
                    }
                };
                outputs.f_sub(p)?.f_square()?.f_mean_dim(1, false, None::<Kind>)
            }
        }
    }
}

/// The same numbers with the channels last in memory.
fn channels_last(x: &Tensor) -> Result<Tensor, TchError> {
    // Contiguous as [n, H, W, C], seen as [n, C, H, W]: what PyTorch calls the memory format channels_last.
    x.f_permute([0, 2, 3, 1])?.f_contiguous()?.f_permute([0, 3, 1, 2])
}

/// How many of the outputs are largest at the label, as a tensor of no dimension.
///
/// # Errors
/// Whatever libtorch reports.
pub(super) fn num_correct(outputs: &Tensor, labels: &Tensor) -> Result<Tensor, TchError> {
    outputs.f_argmax(1, false)?.f_eq_tensor(labels)?.f_sum(Kind::Double)
}

/// The rows `indices` of `all`.
pub(super) fn rows(all: &Tensor, indices: &[u64]) -> Result<Tensor, TchError> {
    let indices: Vec<i64> = indices.iter().map(|&index| index as i64).collect();
    all.f_index_select(0, &Tensor::f_from_slice(&indices)?.f_to_device(all.device())?)
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    fn outputs() -> Tensor {
        Tensor::from_slice(&[0.5f64, -1.0, 2.0, 0.0, 0.25, -0.75]).view([2, 3])
    }

    #[test]
    fn both_losses_are_their_definitions_and_a_label_is_a_sure_probability() {
        let labels = Tensor::from_slice(&[2i64, 0]);
        let sure = Tensor::from_slice(&[0.0f64, 0.0, 1.0, 1.0, 0.0, 0.0]).view([2, 3]);
        for (loss, expected) in [
            (Loss::CrossEntropy, {
                let row = |z: [f64; 3], y: usize| z.iter().map(|z| z.exp()).sum::<f64>().ln() - z[y];
                [row([0.5, -1.0, 2.0], 2), row([0.0, 0.25, -0.75], 0)]
            }),
            (Loss::SquaredError, { [(0.25 + 1.0 + 1.0) / 3.0, (1.0 + 0.0625 + 0.5625) / 3.0] }),
        ] {
            let objective = Objective { loss, ..Objective::cross_entropy() };
            for target in [Target::Labels(&labels), Target::Soft(&sure)] {
                let found = Vec::<f64>::try_from(objective.losses(&outputs(), &target).unwrap()).unwrap();
                assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-14), "{loss:?}: {found:?}");
            }
        }
    }

    #[test]
    fn the_cross_entropy_with_the_network_s_own_outputs_is_their_entropy() {
        let p = outputs().softmax(1, Kind::Double);
        let entropy = -(&p * p.log()).sum_dim_intlist(1, false, Kind::Double);
        let found = Objective::cross_entropy().losses(&outputs(), &Target::Soft(&p)).unwrap();
        assert!((found - entropy).abs().max().double_value(&[]) < 1e-14);
    }

    #[test]
    fn the_largest_output_counts() {
        let labels = Tensor::from_slice(&[2i64, 0]);
        assert_eq!(num_correct(&outputs(), &labels).unwrap().double_value(&[]), 1.0);
    }

    #[test]
    fn channels_last_changes_the_strides_and_no_number() {
        let x = Tensor::arange(48, (Kind::Float, Device::Cpu)).view([2, 3, 2, 4]);
        let y = channels_last(&x).unwrap();
        assert_eq!((y.size(), y.stride()), (vec![2, 3, 2, 4], vec![24, 1, 12, 3]));
        assert_eq!(y, x);
    }
}
