//! Steps by Adam, with PyTorch's defaults.
//!
//! m_t = β₁·m_(t−1) + (1 − β₁)·g_t, v_t = β₂·v_(t−1) + (1 − β₂)·g_t², m̂ = m_t/(1 − β₁ᵗ), v̂ = v_t/(1 − β₂ᵗ),
//! w ← w − η·m̂/(√v̂ + ε), with β₁ = 0.9, β₂ = 0.999, ε = 10⁻⁸. TensorFlow and the paper's second form add ε to √v_t before its bias is
//! taken out.
//!
//! *Reference*: Kingma and Ba (2015), <https://arxiv.org/abs/1412.6980>, algorithm 1, as in `torch.optim.Adam` without weight decay.
//! *Tested by* three steps of the published update written out.

use tch::{TchError, Tensor};

use super::Optimizer;
use crate::params::Params;

const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// Adam.
#[derive(Debug, Default)]
pub struct Adam {
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
}

impl Optimizer for Adam {
    fn step(&mut self, learning_rate: f64, grad: &Params, w: &mut Params) -> Result<(), TchError> {
        let g = grad.flat();
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
}

#[cfg(test)]
mod tests {
    use super::super::testing::path;
    use super::*;

    #[test]
    fn three_steps_are_those_that_pytorch_publishes() {
        let gradients = [[1.0, -2.0], [0.5, 3.0], [-0.25, 0.125]];
        let rate = 0.01;
        let steps = path(&mut Adam::new(), rate, [1.0, 2.0], &gradients);
        for i in 0..2 {
            let (mut w, mut m, mut v) = ([1.0, 2.0][i], 0.0, 0.0);
            for (t, step) in (1..).zip(&steps) {
                let g: f64 = gradients[t - 1][i];
                m = 0.9 * m + 0.1 * g;
                v = 0.999 * v + 0.001 * g * g;
                let m_hat = m / (1.0 - 0.9f64.powi(t as i32));
                let v_hat = v / (1.0 - 0.999f64.powi(t as i32));
                w -= rate * m_hat / (v_hat.sqrt() + 1e-8);
                assert!((step[i] - w).abs() < 1e-14, "step {t}: {} against {w}", step[i]);
            }
        }
    }

    #[test]
    fn the_first_step_is_the_learning_rate_whatever_the_gradient_s_scale() {
        let steps = path(&mut Adam::new(), 0.01, [0.0, 0.0], &[[1e3, -1e-3]]);
        assert!((steps[0][0] + 0.01).abs() < 1e-10 && (steps[0][1] - 0.01).abs() < 1e-6, "{steps:?}");
    }
}
