//! Makes a legal configuration out of raw settings, or says in one sentence why it cannot.

use super::{DataConfig, DlnConfig, InputDist, ModelConfig, Truth, TruthConfig, defaults, measure, train};
use crate::config::run::Work;
use crate::config::sampler::check::Subject;
use crate::config::typed::to_usize;
use crate::config::{ConfigError, RawConfig, Value, run, sampler};
use crate::model::TruthKind;

/// The most parameters: 8 TB of f64, far more than a run could hold, far less than overflows.
const MAX_PARAMETERS: usize = 1_000_000_000_000;

/// Checks `raw`, with the defaults of [`defaults`] for what it leaves open; `threads` is the default of `run.threads`.
pub(super) fn build(raw: &RawConfig, threads: usize) -> Result<DlnConfig, ConfigError> {
    let model = model(raw)?;
    let data = data(raw)?;
    let truth = truth(raw, &model)?;
    let subject = Subject { num_samples: Some(data.num_training_data), num_tensors: Some(model.layer_widths.len()) };
    let sampler = sampler::check::sampler(raw, &defaults::SAMPLER, subject)?;
    let train = train::training(raw, &data)?;
    let work = Work::DeepLinear { num_parameters: model.num_parameters() };
    let measure = measure::measure(raw)?;
    let run = run::check(raw, work, sampler.kernel.kind(), threads)?;
    let seed = raw.whole("seed").unwrap_or(defaults::SEED);
    Ok(DlnConfig { experiment: DlnConfig::EXPERIMENT, seed, model, data, truth, sampler, train, measure, run })
}

fn model(raw: &RawConfig) -> Result<ModelConfig, ConfigError> {
    let path = "model.layer_widths";
    let key = raw.key(path)?;
    let layer_widths: Vec<usize> = match raw.get(path) {
        Some(Value::WholeList(widths)) => widths.iter().map(|&width| to_usize(width)).collect(),
        _ => defaults::LAYER_WIDTHS.to_vec(),
    };
    if layer_widths.is_empty() {
        return Err(ConfigError::NoLayers { key });
    }
    if let Some(index) = layer_widths.iter().position(|&width| width == 0) {
        return Err(ConfigError::ZeroWidth { key, layer: index + 1 });
    }
    let input_dim = raw.count("model.input_dim", 1)?.unwrap_or(defaults::INPUT_DIM);
    let mut width_before = input_dim;
    let mut d: usize = 0;
    for &width in &layer_widths {
        let layer = width_before.checked_mul(width);
        d = layer
            .and_then(|layer| d.checked_add(layer))
            .filter(|&d| d <= MAX_PARAMETERS)
            .ok_or(ConfigError::TooManyParameters { key, limit: MAX_PARAMETERS as f64 })?;
        width_before = width;
    }
    Ok(ModelConfig { input_dim, layer_widths })
}

fn data(raw: &RawConfig) -> Result<DataConfig, ConfigError> {
    // 1/ln n is infinite at n = 1 and above 1 at n = 2.
    let num_training_data = raw.count("data.num_training_data", 3)?.unwrap_or(defaults::NUM_TRAINING_DATA);
    let input_dist = raw.choice("data.input_dist").unwrap_or(InputDist::Uniform);
    Ok(DataConfig { num_training_data, input_dist })
}

fn truth(raw: &RawConfig, model: &ModelConfig) -> Result<TruthConfig, ConfigError> {
    let rank = raw.count("truth.rank", 0)?;
    let smallest_width = model.smallest_width();
    if let Some(rank) = rank.filter(|&rank| rank > smallest_width) {
        return Err(ConfigError::RankTooLarge { key: raw.key("truth.rank")?, rank, smallest_width });
    }
    let unit = |value: f64| (0.0..=1.0).contains(&value);
    let prop_rank_reduce = raw.within("truth.prop_rank_reduce", "[0, 1]", unit)?.unwrap_or(defaults::PROP_RANK_REDUCE);
    let sv_mean = raw.real("truth.sv_mean").unwrap_or(defaults::SV_MEAN);
    if !sv_mean.is_finite() {
        return Err(ConfigError::NotFinite { key: raw.key("truth.sv_mean")?, found: sv_mean });
    }
    let sv_std = raw.non_negative("truth.sv_std")?.unwrap_or(defaults::SV_STD);
    let kind = match raw.choice("truth.kind").unwrap_or(TruthKind::Random) {
        TruthKind::Random => Truth::Random,
        TruthKind::Zero => Truth::Zero,
        TruthKind::RandRank => Truth::RandRank { prop_rank_reduce },
        TruthKind::RandRankSv => Truth::RandRankSv { prop_rank_reduce, sv_mean, sv_std },
        TruthKind::Aligned => Truth::Aligned { rank: rank.unwrap_or_else(|| defaults::rank(smallest_width)) },
    };
    let truth = kind.name();
    for (path, used_by) in [
        ("truth.rank", "aligned"),
        ("truth.prop_rank_reduce", "rand-rank or rand-rank-sv"),
        ("truth.sv_mean", "rand-rank-sv"),
        ("truth.sv_std", "rand-rank-sv"),
    ] {
        if raw.get(path).is_some() && !used_by.split(" or ").any(|name| name == truth) {
            return Err(ConfigError::NotForThisTruth { key: raw.key(path)?, truth, used_by });
        }
    }
    Ok(TruthConfig { kind, seed: raw.whole("truth.seed") })
}
