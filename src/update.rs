//! Moves parameters: every pass over the flat buffers that a sampler makes is here, in one place.
//!
//! Each function reads and writes whole buffers in one pass, makes its noise in registers from a [`Key`], and forms sums
//! that meet nβ in f64. On the CPU the passes run on slices, in pieces on all threads of the pool, with the widest vector
//! instructions that the processor has and the same bits on each and on any number of threads; the noise of element i is a function
//! of (key, i). On another device the passes are libtorch's and the noise comes from the device's generator, seeded from the key.
//!
//! *Tested by*: the mean move in f32 below, reduction to gradient descent and the laws of tests/laws.rs, and equality of the bits on every
//! vector width and number of threads (`vectors`).

use tch::{Device, Kind, Tensor};

use crate::params::{Element, Layout, Params, tensor_slice};
use crate::rng::{Key, for_each_group};
use crate::slices::{SUM_LANES, add_to, sum_of_pieces, sums};
use crate::target::LocalPosterior;
use crate::vectors::vectorised;

/// The Langevin move w ← w − (ε/2)·p·∇U(w) + noise·√(ε·p)·N(0, I) with ∇U = nβ·g + γ(w − w*); gives back ‖w − w*‖² of the new
/// point where that costs nothing (on the CPU).
///
/// `scale` gives p per tensor (1 everywhere where it is empty); `noise` is 1, or 0 for gradient descent.
///
/// # Errors
/// A `scale` of another length than there are tensors; buffers on the CPU that are neither all f32 nor all f64; whatever libtorch
/// reports.
pub fn langevin(
    key: Key,
    local: &LocalPosterior,
    epsilon: f64,
    scale: &[f64],
    noise: f64,
    g: &Params,
    w: &mut Params,
) -> Result<Option<f64>, tch::TchError> {
    let move_at = |p: f64| LangevinMove {
        pull: -0.5 * epsilon * p * local.n_beta(),
        back: -0.5 * epsilon * p * local.gamma(),
        kick: noise * (epsilon * p).sqrt(),
    };
    if scale.is_empty() {
        return move_at(1.0).run(key, 0..w.len(), g, local.w_star(), w);
    }
    let layout = w.layout().clone();
    if scale.len() != layout.specs().len() {
        let text = format!("a preconditioner of {} factors for {} tensors", scale.len(), layout.specs().len());
        return Err(tch::TchError::Convert(text));
    }
    let mut distance = Some(0.0);
    for (index, &p) in scale.iter().enumerate() {
        let part = move_at(p).run(key, layout.range(index), g, local.w_star(), w)?;
        distance = distance.zip(part).map(|(sum, part)| sum + part);
    }
    Ok(distance)
}

struct LangevinMove {
    pull: f64,
    back: f64,
    kick: f64,
}

impl LangevinMove {
    /// Moves the elements `range` of `w`.
    fn run(
        &self,
        key: Key,
        range: std::ops::Range<usize>,
        g: &Params,
        w_star: &Params,
        w: &mut Params,
    ) -> Result<Option<f64>, tch::TchError> {
        if let Some(distance) = self.on_cpu::<f32>(key, &range, g, w_star, w) {
            return Ok(Some(distance));
        }
        if let Some(distance) = self.on_cpu::<f64>(key, &range, g, w_star, w) {
            return Ok(Some(distance));
        }
        if w.device() == Device::Cpu {
            return Err(tch::TchError::Kind("the buffers of a move must all be f32 or all be f64".into()));
        }
        let part = |x: &Params| x.flat().f_narrow(0, range.start as i64, range.len() as i64);
        self.on_device(key.part(range.start as u64), &part(g)?, &part(w_star)?, &part(w)?)?;
        Ok(None)
    }

