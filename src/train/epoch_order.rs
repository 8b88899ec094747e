//! Puts the samples of each epoch in its own order: batch b of epoch e holds the positions b·B … of a permutation keyed by e.
//!
//! The last batch of an epoch is short where B doesn't divide n, as in PyTorch's `DataLoader` with `shuffle=True`; the sampler's
//! [`Minibatches`](crate::data::minibatch::Minibatches) drop it. No order is stored: a resumed training finds it again from its key.
//!
//! *Tested by* its coverage, below.

use crate::rng::{Key, Permutation};

/// Yields the samples of every minibatch of a training.
#[derive(Debug, Clone)]
pub struct EpochOrder {
    key: Key,
    num_samples: u64,
    batch_size: u64,
    /// The epoch of `permutation`.
    epoch: u64,
    permutation: Permutation,
    indices: Vec<u64>,
}

impl EpochOrder {
    /// Batches of `batch_size` out of `num_samples`; at least one of either, and no more in a batch than there are.
    pub fn new(key: Key, num_samples: u64, batch_size: u64) -> EpochOrder {
        debug_assert!(num_samples >= 1 && batch_size >= 1);
        let permutation = Permutation::new(key.part(0), num_samples);
        let batch_size = batch_size.min(num_samples);
        EpochOrder { key, num_samples, batch_size, epoch: 0, permutation, indices: Vec::new() }
    }

    /// Batches of an epoch, the short one included.
    pub fn num_batches(&self) -> u64 {
        self.num_samples.div_ceil(self.batch_size)
    }

    /// The samples of batch `batch` of epoch `epoch`, both counted from 0; a function of these two and the key alone.
    pub fn at(&mut self, epoch: u64, batch: u64) -> &[u64] {
        debug_assert!(batch < self.num_batches());
        if epoch != self.epoch {
            self.epoch = epoch;
            self.permutation = Permutation::new(self.key.part(epoch), self.num_samples);
        }
        let first = batch * self.batch_size;
        self.indices.resize(self.batch_size.min(self.num_samples - first) as usize, 0);
        self.permutation.fill(first, &mut self.indices);
        &self.indices
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_visits_every_sample_once_with_a_short_batch_at_its_end() {
        let mut order = EpochOrder::new(Key::new(1), 103, 10);
        assert_eq!(order.num_batches(), 11);
        let epochs: Vec<Vec<u64>> =
            (0..2).map(|epoch| (0..11).flat_map(|batch| order.at(epoch, batch).to_vec()).collect()).collect();
        assert_ne!(epochs[0], epochs[1]);
        for mut epoch in epochs {
            epoch.sort();
            assert_eq!(epoch, (0..103).collect::<Vec<_>>());
        }
        assert_eq!(order.at(0, 10).len(), 3);
        let again = EpochOrder::new(Key::new(1), 103, 10).at(1, 4).to_vec();
        assert_eq!(again, order.at(1, 4), "a batch depends on its place alone");
    }

    #[test]
    fn a_batch_larger_than_the_data_is_all_of_them() {
        let mut order = EpochOrder::new(Key::new(2), 5, 128);
        assert_eq!((order.num_batches(), order.at(3, 0).len()), (1, 5));
    }
}
