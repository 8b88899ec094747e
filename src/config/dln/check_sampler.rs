//! Makes a legal sampler out of raw settings: what fits which kernel, and what doesn't.

use super::{
    DataConfig, Epsilon, Gradient, HmcConfig, KernelConfig, LossTrace, MalaConfig, ModelConfig, SamplerConfig,
    SamplerKind, SgldConfig, Switch, Tempering, defaults,
};
use crate::config::typed::positive;
use crate::config::{ConfigError, PositiveF64, RawConfig, Value};

/// The sampler, for a network and data that are legal already.
pub(super) fn sampler(raw: &RawConfig, model: &ModelConfig, data: &DataConfig) -> Result<SamplerConfig, ConfigError> {
    let kind = raw.word("sampler.kind").and_then(SamplerKind::from_name).unwrap_or(defaults::SAMPLER);
    let gradient = gradient(raw, kind, data)?;
    let gamma = raw.non_negative("sampler.gamma")?.unwrap_or(defaults::GAMMA);
    if kind == SamplerKind::Gibbs && gamma == 0.0 {
        return Err(ConfigError::GibbsNeedsGamma { key: raw.key("sampler.gamma")? });
    }
    let beta = raw.positive("sampler.beta")?.map(Tempering::Beta);
    if let Some(Tempering::Beta(beta)) = beta
        && !(beta.get() * data.num_training_data as f64).is_finite()
    {
        return Err(ConfigError::NBetaOverflows { key: raw.key("sampler.beta")?, found: beta.get() });
    }
    let n_beta = raw.positive("sampler.n_beta")?.map(Tempering::NBeta);
    let num_steps = raw.count("sampler.num_steps", 1)?.unwrap_or_else(|| defaults::num_steps(kind));
    let share = |value: f64| (0.0..1.0).contains(&value);
    let warmup = raw.within("sampler.warmup", "[0, 1)", share)?.unwrap_or_else(|| defaults::warmup(kind));
    let sampler = SamplerConfig {
        kernel: kernel(raw, kind, gradient, model)?,
        tempering: beta.or(n_beta),
        gamma,
        num_steps,
        warmup,
        thin: raw.count("sampler.thin", 1)?.unwrap_or(defaults::THIN),
        num_chains: raw.count_to("sampler.num_chains", defaults::MAX_CHAINS)?.unwrap_or(defaults::NUM_CHAINS),
        loss_trace: loss_trace(raw, gradient)?,
        check_localisation: match raw.word("sampler.check_localisation") {
            Some("off") => Switch::Off,
            _ => Switch::On,
        },
    };
    let (kept, needed) = (sampler.num_kept_draws(), defaults::MIN_KEPT_DRAWS);
    if kept < needed {
        // D draws keep at least (1 − warmup)·D.
        let draws = (needed as f64 / (1.0 - warmup)).ceil() as usize;
        let enough = draws.saturating_mul(sampler.thin);
        let key = raw.key("sampler.num_steps")?;
        return Err(ConfigError::TooFewDraws { key, num_steps, kept, needed, enough });
    }
    // As f64: the product may not fit.
    let draws = sampler.num_draws() as f64 * sampler.num_chains as f64;
    if draws > defaults::MAX_DRAWS as f64 {
        return Err(ConfigError::TooManyDraws { key: raw.key("sampler.num_steps")?, num_steps, draws });
    }
    Ok(sampler)
}

/// What gradients are taken over; exact for Gibbs, which takes none.
fn gradient(raw: &RawConfig, kind: SamplerKind, data: &DataConfig) -> Result<Gradient, ConfigError> {
    let (path, n) = ("sampler.batch_size", data.num_training_data);
    let batch_size = raw.count(path, 1)?.unwrap_or(defaults::BATCH_SIZE.min(n));
    if batch_size > n {
        let key = raw.key(path)?;
        return Err(ConfigError::BatchTooLarge { key, batch_size, num_training_data: n });
    }
    let path = "sampler.gradient";
    let word = raw.word(path);
    match (kind, word) {
        (SamplerKind::Gibbs, Some("minibatch")) => Err(ConfigError::GibbsHasNoGradient { key: raw.key(path)? }),
        (SamplerKind::Hmc | SamplerKind::Mala, Some("minibatch")) => {
            Err(ConfigError::NeedsExactGradient { key: raw.key(path)?, sampler: kind.name() })
        }
        (SamplerKind::Sgld, None | Some("minibatch")) => Ok(Gradient::Minibatch { batch_size }),
        _ => Ok(Gradient::Exact),
    }
}

