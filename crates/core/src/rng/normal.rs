//! Draws standard normal numbers by the Box–Muller transform, the same bits on every processor.
//!
//! From two uniform numbers u, v: √(−2 ln u)·cos 2πv and √(−2 ln u)·sin 2πv are independent and standard normal.
//! The logarithm, sine and cosine are power series in fused multiply-adds, written as such (where a processor has none, it
//! computes the same bits, slowly): the result depends neither on the processor's vector width nor on its system's mathematical
//! library, and a loop over lanes becomes vector code.
//!
//! *Reference*: Box and Muller, Annals of Mathematical Statistics 29 (1958), <https://doi.org/10.1214/aoms/1177706645>.
//!
//! *Tested by*: accuracy of the series against the standard library; moments, tails and Kolmogorov–Smirnov distance;
//! equality of the bits from any start, and on every vector width (`vectors`).

use super::{Key, LANES, NORMAL, blocks};
use crate::vectors::vectorised;
use std::f64::consts::{FRAC_PI_2, LN_2};

/// Numbers that a parameter vector may consist of.
pub trait Real: Copy + Send + Sync + 'static + num_traits::Float + std::iter::Sum + num_traits::NumAssign {
    /// Normal numbers made from one Philox block.
    const PER_BLOCK: usize;
    /// Normal numbers made from one group of blocks, in the order of their index.
    type Group: AsRef<[Self]>;

    /// The numbers of one group of consecutive blocks.
    fn group(words: [[u32; LANES]; 4]) -> Self::Group;

    /// Rounds to this precision.
    fn of(x: f64) -> Self;

    /// Widens exactly.
    fn wide(self) -> f64;
}

/// Fills `out` with the standard normal numbers `first..first + out.len()` of the stream `key`.
///
/// ```
/// use llc_core::rng::{Key, fill_normal};
/// let (mut all, mut tail) = ([0f32; 100], [0f32; 30]);
/// fill_normal(Key::new(1), 0, &mut all);
/// fill_normal(Key::new(1), 70, &mut tail);
/// assert_eq!(all[70..], tail);
/// ```
pub fn fill_normal<T: Real>(key: Key, first: u64, out: &mut [T]) {
    vectorised(
        #[inline(always)]
        || {
            for_each_group(
                key,
                first,
                out.len(),
                #[inline(always)]
                |offset, values: &[T]| out[offset..offset + values.len()].copy_from_slice(values),
            );
        },
    );
}

/// Calls `visit(offset, values)` on consecutive pieces of the normal numbers `first..first + len` of `key`.
#[inline(always)]
pub(crate) fn for_each_group<T: Real>(key: Key, first: u64, len: usize, mut visit: impl FnMut(usize, &[T])) {
    let per_group = (LANES * T::PER_BLOCK) as u64;
    let mut offset = 0;
    while offset < len {
        let at = first + offset as u64;
        let skip = (at % per_group) as usize;
        let words = blocks(key.words(), at / per_group * LANES as u64, [0, NORMAL]);
        let group = T::group(words);
        let take = (per_group as usize - skip).min(len - offset);
        visit(offset, &group.as_ref()[skip..skip + take]);
        offset += take;
    }
}

impl Real for f64 {
    const PER_BLOCK: usize = 2;
    type Group = [f64; 2 * LANES];

    #[inline(always)]
    fn group(words: [[u32; LANES]; 4]) -> Self::Group {
        let mut out = [0.0; 2 * LANES];
        for lane in 0..LANES {
            let u = words[0][lane] as u64 | (words[1][lane] as u64) << 32;
            let v = words[2][lane] as u64 | (words[3][lane] as u64) << 32;
            let radius = (-2.0 * ln(unit_interval(u))).sqrt();
            let (sin, cos) = sin_cos_turn(v >> 62, unit_interval(v << 2));
            out[lane] = radius * cos;
            out[LANES + lane] = radius * sin;
        }
        out
    }

    #[inline(always)]
    fn of(x: f64) -> f64 {
        x
    }

    #[inline(always)]
    fn wide(self) -> f64 {
        self
    }
}

impl Real for f32 {
    const PER_BLOCK: usize = 4;
    type Group = [f32; 4 * LANES];

    #[inline(always)]
    fn group(words: [[u32; LANES]; 4]) -> Self::Group {
        let mut out = [0.0; 4 * LANES];
        for pair in 0..2 {
            for lane in 0..LANES {
                // All 32 bits of u: the tail reaches 6.8 standard deviations.
                let u = (words[2 * pair][lane] as f32 + 0.5) * (1.0 / 4_294_967_296.0);
                let radius = (-2.0 * ln_f32(u)).max(0.0).sqrt();
                let (sin, cos) = sin_cos_turn_f32(words[2 * pair + 1][lane]);
                out[2 * pair * LANES + lane] = radius * cos;
                out[(2 * pair + 1) * LANES + lane] = radius * sin;
            }
        }
        out
    }

    #[inline(always)]
    fn of(x: f64) -> f32 {
        x as f32
    }

    #[inline(always)]
    fn wide(self) -> f64 {
        self as f64
    }
}

