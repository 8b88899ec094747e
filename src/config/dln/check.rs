//! Makes a legal configuration out of raw settings, or says in one sentence why it cannot.

use std::fmt;

use super::{
    DataConfig, Device, DlnConfig, Epsilon, Gradient, HmcConfig, InputDist, KernelConfig,
    LossTrace, MalaConfig, ModelConfig, Precision, RunConfig, SamplerConfig, SamplerKind,
    SgldConfig, Tempering, Truth, TruthConfig, defaults,
};
use crate::config::{ConfigError, Key, PositiveF64, RawConfig, Value};

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
        f.write_str(match self {
            Self::FlatDirectionsAreFree => {
                "--gamma is 0: in flat directions the chains drift without limit and never settle; give --gamma 1"
            }
            Self::BatchSizeIsUnused => {
                "--batch-size has no effect: only sgld with --gradient minibatch draws minibatches; leave it out"
            }
            Self::TargetAcceptanceIsUnused => {
                "--target-acceptance has no effect beside a given --epsilon; leave one of them out"
            }
        })
    }
}

/// The most parameters: 8 TB of f64, far more than a run could hold, far less than overflows.
const MAX_PARAMETERS: usize = 1_000_000_000_000;

impl DlnConfig {
    /// Checks `raw`, with the defaults of [`defaults`] for what it leaves open; `threads` is the default of `run.threads`.
    ///
    /// ```
    /// use llc::config::{DlnConfig, RawConfig, dln};
    /// let mut raw = RawConfig::new(dln::KEYS);
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
        let base = Self::build(&RawConfig::new(super::KEYS), threads)?;
        let warnings = warnings(raw, &config);
        let updates = super::updates::updates(raw, &config, &base);
        Ok(CheckedDln {
            config,
            warnings,
            updates,
        })
    }

    fn build(raw: &RawConfig, threads: usize) -> Result<Self, ConfigError> {
        let settings = Settings { raw };
        let model = settings.model()?;
        let data = settings.data()?;
        let truth = settings.truth(&model)?;
        let sampler = settings.sampler(&model, &data)?;
        let run = settings.run(&model, sampler.kernel.kind(), threads)?;
        let seed = settings.whole("seed").unwrap_or(defaults::SEED);
        Ok(Self {
            experiment: Self::EXPERIMENT,
            seed,
            model,
            data,
            truth,
            sampler,
            run,
        })
    }
}

fn warnings(raw: &RawConfig, config: &DlnConfig) -> Vec<ConfigWarning> {
    let mut warnings = Vec::new();
    let is_set = |path| raw.get(path).is_some();
    let (has_batches, has_fixed_epsilon) = match &config.sampler.kernel {
        KernelConfig::Sgld(sgld) => (sgld.gradient != Gradient::Exact, false),
        KernelConfig::Hmc(hmc) => (false, hmc.epsilon != Epsilon::Auto),
        KernelConfig::Mala(mala) => (false, mala.epsilon != Epsilon::Auto),
        KernelConfig::Gibbs => (false, false),
    };
    if config.sampler.gamma == 0.0 {
        warnings.push(ConfigWarning::FlatDirectionsAreFree);
    }
    if is_set("sampler.batch_size") && !has_batches {
        warnings.push(ConfigWarning::BatchSizeIsUnused);
    }
    if is_set("sampler.target_acceptance") && has_fixed_epsilon {
        warnings.push(ConfigWarning::TargetAcceptanceIsUnused);
    }
    warnings
}

/// Reads raw settings section by section.
struct Settings<'a> {
    raw: &'a RawConfig,
}

