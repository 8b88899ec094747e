//! Estimates the local learning coefficient λ(w*) of a neural network: how singular, and so how simple, its loss is
//! around a trained parameter w*.
//!
//! The estimate is λ̂ = nβ·(E[L_n(w)] − L_n(w*)) under the local posterior ∝ exp(−nβ·L_n(w) − γ/2·‖w − w*‖²), sampled
//! around w* by one of the kernels of [`kernel`]. docs/conventions.md defines every symbol.
//!
//! The samplers, the estimator, the diagnostics and the theory are in the crate [`llc_core`], which needs no libtorch and whose modules are
//! re-exported here. This crate adds networks, deep linear networks, data and training on libtorch, configuration and records. The parts
//! that need no libtorch build with `--no-default-features`.

pub use llc_core::{
    chain, diagnostics, distance, draws, estimate, kernel, llc, memory, params, probe, profile, rng, run, scale, store,
    summary, theory, update, verdict, wbic_slope,
};
#[cfg(feature = "torch")]
use llc_core::{slices, vectors};

pub mod checkpoint;
pub mod climb;
pub mod config;
pub mod data;
#[cfg(feature = "torch")]
pub mod dln;
pub mod dtype;
#[cfg(feature = "torch")]
pub mod hessian_trace;
pub mod journal;
#[cfg(feature = "torch")]
pub mod kernel_regression;
pub mod landscape;
pub mod loss;
pub mod model;
pub mod mongo;
pub mod observe;
pub mod pickle;
pub mod points;
#[cfg(feature = "torch")]
pub mod posterior;
pub mod record;
#[cfg(feature = "torch")]
pub mod relu;
pub mod report;
#[cfg(feature = "torch")]
pub mod samples;
pub mod schedule;
#[cfg(feature = "torch")]
pub mod spectrum;
pub mod sweep;
#[cfg(feature = "torch")]
pub mod target;
#[cfg(feature = "torch")]
pub mod tensors;
pub mod train;
#[cfg(feature = "torch")]
pub mod trials;
pub mod words;
