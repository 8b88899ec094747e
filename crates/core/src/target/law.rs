//! Offers densities whose learning coefficient and moments are known in closed form, to prove samplers right.
//!
//! *Reference*: the closed forms are those of [`crate::theory`].

use std::sync::Arc;

use super::{Batch, ConditionalDraw, LocalPosterior, Target, TargetError};
use crate::params::{FloatType, Layout, Params};
use crate::rng::{Key, fill_normal};
use crate::theory::Toy;

/// A loss K(w) on R^d with K(w*) = 0, as a formula.
#[derive(Debug, Clone, PartialEq)]
pub enum Law {
    /// K = ½·Σ hᵢwᵢ²: λ = d/2.
    Quadratic { curvatures: Vec<f64> },
    /// K = Σ wᵢ^(2kᵢ): λ = Σ 1/(2kᵢ), exactly at every nβ where γ = 0.
    EvenPowers { half_powers: Vec<u32> },
    /// K = Π wᵢ^(2kᵢ), a normal crossing; w₁²·w₂² has λ = ½ and multiplicity 2.
    Monomial { half_powers: Vec<u32> },
    /// K = (w₁ − 1)²·(w₁² + w₂²)⁴ around w* = (centre, 0): λ = ½ at 1, ¼ at 0.
    LineAndDot { centre: f64 },
}

impl Law {
    /// The loss of `toy`.
    pub fn of(toy: Toy) -> Law {
        let half_powers = toy.exponents().to_vec();
        match toy {
            // w² is ½·h·w² with h = 2.
            Toy::Regular => Law::Quadratic { curvatures: vec![2.0; half_powers.len()] },
            Toy::FourthPower | Toy::EvenPowers => Law::EvenPowers { half_powers },
            Toy::Line => Law::LineAndDot { centre: 1.0 },
            Toy::Dot => Law::LineAndDot { centre: 0.0 },
            Toy::Crossing | Toy::UnevenCrossing | Toy::TripleCrossing => Law::Monomial { half_powers },
        }
    }

    /// Number of parameters d.
    pub fn num_parameters(&self) -> usize {
        match self {
            Law::Quadratic { curvatures } => curvatures.len(),
            Law::EvenPowers { half_powers } | Law::Monomial { half_powers } => half_powers.len(),
            Law::LineAndDot { .. } => 2,
        }
    }

    /// w*.
    fn centre(&self) -> Vec<f64> {
        match self {
            Law::LineAndDot { centre } => vec![*centre, 0.0],
            _ => vec![0.0; self.num_parameters()],
        }
    }

    /// Whether each coordinate is Gaussian given the others.
    fn is_conditionally_normal(&self) -> bool {
        match self {
            Law::Quadratic { .. } => true,
            Law::Monomial { half_powers } => half_powers.iter().all(|&k| k == 1),
            Law::EvenPowers { .. } | Law::LineAndDot { .. } => false,
        }
    }

    fn loss_and_grad(&self, w: &[f64], grad: &mut [f64]) -> f64 {
        match self {
            Law::Quadratic { curvatures } => {
                let mut loss = 0.0;
                for ((w, h), g) in w.iter().zip(curvatures).zip(grad) {
                    *g = h * w;
                    loss += 0.5 * h * w * w;
                }
                loss
            }
            Law::EvenPowers { half_powers } => {
                let mut loss = 0.0;
                for ((w, &k), g) in w.iter().zip(half_powers).zip(grad) {
                    let odd = w.powi(2 * k as i32 - 1);
                    *g = 2.0 * k as f64 * odd;
                    loss += odd * w;
                }
                loss
            }
            Law::Monomial { half_powers } => {
                for (i, g) in grad.iter_mut().enumerate() {
                    let factor = |(j, &k): (usize, &u32)| {
                        if i == j { 2.0 * k as f64 * w[j].powi(2 * k as i32 - 1) } else { w[j].powi(2 * k as i32) }
                    };
                    *g = half_powers.iter().enumerate().map(factor).product();
                }
                w.iter().zip(half_powers).map(|(w, &k)| w.powi(2 * k as i32)).product()
            }
            Law::LineAndDot { .. } => {
                let (across, square) = (w[0] - 1.0, w[0] * w[0] + w[1] * w[1]);
                let cube = square.powi(3);
                let loss = across * across * cube * square;
                // ∂(square⁴) = 8·square³·w.
                grad[0] = 2.0 * across * cube * square + 8.0 * across * across * cube * w[0];
                grad[1] = 8.0 * across * across * cube * w[1];
                loss
            }
        }
    }
}

/// Noise that a minibatch adds to an exact gradient, with known variance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum GradientNoise {
    /// None: every batch gives the exact gradient.
    None,
    /// ∇L + N(0, σ²) per element, independent between batches: variance that doesn't depend on w.
    Additive { sigma: f64 },
    /// Curvatures hᵢ + N(0, σ²): noise that grows with w, as on noise-free data. Quadratic laws only.
    Multiplicative { sigma: f64 },
}

