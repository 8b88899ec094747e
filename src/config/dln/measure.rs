//! Configures what is measured beside λ̂, at w* and at the trained point.

use llc_core::setting::choice;
use serde::Serialize;

use super::defaults;
use crate::config::{ConfigError, RawConfig, Switch};

/// What is measured at each point, in files the table `measure`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct MeasureConfig {
    /// How λ̂ is formed of the kept losses, beside the mean that is always there.
    pub estimator: Estimator,
    /// The rank of the Jacobian of the network's function.
    #[serde(flatten)]
    pub functional_rank: FunctionalRank,
    /// The trace of the loss's Hessian.
    #[serde(flatten)]
    pub hessian_trace: HessianTrace,
    /// Whether every singular value of the Jacobian and every eigenvalue of the Hessian are written to the record.
    pub spectra: Switch,
    /// Whether the distance of the draws is reported for each layer.
    pub distance: Switch,
    /// Whether w* and the trained parameter are written to the record.
    pub save_true_param: Switch,
}

/// How λ̂ is formed of the kept losses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Estimator {
    /// nβ·(mean of L − L_n(w*)) alone.
    Mean,
    /// That, and the slope over several inverse temperatures.
    WbicSlope,
}

choice!(Estimator: Mean = "mean", WbicSlope = "wbic-slope");

/// Whether the rank of the Jacobian is computed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "functional_rank", rename_all = "kebab-case")]
pub enum FunctionalRank {
    /// It is not.
    Off,
    /// It is.
    On {
        /// Eigenvalues of JᵀJ/n above this share of the largest count; in (0, 1).
        functional_rank_threshold: f64,
    },
}

/// Whether the trace of the Hessian is estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "hessian_trace", rename_all = "kebab-case")]
pub enum HessianTrace {
    /// It is not.
    Off,
    /// It is.
    On {
        /// Hessian-vector products, at least 2.
        hessian_probes: usize,
    },
}

/// What `raw` asks to measure.
pub(super) fn measure(raw: &RawConfig) -> Result<MeasureConfig, ConfigError> {
    let switch = |path: &str| if raw.is_on(path) { Switch::On } else { Switch::Off };
    let needs = |path: &str, switch: &str| match raw.get(path) {
        Some(_) if !raw.is_on(switch) => {
            Err(ConfigError::NeedsSwitch { key: raw.key(path)?, switch: raw.key(switch)? })
        }
        _ => Ok(()),
    };
    needs("measure.functional_rank_threshold", "measure.functional_rank")?;
    needs("measure.hessian_probes", "measure.hessian_trace")?;
    let open_unit = |value: f64| value > 0.0 && value < 1.0;
    let threshold = raw.within("measure.functional_rank_threshold", "(0, 1)", open_unit)?;
    let probes = raw.count("measure.hessian_probes", 2)?;
    Ok(MeasureConfig {
        estimator: raw.choice("measure.estimator").unwrap_or(Estimator::Mean),
        functional_rank: match switch("measure.functional_rank") {
            Switch::On => FunctionalRank::On {
                functional_rank_threshold: threshold.unwrap_or(defaults::FUNCTIONAL_RANK_THRESHOLD),
            },
            Switch::Off => FunctionalRank::Off,
        },
        hessian_trace: match switch("measure.hessian_trace") {
            Switch::On => HessianTrace::On { hessian_probes: probes.unwrap_or(defaults::HESSIAN_PROBES) },
            Switch::Off => HessianTrace::Off,
        },
        spectra: switch("measure.spectra"),
        distance: switch("measure.distance"),
        save_true_param: switch("measure.save_true_param"),
    })
}
