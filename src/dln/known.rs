//! Gathers what theory says of λ at the true parameter, and how much of the truth the loss can see at a run's nβ.
//!
//! **λ.** For two layers the local coefficient at w* is known ([`ReducedRank`]). For more it is Aoyagi's on a closed orbit (aligned and
//! zero truths), the regular one where the product has the largest rank possible, and what the bounds say where both ends meet;
//! everywhere else it lies within the bounds, and Aoyagi's is only the lower one.
//!
//! **Few samples.** n < H₀ samples span n directions of the input: the network is one of n inputs, in everything that is said here.
//!
//! **Rank resolved.** A change δ of R·P* along one singular direction costs nβ·δ²/out, so that the posterior's own deviation of a singular
//! value is √(out/(2nβ)). A value within five of these can't be distinguished from zero by the loss.
//!
//! *Tested by*: the cases below; the coefficients and bounds in [`crate::theory`].

use tch::{Kind, TchError, Tensor};

use crate::config::DlnConfig;
use crate::config::dln::Truth;
use crate::model::deep_linear::TrueParameter;
use crate::theory::{
    DeepLinear, DeepLinearError, LearningCoefficient, LocalBounds, PartialRanks, PartialRanksError, ReducedRank,
    TwoLayerPointError,
};

/// Deviations of its own posterior that a singular value must lie from zero to count as resolved.
const RESOLVED: f64 = 5.0;

/// What theory says of λ at w*.
#[derive(Debug)]
pub struct Known {
    /// λ with its multiplicity.
    pub coefficient: LearningCoefficient,
    /// Whether that is the value at w* itself, not only its lower bound.
    pub is_local: bool,
    /// What holds at w* in any case.
    pub bounds: LocalBounds,
    /// Rank of the true map on what the samples span.
    pub rank: usize,
    /// Number of singular values of the truth that the loss can distinguish from zero at this nβ.
    pub rank_resolved: usize,
    /// λ of a truth of rank `rank_resolved`, at a generic point.
    pub coefficient_resolved: LearningCoefficient,
}

