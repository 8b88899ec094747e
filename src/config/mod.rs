//! Turns a user's settings into a checked configuration.
//!
//! Settings come in layers, and later layers override earlier ones: defaults ⊕ `--preset` ⊕ `--config FILE.toml` ⊕ `--set key=value` ⊕
//! flags. A [`RawConfig`] combines them: a flat map from dotted keys to values of the right kind. The check turns it into a
//! [`Configuration`] such as [`DlnConfig`]. This is the only way to build one, so code that has one need not check it again.
//!
//! One table for each experiment, such as [`dln::keys`], lists every key. The TOML layout, the flags, `--set` and `--help` are all read from it, so a
//! new setting is one row there, one line in the check and one field in the checked configuration.
//!
//! ```
//! use llc::config::DlnArgs;
//!
//! let args = DlnArgs::try_parse_from(["--layer-widths", "[20, 20, 10]", "--num-training-data", "1e5", "--seed", "1"])?;
//! let checked = args.resolve()?;
//! assert_eq!(checked.config.model().dims(), [10, 20, 20, 10]);
//! assert_eq!(checked.config.n_beta(), 1e5 / 1e5_f64.ln());
//!
//! let error = DlnArgs::try_parse_from(["--set", "sampler.epsilom=1e-7"])?.resolve().unwrap_err();
//! assert_eq!(error.to_string(), "unknown key `sampler.epsilom`: did you mean `sampler.epsilon`?");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod again;
pub mod args;
pub mod curve;
pub mod descent;
pub mod dln;
mod error;
pub mod estimate;
pub mod experiment;
pub mod files;
pub mod kernel_regression;
pub mod machine;
pub mod mala_vs_sgld;
pub mod network;
pub mod noisy_weights;
pub mod paths;
mod preset;
pub mod profile;
pub mod python;
mod raw;
mod relu;
pub mod rescaling;
mod run;
pub mod saddle;
pub mod sampler;
mod setting;
mod storage;
#[cfg(test)]
mod testing;
mod theory_args;
mod threads;
pub mod toy;
pub mod training;
mod typed;
mod updates;

pub use args::ExperimentArgs;
pub use curve::CurveConfig;
pub use descent::DescentConfig;
pub use dln::DlnConfig;
pub use error::ConfigError;
pub use estimate::EstimateConfig;
pub use experiment::{Checked, CommandLine, Configuration};
pub use kernel_regression::KernelRegressionConfig;
pub use noisy_weights::NoisyWeightsConfig;

pub use llc_core::kernel::{Epsilon, ExtrapolateStep, Gradient, LossTrace, Precision};
pub use llc_core::positive::PositiveF64;
pub use llc_core::setting::{Choice, choice};
pub use mala_vs_sgld::MalaVsSgldConfig;
pub use paths::PathsConfig;
pub use profile::ProfileConfig;
pub use python::PythonConfig;
pub use raw::RawConfig;
pub use relu::ReluRun;
pub use rescaling::RescalingConfig;
pub use run::{Device, RunConfig};
pub use saddle::SaddleConfig;
pub use sampler::{ConfigWarning, Gamma, SamplerConfig, Switch, Tempering};
pub use setting::{Kind, Setting, Value, convert, parse};
pub use storage::check_storage;
pub use theory_args::TheoryDlnArgs;
pub use threads::{TASK_THREADS, available_threads};
pub use toy::ToyConfig;

/// The command line of `llc dln`.
pub type DlnArgs = ExperimentArgs<DlnConfig>;
