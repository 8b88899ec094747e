//! Configures threads and device of an experiment without chains: the table `run`.

use serde::Serialize;

use super::{ConfigError, Device, Key, Kind, RawConfig};

/// The most threads: more is surely a slip, and would end in a want of memory rather than in a sentence.
const MAX_THREADS: u64 = 4_096;

/// Where an experiment runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct MachineConfig {
    /// Threads in all, at least 1.
    pub threads: usize,
    /// Where tensors are.
    pub device: Device,
}

/// Its settings.
pub(super) fn keys() -> Vec<Key> {
    vec![
        Key::new(
            "run.threads",
            "threads",
            Kind::Whole,
            "THREADS",
            "Threads in all [default: what SLURM grants, else all processors]",
        ),
        Key::new("run.device", "device", Kind::Text, "cpu|cuda|cuda:N", "Where it runs [default: cpu]"),
    ]
}

/// What `raw` says of it; `threads` is the default of `run.threads`.
///
/// # Errors
///
/// The [`ConfigError`] of the first setting that is not legal.
pub(super) fn check(raw: &RawConfig, threads: usize) -> Result<MachineConfig, ConfigError> {
    let path = "run.device";
    let device = raw.word(path).unwrap_or("cpu");
    let unknown = |key| ConfigError::UnknownDevice { key, found: device.to_owned() };
    Ok(MachineConfig {
        threads: raw.count_to("run.threads", MAX_THREADS)?.unwrap_or(threads.max(1)),
        device: Device::parse(device).ok_or(unknown(raw.key(path)?))?,
    })
}
