//! Evaluates a loss that Python computes: hands flat buffers over, takes L back.

use std::sync::Arc;

use llc_core::params::Params;
use llc_core::rng::{Key, Role};
use llc_core::target::{Batch, Centre, LocalPosterior, Target, TargetError, probed};
use numpy::{PyArray1, PyArrayMethods as _};
use pyo3::prelude::*;

use crate::memory::buffer_of;

/// The loss of a `llc._evaluator.Evaluator` around its parameters.
pub struct PythonTarget {
    local: LocalPosterior,
    shared: Arc<Shared>,
}

/// What all chains have in common.
struct Shared {
    evaluator: Py<PyAny>,
    num_samples: u64,
    /// The loss of each sample at w*; `None` where the loss gives no more than a mean.
    centre: Option<Centre>,
    init_loss: f64,
    is_at_minimum: bool,
    probed: Arc<[u64]>,
}

impl PythonTarget {
    /// The loss of `evaluator` around `w_star` at nβ and γ; `key` chooses the samples that probes look at.
    ///
    /// # Errors
    /// [`TargetError`] for nβ or γ out of range, and whatever Python raises.
    pub fn new(
        evaluator: Py<PyAny>,
        w_star: Params,
        (n_beta, gamma): (f64, f64),
        key: Key,
    ) -> Result<PythonTarget, TargetError> {
        let read = |py: Python| {
            let evaluator = evaluator.bind(py);
            let num_samples: u64 = evaluator.getattr("num_samples")?.extract()?;
            let losses: Option<Bound<PyArray1<f64>>> = evaluator.getattr("centre_losses")?.extract()?;
            let losses = losses.map(|losses| losses.readonly().as_slice().map(<[f64]>::to_vec)).transpose()?;
            let init_loss: f64 = evaluator.getattr("init_loss")?.extract()?;
            let is_at_minimum: bool = evaluator.getattr("is_at_minimum")?.extract()?;
            PyResult::Ok((num_samples, losses, init_loss, is_at_minimum))
        };
        let (num_samples, losses, init_loss, is_at_minimum) = Python::attach(read).map_err(TargetError::other)?;
        let centre = losses.map(Centre::new);
        let init_loss = centre.as_ref().map_or(init_loss, Centre::mean);
        let probed = probed(key.role(Role::Probe), num_samples);
        let shared = Shared { evaluator, num_samples, centre, init_loss, is_at_minimum, probed };
        Ok(PythonTarget { local: LocalPosterior::new(n_beta, gamma, w_star)?, shared: Arc::new(shared) })
    }

    /// The same at localisation `gamma`.
    ///
    /// # Errors
    /// As [`PythonTarget::new`].
    pub fn at_gamma(&self, gamma: f64) -> Result<PythonTarget, TargetError> {
        Ok(PythonTarget {
            local: self.local.with_density(self.local.n_beta(), gamma)?,
            shared: Arc::clone(&self.shared),
        })
    }

    /// L_n(w*).
    pub fn init_loss(&self) -> f64 {
        self.shared.init_loss
    }

    /// L(w) on `batch`, by the method of the evaluator that takes a gradient too where there is room for one.
    fn evaluate(&self, w: &Params, batch: Batch, grad: Option<&mut Params>) -> Result<f64, TargetError> {
        let w = buffer_of(w)?;
        let grad = grad.map(|grad| buffer_of(grad)).transpose()?;
        let indices = match batch {
            Batch::Full => None,
            Batch::Probe if !self.probes_a_part() => None,
            Batch::Probe => Some(&*self.shared.probed),
            Batch::Minibatch { indices, .. } => Some(indices),
        };
        Python::attach(|py| {
            // Torch's index type; the permutation's numbers are below n, which a Python integer gave.
            let indices = indices.map(|all| PyArray1::from_iter(py, all.iter().map(|&index| index as i64)));
            let evaluator = self.shared.evaluator.bind(py);
            let loss = match grad {
                Some(grad) => evaluator.call_method1("loss_and_grad", (w, indices, grad)),
                None => evaluator.call_method1("loss", (w, indices)),
            };
            loss?.extract::<f64>()
        })
        .map_err(TargetError::other)
    }
}

impl Target for PythonTarget {
    fn local(&self) -> &LocalPosterior {
        &self.local
    }

    fn loss_and_grad(&mut self, w: &Params, batch: Batch, grad: &mut Params) -> Result<f64, TargetError> {
        self.evaluate(w, batch, Some(grad))
    }

    fn loss(&mut self, w: &Params, batch: Batch) -> Result<f64, TargetError> {
        self.evaluate(w, batch, None)
    }

    fn loss_at_centre(&self, batch: Batch) -> Option<f64> {
        match (&self.shared.centre, batch) {
            (Some(centre), batch) => Some(centre.loss(batch, &self.shared.probed)),
            (None, Batch::Full) => Some(self.shared.init_loss),
            (None, _) => None,
        }
    }

    fn is_at_minimum(&self) -> bool {
        self.shared.is_at_minimum
    }

    fn probes_a_part(&self) -> bool {
        (self.shared.probed.len() as u64) < self.shared.num_samples
    }

    fn use_threads(&mut self, num_threads: usize) {
        // Torch works with another number all the same; a failure shows at the first pass.
        let _ = Python::attach(|py| self.shared.evaluator.call_method1(py, "use_threads", (num_threads,)));
    }

    fn num_samples(&self) -> Option<u64> {
        Some(self.shared.num_samples)
    }

    fn with_density(&self, n_beta: f64, gamma: f64) -> Result<Box<dyn Target>, TargetError> {
        let local = self.local.with_density(n_beta, gamma)?;
        Ok(Box::new(PythonTarget { local, shared: Arc::clone(&self.shared) }))
    }
}