/// Wraps a [`Law`] as a target around its w*: 0, but for [`Law::LineAndDot`].
#[derive(Debug)]
pub struct LawTarget {
    law: Law,
    noise: GradientNoise,
    local: LocalPosterior,
    scratch: Vec<f64>,
}

impl LawTarget {
    /// The target with density ∝ exp(−nβ·K(w) − γ/2·‖w − w*‖²).
    pub fn new(law: Law, noise: GradientNoise, n_beta: f64, gamma: f64) -> Result<LawTarget, TargetError> {
        let d = law.num_parameters();
        let mut w_star = Params::zeros(&Arc::new(Layout::vector("w", d)), FloatType::F64);
        if let Some(w_star) = w_star.as_mut_slice() {
            w_star.copy_from_slice(&law.centre());
        }
        Ok(LawTarget { law, noise, local: LocalPosterior::new(n_beta, gamma, w_star)?, scratch: vec![0.0; d] })
    }
}

impl Target for LawTarget {
    fn local(&self) -> &LocalPosterior {
        &self.local
    }

    fn loss_and_grad(&mut self, w: &Params, batch: Batch, grad: &mut Params) -> Result<f64, TargetError> {
        let (Some(w), Some(grad)) = (w.as_slice::<f64>(), grad.as_mut_slice::<f64>()) else {
            return Err(TargetError::Unsupported("a law is evaluated in f64 in the host's memory"));
        };
        let loss = self.law.loss_and_grad(w, grad);
        if let Batch::Minibatch { key, .. } = batch {
            match self.noise {
                GradientNoise::None => {}
                GradientNoise::Additive { sigma } => {
                    fill_normal(key, 0, &mut self.scratch);
                    grad.iter_mut().zip(&self.scratch).for_each(|(g, z)| *g += sigma * z);
                }
                GradientNoise::Multiplicative { sigma } => {
                    fill_normal(key, 0, &mut self.scratch);
                    grad.iter_mut().zip(&self.scratch).zip(w).for_each(|((g, z), w)| *g += sigma * z * w);
                }
            }
        }
        Ok(loss)
    }

    fn num_samples(&self) -> Option<u64> {
        (self.noise != GradientNoise::None).then_some(u64::MAX >> 2)
    }

    fn with_density(&self, n_beta: f64, gamma: f64) -> Result<Box<dyn Target>, TargetError> {
        Ok(Box::new(LawTarget::new(self.law.clone(), self.noise, n_beta, gamma)?))
    }

    fn as_conditional(&mut self) -> Option<&mut dyn ConditionalDraw> {
        self.law.is_conditionally_normal().then_some(self as &mut dyn ConditionalDraw)
    }
}

/// Quadratics and products of squares are Gaussian in one coordinate given the others.
impl ConditionalDraw for LawTarget {
    fn num_blocks(&self) -> usize {
        self.law.num_parameters()
    }

    fn begin_sweep(&mut self, w: &Params) -> Result<(), TargetError> {
        let w = w.as_slice::<f64>().ok_or(TargetError::Unsupported("a law is sampled in f64 in the host's memory"))?;
        self.scratch.copy_from_slice(w);
        Ok(())
    }

    fn draw_block(&mut self, key: Key, block: usize, w: &mut Params) -> Result<(), TargetError> {
        let curvature = match &self.law {
            Law::Quadratic { curvatures } => curvatures[block],
            _ => {
                let others = self.scratch.iter().enumerate().filter(|(i, _)| *i != block);
                2.0 * others.map(|(_, w)| w * w).product::<f64>()
            }
        };
        let mut z = [0.0];
        fill_normal(key, 0, &mut z);
        self.scratch[block] = z[0] / (self.local.n_beta() * curvature + self.local.gamma()).sqrt();
        if let Some(w) = w.as_mut_slice::<f64>() {
            w[block] = self.scratch[block];
        }
        Ok(())
    }

    fn loss_after_sweep(&mut self) -> Result<f64, TargetError> {
        let mut grad = vec![0.0; self.scratch.len()];
        Ok(self.law.loss_and_grad(&self.scratch, &mut grad))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_equal_finite_differences_and_w_star_is_a_zero() {
        let w = [0.7, -0.4, 1.3];
        for law in [
            Law::Quadratic { curvatures: vec![1.0, 3.0] },
            Law::EvenPowers { half_powers: vec![1, 2, 3] },
            Law::Monomial { half_powers: vec![1, 1, 1] },
            Law::Monomial { half_powers: vec![1, 2] },
            Law::LineAndDot { centre: 1.0 },
        ] {
            let d = law.num_parameters();
            let mut grad = vec![0.0; d];
            law.loss_and_grad(&w[..d], &mut grad);
            for i in 0..d {
                let at = |shift: f64| {
                    let mut w = w;
                    w[i] += shift;
                    law.loss_and_grad(&w[..d], &mut vec![0.0; d])
                };
                let difference = (at(1e-5) - at(-1e-5)) / 2e-5;
                assert!((difference - grad[i]).abs() < 1e-7, "{law:?}, coordinate {i}: {difference} for {}", grad[i]);
            }
            assert_eq!(law.loss_and_grad(&law.centre(), &mut grad), 0.0, "{law:?}");
        }
    }
}
