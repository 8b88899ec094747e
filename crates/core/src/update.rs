//! Moves parameters: every pass over the flat buffers that a sampler makes is here, in one place.
//!
//! Each function reads and writes whole buffers in one pass, makes its noise in registers from a [`Key`], and forms sums
//! that meet nβ in f64. In the host's memory the passes run on slices, in pieces on all threads of the pool, with the widest vector
//! instructions that the processor has and the same bits on each and on any number of threads; the noise of element i is a function
//! of (key, i). Memory that the host can't address has its own passes ([`DevicePasses`]).
//!
//! *Tested by*: the mean move in f32 below, reduction to gradient descent and the laws of tests/laws.rs, and equality of the bits on every
//! vector width and number of threads (`vectors`).

use std::ops::Range;

use crate::memory::{DevicePasses, LangevinMove, MemoryError};
use crate::params::{Element, Params};
use crate::rng::{Key, for_each_group};
use crate::slices::{self, SUM_LANES, add_to, sum_of_pieces, sums};
use crate::target::LocalPosterior;
use crate::vectors::vectorised;

/// The Langevin move w ← w − (ε/2)·p·∇U(w) + noise·√(ε·p)·N(0, I) with ∇U = nβ·g + γ(w − w*); gives back ‖w − w*‖² of the new
/// point where that costs nothing (in the host's memory).
///
/// `scale` gives p per tensor (1 everywhere if it is empty); `noise` is 1, or 0 for gradient descent.
///
/// # Errors
/// [`MemoryError`] where `scale` has another length than there are tensors, buffers differ in type or place, or the device fails.
pub fn langevin(
    key: Key,
    local: &LocalPosterior,
    epsilon: f64,
    scale: &[f64],
    noise: f64,
    g: &Params,
    w: &mut Params,
) -> Result<Option<f64>, MemoryError> {
    let move_at = |p: f64| LangevinMove {
        pull: -0.5 * epsilon * p * local.n_beta(),
        back: -0.5 * epsilon * p * local.gamma(),
        kick: noise * (epsilon * p).sqrt(),
    };
    if scale.is_empty() {
        return run(move_at(1.0), key, 0..w.len(), g, local.w_star(), w);
    }
    let layout = w.layout().clone();
    if scale.len() != layout.specs().len() {
        let text =
            format!("the preconditioner has {} factors, but there are {} tensors", scale.len(), layout.specs().len());
        return Err(MemoryError::new(text));
    }
    let mut distance = Some(0.0);
    for (index, &p) in scale.iter().enumerate() {
        let part = run(move_at(p), key, layout.range(index), g, local.w_star(), w)?;
        distance = distance.zip(part).map(|(sum, part)| sum + part);
    }
    Ok(distance)
}

/// Moves the elements `range` of `w`.
fn run(
    by: LangevinMove,
    key: Key,
    range: Range<usize>,
    g: &Params,
    w_star: &Params,
    w: &mut Params,
) -> Result<Option<f64>, MemoryError> {
    let on_host = langevin_on_host::<f32>(by, key, &range, g, w_star, w);
    if let Some(distance) = on_host.or_else(|| langevin_on_host::<f64>(by, key, &range, g, w_star, w)) {
        return Ok(Some(distance));
    }
    let part = key.part(range.start as u64);
    device_mut(w)?.langevin(part, range, by, g.memory(), w_star.memory())?;
    Ok(None)
}

/// The passes of the device that holds `x`, which is not in the host's memory.
fn device(x: &Params) -> Result<&dyn DevicePasses, MemoryError> {
    x.memory().device().ok_or_else(mixed)
}

fn device_mut(x: &mut Params) -> Result<&mut dyn DevicePasses, MemoryError> {
    x.memory_mut().device_mut().ok_or_else(mixed)
}

fn mixed() -> MemoryError {
    MemoryError::new("the buffers of a pass must all be of one type, f32 or f64, and in one place")
}

