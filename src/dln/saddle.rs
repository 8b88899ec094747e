//! Builds what `llc saddle` follows: a deep linear network that learns a diagonal teacher, and at each point of its training the loss
//! towards its own outputs, with what theory says of λ there.
//!
//! At a point w of the training the targets are the network's own outputs, so that L(w) = 0 and λ is that of the product P = W₁⋯W_L.
//! λ depends on P by its rank alone, and P has in principle full rank at every step. At nβ the loss can distinguish from zero only singular
//! values of R·P above five deviations √(out/(2nβ)) of their posterior ([`super::known`]): that number is the rank here, unless a
//! tolerance is given.
//!
//! *Reference*: Jacot, Ged, Şimşek, Hongler and Gabriel, "Saddle-to-saddle dynamics in deep linear networks" (2021),
//! <https://arxiv.org/abs/2106.15933>, for the dynamics; Aoyagi 2024 for λ ([`crate::theory::deep_linear`]).
//! *Tested by*: the tests below.

use std::sync::atomic::AtomicBool;

use tch::{Device, Kind, Tensor};

use super::known::{KnownError, num_resolved, seen_widths};
use crate::config::{Precision, SaddleConfig};
use crate::data::synthetic::SyntheticInputs;
use crate::model::deep_linear::{layout, product};
use crate::params::Params;
use crate::rng::{Key, Role, fill_normal};
use crate::target::{DeepLinear, LocalPosterior, Target, TargetError};
use crate::tensors::Tensors;
use crate::theory::{self, LearningCoefficient, LocalBounds};

/// The loss towards the teacher, in f64 on the CPU; its centre is the start.
///
/// # Errors
/// [`TargetError::Cancelled`] if `cancel` was raised while the data were read; whatever libtorch reports.
pub fn teacher(config: &SaddleConfig, cancel: &AtomicBool) -> Result<DeepLinear, TargetError> {
    let key = Key::new(config.seed());
    let data = config.data();
    let inputs =
        SyntheticInputs::new(key.role(Role::Data), data.input_dist, data.teacher.len(), data.num_training_data as u64);
    let local = LocalPosterior::new(config.n_beta(), config.sampler().fixed_gamma(), start(config)?)?;
    DeepLinear::towards(inputs, local, Tensor::f_from_slice(&data.teacher)?.f_diag(0)?, cancel)
}

/// The start: every weight N(0, H^−e), H the largest hidden width.
fn start(config: &SaddleConfig) -> Result<Params, tch::TchError> {
    let mut w = Params::zeros_on(&layout(&config.widths()), Kind::Double, Device::Cpu)?;
    let (layout, deviation) = (w.layout().clone(), config.initial_deviation());
    let key = Key::new(config.seed()).role(Role::Init);
    // Parameters that were just made are f64 on the CPU.
    if let Some(w) = w.as_mut_slice::<f64>() {
        for l in 0..layout.specs().len() {
            let layer = &mut w[layout.range(l)];
            fill_normal(key.part(l as u64), 0, layer);
            layer.iter_mut().for_each(|w| *w *= deviation);
        }
    }
    Ok(w)
}

/// The loss towards the outputs at `w`, which was trained on `teacher`, in `precision` on `device`.
///
/// # Errors
/// Errors of libtorch.
pub fn around(
    teacher: &DeepLinear,
    w: &Params,
    precision: Precision,
    device: Device,
) -> Result<DeepLinear, TargetError> {
    let kind = match precision {
        Precision::F64 => Kind::Double,
        Precision::F32 | Precision::Bf16 => Kind::Float,
    };
    teacher.realised_at(w.to(kind, device)?)
}

/// What is known of the product at a point.
#[derive(Debug)]
pub struct Learnt {
    /// Singular values of P, the largest first.
    pub singular_values: Vec<f64>,
    /// How many of them count.
    pub rank: usize,
    /// λ with its multiplicity, of a product of that rank: a lower bound of the local value.
    pub coefficient: LearningCoefficient,
    /// What encloses the local value at every point of such a product; where both ends meet it is known.
    pub bounds: LocalBounds,
}

