//! Says in numbers what a quantity is like along a path: its ends, its extremes, its mean by length, the barrier, its turns.
//!
//! With values v_i at places along a path and the distance dl_i from each to the next:
//!
//! | number | meaning |
//! |---|---|
//! | `integral` | Σ ½(v_i + v_(i+1))·dl_i / Σ dl_i: the mean under the uniform law on the path, rather than on t |
//! | `barrier` | max v − max(v at both ends): 0 where the path never rises above its ends |
//! | `turns` | how often the values turn from rising to falling or back, changes below a thousandth of their range left out |
//!
//! The barrier is above the *higher* end, so that a path that only climbs from one end to the other has none. Frankle et al. 2020
//! subtract the *mean* of both ends, max v − ½·(v at one end + v at the other): theirs is larger by half of the ends' difference.
//!
//! A value that is not finite leaves turns unknown. One that is NaN makes every number NaN that is of all values.
//!
//! *Reference*: Garipov et al. 2018, <https://arxiv.org/abs/1802.10026>, for the integral; Frankle et al. 2020,
//! <https://arxiv.org/abs/1912.05671>, for barriers, in their convention. *Tested by* paths by hand, below.

use serde::{Deserialize, Serialize};

use crate::diagnostics::nan_for_null;

/// Changes below this share of the range are no turns.
const SMALLEST_TURN: f64 = 1e-3;

/// A quantity along a path.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// At the first place.
    #[serde(deserialize_with = "nan_for_null")]
    pub start: f64,
    /// At the last one.
    #[serde(deserialize_with = "nan_for_null")]
    pub end: f64,
    /// The least value.
    #[serde(deserialize_with = "nan_for_null")]
    pub min: f64,
    /// The greatest.
    #[serde(deserialize_with = "nan_for_null")]
    pub max: f64,
    /// The index of the greatest, or of a NaN.
    pub argmax: usize,
    /// The mean over places.
    #[serde(deserialize_with = "nan_for_null")]
    pub mean: f64,
    /// The mean by length.
    #[serde(deserialize_with = "nan_for_null")]
    pub integral: f64,
    /// How far it rises above the higher end.
    #[serde(deserialize_with = "nan_for_null")]
    pub barrier: f64,
    /// How often it turns; `None` where a value is not finite.
    pub turns: Option<usize>,
    /// Whether it rises or falls all the way: no turns, and every value finite.
    pub is_monotone: bool,
}

impl Profile {
    /// That of `values` (one or more) at places `steps` apart, one step fewer than values.
    ///
    /// ```
    /// use llc::landscape::Profile;
    /// let hill = Profile::new(&[0.1, 0.5, 2.0, 0.2], &[1.0, 1.0, 1.0]);
    /// assert_eq!((hill.max, hill.barrier, hill.turns), (2.0, 1.8, Some(1)));
    /// ```
    pub fn new(values: &[f64], steps: &[f64]) -> Profile {
        let ends = [values.first(), values.last()].map(|end| end.copied().unwrap_or(f64::NAN));
        // A NaN of either sign is above all: it is to be seen in the result.
        let order = |a: f64, b: f64| a.is_nan().cmp(&b.is_nan()).then(a.total_cmp(&b));
        let argmax = (0..values.len()).max_by(|&i, &j| order(values[i], values[j])).unwrap_or(0);
        let max = values.get(argmax).copied().unwrap_or(f64::NAN);
        let min = values.iter().copied().fold(max, |a, b| if max.is_nan() { max } else { a.min(b) });
        let is_finite = values.iter().all(|value| value.is_finite());
        let turns = is_finite.then(|| turns(values, SMALLEST_TURN * (max - min)));
        Profile {
            start: ends[0],
            end: ends[1],
            min,
            max,
            argmax,
            mean: values.iter().sum::<f64>() / values.len() as f64,
            integral: length_weighted_mean(values, steps),
            barrier: max - ends[0].max(ends[1]),
            turns,
            is_monotone: turns == Some(0),
        }
    }
}

