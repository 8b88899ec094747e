//! Provides the samples that losses are taken over.

pub mod minibatch;
pub mod synthetic;