/// Why theory has nothing to say. None of these can happen with ranks that a true parameter has.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KnownError {
    /// There is no such network.
    #[error(transparent)]
    Network(#[from] DeepLinearError),
    /// There is no such point.
    #[error(transparent)]
    Ranks(#[from] PartialRanksError),
    /// There is no such point of two layers.
    #[error(transparent)]
    TwoLayers(#[from] TwoLayerPointError),
    /// libtorch's own error (first line).
    #[error("libtorch: {}", .0.to_string().lines().next().unwrap_or_default())]
    Torch(TchError),
}

impl From<TchError> for KnownError {
    fn from(error: TchError) -> Self {
        Self::Torch(error)
    }
}

impl Known {
    /// What is known at `truth`, drawn as `config` says. `targets` is R·P*, shape `[H₀, H_L]`.
    ///
    /// # Errors
    /// [`KnownError`], for ranks that no parameter has.
    pub fn new(config: &DlnConfig, truth: &TrueParameter, targets: &Tensor) -> Result<Known, KnownError> {
        let mut layer_ranks = truth.layer_ranks.clone();
        let widths = seen_widths(config.model().dims(), config.data().num_training_data);
        let spanned = widths[0];
        let spans_all = spanned == config.model().dims()[0];
        layer_ranks[0] = layer_ranks[0].min(spanned);
        let rank = truth.rank.min(spanned);
        let network = DeepLinear::new(&widths, rank)?;
        let global = network.learning_coefficient();
        let bounds = LocalBounds::at(&PartialRanks::of_layers(network, &layer_ranks)?);
        let (coefficient, is_local) = match (widths.as_slice(), layer_ranks.as_slice()) {
            (&[input, hidden, output], &[first, second]) => {
                (ReducedRank::new(input, hidden, output, rank)?.local(first, second)?, true)
            }
            _ => {
                let is_on_closed_orbit =
                    spans_all && matches!(config.truth().kind, Truth::Aligned { .. } | Truth::Zero);
                // A product of the largest rank possible: the map to the product is a submersion, the model is regular there.
                let is_regular = Some(rank) == widths.iter().copied().min();
                (global, is_on_closed_orbit || is_regular || bounds.lower == bounds.upper)
            }
        };
        let rank_resolved = num_resolved(targets, config.n_beta())?.min(rank);
        let coefficient_resolved = DeepLinear::new(&widths, rank_resolved)?.learning_coefficient();
        Ok(Known { coefficient, is_local, bounds, rank, rank_resolved, coefficient_resolved })
    }

    /// Why λ̂ may differ from λ however well it was sampled; `None` where the loss sees all of the truth.
    pub fn note(&self) -> Option<String> {
        if self.rank_resolved == self.rank || self.coefficient_resolved.lambda == self.coefficient.lambda {
            return None;
        }
        Some(format!(
            "λ is the limit of large nβ, and may differ from λ̂: at this nβ the loss resolves only {} of the truth's \
             {} singular values (a truth of rank {} has λ = {}); a larger --n-beta or --num-training-data resolves \
             more",
            self.rank_resolved, self.rank, self.rank_resolved, self.coefficient_resolved.lambda
        ))
    }
}

/// `widths` as the loss sees them: n samples span at most n directions of the inputs.
pub(super) fn seen_widths(mut widths: Vec<usize>, n: usize) -> Vec<usize> {
    widths[0] = widths[0].min(n);
    widths
}

/// Singular values of R·P* that lie five deviations of their posterior from zero.
pub(super) fn num_resolved(targets: &Tensor, n_beta: f64) -> Result<usize, TchError> {
    let (_, values, _) = targets.f_to_kind(Kind::Double)?.f_svd(true, true)?;
    let deviation = (targets.size()[1] as f64 / (2.0 * n_beta)).sqrt();
    Ok(values.f_gt(RESOLVED * deviation)?.f_sum(Kind::Int64)?.f_int64_value(&[])? as usize)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::config::DlnArgs;
    use crate::dln::Problem;

    fn config(flags: &str) -> DlnConfig {
        DlnArgs::try_parse_from(flags.split_whitespace()).unwrap().resolve().unwrap().config
    }

    fn known(flags: &str) -> Known {
        let config = config(flags);
        let problem = Problem::new(&config, tch::Device::Cpu, &AtomicBool::new(false)).unwrap();
        Known::new(&config, &problem.truth, problem.target.targets()).unwrap()
    }

    fn lambda(widths: &[usize], rank: usize) -> String {
        DeepLinear::new(widths, rank).unwrap().learning_coefficient().lambda.to_string()
    }

    #[test]
    fn a_singular_value_is_resolved_five_deviations_from_zero() {
        // out = 2 and nβ = 100: the deviation is 0.1.
        let targets = Tensor::from_slice(&[0.51, 0.0, 0.0, 0.49, 0.0, 0.0]).reshape([3, 2]);
        assert_eq!(num_resolved(&targets, 100.0).unwrap(), 1);
        assert_eq!(num_resolved(&targets, 121.0).unwrap(), 2);
    }

    #[test]
    fn a_truth_seen_whole_has_no_note_and_an_aligned_one_the_coefficient_of_aoyagi() {
        let known = known("--input-dim 4 --layer-widths 6,5,3 --truth aligned --rank 2");
        assert_eq!((known.rank, known.rank_resolved, known.is_local, known.note()), (2, 2, true, None));
        assert_eq!(known.coefficient.lambda.to_string(), lambda(&[4, 6, 5, 3], 2));
    }

    #[test]
    fn with_fewer_samples_than_inputs_everything_is_of_the_network_that_they_span() {
        let flags = "--input-dim 7 --layer-widths 6,5,4 --truth aligned --rank 3 --num-training-data 5 --n-beta 1e-6";
        let known = known(flags);
        assert_eq!((known.rank, known.rank_resolved), (3, 0));
        assert_eq!(known.coefficient.lambda.to_string(), lambda(&[5, 6, 5, 4], 3));
        let note = known.note().unwrap();
        let (of_spanned, of_all) = (lambda(&[5, 6, 5, 4], 0), lambda(&[7, 6, 5, 4], 0));
        assert_ne!(of_spanned, of_all, "a case that tells nothing");
        assert!(note.contains(&format!("a truth of rank 0 has λ = {of_spanned})")), "{note}");
    }
}
