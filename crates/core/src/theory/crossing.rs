//! Gives the exact mean of nβ·K at finite nβ and γ for normal crossings K(w) = Π w_i^{2k_i} of two or three coordinates, the first
//! with k_1 = 1.
//!
//! Given the others, w₁ is normal with precision 2t·c + γ, where t = nβ and c = Π_{i>1} w_i^{2k_i}. Integrating it out leaves
//!   E[t·K] = ½·⟨2t·c/(2t·c + γ)⟩,   ⟨·⟩ the mean under ∝ exp(−γ/2·Σ_{i>1} w_i²)/√(2t·c + γ).
//! Every term is positive. What is left turns over where 2t·c = γ, so that each coordinate is w = s·sinh u with s that scale: the
//! integrand is then smooth at every t, and the trapezoidal rule exact.
//!
//! *Reference*: derived for this project. *Tested by*: the tests below, against [`super::ProductOfSquares`], a sum over a plain grid, and
//! λ − (m − 1)/ln(nβ).

use super::coefficient::LearningCoefficient;
use super::invalid_argument::{InvalidArgument, positive};
use super::monomial::Monomial;
use super::quadrature::{CUTOFF, even_integrals};

/// Step of the rule in u.
const STEP: f64 = 0.05;

/// K(w) = w₁²·w₂^{2k₂}, or w₁²·w₂^{2k₂}·w₃^{2k₃}.
///
/// ```
/// use llc_core::theory::Crossing;
///
/// let crossing = Crossing::new(&[1, 2])?; // w₁²·w₂⁴
/// assert_eq!(crossing.learning_coefficient().to_string(), "1/4");
/// let mean = crossing.scaled_loss_mean(1e8, 1.0)?;
/// assert!((mean - 0.25).abs() < 0.02);
/// # Ok::<(), llc_core::theory::InvalidArgument>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crossing {
    exponents: Vec<u32>,
}

impl Crossing {
    /// Π w_i^{2k_i} with k = `exponents`.
    ///
    /// # Errors
    ///
    /// A first k other than 1, one of 0 or above 10, or another number of them than two or three.
    pub fn new(exponents: &[u32]) -> Result<Self, InvalidArgument> {
        let refused =
            |value: u32, requirement| Err(InvalidArgument { name: "exponent", value: f64::from(value), requirement });
        match exponents {
            [1, others @ ..] if (1..=2).contains(&others.len()) => {
                match others.iter().find(|k| !(1..=10).contains(*k)) {
                    Some(&k) => refused(k, "from 1 to 10"),
                    None => Ok(Self { exponents: exponents.to_vec() }),
                }
            }
            [first, ..] if *first != 1 => refused(*first, "1 for the first coordinate"),
            _ => refused(exponents.len() as u32, "one of two or three"),
        }
    }

    /// λ = min 1/(2k_i), and m, the number of coordinates that attain it.
    pub fn learning_coefficient(&self) -> LearningCoefficient {
        // Exponents of one list, each at least 1, are those of a normal crossing.
        let jacobian = vec![0; self.exponents.len()];
        Monomial::new(&self.exponents, &jacobian)
            .map_or_else(|_| LearningCoefficient::new(Default::default(), 1), |known| known.learning_coefficient())
    }

    /// E[nβ·K] under ∝ exp(−nβ·K − γ/2·‖w‖²).
    ///
    /// # Errors
    ///
    /// Either number not positive and finite: with γ = 0 the density can't be normalised.
    pub fn scaled_loss_mean(&self, n_beta: f64, gamma: f64) -> Result<f64, InvalidArgument> {
        let (t, gamma) = (positive("n_beta", n_beta)?, positive("gamma", gamma)?);
        let turn = gamma / (2.0 * t);
        let [mass, first] = match self.exponents[1..] {
            [k] => over_one(k, turn, gamma),
            [k, l] => over_two(k, l, turn, gamma),
            // `new` saw two or three coordinates.
            _ => [1.0, 0.0],
        };
        Ok(0.5 * first / mass)
    }
}

/// Where exp(−γ/2·w²) has vanished.
fn reach(gamma: f64) -> f64 {
    (2.0 * CUTOFF / gamma).sqrt()
}

/// The integrals of 1 and c/(c + `turn`) against exp(−γ/2·v²)/√(c + turn), c = v^{2k}.
fn over_one(k: u32, turn: f64, gamma: f64) -> [f64; 2] {
    let scale = turn.powf(0.5 / f64::from(k)).min(1.0 / gamma.sqrt());
    along(scale, gamma, |v| {
        let c = v.powi(2 * k as i32);
        [1.0 / (c + turn).sqrt(), c / (c + turn).powf(1.5)]
    })
}

