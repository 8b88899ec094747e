//! Lists every figure. A new one is a file here with a [`Figure`], and a line in [`FIGURES`].

use super::figure::Figure;
use super::{
    acceptance, against_lambda, chain_panels, corruption, curves, descent, divergence, estimates, kernel_regression,
    learning_curves, loss_function, multiplicity, networks, noisy_weights, over_training, paths, plane, profile,
    relative_error, rescaling, saddle, sampler_comparison, spectra, theory, toy, traces,
};

/// Every figure of runs, in the order of a report.
pub const FIGURES: [Figure; 43] = [
    against_lambda::FIGURE,
    against_lambda::LINEAR,
    against_lambda::TRAINED,
    relative_error::HISTOGRAM,
    relative_error::BY_GROUP,
    relative_error::AGAINST_SIZE,
    estimates::FIGURE,
    over_training::FIGURE,
    curves::FAMILIES,
    curves::AGAINST_LOSS,
    profile::FIGURE,
    learning_curves::FIGURE,
    corruption::FIGURE,
    saddle::FIGURE,
    toy::AGAINST_EXACT,
    toy::AGAINST_N,
    rescaling::FIGURE,
    sampler_comparison::FIGURE,
    sampler_comparison::COLUMN,
    kernel_regression::FIGURE,
    kernel_regression::RESIDUALS,
    noisy_weights::AGREEMENT,
    noisy_weights::FORGETTING,
    descent::MEMORISING,
    descent::BOTH,
    descent::LOSSES,
    descent::GRADIENTS,
    loss_function::FIGURE,
    traces::LOSS,
    traces::ACCEPTANCE,
    traces::PANELS,
    chain_panels::RUNNING,
    chain_panels::RANKS,
    acceptance::FIGURE,
    divergence::FIGURE,
    networks::TRUTHS,
    networks::DIMENSIONS,
    multiplicity::FIGURE,
    spectra::FIGURE,
    paths::SEGMENTS,
    paths::CURVE,
    paths::COEFFICIENT,
    plane::FIGURE,
];

/// Figures that need no runs.
pub const OF_THEORY: [Figure; 2] = [theory::VOLUME_SCALING, theory::DEPTH];

/// Every figure of either kind.
pub fn all() -> impl Iterator<Item = &'static Figure> {
    FIGURES.iter().chain(&OF_THEORY)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_fit_a_file_and_a_shell() {
        let names: BTreeSet<&str> = all().map(|figure| figure.name).collect();
        assert_eq!(names.len(), FIGURES.len() + OF_THEORY.len());
        assert!(names.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')));
    }
}
