//! The core of `llc`: samplers, estimators, diagnostics and theory of the local learning coefficient λ(w*), without libtorch, without
//! files, without a command line.
//!
//! The estimate is λ̂ = nβ·(E[L_n(w)] − L_n(w*)) under the local posterior ∝ exp(−nβ·L_n(w) − γ/2·‖w − w*‖²). To sample your own loss,
//! implement [`target::Target`] for it: every sampler of [`kernel`] can then draw from it ([`run::Chains`]), and [`estimate::estimate`]
//! turns the draws into λ̂ with its error and a verdict. docs/conventions.md defines every symbol.

pub mod chain;
pub mod diagnostics;
pub mod distance;
pub mod draws;
pub mod estimate;
pub mod kernel;
pub mod llc;
pub mod memory;
pub mod minibatch;
mod openmp;
pub mod params;
pub mod positive;
pub mod probe;
pub mod profile;
pub mod rng;
pub mod run;
pub mod scale;
pub mod setting;
pub mod slices;
pub mod store;
pub mod summary;
pub mod synthetic;
pub mod target;
#[cfg(feature = "tch")]
mod tch_errors;
pub mod theory;
pub mod update;
pub mod vectors;
pub mod verdict;
pub mod wbic_slope;
