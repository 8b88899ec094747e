//! Checks the raw settings of a sampler: which settings suit which kernel.

use llc_core::setting::Choice;
use std::fmt;
use std::sync::LazyLock;

use super::keys;
use super::{
    Epsilon, ExtrapolateStep, Gamma, Gradient, LossTrace, SamplerConfig, SamplerDefaults, Tempering, defaults,
};
use crate::config::error::minibatch_samplers;
use crate::config::{ConfigError, RawConfig, Setting, Value};
use crate::kernel::{About, Given, GradientNeed, SamplerKind};

/// The sizes of the problem that a configuration knows before the data are read.
#[derive(Debug, Clone, Copy)]
pub struct Subject {
    /// Samples n.
    pub num_samples: Option<usize>,
    /// Tensors that the parameters consist of.
    pub num_tensors: Option<usize>,
}

/// A setting that is legal but probably not intended. Its text is one sentence that says what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigWarning {
    /// γ = 0: flat directions have no stationary law.
    FlatDirectionsAreFree,
    /// A minibatch size although no minibatches are drawn.
    BatchSizeIsUnused,
    /// A target acceptance with a given step size.
    TargetAcceptanceIsUnused,
    /// A training loss that a network's own outputs do not minimise, so that labels become the targets.
    LabelsAreTheTargets,
    /// A choice of labels although none are used.
    LabelsAreUnused,
}

impl fmt::Display for ConfigWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FlatDirectionsAreFree => f.write_str(
                "--gamma is 0: in flat directions the chains drift without limit and never settle; give --gamma 1",
            ),
            Self::BatchSizeIsUnused => {
                let samplers = minibatch_samplers();
                write!(
                    f,
                    "--batch-size has no effect: only {samplers} with --gradient minibatch draws minibatches; leave it out"
                )
            }
            Self::TargetAcceptanceIsUnused => {
                f.write_str("--target-acceptance has no effect with a given --epsilon; leave one of them out")
            }
            Self::LabelsAreTheTargets => f.write_str(
                "the loss around the network uses labels, because a network's own outputs do not minimise this \
                 --loss; give --loss-around labels to silence this warning",
            ),
            Self::LabelsAreUnused => f.write_str(
                "--llc-labels has no effect: the loss is that around the network's own function; give --loss-around \
                 labels as well",
            ),
        }
    }
}

/// Warnings about settings of `sampler`, which was made from `raw`, that are legal but probably not intended.
pub fn warnings(raw: &RawConfig, sampler: &SamplerConfig) -> Vec<ConfigWarning> {
    let mut warnings = Vec::new();
    let is_set = |path| raw.get(path).is_some();
    if sampler.gamma == Gamma::Fixed(0.0) {
        warnings.push(ConfigWarning::FlatDirectionsAreFree);
    }
    if is_set("sampler.batch_size") && sampler.kernel.batch_size().is_none() {
        warnings.push(ConfigWarning::BatchSizeIsUnused);
    }
    if is_set("sampler.target_acceptance") && raw.real("sampler.epsilon").is_some() {
        warnings.push(ConfigWarning::TargetAcceptanceIsUnused);
    }
    warnings
}

