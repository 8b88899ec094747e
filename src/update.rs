//! Moves parameters: every pass over the flat buffers that a sampler makes is here, in one place.
//!
//! Each function reads and writes whole buffers in one pass, makes its noise in registers from a [`Key`], and forms sums
//! that meet nβ in f64. On the CPU the passes run on slices, with the widest vector instructions that the processor has and
//! the same bits on each; the noise of element i is a function of (key, i). On another device the passes are libtorch's and the
//! noise comes from the device's generator, seeded from the key.
//!
//! *Tested by*: the mean move in f32 below, reduction to gradient descent and the laws of tests/laws.rs, and equality of the noise's
//! bits with and without wide vectors (tests/conformance.rs).

use tch::{Device, Kind, Tensor};

use crate::params::{Element, Layout, Params};
use crate::rng::{Key, for_each_group};
use crate::target::LocalPosterior;

/// Elements per piece of work.
const PIECE: usize = 1 << 15;

/// The Langevin move w ← w − (ε/2)·p·∇U(w) + noise·√(ε·p)·N(0, I) with ∇U = nβ·g + γ(w − w*).
///
/// `scale` gives p per tensor (1 everywhere where it is empty); `noise` is 1, or 0 for gradient descent.
pub fn langevin(
    key: Key,
    local: &LocalPosterior,
    epsilon: f64,
    scale: &[f64],
    noise: f64,
    g: &Params,
    w: &mut Params,
) -> Result<(), tch::TchError> {
    let layout = w.layout().clone();
    for index in 0..layout.specs().len() {
        let range = layout.range(index);
        let step = epsilon * scale.get(index).copied().unwrap_or(1.0);
        let move_ = LangevinMove {
            pull: -0.5 * step * local.n_beta(),
            back: -0.5 * step * local.gamma(),
            kick: noise * step.sqrt(),
        };
        if w.device() != Device::Cpu {
            let seeded = key.part(index as u64);
            move_.on_device(seeded, g.view(index), local.w_star().view(index), w.view(index))?;
        } else if w.kind() == Kind::Float {
            move_.on_cpu::<f32>(key, range, g, local.w_star(), w);
        } else {
            move_.on_cpu::<f64>(key, range, g, local.w_star(), w);
        }
    }
    Ok(())
}

struct LangevinMove {
    pull: f64,
    back: f64,
    kick: f64,
}

