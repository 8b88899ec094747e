//! Tells a lack of memory from other errors, and finds what would fit.

use tch::TchError;

/// Whether libtorch says that memory ran out, on a GPU or on the host.
pub(super) fn is_exhausted(error: &TchError) -> bool {
    let text = error.to_string();
    ["out of memory", "can't allocate memory", "not enough memory"].iter().any(|sign| text.contains(sign))
}

/// The largest of `size`/2, `size`/4, … 1 with which `pass` succeeds; `None` if none does, or something else fails.
pub(super) fn largest_fit(size: u64, mut pass: impl FnMut(u64) -> Result<(), TchError>) -> Option<u64> {
    let mut size = size / 2;
    while size > 0 {
        match pass(size) {
            Ok(()) => return Some(size),
            Err(error) if is_exhausted(&error) => size /= 2,
            Err(_) => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> TchError {
        TchError::Torch(text.to_owned())
    }

    #[test]
    fn the_largest_half_that_fits_is_found_and_other_errors_end_the_search() {
        let exhausted = || error("CUDA out of memory. Tried to allocate 2.00 GiB");
        let pass = |limit: u64| move |size: u64| if size > limit { Err(exhausted()) } else { Ok(()) };
        assert_eq!(largest_fit(128, pass(40)), Some(32));
        assert_eq!(largest_fit(128, pass(0)), None);
        assert_eq!(largest_fit(128, |_| Err(error("shape mismatch"))), None);
        assert!(!is_exhausted(&error("shape mismatch")));
    }

    #[test]
    fn libtorch_s_own_words_are_understood() {
        // 2⁵⁰ bytes are more than any machine grants.
        let asked = tch::Tensor::f_zeros([1 << 50], (tch::Kind::Uint8, tch::Device::Cpu)).unwrap_err();
        assert!(is_exhausted(&asked), "{asked}");
    }
}
