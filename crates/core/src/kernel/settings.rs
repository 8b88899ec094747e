//! Defines the description of a sampler: its needs, its flags, its defaults, and how its settings are read.

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

/// The samples of a gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "gradient", rename_all = "kebab-case")]
pub enum Gradient {
    /// A new random part of the data at each step.
    Minibatch {
        /// Its samples, from 1 to n.
        batch_size: usize,
    },
    /// All of the data.
    Exact,
}

/// The loss that is recorded and averaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossTrace {
    /// The minibatch's.
    Minibatch,
    /// The minibatch's, minus the same minibatch's at w*, plus the full data's at w*.
    ControlVariate,
    /// The full data's.
    Full,
}

/// Whether a run of a sampler without an accept step is repeated at half the step size, to remove the bias of the step size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExtrapolateStep {
    /// If the measured biases are too large.
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

/// The arithmetic of the chains, and of a network's passes: parameters, their updates and losses are always at least f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// Single precision.
    F32,
    /// bfloat16 for a network's matrix products and convolutions; everything else in single precision.
    Bf16,
    /// Double precision.
    F64,
}

choice!(LossTrace: Minibatch = "minibatch", ControlVariate = "control-variate", Full = "full");
choice!(ExtrapolateStep: Auto = "auto", On = "on", Off = "off");
choice!(Precision: F32 = "f32", Bf16 = "bf16", F64 = "f64");

/// What a kernel needs of the loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GradientNeed {
    /// ∇L on a minibatch, or the exact gradient.
    Minibatch,
    /// L and ∇L on all samples: an acceptance ratio needs the exact energy.
    Exact,
    /// None: blocks of parameters are drawn from their exact conditional laws.
    None,
}

/// The description of a sampler. The command line, its help, its checks and its defaults follow from it.
#[derive(Debug)]
pub struct About {
    /// How it draws: a sentence for `--help`, without its subject (the sampler's name) and its full stop.
    pub summary: &'static str,
    /// What it needs of the loss; decides which of `--gradient`, `--batch-size` and `--loss-trace` it takes.
    pub gradient: GradientNeed,
    /// Whether the posterior is its stationary law at any step size, because of an accept step or exact draws. For any other sampler the
    /// verdict requires evidence that the step is small.
    pub is_exact: bool,
    /// Whether it has a step size, and so takes `--epsilon`.
    pub has_epsilon: bool,
    /// Target acceptance of the search for ε, if there is one; the sampler then takes `--target-acceptance`.
    pub target_acceptance: Option<f64>,
    /// Steps of a chain, warm-up included.
    pub num_steps: usize,
    /// Share of a chain that is warm-up.
    pub warmup: f64,
    /// Arithmetic of the chain.
    pub precision: Precision,
    /// Names of the statistics that it records for each draw besides loss, distance and acceptance.
    pub statistics: &'static [&'static str],
    /// Whether a chain is as fast on one thread as on several, even for large models.
    pub is_single_threaded: bool,
    /// Its settings besides those of every sampler; `--help` puts the sampler's name before each text.
    pub keys: &'static [Setting],
}

impl About {
    /// Whether its step size changes its stationary law, and so it takes `--extrapolate-step on`.
    pub fn is_biased(&self) -> bool {
        self.has_epsilon && !self.is_exact
    }

    /// Whether the sampler takes the setting at `path`, one that not every sampler takes.
    pub fn takes(&self, path: &str) -> bool {
        match path {
            "sampler.epsilon" => self.has_epsilon,
            "sampler.target_acceptance" => self.target_acceptance.is_some(),
            _ => self.keys.iter().any(|key| key.path == path),
        }
    }
}

/// The checked settings of one sampler.
pub trait Settings: Sized {
    /// The description of the sampler.
    const ABOUT: About;

    /// Reads them; settings that `given` does not set get their defaults.
    ///
    /// # Errors
    ///
    /// Those of `S`, for values that are not legal or do not suit this sampler.
    fn read<S: Source>(given: &Given<S>) -> Result<Self, S::Error>;

    /// Samples in a minibatch, if it draws minibatches.
    fn batch_size(&self) -> Option<usize> {
        None
    }
}

/// The source of settings: the configuration of a program. `None` stands for a setting that is not set.
pub trait Source {
    /// The error that names a setting with an illegal value, and the reason.
    type Error;

    /// A whole number, `minimum` or more.
    ///
    /// # Errors
    /// For a smaller one.
    fn count(&self, path: &str, minimum: u64) -> Result<Option<usize>, Self::Error>;

    /// A list of positive numbers, of length `len` if that is given.
    ///
    /// # Errors
    /// For any other list.
    fn positives(&self, path: &str, len: Option<usize>) -> Result<Option<Vec<PositiveF64>>, Self::Error>;

    /// A word, or text.
    fn word(&self, path: &str) -> Option<&str>;

    /// The error for the value `found` of a setting, which is legal but does not fit this sampler; `reason` says what to do.
    fn unfit(&self, path: &str, found: &'static str, reason: &'static str) -> Self::Error;
}

/// The input for a sampler's own settings. The settings that it shares with others are checked already.
#[derive(Debug)]
pub struct Given<'a, S> {
    /// All settings.
    pub source: &'a S,
    /// Number of tensors of the parameters, if known before the data are read.
    pub num_tensors: Option<usize>,
    /// The samples of gradients; exact for a sampler without gradients.
    pub gradient: Gradient,
    /// Localisation γ.
    pub gamma: f64,
    /// Step size.
    pub epsilon: Epsilon,
    /// Target acceptance of the search for ε: as given, otherwise the sampler's; 0 for a sampler without such a search.
    pub target_acceptance: f64,
}
