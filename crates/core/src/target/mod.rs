//! Defines the target of a sampler: the loss and its gradient, and the local posterior around w*.
//!
//! U(w) = nβ·L(w) + γ/2·‖w − w*‖². A target returns L and ∇L; a kernel combines them with γ(w − w*) and its noise in its own
//! pass over memory. γ is not tempered by β (other tools temper it: conventions.md).

pub mod differences;
pub mod law;
mod samples;
pub use samples::{Centre, probed};

use crate::memory::MemoryError;
use crate::params::Params;
use crate::rng::Key;

/// The density around w*: nβ, γ and w* itself.
#[derive(Debug)]
pub struct LocalPosterior {
    pub(crate) n_beta: f64,
    pub(crate) gamma: f64,
    pub(crate) w_star: Params,
}

impl LocalPosterior {
    /// The density ∝ exp(−nβ·L(w) − γ/2·‖w − w*‖²).
    ///
    /// # Errors
    /// [`TargetError::Posterior`] unless nβ is positive and γ is not negative, both finite.
    pub fn new(n_beta: f64, gamma: f64, w_star: Params) -> Result<LocalPosterior, TargetError> {
        if !(n_beta > 0.0 && n_beta.is_finite() && gamma >= 0.0 && gamma.is_finite()) {
            return Err(TargetError::Posterior { n_beta, gamma });
        }
        Ok(LocalPosterior { n_beta, gamma, w_star })
    }

    /// nβ, the factor of the mean loss.
    pub fn n_beta(&self) -> f64 {
        self.n_beta
    }

    /// γ, the strength of the localisation.
    pub fn gamma(&self) -> f64 {
        self.gamma
    }

    /// w*, the centre.
    pub fn w_star(&self) -> &Params {
        &self.w_star
    }

    /// U(w) at loss L and squared distance ‖w − w*‖².
    pub fn potential(&self, loss: f64, squared_distance: f64) -> f64 {
        self.n_beta * loss + 0.5 * self.gamma * squared_distance
    }

    /// The same centre with another nβ and γ.
    pub fn with_density(&self, n_beta: f64, gamma: f64) -> Result<LocalPosterior, TargetError> {
        LocalPosterior::new(n_beta, gamma, self.w_star.try_clone()?)
    }
}

/// The samples that a loss is evaluated on.
#[derive(Debug, Clone, Copy)]
pub enum Batch<'a> {
    /// All n samples, or their exact expectation.
    Full,
    /// The samples for probes before a chain (curvature, descent), the same at each call: all of them, or a representative part if a pass
    /// over all of them is slow.
    Probe,
    /// The samples of these indices; `key` is the stream for anything else that depends on the batch.
    Minibatch { key: Key, indices: &'a [u64] },
}

/// The loss, its gradient and the local posterior that a sampler draws from.
pub trait Target: Send {
    /// nβ, γ and w*.
    fn local(&self) -> &LocalPosterior;

    /// L(w) on `batch`; writes ∇L(w) into `grad`.
    fn loss_and_grad(&mut self, w: &Params, batch: Batch, grad: &mut Params) -> Result<f64, TargetError>;

    /// L(w) on `batch`. The default also computes the gradient; override it if the loss alone is cheaper.
    fn loss(&mut self, w: &Params, batch: Batch) -> Result<f64, TargetError> {
        self.loss_and_grad(w, batch, &mut w.zeros_like()?)
    }

    /// L(w*) on `batch`, if it is known without another pass.
    fn loss_at_centre(&self, _batch: Batch) -> Option<f64> {
        None
    }

    /// L(w) on all samples in the arithmetic of the parameters; `None` unless passes use a coarser one (bfloat16).
    ///
    /// # Errors
    /// As [`Target::loss`].
    fn precise_loss(&mut self, _w: &Params) -> Result<Option<f64>, TargetError> {
        Ok(None)
    }

    /// Whether w* is a minimum by construction, so that no descent from it has to be tried.
    fn is_at_minimum(&self) -> bool {
        false
    }

    /// Whether [`Batch::Probe`] is only a part of the samples.
    fn probes_a_part(&self) -> bool {
        false
    }

    /// Writes ∇²L(w)·v on [`Batch::Probe`] into `out`. The default takes central differences of gradients; override it with an exact product.
    fn hessian_vector(&mut self, w: &Params, v: &Params, out: &mut Params) -> Result<(), TargetError> {
        differences::hessian_vector(self, w, v, out)
    }

    /// Called on the thread that is about to use this target, with the number of threads that it may occupy: for targets with their own threads.
    fn use_threads(&mut self, _num_threads: usize) {}

    /// Number of samples n that a minibatch is drawn from; `None` if there are no samples, only an exact loss.
    fn num_samples(&self) -> Option<u64>;

    /// The same loss around the same w* at another nβ and γ, with its own memory: for another chain, a probe, or another scale.
    fn with_density(&self, n_beta: f64, gamma: f64) -> Result<Box<dyn Target>, TargetError>;

    /// As [`Target::with_density`], at the same nβ.
    fn with_gamma(&self, gamma: f64) -> Result<Box<dyn Target>, TargetError> {
        self.with_density(self.local().n_beta(), gamma)
    }

    /// This target as a [`ConditionalDraw`], if its blocks can be drawn exactly.
    fn as_conditional(&mut self) -> Option<&mut dyn ConditionalDraw> {
        None
    }
}

/// Draws one block of parameters from its exact distribution given the others.
pub trait ConditionalDraw {
    /// Number of blocks: one sweep draws each once, in order.
    fn num_blocks(&self) -> usize;

    /// Moves `w` to another point with the same loss and leaves the posterior invariant; the default leaves `w` unchanged.
    fn move_along_fibre(&mut self, _key: Key, _w: &mut Params) {}

    /// Prepares a sweep from `w`.
    fn begin_sweep(&mut self, w: &Params) -> Result<(), TargetError>;

    /// Draws block `block` of `w` given the rest; called in order 0, 1, … after [`ConditionalDraw::begin_sweep`].
    fn draw_block(&mut self, key: Key, block: usize, w: &mut Params) -> Result<(), TargetError>;

    /// L_n(w) at the end of a sweep, from what the sweep already computed.
    fn loss_after_sweep(&mut self) -> Result<f64, TargetError>;
}

/// Why a target can't be built or evaluated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// nβ or γ out of range.
    #[error("the local posterior needs a positive nβ and a non-negative γ, not nβ = {n_beta} and γ = {gamma}")]
    Posterior { n_beta: f64, gamma: f64 },
    /// The target does not support what a sampler needs.
    #[error("{0}")]
    Unsupported(&'static str),
    /// A matrix decomposition failed, because entries are not finite.
    #[error(
        "a decomposition of layer {layer} failed: its entries are no longer finite; a larger γ keeps the chain closer to w*"
    )]
    Decomposition { layer: usize },
    /// The construction was cancelled.
    #[error("interrupted before the data were read")]
    Cancelled,
    /// An operation on the memory of parameters failed.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// Any other error of a custom target.
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
}

impl TargetError {
    /// An error of a custom target, with `reason` as its text or its cause.
    pub fn other(reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> TargetError {
        TargetError::Other(reason.into())
    }
}
