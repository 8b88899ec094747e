//! Describes deep linear networks f(x) = x·W₁·W₂⋯W_L and draws true parameters for them.
//!
//! W_l has shape `[H_(l−1), H_l]`: inputs are rows. No bias.

use std::sync::Arc;

use tch::{Device, Kind, Tensor};

use super::Truth;
use super::init::truncated_normal;
use crate::params::{Layout, ParamSpec, Params};
use crate::rng::{Key, fill_normal};
use crate::tensors::Tensors;

/// The tensors of a network of widths H₀ … H_L: "layer1" of shape `[H₀, H₁]`, and so on.
pub fn layout(widths: &[usize]) -> Arc<Layout> {
    let specs = widths
        .windows(2)
        .enumerate()
        .map(|(l, pair)| ParamSpec { name: format!("layer{}", l + 1), shape: vec![pair[0] as i64, pair[1] as i64] });
    Arc::new(Layout::new(specs.collect()))
}

/// The product W₁⋯W_L, shape `[H₀, H_L]`.
pub fn product(w: &Params) -> Result<Tensor, tch::TchError> {
    let mut product = w.view(0).shallow_clone();
    for layer in &w.views()[1..] {
        product = product.f_mm(layer)?;
    }
    Ok(product)
}

/// A true parameter with what is known of it.
#[derive(Debug)]
pub struct TrueParameter {
    /// w*, f64 on the CPU.
    pub w_star: Params,
    /// Rank of each layer, exact by construction.
    pub layer_ranks: Vec<usize>,
    /// Rank of the product; for the random kinds it is the smallest layer rank (almost surely).
    pub rank: usize,
}

/// Draws w* for `widths` from the stream `key`, as `truth` says:
///
/// - `Random`: each weight normal with deviation 1/√fan_in, redrawn beyond two deviations (Haiku's default).
/// - `Zero`: every weight zero, the most singular point.
/// - `RandRank`: as `Random`; then each layer, with the given probability, loses a random number of its smallest singular values,
///   uniform on 0 … rank − 1.
/// - `RandRankSv`: as `RandRank`, after the singular values of every layer were replaced by |N(sv_mean, sv_std²)|.
/// - `Aligned`: W_l = U_(l−1)·diag(σ_l)·U_lᵀ, U_l orthonormal frames of `rank` columns shared by neighbours, σ_l ~ U(0.5, 1.5): every
///   layer has rank exactly `rank`, and the point lies where Aoyagi's coefficient is the local one.
///
/// # Errors
/// Errors of libtorch.
pub fn draw_truth(truth: &Truth, key: Key, widths: &[usize]) -> Result<TrueParameter, tch::TchError> {
    let mut w_star = Params::zeros_on(&layout(widths), Kind::Double, Device::Cpu)?;
    let num_layers = widths.len() - 1;
    let full_rank = |l: usize| widths[l].min(widths[l + 1]);
    let mut layer_ranks: Vec<usize> = (0..num_layers).map(full_rank).collect();
    match *truth {
        Truth::Zero => layer_ranks.fill(0),
        Truth::Random => fill_truncated_normal(key, widths, &mut w_star),
        Truth::RandRank { prop_rank_reduce } => {
            fill_truncated_normal(key, widths, &mut w_star);
            for (l, rank) in layer_ranks.iter_mut().enumerate() {
                let lost = singular_values_lost(key.part(l as u64), prop_rank_reduce, *rank);
                if lost > 0 {
                    *rank -= lost;
                    reshape_spectrum(w_star.view(l), *rank, |s| s)?;
                }
            }
        }
        Truth::RandRankSv { prop_rank_reduce, sv_mean, sv_std } => {
            fill_truncated_normal(key, widths, &mut w_star);
            for (l, rank) in layer_ranks.iter_mut().enumerate() {
                let layer_key = key.part(l as u64);
                let mut values = vec![0.0; *rank];
                fill_normal(layer_key.part(SPECTRUM), 0, &mut values);
                values.iter_mut().for_each(|z| *z = (sv_mean + sv_std * *z).abs());
                values.sort_by(|a, b| b.total_cmp(a));
                *rank -= singular_values_lost(layer_key, prop_rank_reduce, *rank);
                let values = Tensor::f_from_slice(&values)?;
                reshape_spectrum(w_star.view(l), *rank, |_| values)?;
            }
        }
        Truth::Aligned { rank } => {
            layer_ranks.fill(rank);
            let frames = widths
                .iter()
                .enumerate()
                .map(|(s, &width)| orthonormal_frame(key.part(s as u64).part(FRAME), width, rank))
                .collect::<Result<Vec<_>, _>>()?;
            for l in 0..num_layers {
                let sigma: Vec<f64> =
                    (0..rank).map(|i| 0.5 + key.part(l as u64).part(SPECTRUM).uniform(i as u64)).collect();
                let scaled = &frames[l] * Tensor::f_from_slice(&sigma)?;
                w_star.view(l).shallow_clone().f_copy_(&scaled.f_mm(&frames[l + 1].f_tr()?)?)?;
            }
        }
    }
    let rank = layer_ranks.iter().copied().min().unwrap_or(0);
    Ok(TrueParameter { w_star, layer_ranks, rank })
}

