//! Steps by Adam, with PyTorch's defaults, and with weight decay.
//!
//! g_t = ∇L + δ·w, m_t = β₁·m_(t−1) + (1 − β₁)·g_t, v_t = β₂·v_(t−1) + (1 − β₂)·g_t², m̂ = m_t/(1 − β₁ᵗ), v̂ = v_t/(1 − β₂ᵗ),
//! w ← w − η·m̂/(√v̂ + ε), with β₁ = 0.9, β₂ = 0.999, ε = 10⁻⁸. TensorFlow and the paper's second form add ε to √v_t before its bias is
//! taken out. The decay δ is coupled: it is rescaled with the gradient, unlike that of AdamW (Loshchilov and Hutter 2019).
//!
//! *Reference*: Kingma and Ba (2015), <https://arxiv.org/abs/1412.6980>, algorithm 1, as in `torch.optim.Adam`.
//! *Tested by* three steps of the published update written out.

use tch::{TchError, Tensor};

use super::{Optimizer, OptimizerState, decayed};
use crate::params::Params;
use crate::tensors::Tensors;

const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// Adam.
#[derive(Debug, Default)]
pub struct Adam {
    weight_decay: f64,
    /// m and v, from the first step on.
    moments: Option<(Tensor, Tensor)>,
    /// Steps made, t.
    num_steps: i32,
}

impl Adam {
    /// Before its first step.
    pub fn new() -> Adam {
        Adam::default()
    }

    /// The same with weight decay δ, 0 or more.
    pub fn with_weight_decay(self, weight_decay: f64) -> Adam {
        Adam { weight_decay, ..self }
    }
}

impl Optimizer for Adam {
    fn step(&mut self, learning_rate: f64, grad: &Params, w: &mut Params) -> Result<(), TchError> {
        let g = decayed(grad, w, self.weight_decay)?;
        let (mut m, mut v) = match self.moments.take() {
            Some(moments) => moments,
            None => (g.f_zeros_like()?, g.f_zeros_like()?),
        };
        self.num_steps += 1;
        let m = m.f_mul_scalar_(BETA_1)?.f_add_(&g.f_mul_scalar(1.0 - BETA_1)?)?;
        let v = v.f_mul_scalar_(BETA_2)?.f_add_(&g.f_square()?.f_mul_scalar_(1.0 - BETA_2)?)?;
        let [left_1, left_2] = [BETA_1, BETA_2].map(|beta| 1.0 - beta.powi(self.num_steps));
        let denominator = v.f_sqrt()?.f_mul_scalar_(1.0 / left_2.sqrt())?.f_add_scalar_(EPSILON)?;
        let step = m.f_div(&denominator)?.f_mul_scalar_(learning_rate / left_1)?;
        let _ = w.flat().shallow_clone().f_sub_(&step)?;
        self.moments = Some((m, v));
        Ok(())
    }

    fn state(&self) -> OptimizerState {
        let names =
            |(m, v): &(Tensor, Tensor)| [("m".to_owned(), m.shallow_clone()), ("v".to_owned(), v.shallow_clone())];
        OptimizerState { num_steps: self.num_steps, tensors: self.moments.iter().flat_map(names).collect() }
    }

    fn restore(&mut self, state: &OptimizerState) -> Result<(), TchError> {
        self.moments = state.copy_of("m")?.zip(state.copy_of("v")?);
        self.num_steps = state.num_steps;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{path, path_with_a_stop};
    use super::*;

    #[test]
    fn three_steps_are_those_that_pytorch_publishes() {
        let gradients = [[1.0, -2.0], [0.5, 3.0], [-0.25, 0.125]];
        let rate = 0.01;
        for decay in [0.0, 0.5] {
            let steps = path(&mut Adam::new().with_weight_decay(decay), rate, [1.0, 2.0], &gradients);
            for i in 0..2 {
                let (mut w, mut m, mut v) = ([1.0, 2.0][i], 0.0, 0.0);
                for (t, step) in (1..).zip(&steps) {
                    let g: f64 = gradients[t - 1][i] + decay * w;
                    m = 0.9 * m + 0.1 * g;
                    v = 0.999 * v + 0.001 * g * g;
                    let m_hat = m / (1.0 - 0.9f64.powi(t as i32));
                    let v_hat = v / (1.0 - 0.999f64.powi(t as i32));
                    w -= rate * m_hat / (v_hat.sqrt() + 1e-8);
                    assert!((step[i] - w).abs() < 1e-14, "step {t}: {} against {w}", step[i]);
                }
            }
        }
    }

    #[test]
    fn a_restored_state_continues_as_if_nothing_had_been() {
        let gradients = [[1.0, -2.0], [0.5, 3.0], [-0.25, 0.125], [2.0, 1.0]];
        let make = || Box::new(Adam::new().with_weight_decay(1e-3)) as Box<dyn Optimizer>;
        let whole = path(make().as_mut(), 0.1, [1.0, 2.0], &gradients);
        assert_eq!(path_with_a_stop(make, 0.1, [1.0, 2.0], &gradients), whole);
    }

    #[test]
    fn the_first_step_is_the_learning_rate_whatever_the_gradient_s_scale() {
        let steps = path(&mut Adam::new(), 0.01, [0.0, 0.0], &[[1e3, -1e-3]]);
        assert!((steps[0][0] + 0.01).abs() < 1e-10 && (steps[0][1] - 0.01).abs() < 1e-6, "{steps:?}");
    }
}
