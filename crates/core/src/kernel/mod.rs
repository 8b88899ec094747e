//! Defines samplers: each has one file with its settings, kernel and state, and one line in the list here.
//!
//! A kernel turns a state into the next one; it sees a [`crate::target::Target`] but not the model. A sampler consists of the settings of a
//! kernel: it prepares the kernel (by a step-size search, for example) and runs chains. Create one with its constructor, such as
//! [`hmc::Hmc::new`].

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
