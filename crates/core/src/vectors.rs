//! Chooses, while the program runs, the widest vector instructions that the processor has.
//!
//! The loops that pay for it (noise, data, whole-buffer passes) are compiled once for each width. No width changes the order or the
//! rounding of an operation (a fused multiply-add is one where the source says so, and nowhere else), so the bits are the same.
//!
//! *Tested by*: equality of the bits on every width that the processor has, below.

/// Runs `body` compiled for the widest vector instructions at hand. The body must be inlined all the way down to its loops
/// (`#[inline(always)]` on the closure too): what is called as a function keeps the plain instructions.
#[inline(always)]
pub fn vectorised<R>(body: impl FnOnce() -> R) -> R {
    #[cfg(test)]
    let width = tests::FORCED.get().unwrap_or_else(Width::widest);
    #[cfg(not(test))]
    let width = Width::widest();
    with(width, body)
}

/// A set of vector instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Width {
    /// What every processor of this architecture has.
    Plain,
    /// 256 bits, and fused multiply-adds.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// 512 bits, and the same.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Width {
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn widest() -> Width {
        if !(is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")) {
            Width::Plain
        } else if is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512bw")
        {
            // dq, vl and bw include f.
            Width::Avx512
        } else {
            Width::Avx2
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    #[inline(always)]
    fn widest() -> Width {
        Width::Plain
    }
}

/// Runs `body` with the instructions of `width`, which the processor must have.
#[inline(always)]
fn with<R>(width: Width, body: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw,fma")]
    fn with_avx512<R>(body: impl FnOnce() -> R) -> R {
        body()
    }
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn with_avx2<R>(body: impl FnOnce() -> R) -> R {
        body()
    }
    match width {
        Width::Plain => body(),
        // SAFETY: both widths come out of `Width::widest`, which has just detected them (or a narrower one, in the test).
        #[cfg(target_arch = "x86_64")]
        Width::Avx2 => unsafe { with_avx2(body) },
        #[cfg(target_arch = "x86_64")]
        Width::Avx512 => unsafe { with_avx512(body) },
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::fmt::Debug;
    use std::sync::Arc;

    use super::*;
    use crate::params::{Element, FloatType, Layout, Params};
    use crate::rng::{Key, Permutation, fill_normal};
    use crate::slices::{ALONE, sum_and_replace};
    use crate::synthetic::{InputDist, SyntheticInputs};
    use crate::target::LocalPosterior;
    use crate::update;

    thread_local! {
        /// What [`vectorised`] uses on this thread instead of the widest.
        pub(super) static FORCED: Cell<Option<Width>> = const { Cell::new(None) };
    }

    /// What `make` gives must not depend on the width.
    fn is_the_same_on_every_width<R: PartialEq + Debug>(make: impl Fn() -> R) {
        let on = |width| {
            FORCED.set(Some(width));
            let made = make();
            FORCED.set(None);
            made
        };
        let plain = on(Width::Plain);
        #[cfg(target_arch = "x86_64")]
        for width in [Width::Avx2, Width::Avx512] {
            if width == Width::Avx512 && Width::widest() != width || Width::widest() == Width::Plain {
                eprintln!("skipped: this processor has no {width:?}");
                continue;
            }
            assert!(on(width) == plain, "{width:?}");
        }
        assert!(on(Width::widest()) == plain);
    }

    /// No multiple of any group or piece.
    const LEN: usize = 40_003;

    fn noise<T: Element>() -> Vec<T> {
        let mut z = vec![T::zero(); LEN];
        fill_normal(Key::new(1), 5, &mut z);
        z
    }

    #[test]
    fn noise_has_the_same_bits_on_every_vector_width() {
        is_the_same_on_every_width(noise::<f64>);
        is_the_same_on_every_width(noise::<f32>);
    }

    #[test]
    fn indices_and_inputs_are_the_same_on_every_vector_width() {
        is_the_same_on_every_width(|| {
            let mut indices = vec![0; 1000];
            Permutation::new(Key::new(1), 100_000).fill(99_000, &mut indices);
            indices
        });
        for dist in [InputDist::Uniform, InputDist::UnitBall] {
            is_the_same_on_every_width(|| {
                let mut columns = vec![0f32; 7 * 1001];
                let inputs = SyntheticInputs::new(Key::new(1), dist, 7, 1001);
                inputs.fill_columns(&(0..1001).collect::<Vec<_>>(), &mut columns);
                columns
            });
        }
    }

    fn moved<T: Element>() -> (Vec<T>, Option<f64>, f64) {
        let filled = |key: u64| {
            let layout = Arc::new(Layout::vector("w", LEN));
            let mut x = Params::zeros(&layout, T::TYPE);
            fill_normal(Key::new(key), 0, x.as_mut_slice::<T>().unwrap());
            x
        };
        let local = LocalPosterior::new(1000.0, 1.0, filled(2)).unwrap();
        let (g, mut w) = (filled(3), filled(4));
        let distance = update::langevin(Key::new(1), &local, 1e-4, &[], 1.0, &g, &mut w).unwrap();
        (w.as_slice::<T>().unwrap().to_vec(), distance, update::dot(&g, &w).unwrap())
    }

    #[test]
    fn passes_over_buffers_have_the_same_bits_on_every_vector_width() {
        fn all<T: Element>() -> (Vec<T>, Vec<f64>, Vec<T>) {
            let filled = |key: u64| {
                let layout = Arc::new(Layout::vector("w", LEN));
                let mut x = Params::zeros(&layout, T::TYPE);
                fill_normal(Key::new(key), 0, x.as_mut_slice::<T>().unwrap());
                x
            };
            let local = LocalPosterior::new(1000.0, 1.0, filled(2)).unwrap();
            let (g, w, mut y) = (filled(3), filled(4), filled(5));
            update::add_potential_gradient(0.3, &local, &g, &w, &mut y).unwrap();
            update::add_scaled(0.7, &g, &mut y).unwrap();
            let mut sums = update::virial_terms(&local, &g, &w).unwrap();
            sums.push(update::squared_distance(&w, &y).unwrap());
            let (w, y) = (w.as_slice::<T>().unwrap(), y.as_slice::<T>().unwrap());
            let mut delta = y.to_vec();
            sums.push(sum_and_replace(w, &mut delta, |h, y| ((h - y).wide().powi(2), T::of(0.3) * (h - y))));
            (y.to_vec(), sums, delta)
        }
        is_the_same_on_every_width(all::<f64>);
        is_the_same_on_every_width(all::<f32>);
    }

    #[test]
    fn a_langevin_move_has_the_same_bits_on_every_vector_width() {
        is_the_same_on_every_width(moved::<f64>);
        is_the_same_on_every_width(moved::<f32>);
    }

    #[test]
    fn a_langevin_move_has_the_same_bits_on_any_number_of_threads() {
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let layout = Arc::new(Layout::vector("w", ALONE + 70_000));
                let zeros = || Params::zeros(&layout, FloatType::F32);
                let local = LocalPosterior::new(1000.0, 1.0, zeros()).unwrap();
                let mut w = zeros();
                let distance = update::langevin(Key::new(1), &local, 1e-4, &[], 1.0, &zeros(), &mut w).unwrap();
                (w.as_slice::<f32>().unwrap().to_vec(), distance)
            })
        };
        let one = on(1);
        assert!(one == on(2) && one == on(3));
        // The distance that comes with the move is that of the point it made, but for the rounding of squares to f32.
        let plain: f64 = one.0.iter().map(|w| f64::from(*w).powi(2)).sum();
        assert!((one.1.unwrap() / plain - 1.0).abs() < 1e-7);
    }
}