// Parts of a layer's stream.
const REDUCE: u64 = 1 << 32;
const SPECTRUM: u64 = 2 << 32;
const FRAME: u64 = 3 << 32;

/// N(0, 1/fan_in) redrawn beyond two deviations; the deviation is not rescaled for the cut, as in the original.
fn fill_truncated_normal(key: Key, widths: &[usize], w: &mut Params) {
    let layout = w.layout().clone();
    let Some(w) = w.as_mut_slice::<f64>() else { return };
    for (l, spec) in layout.specs().iter().enumerate() {
        let mut z = vec![0f64; spec.len()];
        truncated_normal(key.part(l as u64), &mut z);
        let deviation = 1.0 / (widths[l] as f64).sqrt();
        w[layout.range(l)].iter_mut().zip(&z).for_each(|(w, z)| *w = deviation * z);
    }
}

/// How many singular values a layer of rank `rank` loses: `randint(0, max(1, rank))` with probability `prop`.
fn singular_values_lost(key: Key, prop: f64, rank: usize) -> usize {
    let key = key.part(REDUCE);
    if key.uniform(0) < prop { key.below(1, rank.max(1) as u64) as usize } else { 0 }
}

/// Replaces the singular values of `layer` by `values(old)`, all but the first `rank` of them by zero.
fn reshape_spectrum(layer: &Tensor, rank: usize, values: impl FnOnce(Tensor) -> Tensor) -> Result<(), tch::TchError> {
    let (u, s, v) = layer.f_svd(true, true)?;
    let rank = rank as i64;
    let scaled = u.f_narrow(1, 0, rank)?.f_mul(&values(s).f_narrow(0, 0, rank)?)?;
    layer.shallow_clone().f_copy_(&scaled.f_mm(&v.f_narrow(1, 0, rank)?.f_tr()?)?)?;
    Ok(())
}

/// `columns` orthonormal columns in R^`width`, uniform up to signs, shape `[width, columns]`.
fn orthonormal_frame(key: Key, width: usize, columns: usize) -> Result<Tensor, tch::TchError> {
    let mut z = vec![0.0; width * columns];
    fill_normal(key, 0, &mut z);
    let (q, _) = Tensor::f_linalg_qr(&Tensor::f_from_slice(&z)?.f_view([width as i64, columns as i64])?, "reduced")?;
    Ok(q)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn singular_values(x: &Tensor) -> Vec<f64> {
        Vec::try_from(x.svd(true, true).1).unwrap()
    }

    #[test]
    fn truths_have_the_ranks_that_they_state() {
        let widths = [6, 9, 7, 5];
        for kind in [
            Truth::Random,
            Truth::Zero,
            Truth::RandRank { prop_rank_reduce: 0.9 },
            Truth::RandRankSv { prop_rank_reduce: 0.9, sv_mean: 1.0, sv_std: 0.3 },
            Truth::Aligned { rank: 3 },
        ] {
            for seed in 0..10 {
                let truth = draw_truth(&kind, Key::new(seed), &widths).unwrap();
                let count = |x: &Tensor| singular_values(x).iter().filter(|s| **s > 1e-10).count();
                let ranks: Vec<usize> = truth.w_star.views().iter().map(count).collect();
                assert_eq!(ranks, truth.layer_ranks, "{kind:?}");
                assert_eq!(count(&product(&truth.w_star).unwrap()), truth.rank, "{kind:?}");
            }
        }
    }

    #[test]
    fn random_weights_are_a_truncated_normal() {
        let truth = draw_truth(&Truth::Random, Key::new(1), &[400, 500]).unwrap();
        let w: Vec<f64> = Vec::try_from(truth.w_star.flat()).unwrap();
        let scaled: Vec<f64> = w.iter().map(|w| w * 20.0).collect();
        assert!(scaled.iter().all(|z| z.abs() <= 2.0));
        // Variance of a normal cut at ±2: 1 − 4φ(2)/(2Φ(2) − 1) = 0.773741.
        let variance = scaled.iter().map(|z| z * z).sum::<f64>() / scaled.len() as f64;
        assert!((variance - 0.773_741).abs() < 6.0 * (0.9f64 / 200_000.0).sqrt(), "{variance}");
    }

    #[test]
    fn aligned_layers_share_their_frames() {
        let truth = draw_truth(&Truth::Aligned { rank: 3 }, Key::new(2), &[6, 9, 5]).unwrap();
        let spectra = singular_values(truth.w_star.view(0));
        assert!(spectra[..3].iter().all(|s| (0.5..1.5).contains(s)));
        // The product's squared Frobenius norm is Σ (σ₁σ₂)² only where the frames in the middle are the same.
        let key = Key::new(2);
        let sigma = |l: u64, i: u64| 0.5 + key.part(l).part(SPECTRUM).uniform(i);
        let expected: f64 = (0..3).map(|i| (sigma(0, i) * sigma(1, i)).powi(2)).sum();
        let norm = singular_values(&product(&truth.w_star).unwrap()).iter().map(|s| s * s).sum::<f64>();
        assert!((norm - expected).abs() < 1e-12);
    }
}
