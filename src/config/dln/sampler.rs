//! Configures the sampler: which kernel, at which β and γ, for how long.

use serde::{Serialize, Serializer};

use crate::config::PositiveF64;

/// The sampler and the local posterior that it draws from, U(w) = nβ·L_n(w) + γ/2·‖w − w*‖².
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SamplerConfig {
    /// The kernel and what belongs to it alone.
    #[serde(flatten)]
    pub kernel: KernelConfig,
    /// β or nβ, if one was given; [`super::DlnConfig::n_beta`] gives the number to use.
    #[serde(flatten)]
    pub tempering: Option<Tempering>,
    /// Localisation γ: finite, 0 or more; above 0 for Gibbs.
    pub gamma: f64,
    /// Steps of a chain, warm-up included.
    pub num_steps: usize,
    /// Share of the draws that is warm-up, in [0, 1).
    pub warmup: f64,
    /// Steps from one draw to the next, at least 1.
    pub thin: usize,
    /// Number of chains, at least 1.
    pub num_chains: usize,
    /// Which loss is recorded and averaged.
    pub loss_trace: LossTrace,
    /// Whether the run is repeated at a smaller γ, to see what the localisation hides.
    pub check_localisation: Switch,
}

/// Whether something is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Switch {
    /// It is.
    On,
    /// It is not.
    Off,
}

impl SamplerConfig {
    /// Draws of a chain, warm-up included: ⌊num_steps / thin⌋.
    pub fn num_draws(&self) -> usize {
        self.num_steps / self.thin
    }

    /// Draws of a chain that are warm-up: ⌊warmup·num_draws⌋.
    pub fn num_warmup_draws(&self) -> usize {
        // 0.9·10 is a hair below 9 for some fractions; without the margin a round number would lose a draw.
        (self.warmup * self.num_draws() as f64 + 1e-9) as usize
    }

    /// Draws of a chain that are averaged, at least [`super::defaults::MIN_KEPT_DRAWS`].
    pub fn num_kept_draws(&self) -> usize {
        self.num_draws() - self.num_warmup_draws()
    }
}

/// The inverse temperature as it was given.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub enum Tempering {
    /// β, which n multiplies.
    #[serde(rename = "beta")]
    Beta(PositiveF64),
    /// nβ itself.
    #[serde(rename = "n_beta")]
    NBeta(PositiveF64),
}

/// The kernel and what belongs to it alone.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum KernelConfig {
    /// Each layer drawn exactly, given the others.
    Gibbs,
    /// Hamiltonian Monte Carlo.
    Hmc(HmcConfig),
    /// The Metropolis-adjusted Langevin algorithm.
    Mala(MalaConfig),
    /// Stochastic gradient Langevin dynamics.
    Sgld(SgldConfig),
}

impl KernelConfig {
    /// Which sampler it is.
    pub fn kind(&self) -> SamplerKind {
        match self {
            Self::Gibbs => SamplerKind::Gibbs,
            Self::Hmc(_) => SamplerKind::Hmc,
            Self::Mala(_) => SamplerKind::Mala,
            Self::Sgld(_) => SamplerKind::Sgld,
        }
    }
}

/// The samplers by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SamplerKind {
    /// Each layer drawn exactly, given the others.
    Gibbs,
    /// Hamiltonian Monte Carlo.
    Hmc,
    /// The Metropolis-adjusted Langevin algorithm.
    Mala,
    /// Stochastic gradient Langevin dynamics.
    Sgld,
}

impl SamplerKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Gibbs, Self::Hmc, Self::Mala, Self::Sgld];

    /// The name in files and flags.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gibbs => "gibbs",
            Self::Hmc => "hmc",
            Self::Mala => "mala",
            Self::Sgld => "sgld",
        }
    }

    /// The sampler of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// What belongs to HMC alone. Its gradients are exact.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct HmcConfig {
    /// Step size: h² of the leapfrog step h.
    pub epsilon: Epsilon,
    /// Mean number of leapfrog steps of a trajectory, at least 1.
    pub leapfrog_steps: usize,
    /// Acceptance that the tuning of ε aims at, in (0, 1).
    pub target_acceptance: f64,
}

/// What belongs to MALA alone. Its gradients are exact.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct MalaConfig {
    /// Step size: drift ε/2, noise variance ε.
    pub epsilon: Epsilon,
    /// Acceptance that the tuning of ε aims at, in (0, 1).
    pub target_acceptance: f64,
}

/// What belongs to SGLD alone.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SgldConfig {
    /// Step size: drift ε/2, noise variance ε.
    pub epsilon: Epsilon,
    /// What the gradient is taken over.
    #[serde(flatten)]
    pub gradient: Gradient,
    /// Steps from one acceptance diagnostic to the next; 0 is off.
    pub mala_every: usize,
    /// The factor of ε for each layer, if any was given: one entry a layer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preconditioner: Option<Vec<PositiveF64>>,
}

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
#[non_exhaustive]
pub enum LossTrace {
    /// The minibatch's.
    Minibatch,
    /// The minibatch's, less the same minibatch's at w*, plus the full data's at w*.
    ControlVariate,
    /// The full data's.
    Full,
}
