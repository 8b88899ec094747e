//! Estimates the local learning coefficient λ(w*) of a neural network: how singular, and so how simple, its loss is
//! around a trained parameter w*.
//!
//! The estimate is λ̂ = nβ·(E[L_n(w)] − L_n(w*)) under the local posterior ∝ exp(−nβ·L_n(w) − γ/2·‖w − w*‖²), sampled
//! around w* by one of the kernels of [`kernel`]. docs/conventions.md fixes what each symbol means.
//!
//! Modules that need no libtorch (theory, diagnostics, configuration, records) build with `--no-default-features`.

pub mod config;
pub mod diagnostics;
pub mod llc;
pub mod observe;
pub mod record;
pub mod theory;
