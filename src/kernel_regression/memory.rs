//! Says how much memory a regression needs before it starts, and how the kernel is best kept in what it is granted.

use std::fs;

use super::{KernelRegressionError, lower_tiles};

/// How the iterative solver holds the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// Every block in f64.
    Double,
    /// Every block in 16 bits, for the preconditioner; exact blocks are made again.
    SixteenBits,
    /// No block is kept.
    Recomputed,
}

impl Storage {
    /// The most exact one for `n` samples that takes `memory_bytes` at most.
    pub fn within(memory_bytes: f64, n: usize) -> Storage {
        let all = [Storage::Double, Storage::SixteenBits];
        all.into_iter().find(|storage| storage.bytes(n) <= memory_bytes).unwrap_or(Storage::Recomputed)
    }

    /// Bytes of the blocks that it keeps.
    pub fn bytes(self, n: usize) -> f64 {
        let bytes_per_value = match self {
            Storage::Double => 8.0,
            Storage::SixteenBits => 2.0,
            Storage::Recomputed => return 0.0,
        };
        bytes_per_value * lower_tiles(n).map(|(rows, columns)| (rows.len() * columns.len()) as f64).sum::<f64>()
    }

    /// The word in records.
    pub fn name(self) -> &'static str {
        match self {
            Storage::Double => "double",
            Storage::SixteenBits => "sixteen-bits",
            Storage::Recomputed => "recomputed",
        }
    }

    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Storage::Double => "stored in f64",
            Storage::SixteenBits => "stored in 16 bits as a preconditioner, computed anew in f64 at every iteration",
            Storage::Recomputed => "made again in f64 at every iteration",
        }
    }
}

/// Bytes that the direct solver takes beside the inputs: the matrix and its factor.
pub fn direct_bytes(n: usize) -> f64 {
    16.0 * (n as f64).powi(2)
}

/// What the program takes beside its vectors: libtorch, the images, blocks under way.
const BASE_BYTES: f64 = 5e8;

/// Bytes of the iterative solver: the kernel, the inputs of d numbers, the preconditioner's vectors, six blocks of `num_columns` vectors, in
/// f64 and f32, and the program.
pub fn iterative_bytes(n: usize, d: usize, rank: usize, num_columns: usize, storage: Storage) -> f64 {
    let per_sample = 8 * d + 4 * rank.min(n) + 6 * (8 + 4) * num_columns;
    BASE_BYTES + storage.bytes(n) + n as f64 * per_sample as f64
}

/// Bytes that are free for a new program to use; `None` where the system doesn't say.
pub fn available_bytes() -> Option<f64> {
    counted("/proc/meminfo", "MemAvailable:")
}

/// Bytes that this process holds now; 0 where the system doesn't say.
pub fn resident_bytes() -> f64 {
    counted("/proc/self/status", "VmRSS:").unwrap_or(0.0)
}

/// The most bytes that this process has held at a time so far; `None` where the system doesn't say.
pub fn peak_bytes() -> Option<f64> {
    counted("/proc/self/status", "VmHWM:")
}

/// The bytes on the line `name` of a file of the system's.
fn counted(path: &str, name: &str) -> Option<f64> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(1024.0 * kib)
}

/// Refuses what is known not to fit: `needed_bytes` more than the process holds now.
///
/// # Errors
/// [`KernelRegressionError::Memory`] with `remedy`.
pub fn ensure(what: String, needed_bytes: f64, remedy: &'static str) -> Result<(), KernelRegressionError> {
    match available_bytes() {
        Some(available) if available < needed_bytes => Err(KernelRegressionError::Memory {
            what,
            needed_gb: needed_bytes / 1e9,
            available_gb: available / 1e9,
            remedy,
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixty_thousand_samples_fit_in_four_gigabytes_by_16_bits_and_twenty_thousand_in_f64() {
        assert_eq!(Storage::within(4e9, 60_000), Storage::SixteenBits);
        assert_eq!(Storage::within(4e9, 20_000), Storage::Double);
        assert_eq!(Storage::within(4e9, 70_000), Storage::Recomputed);
        // n² bytes, and the upper halves of the blocks on the diagonal.
        assert!((Storage::SixteenBits.bytes(60_000) / 3.6e9 - 1.0).abs() < 0.02);
        assert!(iterative_bytes(60_000, 784, 1000, 10, Storage::SixteenBits) < 6e9);
        // Of the published machine: 28.8 GB for the matrix alone.
        assert!(direct_bytes(60_000) > 57.5e9);
    }

    #[test]
    fn what_does_not_fit_is_refused_with_both_numbers_and_a_way_out() {
        if available_bytes().is_some() {
            let error = ensure("the direct solver".to_owned(), 1e18, "use --solver iterative").unwrap_err().to_string();
            assert!(error.starts_with("the direct solver needs 1000000000.0 GB, but"), "{error}");
        }
        assert!(ensure("nothing".to_owned(), 0.0, "").is_ok());
    }
}
