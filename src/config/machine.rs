//! Configures threads and device of an experiment without chains: the table `run`.

use serde::Serialize;

use super::{ConfigError, Device, RawConfig, run};

/// Where an experiment runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct MachineConfig {
    /// Threads in all, at least 1.
    pub threads: usize,
    /// Where tensors are.
    pub device: Device,
}

/// What `raw` says of it; `threads` is the default of `run.threads`.
///
/// # Errors
///
/// The [`ConfigError`] of the first setting that is not legal.
pub(super) fn check(raw: &RawConfig, threads: usize) -> Result<MachineConfig, ConfigError> {
    let (threads, device) = run::bare(raw, threads)?;
    Ok(MachineConfig { threads, device })
}
