//! Computes blocks of the Gaussian kernel's matrix: k(x, y) = exp(−b·‖x − y‖²), with b the bandwidth.
//!
//! The exponent is the product z_xᵀz_y − ½‖z_x‖² − ½‖z_y‖² of inputs z = √(2b)·x, so that a block is a matrix product, one pass of sums and
//! one of exponentials. In f64 it is exact to about 10⁻¹⁴, in f32 to about 10⁻⁶.
//!
//! *Tested by*: the definition, element by element; ones on the diagonal.

use std::ops::Range;

use tch::{Device, Kind, TchError, Tensor};

use super::TILE;
use crate::samples::Samples;

/// Samples as the kernel sees them. A shallow copy shares the memory.
#[derive(Debug)]
pub struct Inputs {
    /// √(2b)·x, shape `[n, d]`, f64.
    scaled: Tensor,
    /// −½‖√(2b)·x‖², shape `[n]`, f64.
    exponent: Tensor,
}

impl Inputs {
    /// The rows of `x`, shape `[n, d]`, at bandwidth b.
    ///
    /// # Errors
    /// Errors of libtorch.
    pub fn new(x: &Tensor, bandwidth: f64) -> Result<Inputs, TchError> {
        Inputs::scaled(x.f_to_kind(Kind::Double)?.f_mul_scalar((2.0 * bandwidth).sqrt())?)
    }

    /// Those whose z are `scaled`.
    fn scaled(scaled: Tensor) -> Result<Inputs, TchError> {
        let exponent = scaled.f_square()?.f_sum_dim_intlist(1, false, None::<Kind>)?.f_mul_scalar(-0.5)?;
        Ok(Inputs { scaled, exponent })
    }

    /// The inputs of `samples`, flat, on `device`.
    ///
    /// # Errors
    /// Errors of libtorch.
    pub fn of(samples: &Samples, bandwidth: f64, device: Device) -> Result<Inputs, TchError> {
        let n = samples.len();
        let d: usize = samples.input_shape().iter().product();
        let mut all = Tensor::f_empty([n as i64, d as i64], (Kind::Double, device))?;
        for first in (0..n).step_by(TILE) {
            let rows = first..(first + TILE).min(n);
            let (x, _) = samples.range(rows.start as u64..rows.end as u64, Kind::Double, device)?;
            all.f_narrow(0, first as i64, rows.len() as i64)?.f_copy_(&x.f_flatten(1, -1)?)?;
        }
        let _ = all.f_mul_scalar_((2.0 * bandwidth).sqrt())?;
        Inputs::scaled(all)
    }

    /// The first `n` of them.
    ///
    /// # Errors
    /// Errors of libtorch.
    pub fn first(&self, n: usize) -> Result<Inputs, TchError> {
        let n = n.min(self.len()) as i64;
        Ok(Inputs { scaled: self.scaled.f_narrow(0, 0, n)?, exponent: self.exponent.f_narrow(0, 0, n)? })
    }

    /// Those of `indices`.
    ///
    /// # Errors
    /// Errors of libtorch.
    pub fn at(&self, indices: &[u64]) -> Result<Inputs, TchError> {
        let indices: Vec<i64> = indices.iter().map(|&index| index as i64).collect();
        let indices = Tensor::f_from_slice(&indices)?.f_to_device(self.device())?;
        let select = |tensor: &Tensor| tensor.f_index_select(0, &indices);
        Ok(Inputs { scaled: select(&self.scaled)?, exponent: select(&self.exponent)? })
    }

    /// Number of samples n.
    pub fn len(&self) -> usize {
        self.scaled.size().first().map_or(0, |&n| n as usize)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Numbers of an input.
    pub fn dimension(&self) -> usize {
        self.scaled.size().get(1).map_or(0, |&d| d as usize)
    }

    /// Where they are.
    pub fn device(&self) -> Device {
        self.scaled.device()
    }

    /// The kernel of the samples `rows` with the samples `columns` of `other`, in the precision `kind` (`Float` or `Double`).
    ///
    /// # Errors
    /// Errors of libtorch.
    pub fn block(
        &self,
        rows: &Range<usize>,
        other: &Inputs,
        columns: &Range<usize>,
        kind: Kind,
    ) -> Result<Tensor, TchError> {
        let (z_x, e_x) = self.part(rows, kind)?;
        let (z_y, e_y) = other.part(columns, kind)?;
        let mut block = e_x.f_unsqueeze(1)?.f_add(&e_y.f_unsqueeze(0)?)?;
        let _ = block.f_addmm_(&z_x, &z_y.f_tr()?)?;
        // Rounding makes tiny distances negative.
        let _ = block.f_clamp_max_(0.0)?;
        block.f_exp_()
    }

    fn part(&self, range: &Range<usize>, kind: Kind) -> Result<(Tensor, Tensor), TchError> {
        let part = |tensor: &Tensor| tensor.f_narrow(0, range.start as i64, range.len() as i64)?.f_to_kind(kind);
        Ok((part(&self.scaled)?, part(&self.exponent)?))
    }
}

#[cfg(test)]
pub(super) mod testing {
    use tch::{Kind, Tensor};

    use crate::rng::{Key, Role, fill_normal};

    /// `n` points of `d` numbers, N(0, 1), the same at every call.
    pub fn points(n: usize, d: usize, seed: u64) -> Tensor {
        let mut x = vec![0.0f64; n * d];
        fill_normal(Key::new(seed).role(Role::Data), 0, &mut x);
        Tensor::from_slice(&x).view([n as i64, d as i64]).to_kind(Kind::Double)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_the_definition_in_both_precisions() {
        let (x, y) = (testing::points(7, 5, 1), testing::points(4, 5, 2));
        let (a, b) = (Inputs::new(&x, 0.3).unwrap(), Inputs::new(&y, 0.3).unwrap());
        for (kind, tolerance) in [(Kind::Double, 1e-14), (Kind::Float, 2e-6)] {
            let block = a.block(&(2..7), &b, &(0..3), kind).unwrap();
            assert_eq!(block.size(), [5, 3]);
            for i in 0..5 {
                for j in 0..3 {
                    let square: f64 =
                        (0..5).map(|k| (x.double_value(&[i + 2, k]) - y.double_value(&[j, k])).powi(2)).sum();
                    let expected = (-0.3 * square).exp();
                    assert!((block.double_value(&[i, j]) - expected).abs() < tolerance, "{kind:?} {i} {j}");
                }
            }
        }
        let own = a.block(&(0..7), &a, &(0..7), Kind::Double).unwrap();
        assert!((own.diag(0) - 1.0).abs().max().double_value(&[]) < 1e-13);
    }

    #[test]
    fn a_picture_s_kernel_is_that_of_its_bytes_over_255() {
        use crate::data::{DatasetName, Preprocessing, Split, load, test_fixture};
        let pictures = load(DatasetName::Mnist, &test_fixture("mnist"), Split::Train).unwrap();
        let samples = Samples::new(&pictures, &Preprocessing::default()).unwrap();
        let inputs = Inputs::of(&samples, 0.02, Device::Cpu).unwrap();
        let k = inputs.block(&(0..1), &inputs, &(3..4), Kind::Double).unwrap().double_value(&[0, 0]);
        let pairs = pictures.picture(0).iter().zip(pictures.picture(3));
        let square: f64 = pairs.map(|(a, b)| ((f64::from(*a) - f64::from(*b)) / 255.0).powi(2)).sum();
        // Images are in f32.
        assert!((k / (-0.02 * square).exp() - 1.0).abs() < 1e-6);
    }
}