/// Uniform on (0, 1) from the upper 52 bits: never 0, never 1.
#[inline(always)]
pub(crate) fn unit_interval(word: u64) -> f64 {
    ((word >> 12) as f64 + 0.5) * (1.0 / 4_503_599_627_370_496.0)
}

/// ln x for positive normal x: x = 2ᵉ·m with m in [√½, √2), ln m = 2·artanh s with s = (m − 1)/(m + 1), |s| < 0.1716.
/// The series 2s·Σ s²ᵏ/(2k + 1) is cut at k = 10: the rest is below 0.1716²²/23 < 10⁻¹⁸.
#[inline(always)]
fn ln(x: f64) -> f64 {
    // Adding the bits of 1 − √½ moves the exponent's step from 1 to √2, so that m lies around 1.
    let shifted = x.to_bits().wrapping_add(0x3ff0_0000_0000_0000 - 0x3fe6_a09e_667f_3bcd);
    let exponent = ((shifted >> 52) as i32 - 1023) as f64;
    let m = f64::from_bits((shifted & 0x000f_ffff_ffff_ffff) + 0x3fe6_a09e_667f_3bcd);
    let s = (m - 1.0) / (m + 1.0);
    let z = s * s;
    let mut sum = 1.0 / 21.0;
    for k in (0..10).rev() {
        sum = f64::mul_add(sum, z, 1.0 / (2 * k + 1) as f64);
    }
    exponent.mul_add(LN_2, 2.0 * s * sum)
}

/// As [`ln`], cut at k = 4: the rest is below 0.1716¹⁰/11 < 2·10⁻⁹.
#[inline(always)]
fn ln_f32(x: f32) -> f32 {
    let shifted = x.to_bits().wrapping_add(0x3f80_0000 - 0x3f35_04f3);
    let exponent = ((shifted >> 23) as i32 - 127) as f32;
    let m = f32::from_bits((shifted & 0x007f_ffff) + 0x3f35_04f3);
    let s = (m - 1.0) / (m + 1.0);
    let z = s * s;
    let mut sum = 1.0 / 9.0;
    for k in (0..4).rev() {
        sum = f32::mul_add(sum, z, 1.0 / (2 * k + 1) as f32);
    }
    exponent.mul_add(std::f32::consts::LN_2, 2.0 * s * sum)
}

/// sin and cos of (quadrant + fraction − ½)·π/2: a uniform angle from two bits and a uniform fraction.
/// With |r| ≤ π/4 the series end at r¹⁷/17! and r¹⁶/16!: the rest is below 10⁻¹⁷.
#[inline(always)]
fn sin_cos_turn(quadrant: u64, fraction: f64) -> (f64, f64) {
    let r = (fraction - 0.5) * FRAC_PI_2;
    let z = r * r;
    let (mut sin, mut cos) = (SIN[8], COS[8]);
    for k in (0..8).rev() {
        sin = f64::mul_add(sin, z, SIN[k]);
        cos = f64::mul_add(cos, z, COS[k]);
    }
    sin *= r;
    let (s, c) = if quadrant & 1 == 0 { (sin, cos) } else { (cos, -sin) };
    if quadrant & 2 == 0 { (s, c) } else { (-s, -c) }
}

/// As [`sin_cos_turn`], to r⁹/9! and r⁸/8!: the rest is below 3·10⁻⁸. The first two bits of `turn` are the quadrant, the others
/// the fraction.
#[inline(always)]
fn sin_cos_turn_f32(turn: u32) -> (f32, f32) {
    const STEP: f32 = std::f32::consts::FRAC_PI_2 / (1 << 30) as f32;
    const SIGN: u32 = 1 << 31;
    let r = ((turn & 0x3fff_ffff) as i32 - (1 << 29)) as f32 * STEP;
    let z = r * r;
    let (mut sin, mut cos) = (SIN[4] as f32, COS[4] as f32);
    for k in (0..4).rev() {
        sin = f32::mul_add(sin, z, SIN[k] as f32);
        cos = f32::mul_add(cos, z, COS[k] as f32);
    }
    sin *= r;
    let is_odd = turn & (1 << 30) != 0;
    let (s, c) = if is_odd { (cos, -sin) } else { (sin, cos) };
    // The other bit of the quadrant is the sign of both.
    let flip = |x: f32| f32::from_bits(x.to_bits() ^ (turn & SIGN));
    (flip(s), flip(c))
}

/// (−1)ᵏ/(2k + 1)!, the series of sin r/r in r².
const SIN: [f64; 9] = reciprocal_factorials(1);
/// (−1)ᵏ/(2k)!, the series of cos r in r².
const COS: [f64; 9] = reciprocal_factorials(0);

