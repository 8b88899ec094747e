//! Lists the experiments that a sweep can be made of: adding one takes a row here.

use crate::config::training::TrainingConfig;
use crate::config::{
    self, Configuration, CurveConfig, DescentConfig, DlnConfig, EstimateConfig, KernelRegressionConfig,
    MalaVsSgldConfig, NoisyWeightsConfig, PathsConfig, ProfileConfig, RescalingConfig, SaddleConfig, ToyConfig,
};

use super::fingerprint::{Fingerprint, FingerprintError};
use crate::words::nearest;

/// One subcommand of `llc` that records a run.
#[derive(Debug, Clone, Copy)]
pub struct Experiment {
    /// The subcommand.
    pub name: &'static str,
    /// Its settings, in the order of `--help`.
    pub keys: fn() -> &'static [config::Setting],
    /// What `--preset` takes; empty if there is none.
    pub presets: &'static [&'static str],
    /// Reads the words after the subcommand.
    pub(super) fingerprint: fn(&[&str]) -> Result<Fingerprint, FingerprintError>,
}

/// All of them, in the order of `llc help`.
pub const EXPERIMENTS: [Experiment; 13] = [
    Experiment::of::<DlnConfig>(),
    Experiment::of::<TrainingConfig>(),
    Experiment::of::<CurveConfig>(),
    Experiment::of::<EstimateConfig>(),
    Experiment::of::<ProfileConfig>(),
    Experiment::of::<PathsConfig>(),
    Experiment::of::<SaddleConfig>(),
    Experiment::of::<ToyConfig>(),
    Experiment::of::<RescalingConfig>(),
    Experiment::of::<MalaVsSgldConfig>(),
    Experiment::of::<KernelRegressionConfig>(),
    Experiment::of::<NoisyWeightsConfig>(),
    Experiment::of::<DescentConfig>(),
];

/// Subcommands of `llc` that leave no run of their own: they can stand in a file of commands, and are not looked for afterwards.
pub const WITHOUT_RUN: [&str; 5] = ["theory", "model", "data", "checkpoint", "resume"];

impl Experiment {
    const fn of<C: Configuration>() -> Self {
        Self {
            name: C::COMMAND_LINE.name,
            keys: C::keys,
            presets: C::COMMAND_LINE.presets,
            fingerprint: Fingerprint::of_words::<C>,
        }
    }

    /// The experiment of that name.
    ///
    /// ```
    /// assert_eq!(llc::sweep::Experiment::named("curve")?.name, "curve");
    /// let error = llc::sweep::Experiment::named("curv").unwrap_err();
    /// assert_eq!(error.to_string(), "there is no experiment `curv`: did you mean `curve`?");
    /// # Ok::<(), llc::sweep::FingerprintError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`FingerprintError::UnknownExperiment`], with the one that looks most like it.
    pub fn named(name: &str) -> Result<&'static Self, FingerprintError> {
        EXPERIMENTS.iter().find(|experiment| experiment.name == name).ok_or_else(|| {
            let names = EXPERIMENTS.iter().map(|experiment| experiment.name).chain(WITHOUT_RUN);
            FingerprintError::UnknownExperiment { name: name.to_owned(), nearest: nearest(name, names) }
        })
    }

    /// The setting at that path.
    pub fn key(&self, path: &str) -> Option<&'static config::Setting> {
        (self.keys)().iter().find(|key| key.path == path)
    }

    /// The path of the setting that looks most like `path`, if any does.
    pub fn nearest(&self, path: &str) -> Option<&'static str> {
        nearest(path, (self.keys)().iter().filter(|key| !key.flag.is_empty()).map(|key| key.path))
    }
}
