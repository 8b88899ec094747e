//! Fits a sampler around a network to fewer samples than its minibatches have by default.
//!
//! How many samples there are is known only when the data are read. A record holds the setting as it was given, so that a run that is
//! resumed is fitted again.

use super::{Gradient, SamplerConfig};
use crate::kernel::KernelConfig;

/// Samples in a minibatch around a network, where nothing is said.
pub const BATCH_SIZE: usize = 256;

impl SamplerConfig {
    /// The same sampler for `n` samples: a minibatch of [`BATCH_SIZE`], the default, is all of them where there are fewer.
    pub fn for_samples(&self, n: usize) -> SamplerConfig {
        let mut fitted = self.clone();
        if let KernelConfig::Sgld(sgld) = &mut fitted.kernel
            && sgld.gradient == (Gradient::Minibatch { batch_size: BATCH_SIZE })
            && n < BATCH_SIZE
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
