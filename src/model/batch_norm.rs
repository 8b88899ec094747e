//! Normalises over samples and places: y = (x − m)/√(v + ε)·weight + bias, with m and v of the batch or the running ones.
//!
//! Running statistics r follow those of the batches, s, by r ← (1 − a)·r + a·s:
//!   PyTorch: a = 0.1, from r = (0, 1), s with the unbiased variance;
//!   Haiku: a_t = 0.1/(1 − 0.9ᵗ) in batch t, s with the biased variance. Haiku keeps h ← 0.9·h + 0.1·s from h = 0 and uses
//!   r = h/(1 − 0.9ᵗ); this is the same sequence without h, and the first batch replaces whatever r was.
//!
//! *Reference*: Ioffe and Szegedy 2015, <https://arxiv.org/abs/1502.03167>, algorithm 1.
//! *Tested by*: both updates over three batches against a PyTorch program (tests/models.rs), the equivalence of Haiku's with h, below.

use tch::{TchError, Tensor};

use super::layer::{BatchNorm, Running};

/// Buffers of one norm: running mean, running variance, number of batches.
pub(super) const NUM_BUFFERS: usize = 3;

/// What both keep of the past per batch.
const DECAY: f64 = 0.9;

/// By the running statistics.
pub(super) fn frozen(
    norm: &BatchNorm,
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    buffers: &[Tensor],
) -> Result<Tensor, TchError> {
    let (mean, variance) = (&buffers[0], &buffers[1]);
    // Of the statistics' kind, which may be finer than that of the images; the same tensor where it is the same.
    let (weight, bias) = (weight.f_to_kind(mean.kind())?, bias.f_to_kind(mean.kind())?);
    x.f_batch_norm(Some(&weight), Some(&bias), Some(mean), Some(variance), false, 0.0, norm.epsilon, true)
}

/// By the batch's statistics, which the running ones follow: by `momentum`, or if there is none by the norm's own.
pub(super) fn train(
    norm: &BatchNorm,
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    buffers: &mut [Tensor],
    momentum: Option<f64>,
) -> Result<Tensor, TchError> {
    let num_values = x.numel() as f64 / x.size()[1] as f64;
    if num_values < 2.0 && norm.running == Running::Torch {
        let message = format!("norm `{}`: one value per channel has no variance; give larger batches", norm.name);
        return Err(TchError::Shape(message));
    }
    let count = buffers[2].f_int64_value(&[])? + 1;
    let (weight, bias) = (weight.f_to_kind(buffers[0].kind())?, bias.f_to_kind(buffers[0].kind())?);
    let (own_momentum, unbiased_to_kept) = match norm.running {
        Running::Torch => (1.0 - DECAY, 1.0),
        Running::Haiku => (debiased_momentum(count), (num_values - 1.0) / num_values),
    };
    let momentum = momentum.unwrap_or(own_momentum);
    // Taken over in full by tensors of their own: the batch's mean and unbiased variance.
    let (batch_mean, batch_variance) = (buffers[0].f_zeros_like()?, buffers[1].f_zeros_like()?);
    let y = x.f_batch_norm(
        Some(&weight),
        Some(&bias),
        Some(&batch_mean),
        Some(&batch_variance),
        true,
        1.0,
        norm.epsilon,
        true,
    )?;
    tch::no_grad(|| {
        let kept = match num_values < 2.0 {
            // 0/0 above: a single value deviates by nothing.
            true => batch_variance.f_zeros_like()?,
            false => batch_variance.f_mul_scalar(unbiased_to_kept)?,
        };
        let _ = buffers[0].f_lerp_(&batch_mean, momentum)?;
        let _ = buffers[1].f_lerp_(&kept, momentum)?;
        buffers[2].f_fill_(count).map(drop)
    })?;
    Ok(y)
}

/// a_t = 0.1/(1 − 0.9ᵗ).
fn debiased_momentum(count: i64) -> f64 {
    (1.0 - DECAY) / (1.0 - DECAY.powf(count as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_debiased_average_without_a_hidden_one_is_haiku_s() {
        let (mut hidden, mut average) = (0.0, f64::MAX);
        for t in 1..=40 {
            let batch = (t as f64).sin() + 2.0;
            hidden = DECAY * hidden + (1.0 - DECAY) * batch;
            let momentum = debiased_momentum(t);
            // As `lerp` does at weight 1: from the end.
            average = batch - (batch - average) * (1.0 - momentum);
            let expected = hidden / (1.0 - DECAY.powf(t as f64));
            assert!((average - expected).abs() < 1e-12, "batch {t}: {average}, {expected}");
        }
    }
}
