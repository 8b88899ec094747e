//! Computes quantiles of the normal and the Student t law.
//!
//! Both come from the crate `statrs`, but for Student's with many degrees of freedom: its search loses digits there (2·10⁻³ at
//! ν = 3·10⁶ in version 0.19.1) and does not end from ν = 10⁸ on.
//!
//! *Tested by*: values of SciPy, below.

use std::f64::consts::SQRT_2;

use statrs::distribution::{ContinuousCDF, StudentsT};
use statrs::function::erf::erfc_inv;

/// From here on the expansion of [`student_quantile`] is exact to 10⁻¹⁰ for the p of any interval.
const MANY: f64 = 1000.0;

/// Quantile Φ⁻¹(p) = −√2·erfc⁻¹(2p) of the standard normal law for 0 < p < 1, to about 15 digits.
pub(crate) fn normal_quantile(p: f64) -> f64 {
    -SQRT_2 * erfc_inv(2.0 * p)
}

/// Quantile of Student's t law with `nu` degrees of freedom for ½ < p < 1, to 11 digits; `nu` may be infinite, and below 1 counts as 1.
///
/// For large ν, with z = Φ⁻¹(p): t = z + (z³ + z)/(4ν) + (5z⁵ + 16z³ + 3z)/(96ν²) + (3z⁷ + 19z⁵ + 17z³ − 15z)/(384ν³) + ….
///
/// *Reference*: Abramowitz and Stegun (1964), equation 26.7.5.
pub(super) fn student_quantile(p: f64, nu: f64) -> f64 {
    if nu < MANY {
        // Not NaN, and no scale that it would refuse.
        return StudentsT::new(0.0, 1.0, nu.max(1.0)).map_or(f64::NAN, |law| law.inverse_cdf(p));
    }
    let z = normal_quantile(p);
    let z2 = z * z;
    let terms = [
        (z2 + 1.0) / 4.0,
        ((5.0 * z2 + 16.0) * z2 + 3.0) / 96.0,
        (((3.0 * z2 + 19.0) * z2 + 17.0) * z2 - 15.0) / 384.0,
    ];
    z + z * terms.iter().rev().fold(0.0, |sum, term| (sum + term) / nu)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of SciPy 1.17.1, `scipy.stats.norm.ppf`.
    #[test]
    fn normal_quantiles_have_fourteen_digits() {
        let known = [
            (1e-300, -37.0470962993612),
            (1e-20, -9.262340089798409),
            (1e-06, -4.753424308822899),
            (0.0001, -3.7190164854556804),
            (0.003, -2.7477813854449926),
            (0.025, -1.9599639845400545),
            (0.07, -1.4757910281791706),
            (0.1, -1.2815515655446004),
            (0.3, -0.5244005127080409),
            (0.62, 0.3054807880993974),
            (0.92, 1.4050715603096329),
            (0.95, 1.6448536269514722),
            (0.99999, 4.264890793923841),
        ];
        for (p, z) in known {
            assert!((normal_quantile(p) / z - 1.0).abs() < 1e-14, "p {p}");
        }
        assert_eq!(normal_quantile(0.5), 0.0);
        assert!(normal_quantile(f64::NAN).is_nan());
    }

    /// Values of SciPy 1.17.1, `scipy.stats.t.ppf(0.95, nu)`.
    #[test]
    fn student_quantiles_have_eleven_digits() {
        for (nu, t) in [
            (1.0, 6.313751514675037),
            (1.2, 4.79580134680627),
            (1.5, 3.70518082009675),
            (1.9, 3.027539749355894),
            (2.0, 2.9199855803537242),
            (2.1, 2.82733540029975),
            (2.5, 2.5582186141359355),
            (3.0, 2.3533634348018233),
            (4.0, 2.1318467863266495),
            (4.9, 2.024168119264101),
            (5.0, 2.0150483733330233),
            (7.0, 1.8945786050900062),
            (7.3, 1.8829300179564308),
            (12.0, 1.782287555649319),
            (31.0, 1.6955187825458649),
            (99.5, 1.6603123433073295),
            (1234.5, 1.6460888802690194),
            (100000.0, 1.6448688647849696),
            (3300000.0, 1.644854088699829),
            (100000000.0, 1.6448536421891635),
        ] {
            let relative = student_quantile(0.95, nu) / t - 1.0;
            assert!(relative.abs() < 1e-11, "ν {nu}: {relative:e}");
        }
        assert_eq!(student_quantile(0.95, 0.3), student_quantile(0.95, 1.0));
        assert_eq!(student_quantile(0.95, f64::INFINITY), normal_quantile(0.95));
        assert!(student_quantile(0.95, f64::NAN).is_nan());
    }

    /// The p of an interval of 90 %, of its wider halves, and of 99.8 %.
    #[test]
    fn student_quantiles_have_no_step_where_the_expansion_begins() {
        for p in [0.935, 0.95, 0.999] {
            let (below, above) = (student_quantile(p, MANY * (1.0 - 1e-9)), student_quantile(p, MANY));
            assert!((below / above - 1.0).abs() < 1e-10, "p {p}: {below} and {above}");
        }
    }
}