/// The same over v and x, c = v^{2k}·x^{2l}.
fn over_two(k: u32, l: u32, turn: f64, gamma: f64) -> [f64; 2] {
    let widest = 1.0 / gamma.sqrt();
    // x is at most a few `widest`: below a share of that scale nothing changes with v.
    let scale = (turn.powf(0.5 / f64::from(k)) / widest.powf(f64::from(l) / f64::from(k)) / 8.0).min(widest);
    along(scale, gamma, |v| {
        let factor = v.powi(2 * k as i32);
        let inner = (turn / factor).powf(0.5 / f64::from(l)).min(widest);
        along(inner, gamma, |x| {
            let c = factor * x.powi(2 * l as i32);
            [1.0 / (c + turn).sqrt(), c / (c + turn).powf(1.5)]
        })
    })
}

/// ∫ f(v)·exp(−γ/2·v²) dv over the line for an even f, with v = scale·sinh u.
fn along(scale: f64, gamma: f64, f: impl Fn(f64) -> [f64; 2]) -> [f64; 2] {
    let half_width = (reach(gamma) / scale).asinh();
    let num_points = (half_width / STEP).ceil().max(200.0) as usize;
    let step = half_width / num_points as f64;
    let sums = even_integrals(half_width, num_points, |u| {
        let v = scale * u.sinh();
        let weight = scale * u.cosh() * (-0.5 * gamma * v * v).exp();
        f(v).map(|value| weight * value)
    });
    // The rule's sum is up to its step, which differs from line to line.
    sums.map(|sum| sum * step)
}

#[cfg(test)]
mod tests {
    use super::super::ProductOfSquares;
    use super::*;

    fn mean(exponents: &[u32], n_beta: f64, gamma: f64) -> f64 {
        Crossing::new(exponents).unwrap().scaled_loss_mean(n_beta, gamma).unwrap()
    }

    #[test]
    fn two_squares_have_the_mean_of_the_bessel_functions() {
        for (t, gamma) in [(1.0, 1.0), (1e3, 1.0), (1e5, 7.0), (1e8, 0.5)] {
            let expected = ProductOfSquares::new(t, gamma).unwrap().scaled_loss_mean();
            assert!((mean(&[1, 1], t, gamma) - expected).abs() < 1e-9, "{t} {gamma}");
        }
    }

    /// E[t·K] from K itself, by the midpoint rule over a cube of half-width 7 deviations.
    fn plain(exponents: &[u32], t: f64, num_points: i32) -> f64 {
        let at = |i: i32| 7.0 * (2.0 * (f64::from(i) + 0.5) / f64::from(num_points) - 1.0);
        let dimension = exponents.len() as u32;
        let (mut mass, mut total) = (0.0, 0.0);
        for index in 0..num_points.pow(dimension) {
            let w: Vec<f64> = (0..dimension).map(|i| at(index / num_points.pow(i) % num_points)).collect();
            let k: f64 = w.iter().zip(exponents).map(|(w, &k)| w.powi(2 * k as i32)).product();
            let weight = (-t * k - 0.5 * w.iter().map(|w| w * w).sum::<f64>()).exp();
            mass += weight;
            total += weight * t * k;
        }
        total / mass
    }

    #[test]
    fn means_equal_sums_over_a_plain_grid() {
        assert!((mean(&[1, 2], 5.0, 1.0) - plain(&[1, 2], 5.0, 1000)).abs() < 1e-6);
        assert!((mean(&[1, 1, 1], 2.0, 1.0) - plain(&[1, 1, 1], 2.0, 140)).abs() < 1e-4);
        assert!((mean(&[1, 1, 2], 1.0, 1.0) - plain(&[1, 1, 2], 1.0, 140)).abs() < 1e-3);
    }

    #[test]
    fn means_approach_lambda_with_the_correction_of_the_multiplicity() {
        for exponents in [&[1, 2][..], &[1, 3], &[1, 1, 1], &[1, 2, 2]] {
            let known = Crossing::new(exponents).unwrap().learning_coefficient();
            // ln t = 230, 345: what is beyond the leading correction falls as its square.
            for t in [1e100, 1e150] {
                let off = mean(exponents, t, 1.0) - known.finite_n(t);
                assert!(off.abs() < 30.0 / t.ln().powi(2), "{exponents:?} at {t}: {off}");
            }
        }
    }

    #[test]
    fn exponents_that_are_not_covered_are_refused() {
        for exponents in [&[2, 1][..], &[1], &[1, 0], &[1, 11], &[1, 1, 1, 1], &[]] {
            assert!(Crossing::new(exponents).is_err(), "{exponents:?}");
        }
        assert!(Crossing::new(&[1, 1]).unwrap().scaled_loss_mean(1.0, 0.0).is_err());
    }
}