/// `None` where the buffers are not of type `T` in the host's memory.
fn langevin_on_host<T: Element>(
    by: LangevinMove,
    key: Key,
    range: &Range<usize>,
    g: &Params,
    w_star: &Params,
    w: &mut Params,
) -> Option<f64> {
    let (g, w_star, w) = (g.as_slice::<T>()?, w_star.as_slice::<T>()?, w.as_mut_slice::<T>()?);
    let (pull, back, kick) = (T::of(by.pull), T::of(by.back), T::of(by.kick));
    let start = range.start;
    Some(sum_of_pieces(&mut w[range.clone()], |first, w| {
        let first = start + first;
        let (g, w_star) = (&g[first..first + w.len()], &w_star[first..first + w.len()]);
        let mut distance = [0.0; SUM_LANES];
        vectorised(
            #[inline(always)]
            || {
                for_each_group(
                    key,
                    first as u64,
                    w.len(),
                    #[inline(always)]
                    |offset, z: &[T]| {
                        let w = &mut w[offset..offset + z.len()];
                        let g = &g[offset..offset + z.len()];
                        let w_star = &w_star[offset..offset + z.len()];
                        let mut squares = [T::zero(); GROUP];
                        for i in 0..w.len() {
                            // The increment comes first: added to w term by term, a drift below w's last digit would be lost
                            // each time, before the noise could carry it.
                            let increment = pull * g[i] + back * (w[i] - w_star[i]) + kick * z[i];
                            w[i] += increment;
                            squares[i % GROUP] = (w[i] - w_star[i]) * (w[i] - w_star[i]);
                        }
                        // Four squares are added in the buffer's own precision, all else in f64: a quarter of the conversions.
                        let [a, b, c, d] = std::array::from_fn(|part| &squares[part * SUM_LANES..][..SUM_LANES]);
                        for lane in 0..SUM_LANES {
                            distance[lane] += ((a[lane] + b[lane]) + (c[lane] + d[lane])).wide();
                        }
                    },
                );
            },
        );
        distance.iter().sum()
    }))
}

/// y ← y + a·(nβ·g + γ(w − w*)): half a kick of the leapfrog with y the momentum and a = −h/2.
///
/// # Errors
/// [`MemoryError`] where buffers differ in type or place, or the device fails.
pub fn add_potential_gradient(
    a: f64,
    local: &LocalPosterior,
    g: &Params,
    w: &Params,
    y: &mut Params,
) -> Result<(), MemoryError> {
    let (c_g, c_w) = (a * local.n_beta(), a * local.gamma());
    fn on_host<T: Element>(c_g: f64, c_w: f64, [g, w, w_star]: [&Params; 3], y: &mut Params) -> Option<()> {
        let (c_g, c_w) = (T::of(c_g), T::of(c_w));
        let inputs = [g.as_slice::<T>()?, w.as_slice()?, w_star.as_slice()?];
        add_to(y.as_mut_slice()?, inputs, |[g, w, w_star]| c_g * g + c_w * (w - w_star));
        Some(())
    }
    let inputs = [g, w, local.w_star()];
    if on_host::<f64>(c_g, c_w, inputs, y).is_some() || on_host::<f32>(c_g, c_w, inputs, y).is_some() {
        return Ok(());
    }
    device_mut(y)?.add_potential_gradient([c_g, c_w], g.memory(), [w.memory(), local.w_star().memory()])
}

/// y ← y + a·x.
///
/// # Errors
/// [`MemoryError`] where buffers differ in type or place, or the device fails.
pub fn add_scaled(a: f64, x: &Params, y: &mut Params) -> Result<(), MemoryError> {
    fn on_host<T: Element>(a: f64, x: &Params, y: &mut Params) -> Option<()> {
        let a = T::of(a);
        add_to(y.as_mut_slice::<T>()?, [x.as_slice()?], |[x]| a * x);
        Some(())
    }
    if on_host::<f64>(a, x, y).is_some() || on_host::<f32>(a, x, y).is_some() {
        return Ok(());
    }
    device_mut(y)?.add_scaled(a, x.memory())
}

/// y ← a·y.
///
/// # Errors
/// [`MemoryError`] where the device fails.
pub fn scale(a: f64, y: &mut Params) -> Result<(), MemoryError> {
    replace(y, |y| a * y, |y| a as f32 * y, a)
}

/// y ← y/a.
///
/// # Errors
/// [`MemoryError`] where the device fails.
pub fn divide(a: f64, y: &mut Params) -> Result<(), MemoryError> {
    replace(y, |y| y / a, |y| y / a as f32, 1.0 / a)
}

/// y ← f(y), which is a factor on a device.
fn replace(
    y: &mut Params,
    double: impl Fn(f64) -> f64 + Sync,
    single: impl Fn(f32) -> f32 + Sync,
    factor: f64,
) -> Result<(), MemoryError> {
    if let Some(y) = y.as_mut_slice() {
        slices::replace(y, double);
    } else if let Some(y) = y.as_mut_slice() {
        slices::replace(y, single);
    } else {
        device_mut(y)?.scale(factor)?;
    }
    Ok(())
}

/// Fills with independent standard normal numbers.
///
/// # Errors
/// [`MemoryError`] where buffers differ in type or place, or the device fails.
pub fn fill_standard_normal(key: Key, out: &mut Params) -> Result<(), MemoryError> {
    if let Some(out) = out.as_mut_slice::<f64>() {
        fill_pieces(key, out);
    } else if let Some(out) = out.as_mut_slice::<f32>() {
        fill_pieces(key, out);
    } else {
        device_mut(out)?.fill_normal(key)?;
    }
    Ok(())
}