/// The sampler `kind` of an experiment that chooses samplers itself, with `settings` by the keys of every experiment; the others are
/// those of `base`.
pub fn of_kind(
    kind: SamplerKind,
    settings: &[(&'static str, Value)],
    base: &SamplerDefaults,
    subject: Subject,
) -> Result<SamplerConfig, ConfigError> {
    static KEYS: LazyLock<Vec<Setting>> = LazyLock::new(|| keys::keys(&crate::config::dln::defaults::SAMPLER, true));
    let mut raw = RawConfig::new(&KEYS);
    raw.fill("sampler.kind", Value::Text(kind.name().to_owned()));
    settings.iter().for_each(|(path, value)| raw.fill(path, value.clone()));
    sampler(&raw, base, subject)
}

/// The sampler of `subject`, which is checked already; settings that `raw` lacks are those of `base`.
pub fn sampler(raw: &RawConfig, base: &SamplerDefaults, subject: Subject) -> Result<SamplerConfig, ConfigError> {
    let kind = raw.word("sampler.kind").and_then(SamplerKind::from_name).unwrap_or(base.kind);
    let gradient = gradient(raw, kind, base, subject.num_samples)?;
    let gamma = match raw.get("sampler.gamma") {
        Some(Value::Text(_)) => Gamma::Auto,
        Some(_) => raw.non_negative("sampler.gamma")?.map_or(base.gamma, Gamma::Fixed),
        None => base.gamma,
    };
    let epsilon = raw.positive("sampler.epsilon")?.map_or(Epsilon::Auto, Epsilon::Fixed);
    let open_unit = |value: f64| value > 0.0 && value < 1.0;
    let target_acceptance = raw.within("sampler.target_acceptance", "(0, 1)", open_unit)?;
    let target_acceptance = target_acceptance.or(kind.about().target_acceptance).unwrap_or(0.0);
    let beta = raw.positive("sampler.beta")?.map(Tempering::Beta);
    if let Some(Tempering::Beta(beta)) = beta
        && !(beta.get() * subject.num_samples.unwrap_or(1) as f64).is_finite()
    {
        return Err(ConfigError::NBetaOverflows { key: raw.key("sampler.beta")?, found: beta.get() });
    }
    let n_beta = raw.positive("sampler.n_beta")?.map(Tempering::NBeta);
    let num_steps = raw.count("sampler.num_steps", 1)?.or(base.num_steps).unwrap_or(kind.about().num_steps);
    let share = |value: f64| (0.0..1.0).contains(&value);
    let warmup = raw.within("sampler.warmup", "[0, 1)", share)?.or(base.warmup).unwrap_or(kind.about().warmup);
    check_takes(raw, kind)?;
    let given_gamma = gamma.fixed().unwrap_or(defaults::GAMMA);
    let given = Given {
        source: raw,
        num_tensors: subject.num_tensors,
        gradient,
        gamma: given_gamma,
        epsilon,
        target_acceptance,
    };
    let sampler = SamplerConfig {
        kernel: kind.read(&given)?,
        tempering: beta.or(n_beta),
        gamma,
        num_steps,
        warmup,
        thin: raw.count("sampler.thin", 1)?.unwrap_or(defaults::THIN),
        num_chains: raw.count_to("sampler.num_chains", defaults::MAX_CHAINS)?.unwrap_or(base.num_chains),
        loss_trace: loss_trace(raw, base, gradient)?,
        check_localisation: raw.choice("sampler.check_localisation").unwrap_or(base.check_localisation),
        extrapolate_step: extrapolate_step(raw, kind)?,
        default_extrapolate_step: match kind.about().is_biased() {
            true => base.extrapolate_step,
            false => ExtrapolateStep::Off,
        },
    };
    ensure_enough_draws(raw.key("sampler.num_steps")?, &sampler, 1)?;
    // As f64: the product may not fit.
    let draws = sampler.num_draws() as f64 * sampler.num_chains as f64;
    if draws > defaults::MAX_DRAWS as f64 {
        return Err(ConfigError::TooManyDraws { key: raw.key("sampler.num_steps")?, num_steps, draws });
    }
    Ok(sampler)
}

fn extrapolate_step(raw: &RawConfig, kind: SamplerKind) -> Result<Option<ExtrapolateStep>, ConfigError> {
    let path = "sampler.extrapolate_step";
    let asked = raw.choice(path);
    if asked == Some(ExtrapolateStep::On) && !kind.about().is_biased() {
        let used_by = SamplerKind::those(About::is_biased);
        return Err(ConfigError::NotForThisSampler { key: raw.key(path)?, sampler: kind.name(), used_by });
    }
    Ok(asked)
}

/// The samples of gradients; exact for a sampler without gradients.
fn gradient(
    raw: &RawConfig,
    kind: SamplerKind,
    base: &SamplerDefaults,
    num_samples: Option<usize>,
) -> Result<Gradient, ConfigError> {
    let path = "sampler.batch_size";
    let n = num_samples.unwrap_or(usize::MAX);
    let batch_size = raw.count(path, 1)?.unwrap_or(base.batch_size.min(n));
    if batch_size > n {
        let key = raw.key(path)?;
        return Err(ConfigError::BatchTooLarge { key, batch_size, num_training_data: n });
    }
    let path = "sampler.gradient";
    let (key, sampler) = (raw.key(path)?, kind.name());
    match (kind.about().gradient, raw.word(path)) {
        (GradientNeed::None, Some("minibatch")) => Err(ConfigError::HasNoGradient { key, sampler }),
        (GradientNeed::Exact, Some("minibatch")) => Err(ConfigError::NeedsExactGradient { key, sampler }),
        (GradientNeed::Minibatch, None | Some("minibatch")) => Ok(Gradient::Minibatch { batch_size }),
        _ => Ok(Gradient::Exact),
    }
}

/// Rejects settings that only other samplers have.
fn check_takes(raw: &RawConfig, kind: SamplerKind) -> Result<(), ConfigError> {
    for path in raw.paths().filter(|path| !kind.about().takes(path)) {
        let used_by = SamplerKind::those(|about| about.takes(path));
        if !used_by.is_empty() {
            return Err(ConfigError::NotForThisSampler { key: raw.key(path)?, sampler: kind.name(), used_by });
        }
    }
    Ok(())
}

fn loss_trace(raw: &RawConfig, base: &SamplerDefaults, gradient: Gradient) -> Result<LossTrace, ConfigError> {
    let path = "sampler.loss_trace";
    match (gradient, raw.choice::<LossTrace>(path)) {
        (Gradient::Minibatch { .. }, asked) => Ok(asked.unwrap_or(base.minibatch_trace)),
        (Gradient::Exact, None | Some(LossTrace::Full)) => Ok(LossTrace::Full),
        (Gradient::Exact, Some(asked)) => {
            Err(ConfigError::NoMinibatchToTrace { key: raw.key(path)?, found: asked.name() })
        }
    }
}

/// Rejects a chain that keeps too few draws to estimate its error; `key` sets its steps, and `per_step` of them make one step of the sampler.
pub(in crate::config) fn ensure_enough_draws(
    key: &'static Setting,
    sampler: &SamplerConfig,
    per_step: usize,
) -> Result<(), ConfigError> {
    let (kept, needed) = (sampler.num_kept_draws(), defaults::MIN_KEPT_DRAWS);
    if kept >= needed {
        return Ok(());
    }
    // D draws keep at least (1 − warmup)·D.
    let draws = (needed as f64 / (1.0 - sampler.warmup)).ceil() as usize;
    let enough = draws.saturating_mul(sampler.thin).saturating_mul(per_step);
    Err(ConfigError::TooFewDraws { key, num_steps: sampler.num_steps.saturating_mul(per_step), kept, needed, enough })
}
