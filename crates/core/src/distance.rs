//! Measures how far draws lie from the centre, tensor by tensor: √E‖w_l − w*_l‖².
//!
//! The squares add up to the square of the radius that every run reports.

use crate::memory::MemoryError;
use crate::params::Params;
use crate::update;

/// Σ‖w_l − w*_l‖² over draws, per tensor.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TensorDistances {
    sums: Vec<f64>,
    num_draws: u64,
}

impl TensorDistances {
    /// Adds one draw.
    ///
    /// # Errors
    /// [`MemoryError`] where the device fails.
    pub fn add(&mut self, w: &Params, w_star: &Params) -> Result<(), MemoryError> {
        let num_tensors = w.layout().specs().len();
        self.sums.resize(num_tensors, 0.0);
        for index in 0..num_tensors {
            self.sums[index] += update::squared_distance_within(w.layout().range(index), w, w_star)?;
        }
        self.num_draws += 1;
        Ok(())
    }

    /// Adds the draws of `other`.
    pub fn append(&mut self, other: &TensorDistances) {
        self.sums.resize(self.sums.len().max(other.sums.len()), 0.0);
        self.sums.iter_mut().zip(&other.sums).for_each(|(all, sum)| *all += sum);
        self.num_draws += other.num_draws;
    }

    /// The sums Σ‖w_l − w*_l‖² per tensor, and the number of draws.
    pub fn parts(&self) -> (&[f64], u64) {
        (&self.sums, self.num_draws)
    }

    /// What [`parts`](Self::parts) gave.
    pub fn from_parts(sums: Vec<f64>, num_draws: u64) -> TensorDistances {
        TensorDistances { sums, num_draws }
    }

    /// The root mean square distance of each tensor over all of `chains`; empty where nothing was added.
    pub fn root_mean_square<'a>(chains: impl IntoIterator<Item = &'a TensorDistances>) -> Vec<f64> {
        let mut all = TensorDistances::default();
        chains.into_iter().for_each(|chain| all.append(chain));
        all.sums.iter().map(|sum| (sum / all.num_draws as f64).sqrt()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::params::{FloatType, Layout, ParamSpec};

    #[test]
    fn distances_are_root_mean_squares_over_the_draws_of_all_chains() {
        let spec = |name: &str, len: i64| ParamSpec { name: name.into(), shape: vec![len] };
        let layout = Arc::new(Layout::new(vec![spec("a", 2), spec("b", 1)]));
        for float_type in [FloatType::F64, FloatType::F32] {
            let at = |values: [f64; 3]| {
                let mut w = Params::zeros(&layout, float_type);
                match float_type {
                    FloatType::F64 => w.as_mut_slice().unwrap().copy_from_slice(&values),
                    FloatType::F32 => w.as_mut_slice().unwrap().copy_from_slice(&values.map(|x| x as f32)),
                }
                w
            };
            let centre = at([1.0, 1.0, 1.0]);
            let (mut first, mut second) = (TensorDistances::default(), TensorDistances::default());
            first.add(&at([4.0, 5.0, 1.0]), &centre).unwrap();
            first.add(&at([1.0, 1.0, 3.0]), &centre).unwrap();
            second.add(&at([1.0, 2.0, 2.0]), &centre).unwrap();
            let none = TensorDistances::default();
            let found = TensorDistances::root_mean_square([&first, &none, &second]);
            assert_eq!(found, [(26.0f64 / 3.0).sqrt(), (5.0f64 / 3.0).sqrt()]);
        }
        assert_eq!(TensorDistances::root_mean_square([]), [0.0; 0]);
    }
}
