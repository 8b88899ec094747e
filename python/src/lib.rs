//! The extension module `llc._llc`: runs the samplers of [`llc_core`] on a loss that Python computes.
//!
//! Python holds the model, the data and the loss (`llc/_evaluator.py`); it gives L(w) and ∇L(w) for a flat buffer. Everything else, from
//! the chains to the verdict and the record, is the code that the program `llc` runs. Buffers are NumPy arrays in the host's memory, so that
//! neither side copies them ([`memory`]).

mod memory;
mod progress;
mod run;
mod target;
mod theory;

/// What `llc/_llc.pyi` describes.
#[pyo3::pymodule]
mod _llc {
    #[pymodule_export]
    use crate::run::{Cancel, estimate, gamma_around, render};
    #[pymodule_export]
    use crate::theory::theory_dln;
}
