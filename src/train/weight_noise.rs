//! Multiplies a network's weights by log-normal noise of mean 1 at every step, whose variance may be learnt.
//!
//! w̃ = w·exp(−a/2 + √a·e), e ~ N(0, 1), with a = |α| for each weight: E[w̃] = w, Var[w̃] = w²·(e^a − 1). α starts at 0.05 and, where it is learnt, moves by
//! the training's optimiser along the gradient of the loss through w̃, which falls towards less noise, and of the penalty β·(−½·mean ln a).
//! −½·mean ln a is the bound on the information per weight under a log-uniform prior, in nats and up to a constant. Losses outside training steps
//! are those of w itself.
//!
//! *Reference*: Achille and Soatto (2018), "Emergence of invariance and disentanglement in deep representations",
//! <https://arxiv.org/abs/1706.01350>, section 4; Kingma, Salimans and Welling (2015), <https://arxiv.org/abs/1506.02557>.
//! *Tested by*: the noise's mean and variance; gradients through α against finite differences; a stop and a resume.

use std::sync::Arc;

use tch::{Kind, TchError, Tensor};

use super::{NetworkTrainer, Optimizer, OptimizerState, TrainError, optimizer};
use crate::config::network::TrainConfig;
use crate::config::noisy_weights::NoiseConfig;
use crate::params::Params;
use crate::rng::{Key, fill_normal};
use crate::tensors::Tensors;

/// |α| that √ has a derivative at.
const SMALLEST: f64 = 1e-12;

/// The noise on a network's weights.
pub struct WeightNoise {
    /// α of each weight.
    alpha: Params,
    grad: Params,
    /// What moves α, where it is learnt.
    optimizer: Option<Box<dyn Optimizer>>,
    penalty: f64,
}

/// Weights with their noise, as functions of leaves of the graph.
pub(super) struct Noisy {
    pub weights: Vec<Tensor>,
    alphas: Vec<Tensor>,
}

impl WeightNoise {
    /// Noise on weights such as `w`, as `config` says; `train` says how α moves.
    ///
    /// # Errors
    /// Errors of libtorch.
    pub fn new(w: &Params, config: &NoiseConfig, train: &TrainConfig) -> Result<WeightNoise, TchError> {
        let alpha = w.zeros_like()?;
        let _ = alpha.flat().shallow_clone().f_fill_(config.alpha)?;
        // A decay of weights is none of α's.
        let plain = TrainConfig { weight_decay: 0.0, ..train.clone() };
        let optimizer = config.is_learnt.then(|| optimizer::of(&plain));
        Ok(WeightNoise { grad: w.zeros_like()?, alpha, optimizer, penalty: config.penalty })
    }

    /// Weights `w` with the noise of the stream `key`.
    pub(super) fn on(&self, w: &[Tensor], key: Key) -> Result<Noisy, TchError> {
        let e = self.normals(key)?;
        let leaf = |view: &Tensor| view.f_detach()?.f_set_requires_grad(self.optimizer.is_some());
        let alphas: Vec<Tensor> = self.alpha.views().iter().map(leaf).collect::<Result<_, _>>()?;
        let one = |((w, alpha), e): ((&Tensor, &Tensor), &Tensor)| w.f_mul(&factor(alpha, e)?);
        let weights = w.iter().zip(&alphas).zip(e.views()).map(one).collect::<Result<_, _>>()?;
        Ok(Noisy { weights, alphas })
    }

    /// Standard normal numbers, one a weight.
    fn normals(&self, key: Key) -> Result<Params, TchError> {
        let mut e = Params::zeros_on(&Arc::clone(self.alpha.layout()), self.alpha.kind(), tch::Device::Cpu)?;
        match e.kind() {
            Kind::Double => e.as_mut_slice::<f64>().into_iter().for_each(|e| fill_normal(key, 0, e)),
            _ => e.as_mut_slice::<f32>().into_iter().for_each(|e| fill_normal(key, 0, e)),
        }
        e.to(self.alpha.kind(), self.alpha.device())
    }

