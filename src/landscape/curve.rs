//! Places points on a curve between two points, by way of bends: w(t) = Σ_i c_i(t)·w_i with the [weights](super::weights) of its shape.
//!
//! *Reference*: Garipov et al. 2018, <https://arxiv.org/abs/1802.10026>, equations 3 and 4. *Tested by* its ends and its bends, below.

use tch::TchError;

use super::segment::{combine, distance};
use super::weights::weights;
use crate::config::paths::CurveShape;
use crate::params::Params;
use crate::tensors::Tensors;

/// A curve through parameter space.
#[derive(Debug)]
pub struct Curve {
    shape: CurveShape,
    /// Start, bends, end: 3 or more.
    points: Vec<Params>,
}

impl Curve {
    /// The curve from `start` to `end` whose `num_bends` bends (1 or more) lie on the straight line between, at equal distances.
    ///
    /// # Errors
    /// Errors of libtorch.
    pub fn straight(shape: CurveShape, start: &Params, end: &Params, num_bends: usize) -> Result<Curve, TchError> {
        let last = num_bends + 1;
        let point = |i: usize| {
            let share = i as f64 / last as f64;
            let mut point = start.zeros_like()?;
            combine(&[1.0 - share, share], &[start, end], &mut point)?;
            Ok(point)
        };
        Ok(Curve { shape, points: (0..=last).map(point).collect::<Result<_, TchError>>()? })
    }

    /// Its shape.
    pub fn shape(&self) -> CurveShape {
        self.shape
    }

    /// Start, bends, end.
    pub fn points(&self) -> &[Params] {
        &self.points
    }

    /// The bends, one after the other: shape `[num_bends·d]`.
    ///
    /// # Errors
    /// Errors of libtorch.
    pub fn bends(&self) -> Result<tch::Tensor, TchError> {
        let flat: Vec<&tch::Tensor> = self.inner().iter().map(Params::flat).collect();
        tch::Tensor::f_cat(&flat, 0)
    }

    /// Moves the bends to `bends`, of that shape.
    ///
    /// # Errors
    /// Errors of libtorch.
    pub fn set_bends(&mut self, bends: &tch::Tensor) -> Result<(), TchError> {
        let d = self.points[0].len() as i64;
        for (i, bend) in self.inner().iter().enumerate() {
            bend.flat().shallow_clone().f_copy_(&bends.f_narrow(0, i as i64 * d, d)?)?;
        }
        Ok(())
    }

    /// The bend in the middle, which with both ends makes a plane.
    pub fn middle_bend(&self) -> &Params {
        &self.points[self.points.len() / 2]
    }

    /// Puts w(t) into `w`; at t = 0 and 1 bit for bit the ends.
    ///
    /// # Errors
    /// Errors of libtorch.
    pub fn place(&self, t: f64, w: &mut Params) -> Result<(), TchError> {
        combine(&self.weights(t), &self.points.iter().collect::<Vec<_>>(), w)
    }

    /// ‖w(t_(i+1)) − w(t_i)‖ for consecutive places.
    ///
    /// # Errors
    /// Errors of libtorch.
    pub fn steps(&self, places: &[f64]) -> Result<Vec<f64>, TchError> {
        let (mut here, mut next) = (self.points[0].zeros_like()?, self.points[0].zeros_like()?);
        let step = |pair: &[f64]| {
            self.place(pair[0], &mut here)?;
            self.place(pair[1], &mut next)?;
            distance(&here, &next)
        };
        places.windows(2).map(step).collect()
    }

    /// How much each point counts at `t`.
    fn weights(&self, t: f64) -> Vec<f64> {
        weights(self.shape, self.points.len(), t)
    }

    fn inner(&self) -> &[Params] {
        &self.points[1..self.points.len() - 1]
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::params;
    use super::*;

    const SHAPES: [CurveShape; 2] = [CurveShape::Chain, CurveShape::Bezier];

    #[test]
    fn a_new_curve_is_the_segment_whatever_its_shape() {
        let (start, end) = (params(&[1.0, 2.0]), params(&[4.0, -4.0]));
        for shape in SHAPES {
            for num_bends in [1, 2, 5] {
                let curve = Curve::straight(shape, &start, &end, num_bends).unwrap();
                let mut w = start.zeros_like().unwrap();
                for t in [0.0, 0.3, 0.5, 1.0, 1.5] {
                    curve.place(t, &mut w).unwrap();
                    let w = w.as_slice::<f64>().unwrap();
                    assert!(
                        (w[0] - 1.0 - 3.0 * t).abs() < 1e-12 && (w[1] - 2.0 + 6.0 * t).abs() < 1e-12,
                        "{shape:?} {t}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_chain_passes_its_bends_and_ends_stay_when_bends_move() {
        let (start, end) = (params(&[0.1, 0.0]), params(&[3.0, 0.7]));
        for shape in SHAPES {
            let mut curve = Curve::straight(shape, &start, &end, 2).unwrap();
            curve.set_bends(&tch::Tensor::from_slice(&[1.0f64, 5.0, 2.0, -5.0])).unwrap();
            assert_eq!(curve.points()[1].as_slice::<f64>().unwrap(), [1.0, 5.0]);
            assert_eq!(Vec::<f64>::try_from(curve.bends().unwrap()).unwrap(), [1.0, 5.0, 2.0, -5.0]);
            let mut w = start.zeros_like().unwrap();
            for (t, end) in [(0.0, &start), (1.0, &end)] {
                curve.place(t, &mut w).unwrap();
                assert_eq!(w.as_slice::<f64>(), end.as_slice::<f64>());
            }
            curve.place(1.0 / 3.0, &mut w).unwrap();
            let is_at_bend = (w.as_slice::<f64>().unwrap()[1] - 5.0).abs() < 1e-9;
            assert_eq!(is_at_bend, shape == CurveShape::Chain);
        }
    }

    #[test]
    fn steps_along_a_chain_add_up_to_its_legs() {
        let (start, end) = (params(&[0.0, 0.0]), params(&[6.0, 0.0]));
        let mut curve = Curve::straight(CurveShape::Chain, &start, &end, 1).unwrap();
        curve.set_bends(&tch::Tensor::from_slice(&[3.0f64, 4.0])).unwrap();
        let length: f64 = curve.steps(&super::super::places(0.0, 1.0, 61)).unwrap().iter().sum();
        assert!((length - 10.0).abs() < 1e-9, "{length}");
    }
}
