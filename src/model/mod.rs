//! Describes networks as pure functions of their parameters.

pub mod deep_linear;