const fn reciprocal_factorials(odd: usize) -> [f64; 9] {
    let mut series = [1.0; 9];
    let mut k = 1;
    while k < 9 {
        let n = 2 * k + odd;
        series[k] = -series[k - 1] / (n * (n - 1)) as f64;
        k += 1;
    }
    series
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Role;

    #[test]
    fn series_agree_with_the_standard_library() {
        let key = Key::new(11);
        for i in 0..100_000 {
            let u = key.uniform(i);
            let tiny = u * 2f64.powi(-((i % 50) as i32));
            assert!((ln(tiny) - tiny.ln()).abs() <= 4e-16 * tiny.ln().abs().max(1.0), "ln {tiny}");
            assert!((ln_f32(tiny as f32) as f64 - (tiny as f32 as f64).ln()).abs() < 3e-7 * (1.0 + tiny.ln().abs()));
            for quadrant in 0..4 {
                let angle = (quadrant as f64 + u - 0.5) * FRAC_PI_2;
                let (s, c) = sin_cos_turn(quadrant, u);
                // The angle itself, up to 5.5, is rounded by up to 4.4e-16 on its way to the standard library.
                assert!((s - angle.sin()).abs() < 1e-15 && (c - angle.cos()).abs() < 1e-15, "{angle}");
                let turn = (quadrant as u32) << 30 | (u * f64::from(1 << 30)) as u32;
                let (s, c) = sin_cos_turn_f32(turn);
                assert!((s as f64 - angle.sin()).abs() < 3e-7 && (c as f64 - angle.cos()).abs() < 3e-7);
            }
        }
    }

    /// Moments up to the sixth, the share beyond 4 standard deviations, and Kolmogorov–Smirnov, each at six standard errors.
    fn is_standard_normal(mut z: Vec<f64>) {
        let n = z.len() as f64;
        for (power, expected, variance) in [(1, 0., 1.), (2, 1., 2.), (3, 0., 15.), (4, 3., 96.), (6, 15., 10_170.)] {
            let mean = z.iter().map(|x| x.powi(power)).sum::<f64>() / n;
            let bound = 6.0 * (variance / n).sqrt();
            assert!((mean - expected).abs() < bound, "moment {power}: {mean} against {expected} ± {bound}");
        }
        let far = z.iter().filter(|x| x.abs() > 4.0).count() as f64;
        let expected = n * 6.334e-5;
        assert!((far - expected).abs() < 6.0 * expected.sqrt(), "{far} beyond 4, expected {expected}");
        z.sort_by(f64::total_cmp);
        let distance = z.iter().enumerate().map(|(i, &x)| (cdf(x) - (i as f64 + 0.5) / n).abs()).fold(0.0, f64::max);
        // P(√n·D > 2.7) = 2·exp(−2·2.7²) ≈ 9·10⁻⁷.
        assert!(distance * n.sqrt() < 2.7, "Kolmogorov–Smirnov {}", distance * n.sqrt());
    }

    /// Φ by the continued fraction and series of the error function, to 1e-9.
    fn cdf(x: f64) -> f64 {
        let t = x.abs();
        let (mut term, mut sum, mut k) = (t, t, 1.0);
        while term > 1e-16 * sum && k < 400.0 {
            term *= t * t / (2.0 * k + 1.0);
            sum += term;
            k += 1.0;
        }
        let half = sum * (-t * t / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
        if x > 0.0 { 0.5 + half } else { 0.5 - half }
    }

    #[test]
    fn single_and_double_precision_noise_is_standard_normal() {
        let key = Key::new(1).role(Role::Noise).chain(0).step(9);
        let mut double = vec![0f64; 1_000_000];
        fill_normal(key, 0, &mut double);
        is_standard_normal(double);
        let mut single = vec![0f32; 1_000_000];
        fill_normal(key, 0, &mut single);
        is_standard_normal(single.into_iter().map(f64::from).collect());
    }

    #[test]
    fn noise_is_independent_between_elements_steps_and_chains() {
        let key = Key::new(1).role(Role::Noise);
        let n = 200_000;
        let draw = |key: Key| {
            let mut z = vec![0f64; n];
            fill_normal(key, 0, &mut z);
            z
        };
        let base = draw(key.chain(0).step(0));
        let correlate = |a: &[f64], b: &[f64]| {
            a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>() / (a.len().min(b.len()) as f64).sqrt()
        };
        // Products of independent standard normals have mean 0 and variance 1; squares catch dependence of the radii.
        for lag in 1..70 {
            assert!(correlate(&base, &base[lag..]).abs() < 6.0, "lag {lag}");
            let squares: Vec<f64> = base.iter().map(|x| (x * x - 1.0) / 2f64.sqrt()).collect();
            assert!(correlate(&squares, &squares[lag..]).abs() < 6.5, "squares at lag {lag}");
        }
        for other in [key.chain(0).step(1), key.chain(1).step(0)] {
            assert!(correlate(&base, &draw(other)).abs() < 6.0);
        }
    }

    #[test]
    fn numbers_do_not_depend_on_where_a_fill_starts() {
        let key = Key::new(2);
        let mut all = vec![0f64; 500];
        fill_normal(key, 0, &mut all);
        for first in [1, 31, 32, 33, 255] {
            let mut part = vec![0f64; 77];
            fill_normal(key, first as u64, &mut part);
            assert_eq!(part, all[first..first + 77]);
        }
    }
}
