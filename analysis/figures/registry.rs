//! Lists every figure. A new one is a file here with a [`Figure`], and a line in [`FIGURES`].

use super::figure::Figure;
use super::{acceptance, against_lambda, chain_panels, corruption, curves, descent, divergence, estimates};
use super::{learning_curves, loss_function, multiplicity, networks, relative_error, traces};

/// Every figure, in the order of a report.
pub const FIGURES: [Figure; 26] = [
    against_lambda::FIGURE,
    against_lambda::LINEAR,
    against_lambda::TRAINED,
    relative_error::HISTOGRAM,
    relative_error::BY_GROUP,
    relative_error::AGAINST_SIZE,
    estimates::FIGURE,
    curves::FAMILIES,
    curves::AGAINST_LOSS,
    learning_curves::FIGURE,
    corruption::FIGURE,
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
];

/// Published figures whose experiment this version can't run: what they show, and the experiment.
pub const WAITING: [(&str, &str); 4] = [
    ("λ̂ along saddle-to-saddle dynamics", "saddle"),
    ("λ̂ of ReLU networks against the factor of a rescaling", "rescaling"),
    ("λ̂ and seconds of SGLD and MALA against n", "mala-vs-sgld"),
    ("λ̂ of toy potentials against exact values", "toy"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_fit_a_file_and_a_shell() {
        let names: BTreeSet<&str> = FIGURES.iter().map(|figure| figure.name).collect();
        assert_eq!(names.len(), FIGURES.len());
        assert!(names.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')));
    }
}
