//! Computes what a training minimises: the loss of each sample from a network's outputs, in the precision that was asked for.
//!
//! Cross-entropy of outputs z with target probabilities p: −Σ_k p_k·ln softmax(z)_k; a label y is p = e_y. Squared error:
//! Σ_k (z_k − p_k)²/K over K outputs, without ½. The other losses of two classes or more are those of [`crate::loss`]. In bfloat16 inputs, weight matrices and kernels are rounded on their way into a pass;
//! parameters, norms, outputs and losses stay f32, as under PyTorch's autocast.
//!
//! *Tested by*: the losses against their definitions, hard labels against soft ones, gradients of a piecewise loss against autograd's, below.

use tch::{Device, Kind, TchError, Tensor};

use crate::kernel::Precision;
use crate::loss::{Jet, Loss, LossError, Piecewise};
use crate::model::{Buffers, Mode, Network};

/// How outputs and losses are computed.
#[derive(Debug, Clone, PartialEq)]
pub struct Objective {
    /// What is averaged over samples.
    pub loss: Loss,
    /// The arithmetic of a pass.
    pub precision: Precision,
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
        Objective { loss: Loss::CrossEntropy, precision: Precision::F32, has_channels_last: false }
    }

    /// The kind of parameters and inputs.
    pub fn kind(&self) -> Kind {
        match self.precision {
            Precision::F64 => Kind::Double,
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
        if self.precision != Precision::Bf16 {
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
    /// Errors of libtorch, such as targets of another shape.
    pub fn losses(&self, outputs: &Tensor, target: &Target) -> Result<Tensor, TchError> {
        let num_outputs = outputs.size().get(1).copied().unwrap_or(1);
        match (&self.loss, target) {
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
            (Loss::Accuracy, target) => {
                let p = outputs.f_softmax(1, None::<Kind>)?;
                let right = match target {
                    Target::Labels(labels) => p.f_gather(1, &labels.f_unsqueeze(1)?, false)?.f_squeeze_dim(1)?,
                    Target::Soft(q) => p.f_mul(q)?.f_sum_dim_intlist(1, false, None::<Kind>)?,
                };
                right.f_neg()?.f_add_scalar(1.0)
            }
            (Loss::Piecewise(piecewise), target) => {
                if num_outputs != 2 {
                    let wrong = LossError::Classes { num_classes: num_outputs as usize };
                    return Err(TchError::Shape(wrong.to_string()));
                }
                let p = outputs.f_softmax(1, None::<Kind>)?.f_select(1, 1)?;
                let y = match target {
                    Target::Labels(labels) => labels.f_to_kind(p.kind())?,
                    Target::Soft(q) => q.f_select(1, 1)?,
                };
                of_differences(piecewise, &p.f_sub(&y)?)
            }
        }
    }
}

/// ℓ(δ) for each of the `differences` δ, with the gradient ℓ′(δ)·∇δ: the line through ℓ(δ₀) of slope ℓ′(δ₀) at δ₀ = δ. Value and slope
/// come from the piece that δ₀ lies in, on the host and in f64; what the other pieces are there, be it NaN, touches neither.
fn of_differences(piecewise: &Piecewise, differences: &Tensor) -> Result<Tensor, TchError> {
    let fixed = differences.f_detach()?;
    let jets: Vec<Jet> = Vec::<f64>::try_from(fixed.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)?)?
        .into_iter()
        .map(|difference| piecewise.at(difference))
        .collect();
    let tensor = |part: fn(&Jet) -> f64| {
        let numbers: Vec<f64> = jets.iter().map(part).collect();
        Tensor::f_from_slice(&numbers)?.f_to_kind(fixed.kind())?.f_to_device(fixed.device())
    };
    differences.f_sub(&fixed)?.f_mul(&tensor(|jet| jet.slope)?)?.f_add(&tensor(|jet| jet.value)?)
}

/// The same numbers with the channels last in memory.
fn channels_last(x: &Tensor) -> Result<Tensor, TchError> {
    // Contiguous as [n, H, W, C], seen as [n, C, H, W]: what PyTorch calls the memory format channels_last.
    x.f_permute([0, 2, 3, 1])?.f_contiguous()?.f_permute([0, 3, 1, 2])
}

/// How many of the outputs are largest at the label, as a tensor of no dimension.
///
/// # Errors
/// Errors of libtorch.
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
            let objective = Objective { loss: loss.clone(), ..Objective::cross_entropy() };
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

    /// Two outputs each: differences 0.5, −0.880797, −0.047426 to the labels 0, 1, 1.
    fn of_two_classes() -> (Tensor, Tensor) {
        let z = Tensor::from_slice(&[0.0f64, 0.0, 1.0, -1.0, -2.0, 1.0]).view([3, 2]);
        (z, Tensor::from_slice(&[0i64, 1, 1]))
    }

    fn objective(loss: &str) -> Objective {
        Objective { loss: loss.parse().unwrap(), ..Objective::cross_entropy() }
    }

    #[test]
    fn the_losses_of_two_classes_have_their_published_values() {
        let (z, labels) = of_two_classes();
        for (loss, expected) in [
            ("cross-entropy", 0.956_220_8),
            ("accuracy", 0.476_074_3),
            ("piecewise: [-1,-0.5,0,0.5,1]: -7x-3; -x; x; 7x-3", 1.237_668_5),
        ] {
            let losses = objective(loss).losses(&z, &Target::Labels(&labels)).unwrap();
            assert!((losses.mean(Kind::Double).double_value(&[]) - expected).abs() < 5e-8, "{loss}");
        }
        assert!((num_correct(&z, &labels).unwrap().double_value(&[]) - 2.0).abs() < 1e-15);
    }

    #[test]
    fn the_gradient_of_a_piecewise_loss_is_autograd_s_of_the_piece_that_counts() {
        let (z, labels) = of_two_classes();
        let gradient = |loss: &dyn Fn(&Tensor) -> Tensor| {
            let z = z.detach().set_requires_grad(true);
            Tensor::run_backward(&[loss(&z).sum(Kind::Double)], &[&z], false, false).remove(0)
        };
        let difference = |z: &Tensor| z.softmax(1, Kind::Double).select(1, 1) - &labels;
        for (text, plain) in [
            // The accuracy loss, and one that is curved; the first difference lies on the end 0.5 of the last.
            ("piecewise: [-1,0,1]: -x; x", (|d: &Tensor| d.abs()) as fn(&Tensor) -> Tensor),
            ("piecewise: [-1,1]: exp(x^2) + sin(3x)", |d| d.square().exp() + (d * 3.0).sin()),
            ("piecewise: [-1,-0.5,0.5,1]: x^2; 0.25; x^2", |d| {
                d.square() * d.abs().ge(0.5).to_kind(Kind::Double) + d.abs().lt(0.5).to_kind(Kind::Double) * 0.25
            }),
            // In the piece that doesn't count the logarithm has no value, nor has its gradient.
            ("piecewise: [-1,0.5,1]: 0.5-x; log(2x)-x+0.5", |d| {
                let right = (d.clamp_min(0.5) * 2.0).log();
                right * d.ge(0.5).to_kind(Kind::Double) + (d * -1.0 + 0.5)
            }),
        ] {
            let objective = objective(text);
            let ours = gradient(&|z| objective.losses(z, &Target::Labels(&labels)).unwrap());
            let theirs = gradient(&|z| plain(&difference(z)));
            let apart = (&ours - &theirs).abs().max().double_value(&[]);
            assert!(apart < 1e-14, "{text}: {ours:?} {theirs:?}");
        }
        let accuracy = gradient(&|z| objective("accuracy").losses(z, &Target::Labels(&labels)).unwrap());
        let absolute = gradient(&|z| difference(z).abs());
        assert!((accuracy - absolute).abs().max().double_value(&[]) < 1e-15);
    }

    #[test]
    fn a_piecewise_loss_of_ten_outputs_is_refused() {
        let z = Tensor::zeros([1, 10], (Kind::Double, Device::Cpu));
        let labels = Tensor::from_slice(&[0i64]);
        let error = objective("piecewise: [-1,1]: x^2").losses(&z, &Target::Labels(&labels)).unwrap_err();
        assert!(error.to_string().contains("there are 10"), "{error}");
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
