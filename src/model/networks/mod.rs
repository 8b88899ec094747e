//! Holds the networks: one file each, which returns the tree.

pub mod alexnet;
pub mod inception;
pub mod mlp;
pub mod resnet18;
pub mod vgg;
pub mod wide_resnet;
pub mod wrn;

#[cfg(test)]
mod counts;
