//! Computes how much each point of a curve counts at a place t: w(t) = Σ_i c_i(t)·w_i over n points.
//!
//! | curve | c_i(t) |
//! |---|---|
//! | chain | on leg l = ⌊t·(n − 1)⌋, with s = t·(n − 1) − l: c_l = 1 − s, c_(l+1) = s, else 0 |
//! | Bézier | C(n − 1, i)·tⁱ·(1 − t)^(n − 1 − i) |
//!
//! Within [0, 1] the chain's are max(0, 1 − |t·(n − 1) − i|). Outside, its first and last leg continue straight, and the polynomial continues.
//! They add up to 1 everywhere, and ∂w(t)/∂w_i = c_i(t).
//!
//! *Reference*: Garipov et al. 2018, <https://arxiv.org/abs/1802.10026>, equations 3 and 4.
//! *Tested by* their published values, the sum, the ends, de Casteljau's construction, below.

use crate::config::paths::CurveShape;

/// The weights c of `num_points` points (2 or more) at place `t`.
pub(super) fn weights(shape: CurveShape, num_points: usize, t: f64) -> Vec<f64> {
    debug_assert!(num_points >= 2);
    match shape {
        CurveShape::Chain => {
            let place = t * (num_points - 1) as f64;
            let leg = place.floor().clamp(0.0, (num_points - 2) as f64);
            let mut weights = vec![0.0; num_points];
            weights[leg as usize] = 1.0 - (place - leg);
            weights[leg as usize + 1] = place - leg;
            weights
        }
        CurveShape::Bezier => {
            let degree = num_points as i32 - 1;
            let mut binomial = 1.0;
            let weight = |i: i32| {
                let weight = binomial * t.powi(i) * (1.0 - t).powi(degree - i);
                binomial *= f64::from(degree - i) / f64::from(i + 1);
                weight
            };
            (0..=degree).map(weight).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPES: [CurveShape; 2] = [CurveShape::Chain, CurveShape::Bezier];

    fn assert_close(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?}, not {expected:?}");
    }

    #[test]
    fn three_points_have_the_published_weights() {
        assert_close(&weights(CurveShape::Chain, 3, 0.7), &[0.0, 0.6, 0.4]);
        assert_close(&weights(CurveShape::Bezier, 3, 0.7), &[0.09, 0.42, 0.49]);
        // One bend, as two formulas: (1 − 2t)·w₁ + 2t·θ up to the middle, (2t − 1)·w₂ + 2(1 − t)·θ from there, and beyond the end.
        for t in [0.1, 0.5, 0.9, 1.0, 1.3] {
            let expected = if t <= 0.5 { [1.0 - 2.0 * t, 2.0 * t, 0.0] } else { [0.0, 2.0 * (1.0 - t), 2.0 * t - 1.0] };
            assert_close(&weights(CurveShape::Chain, 3, t), &expected);
        }
    }

    #[test]
    fn weights_add_up_to_1_and_ends_are_the_first_and_the_last_point() {
        for shape in SHAPES {
            for n in 2..8 {
                for t in [-0.25, 0.0, 0.3, 0.5, 0.99, 1.0, 1.5] {
                    assert!((weights(shape, n, t).iter().sum::<f64>() - 1.0).abs() < 1e-9, "{shape:?}, {n}, {t}");
                }
                let mut ends = [vec![0.0; n], vec![0.0; n]];
                (ends[0][0], ends[1][n - 1]) = (1.0, 1.0);
                assert_eq!([weights(shape, n, 0.0), weights(shape, n, 1.0)], ends);
            }
        }
    }

    #[test]
    fn a_chain_within_its_ends_is_made_of_hats() {
        for n in 2..7 {
            for k in 0..=50 {
                let t = k as f64 / 50.0;
                let hat = |i: usize| (1.0 - (t * (n - 1) as f64 - i as f64).abs()).max(0.0);
                assert_close(&weights(CurveShape::Chain, n, t), &(0..n).map(hat).collect::<Vec<_>>());
            }
        }
    }

    /// Repeated interpolation between neighbours ends at the Bézier curve's point.
    #[test]
    fn a_bezier_curve_is_de_casteljau_s() {
        let points = [1.0, -2.0, 0.5, 7.0, 3.0];
        for t in [0.0, 0.2, 0.55, 1.0, 1.2] {
            let mut between = points.to_vec();
            while between.len() > 1 {
                between = between.windows(2).map(|pair| (1.0 - t) * pair[0] + t * pair[1]).collect();
            }
            let weighted = weights(CurveShape::Bezier, 5, t).iter().zip(points).map(|(c, w)| c * w).sum::<f64>();
            assert!((weighted - between[0]).abs() < 1e-12, "t = {t}: {weighted}, not {}", between[0]);
        }
    }
}