    /// `None` where the buffers are not on the CPU in precision `T`.
    fn on_cpu<T: Element>(
        &self,
        key: Key,
        range: &std::ops::Range<usize>,
        g: &Params,
        w_star: &Params,
        w: &mut Params,
    ) -> Option<f64> {
        let (g, w_star, w) = (g.as_slice::<T>()?, w_star.as_slice::<T>()?, w.as_mut_slice::<T>()?);
        let (pull, back, kick) = (T::of(self.pull), T::of(self.back), T::of(self.kick));
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

    fn on_device(&self, key: Key, g: &Tensor, w_star: &Tensor, w: &Tensor) -> Result<(), tch::TchError> {
        let mut w = w.shallow_clone();
        let mut increment = g.f_mul_scalar(self.pull)?;
        let _ = increment.f_add_(&w.f_sub(w_star)?.f_mul_scalar(self.back)?)?;
        if self.kick != 0.0 {
            let _ = increment.f_add_(&device_normal(key, &w)?.f_mul_scalar(self.kick)?)?;
        }
        let _ = w.f_add_(&increment)?;
        Ok(())
    }
}

/// y ← y + a·(nβ·g + γ(w − w*)): half a kick of the leapfrog with y the momentum and a = −h/2.
///
/// # Errors
/// Whatever libtorch reports.
pub fn add_potential_gradient(
    a: f64,
    local: &LocalPosterior,
    g: &Params,
    w: &Params,
    y: &mut Params,
) -> Result<(), tch::TchError> {
    let (c_g, c_w) = (a * local.n_beta(), a * local.gamma());
    fn on_cpu<T: Element>(c_g: f64, c_w: f64, [g, w, w_star]: [&Params; 3], y: &mut Params) -> Option<()> {
        let (c_g, c_w) = (T::of(c_g), T::of(c_w));
        let inputs = [g.as_slice::<T>()?, w.as_slice()?, w_star.as_slice()?];
        add_to(y.as_mut_slice()?, inputs, |[g, w, w_star]| c_g * g + c_w * (w - w_star));
        Some(())
    }
    let inputs = [g, w, local.w_star()];
    if on_cpu::<f64>(c_g, c_w, inputs, y).is_some() || on_cpu::<f32>(c_g, c_w, inputs, y).is_some() {
        return Ok(());
    }
    let pull = w.flat().f_sub(local.w_star().flat())?.f_mul_scalar(c_w)?;
    let _ = y.flat().shallow_clone().f_add_(&g.flat().f_mul_scalar(c_g)?.f_add(&pull)?)?;
    Ok(())
}

/// y ← y + a·x.
///
/// # Errors
/// Whatever libtorch reports.
pub fn add_scaled(a: f64, x: &Params, y: &mut Params) -> Result<(), tch::TchError> {
    fn on_cpu<T: Element>(a: f64, x: &Params, y: &mut Params) -> Option<()> {
        let a = T::of(a);
        add_to(y.as_mut_slice::<T>()?, [x.as_slice()?], |[x]| a * x);
        Some(())
    }
    if on_cpu::<f64>(a, x, y).is_some() || on_cpu::<f32>(a, x, y).is_some() {
        return Ok(());
    }
    let _ = y.flat().shallow_clone().f_add_(&x.flat().f_mul_scalar(a)?)?;
    Ok(())
}

/// Fills with independent standard normal numbers.
///
/// # Errors
/// Whatever libtorch reports.
pub fn fill_standard_normal(key: Key, out: &mut Params) -> Result<(), tch::TchError> {
    if let Some(out) = out.as_mut_slice::<f64>() {
        fill_pieces(key, out);
    } else if let Some(out) = out.as_mut_slice::<f32>() {
        fill_pieces(key, out);
    } else {
        out.flat().shallow_clone().f_copy_(&device_normal(key, out.flat())?)?;
    }
    Ok(())
}

fn fill_pieces<T: Element>(key: Key, out: &mut [T]) {
    sum_of_pieces(out, |first, out| {
        crate::rng::fill_normal(key, first as u64, out);
        0.0
    });
}

/// Independent standard normal numbers in the shape, precision and place of `like`.
pub(crate) fn fill_standard_normal_tensor(key: Key, like: &Tensor) -> Result<Tensor, tch::TchError> {
    if like.device() != Device::Cpu {
        return device_normal(key, like);
    }
    let layout = std::sync::Arc::new(Layout::vector("noise", like.numel()));
    let mut noise = Params::zeros(&layout, like.kind(), Device::Cpu)?;
    fill_standard_normal(key, &mut noise)?;
    noise.flat().f_view(like.size().as_slice())
}

/// Σ aᵢ·bᵢ, in f64.
///
/// # Errors
/// Whatever libtorch reports.
pub fn dot(a: &Params, b: &Params) -> Result<f64, tch::TchError> {
    sum_over(a.flat(), b.flat())
}

/// ‖w − w*‖², in f64.
///
/// # Errors
/// Whatever libtorch reports.
pub fn squared_distance(w: &Params, w_star: &Params) -> Result<f64, tch::TchError> {
    squared_distance_within(0..w.len(), w, w_star)
}

/// The same over the elements `range` alone: those of one tensor, say.
///
/// # Errors
/// Whatever libtorch reports.
pub fn squared_distance_within(
    range: std::ops::Range<usize>,
    w: &Params,
    w_star: &Params,
) -> Result<f64, tch::TchError> {
    fn on_cpu<T: Element>(range: std::ops::Range<usize>, w: &Params, w_star: &Params) -> Option<f64> {
        let inputs = [&w.as_slice::<T>()?[range.clone()], &w_star.as_slice()?[range]];
        Some(sums(inputs, |[w, w_star]| [(w.wide() - w_star.wide()).powi(2)])[0])
    }
    let square = on_cpu::<f64>(range.clone(), w, w_star).or_else(|| on_cpu::<f32>(range.clone(), w, w_star));
    if let Some(square) = square {
        return Ok(square);
    }
    let part = |x: &Params| x.flat().f_narrow(0, range.start as i64, range.len() as i64);
    sum_of_squares(&part(w)?.f_sub(&part(w_star)?)?)
}

/// (w − w*)·∇U per tensor, in f64: the terms of the virial identity E[(w − w*)·∇U] = d.
///
/// # Errors
/// Whatever libtorch reports.
pub fn virial_terms(local: &LocalPosterior, g: &Params, w: &Params) -> Result<Vec<f64>, tch::TchError> {
    let ranges = || (0..w.layout().specs().len()).map(|index| w.layout().range(index));
    if let Some(terms) = ranges().map(|range| virial_term::<f64>(local, range, g, w)).collect() {
        return Ok(terms);
    }
    if let Some(terms) = ranges().map(|range| virial_term::<f32>(local, range, g, w)).collect() {
        return Ok(terms);
    }
    (0..w.layout().specs().len())
        .map(|index| {
            let difference = w.view(index).f_sub(local.w_star().view(index))?.f_to_kind(Kind::Double)?;
            let pull = difference.f_mul_scalar(local.gamma())?;
            let gradient = g.view(index).f_to_kind(Kind::Double)?.f_mul_scalar(local.n_beta())?.f_add(&pull)?;
            sum_over(&difference, &gradient)
        })
        .collect()
}

fn virial_term<T: Element>(
    local: &LocalPosterior,
    range: std::ops::Range<usize>,
    g: &Params,
    w: &Params,
) -> Option<f64> {
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
/// Whatever libtorch reports.
pub fn gradient_products(index: usize, a: &Params, b: &Params) -> Result<[f64; 2], tch::TchError> {
    fn on_cpu<T: Element>(range: std::ops::Range<usize>, a: &Params, b: &Params) -> Option<[f64; 2]> {
        let inputs = [&a.as_slice::<T>()?[range.clone()], &b.as_slice()?[range]];
        Some(sums(inputs, |[a, b]| [a.wide() * b.wide(), a.wide() * a.wide() + b.wide() * b.wide()]))
    }
    let range = a.layout().range(index);
    if let Some(products) = on_cpu::<f64>(range.clone(), a, b).or_else(|| on_cpu::<f32>(range, a, b)) {
        return Ok(products);
    }
    let (a, b) = (a.view(index), b.view(index));
    Ok([sum_over(a, b)?, sum_of_squares(a)? + sum_of_squares(b)?])
}

/// Σ x² over a tensor, in f64.
pub(crate) fn sum_of_squares(x: &Tensor) -> Result<f64, tch::TchError> {
    sum_over(x, x)
}

/// Σ aᵢ·bᵢ over two tensors of the same shape, in f64.
pub(crate) fn sum_over(a: &Tensor, b: &Tensor) -> Result<f64, tch::TchError> {
    if let (Some(a), Some(b)) = (tensor_slice::<f64>(a), tensor_slice::<f64>(b)) {
        return Ok(sums([a, b], |[a, b]| [a * b])[0]);
    }
    if let (Some(a), Some(b)) = (tensor_slice::<f32>(a), tensor_slice::<f32>(b)) {
        return Ok(sums([a, b], |[a, b]| [f64::from(a) * f64::from(b)])[0]);
    }
    let product = a.f_to_kind(Kind::Double)?.f_mul(&b.f_to_kind(Kind::Double)?)?;
    product.f_sum(Kind::Double)?.f_double_value(&[])
}

/// Standard normal numbers from the device's own generator, which is seeded from `key` first.
fn device_normal(key: Key, like: &Tensor) -> Result<Tensor, tch::TchError> {
    tch::manual_seed((key.word(0) >> 1) as i64);
    like.f_randn_like()
}

/// Most numbers that [`for_each_group`] makes at once.
const GROUP: usize = 4 * SUM_LANES;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// A buffer of two tensors, neither of which ends at a group of numbers, filled from `key`.
    fn filled<T: Element>(key: u64) -> Params {
        let spec = |name: &str, len| crate::params::ParamSpec { name: name.into(), shape: vec![len] };
        let layout = Arc::new(Layout::new(vec![spec("a", 70_001), spec("b", 333)]));
        let mut x = Params::zeros(&layout, T::KIND, Device::Cpu).unwrap();
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
            let mut w = Params::zeros(&layout, Kind::Float, Device::Cpu).unwrap();
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
