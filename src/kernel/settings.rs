//! Defines what a sampler tells of itself without libtorch: what it needs and takes, its defaults, and how its settings are read.

use crate::config::{ConfigError, Key, RawConfig};
use crate::config::{Epsilon, Gradient, Precision};

/// Says what a kernel needs to know of the loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GradientNeed {
    /// ∇L on a minibatch is enough; the exact one serves too.
    Minibatch,
    /// L and ∇L on all samples: an acceptance ratio needs the exact energy.
    Exact,
    /// None: blocks of parameters are drawn from their exact conditional laws.
    None,
}

/// What a sampler says of itself: the command line, its help, its checks and its defaults follow from it.
#[derive(Debug)]
pub struct About {
    /// How it draws: a sentence for `--help` whose subject, the name, goes before it; without its full stop.
    pub summary: &'static str,
    /// What it needs of the loss: which of `--gradient`, `--batch-size` and `--loss-trace` go with it.
    pub gradient: GradientNeed,
    /// Whether the posterior is its stationary law at any step size, as by an accept step or exact draws. Of any other the verdict wants
    /// evidence that the step is small.
    pub is_exact: bool,
    /// Whether it has a step size: whether it takes `--epsilon`.
    pub has_epsilon: bool,
    /// Acceptance that the search for ε aims at, where there is such a search: whether it takes `--target-acceptance`.
    pub target_acceptance: Option<f64>,
    /// Steps of a chain, warm-up included.
    pub num_steps: usize,
    /// Share of a chain that is warm-up.
    pub warmup: f64,
    /// Arithmetic of the chain.
    pub precision: Precision,
    /// Whether a chain is as fast on one thread as on several, also for large models.
    pub is_single_threaded: bool,
    /// The settings that it takes beside those of every sampler; `--help` puts the sampler's name before each text.
    pub keys: &'static [Key],
}

impl About {
    /// Whether its step size changes its stationary law: whether it takes `--extrapolate-step on`.
    pub fn is_biased(&self) -> bool {
        self.has_epsilon && !self.is_exact
    }

    /// Whether the sampler takes the setting at `path`, out of those that not every sampler takes.
    pub fn takes(&self, path: &str) -> bool {
        match path {
            "sampler.epsilon" => self.has_epsilon,
            "sampler.target_acceptance" => self.target_acceptance.is_some(),
            _ => self.keys.iter().any(|key| key.path == path),
        }
    }
}

/// The settings that belong to one sampler alone, known to be legal.
pub trait Settings: Sized {
    /// What the sampler says of itself.
    const ABOUT: About;

    /// Reads them; what `given` leaves open gets its default.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for what is not legal, or doesn't go with this sampler.
    fn read(given: &Given) -> Result<Self, ConfigError>;

    /// Samples in a minibatch, where it draws minibatches.
    fn batch_size(&self) -> Option<usize> {
        None
    }
}

/// What a sampler's own settings are read from. What it shares with others is checked already.
#[derive(Debug)]
pub struct Given<'a> {
    /// All settings.
    pub raw: &'a RawConfig,
    /// Tensors that the parameters consist of, where that is known before the data are read.
    pub num_tensors: Option<usize>,
    /// What gradients are taken over; exact for a sampler that takes none.
    pub gradient: Gradient,
    /// Localisation γ.
    pub gamma: f64,
    /// Step size.
    pub epsilon: Epsilon,
    /// Acceptance that the search for ε aims at: as given, else the sampler's; 0 for one that searches for none.
    pub target_acceptance: f64,
}
