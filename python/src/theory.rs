//! Gives the exact coefficients to Python.

use llc::report::theory::DeepLinear as Known;
use llc_core::theory::DeepLinear;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// What `llc theory dln --json` prints: of the network with the widths `[H_0, …, H_L]`, input first, and a true map of rank `rank`.
#[pyfunction]
pub fn theory_dln(widths: Vec<usize>, rank: usize) -> PyResult<String> {
    let network = DeepLinear::new(&widths, rank).map_err(|error| PyValueError::new_err(error.to_string()))?;
    serde_json::to_string(&Known::from(&network)).map_err(|error| PyValueError::new_err(error.to_string()))
}
