//! Lists every sampler by the name that the command line uses: adding one is one file and one line here.

use super::gibbs::Gibbs;
use super::hmc::HmcConfig;
use super::mala::MalaConfig;
use super::sgld::SgldConfig;
use super::{Gradient, Sampler};

/// What a user may set of a sampler, whichever it is; each takes what it knows.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Step size; `None` searches for one.
    pub epsilon: Option<f64>,
    /// Mean number of leapfrog steps; `None` leaves it to the sampler.
    pub leapfrog_steps: Option<usize>,
    /// Mean acceptance that a search aims at.
    pub target_acceptance: f64,
    /// Fixed factor of ε per tensor.
    pub preconditioner: Vec<f64>,
    /// Every how many steps an unadjusted sampler's acceptance is computed; 0 for never.
    pub acceptance_every: u64,
}

/// One sampler of the registry.
pub struct Entry {
    /// Name on the command line.
    pub name: &'static str,
    /// What it needs of the loss.
    pub gradient: Gradient,
    /// One sentence for help texts.
    pub summary: &'static str,
    /// Where it comes from.
    pub reference: &'static str,
    /// Makes it from the user's settings.
    pub build: fn(&Settings) -> Box<dyn Sampler>,
}

/// Every sampler.
pub const SAMPLERS: &[Entry] = &[
    Entry {
        name: "gibbs",
        gradient: Gradient::None,
        summary: "draws each layer of a deep linear network exactly, given the others",
        reference: "Geman and Geman 1984",
        build: |_| Box::new(Gibbs),
    },
    Entry {
        name: "hmc",
        gradient: Gradient::Exact,
        summary: "leapfrog trajectories on the exact gradient, accepted or rejected",
        reference: "Neal 2011, arXiv:1206.1901",
        build: |s| {
            Box::new(HmcConfig {
                epsilon: s.epsilon,
                leapfrog_steps: s.leapfrog_steps,
                target_acceptance: s.target_acceptance,
            })
        },
    },
    Entry {
        name: "mala",
        gradient: Gradient::Exact,
        summary: "Langevin steps on the exact gradient, accepted or rejected",
        reference: "Roberts and Tweedie 1996",
        build: |s| Box::new(MalaConfig { epsilon: s.epsilon, target_acceptance: s.target_acceptance }),
    },
    Entry {
        name: "sgld",
        gradient: Gradient::Minibatch,
        summary: "Langevin steps on minibatch gradients, without an accept step",
        reference: "Welling and Teh 2011",
        build: |s| {
            Box::new(SgldConfig {
                epsilon: s.epsilon,
                preconditioner: s.preconditioner.clone(),
                acceptance_every: s.acceptance_every,
            })
        },
    },
];

/// The sampler called `name`, if there is one.
pub fn find(name: &str) -> Option<&'static Entry> {
    SAMPLERS.iter().find(|entry| entry.name == name)
}
