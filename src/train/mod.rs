//! Trains any target from a start: minibatch gradients, an optimiser, a learning rate.
//!
//! One file an optimiser, one loop for all of them ([`Trainer`]). Nothing here knows a model: the loss and its gradient come from a
//! [`Target`](crate::target::Target), its minibatches from [`crate::data::minibatch`].

mod adam;
mod sgd;
mod trainer;

pub use adam::Adam;
pub use sgd::Sgd;
pub use trainer::{Losses, TrainError, Trained, Trainer};

use tch::TchError;

use crate::params::Params;

/// Turns gradients into steps; it keeps what it needs from one step to the next.
pub trait Optimizer {
    /// Moves `w` by one step at `learning_rate`, given the gradient of the loss at `w`.
    ///
    /// # Errors
    /// Whatever libtorch reports.
    fn step(&mut self, learning_rate: f64, grad: &Params, w: &mut Params) -> Result<(), TchError>;
}

#[cfg(test)]
pub(crate) mod testing {
    use std::sync::Arc;

    use tch::{Device, Kind};

    use super::Optimizer;
    use crate::params::{Layout, Params};

    /// Where `optimizer` goes from `start` in as many steps as there are `gradients`, in f64.
    pub fn path(optimizer: &mut dyn Optimizer, rate: f64, start: [f64; 2], gradients: &[[f64; 2]]) -> Vec<[f64; 2]> {
        let layout = Arc::new(Layout::vector("w", 2));
        let mut w = Params::zeros(&layout, Kind::Double, Device::Cpu).unwrap();
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
}
