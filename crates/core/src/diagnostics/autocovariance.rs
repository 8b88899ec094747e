//! Computes autocovariances of chains by fast Fourier transform.

use realfft::RealFftPlanner;

use super::Draws;
use super::draws::mean;

/// Autocovariance at lags 0 … num_draws − 1, averaged over the chains, each about its own mean:
/// γ_t = mean over chains of (1/N) Σ_{s < N−t} (x_s − x̄)(x_{s+t} − x̄).
///
/// The denominator N at every lag (not N − t) keeps the sequence positive definite (Geyer 1992). The power spectra are
/// summed over the chains first, so that one inverse transform is enough for all; padding to twice the length keeps the
/// chain's end from meeting its beginning.
pub(super) fn mean_autocovariance(draws: &Draws) -> Vec<f64> {
    let n = draws.num_draws();
    if n == 0 || draws.num_chains() == 0 {
        return Vec::new();
    }
    let padded = (2 * n).next_power_of_two();
    let mut planner = RealFftPlanner::<f64>::new();
    let (forward, inverse) = (planner.plan_fft_forward(padded), planner.plan_fft_inverse(padded));
    let mut power = forward.make_output_vec();
    let mut spectrum = forward.make_output_vec();
    let mut signal = forward.make_input_vec();
    for chain in draws.chains() {
        let centre = mean(chain);
        signal.fill(0.0);
        signal.iter_mut().zip(chain).for_each(|(s, x)| *s = x - centre);
        // The only errors are wrong lengths (the plan made these buffers) and an imaginary part at the ends of a
        // spectrum (squared moduli have none).
        if forward.process(&mut signal, &mut spectrum).is_err() {
            return vec![f64::NAN; n];
        }
        power.iter_mut().zip(&spectrum).for_each(|(p, s)| p.re += s.norm_sqr());
    }
    if inverse.process(&mut power, &mut signal).is_err() {
        return vec![f64::NAN; n];
    }
    // The transforms are not normalised: forward then inverse multiplies by `padded`.
    let scale = 1.0 / (padded as f64 * n as f64 * draws.num_chains() as f64);
    signal[..n].iter().map(|x| x * scale).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transform_equals_the_sum_of_products() {
        let chains = [[1.0, 4.0, 2.0, 8.0, 5.0], [0.0, -1.0, 3.0, 3.0, 2.0]];
        let direct = |lag: usize| {
            let one = |x: &[f64; 5]| {
                let m = mean(x);
                (0..5 - lag).map(|s| (x[s] - m) * (x[s + lag] - m)).sum::<f64>() / 5.0
            };
            (one(&chains[0]) + one(&chains[1])) / 2.0
        };
        let fast = mean_autocovariance(&Draws::new(&chains));
        for (lag, value) in fast.iter().enumerate() {
            assert!((value - direct(lag)).abs() < 1e-13, "lag {lag}");
        }
    }
}
