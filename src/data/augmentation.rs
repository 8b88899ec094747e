//! Moves and mirrors training images: a random crop out of an image with black margins, then a mirror image half of the time.
//!
//! What happens to a sample in an epoch is a function of (key, epoch, index) alone, so that a resumed training sees the same images.
//!
//! *Reference*: torchvision's `RandomCrop(size, padding)` and `RandomHorizontalFlip`; the law is theirs, not the stream.
//! *Tested by*: every shift and both sides come up evenly, a shift by hand.

use serde::{Deserialize, Serialize};

use crate::rng::Key;

/// How images are moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Augmentation {
    /// Width of the black margin: an image moves by at most this many rows and columns, each way.
    pub padding: usize,
    /// Whether half of the images are mirrored.
    pub has_flip: bool,
}

impl Augmentation {
    /// What is usual for CIFAR-10: a margin of 4, and mirror images.
    pub const CIFAR10: Augmentation = Augmentation { padding: 4, has_flip: true };

    /// What becomes of sample `index` in epoch `epoch`.
    pub fn movement(&self, key: Key, epoch: u64, index: u64) -> Movement {
        let key = key.part(epoch).step(index);
        let shift = |draw| key.below(draw, 2 * self.padding as u64 + 1) as isize - self.padding as isize;
        Movement { down: shift(0), right: shift(1), is_flipped: self.has_flip && key.below(2, 2) == 1 }
    }
}

/// Where an image goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Movement {
    /// Rows by which the window lies lower: row `r` shows what row `r + down` was.
    pub down: isize,
    /// Columns by which the window lies further right.
    pub right: isize,
    /// Whether left and right are exchanged, after the move.
    pub is_flipped: bool,
}

impl Movement {
    /// Writes `picture`, shape `[C, H, W]`, moved, to `out`; what comes from outside is `T::default()`, black.
    pub fn apply<T: Copy + Default>(&self, picture: &[T], [_, height, width]: [usize; 3], out: &mut [T]) {
        let plane_len = (height * width).max(1);
        for (plane, out) in picture.chunks_exact(plane_len).zip(out.chunks_exact_mut(plane_len)) {
            for (row, out) in out.chunks_exact_mut(width).enumerate() {
                let from = row.checked_add_signed(self.down).filter(|from| *from < height);
                for (column, out) in out.iter_mut().enumerate() {
                    let column = if self.is_flipped { width - 1 - column } else { column };
                    let column = column.checked_add_signed(self.right).filter(|column| *column < width);
                    *out = match (from, column) {
                        (Some(from), Some(column)) => plane[from * width + column],
                        _ => T::default(),
                    };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Role;

    #[test]
    fn a_picture_moves_and_turns_as_by_hand() {
        let picture = [1u8, 2, 3, 4, 5, 6];
        let moved = |down, right, is_flipped| {
            let mut out = [9; 6];
            Movement { down, right, is_flipped }.apply(&picture, [1, 2, 3], &mut out);
            out
        };
        assert_eq!(moved(0, 0, false), picture);
        assert_eq!(moved(0, 0, true), [3, 2, 1, 6, 5, 4]);
        assert_eq!(moved(1, 0, false), [4, 5, 6, 0, 0, 0]);
        assert_eq!(moved(-1, 1, false), [0, 0, 0, 2, 3, 0]);
        assert_eq!(moved(0, 1, true), [0, 3, 2, 0, 6, 5], "first moved, then mirrored");
    }

    #[test]
    fn every_shift_and_both_sides_come_up_evenly_and_anew_each_epoch() {
        let key = Key::new(6).role(Role::Training);
        let n = 81_000u64;
        let mut counts = vec![0f64; 9 * 9 * 2];
        for index in 0..n {
            let m = Augmentation::CIFAR10.movement(key, index % 3, index);
            counts[((m.down + 4) * 18 + (m.right + 4) * 2) as usize + usize::from(m.is_flipped)] += 1.0;
        }
        let expected = n as f64 / 162.0;
        let chi2: f64 = counts.iter().map(|c| (c - expected).powi(2) / expected).sum();
        // 161 degrees of freedom: deviation √322; six of them.
        assert!((chi2 - 161.0).abs() < 6.0 * 322f64.sqrt(), "chi-squared {chi2}");
        let of_epoch = |epoch| (0..20).map(|i| Augmentation::CIFAR10.movement(key, epoch, i)).collect::<Vec<_>>();
        assert_eq!(of_epoch(1), of_epoch(1));
        assert_ne!(of_epoch(1), of_epoch(2));
        let still = Augmentation { padding: 0, has_flip: false }.movement(key, 0, 0);
        assert_eq!(still, Movement { down: 0, right: 0, is_flipped: false });
    }
}
