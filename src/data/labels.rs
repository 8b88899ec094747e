//! Spoils labels, as the published experiments on memorisation do: drawn at random, exchanged among the samples, or a little noise.
//!
//! Each is a function of its seed, fixed before a training starts: the same in every epoch and after every resume.
//!
//! *Reference*: C. Zhang, S. Bengio, M. Hardt, B. Recht, O. Vinyals, "Understanding deep learning requires rethinking generalization",
//! ICLR 2017 (<https://arxiv.org/abs/1611.03530>).
//! *Tested by*: sums, first labels and digests of NumPy's draws; counts that a permutation keeps.

use crate::rng::{Key, Mt19937, Permutation, Role};

/// Labels drawn for some samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RandomLabels {
    /// Which samples get one, shape `[n]`.
    pub is_drawn: Vec<bool>,
    /// Those that they get, in order.
    pub labels: Vec<u8>,
}

impl RandomLabels {
    /// Draws for n samples: each gets a label with probability `level`, any of `num_classes` (1 to 256), its own included.
    ///
    /// These are NumPy's `seed(seed)`, `mask = rand(n) <= level`, `choice(num_classes, mask.sum())`, bit for bit.
    pub fn draw(n: usize, num_classes: usize, level: f64, seed: u32) -> RandomLabels {
        let mut generator = Mt19937::new(seed);
        let is_drawn: Vec<bool> = (0..n).map(|_| generator.numpy_uniform() <= level).collect();
        let num_drawn = is_drawn.iter().filter(|drawn| **drawn).count();
        let labels = (0..num_drawn).map(|_| generator.numpy_below(num_classes as u32) as u8).collect();
        RandomLabels { is_drawn, labels }
    }

    /// Puts them instead of `labels`, shape `[n]`.
    pub fn apply(&self, labels: &mut [u8]) {
        let places = labels.iter_mut().zip(&self.is_drawn).filter(|(_, drawn)| **drawn);
        places.zip(&self.labels).for_each(|((label, _), new)| *label = *new);
    }
}

/// Exchanges the labels among the samples, so that each class keeps its count, by `torch.randperm` of the seed.
pub fn permuted_labels(labels: &[u8], seed: u32) -> Vec<u8> {
    Mt19937::new(seed).torch_permutation(labels.len()).into_iter().map(|from| labels[from]).collect()
}

/// Gives int(n·level) samples, chosen without replacement, a label drawn from the smallest to the largest that occurs.
pub fn noisy_labels(labels: &[u8], level: f64, seed: u32) -> Vec<u8> {
    let mut noisy = labels.to_vec();
    let (Some(min), Some(max)) = (labels.iter().min(), labels.iter().max()) else { return noisy };
    let key = Key::new(u64::from(seed)).role(Role::Data);
    let mut chosen = vec![0; (labels.len() as f64 * level.clamp(0.0, 1.0)) as usize];
    Permutation::new(key.part(0), labels.len() as u64).fill(0, &mut chosen);
    for index in chosen {
        noisy[index as usize] = min + key.part(1).below(index, u64::from(max - min) + 1) as u8;
    }
    noisy
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    fn digest(bytes: &[u8]) -> String {
        Sha256::digest(bytes)[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn random_labels_are_numpys_bit_for_bit() {
        let sevens = [3, 2, 7, 4, 5, 4, 1, 3, 3, 5, 0, 7];
        let eights = [8, 4, 4, 2, 1, 7];
        let threes = [3, 2, 3, 5, 2, 0, 5, 1, 8, 5, 0, 3];
        for (n, seed, level, num_drawn, first, start, digests) in [
            (
                50_000,
                12345,
                0.5,
                24_982,
                &[1, 2, 3, 12, 13, 14, 22, 23][..],
                &sevens[..],
                ["f800287b5fc3f1dc", "608865a01e1b1ebd"],
            ),
            (50_000, 12345, 1.0, 50_000, &[0, 1, 2], &sevens, ["793060f4a877d835", "1f451267b8b73697"]),
            (10_000, 12345, 0.5, 4_978, &[1, 2, 3, 12], &eights, ["4b42e7d5e556d2b0", "bb59d393bdc9e038"]),
            (10_000, 12345, 1.0, 10_000, &[0, 1, 2], &eights, ["684ad25fdc2bbb80", "6d6d6cdc891d9fb8"]),
            (
                60_000,
                42,
                0.1,
                6_031,
                &[6, 10, 29, 32, 37, 42, 56, 58],
                &threes,
                ["457836988bbd8354", "9c2bb6db309e27e8"],
            ),
            (60_000, 42, 0.5, 29_991, &[0, 4, 5, 6, 10, 13, 14, 15], &threes, ["135a8e1191aae438", "5a4cf365c130dd24"]),
            (60_000, 42, 1.0, 60_000, &[0, 1, 2], &threes, ["ffb240dcc910eace", "475d72c39585f39b"]),
        ] {
            let random = RandomLabels::draw(n, 10, level, seed);
            let case = format!("n = {n}, seed {seed}, level {level}");
            assert_eq!(random.labels.len(), num_drawn, "{case}");
            let places: Vec<usize> = (0..n).filter(|i| random.is_drawn[*i]).take(first.len()).collect();
            assert_eq!(places, first, "{case}");
            assert_eq!(random.labels[..start.len()], *start, "{case}");
            let mask: Vec<u8> = random.is_drawn.iter().map(|drawn| u8::from(*drawn)).collect();
            assert_eq!([digest(&mask), digest(&random.labels)], digests, "{case}");
        }
    }

    #[test]
    fn drawn_labels_go_where_they_belong_and_nowhere_else() {
        let random = RandomLabels { is_drawn: vec![false, true, false, true], labels: vec![7, 8] };
        let mut labels = [1, 2, 3, 4];
        random.apply(&mut labels);
        assert_eq!(labels, [1, 7, 3, 8]);
        let none = RandomLabels::draw(100, 10, 0.0, 42);
        assert!(none.labels.is_empty());
    }

    #[test]
    fn permuted_labels_keep_the_count_of_each_class() {
        let labels: Vec<u8> = (0..600u32).map(|i| (i % 7 % 3) as u8).collect();
        let permuted = permuted_labels(&labels, 3);
        assert_ne!(permuted, labels);
        let count = |labels: &[u8]| [0, 1, 2].map(|class| labels.iter().filter(|label| **label == class).count());
        assert_eq!(count(&permuted), count(&labels));
    }

    #[test]
    fn noise_reaches_as_many_samples_as_asked_and_stays_between_the_labels_that_occur() {
        let labels = vec![4u8; 500].into_iter().chain(vec![5; 500]).collect::<Vec<_>>();
        let noisy = noisy_labels(&labels, 0.3, 1);
        let changed = noisy.iter().zip(&labels).filter(|(a, b)| a != b).count() as f64;
        // 300 samples draw one of two labels: 150 change, deviation √75; six of them.
        assert!((changed - 150.0).abs() < 6.0 * 75f64.sqrt(), "{changed}");
        assert!(noisy.iter().all(|label| [4, 5].contains(label)));
        assert_eq!(noisy_labels(&labels, 0.0, 1), labels);
        assert_ne!(noisy_labels(&labels, 0.3, 2), noisy);
        let binary = noisy_labels(&vec![0; 256], 1.0, 1);
        assert_eq!(binary, vec![0; 256]);
    }
}
