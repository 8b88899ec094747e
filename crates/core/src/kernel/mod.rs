//! Defines samplers: one file each, with its settings, its kernel and state, and one line in the list here.
//!
//! A kernel turns a state into the next one; it sees a [`crate::target::Target`] and nothing of the model. A sampler is the settings of a
//! kernel: it prepares it (a step-size search, say) and runs chains. Each is made by its constructor, such as [`hmc::Hmc::new`].

mod metropolis;
mod registry;
mod sampler;
mod settings;
pub mod tuning;

pub use metropolis::{Evaluated, log_acceptance};
pub use sampler::{Info, Kernel, KernelError, Sampler, State};
pub use settings::{
    About, Epsilon, ExtrapolateStep, Given, Gradient, GradientNeed, LossTrace, PositiveF64, Precision, Settings, Source,
};

use sampler::{ACCEPT, JITTER, finite};

// The registry, in the order of `--help`: the module, which gives the sampler its name, and its settings.
registry::samplers! {
    gibbs: Gibbs(Gibbs),
    hmc: Hmc(Hmc),
    mala: Mala(Mala),
    sgld: Sgld(Sgld),
}
