//! Holds what a target over n samples knows of them: the loss of each at w*, and which ones the probes look at.

use std::sync::Arc;

use super::Batch;
use crate::rng::{Key, Permutation};

/// Samples that the probes before a chain look at: the gradient's error is then a twentieth of its spread over samples.
const NUM_PROBED: u64 = 512;

/// The indices of the samples that probes look at, in ascending order: 512 of the `n`, chosen by `key`, or all where they are fewer.
pub fn probed(key: Key, n: u64) -> Arc<[u64]> {
    let mut indices = vec![0; NUM_PROBED.min(n) as usize];
    Permutation::new(key, n).fill(0, &mut indices);
    indices.sort_unstable();
    indices.into()
}

/// The loss of each sample at w*, so that L_B(w*) is known for every batch B without another pass.
#[derive(Debug, Clone)]
pub struct Centre {
    losses: Arc<[f64]>,
}

impl Centre {
    /// With the losses `[n]` at w*.
    pub fn new(losses: impl Into<Arc<[f64]>>) -> Centre {
        Centre { losses: losses.into() }
    }

    /// L_n(w*), the mean over all samples.
    pub fn mean(&self) -> f64 {
        self.losses.iter().sum::<f64>() / self.losses.len() as f64
    }

    /// L_B(w*), where probes look at `probed`.
    pub fn loss(&self, batch: Batch, probed: &[u64]) -> f64 {
        let mean_of = |indices: &[u64]| {
            indices.iter().map(|&index| self.losses[index as usize]).sum::<f64>() / indices.len() as f64
        };
        match batch {
            Batch::Full => self.mean(),
            Batch::Probe => mean_of(probed),
            Batch::Minibatch { indices, .. } => mean_of(indices),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_has_the_mean_loss_of_its_samples() {
        let centre = Centre::new(vec![1.0, 2.0, 6.0]);
        let minibatch = Batch::Minibatch { key: Key::new(0), indices: &[0, 2] };
        assert_eq!([Batch::Full, Batch::Probe, minibatch].map(|batch| centre.loss(batch, &[1, 2])), [3.0, 4.0, 3.5]);
        let some = probed(Key::new(1), 2000);
        assert!(some.len() == 512 && some.is_sorted_by(|a, b| a < b) && some.iter().all(|&index| index < 2000));
        assert_eq!(*probed(Key::new(1), 5), [0, 1, 2, 3, 4]);
    }
}