impl LangevinMove {
    fn on_cpu<T: Element>(&self, key: Key, range: std::ops::Range<usize>, g: &Params, w_star: &Params, w: &mut Params) {
        // Kind and device were matched by the caller and are equal for all buffers of one target.
        let (Some(g), Some(w_star), Some(w)) = (g.as_slice::<T>(), w_star.as_slice::<T>(), w.as_mut_slice::<T>())
        else {
            return;
        };
        let (pull, back, kick) = (T::of(self.pull), T::of(self.back), T::of(self.kick));
        pieces(range, w, |first, w| {
            let (g, w_star) = (&g[first..first + w.len()], &w_star[first..first + w.len()]);
            vectorised(|| {
                for_each_group::<T>(key, first as u64, w.len(), |offset, z| {
                    let w = &mut w[offset..offset + z.len()];
                    let g = &g[offset..offset + z.len()];
                    let w_star = &w_star[offset..offset + z.len()];
                    for i in 0..w.len() {
                        // The increment comes first: added to w term by term, a drift below w's last digit would be lost each
                        // time, before the noise could carry it.
                        let increment = pull * g[i] + back * (w[i] - w_star[i]) + kick * z[i];
                        w[i] += increment;
                    }
                });
            });
        });
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
pub fn add_potential_gradient(
    a: f64,
    local: &LocalPosterior,
    g: &Params,
    w: &Params,
    y: &mut Params,
) -> Result<(), tch::TchError> {
    let (c_g, c_w) = (a * local.n_beta(), a * local.gamma());
    if let (Some(g), Some(w), Some(w_star)) =
        (g.as_slice::<f64>(), w.as_slice::<f64>(), local.w_star().as_slice::<f64>())
        && let Some(y) = y.as_mut_slice::<f64>()
    {
        vectorised(|| {
            for (((y, g), w), w_star) in y.iter_mut().zip(g).zip(w).zip(w_star) {
                *y += c_g * g + c_w * (w - w_star);
            }
        });
        return Ok(());
    }
    let mut flat = y.flat().shallow_clone();
    let _ = flat.f_add_(&(g.flat() * c_g + (w.flat() - local.w_star().flat()) * c_w))?;
    Ok(())
}

/// y ← y + a·x.
pub fn add_scaled(a: f64, x: &Params, y: &mut Params) -> Result<(), tch::TchError> {
    if let (Some(x), Some(y)) = (x.as_slice::<f64>(), y.as_mut_slice::<f64>()) {
        vectorised(|| {
            for (y, x) in y.iter_mut().zip(x) {
                *y += a * x;
            }
        });
        return Ok(());
    }
    let mut flat = y.flat().shallow_clone();
    let _ = flat.f_add_(&(x.flat() * a))?;
    Ok(())
}

/// Fills with independent standard normal numbers.
pub fn fill_standard_normal(key: Key, out: &mut Params) -> Result<(), tch::TchError> {
    if let Some(out) = out.as_mut_slice::<f64>() {
        let len = out.len();
        pieces(0..len, out, |first, out| vectorised(|| crate::rng::fill_normal(key, first as u64, out)));
        return Ok(());
    }
    if let Some(out) = out.as_mut_slice::<f32>() {
        let len = out.len();
        pieces(0..len, out, |first, out| vectorised(|| crate::rng::fill_normal(key, first as u64, out)));
        return Ok(());
    }
    let mut flat = out.flat().shallow_clone();
    let noise = device_normal(key, &flat)?;
    flat.f_copy_(&noise)
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
pub fn dot(a: &Params, b: &Params) -> Result<f64, tch::TchError> {
    sum_over(a.flat(), b.flat())
}

/// ‖w − w*‖², in f64.
pub fn squared_distance(w: &Params, w_star: &Params) -> Result<f64, tch::TchError> {
    let sum = |parts: &mut dyn Iterator<Item = f64>| parts.sum();
    if let (Some(a), Some(b)) = (w.as_slice::<f64>(), w_star.as_slice::<f64>()) {
        return Ok(sum(&mut a.iter().zip(b).map(|(a, b)| (a - b) * (a - b))));
    }
    if let (Some(a), Some(b)) = (w.as_slice::<f32>(), w_star.as_slice::<f32>()) {
        return Ok(sum(&mut a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2))));
    }
    let difference = w.flat() - w_star.flat();
    sum_over(&difference, &difference)
}

/// (w − w*)·∇U per tensor, in f64: the terms of the virial identity E[(w − w*)·∇U] = d.
pub fn virial_terms(local: &LocalPosterior, g: &Params, w: &Params) -> Result<Vec<f64>, tch::TchError> {
    let layout = w.layout().clone();
    let (n_beta, gamma) = (local.n_beta(), local.gamma());
    (0..layout.specs().len())
        .map(|index| {
            let range = layout.range(index);
            if let (Some(g), Some(w), Some(w_star)) =
                (g.as_slice::<f64>(), w.as_slice::<f64>(), local.w_star().as_slice::<f64>())
            {
                return Ok(range.map(|i| (w[i] - w_star[i]) * (n_beta * g[i] + gamma * (w[i] - w_star[i]))).sum());
            }
            let difference = (w.view(index) - local.w_star().view(index)).f_to_kind(Kind::Double)?;
            let gradient = g.view(index).f_to_kind(Kind::Double)? * n_beta + &difference * gamma;
            sum_over(&difference, &gradient)
        })
        .collect()
}

/// Σ x² over a tensor, in f64.
pub(crate) fn sum_of_squares(x: &Tensor) -> Result<f64, tch::TchError> {
    sum_over(x, x)
}

fn sum_over(a: &Tensor, b: &Tensor) -> Result<f64, tch::TchError> {
    use crate::params::tensor_slice;
    if let (Some(a), Some(b)) = (tensor_slice::<f64>(a), tensor_slice::<f64>(b)) {
        return Ok(dot_slices(a, b));
    }
    if let (Some(a), Some(b)) = (tensor_slice::<f32>(a), tensor_slice::<f32>(b)) {
        return Ok(dot_slices(a, b));
    }
    let product = a.f_to_kind(Kind::Double)?.f_mul(&b.f_to_kind(Kind::Double)?)?;
    product.f_sum(Kind::Double)?.f_double_value(&[])
}

/// Eight running sums, so that the additions don't wait for each other.
fn dot_slices<T: Element>(a: &[T], b: &[T]) -> f64 {
    let mut sums = [0.0; 8];
    let (whole_a, rest_a) = a.as_chunks::<8>();
    let (whole_b, rest_b) = b.as_chunks::<8>();
    for (a, b) in whole_a.iter().zip(whole_b) {
        for i in 0..8 {
            sums[i] += a[i].wide() * b[i].wide();
        }
    }
    sums.iter().sum::<f64>() + rest_a.iter().zip(rest_b).map(|(a, b)| a.wide() * b.wide()).sum::<f64>()
}

/// Standard normal numbers from the device's own generator, which is seeded from `key` first.
fn device_normal(key: Key, like: &Tensor) -> Result<Tensor, tch::TchError> {
    tch::manual_seed((key.word(0) >> 1) as i64);
    like.f_randn_like()
}

/// Runs `work(first, piece)` over pieces of `range` of `data`, in parallel where there are several and the pool has threads.
fn pieces<T: Element>(range: std::ops::Range<usize>, data: &mut [T], work: impl Fn(usize, &mut [T]) + Sync) {
    use rayon::prelude::*;
    let start = range.start;
    let data = &mut data[range];
    if data.len() <= 2 * PIECE || rayon::current_num_threads() == 1 {
        for (i, piece) in data.chunks_mut(PIECE).enumerate() {
            work(start + i * PIECE, piece);
        }
    } else {
        data.par_chunks_mut(PIECE).enumerate().for_each(|(i, piece)| work(start + i * PIECE, piece));
    }
}

/// Runs `body` compiled for the widest vector instructions that this processor has. No instruction set changes the order or
/// the rounding of an operation (there is no fused multiply-add in the source), so the bits are the same.
#[inline(always)]
fn vectorised(body: impl FnOnce()) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
        fn with_avx512(body: impl FnOnce()) {
            body();
        }
        #[target_feature(enable = "avx2")]
        fn with_avx2(body: impl FnOnce()) {
            body();
        }
        if is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512bw")
        {
            // SAFETY: the processor has these instructions, as just detected (dq, vl and bw include f).
            return unsafe { with_avx512(body) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: as just detected.
            return unsafe { with_avx2(body) };
        }
    }
    body();
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

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
