//! Configures threads, device and precision: the table `run` of every experiment that samples.

use std::fmt;

use serde::{Serialize, Serializer};

use super::sampler::keys::text;
use super::{ConfigError, Kind, Precision, RawConfig, Setting};
use crate::kernel::SamplerKind;

/// The most threads: more is surely a mistake, and would run out of memory instead of giving an error.
pub(super) const MAX_THREADS: u64 = 4_096;
/// From this many parameters on chains run in turn with all threads, below it side by side with one thread each.
const LARGE: usize = 100_000;

/// What the chains work on, which decides how threads and arithmetic are chosen where nothing is said.
#[derive(Debug, Clone, Copy)]
pub(super) enum Work {
    /// A deep linear network with this number of parameters.
    DeepLinear { num_parameters: usize },
    /// Any network, with this number of chains.
    Network { num_chains: usize },
    /// A model that one interpreter computes, for one chain at a time.
    InTurn,
}

impl Work {
    /// Threads of one chain of `sampler`, when all chains share `threads`.
    fn threads_per_chain(self, sampler: SamplerKind, threads: usize) -> usize {
        match self {
            Self::DeepLinear { num_parameters } if num_parameters >= LARGE && !sampler.about().is_single_threaded => {
                threads
            }
            Self::DeepLinear { .. } => 1,
            // A forward pass on several threads waits for the slowest at every layer: side by side is faster.
            Self::InTurn => threads,
            Self::Network { num_chains } => (threads / num_chains).max(1),
        }
    }
}

/// The settings of the run of any network.
pub(super) fn network_keys() -> Vec<Setting> {
    keys_with(
        "Threads for one chain [default: --threads divided among the chains]",
        &["auto", "f32", "bf16", "f64"],
        "auto|f32|bf16|f64",
        "Arithmetic of the chains; bf16 keeps parameters, losses and sums in f32 and f64 [default: auto, which is f32]",
    )
}

/// The settings of the run of a deep linear network.
pub(super) fn keys() -> Vec<Setting> {
    let single = SamplerKind::those(|about| about.precision == Precision::F32);
    let serial = SamplerKind::those(|about| about.is_single_threaded);
    keys_with(
        text(format!("Threads for one chain [default: 1 for {serial} and below 100,000 parameters, else all]")),
        &["auto", "f32", "f64"],
        "auto|f32|f64",
        text(format!("Arithmetic of the chains; auto is f32 for {single}, else f64 [default: auto]")),
    )
}

fn keys_with(
    threads_per_chain: &'static str,
    precisions: &'static [&'static str],
    precision_names: &'static str,
    precision: &'static str,
) -> Vec<Setting> {
    vec![
        Setting::new(
            "run.threads",
            "threads",
            Kind::Whole,
            "THREADS",
            "Total number of threads, also for reading data and training networks [default: what SLURM grants, else \
             all processors]",
        ),
        Setting::new("run.threads_per_chain", "threads-per-chain", Kind::Whole, "THREADS", threads_per_chain),
        Setting::new(
            "run.device",
            "device",
            Kind::Text,
            "cpu|cuda|cuda:N",
            "Device that runs the chains [default: \
            cpu]",
        ),
        Setting::new("run.precision", "precision", Kind::Choice(precisions), precision_names, precision)
            .chosen_for(&["sampler.kind"]),
    ]
}

/// The settings of a run without chains.
pub(super) fn bare_keys() -> Vec<Setting> {
    vec![
        Setting::new(
            "run.threads",
            "threads",
            Kind::Whole,
            "THREADS",
            "Total number of threads [default: what SLURM grants, else all processors]",
        ),
        Setting::new(
            "run.device",
            "device",
            Kind::Text,
            "cpu|cuda|cuda:N",
            "Device that runs the training [default: \
            cpu]",
        ),
    ]
}

/// Threads and device of a run without chains; `threads` is the default of `run.threads`.
pub(super) fn bare(raw: &RawConfig, threads: usize) -> Result<(usize, Device), ConfigError> {
    let threads = raw.count_to("run.threads", MAX_THREADS)?.unwrap_or(threads.max(1));
    Ok((threads, device(raw)?))
}

/// Where `raw` lets the run be.
fn device(raw: &RawConfig) -> Result<Device, ConfigError> {
    let path = "run.device";
    // An experiment may have no such setting.
    let Some(found) = raw.word(path) else { return Ok(Device::Cpu) };
    let key = raw.key(path)?;
    Device::parse(found).ok_or_else(|| ConfigError::UnknownDevice { key, found: found.to_owned() })
}

/// What `raw` says of the run of `kind` on `work`; `threads` is the default of `run.threads`.
pub(super) fn check(raw: &RawConfig, work: Work, kind: SamplerKind, threads: usize) -> Result<RunConfig, ConfigError> {
    let threads = raw.count_to("run.threads", MAX_THREADS)?.unwrap_or(threads.max(1));
    let path = "run.threads_per_chain";
    let threads_per_chain = raw.count(path, 1)?.unwrap_or_else(|| work.threads_per_chain(kind, threads));
    if threads_per_chain > threads {
        let key = raw.key(path)?;
        return Err(ConfigError::ThreadsPerChain { key, found: threads_per_chain, threads });
    }
    let device = device(raw)?;
    let precision = raw.choice("run.precision").unwrap_or(match work {
        Work::DeepLinear { .. } => kind.about().precision,
        Work::Network { .. } | Work::InTurn => Precision::F32,
    });
    Ok(RunConfig { threads, threads_per_chain, device, precision })
}

/// Threads, device, precision.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RunConfig {
    /// Threads for all chains, at least 1.
    pub threads: usize,
    /// Threads for one chain, from 1 to `threads`.
    pub threads_per_chain: usize,
    /// Where the chains run.
    pub device: Device,
    /// The arithmetic of the chains; sums that meet nβ are in f64 in any case.
    pub precision: Precision,
}

impl RunConfig {
    /// Threads that work on one network of `num_parameters` at a time: a small one is faster on one.
    pub fn threads_for(&self, num_parameters: usize) -> usize {
        if num_parameters < LARGE { 1 } else { self.threads }
    }
}

/// Where the chains run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Device {
    /// The processor.
    Cpu,
    /// The GPU of that index.
    Cuda(usize),
}

impl Device {
    /// Reads `cpu`, `cuda` (the first GPU) or `cuda:N`.
    ///
    /// ```
    /// use llc::config::Device;
    /// assert_eq!(Device::parse("cuda"), Some(Device::Cuda(0)));
    /// assert_eq!(Device::parse("gpu"), None);
    /// ```
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "cpu" => Some(Self::Cpu),
            "cuda" => Some(Self::Cuda(0)),
            _ => text.strip_prefix("cuda:")?.parse().ok().map(Self::Cuda),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

impl Serialize for Device {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
