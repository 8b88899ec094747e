//! Describes networks as pure functions of their parameters.
//!
//! A network is data: a name and options ([`ModelSpec`]) make a tree of layers, and the tree makes a [`Network`] with its shapes, names
//! and counts, for which no libtorch is needed. With libtorch it draws a start and computes outputs.

#[cfg(feature = "torch")]
mod batch_norm;
#[cfg(feature = "torch")]
mod buffers;
#[cfg(feature = "torch")]
pub mod deep_linear;
#[cfg(feature = "torch")]
mod dropout;
mod error;
#[cfg(feature = "torch")]
mod forward;
mod init;
pub mod layer;
mod network;
mod networks;
mod options;
pub mod registry;
#[cfg(feature = "torch")]
pub mod relu;
mod survey;
mod truth;

#[cfg(feature = "torch")]
pub use buffers::Buffers;
pub use error::{ModelError, shape};
#[cfg(feature = "torch")]
pub use forward::Mode;
pub use init::{Init, Start};
pub use network::{BufferSpec, LayerRow, Network, TensorSpec};
pub use options::{ModelOptions, ModelSpec};
pub use truth::{Truth, TruthKind};