impl Learnt {
    /// What the network at `w` has learnt; `own` is the loss towards its outputs, in f64.
    ///
    /// # Errors
    /// Errors of libtorch.
    pub fn at(config: &SaddleConfig, w: &Params, own: &DeepLinear) -> Result<Learnt, KnownError> {
        let (_, values, _) = product(&w.to(Kind::Double, Device::Cpu)?)?.f_svd(true, true)?;
        let singular_values = Vec::<f64>::try_from(values)?;
        let rank = match config.saddle().rank_tolerance {
            Some(tolerance) => singular_values.iter().filter(|value| **value > tolerance.get()).count(),
            None => num_resolved(own.targets(), own.local().n_beta())?,
        };
        let widths = seen_widths(config.widths(), config.data().num_training_data);
        // Rounding may leave more singular values than a narrow layer lets through.
        let rank = rank.min(widths.iter().copied().min().unwrap_or(0));
        let network = theory::DeepLinear::new(&widths, rank)?;
        let (coefficient, bounds) = (network.learning_coefficient(), LocalBounds::anywhere(&network));
        Ok(Learnt { singular_values, rank, coefficient, bounds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ExperimentArgs;
    use crate::target::Batch;

    fn config(flags: &str) -> SaddleConfig {
        let args = ExperimentArgs::<SaddleConfig>::try_parse_from(flags.split_whitespace()).unwrap();
        args.resolve().unwrap().config
    }

    #[test]
    fn the_start_has_the_deviation_of_its_width_and_the_loss_of_the_teacher() {
        let config = config("--hidden-widths 64,64 --teacher 3,4 --num-training-data 20000");
        let mut teacher = teacher(&config, &AtomicBool::new(false)).unwrap();
        let w = teacher.local().w_star().try_clone().unwrap();
        let mean_square = w.as_slice::<f64>().unwrap().iter().map(|w| w * w).sum::<f64>() / w.len() as f64;
        // 4352 squares: a relative deviation of √(2/4352) = 0.02.
        assert!((mean_square * 64f64.powf(1.5) - 1.0).abs() < 0.12, "{mean_square}");
        // At W = 0 it is the mean square of the teacher's outputs: (9 + 16)/2, within a few percent.
        let zero = teacher.loss(&w.zeros_like().unwrap(), Batch::Full).unwrap();
        assert!((zero / 12.5 - 1.0).abs() < 0.06, "{zero}");
    }

    /// Aoyagi's λ of a product of rank 3, 5 → 10 → 5, is 25/2; three samples see the network 3 → 10 → 5 of rank 3 at most: all of 15/2.
    #[test]
    fn fewer_samples_than_inputs_make_a_smaller_network() {
        let config = config("--hidden-widths 10 --num-training-data 3 --batch-size 3");
        let w = start(&config).unwrap();
        let teacher = teacher(&config, &AtomicBool::new(false)).unwrap();
        let own = around(&teacher, &w, Precision::F64, Device::Cpu).unwrap();
        let learnt = Learnt::at(&config, &w, &own).unwrap();
        assert!(learnt.rank <= 3);
        assert_eq!(
            (learnt.coefficient.to_string(), learnt.bounds.lower.to_string()),
            ("15/2".to_owned(), "15/2".to_owned())
        );
    }

    #[test]
    fn what_was_learnt_counts_the_singular_values_that_the_loss_can_distinguish_from_zero() {
        // nβ = 1085.7, out = 5: five deviations are 0.24.
        let config = config("");
        let w = start(&config).unwrap();
        let teacher = teacher(&config, &AtomicBool::new(false)).unwrap();
        let diagonal = |values: &[f64], size: [i64; 2]| {
            let full = Tensor::zeros(size, (Kind::Double, Device::Cpu));
            for (i, value) in values.iter().enumerate() {
                let _ = full.get(i as i64).get(i as i64).fill_(*value);
            }
            full
        };
        for l in 0..5 {
            let values: &[f64] = if l == 0 { &[50.0, 2.0, 0.3, 0.2, 0.0] } else { &[1.0; 5] };
            let mut layer = w.view(l).shallow_clone();
            layer.copy_(&diagonal(values, [layer.size()[0], layer.size()[1]]));
        }
        let own = around(&teacher, &w, Precision::F64, Device::Cpu).unwrap();
        let learnt = Learnt::at(&config, &w, &own).unwrap();
        assert_eq!(learnt.rank, 3, "{:?}", learnt.singular_values);
        assert!((learnt.singular_values[1] - 2.0).abs() < 1e-12);
        // Hidden layers twice as wide as the ends: λ is 25/2 whatever the rank, at every point.
        assert_eq!(learnt.coefficient.to_string(), "25/2");
        assert_eq!(learnt.bounds.lower, learnt.bounds.upper);
        let strict = self::config("--rank-tolerance 1");
        assert_eq!(Learnt::at(&strict, &w, &own).unwrap().rank, 2);
    }
}
