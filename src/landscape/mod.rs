//! Looks at the loss between minima: segments, curves fitted through low loss, planes, and what a path through them is like.
//!
//! One file a noun. [`Segment`], [`Curve`] and [`Plane`] say which w belongs to which place, [`CurveFit`] lets a training move a curve's
//! bends, [`Landscape`] evaluates points with the data on the device once and norms' statistics gathered anew at each,
//! [`Profile`] says in numbers what the loss along a path is like (and needs no libtorch).
//!
//! Places run so that t = 1 is the first minimum and t = 0 whatever lies at the other end.
//!
//! *Reference*: Garipov, Izmailov, Podoprikhin, Vetrov and Wilson 2018, <https://arxiv.org/abs/1802.10026>; Draxler, Veschgini, Salmhofer
//! and Hamprecht 2018, <https://arxiv.org/abs/1803.00885>; Goodfellow, Vinyals and Saxe 2015, <https://arxiv.org/abs/1412.6544>, for
//! segments.

#[cfg(feature = "torch")]
mod curve;
#[cfg(feature = "torch")]
mod evaluation;
#[cfg(feature = "torch")]
mod fit;
#[cfg(feature = "torch")]
mod plane;
mod profile;
mod scores;
#[cfg(feature = "torch")]
mod segment;
#[cfg(feature = "torch")]
mod statistics;
#[cfg(all(test, feature = "torch"))]
mod testing;
#[cfg(feature = "torch")]
mod weights;

#[cfg(feature = "torch")]
pub use curve::Curve;
#[cfg(feature = "torch")]
pub use evaluation::Landscape;
#[cfg(feature = "torch")]
pub use fit::CurveFit;
#[cfg(feature = "torch")]
pub use plane::{Degenerate, Plane, PlaneError};
pub use profile::Profile;
pub use scores::Scores;
#[cfg(feature = "torch")]
pub use segment::Segment;

/// `count` places from `from` to `to`, both included, at equal distances.
///
/// ```
/// assert_eq!(llc::landscape::places(0.0, 1.5, 4), [0.0, 0.5, 1.0, 1.5]);
/// ```
pub fn places(from: f64, to: f64, count: usize) -> Vec<f64> {
    let last = count.saturating_sub(1).max(1) as f64;
    (0..count).map(|i| from + (to - from) * (i as f64 / last)).collect()
}