impl Settings<'_> {
    fn model(&self) -> Result<ModelConfig, ConfigError> {
        let path = "model.layer_widths";
        let key = self.raw.key(path)?;
        let layer_widths: Vec<usize> = match self.raw.get(path) {
            Some(Value::WholeList(widths)) => widths.iter().map(|&width| to_usize(width)).collect(),
            _ => defaults::LAYER_WIDTHS.to_vec(),
        };
        if layer_widths.is_empty() {
            return Err(ConfigError::NoLayers { key });
        }
        if let Some(index) = layer_widths.iter().position(|&width| width == 0) {
            return Err(ConfigError::ZeroWidth {
                key,
                layer: index + 1,
            });
        }
        let input_dim = self
            .count("model.input_dim", 1)?
            .unwrap_or(defaults::INPUT_DIM);
        let mut width_before = input_dim;
        let mut d: usize = 0;
        for &width in &layer_widths {
            let layer = width_before.checked_mul(width);
            d = layer
                .and_then(|layer| d.checked_add(layer))
                .filter(|&d| d <= MAX_PARAMETERS)
                .ok_or(ConfigError::TooManyParameters {
                    key,
                    limit: MAX_PARAMETERS as f64,
                })?;
            width_before = width;
        }
        Ok(ModelConfig {
            input_dim,
            layer_widths,
        })
    }

    fn data(&self) -> Result<DataConfig, ConfigError> {
        // 1/ln n is infinite at n = 1 and above 1 at n = 2.
        let num_training_data = self
            .count("data.num_training_data", 3)?
            .unwrap_or(defaults::NUM_TRAINING_DATA);
        let input_dist = match self.word("data.input_dist") {
            Some("unit-ball") => InputDist::UnitBall,
            _ => InputDist::Uniform,
        };
        Ok(DataConfig {
            num_training_data,
            input_dist,
        })
    }

    fn truth(&self, model: &ModelConfig) -> Result<TruthConfig, ConfigError> {
        let rank = self.count("truth.rank", 0)?;
        let smallest_width = model.smallest_width();
        if let Some(rank) = rank.filter(|&rank| rank > smallest_width) {
            return Err(ConfigError::RankTooLarge {
                key: self.raw.key("truth.rank")?,
                rank,
                smallest_width,
            });
        }
        let unit = |value: f64| (0.0..=1.0).contains(&value);
        let prop_rank_reduce = self
            .within("truth.prop_rank_reduce", "[0, 1]", unit)?
            .unwrap_or(defaults::PROP_RANK_REDUCE);
        let sv_mean = self.real("truth.sv_mean").unwrap_or(defaults::SV_MEAN);
        if !sv_mean.is_finite() {
            return Err(ConfigError::NotFinite {
                key: self.raw.key("truth.sv_mean")?,
                found: sv_mean,
            });
        }
        let sv_std = self
            .non_negative("truth.sv_std")?
            .unwrap_or(defaults::SV_STD);
        let kind = match self.word("truth.kind") {
            Some("zero") => Truth::Zero,
            Some("rand-rank") => Truth::RandRank { prop_rank_reduce },
            Some("rand-rank-sv") => Truth::RandRankSv {
                prop_rank_reduce,
                sv_mean,
                sv_std,
            },
            Some("aligned") => Truth::Aligned {
                rank: rank.unwrap_or_else(|| defaults::rank(smallest_width)),
            },
            _ => Truth::Random,
        };
        let truth = kind.name();
        for (path, used_by) in [
            ("truth.rank", "aligned"),
            ("truth.prop_rank_reduce", "rand-rank or rand-rank-sv"),
            ("truth.sv_mean", "rand-rank-sv"),
            ("truth.sv_std", "rand-rank-sv"),
        ] {
            if self.raw.get(path).is_some() && !used_by.split(" or ").any(|name| name == truth) {
                return Err(ConfigError::NotForThisTruth {
                    key: self.raw.key(path)?,
                    truth,
                    used_by,
                });
            }
        }
        Ok(TruthConfig {
            kind,
            seed: self.whole("truth.seed"),
        })
    }

    fn sampler(
        &self,
        model: &ModelConfig,
        data: &DataConfig,
    ) -> Result<SamplerConfig, ConfigError> {
        let kind = self
            .word("sampler.kind")
            .and_then(SamplerKind::from_name)
            .unwrap_or(defaults::SAMPLER);
        let gradient = self.gradient(kind, data)?;
        let gamma = self
            .non_negative("sampler.gamma")?
            .unwrap_or(defaults::GAMMA);
        if kind == SamplerKind::Gibbs && gamma == 0.0 {
            return Err(ConfigError::GibbsNeedsGamma {
                key: self.raw.key("sampler.gamma")?,
            });
        }
        let beta = self.positive("sampler.beta")?.map(Tempering::Beta);
        let n_beta = self.positive("sampler.n_beta")?.map(Tempering::NBeta);
        let num_steps = self
            .count("sampler.num_steps", 1)?
            .unwrap_or_else(|| defaults::num_steps(kind));
        let share = |value: f64| (0.0..1.0).contains(&value);
        let warmup = self
            .within("sampler.warmup", "[0, 1)", share)?
            .unwrap_or_else(|| defaults::warmup(kind));
        let sampler = SamplerConfig {
            kernel: self.kernel(kind, gradient, model)?,
            tempering: beta.or(n_beta),
            gamma,
            num_steps,
            warmup,
            thin: self.count("sampler.thin", 1)?.unwrap_or(defaults::THIN),
            num_chains: self
                .count("sampler.num_chains", 1)?
                .unwrap_or(defaults::NUM_CHAINS),
            loss_trace: self.loss_trace(gradient)?,
        };
        let (kept, needed) = (sampler.num_kept_draws(), defaults::MIN_KEPT_DRAWS);
        if kept < needed {
            // D draws keep at least (1 − warmup)·D.
            let draws = (needed as f64 / (1.0 - warmup)).ceil() as usize;
            let enough = draws.saturating_mul(sampler.thin);
            let key = self.raw.key("sampler.num_steps")?;
            return Err(ConfigError::TooFewDraws {
                key,
                num_steps,
                kept,
                needed,
                enough,
            });
        }
        Ok(sampler)
    }

    /// What gradients are taken over; exact for Gibbs, which takes none.
    fn gradient(&self, kind: SamplerKind, data: &DataConfig) -> Result<Gradient, ConfigError> {
        let (path, n) = ("sampler.batch_size", data.num_training_data);
        let batch_size = self.count(path, 1)?.unwrap_or(defaults::BATCH_SIZE.min(n));
        if batch_size > n {
            let key = self.raw.key(path)?;
            return Err(ConfigError::BatchTooLarge {
                key,
                batch_size,
                num_training_data: n,
            });
        }
        let path = "sampler.gradient";
        let word = self.word(path);
        match (kind, word) {
            (SamplerKind::Gibbs, Some("minibatch")) => Err(ConfigError::GibbsHasNoGradient {
                key: self.raw.key(path)?,
            }),
            (SamplerKind::Hmc | SamplerKind::Mala, Some("minibatch")) => {
                Err(ConfigError::NeedsExactGradient {
                    key: self.raw.key(path)?,
                    sampler: kind.name(),
                })
            }
            (SamplerKind::Sgld, None | Some("minibatch")) => Ok(Gradient::Minibatch { batch_size }),
            _ => Ok(Gradient::Exact),
        }
    }

    fn kernel(
        &self,
        kind: SamplerKind,
        gradient: Gradient,
        model: &ModelConfig,
    ) -> Result<KernelConfig, ConfigError> {
        let open_unit = |value: f64| value > 0.0 && value < 1.0;
        let target = self.within("sampler.target_acceptance", "(0, 1)", open_unit)?;
        let leapfrog_steps = self
            .count("sampler.leapfrog_steps", 1)?
            .unwrap_or(defaults::LEAPFROG_STEPS);
        let mala_every = self
            .count("sampler.mala_every", 0)?
            .unwrap_or(defaults::MALA_EVERY);
        let preconditioner = self.preconditioner(model)?;
        let epsilon = match self.positive("sampler.epsilon")? {
            Some(epsilon) => Epsilon::Fixed(epsilon),
            None => Epsilon::Auto,
        };
        if kind == SamplerKind::Gibbs && self.raw.get("sampler.epsilon").is_some() {
            return Err(ConfigError::GibbsHasNoStep {
                key: self.raw.key("sampler.epsilon")?,
            });
        }
        let sampler = kind.name();
        for (path, used_by) in [
            ("sampler.leapfrog_steps", "hmc"),
            ("sampler.target_acceptance", "hmc or mala"),
            ("sampler.mala_every", "sgld"),
            ("sampler.preconditioner", "sgld"),
        ] {
            if self.raw.get(path).is_some() && !used_by.split(" or ").any(|name| name == sampler) {
                return Err(ConfigError::NotForThisSampler {
                    key: self.raw.key(path)?,
                    sampler,
                    used_by,
                });
            }
        }
        Ok(match kind {
            SamplerKind::Gibbs => KernelConfig::Gibbs,
            SamplerKind::Hmc => {
                let target_acceptance = target.unwrap_or(defaults::HMC_TARGET_ACCEPTANCE);
                KernelConfig::Hmc(HmcConfig {
                    epsilon,
                    leapfrog_steps,
                    target_acceptance,
                })
            }
            SamplerKind::Mala => {
                let target_acceptance = target.unwrap_or(defaults::MALA_TARGET_ACCEPTANCE);
                KernelConfig::Mala(MalaConfig {
                    epsilon,
                    target_acceptance,
                })
            }
            SamplerKind::Sgld => KernelConfig::Sgld(SgldConfig {
                epsilon,
                gradient,
                mala_every,
                preconditioner,
            }),
        })
    }

    fn preconditioner(&self, model: &ModelConfig) -> Result<Option<Vec<PositiveF64>>, ConfigError> {
        let path = "sampler.preconditioner";
        let Some(Value::RealList(factors)) = self.raw.get(path) else {
            return Ok(None);
        };
        let (key, layers) = (self.raw.key(path)?, model.layer_widths.len());
        if factors.len() != layers {
            return Err(ConfigError::PreconditionerLength {
                key,
                found: factors.len(),
                layers,
            });
        }
        factors
            .iter()
            .map(|&factor| positive(key, factor))
            .collect::<Result<_, _>>()
            .map(Some)
    }

    fn loss_trace(&self, gradient: Gradient) -> Result<LossTrace, ConfigError> {
        let path = "sampler.loss_trace";
        let (loss_trace, found) = match self.word(path) {
            Some("minibatch") => (LossTrace::Minibatch, "minibatch"),
            Some("control-variate") => (LossTrace::ControlVariate, "control-variate"),
            Some(_) => return Ok(LossTrace::Full),
            None => return Ok(defaults::loss_trace(gradient)),
        };
        match gradient {
            Gradient::Minibatch { .. } => Ok(loss_trace),
            Gradient::Exact => Err(ConfigError::NoMinibatchToTrace {
                key: self.raw.key(path)?,
                found,
            }),
        }
    }

    fn run(
        &self,
        model: &ModelConfig,
        kind: SamplerKind,
        threads: usize,
    ) -> Result<RunConfig, ConfigError> {
        let d = model.num_parameters();
        let threads = self.count("run.threads", 1)?.unwrap_or(threads.max(1));
        let path = "run.threads_per_chain";
        let threads_per_chain = self
            .count(path, 1)?
            .unwrap_or_else(|| defaults::threads_per_chain(d, threads));
        if threads_per_chain > threads {
            let key = self.raw.key(path)?;
            return Err(ConfigError::ThreadsPerChain {
                key,
                found: threads_per_chain,
                threads,
            });
        }
        let path = "run.device";
        let device = self.word(path).unwrap_or("cpu");
        let device = match Device::parse(device) {
            Some(device) => device,
            None => {
                return Err(ConfigError::UnknownDevice {
                    key: self.raw.key(path)?,
                    found: device.to_owned(),
                });
            }
        };
        let precision = match self.word("run.precision") {
            Some("f32") => Precision::F32,
            Some("f64") => Precision::F64,
            _ => defaults::precision(kind, d),
        };
        Ok(RunConfig {
            threads,
            threads_per_chain,
            device,
            precision,
        })
    }

    fn whole(&self, path: &str) -> Option<u64> {
        match self.raw.get(path) {
            Some(Value::Whole(value)) => Some(*value),
            _ => None,
        }
    }

    fn real(&self, path: &str) -> Option<f64> {
        match self.raw.get(path) {
            Some(Value::Real(value)) => Some(*value),
            _ => None,
        }
    }

    fn word(&self, path: &str) -> Option<&str> {
        match self.raw.get(path) {
            Some(Value::Text(word)) => Some(word),
            _ => None,
        }
    }

    fn count(&self, path: &str, minimum: u64) -> Result<Option<usize>, ConfigError> {
        match self.whole(path) {
            Some(found) if found < minimum => Err(ConfigError::TooSmall {
                key: self.raw.key(path)?,
                found,
                minimum,
            }),
            found => Ok(found.map(to_usize)),
        }
    }

    fn positive(&self, path: &str) -> Result<Option<PositiveF64>, ConfigError> {
        let key = self.raw.key(path)?;
        self.real(path)
            .map(|value| positive(key, value))
            .transpose()
    }

    fn non_negative(&self, path: &str) -> Result<Option<f64>, ConfigError> {
        match self.real(path) {
            // Not `value < 0.0`, which NaN passes.
            Some(value) if !(value.is_finite() && value >= 0.0) => Err(ConfigError::Negative {
                key: self.raw.key(path)?,
                found: value,
            }),
            // −0 + 0 = 0: a sign would survive into records.
            value => Ok(value.map(|value| value + 0.0)),
        }
    }

    fn within(
        &self,
        path: &str,
        interval: &'static str,
        contains: impl Fn(f64) -> bool,
    ) -> Result<Option<f64>, ConfigError> {
        match self.real(path) {
            Some(found) if !contains(found) => Err(ConfigError::OutsideInterval {
                key: self.raw.key(path)?,
                found,
                interval,
            }),
            value => Ok(value),
        }
    }
}

fn positive(key: &'static Key, found: f64) -> Result<PositiveF64, ConfigError> {
    PositiveF64::new(found).ok_or(ConfigError::NotPositive { key, found })
}

/// Whole numbers stay below 2⁶³; where addresses are shorter, a size that doesn't fit is as good as the largest.
fn to_usize(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}
