//! Defines what a sampler says of itself: what it needs and takes, its defaults, and how its settings are read.

use serde::{Deserialize, Serialize, Serializer};

pub use crate::positive::PositiveF64;
use crate::setting::{Setting, choice};

/// A step size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Epsilon {
    /// Found by a pre-run.
    Auto,
    /// As given.
    Fixed(PositiveF64),
}

impl Serialize for Epsilon {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Fixed(epsilon) => epsilon.serialize(serializer),
        }
    }
}

/// What a gradient is taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "gradient", rename_all = "kebab-case")]
pub enum Gradient {
    /// A fresh part of the data at each step.
    Minibatch {
        /// Its samples, from 1 to n.
        batch_size: usize,
    },
    /// All of the data.
    Exact,
}

/// Which loss is recorded and averaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossTrace {
    /// The minibatch's.
    Minibatch,
    /// The minibatch's, less the same minibatch's at w*, plus the full data's at w*.
    ControlVariate,
    /// The full data's.
    Full,
}

/// Whether a run of a sampler without an accept step is repeated at half the step size, to take off what the step size adds to λ̂.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExtrapolateStep {
    /// Where the biases that were measured call for it.
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

/// The arithmetic of the chains, and of a network's passes: parameters, their updates and losses are f32 at least in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// Single precision.
    F32,
    /// bfloat16 for a network's matrix products and convolutions; all else in single precision.
    Bf16,
    /// Double precision.
    F64,
}

choice!(LossTrace: Minibatch = "minibatch", ControlVariate = "control-variate", Full = "full");
choice!(ExtrapolateStep: Auto = "auto", On = "on", Off = "off");
choice!(Precision: F32 = "f32", Bf16 = "bf16", F64 = "f64");

/// Says what a kernel needs to know of the loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GradientNeed {
    /// ∇L on a minibatch is enough; the exact one does too.
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
    /// Whether the posterior is its stationary law at any step size, as by an accept step or exact draws. Of any other the verdict asks for
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
    /// Names of what it records of each draw beside loss, distance and acceptance.
    pub statistics: &'static [&'static str],
    /// Whether a chain is as fast on one thread as on several, also for large models.
    pub is_single_threaded: bool,
    /// The settings that it takes beside those of every sampler; `--help` puts the sampler's name before each text.
    pub keys: &'static [Setting],
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
    /// Those of `S`, for what is not legal or does not go with this sampler.
    fn read<S: Source>(given: &Given<S>) -> Result<Self, S::Error>;

    /// Samples in a minibatch, where it draws minibatches.
    fn batch_size(&self) -> Option<usize> {
        None
    }
}

/// Where settings are read from: the configuration of a program. `None` is where nobody has set one.
pub trait Source {
    /// Says which setting is not legal, and why.
    type Error;

    /// A whole number, `minimum` or more.
    ///
    /// # Errors
    /// For a smaller one.
    fn count(&self, path: &str, minimum: u64) -> Result<Option<usize>, Self::Error>;

    /// A list of positive numbers, as many as `len` where that is given.
    ///
    /// # Errors
    /// For any other list.
    fn positives(&self, path: &str, len: Option<usize>) -> Result<Option<Vec<PositiveF64>>, Self::Error>;

    /// A word, or text.
    fn word(&self, path: &str) -> Option<&str>;

    /// The error for the value `found` of a setting, which is legal but does not fit this sampler; `reason` says what to do.
    fn unfit(&self, path: &str, found: &'static str, reason: &'static str) -> Self::Error;
}

/// What a sampler's own settings are read from. What it shares with others is checked already.
#[derive(Debug)]
pub struct Given<'a, S> {
    /// All settings.
    pub source: &'a S,
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
