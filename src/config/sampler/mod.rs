//! Configures the sampler: which kernel, at which β and γ, for how long.
//!
//! Every experiment that samples reads these settings from the table `sampler`; what it leaves to its own default is in a
//! [`SamplerDefaults`].

pub(super) mod check;
pub mod defaults;
mod few_samples;
pub(super) mod keys;

use llc_core::setting::choice;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use llc_core::kernel::KernelError;
use llc_core::rng::{Key, Role};
use llc_core::run::{self, Chains};
use llc_core::target::Target;
use llc_core::{probe, scale};

use crate::config::{PositiveF64, RunConfig};
use crate::kernel::KernelConfig;

pub use check::ConfigWarning;
pub use defaults::SamplerDefaults;
pub use few_samples::{BATCH_SIZE, BATCH_SIZE_OF_CURVE};
pub use llc_core::kernel::{Epsilon, ExtrapolateStep, Gradient, LossTrace};

/// The sampler and the local posterior that it draws from, U(w) = nβ·L_n(w) + γ/2·‖w − w*‖².
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SamplerConfig {
    /// The kernel and what belongs to it alone.
    #[serde(flatten)]
    pub kernel: KernelConfig,
    /// β or nβ, if one was given; [`SamplerConfig::n_beta`] gives the number to use.
    #[serde(flatten)]
    pub tempering: Option<Tempering>,
    /// Localisation γ.
    pub gamma: Gamma,
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
    /// Whether the run is repeated at half the step size, if it was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extrapolate_step: Option<ExtrapolateStep>,
    /// What holds if it was not.
    #[serde(skip)]
    pub(in crate::config) default_extrapolate_step: ExtrapolateStep,
}

/// The strength of the localisation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Gamma {
    /// Chosen by the largest curvature at w* ([`crate::scale`]).
    Auto,
    /// As given: finite, 0 or more; above 0 for Gibbs.
    Fixed(f64),
}

impl Gamma {
    /// The number, if it is known before the loss is looked at.
    pub fn fixed(self) -> Option<f64> {
        match self {
            Self::Auto => None,
            Self::Fixed(gamma) => Some(gamma),
        }
    }
}

impl Serialize for Gamma {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Fixed(gamma) => gamma.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Gamma {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        Ok(value.as_f64().map_or(Self::Auto, Self::Fixed))
    }
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

choice!(Switch: On = "on", Off = "off");

impl SamplerConfig {
    /// nβ for `num_samples` samples, which multiplies the mean loss: as given, or n·β, or n/ln n where neither is.
    pub fn n_beta(&self, num_samples: usize) -> f64 {
        let n = num_samples as f64;
        match self.tempering {
            Some(Tempering::NBeta(n_beta)) => n_beta.get(),
            Some(Tempering::Beta(beta)) => n * beta.get(),
            None => n / n.ln(),
        }
    }

    /// γ where no look at the loss chooses it: a configuration that leaves it to such a look has the default of all others here.
    pub fn fixed_gamma(&self) -> f64 {
        self.gamma.fixed().unwrap_or(defaults::GAMMA)
    }

    /// γ around the w* of `target`, with random numbers of the run whose stream is `key`: as configured, or by the largest curvature there, which
    /// then comes with it.
    ///
    /// # Errors
    /// Errors of the target.
    pub fn gamma_around(&self, target: &mut dyn Target, key: Key) -> Result<(f64, Option<f64>), KernelError> {
        match self.gamma {
            Gamma::Fixed(gamma) => Ok((gamma, None)),
            Gamma::Auto => {
                let largest_curvature = probe::largest_curvature(target, key.role(Role::Probe))?;
                Ok((scale::gamma(target.local().n_beta(), largest_curvature), Some(largest_curvature)))
            }
        }
    }

    /// Whether the run is repeated at half the step size.
    pub fn extrapolate_step(&self) -> ExtrapolateStep {
        self.extrapolate_step.unwrap_or(self.default_extrapolate_step)
    }

    /// The chains that these settings and `run` say, with random numbers from `key`, around a point of loss `init_loss`.
    pub fn chains(&self, run: &RunConfig, key: Key, init_loss: f64) -> Chains {
        let mut chains = Chains::new(self.num_chains, self.num_draws(), init_loss, key);
        chains.threads = run.threads;
        chains.threads_per_chain = run.threads_per_chain;
        chains.extrapolate_step = self.extrapolate_step();
        chains.plan.num_warmup = self.num_warmup_draws();
        chains.plan.thin = self.thin;
        chains.plan.batch_size = self.kernel.batch_size();
        chains.plan.loss_trace = self.loss_trace;
        chains.plan.virial_every = run::virial_every(self.num_kept_draws());
        chains
    }

    /// The same sampler at localisation `gamma`.
    pub fn with_gamma(&self, gamma: f64) -> SamplerConfig {
        SamplerConfig { gamma: Gamma::Fixed(gamma), ..self.clone() }
    }

    /// Draws of a chain, warm-up included: ⌊num_steps / thin⌋.
    pub fn num_draws(&self) -> usize {
        self.num_steps / self.thin
    }

    /// Draws of a chain that are warm-up: ⌊warmup·num_draws⌋.
    pub fn num_warmup_draws(&self) -> usize {
        // 0.9·10 is a hair below 9 for some fractions; without the margin a round number would lose a draw.
        (self.warmup * self.num_draws() as f64 + 1e-9) as usize
    }

    /// Draws of a chain that are averaged, at least [`defaults::MIN_KEPT_DRAWS`].
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
