//! Configures a ladder around a toy potential: which, and what draws in it.

use serde::{Serialize, Serializer};

use crate::config::run::Work;
use crate::config::sampler::check::Subject;
use crate::config::sampler::{ExtrapolateStep, Gamma, LossTrace, SamplerConfig, SamplerDefaults, Switch, defaults};
use crate::config::{ConfigError, RawConfig, RunConfig, Value, run, sampler};
use crate::kernel::{GradientNeed, SamplerKind};
use crate::theory::Toy;

pub(super) const POTENTIAL: &str = "potential";

/// Samples n whose n/ln n is nβ where nothing is said, as in `llc toy`.
const N: usize = 10_000;
const WARMUP: f64 = 0.2;
/// Leapfrog steps of a trajectory and the acceptance that a search aims at, as in `llc toy`.
const LEAPFROG_STEPS: u64 = 5;
const ACCEPTANCE: f64 = 0.9;

const SAMPLER: SamplerDefaults = SamplerDefaults {
    kind: SamplerKind::Hmc,
    num_steps: Some(2_000),
    warmup: Some(WARMUP),
    batch_size: 1,
    num_chains: 4,
    minibatch_trace: LossTrace::Full,
    check_localisation: Switch::Off,
    gamma: Gamma::Fixed(defaults::GAMMA),
    extrapolate_step: ExtrapolateStep::Off,
};

/// A potential whose exact value is known at every scale.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PotentialConfig {
    #[serde(rename = "potential", serialize_with = "name")]
    toy: Toy,
    sampler: SamplerConfig,
    #[serde(serialize_with = "threads_alone")]
    run: RunConfig,
}

fn name<S: Serializer>(toy: &Toy, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(toy.name())
}

/// What of the run can be set here.
fn threads_alone<S: Serializer>(run: &RunConfig, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map([("threads", run.threads), ("threads_per_chain", run.threads_per_chain)])
}

impl PotentialConfig {
    /// The potential.
    pub fn toy(&self) -> Toy {
        self.toy
    }

    /// The sampler.
    pub fn sampler(&self) -> &SamplerConfig {
        &self.sampler
    }

    /// Threads.
    pub fn run(&self) -> &RunConfig {
        &self.run
    }

    /// nβ, where the ladder does not run along it.
    pub fn n_beta(&self) -> f64 {
        self.sampler.n_beta(N)
    }
}

/// The potential that `raw` asks for; `threads` is the default of `run.threads`.
pub(super) fn check(raw: &RawConfig, threads: usize) -> Result<PotentialConfig, ConfigError> {
    let toy = raw.word(POTENTIAL).and_then(Toy::from_name).unwrap_or(Toy::Regular);
    if let Some(path) = ["run.device", "run.precision"].iter().find(|path| raw.get(path).is_some()) {
        let reason = "a potential is computed on the CPU in f64: remove this flag".to_owned();
        return Err(ConfigError::Refused { key: raw.key(path)?, reason });
    }
    let mut raw = raw.clone();
    raw.fill("sampler.gamma", Value::Real(toy.default_gamma()));
    let kind = raw.word("sampler.kind").and_then(SamplerKind::from_name).unwrap_or(SAMPLER.kind);
    if kind.about().takes("sampler.leapfrog_steps") {
        raw.fill("sampler.leapfrog_steps", Value::Whole(LEAPFROG_STEPS));
    }
    if kind.about().target_acceptance.is_some() {
        raw.fill("sampler.target_acceptance", Value::Real(ACCEPTANCE));
    }
    if kind.about().gradient == GradientNeed::Minibatch {
        raw.fill("sampler.gradient", Value::Text("exact".to_owned()));
    }
    let path = "sampler.gamma";
    if raw.real(path) == Some(0.0) && toy.needs_gamma() {
        let reason =
            format!("without localisation the density of {} cannot be normalised: give a number above 0", toy.name());
        return Err(ConfigError::Refused { key: raw.key(path)?, reason });
    }
    let sampler = sampler::check::sampler(&raw, &SAMPLER, Subject { num_samples: Some(N), num_tensors: Some(1) })?;
    if sampler.kernel.batch_size().is_some() {
        let reason = "a potential has no samples: remove this flag".to_owned();
        return Err(ConfigError::Refused { key: raw.key("sampler.gradient")?, reason });
    }
    let run = run::check(&raw, Work::DeepLinear { num_parameters: 1 }, sampler.kernel.kind(), threads)?;
    Ok(PotentialConfig { toy, sampler, run })
}
