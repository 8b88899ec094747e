//! Estimates the local learning coefficient λ(w*) of a neural network: how singular, and so how simple, its loss is
//! around a trained parameter w*.
//!
//! The estimate is λ̂ = nβ·(E[L_n(w)] − L_n(w*)) under the local posterior ∝ exp(−nβ·L_n(w) − γ/2·‖w − w*‖²), sampled
//! around w* by one of the kernels of [`kernel`]. docs/conventions.md fixes what each symbol means.
//!
//! Modules that need no libtorch (theory, diagnostics, configuration, records) build with `--no-default-features`.

pub mod causes;
#[cfg(feature = "torch")]
pub mod chain;
pub mod checkpoint;
pub mod config;
pub mod data;
pub mod diagnostics;
#[cfg(feature = "torch")]
pub mod distance;
#[cfg(feature = "torch")]
pub mod dln;
pub mod dtype;
#[cfg(feature = "torch")]
pub mod estimate;
#[cfg(feature = "torch")]
pub mod hessian_trace;
#[cfg(feature = "torch")]
pub mod journal;
pub mod kernel;
#[cfg(feature = "torch")]
pub mod kernel_regression;
pub mod landscape;
pub mod llc;
pub mod loss;
pub mod model;
pub mod mongo;
pub mod observe;
#[cfg(feature = "torch")]
pub mod params;
pub mod pickle;
#[cfg(feature = "torch")]
pub mod posterior;
#[cfg(feature = "torch")]
pub mod probe;
#[cfg(feature = "torch")]
pub mod profile;
pub mod record;
#[cfg(feature = "torch")]
pub mod relu;
pub mod rng;
#[cfg(feature = "torch")]
pub mod run;
pub mod scale;
#[cfg(feature = "torch")]
mod slices;
#[cfg(feature = "torch")]
pub mod spectrum;
pub mod summary;
pub mod sweep;
#[cfg(feature = "torch")]
pub mod target;
pub mod theory;
pub mod train;
#[cfg(feature = "torch")]
pub mod trials;
#[cfg(feature = "torch")]
pub mod update;
mod vectors;
pub mod verdict;
pub mod wbic_slope;
pub mod words;
