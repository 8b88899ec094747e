//! Fits a sampler around a network to fewer samples than its minibatches have by default.
//!
//! How many samples there are is known only when the data are read. A record holds the setting as it was given, so that a run that is
//! resumed is fitted again.

use super::{Gradient, SamplerConfig};
use crate::kernel::KernelConfig;

/// Samples in a minibatch around a network, where nothing is said.
pub const BATCH_SIZE: usize = 256;

/// The same around each point of a curve: many points share the time, and around ResNet18 (k = 8) the noise of 256 adds 0.1 % to λ̂.
pub const BATCH_SIZE_OF_CURVE: usize = 128;

impl SamplerConfig {
    /// The same sampler for `n` samples: a minibatch of a default size is all of them where there are fewer.
    pub fn for_samples(&self, n: usize) -> SamplerConfig {
        let mut fitted = self.clone();
        if let KernelConfig::Sgld(sgld) = &mut fitted.kernel
            && let Gradient::Minibatch { batch_size } = sgld.gradient
            && [BATCH_SIZE, BATCH_SIZE_OF_CURVE].contains(&batch_size)
            && n < batch_size
        {
            sgld.gradient = Gradient::Minibatch { batch_size: n };
        }
        fitted
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Configuration, EstimateConfig, RawConfig};

    #[test]
    fn the_default_batch_is_all_samples_where_they_are_fewer_and_a_given_one_stays() {
        let batch_size = |given: &[(&str, &str)], n: usize| {
            let mut raw = RawConfig::new(EstimateConfig::keys());
            raw.layer_text([("checkpoint", "x.pt")].into_iter().chain(given.iter().copied())).unwrap();
            EstimateConfig::build(&raw, 1).unwrap().sampler().for_samples(n).kernel.batch_size()
        };
        assert_eq!(
            [batch_size(&[], 1000), batch_size(&[], 256), batch_size(&[], 100)],
            [Some(256), Some(256), Some(100)]
        );
        assert_eq!(batch_size(&[("sampler.batch_size", "500")], 100), Some(500), "to be refused");
        assert_eq!(batch_size(&[("sampler.batch_size", "50")], 100), Some(50));
        assert_eq!(batch_size(&[("sampler.gradient", "exact")], 100), None);
    }
}
