//! Steps by stochastic gradient descent with momentum.
//!
//! b₁ = g₁, b_t = μ·b_(t−1) + g_t, w ← w − η·b_t, with learning rate η and momentum μ: PyTorch's convention. Sutskever et al. (2013)
//! and others put η inside, v_t = μ·v_(t−1) − η·g_t, which differs where η changes.
//!
//! *Reference*: `torch.optim.SGD` (<https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html>), without dampening, Nesterov's
//! variant and weight decay. *Tested by* three steps of the published update written out, and the closed form on a quadratic (`trainer`).

use tch::{TchError, Tensor};

use super::Optimizer;
use crate::params::Params;

/// Stochastic gradient descent.
#[derive(Debug)]
pub struct Sgd {
    momentum: f64,
    /// b, from the first step on.
    velocity: Option<Tensor>,
}

impl Sgd {
    /// With momentum μ in [0, 1); 0 for none.
    pub fn new(momentum: f64) -> Sgd {
        Sgd { momentum, velocity: None }
    }
}

impl Optimizer for Sgd {
    fn step(&mut self, learning_rate: f64, grad: &Params, w: &mut Params) -> Result<(), TchError> {
        let mut flat = w.flat().shallow_clone();
        if self.momentum == 0.0 {
            let _ = flat.f_sub_(&grad.flat().f_mul_scalar(learning_rate)?)?;
            return Ok(());
        }
        let velocity = match self.velocity.take() {
            Some(mut velocity) => velocity.f_mul_scalar_(self.momentum)?.f_add_(grad.flat())?,
            None => grad.flat().copy(),
        };
        let _ = flat.f_sub_(&velocity.f_mul_scalar(learning_rate)?)?;
        self.velocity = Some(velocity);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::path;
    use super::*;

    const GRADIENTS: [[f64; 2]; 3] = [[1.0, -2.0], [0.5, 3.0], [-0.25, 0.125]];

    #[test]
    fn three_steps_with_momentum_are_those_that_pytorch_publishes() {
        let (rate, mu) = (0.1, 0.9);
        let steps = path(&mut Sgd::new(mu), rate, [1.0, 2.0], &GRADIENTS);
        for i in 0..2 {
            let [g1, g2, g3] = GRADIENTS.map(|g| g[i]);
            let b2 = mu * g1 + g2;
            let b3 = mu * b2 + g3;
            let start = [1.0, 2.0][i];
            let expected = [start - rate * g1, start - rate * (g1 + b2), start - rate * (g1 + b2 + b3)];
            for (step, expected) in steps.iter().zip(expected) {
                assert!((step[i] - expected).abs() < 1e-15, "{} against {expected}", step[i]);
            }
        }
    }

    #[test]
    fn without_momentum_a_step_is_the_gradient_alone() {
        let steps = path(&mut Sgd::new(0.0), 0.5, [0.0, 0.0], &GRADIENTS);
        assert_eq!(steps, [[-0.5, 1.0], [-0.75, -0.5], [-0.625, -0.5625]]);
    }
}
