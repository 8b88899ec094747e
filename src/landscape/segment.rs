//! Places points on the straight line through two points: w(t) = t·a + (1 − t)·b, so that t = 1 is a and t = 0 is b.
//!
//! *Reference*: Goodfellow, Vinyals and Saxe 2015, <https://arxiv.org/abs/1412.6544>. *Tested by* its ends, below.

use tch::TchError;

use crate::params::Params;
use crate::tensors::Tensors;

/// The line through `a` and `b`.
#[derive(Debug, Clone, Copy)]
pub struct Segment<'a> {
    /// The point at t = 1.
    pub a: &'a Params,
    /// The point at t = 0.
    pub b: &'a Params,
}

impl Segment<'_> {
    /// Puts w(t) into `w`.
    ///
    /// # Errors
    /// Errors of libtorch.
    pub fn place(&self, t: f64, w: &mut Params) -> Result<(), TchError> {
        combine(&[t, 1.0 - t], &[self.a, self.b], w)
    }

    /// ‖a − b‖.
    ///
    /// # Errors
    /// Errors of libtorch.
    pub fn length(&self) -> Result<f64, TchError> {
        distance(self.a, self.b)
    }
}

/// Puts Σ_i c_i·w_i into `w`; points that don't count are not read, and one alone is copied bit for bit.
pub(super) fn combine(weights: &[f64], points: &[&Params], w: &mut Params) -> Result<(), TchError> {
    let mut is_first = true;
    let mut flat = w.flat().shallow_clone();
    for (&weight, point) in weights.iter().zip(points).filter(|(weight, _)| **weight != 0.0) {
        match (is_first, weight) {
            (true, 1.0) => flat.f_copy_(point.flat())?,
            (true, _) => flat.f_copy_(&point.flat().f_mul_scalar(weight)?)?,
            (false, _) => drop(flat.f_add_(&point.flat().f_mul_scalar(weight)?)?),
        }
        is_first = false;
    }
    Ok(())
}

/// ‖a − b‖, in f64.
pub(super) fn distance(a: &Params, b: &Params) -> Result<f64, TchError> {
    a.flat().f_sub(b.flat())?.f_to_kind(tch::Kind::Double)?.f_norm()?.f_double_value(&[])
}

#[cfg(test)]
mod tests {
    use super::super::testing::params;
    use super::*;

    #[test]
    fn a_segment_starts_at_b_passes_a_and_continues() {
        let (a, b) = (params(&[1.0, 0.1]), params(&[-3.0, 0.7]));
        let mut w = a.zeros_like().unwrap();
        let segment = Segment { a: &a, b: &b };
        for (t, expected) in [(1.0, [1.0, 0.1]), (0.0, [-3.0, 0.7])] {
            segment.place(t, &mut w).unwrap();
            assert_eq!(w.as_slice::<f64>().unwrap(), expected, "bit for bit");
        }
        segment.place(1.5, &mut w).unwrap();
        assert!((w.as_slice::<f64>().unwrap()[0] - 3.0).abs() < 1e-15);
        assert!((segment.length().unwrap() - (16.0f64 + 0.36).sqrt()).abs() < 1e-12);
    }
}
