//! Computes quantiles of the normal and the Student t law.

use std::f64::consts::FRAC_PI_2;

/// Quantile Φ⁻¹(p) of the standard normal law for 0 < p < 1, to about 16 digits.
///
/// *Reference*: Wichura (1988), Algorithm AS 241 (PPND16), Applied Statistics 37(3): rational approximations in
/// q = p − ½ near the centre and in r = √(−ln min(p, 1−p)) in the tails.
pub(crate) fn normal_quantile(p: f64) -> f64 {
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180625 - q * q; // 0.425² − q²
        return q * polynomial(&CENTRE[0], r) / polynomial(&CENTRE[1], r);
    }
    let r = (-p.min(1.0 - p).ln()).sqrt();
    let z = if r <= 5.0 {
        polynomial(&TAIL[0], r - 1.6) / polynomial(&TAIL[1], r - 1.6)
    } else {
        polynomial(&FAR_TAIL[0], r - 5.0) / polynomial(&FAR_TAIL[1], r - 5.0)
    };
    z.copysign(q)
}

/// Quantile of Student's t law with `nu` degrees of freedom for ½ < p < 1; `nu` may be infinite, and below 1 counts as 1.
///
/// At p = 0.95 exact for ν = 1 and 2, within 2e-5 from ν = 2.5, 1e-3 from 1.9, and up to 18 % too large between 1 and 1.9:
/// there it serves only chains with two or three effective draws in all.
///
/// *Reference*: Hill (1970), Algorithm 396, Communications of the ACM 13(10): an asymptotic expansion in 1/(ν − ½) about
/// the normal quantile, and another in the far tail.
pub(super) fn student_quantile(p: f64, nu: f64) -> f64 {
    let tails = 2.0 * (1.0 - p); // both tails together, as in Hill
    if nu > 1e9 {
        return normal_quantile(p);
    }
    if nu <= 1.0 {
        return 1.0 / (tails * FRAC_PI_2).tan();
    }
    if nu == 2.0 {
        return (2.0 / (tails * (2.0 - tails)) - 2.0).sqrt();
    }
    let a = 1.0 / (nu - 0.5);
    let b = 48.0 / (a * a);
    let mut c = ((20700.0 * a / b - 98.0) * a - 16.0) * a + 96.36;
    let d = ((94.5 / (b + c) - 3.0) / b + 1.0) * (a * FRAC_PI_2).sqrt() * nu;
    let mut y = (d * tails).powf(2.0 / nu);
    if y > 0.05 + a {
        let x = -normal_quantile(p);
        y = x * x;
        if nu < 5.0 {
            c += 0.3 * (nu - 4.5) * (x + 0.6);
        }
        c += (((0.05 * d * x - 5.0) * x - 7.0) * x - 2.0) * x + b;
        y = (((((0.4 * y + 6.3) * y + 36.0) * y + 94.5) / c - y - 3.0) / b + 1.0) * x;
        y = (a * y * y).exp_m1();
    } else {
        let tail = 1.0 / (((nu + 6.0) / (nu * y) - 0.089 * d - 0.822) * (nu + 2.0) * 3.0);
        y = ((tail + 0.5 / (nu + 4.0)) * y - 1.0) * (nu + 1.0) / (nu + 2.0) + 1.0 / y;
    }
    (nu * y).sqrt()
}

/// Σ c_i x^i.
fn polynomial(c: &[f64], x: f64) -> f64 {
    c.iter().rev().fold(0.0, |sum, c| sum * x + c)
}

/// Numerator and denominator for |p − ½| ≤ 0.425, in 0.425² − (p − ½)².
const CENTRE: [[f64; 8]; 2] = [
    [
        3.387_132_872_796_366_5,
        133.141_667_891_784_38,
        1_971.590_950_306_551_3,
        13_731.693_765_509_46,
        45_921.953_931_549_87,
        67_265.770_927_008_7,
        33_430.575_583_588_13,
        2_509.080_928_730_122_7,
    ],
    [
        1.0,
        42.313_330_701_600_91,
        687.187_007_492_057_9,
        5_394.196_021_424_751,
        21_213.794_301_586_597,
        39_307.895_800_092_71,
        28_729.085_735_721_943,
        5_226.495_278_852_854,
    ],
];

/// Numerator and denominator for r ≤ 5 (p above 1.4e-11), in r − 1.6.
const TAIL: [[f64; 8]; 2] = [
    [
        1.423_437_110_749_683_5,
        4.630_337_846_156_546,
        5.769_497_221_460_691,
        3.647_848_324_763_204_5,
        1.270_458_252_452_368_4,
        0.241_780_725_177_450_6,
        0.022_723_844_989_269_184,
        7.745_450_142_783_414e-4,
    ],
    [
        1.0,
        2.053_191_626_637_759,
        1.676_384_830_183_803_8,
        0.689_767_334_985_1,
        0.148_103_976_427_480_08,
        0.015_198_666_563_616_457,
        5.475_938_084_995_345e-4,
        1.050_750_071_644_416_9e-9,
    ],
];

/// Numerator and denominator beyond, in r − 5.
const FAR_TAIL: [[f64; 8]; 2] = [
    [
        6.657_904_643_501_103,
        5.463_784_911_164_114,
        1.784_826_539_917_291_3,
        0.296_560_571_828_504_87,
        0.026_532_189_526_576_124,
        0.001_242_660_947_388_078_4,
        2.711_555_568_743_487_6e-5,
        2.010_334_399_292_288_1e-7,
    ],
    [
        1.0,
        0.599_832_206_555_888,
        0.136_929_880_922_735_8,
        0.014_875_361_290_850_615,
        7.868_691_311_456_133e-4,
        1.846_318_317_510_054_7e-5,
        1.421_511_758_316_446e-7,
        2.044_263_103_389_939_8e-15,
    ],
];

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
    }

    /// Values of SciPy 1.17.1, `scipy.stats.t.ppf(0.95, nu)`.
    #[test]
    fn student_quantiles_are_as_exact_as_the_doc_says() {
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
            let tolerance = match nu {
                1.0 | 2.0 => 1e-14,
                1.0..1.9 => 0.06,
                1.9..2.5 => 1e-3,
                _ => 2e-5,
            };
            let relative = student_quantile(0.95, nu) / t - 1.0;
            assert!(relative.abs() < tolerance, "ν {nu}: {relative:e}");
        }
        assert_eq!(student_quantile(0.95, f64::INFINITY), normal_quantile(0.95));
        assert!(student_quantile(0.95, f64::NAN).is_nan());
    }
}