    /// ∇loss for the leaves `w`; that for α, with the penalty's, is kept for the next step.
    pub(super) fn backward(&mut self, loss: &Tensor, w: &[Tensor], noisy: &Noisy) -> Result<Vec<Tensor>, TchError> {
        if self.optimizer.is_none() {
            return Tensor::f_run_backward(&[loss], w, false, false);
        }
        let leaves: Vec<&Tensor> = w.iter().chain(&noisy.alphas).collect();
        let mut gradients = Tensor::f_run_backward(&[loss], &leaves, false, false)?;
        let of_alpha = gradients.split_off(w.len());
        let _ = tch::no_grad(|| {
            let flat = of_alpha.iter().map(|grad| grad.f_reshape([-1])).collect::<Result<Vec<_>, _>>()?;
            let _ = Tensor::f_cat_out(self.grad.flat(), &flat, 0)?;
            // d/dα of −½·mean ln|α| is −1/(2dα).
            let num_weights = self.alpha.len() as f64;
            let slope = self.alpha.flat().f_reciprocal()?.f_mul_scalar(-0.5 * self.penalty / num_weights)?;
            self.grad.flat().shallow_clone().f_add_(&slope)
        })?;
        Ok(gradients)
    }

    /// Moves α by a step, where it is learnt.
    pub(super) fn step(&mut self, learning_rate: f64) -> Result<(), TchError> {
        match &mut self.optimizer {
            Some(optimizer) => tch::no_grad(|| optimizer.step(learning_rate, &self.grad, &mut self.alpha)),
            None => Ok(()),
        }
    }

    /// Doubles every α: the variance of ln w̃.
    ///
    /// # Errors
    /// Errors of libtorch.
    pub fn double(&mut self) -> Result<(), TchError> {
        self.alpha.flat().shallow_clone().f_mul_scalar_(2.0).map(drop)
    }

    /// Mean |α|.
    ///
    /// # Errors
    /// Errors of libtorch.
    pub fn mean_alpha(&self) -> Result<f64, TchError> {
        self.alpha.flat().f_abs()?.f_mean(Kind::Double)?.f_double_value(&[])
    }

    /// −½·mean ln|α|: the bound on the information per weight, in nats, up to a constant.
    ///
    /// # Errors
    /// Errors of libtorch.
    pub fn information(&self) -> Result<f64, TchError> {
        let ln = self.alpha.flat().f_abs()?.f_clamp_min(SMALLEST)?.f_log()?;
        Ok(-0.5 * ln.f_mean(Kind::Double)?.f_double_value(&[])?)
    }

    /// All that the next step needs: α as the tensor `alpha`, with the optimiser's.
    pub(super) fn state(&self) -> OptimizerState {
        let of_optimizer = self.optimizer.as_ref().map(|optimizer| optimizer.state());
        let mut state = of_optimizer.unwrap_or(OptimizerState { num_steps: 0, tensors: Vec::new() });
        state.tensors.push(("alpha".to_owned(), self.alpha.flat().shallow_clone()));
        state
    }

    /// Goes on from `state`.
    pub(super) fn restore(&mut self, state: &OptimizerState) -> Result<(), TchError> {
        if let Some(alpha) = state.copy_of("alpha")? {
            self.alpha.flat().shallow_clone().f_copy_(&alpha)?;
        }
        self.optimizer.as_mut().map_or(Ok(()), |optimizer| optimizer.restore(state))
    }
}

/// exp(−a/2 + √a·e) with a = |α|.
fn factor(alpha: &Tensor, e: &Tensor) -> Result<Tensor, TchError> {
    let a = alpha.f_abs()?.f_clamp_min(SMALLEST)?;
    a.f_sqrt()?.f_mul(e)?.f_sub(&a.f_mul_scalar(0.5)?)?.f_exp()
}

impl NetworkTrainer {
    /// The same training with noise on its weights.
    pub fn with_weight_noise(mut self, noise: WeightNoise) -> NetworkTrainer {
        self.noise = Some(noise);
        self
    }

    /// The noise on its weights, where there is some.
    pub fn weight_noise(&mut self) -> Option<&mut WeightNoise> {
        self.noise.as_mut()
    }

    /// The trained parameters, statistics and noise, for another training to start from.
    ///
    /// # Errors
    /// Errors of libtorch.
    pub fn continued_by(self, next: NetworkTrainer) -> Result<NetworkTrainer, TrainError> {
        let mut next = next.with_start(&self.w, &self.buffers)?;
        next.noise = self.noise;
        Ok(next)
    }