/// Σ ½(v_i + v_(i+1))·dl_i / Σ dl_i.
fn length_weighted_mean(values: &[f64], steps: &[f64]) -> f64 {
    let area: f64 = values.windows(2).zip(steps).map(|(pair, step)| 0.5 * (pair[0] + pair[1]) * step).sum();
    area / steps.iter().sum::<f64>()
}

/// Changes of direction, where each leg between two is longer than `least`.
fn turns(values: &[f64], least: f64) -> usize {
    // The extreme since the last turn in the direction that is gone now; 0 for none yet.
    let (mut direction, mut num_turns) = (0.0, 0);
    let Some(&first) = values.first() else { return 0 };
    let (mut low, mut high) = (first, first);
    for &value in values {
        (low, high) = (low.min(value), high.max(value));
        let is_up = value - low > least && direction <= 0.0;
        let is_down = high - value > least && direction >= 0.0;
        if is_up || is_down {
            num_turns += usize::from(direction != 0.0);
            direction = if is_up { 1.0 } else { -1.0 };
            (low, high) = (value, value);
        }
        // Going on in the same direction moves the extreme along.
        match direction {
            d if d > 0.0 => low = high,
            d if d < 0.0 => high = low,
            _ => {}
        }
    }
    num_turns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_counted_but_for_ripples() {
        let turns = |values: &[f64]| Profile::new(values, &vec![1.0; values.len() - 1]).turns.unwrap();
        assert_eq!(turns(&[3.0, 2.0, 1.0, 0.5]), 0);
        assert_eq!(turns(&[0.0, 1.0, 5.0]), 0);
        assert_eq!(turns(&[0.0, 1.0, 0.5, 2.0]), 2);
        assert_eq!(turns(&[0.0, 1.0, 0.0]), 1);
        assert_eq!(turns(&[1.0, 1.0, 1.0]), 0);
        // A thousandth of the range is not a turn.
        assert_eq!(turns(&[0.0, 5.0, 4.999, 10.0]), 0);
        // A slow fall made of small steps is one all the same.
        let slow: Vec<f64> = (0..=2000).map(|i| (f64::from(i) / 2000.0 * std::f64::consts::PI).sin()).collect();
        assert_eq!(turns(&slow), 1);
    }

    #[test]
    fn a_profile_by_hand() {
        let profile = Profile::new(&[1.0, 4.0, 2.0], &[1.0, 3.0]);
        assert_eq!((profile.start, profile.end, profile.min, profile.max, profile.argmax), (1.0, 2.0, 1.0, 4.0, 1));
        assert!((profile.mean - 7.0 / 3.0).abs() < 1e-15);
        // (2.5·1 + 3·3)/4.
        assert!((profile.integral - 11.5 / 4.0).abs() < 1e-15);
        assert_eq!((profile.barrier, profile.is_monotone), (2.0, false));
        assert_eq!(Profile::new(&[2.0, 1.0, 0.5], &[1.0, 1.0]).barrier, 0.0);
        // Two thirds of the path at 1, one third falling to 0.
        assert!((Profile::new(&[1.0, 1.0, 0.0], &[2.0, 1.0]).integral - 2.5 / 3.0).abs() < 1e-15);
    }

    #[test]
    fn a_value_that_is_no_number_is_not_passed_over() {
        for nan in [f64::NAN, -f64::NAN] {
            let broken = Profile::new(&[1.0, nan, 2.0], &[1.0, 1.0]);
            assert!([broken.min, broken.max, broken.mean, broken.integral, broken.barrier].iter().all(|x| x.is_nan()));
            assert_eq!((broken.start, broken.end, broken.argmax), (1.0, 2.0, 1));
            assert_eq!((broken.turns, broken.is_monotone), (None, false));
        }
        let infinite = Profile::new(&[1.0, f64::INFINITY, 2.0], &[1.0, 1.0]);
        assert_eq!((infinite.max, infinite.barrier), (f64::INFINITY, f64::INFINITY));
        assert_eq!((infinite.min, infinite.turns, infinite.is_monotone), (1.0, None, false));
        // One NaN at an end is none of the higher end.
        assert!(Profile::new(&[f64::NAN, 1.0], &[1.0]).barrier.is_nan());
    }
}