fn fill_pieces<T: Element>(key: Key, out: &mut [T]) {
    sum_of_pieces(out, |first, out| {
        crate::rng::fill_normal(key, first as u64, out);
        0.0
    });
}

/// Σ aᵢ·bᵢ, in f64.
///
/// # Errors
/// [`MemoryError`] where buffers differ in type or place, or the device fails.
pub fn dot(a: &Params, b: &Params) -> Result<f64, MemoryError> {
    fn on_host<T: Element>(a: &Params, b: &Params) -> Option<f64> {
        Some(sums([a.as_slice::<T>()?, b.as_slice()?], |[a, b]| [a.wide() * b.wide()])[0])
    }
    match on_host::<f64>(a, b).or_else(|| on_host::<f32>(a, b)) {
        Some(sum) => Ok(sum),
        None => device(a)?.dot(0..a.len(), b.memory()),
    }
}

/// ‖w − w*‖², in f64.
///
/// # Errors
/// [`MemoryError`] where buffers differ in type or place, or the device fails.
pub fn squared_distance(w: &Params, w_star: &Params) -> Result<f64, MemoryError> {
    squared_distance_within(0..w.len(), w, w_star)
}

/// The same over the elements `range` alone: those of one tensor, say.
///
/// # Errors
/// [`MemoryError`] where buffers differ in type or place, or the device fails.
pub fn squared_distance_within(range: Range<usize>, w: &Params, w_star: &Params) -> Result<f64, MemoryError> {
    fn on_host<T: Element>(range: Range<usize>, w: &Params, w_star: &Params) -> Option<f64> {
        let inputs = [&w.as_slice::<T>()?[range.clone()], &w_star.as_slice()?[range]];
        Some(sums(inputs, |[w, w_star]| [(w.wide() - w_star.wide()).powi(2)])[0])
    }
    let square = on_host::<f64>(range.clone(), w, w_star).or_else(|| on_host::<f32>(range.clone(), w, w_star));
    if let Some(square) = square {
        return Ok(square);
    }
    device(w)?.squared_distance(range, w_star.memory())
}

/// (w − w*)·∇U per tensor, in f64: the terms of the virial identity E[(w − w*)·∇U] = d.
///
/// # Errors
/// [`MemoryError`] where buffers differ in type or place, or the device fails.
pub fn virial_terms(local: &LocalPosterior, g: &Params, w: &Params) -> Result<Vec<f64>, MemoryError> {
    let ranges = || (0..w.layout().specs().len()).map(|index| w.layout().range(index));
    if let Some(terms) = ranges().map(|range| virial_term::<f64>(local, range, g, w)).collect() {
        return Ok(terms);
    }
    if let Some(terms) = ranges().map(|range| virial_term::<f32>(local, range, g, w)).collect() {
        return Ok(terms);
    }
    let density = [local.n_beta(), local.gamma()];
    let device = device(w)?;
    ranges().map(|range| device.virial_term(range, density, g.memory(), local.w_star().memory())).collect()
}

fn virial_term<T: Element>(local: &LocalPosterior, range: Range<usize>, g: &Params, w: &Params) -> Option<f64> {
    let (n_beta, gamma) = (local.n_beta(), local.gamma());
    let inputs =
        [&g.as_slice::<T>()?[range.clone()], &w.as_slice()?[range.clone()], &local.w_star().as_slice()?[range]];
    let [term] = sums(inputs, |[g, w, w_star]| {
        let difference = w.wide() - w_star.wide();
        [difference * (n_beta * g.wide() + gamma * difference)]
    });
    Some(term)
}

/// Σ aᵢ·bᵢ and Σ (aᵢ² + bᵢ²) over tensor `index` of two buffers, in f64.
///
/// # Errors
/// [`MemoryError`] where buffers differ in type or place, or the device fails.
pub fn gradient_products(index: usize, a: &Params, b: &Params) -> Result<[f64; 2], MemoryError> {
    fn on_host<T: Element>(range: Range<usize>, a: &Params, b: &Params) -> Option<[f64; 2]> {
        let inputs = [&a.as_slice::<T>()?[range.clone()], &b.as_slice()?[range]];
        Some(sums(inputs, |[a, b]| [a.wide() * b.wide(), a.wide() * a.wide() + b.wide() * b.wide()]))
    }
    let range = a.layout().range(index);
    if let Some(products) = on_host::<f64>(range.clone(), a, b).or_else(|| on_host::<f32>(range.clone(), a, b)) {
        return Ok(products);
    }
    let square = |x: &Params| device(x)?.dot(range.clone(), x.memory());
    Ok([device(a)?.dot(range.clone(), b.memory())?, square(a)? + square(b)?])
}

