//! Makes points of parameter space for the tests of this folder.

use std::sync::Arc;

use tch::{Device, Kind};

use crate::params::{Layout, Params};
use crate::tensors::Tensors;

/// One tensor of these elements, in f64.
pub fn params(elements: &[f64]) -> Params {
    let mut w = Params::zeros_on(&Arc::new(Layout::vector("w", elements.len())), Kind::Double, Device::Cpu).unwrap();
    w.as_mut_slice::<f64>().unwrap().copy_from_slice(elements);
    w
}
