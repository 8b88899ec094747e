//! Smooths a curve by Savitzky and Golay: at each point the value of the polynomial that fits its neighbours best.
//!
//! At the ends, where neighbours are missing on one side, the polynomial of the outermost full window is taken, as SciPy's
//! `mode="interp"` does. A curve shorter than the window is returned as it is.
//!
//! *Reference*: Savitzky and Golay (1964), <https://doi.org/10.1021/ac60214a047>. *Tested by*: polynomials of that order, which
//! it must leave alone, and the published weights of window 5, order 2.

/// `values` smoothed by windows of `window` points (odd) and polynomials of `order` < `window`.
pub fn smooth(values: &[f64], window: usize, order: usize) -> Vec<f64> {
    if values.len() < window || window < 2 || order >= window {
        return values.to_vec();
    }
    let half = window / 2;
    let last = values.len() - window;
    let at = |i: usize| {
        // The window that i is in, and where.
        let start = i.saturating_sub(half).min(last);
        let place = i as f64 - start as f64 - half as f64;
        let weights = weights(half, order, place);
        weights.iter().zip(&values[start..start + window]).map(|(weight, value)| weight * value).sum()
    };
    (0..values.len()).map(at).collect()
}

/// What each of the values at −half..=half counts in the fitted polynomial's value at `place`: Σ_k p_k(place)·p_k(j)/‖p_k‖², with
/// p_k the discrete orthogonal (Gram) polynomials, by their three-term recurrence.
fn weights(half: usize, order: usize, place: f64) -> Vec<f64> {
    let points: Vec<f64> = (0..=2 * half).map(|j| j as f64 - half as f64).collect();
    let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
    let (mut before, mut before_at) = (vec![0.0; points.len()], 0.0);
    let (mut now, mut now_at) = (vec![1.0; points.len()], 1.0);
    let mut norm_before = 1.0;
    let mut weights = vec![0.0; points.len()];
    for _ in 0..=order {
        let norm = dot(&now, &now);
        for (weight, value) in weights.iter_mut().zip(&now) {
            *weight += now_at * value / norm;
        }
        // The points are symmetric, so that p_(k+1) = j·p_k − (‖p_k‖²/‖p_(k−1)‖²)·p_(k−1).
        let ratio = norm / norm_before;
        let next: Vec<f64> =
            points.iter().zip(&now).zip(&before).map(|((j, now), before)| j * now - ratio * before).collect();
        let next_at = place * now_at - ratio * before_at;
        (before, before_at, norm_before) = (now, now_at, norm);
        (now, now_at) = (next, next_at);
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polynomials_of_its_order_are_left_alone() {
        let cubic: Vec<f64> = (0..30).map(f64::from).map(|x| 0.01 * x * x * x - 0.2 * x * x + x - 3.0).collect();
        for (smoothed, value) in smooth(&cubic, 11, 3).iter().zip(&cubic) {
            assert!((smoothed - value).abs() < 1e-9, "{smoothed} for {value}");
        }
    }

    #[test]
    fn the_centre_weights_of_window_5_and_order_2_are_the_published_ones() {
        for (weight, published) in weights(2, 2, 0.0).iter().zip([-3.0, 12.0, 17.0, 12.0, -3.0]) {
            assert!((weight - published / 35.0).abs() < 1e-12);
        }
    }

    #[test]
    fn a_short_curve_is_returned_as_it_is() {
        assert_eq!(smooth(&[1.0, 5.0], 11, 3), [1.0, 5.0]);
    }
}
