//! Says how a network's parameters w depend on what a training moves, θ, if that is not w itself: w = φ(θ).
//!
//! A step places w, takes ∇L there, and moves θ by φ'(θ)ᵀ·∇L. φ may draw from the step's stream, as a curve between minima draws its
//! place ([`crate::landscape::CurveFit`]).

use tch::TchError;

use crate::params::Params;
use crate::rng::Key;

/// Parameters of a network as a function of what a training moves.
pub trait Parametrisation {
    /// θ, in f32 or f64 as the network's parameters, on their device.
    fn theta(&self) -> &Params;

    /// The same, to be moved.
    fn theta_mut(&mut self) -> &mut Params;

    /// Puts φ(θ) into `w`, for the step whose stream is `key`.
    ///
    /// # Errors
    /// Errors of libtorch.
    fn place(&mut self, key: Key, w: &mut Params) -> Result<(), TchError>;

    /// Puts φ'(θ)ᵀ·g into `theta_grad`, with g the gradient `grad` at the `w` placed last and of any penalty there.
    ///
    /// # Errors
    /// Errors of libtorch.
    fn pull_back(&mut self, w: &Params, grad: &Params, theta_grad: &mut Params) -> Result<(), TchError>;
}