fn kernel(
    raw: &RawConfig,
    kind: SamplerKind,
    gradient: Gradient,
    model: &ModelConfig,
) -> Result<KernelConfig, ConfigError> {
    let open_unit = |value: f64| value > 0.0 && value < 1.0;
    let target = raw.within("sampler.target_acceptance", "(0, 1)", open_unit)?;
    let leapfrog_steps = raw.count("sampler.leapfrog_steps", 1)?.unwrap_or(defaults::LEAPFROG_STEPS);
    let mala_every = raw.count("sampler.mala_every", 0)?.unwrap_or(defaults::MALA_EVERY);
    let preconditioner = preconditioner(raw, model)?;
    let epsilon = match raw.positive("sampler.epsilon")? {
        Some(epsilon) => Epsilon::Fixed(epsilon),
        None => Epsilon::Auto,
    };
    if kind == SamplerKind::Gibbs && raw.get("sampler.epsilon").is_some() {
        return Err(ConfigError::GibbsHasNoStep { key: raw.key("sampler.epsilon")? });
    }
    let sampler = kind.name();
    for (path, used_by) in [
        ("sampler.leapfrog_steps", "hmc"),
        ("sampler.target_acceptance", "hmc or mala"),
        ("sampler.mala_every", "sgld"),
        ("sampler.preconditioner", "sgld"),
    ] {
        if raw.get(path).is_some() && !used_by.split(" or ").any(|name| name == sampler) {
            return Err(ConfigError::NotForThisSampler { key: raw.key(path)?, sampler, used_by });
        }
    }
    Ok(match kind {
        SamplerKind::Gibbs => KernelConfig::Gibbs,
        SamplerKind::Hmc => {
            let target_acceptance = target.unwrap_or(defaults::HMC_TARGET_ACCEPTANCE);
            KernelConfig::Hmc(HmcConfig { epsilon, leapfrog_steps, target_acceptance })
        }
        SamplerKind::Mala => {
            let target_acceptance = target.unwrap_or(defaults::MALA_TARGET_ACCEPTANCE);
            KernelConfig::Mala(MalaConfig { epsilon, target_acceptance })
        }
        SamplerKind::Sgld => KernelConfig::Sgld(SgldConfig { epsilon, gradient, mala_every, preconditioner }),
    })
}

fn preconditioner(raw: &RawConfig, model: &ModelConfig) -> Result<Option<Vec<PositiveF64>>, ConfigError> {
    let path = "sampler.preconditioner";
    let Some(Value::RealList(factors)) = raw.get(path) else {
        return Ok(None);
    };
    let (key, layers) = (raw.key(path)?, model.layer_widths.len());
    if factors.len() != layers {
        return Err(ConfigError::PreconditionerLength { key, found: factors.len(), layers });
    }
    factors.iter().map(|&factor| positive(key, factor)).collect::<Result<_, _>>().map(Some)
}

fn loss_trace(raw: &RawConfig, gradient: Gradient) -> Result<LossTrace, ConfigError> {
    let path = "sampler.loss_trace";
    let (loss_trace, found) = match raw.word(path) {
        Some("minibatch") => (LossTrace::Minibatch, "minibatch"),
        Some("control-variate") => (LossTrace::ControlVariate, "control-variate"),
        Some(_) => return Ok(LossTrace::Full),
        None => return Ok(defaults::loss_trace(gradient)),
    };
    match gradient {
        Gradient::Minibatch { .. } => Ok(loss_trace),
        Gradient::Exact => Err(ConfigError::NoMinibatchToTrace { key: raw.key(path)?, found }),
    }
}
