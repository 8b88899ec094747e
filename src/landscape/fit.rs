//! Lets a training move the bends of a curve, so that the loss along it falls: θ are the bends, w = φ_θ(t) with t ~ U[0, 1] anew in every
//! step.
//!
//! A step's gradient is ∂/∂w_i (L(w(t)) + δ/2·‖w(t)‖²) = c_i(t)·(∇L(w(t)) + δ·w(t)): unbiased for that of ∫L(w(t)) dt. The weight decay
//! is that of the point on the curve, as published, rather than of the bends.
//!
//! *Reference*: Garipov et al. 2018, <https://arxiv.org/abs/1802.10026>, section 3.2 and algorithm 1 of the appendix.
//! *Tested by* differences of the loss over bends, and a chain that leaves the barrier of a double well, below.

use tch::{Kind, TchError, Tensor};

use super::Curve;
use super::weights::weights;
use crate::config::paths::CurveShape;
use crate::params::{Layout, Params};
use crate::rng::{Key, Role};
use crate::tensors::Tensors;
use crate::train::Parametrisation;

/// The bends of a curve in training.
#[derive(Debug)]
pub struct CurveFit {
    shape: CurveShape,
    start: Params,
    end: Params,
    num_bends: usize,
    weight_decay: f64,
    /// The bends, one after the other.
    theta: Params,
    /// The weights of start, bends and end at the place of this step.
    weights: Vec<f64>,
}

impl CurveFit {
    /// Moves the bends of `curve` under the weight decay δ, 0 or more.
    ///
    /// # Errors
    /// Errors of libtorch.
    pub fn new(curve: &Curve, weight_decay: f64) -> Result<CurveFit, TchError> {
        let points = curve.points();
        let (start, num_bends) = (&points[0], points.len() - 2);
        let layout = std::sync::Arc::new(Layout::vector("bends", num_bends * start.len()));
        let theta = Params::zeros_on(&layout, start.kind(), start.device())?;
        theta.flat().shallow_clone().f_copy_(&curve.bends()?)?;
        Ok(CurveFit {
            shape: curve.shape(),
            start: start.try_clone()?,
            end: points[points.len() - 1].try_clone()?,
            num_bends,
            weight_decay,
            theta,
            weights: Vec::new(),
        })
    }

    /// Bend `i`, counted from 0.
    fn bend(&self, of: &Params, i: usize) -> Result<Tensor, TchError> {
        let d = self.start.len() as i64;
        of.flat().f_narrow(0, i as i64 * d, d)
    }
}

impl Parametrisation for CurveFit {
    fn theta(&self) -> &Params {
        &self.theta
    }

    fn theta_mut(&mut self) -> &mut Params {
        &mut self.theta
    }

    fn place(&mut self, key: Key, w: &mut Params) -> Result<(), TchError> {
        let t = key.role(Role::Path).uniform(0);
        self.weights = weights(self.shape, self.num_bends + 2, t);
        let mut flat = w.flat().shallow_clone();
        flat.f_copy_(&self.start.flat().f_mul_scalar(self.weights[0])?)?;
        let _ = flat.f_add_(&self.end.flat().f_mul_scalar(self.weights[self.num_bends + 1])?)?;
        for i in 0..self.num_bends {
            let weight = self.weights[i + 1];
            if weight != 0.0 {
                let _ = flat.f_add_(&self.bend(&self.theta, i)?.f_mul_scalar(weight)?)?;
            }
        }
        Ok(())
    }

