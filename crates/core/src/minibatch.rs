//! Draws minibatches without replacement, an epoch at a time, from a keyed permutation: no index array is stored.

use crate::rng::{Key, Permutation};

/// Yields the sample indices of each step's minibatch.
#[derive(Debug, Clone)]
pub struct Minibatches {
    key: Key,
    n: u64,
    batch_size: u64,
    epoch: u64,
    permutation: Permutation,
    indices: Vec<u64>,
}

impl Minibatches {
    /// Batches of `batch_size` out of `n` samples; the rest of an epoch that fills no batch is dropped, as in the published
    /// experiments. `batch_size` is at least 1 and at most `n` (checked by the configuration).
    pub fn new(key: Key, n: u64, batch_size: usize) -> Minibatches {
        debug_assert!(batch_size >= 1 && batch_size as u64 <= n);
        Minibatches {
            key,
            n,
            batch_size: batch_size as u64,
            epoch: 0,
            permutation: Permutation::new(key.part(0), n),
            indices: vec![0; batch_size],
        }
    }

    /// The indices of step `step`'s batch: a function of the key and the step alone.
    pub fn at(&mut self, step: u64) -> &[u64] {
        let per_epoch = self.n / self.batch_size;
        let (epoch, first) = (step / per_epoch, step % per_epoch * self.batch_size);
        if epoch != self.epoch {
            self.epoch = epoch;
            self.permutation = Permutation::new(self.key.part(epoch), self.n);
        }
        self.permutation.fill(first, &mut self.indices);
        &self.indices
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_visits_every_sample_once_and_the_next_in_another_order() {
        let mut batches = Minibatches::new(Key::new(1), 103, 10);
        let mut epochs = vec![Vec::new(), Vec::new()];
        for step in 0..20 {
            epochs[step as usize / 10].extend_from_slice(batches.at(step));
        }
        assert_ne!(epochs[0], epochs[1]);
        for epoch in &mut epochs {
            epoch.sort();
            epoch.dedup();
            assert_eq!(epoch.len(), 100);
        }
        let again = Minibatches::new(Key::new(1), 103, 10).at(13).to_vec();
        assert_eq!(again, batches.at(13), "a batch depends on its step alone");
    }
}
