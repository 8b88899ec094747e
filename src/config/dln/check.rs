//! Makes a legal configuration out of raw settings, or says in one sentence why it cannot.

use std::fmt;

use super::{
    DataConfig, Device, DlnConfig, InputDist, ModelConfig, Precision, RunConfig, SamplerKind, Truth, TruthConfig,
    check_sampler, defaults, measure, train,
};
use crate::config::error::minibatch_samplers;
use crate::config::typed::to_usize;
use crate::config::{ConfigError, RawConfig, Value};

/// What a check hands over.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CheckedDln {
    /// The legal configuration.
    pub config: DlnConfig,
    /// What is legal but probably not meant; for the user to see before the run starts.
    pub warnings: Vec<ConfigWarning>,
    /// What the layers above the defaults changed, nested as in a file: `config_updates` of a record.
    pub updates: serde_json::Value,
}

/// Something legal that is probably not meant. Its text is one sentence that says what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigWarning {
    /// γ = 0: flat directions have no stationary law.
    FlatDirectionsAreFree,
    /// A minibatch size where no minibatches are drawn.
    BatchSizeIsUnused,
    /// A target acceptance beside a given step size.
    TargetAcceptanceIsUnused,
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
                f.write_str("--target-acceptance has no effect beside a given --epsilon; leave one of them out")
            }
        }
    }
}

/// The most parameters: 8 TB of f64, far more than a run could hold, far less than overflows.
const MAX_PARAMETERS: usize = 1_000_000_000_000;

impl DlnConfig {
    /// Checks `raw`, with the defaults of [`defaults`] for what it leaves open; `threads` is the default of `run.threads`.
    ///
    /// ```
    /// use llc::config::{DlnConfig, RawConfig, dln};
    /// let mut raw = RawConfig::new(dln::keys());
    /// raw.layer_text([("model.layer_widths", "20,20,10"), ("truth.kind", "aligned"), ("truth.rank", "11")])?;
    /// let error = DlnConfig::check(&raw, 2).unwrap_err();
    /// assert!(error.to_string().starts_with("--rank (truth.rank) is 11: it cannot exceed the smallest width, 10"));
    /// # Ok::<(), llc::config::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The [`ConfigError`] of the first setting that is not legal.
    pub fn check(raw: &RawConfig, threads: usize) -> Result<CheckedDln, ConfigError> {
        let config = Self::build(raw, threads)?;
        let base = Self::build(&RawConfig::new(super::keys()), threads)?;
        let warnings = warnings(raw, &config);
        let updates = super::updates::updates(raw, &config, &base);
        Ok(CheckedDln { config, warnings, updates })
    }

    fn build(raw: &RawConfig, threads: usize) -> Result<Self, ConfigError> {
        let model = model(raw)?;
        let data = data(raw)?;
        let truth = truth(raw, &model)?;
        let sampler = check_sampler::sampler(raw, &model, &data)?;
        let train = train::training(raw, &data)?;
        let measure = measure::measure(raw)?;
        let run = run(raw, &model, sampler.kernel.kind(), threads)?;
        let seed = raw.whole("seed").unwrap_or(defaults::SEED);
        Ok(Self { experiment: Self::EXPERIMENT, seed, model, data, truth, sampler, train, measure, run })
    }
}

fn warnings(raw: &RawConfig, config: &DlnConfig) -> Vec<ConfigWarning> {
    let mut warnings = Vec::new();
    let is_set = |path| raw.get(path).is_some();
    if config.sampler.gamma == 0.0 {
        warnings.push(ConfigWarning::FlatDirectionsAreFree);
    }
    if is_set("sampler.batch_size") && config.sampler.kernel.batch_size().is_none() {
        warnings.push(ConfigWarning::BatchSizeIsUnused);
    }
    if is_set("sampler.target_acceptance") && raw.real("sampler.epsilon").is_some() {
        warnings.push(ConfigWarning::TargetAcceptanceIsUnused);
    }
    warnings
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
    let input_dist = match raw.word("data.input_dist") {
        Some("unit-ball") => InputDist::UnitBall,
        _ => InputDist::Uniform,
    };
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
    let kind = match raw.word("truth.kind") {
        Some("zero") => Truth::Zero,
        Some("rand-rank") => Truth::RandRank { prop_rank_reduce },
        Some("rand-rank-sv") => Truth::RandRankSv { prop_rank_reduce, sv_mean, sv_std },
        Some("aligned") => Truth::Aligned { rank: rank.unwrap_or_else(|| defaults::rank(smallest_width)) },
        _ => Truth::Random,
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

fn run(raw: &RawConfig, model: &ModelConfig, kind: SamplerKind, threads: usize) -> Result<RunConfig, ConfigError> {
    let d = model.num_parameters();
    let threads = raw.count_to("run.threads", defaults::MAX_THREADS)?.unwrap_or(threads.max(1));
    let path = "run.threads_per_chain";
    let threads_per_chain = raw.count(path, 1)?.unwrap_or_else(|| defaults::threads_per_chain(kind, d, threads));
    if threads_per_chain > threads {
        let key = raw.key(path)?;
        return Err(ConfigError::ThreadsPerChain { key, found: threads_per_chain, threads });
    }
    let path = "run.device";
    let device = raw.word(path).unwrap_or("cpu");
    let device = match Device::parse(device) {
        Some(device) => device,
        None => {
            return Err(ConfigError::UnknownDevice { key: raw.key(path)?, found: device.to_owned() });
        }
    };
    let precision = match raw.word("run.precision") {
        Some("f32") => Precision::F32,
        Some("f64") => Precision::F64,
        _ => kind.about().precision,
    };
    Ok(RunConfig { threads, threads_per_chain, device, precision })
}
