//! Tests equilibrium and step size by the virial identity, tensor by tensor.
//!
//! Integration by parts under p ∝ exp(−U) gives E[Σ_{i∈k} (w_i − w*_i)·∂U/∂w_i] = d_k for every block k of d_k parameters,
//! whatever the loss. The ratio of the sampled mean to d_k is below 1 where directions have not relaxed from w* and above 1
//! where the step is too large (SGLD on a quadratic: 1/(1 − εa/4)). Gradients from minibatches do, if they are
//! independent of w.
//!
//! *Reference*: the degree-2 polynomial case of Stein's identity; derived for this project. *Tested by* the law below.

use super::{Draws, Estimate};

/// Ratio mean(`sums`)/`num_parameters`, 1 at equilibrium, with its Monte Carlo standard error.
///
/// `sums` `[num_chains, num_draws]` holds Σ (w − w*)·∇U over one tensor (or all) at each kept draw, `num_parameters` its
/// size d_k.
///
/// ```
/// use llc_core::diagnostics::{Draws, virial_ratio};
///
/// let sums = Draws::new(&[[9.0, 11.0, 10.0, 8.0, 12.0, 10.0]]);
/// assert_eq!(virial_ratio(&sums, 10).value, 1.0);
/// ```
pub fn virial_ratio(sums: &Draws, num_parameters: usize) -> Estimate {
    let per_parameter = sums.map(|s| s / num_parameters as f64);
    Estimate::from_influence(per_parameter.mean(), &per_parameter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::testing::{SIGMA, ar1};

    /// SGLD at a finite step on U = a w²/2: w is an AR(1) with variance 1/(a(1 − εa/4)), and (w − w*)∇U = a w².
    #[test]
    fn a_finite_step_shows_as_its_closed_form_and_not_as_one() {
        let (a, epsilon) = (2.0, 0.4f64);
        let sd = (1.0 / (a * (1.0 - epsilon * a / 4.0))).sqrt();
        let sums = ar1(11, 4, 4000, 1.0 - epsilon * a / 2.0).map(|w| a * (sd * w) * (sd * w));
        let ratio = virial_ratio(&sums, 1);
        assert!(ratio.z(1.25).abs() < SIGMA, "{ratio:?}");
        assert!(ratio.z(1.0) > SIGMA, "{ratio:?}");
    }
}
