//! Lists the potentials of `llc toy` by name: formula, λ with its multiplicity, the exact mean of nβ·K at finite nβ and γ, and what each
//! is there to show.
//!
//! *Tested by*: the pages that the numbers come from; below, that every mean approaches λ.

use super::coefficient::LearningCoefficient;
use super::crossing::Crossing;
use super::even_powers::EvenPowers;
use super::invalid_argument::InvalidArgument;
use super::product_of_squares::ProductOfSquares;
use super::sampler_law::QuadraticMode;
use super::{line_and_dot, regular};

/// A loss of one to three parameters, with a minimum at w*.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Toy {
    /// w₁² + w₂².
    Regular,
    /// w₁⁴.
    FourthPower,
    /// w₁² + w₂⁴ + w₃⁶.
    EvenPowers,
    /// w₁²w₂².
    Crossing,
    /// w₁²w₂⁴.
    UnevenCrossing,
    /// w₁²w₂²w₃².
    TripleCrossing,
    /// (w₁ − 1)²(w₁² + w₂²)⁴ around the line w₁ = 1.
    Line,
    /// The same around the origin.
    Dot,
}

impl Toy {
    /// All of them, the simplest first.
    pub const ALL: [Self; Self::NAMES.len()] = [
        Self::Regular,
        Self::FourthPower,
        Self::EvenPowers,
        Self::Crossing,
        Self::UnevenCrossing,
        Self::TripleCrossing,
        Self::Line,
        Self::Dot,
    ];

    /// Their names on the command line.
    pub const NAMES: [&'static str; 8] =
        ["regular", "fourth-power", "even-powers", "crossing", "uneven-crossing", "triple-crossing", "line", "dot"];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        // Both lists are in the order of the variants.
        Self::NAMES[self as usize]
    }