    fn pull_back(&mut self, w: &Params, grad: &Params, theta_grad: &mut Params) -> Result<(), TchError> {
        let with_decay = match self.weight_decay {
            0.0 => grad.flat().shallow_clone(),
            decay => w.flat().f_mul_scalar(decay)?.f_add_(grad.flat())?,
        };
        debug_assert!([Kind::Float, Kind::Double].contains(&with_decay.kind()));
        for i in 0..self.num_bends {
            // Before the first place there is no gradient to pull back.
            let weight = self.weights.get(i + 1).copied().unwrap_or(0.0);
            self.bend(theta_grad, i)?.f_copy_(&with_decay.f_mul_scalar(weight)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::params;
    use super::*;

    /// L(x, y) = (x² + y² − 1)²: zero on the unit circle, and a hill of height 1 at its centre that a path along the circle avoids.
    fn loss(w: &[f64]) -> f64 {
        let (x, y) = (w[0], w[1]);
        (x * x + y * y - 1.0).powi(2)
    }

    fn gradient(w: &[f64]) -> [f64; 2] {
        let excess = w[0] * w[0] + w[1] * w[1] - 1.0;
        [4.0 * excess * w[0], 4.0 * excess * w[1]]
    }

    #[test]
    fn the_gradient_over_bends_is_the_difference_of_the_loss_with_its_decay() {
        let decay = 0.3;
        for shape in [CurveShape::Chain, CurveShape::Bezier] {
            let mut curve = Curve::straight(shape, &params(&[1.0, 0.2]), &params(&[-1.0, 0.1]), 2).unwrap();
            let bends = [0.4, 0.9, -0.5, 1.1];
            curve.set_bends(&Tensor::from_slice(&bends)).unwrap();
            let mut fit = CurveFit::new(&curve, decay).unwrap();
            for step in 0..5 {
                let key = Key::new(3).step(step);
                let mut w = curve.points()[0].zeros_like().unwrap();
                fit.place(key, &mut w).unwrap();
                let mut penalised = |bends: &[f64]| {
                    fit.theta_mut().as_mut_slice::<f64>().unwrap().copy_from_slice(bends);
                    fit.place(key, &mut w).unwrap();
                    let w = w.as_slice::<f64>().unwrap();
                    loss(w) + 0.5 * decay * (w[0] * w[0] + w[1] * w[1])
                };
                let difference = |i: usize, penalised: &mut dyn FnMut(&[f64]) -> f64| {
                    let [mut up, mut down] = [bends; 2];
                    (up[i], down[i]) = (up[i] + 1e-5, down[i] - 1e-5);
                    (penalised(&up) - penalised(&down)) / 2e-5
                };
                let expected: Vec<f64> = (0..4).map(|i| difference(i, &mut penalised)).collect();
                penalised(&bends);
                let grad = params(&gradient(w.as_slice::<f64>().unwrap()));
                let mut found = fit.theta().zeros_like().unwrap();
                fit.pull_back(&w, &grad, &mut found).unwrap();
                let found = found.as_slice::<f64>().unwrap();
                assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-7), "{found:?}, not {expected:?}");
            }
        }
    }

    /// The minima of this loss are the unit circle: the segment between two opposite ones climbs to 1 in the middle.
    #[test]
    fn a_fitted_curve_goes_around_the_hill_that_the_segment_climbs() {
        for shape in [CurveShape::Chain, CurveShape::Bezier] {
            let (start, end) = (params(&[1.0, 0.0]), params(&[-1.0, 0.0]));
            let mut curve = Curve::straight(shape, &start, &end, 3).unwrap();
            // Off the ridge, where the gradient has no component to one side.
            let nudged = curve.bends().unwrap() + 1e-3;
            curve.set_bends(&nudged).unwrap();
            let highest = |curve: &Curve| {
                let mut w = start.zeros_like().unwrap();
                let at = |t: f64, w: &mut Params| {
                    curve.place(t, w).unwrap();
                    loss(w.as_slice::<f64>().unwrap())
                };
                super::super::places(0.0, 1.0, 101).into_iter().map(|t| at(t, &mut w)).fold(0.0, f64::max)
            };
            assert!(highest(&curve) > 0.9);
            let mut fit = CurveFit::new(&curve, 0.0).unwrap();
            let (mut w, mut grad) = (start.zeros_like().unwrap(), fit.theta().zeros_like().unwrap());
            for step in 0..5000 {
                fit.place(Key::new(7).step(step), &mut w).unwrap();
                let at_w = params(&gradient(w.as_slice::<f64>().unwrap()));
                fit.pull_back(&w, &at_w, &mut grad).unwrap();
                let _ =
                    fit.theta_mut().flat().shallow_clone().f_sub_(&grad.flat().f_mul_scalar(0.05).unwrap()).unwrap();
            }
            curve.set_bends(fit.theta().flat()).unwrap();
            assert!(highest(&curve) < 0.1, "{shape:?}: {}", highest(&curve));
        }
    }
}
