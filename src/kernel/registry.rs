//! Makes each sampler from its configuration: adding one is its file and one line here.

use super::Sampler;
use super::gibbs::Gibbs;
use crate::config::dln::KernelConfig;

/// The sampler that `config` describes.
pub fn build(config: &KernelConfig) -> Box<dyn Sampler> {
    match config {
        KernelConfig::Gibbs => Box::new(Gibbs),
        KernelConfig::Hmc(config) => Box::new(config.clone()),
        KernelConfig::Mala(config) => Box::new(config.clone()),
        KernelConfig::Sgld(config) => Box::new(config.clone()),
    }
}
