//! Says what an optimiser is: it turns gradients into steps, and its state can be saved.

use tch::{TchError, Tensor};

use super::{Adam, Sgd};
use crate::config::dln::OptimizerConfig;
use crate::config::network::TrainConfig;
use crate::params::Params;
use crate::tensors::Tensors;

/// Turns gradients into steps; it keeps what it needs from one step to the next.
pub trait Optimizer {
    /// Moves `w` by one step at `learning_rate`, given the gradient of the loss at `w`.
    ///
    /// # Errors
    /// Errors of libtorch.
    fn step(&mut self, learning_rate: f64, grad: &Params, w: &mut Params) -> Result<(), TchError>;

    /// All that the next step needs; the tensors share memory with the optimiser, so use them before it steps again.
    fn state(&self) -> OptimizerState;

    /// Continues from copies of `state`. Parts that are missing from the state are as before the first step.
    ///
    /// # Errors
    /// Errors of libtorch.
    fn restore(&mut self, state: &OptimizerState) -> Result<(), TchError>;
}

/// What an optimiser keeps from one step to the next.
#[derive(Debug)]
pub struct OptimizerState {
    /// Steps made, for optimisers that count them; else 0.
    pub num_steps: i32,
    /// Flat tensors, as long as the parameters, each with its name; none before the first step.
    pub tensors: Vec<(String, Tensor)>,
}

impl OptimizerState {
    /// A copy of the tensor `name` with memory of its own.
    ///
    /// # Errors
    /// Errors of libtorch.
    pub fn copy_of(&self, name: &str) -> Result<Option<Tensor>, TchError> {
        let found = self.tensors.iter().find(|(known, _)| known == name);
        found.map(|(_, tensor)| tensor.f_detach_copy()).transpose()
    }
}

/// The optimiser that `config` names, before its first step.
pub(super) fn of(config: &TrainConfig) -> Box<dyn Optimizer> {
    match config.optimizer {
        OptimizerConfig::Sgd { momentum } => Box::new(Sgd::new(momentum).with_weight_decay(config.weight_decay)),
        OptimizerConfig::Adam => Box::new(Adam::new().with_weight_decay(config.weight_decay)),
    }
}

/// g = ∇L + δ·w, flat: the gradient of L + δ/2·‖w‖².
pub(super) fn decayed(grad: &Params, w: &Params, weight_decay: f64) -> Result<Tensor, TchError> {
    if weight_decay == 0.0 {
        return Ok(grad.flat().shallow_clone());
    }
    w.flat().f_mul_scalar(weight_decay)?.f_add_(grad.flat())
}

#[cfg(test)]
pub(super) mod testing {
    use std::sync::Arc;

    use tch::{Device, Kind};

    use super::Optimizer;
    use crate::params::{Layout, Params};
    use crate::tensors::Tensors;

    /// Where `optimizer` goes from `start` in as many steps as there are `gradients`, in f64.
    pub fn path(optimizer: &mut dyn Optimizer, rate: f64, start: [f64; 2], gradients: &[[f64; 2]]) -> Vec<[f64; 2]> {
        let layout = Arc::new(Layout::vector("w", 2));
        let mut w = Params::zeros_on(&layout, Kind::Double, Device::Cpu).unwrap();
        w.as_mut_slice::<f64>().unwrap().copy_from_slice(&start);
        let mut grad = w.zeros_like().unwrap();
        let step = |gradient: &[f64; 2]| {
            grad.as_mut_slice::<f64>().unwrap().copy_from_slice(gradient);
            optimizer.step(rate, &grad, &mut w).unwrap();
            let w = w.as_slice::<f64>().unwrap();
            [w[0], w[1]]
        };
        gradients.iter().map(step).collect()
    }

    /// The same, where a fresh optimiser takes over the first one's state after two steps.
    pub fn path_with_a_stop(
        make: impl Fn() -> Box<dyn Optimizer>,
        rate: f64,
        start: [f64; 2],
        gradients: &[[f64; 2]],
    ) -> Vec<[f64; 2]> {
        let mut first = make();
        let mut steps = path(first.as_mut(), rate, start, &gradients[..2]);
        let mut second = make();
        second.restore(&first.state()).unwrap();
        steps.extend(path(second.as_mut(), rate, steps[1], &gradients[2..]));
        steps
    }
}