    /// ‖w‖.
    ///
    /// # Errors
    /// Errors of libtorch.
    pub fn weight_norm(&self) -> Result<f64, TchError> {
        self.w.flat().f_norm()?.f_double_value(&[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::noisy_weights::testing::{noise, train};
    use crate::params::Layout;
    use crate::rng::Role;

    fn weights(n: usize, value: f64) -> Params {
        let w = Params::zeros_on(&Arc::new(Layout::vector("w", n)), Kind::Double, tch::Device::Cpu).unwrap();
        let _ = w.flat().shallow_clone().fill_(value);
        w
    }

    fn leaves(w: &Params) -> Vec<Tensor> {
        w.views().iter().map(|view| view.detach().set_requires_grad(true)).collect()
    }

    #[test]
    fn the_noise_has_mean_1_and_variance_exp_a_minus_1() {
        let n = 400_000;
        for a in [0.05, 0.4] {
            let w = weights(n, 2.0);
            let noise = WeightNoise::new(&w, &noise(a, 0.0), &train()).unwrap();
            let noisy = noise.on(&leaves(&w), Key::new(1).role(Role::WeightNoise)).unwrap();
            let x = noisy.weights[0].detach() / 2.0;
            let variance = a.exp() - 1.0;
            let mean = x.mean(Kind::Double).double_value(&[]);
            assert!((mean - 1.0).abs() < 6.0 * (variance / n as f64).sqrt(), "a = {a}: mean {mean}");
            let found = (&x - 1.0).square().mean(Kind::Double).double_value(&[]);
            // The fourth central moment of a log-normal variable with mean 1, u = e^a: (u−1)²(u⁴ + 2u³ + 3u² − 3).
            let u = a.exp();
            let fourth = (u - 1.0).powi(2) * (u.powi(4) + 2.0 * u.powi(3) + 3.0 * u * u - 3.0);
            let error = ((fourth - variance * variance) / n as f64).sqrt();
            assert!((found - variance).abs() < 6.0 * error, "a = {a}: variance {found} for {variance}");
        }
    }

    #[test]
    fn gradients_for_weights_and_for_alpha_are_differences_of_the_loss() {
        let (n, key) = (6, Key::new(2).role(Role::WeightNoise));
        let w = weights(n, 0.0);
        w.flat().shallow_clone().copy_(&Tensor::from_slice(&[0.5f64, -1.0, 2.0, 0.1, -0.3, 1.5]));
        let mut noise = WeightNoise::new(&w, &noise(0.2, 0.7), &train()).unwrap();
        // Some α are negative: |α| counts.
        let signs = Tensor::from_slice(&[1.0f64, -1.0, 1.0, 0.5, -2.0, 1.0]);
        let _ = noise.alpha.flat().shallow_clone().multiply_(&signs);
        let target = Tensor::from_slice(&[1.0f64, 1.0, 0.0, -1.0, 0.5, 2.0]);
        let loss = |weights: &Tensor| (weights - &target).square().sum(Kind::Double);
        let leaves = leaves(&w);
        let noisy = noise.on(&leaves, key).unwrap();
        let gradient = noise.backward(&loss(&noisy.weights[0]), &leaves, &noisy).unwrap();
        let objective = |w: &Params, noise: &WeightNoise| {
            let noisy = noise.on(w.views(), key).unwrap();
            loss(&noisy.weights[0]).double_value(&[]) + 0.7 * noise.information().unwrap()
        };
        let h = 1e-6;
        for i in 0..n as i64 {
            let mut shifted = |params: &Tensor, by: f64| {
                let mut one = params.narrow(0, i, 1);
                let _ = one.g_add_scalar_(by);
            };
            let slope = |moved: &Tensor, shifted: &mut dyn FnMut(&Tensor, f64)| {
                shifted(moved, h);
                let up = objective(&w, &noise);
                shifted(moved, -2.0 * h);
                let down = objective(&w, &noise);
                shifted(moved, h);
                (up - down) / (2.0 * h)
            };
            let by_w = slope(w.flat(), &mut shifted);
            assert!((by_w - gradient[0].double_value(&[i])).abs() < 1e-6 * by_w.abs().max(1.0), "w {i}");
            let by_alpha = slope(noise.alpha.flat(), &mut shifted);
            let found = noise.grad.flat().double_value(&[i]);
            assert!((by_alpha - found).abs() < 1e-6 * by_alpha.abs().max(1.0), "α {i}: {found} for {by_alpha}");
        }
    }

    #[test]
    fn doubling_doubles_alpha_and_takes_half_of_ln_2_off_the_information() {
        let w = weights(10, 1.0);
        let mut noise = WeightNoise::new(&w, &noise(0.05, 0.0), &train()).unwrap();
        let before = noise.information().unwrap();
        assert!((before + 0.5 * 0.05f64.ln()).abs() < 1e-12);
        noise.double().unwrap();
        assert!((noise.mean_alpha().unwrap() - 0.1).abs() < 1e-12);
        assert!((before - noise.information().unwrap() - 0.5 * 2f64.ln()).abs() < 1e-12);
    }
}
