//! Targets on libtorch: deep linear networks, ReLU networks, networks of any architecture, modules from a file.
//!
//! What a target is the core says ([`llc_core::target`]); all of that is here too.

pub mod autograd;
mod deep_linear;
pub mod deep_linear_curvature;
mod gauge;
pub mod module;
pub mod network;
mod passes;
mod relu_network;
mod relu_passes;

pub use deep_linear::DeepLinear;
pub use llc_core::target::*;
pub use module::ModuleTarget;
pub use network::NetworkTarget;
pub use relu_network::ReluNetwork;