    /// The toy of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|toy| toy.name() == name)
    }

    /// K(w).
    pub fn formula(self) -> &'static str {
        match self {
            Self::Regular => "w₁² + w₂²",
            Self::FourthPower => "w₁⁴",
            Self::EvenPowers => "w₁² + w₂⁴ + w₃⁶",
            Self::Crossing => "w₁²w₂²",
            Self::UnevenCrossing => "w₁²w₂⁴",
            Self::TripleCrossing => "w₁²w₂²w₃²",
            Self::Line => "(w₁−1)²(w₁²+w₂²)⁴ at (1, 0)",
            Self::Dot => "(w₁−1)²(w₁²+w₂²)⁴ at (0, 0)",
        }
    }

    /// What it is there to show, in a sentence.
    pub fn lesson(self) -> &'static str {
        match self {
            Self::Regular => "λ = d/2: nothing is singular, and λ̂ = λ at any n, except for the γ in nβ·h/(nβ·h + γ).",
            Self::FourthPower => {
                "One parameter that counts as half a parameter: λ is 1/4, since a flatter minimum is simpler."
            }
            Self::EvenPowers => "λ is a sum over independent parameters: 1/2 + 1/4 + 1/6.",
            Self::Crossing => {
                "Multiplicity 2: λ̂ approaches 1/2 only as λ − 1/ln n. This is not an error of the samplers; compare \
                 --n 1e3 with --n 1e9."
            }
            Self::UnevenCrossing => "The largest power alone gives λ = 1/4; the other coordinate adds nothing.",
            Self::TripleCrossing => "Multiplicity 3: still λ = 1/2, and further from it at the same n.",
            Self::Line => {
                "A whole line of minima, but less volume than a dot: λ = 1/2. At --gamma 1 the region includes the \
                 dot."
            }
            Self::Dot => "A minimum at a single point, with more volume than a line: λ = 1/4.",
        }
    }

    /// γ where none is asked for: 1; around line and dot so much that the one can't see the other.
    pub fn default_gamma(self) -> f64 {
        match self {
            // The dot, 1 away, then has e^{−50} of the prior, and at γ = 10 the line e^{−5}, of little volume.
            Self::Line => 100.0,
            Self::Dot => 10.0,
            _ => 1.0,
        }
    }

    /// Whether γ must be above 0 for the density to have a total.
    pub fn needs_gamma(self) -> bool {
        !matches!(self, Self::Regular | Self::FourthPower | Self::EvenPowers)
    }

    /// λ and m.
    pub fn learning_coefficient(self) -> LearningCoefficient {
        match self {
            Self::Regular => regular::learning_coefficient(2),
            Self::Line => line_and_dot::on_the_line(),
            Self::Dot => line_and_dot::at_the_dot(),
            Self::FourthPower | Self::EvenPowers => {
                let powers = EvenPowers::new(self.exponents());
                powers.map_or_else(|_| regular::learning_coefficient(0), |powers| powers.learning_coefficient())
            }
            Self::Crossing | Self::UnevenCrossing | Self::TripleCrossing => {
                let crossing = Crossing::new(self.exponents());
                crossing.map_or_else(|_| regular::learning_coefficient(0), |crossing| crossing.learning_coefficient())
            }
        }
    }

    /// The k_i of w_i^{2k_i}, in a sum or in a product; none for line and dot.
    pub fn exponents(self) -> &'static [u32] {
        match self {
            Self::Regular => &[1, 1],
            Self::FourthPower => &[2],
            Self::EvenPowers => &[1, 2, 3],
            Self::Crossing => &[1, 1],
            Self::UnevenCrossing => &[1, 2],
            Self::TripleCrossing => &[1, 1, 1],
            Self::Line | Self::Dot => &[],
        }
    }

    /// E[nβ·K] under ∝ exp(−nβ·K − γ/2·‖w − w*‖²), exactly: what a right sampler's λ̂ comes to.
    ///
    /// ```
    /// use llc_core::theory::Toy;
    ///
    /// let mean = Toy::Crossing.scaled_loss_mean(1e4, 1.0)?;
    /// assert!((mean - 0.41234).abs() < 1e-5); // λ is 1/2
    /// # Ok::<(), llc_core::theory::InvalidArgument>(())
    /// ```
    ///
    /// # Errors
    ///
    /// nβ that is not positive, γ that is negative, or 0 where [`Toy::needs_gamma`].
    pub fn scaled_loss_mean(self, n_beta: f64, gamma: f64) -> Result<f64, InvalidArgument> {
        match self {
            // w² is ½·h·w² with h = 2.
            Self::Regular => Ok(2.0 * QuadraticMode::new(2.0, n_beta, gamma)?.scaled_loss_mean()),
            Self::FourthPower | Self::EvenPowers => EvenPowers::new(self.exponents())?.scaled_loss_mean(n_beta, gamma),
            Self::Crossing => Ok(ProductOfSquares::new(n_beta, gamma)?.scaled_loss_mean()),
            Self::UnevenCrossing | Self::TripleCrossing => {
                Crossing::new(self.exponents())?.scaled_loss_mean(n_beta, gamma)
            }
            Self::Line => line_and_dot::scaled_loss_mean(1.0, n_beta, gamma),
            Self::Dot => line_and_dot::scaled_loss_mean(0.0, n_beta, gamma),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coefficients_are_those_of_the_formulas() {
        let known =
            Toy::ALL.map(|toy| (toy.learning_coefficient().to_string(), toy.learning_coefficient().multiplicity));
        let expected = [("1", 1), ("1/4", 1), ("11/12", 1), ("1/2", 2), ("1/4", 1), ("1/2", 3), ("1/2", 1), ("1/4", 1)];
        assert_eq!(known, expected.map(|(lambda, m)| (lambda.to_owned(), m)));
    }

    #[test]
    fn every_mean_comes_nearer_to_lambda_as_n_beta_grows() {
        for toy in Toy::ALL {
            let lambda = toy.learning_coefficient().lambda_f64();
            let off = |n_beta: f64| (lambda - toy.scaled_loss_mean(n_beta, toy.default_gamma()).unwrap()).abs();
            assert!(off(1e3) > off(1e7), "{toy:?}: {} {}", off(1e3), off(1e7));
            assert!(off(1e7) < 0.11, "{toy:?}");
        }
    }

    #[test]
    fn a_toy_is_found_by_its_name_and_needs_gamma_where_it_is_not_normalised_without() {
        for toy in Toy::ALL {
            assert_eq!(Toy::from_name(toy.name()), Some(toy));
            assert_eq!(toy.scaled_loss_mean(100.0, 0.0).is_err(), toy.needs_gamma(), "{toy:?}");
        }
    }
}
