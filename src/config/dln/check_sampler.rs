//! Makes a legal sampler out of raw settings: what fits which kernel, and what doesn't.

use super::{
    DataConfig, Epsilon, Gradient, LossTrace, ModelConfig, SamplerConfig, SamplerKind, Switch, Tempering, defaults,
};
use crate::config::{ConfigError, RawConfig};
use crate::kernel::{Given, GradientNeed};

/// The sampler, for a network and data that are legal already.
pub(super) fn sampler(raw: &RawConfig, model: &ModelConfig, data: &DataConfig) -> Result<SamplerConfig, ConfigError> {
    let kind = raw.word("sampler.kind").and_then(SamplerKind::from_name).unwrap_or(defaults::SAMPLER);
    let gradient = gradient(raw, kind, data)?;
    let gamma = raw.non_negative("sampler.gamma")?.unwrap_or(defaults::GAMMA);
    let epsilon = raw.positive("sampler.epsilon")?.map_or(Epsilon::Auto, Epsilon::Fixed);
    let open_unit = |value: f64| value > 0.0 && value < 1.0;
    let target_acceptance = raw.within("sampler.target_acceptance", "(0, 1)", open_unit)?;
    let target_acceptance = target_acceptance.or(kind.about().target_acceptance).unwrap_or(0.0);
    let beta = raw.positive("sampler.beta")?.map(Tempering::Beta);
    if let Some(Tempering::Beta(beta)) = beta
        && !(beta.get() * data.num_training_data as f64).is_finite()
    {
        return Err(ConfigError::NBetaOverflows { key: raw.key("sampler.beta")?, found: beta.get() });
    }
    let n_beta = raw.positive("sampler.n_beta")?.map(Tempering::NBeta);
    let num_steps = raw.count("sampler.num_steps", 1)?.unwrap_or(kind.about().num_steps);
    let share = |value: f64| (0.0..1.0).contains(&value);
    let warmup = raw.within("sampler.warmup", "[0, 1)", share)?.unwrap_or(kind.about().warmup);
    check_takes(raw, kind)?;
    let given = Given { raw, model, gradient, gamma, epsilon, target_acceptance };
    let sampler = SamplerConfig {
        kernel: kind.read(&given)?,
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

/// What gradients are taken over; exact for a sampler that takes none.
fn gradient(raw: &RawConfig, kind: SamplerKind, data: &DataConfig) -> Result<Gradient, ConfigError> {
    let (path, n) = ("sampler.batch_size", data.num_training_data);
    let batch_size = raw.count(path, 1)?.unwrap_or(defaults::BATCH_SIZE.min(n));
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

/// Refuses what only other samplers take.
fn check_takes(raw: &RawConfig, kind: SamplerKind) -> Result<(), ConfigError> {
    for path in raw.paths().filter(|path| !kind.about().takes(path)) {
        let used_by = SamplerKind::those(|about| about.takes(path));
        if !used_by.is_empty() {
            return Err(ConfigError::NotForThisSampler { key: raw.key(path)?, sampler: kind.name(), used_by });
        }
    }
    Ok(())
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
