//! Tells what is known exactly: learning coefficients λ with their multiplicity m, and the laws of samplers.
//!
//! With K(w) = L(w) − L(w*), the volume of nearly optimal parameters shrinks as
//!   vol{w : K(w) < t} ~ c·t^λ·(−ln t)^{m−1},   t → 0,
//! and then E[nβ·K] = λ − (m−1)/ln(nβ) + … under the posterior, which is what a sampler estimates. Everything here
//! is pure arithmetic, needs no libtorch, and is exact unless its page says otherwise.
//!
//! | model | page |
//! |---|---|
//! | deep linear network, any depth | [`DeepLinear`] |
//! | two layers, and the local value at a point | [`ReducedRank`] |
//! | bounds at a point of a deeper one | [`LocalBounds`], [`PartialRanks`] |
//! | Π w_i^{2k_i}, normal crossings; one tanh unit | [`monomial`] |
//! | w₁²w₂² with its finite-nβ law | [`ProductOfSquares`] |
//! | w₁²w₂⁴, w₁²w₂²w₃² … with their finite-nβ means | [`Crossing`] |
//! | the toys of `llc toy`, by name | [`Toy`] |
//! | Σ w_i^{2k_i} with its finite-nβ law | [`EvenPowers`] |
//! | regular; a line and a dot | [`regular`], [`line_and_dot`] |
//! | SGLD, MALA, HMC, Gibbs on a quadratic | [`sampler_law`] |
//!
//! *Reference*: Watanabe, Algebraic Geometry and Statistical Learning Theory (Cambridge, 2009), for λ and m.

pub mod coefficient;
pub mod crossing;
pub mod deep_linear;
pub mod even_powers;
pub mod invalid_argument;
pub mod line_and_dot;
pub mod local_bounds;
pub mod monomial;
pub mod partial_ranks;
pub mod product_of_squares;
pub mod rational;
pub mod reduced_rank;
pub mod regular;
pub mod report;
pub mod sampler_law;
pub mod toy;

pub use coefficient::LearningCoefficient;
pub use crossing::Crossing;
pub use deep_linear::{DeepLinear, DeepLinearError};
pub use even_powers::EvenPowers;
pub use invalid_argument::InvalidArgument;
pub use local_bounds::LocalBounds;
pub use monomial::Monomial;
pub use partial_ranks::{PartialRanks, PartialRanksError};
pub use product_of_squares::ProductOfSquares;
pub use rational::Rational;
pub use reduced_rank::{ReducedRank, TwoLayerPointError};
pub use report::{DeepLinearReport, describe_deep_linear};
pub use toy::Toy;

mod quadrature;
#[cfg(test)]
mod test_random;