/// Most numbers that [`for_each_group`] makes at once.
const GROUP: usize = 4 * SUM_LANES;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::params::{FloatType, Layout};

    /// A buffer of two tensors, neither of which ends at a group of numbers, filled from `key`.
    fn filled<T: Element>(key: u64) -> Params {
        let spec = |name: &str, len| crate::params::ParamSpec { name: name.into(), shape: vec![len] };
        let layout = Arc::new(Layout::new(vec![spec("a", 70_001), spec("b", 333)]));
        let mut x = Params::zeros(&layout, T::TYPE);
        crate::rng::fill_normal(Key::new(key), 0, x.as_mut_slice::<T>().unwrap());
        x
    }

    /// w, p, ε and all else as the equation has them, element by element in f64, with the noise of the whole buffer.
    fn moves_as_its_equation_says<T: Element>(scale: &[f64], tolerance: f64) {
        let (n_beta, gamma, epsilon) = (40.0, 3.0, 1e-3f64);
        let local = LocalPosterior::new(n_beta, gamma, filled::<T>(2)).unwrap();
        let (g, old, mut w) = (filled::<T>(3), filled::<T>(4), filled::<T>(4));
        let key = Key::new(9);
        let distance = langevin(key, &local, epsilon, scale, 1.0, &g, &mut w).unwrap().unwrap();
        let mut z = vec![T::zero(); w.len()];
        crate::rng::fill_normal(key, 0, &mut z);
        let wide = |x: &Params| x.as_slice::<T>().unwrap().iter().map(|x| x.wide()).collect::<Vec<_>>();
        let (g, old, w_star, w) = (wide(&g), wide(&old), wide(local.w_star()), wide(&w));
        for i in 0..w.len() {
            let p = scale.get(usize::from(i >= 70_001)).copied().unwrap_or(1.0);
            let drift = -0.5 * epsilon * p * (n_beta * g[i] + gamma * (old[i] - w_star[i]));
            let expected = old[i] + drift + (epsilon * p).sqrt() * z[i].wide();
            assert!((w[i] - expected).abs() < tolerance, "element {i}: {} against {expected}", w[i]);
        }
        let plain: f64 = w.iter().zip(&w_star).map(|(a, b)| (a - b).powi(2)).sum();
        assert!((distance / plain - 1.0).abs() < 1e-6, "{distance} against {plain}");
    }

    #[test]
    fn a_move_is_its_equation_in_both_precisions_with_a_factor_for_each_tensor() {
        for scale in [&[][..], &[0.25, 4.0]] {
            moves_as_its_equation_says::<f64>(scale, 1e-12);
            // A dozen roundings of numbers below 10.
            moves_as_its_equation_says::<f32>(scale, 1e-5);
        }
    }

    #[test]
    fn a_preconditioner_of_another_length_is_refused() {
        let local = LocalPosterior::new(1.0, 1.0, filled::<f32>(2)).unwrap();
        let mut w = filled::<f32>(3);
        assert!(langevin(Key::new(1), &local, 1.0, &[1.0], 1.0, &filled::<f32>(4), &mut w).is_err());
    }

    #[test]
    fn single_precision_keeps_a_drift_below_the_last_digit_of_w() {
        // ε = 1e-7 as published, γ = 1, w − w* = 0.1: the drift of 5e-9 is a sixth of the last digit of 0.4.
        let (len, epsilon) = (1_000_000, 1e-7f64);
        let filled = |value: f32| {
            let layout = Arc::new(Layout::vector("w", len));
            let mut w = Params::zeros(&layout, FloatType::F32);
            w.as_mut_slice::<f32>().unwrap().fill(value);
            w
        };
        let local = LocalPosterior::new(1.0, 1.0, filled(0.3)).unwrap();
        let (mut w, g) = (filled(0.4), filled(0.0));
        langevin(Key::new(1), &local, epsilon, &[], 1.0, &g, &mut w).unwrap();
        let mut z = vec![0f32; len];
        crate::rng::fill_normal(Key::new(1), 0, &mut z);
        let kick = f64::from(epsilon.sqrt() as f32);
        let drift: f64 = w
            .as_slice::<f32>()
            .unwrap()
            .iter()
            .zip(&z)
            .map(|(w, z)| f64::from(*w) - f64::from(0.4f32) - kick * f64::from(*z))
            .sum::<f64>()
            / len as f64;
        let expected = -0.5 * epsilon * (f64::from(0.4f32) - f64::from(0.3f32));
        // Rounding of w is uniform over a last digit of 3e-8: six standard errors of its mean are 5e-11.
        assert!((drift - expected).abs() < 5e-11 + 1e-3 * expected.abs(), "{drift:e} against {expected:e}");
    }
}
