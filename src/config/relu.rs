//! Configures what the experiments on ReLU networks share: many short chains of small networks, one thread each, on the CPU.

use serde::Serialize;

use super::setting::Value;
use super::{ConfigError, Device, Kind, PositiveF64, Precision, RawConfig, RunConfig, Setting, run};

/// The largest width: a pass is written for layers that stay in cache.
pub(super) const MAX_WIDTH: u64 = 4_096;

/// Threads and precision, in files the table `run`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ReluRun {
    /// Threads, at least 1; each works on its own chain.
    pub threads: usize,
    /// Arithmetic of the chains: f32 or f64.
    pub precision: Precision,
}

impl ReluRun {
    /// The same as chains know it: a chain has one thread, and the processor is where it runs.
    pub fn of_a_chain(&self) -> RunConfig {
        RunConfig { threads: 1, threads_per_chain: 1, device: Device::Cpu, precision: self.precision }
    }
}

/// The settings of the table `run`.
pub(super) fn run_keys() -> Vec<Setting> {
    let mut keys: Vec<Setting> = run::network_keys().into_iter().filter(|key| key.path == "run.threads").collect();
    keys.push(Setting::new(
        "run.precision",
        "precision",
        Kind::Choice(&["f32", "f64"]),
        "f32|f64",
        "Arithmetic of the chains; losses and sums over samples are always in f64 [default: f32, as published]",
    ));
    keys
}

/// What `raw` says of the run; `threads` is the default of `run.threads`.
pub(super) fn run(raw: &RawConfig, threads: usize) -> Result<ReluRun, ConfigError> {
    let threads = raw.count_to("run.threads", run::MAX_THREADS)?.unwrap_or(threads.max(1));
    let precision = if raw.word("run.precision") == Some("f64") { Precision::F64 } else { Precision::F32 };
    Ok(ReluRun { threads, precision })
}

/// The whole numbers at `path`, at least one of them and each from `least` to `most`.
pub(super) fn whole_list(
    raw: &RawConfig,
    path: &str,
    least: u64,
    most: u64,
) -> Result<Option<Vec<usize>>, ConfigError> {
    let Some(Value::WholeList(values)) = raw.get(path) else { return Ok(None) };
    if values.is_empty() || values.iter().any(|value| !(least..=most).contains(value)) {
        let reason = format!("give one or more numbers from {least} to {most}");
        return Err(ConfigError::Refused { key: raw.key(path)?, reason });
    }
    Ok(Some(values.iter().map(|&value| value as usize).collect()))
}

/// The numbers at `path`, at least one of them and each above zero.
pub(super) fn positive_list(raw: &RawConfig, path: &str) -> Result<Option<Vec<PositiveF64>>, ConfigError> {
    let Some(Value::RealList(values)) = raw.get(path) else { return Ok(None) };
    let key = raw.key(path)?;
    let positive = |&found| PositiveF64::new(found).ok_or(ConfigError::NotPositive { key, found });
    let values: Vec<PositiveF64> = values.iter().map(positive).collect::<Result<_, _>>()?;
    if values.is_empty() {
        return Err(ConfigError::Refused { key, reason: "give one or more numbers".to_owned() });
    }
    Ok(Some(values))
}
