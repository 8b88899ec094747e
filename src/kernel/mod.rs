//! Defines samplers: one file each, with its settings, its kernel and state, and one line in the list here.
//!
//! A kernel turns a state into the next one; it sees a [`crate::target::Target`] and nothing of the model. Settings need no libtorch,
//! so that every program can check a configuration.

#[cfg(feature = "torch")]
mod metropolis;
mod registry;
#[cfg(feature = "torch")]
mod sampler;
mod settings;
#[cfg(feature = "torch")]
pub mod tuning;

#[cfg(feature = "torch")]
pub use metropolis::{Evaluated, log_acceptance};
#[cfg(feature = "torch")]
pub use sampler::{Info, Kernel, KernelError, Sampler, State};
pub use settings::{About, Given, GradientNeed, Settings};

#[cfg(feature = "torch")]
use sampler::{ACCEPT, JITTER, finite};

// The registry, in the order of `--help`: the module, which gives the sampler its name, and its settings.
registry::samplers! {
    gibbs: Gibbs(Gibbs),
    hmc: Hmc(HmcConfig),
    mala: Mala(MalaConfig),
    sgld: Sgld(SgldConfig),
}
