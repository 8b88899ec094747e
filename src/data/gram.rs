//! Sums up the inputs of synthetic regression: XᵀX/n, all that a squared error on a linear network needs to know of them.

use std::sync::atomic::{AtomicBool, Ordering};

use llc_core::synthetic::SyntheticInputs;
use tch::{Device, Kind, Tensor};

/// Samples per piece of work: 4096·1500 f64 are 49 MB, the most that it holds.
const CHUNK: u64 = 4096;

/// The second moment XᵀX/n, shape `[dim, dim]`, f64, summed in an order that doesn't depend on the number of threads
/// but for libtorch's own matrix product. `None` if `cancel` was raised before all rows were read.
pub fn gram(inputs: &SyntheticInputs, cancel: &AtomicBool) -> Result<Option<Tensor>, tch::TchError> {
    let dim = inputs.dim() as i64;
    let mut gram = Tensor::f_zeros([dim, dim], (Kind::Double, Device::Cpu))?;
    let mut columns = vec![0f64; CHUNK.min(inputs.len()) as usize * inputs.dim()];
    let mut first = 0;
    while first < inputs.len() {
        if cancel.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let count = CHUNK.min(inputs.len() - first);
        let chunk = &mut columns[..count as usize * inputs.dim()];
        inputs.fill_columns(&(first..first + count).collect::<Vec<_>>(), chunk);
        let x = Tensor::f_from_slice(chunk)?.f_view([dim, count as i64])?;
        gram = gram.f_addmm_(&x, &x.f_tr()?)?;
        first += count;
    }
    gram.f_divide_scalar(inputs.len() as f64).map(Some)
}

#[cfg(test)]
mod tests {
    use llc_core::rng::Key;
    use llc_core::synthetic::InputDist;

    use super::*;

    #[test]
    fn second_moments_are_those_of_the_distribution() {
        let (d, n) = (5, 200_000);
        for (dist, expected, fourth) in [
            // Var(x²) of U(−10, 10): 10⁴(1/5 − 1/9).
            (InputDist::Uniform, 100.0 / 3.0, 1e4 * (1.0 / 5.0 - 1.0 / 9.0)),
            (InputDist::UnitBall, 1.0 / 7.0, 1.0 / 7.0f64),
            (InputDist::Normal, 1.0, 2.0),
        ] {
            let gram = gram(&SyntheticInputs::new(Key::new(4), dist, d, n), &AtomicBool::new(false)).unwrap().unwrap();
            for i in 0..d as i64 {
                for j in 0..d as i64 {
                    let expected = if i == j { expected } else { 0.0 };
                    let bound = 6.0 * (fourth.max(1e4 / 9.0 * f64::from(dist == InputDist::Uniform)) / n as f64).sqrt();
                    assert!((gram.double_value(&[i, j]) - expected).abs() < bound, "{dist:?} [{i},{j}]");
                }
            }
        }
    }
}
