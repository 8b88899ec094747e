//! Steps by stochastic gradient descent with momentum and weight decay.
//!
//! g_t = ∇L + δ·w, b₁ = g₁, b_t = μ·b_(t−1) + g_t, w ← w − η·b_t, with learning rate η, momentum μ and weight decay δ: PyTorch's
//! convention. The decay is coupled: it passes through the momentum, so that it is the gradient of L + δ/2·‖w‖². Sutskever et al.
//! (2013) and others put η inside, v_t = μ·v_(t−1) − η·g_t, which differs where η changes.
//!
//! *Reference*: `torch.optim.SGD` (<https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html>), without dampening and
//! Nesterov's variant. *Tested by* three steps of the published update written out, and the closed form on a quadratic (`trainer`).

use tch::{TchError, Tensor};

use super::{Optimizer, OptimizerState, decayed};
use crate::params::Params;
use crate::tensors::Tensors;

/// Stochastic gradient descent.
#[derive(Debug)]
pub struct Sgd {
    momentum: f64,
    weight_decay: f64,
    /// b, from the first step on.
    velocity: Option<Tensor>,
}

impl Sgd {
    /// With momentum μ in [0, 1); 0 for none.
    pub fn new(momentum: f64) -> Sgd {
        Sgd { momentum, weight_decay: 0.0, velocity: None }
    }

    /// The same with weight decay δ, 0 or more.
    pub fn with_weight_decay(self, weight_decay: f64) -> Sgd {
        Sgd { weight_decay, ..self }
    }
}

impl Optimizer for Sgd {
    fn step(&mut self, learning_rate: f64, grad: &Params, w: &mut Params) -> Result<(), TchError> {
        let g = decayed(grad, w, self.weight_decay)?;
        let mut flat = w.flat().shallow_clone();
        if self.momentum == 0.0 {
            let _ = flat.f_sub_(&g.f_mul_scalar(learning_rate)?)?;
            return Ok(());
        }
        let velocity = match self.velocity.take() {
            Some(mut velocity) => velocity.f_mul_scalar_(self.momentum)?.f_add_(&g)?,
            None => g.copy(),
        };
        let _ = flat.f_sub_(&velocity.f_mul_scalar(learning_rate)?)?;
        self.velocity = Some(velocity);
        Ok(())
    }

    fn state(&self) -> OptimizerState {
        let tensors = self.velocity.iter().map(|velocity| ("velocity".to_owned(), velocity.shallow_clone())).collect();
        OptimizerState { num_steps: 0, tensors }
    }

    fn restore(&mut self, state: &OptimizerState) -> Result<(), TchError> {
        self.velocity = state.copy_of("velocity")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{path, path_with_a_stop};
    use super::*;

    const GRADIENTS: [[f64; 2]; 3] = [[1.0, -2.0], [0.5, 3.0], [-0.25, 0.125]];

    #[test]
    fn three_steps_with_momentum_and_decay_are_those_that_pytorch_publishes() {
        let (rate, mu) = (0.1, 0.9);
        for decay in [0.0, 0.01] {
            let steps = path(&mut Sgd::new(mu).with_weight_decay(decay), rate, [1.0, 2.0], &GRADIENTS);
            for i in 0..2 {
                let (mut w, mut b) = ([1.0, 2.0][i], 0.0);
                for (step, gradients) in steps.iter().zip(GRADIENTS) {
                    b = mu * b + gradients[i] + decay * w;
                    w -= rate * b;
                    assert!((step[i] - w).abs() < 1e-15, "{} against {w}", step[i]);
                }
            }
        }
    }

    #[test]
    fn without_momentum_a_step_is_the_gradient_alone() {
        let steps = path(&mut Sgd::new(0.0), 0.5, [0.0, 0.0], &GRADIENTS);
        assert_eq!(steps, [[-0.5, 1.0], [-0.75, -0.5], [-0.625, -0.5625]]);
    }

    #[test]
    fn a_restored_state_continues_as_if_nothing_had_been() {
        let make = || Box::new(Sgd::new(0.9).with_weight_decay(1e-3)) as Box<dyn Optimizer>;
        let whole = path(make().as_mut(), 0.1, [1.0, 2.0], &GRADIENTS);
        assert_eq!(path_with_a_stop(make, 0.1, [1.0, 2.0], &GRADIENTS), whole);
    }
}
