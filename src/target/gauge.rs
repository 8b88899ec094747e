//! Moves a deep linear network along its fibre: to other layers with the same product.
//!
//! W_l → W_l·Q, W_(l+1) → Q⁻¹·W_(l+1) leaves the loss as it is for every invertible Q, and only γ distinguishes the points. Drawing one
//! layer at a time crawls along these orbits where they are narrow (one hidden unit, and w₁w₂ fixed to within 1/√nβ); a move by a
//! group element crosses them at once. Two kinds, for every hidden layer:
//!
//! - **scaling** of hidden unit j by c = e^(s·z): with a = ‖column j of W_l‖², b = ⟨that, its w*⟩, a′, b′ the same of row j of W_(l+1),
//!   ln π(c) = −γ/2·(a·c² − 2b·c + a′/c² − 2b′/c) + (H_(l−1) − H_(l+1))·ln c. The last term is the move's Jacobian: of H_(l−1) elements
//!   that grow by c and H_(l+1) that shrink by it.
//! - **rotation** of two hidden units by an angle, uniform on (−π, π): orthogonal, so that its Jacobian is 1.
//!
//! Each is accepted with probability min(1, π(moved)/π(1)) against the group's invariant measure (d ln c, dθ), which leaves the
//! posterior invariant.
//!
//! *Reference*: Liu and Sabatti, Biometrika 87 (2000), <https://doi.org/10.1093/biomet/87.2.353>, theorem 1.
//!
//! *Tested by*: the virial identity per layer, which a lost Jacobian breaks, below.

use crate::params::Params;
use crate::rng::{Key, fill_normal};

/// Deviations of ln c that are tried in turn: one crosses a narrow orbit, the other still moves where γ holds it.
const LOG_SCALES: [f64; 2] = [1.0, 0.2];

/// Moves `w` along the fibre of its product, for the density with strength `gamma` around `w_star`. Both f64 on the CPU; others stay.
pub fn move_along_fibre(key: Key, gamma: f64, w_star: &Params, w: &mut Params) {
    move_with_jacobian(key, gamma, w_star, w, 1.0);
}

/// As [`move_along_fibre`] with `jacobian` = 1; the tests spoil it.
fn move_with_jacobian(key: Key, gamma: f64, w_star: &Params, w: &mut Params, jacobian: f64) {
    let layout = w.layout().clone();
    let (Some(w_star), Some(w)) = (w_star.as_slice::<f64>(), w.as_mut_slice::<f64>()) else { return };
    for l in 0..layout.specs().len().saturating_sub(1) {
        let key = key.part(l as u64);
        let (first, second) = (layout.range(l), layout.range(l + 1));
        let (_, rest) = w.split_at_mut(first.start);
        let (into, rest) = rest.split_at_mut(first.len());
        let out = &mut rest[..second.len()];
        let mut pair = Hidden {
            into,
            into_star: &w_star[first],
            out,
            out_star: &w_star[second],
            units: layout.specs()[l].shape[1] as usize,
            outputs: layout.specs()[l + 1].shape[1] as usize,
        };
        let inputs = layout.specs()[l].shape[0] as f64;
        let exponent = jacobian * (inputs - pair.outputs as f64);
        for (attempt, scale) in LOG_SCALES.into_iter().enumerate() {
            let key = key.step(attempt as u64);
            let mut z = vec![0.0; pair.units];
            fill_normal(key, 0, &mut z);
            for (unit, z) in z.into_iter().enumerate() {
                let log_c = scale * z;
                let change = pair.scaling(unit, gamma, log_c.exp()) + exponent * log_c;
                if key.uniform(unit as u64).ln() < change {
                    pair.scale(unit, log_c.exp());
                }
            }
        }
        // Neighbours and, one unit further each sweep, all other pairs: a rotation of each unit with one other.
        let key = key.step(LOG_SCALES.len() as u64);
        let apart = 1 + key.below(0, pair.units.saturating_sub(1).max(1) as u64) as usize;
        for unit in 0..pair.units {
            let other = (unit + apart) % pair.units;
            if other == unit {
                continue;
            }
            let angle = std::f64::consts::PI * (2.0 * key.uniform(2 * unit as u64 + 1) - 1.0);
            let change = pair.rotation(unit, other, gamma, angle);
            if key.uniform(2 * unit as u64 + 2).ln() < change {
                pair.rotate(unit, other, angle);
            }
        }
    }
}

/// The two layers around a row of hidden units: W_l `[inputs, units]` and W_(l+1) `[units, outputs]`, row by row.
struct Hidden<'a> {
    into: &'a mut [f64],
    into_star: &'a [f64],
    out: &'a mut [f64],
    out_star: &'a [f64],
    units: usize,
    outputs: usize,
}

impl Hidden<'_> {
    fn row(&self, unit: usize) -> std::ops::Range<usize> {
        unit * self.outputs..(unit + 1) * self.outputs
    }

    /// ln π(c) − ln π(1) without the Jacobian.
    fn scaling(&self, unit: usize, gamma: f64, c: f64) -> f64 {
        let [mut a, mut b, mut a_out, mut b_out] = [0.0; 4];
        for (w, w_star) in self.into.iter().zip(self.into_star).skip(unit).step_by(self.units) {
            a += w * w;
            b += w * w_star;
        }
        for (w, w_star) in self.out[self.row(unit)].iter().zip(&self.out_star[self.row(unit)]) {
            a_out += w * w;
            b_out += w * w_star;
        }
        let change =
            a * (c * c - 1.0) - 2.0 * b * (c - 1.0) + a_out * (1.0 / (c * c) - 1.0) - 2.0 * b_out * (1.0 / c - 1.0);
        -0.5 * gamma * change
    }

    fn scale(&mut self, unit: usize, c: f64) {
        self.into.iter_mut().skip(unit).step_by(self.units).for_each(|w| *w *= c);
        let row = self.row(unit);
        self.out[row].iter_mut().for_each(|w| *w /= c);
    }

    /// ln π(θ) − ln π(0): norms don't change, so that only the products with w* count.
    fn rotation(&self, unit: usize, other: usize, gamma: f64, angle: f64) -> f64 {
        let (sin, cos) = angle.sin_cos();
        let mut change = 0.0;
        for (row, row_star) in self.into.chunks_exact(self.units).zip(self.into_star.chunks_exact(self.units)) {
            let (u, v) = (row[unit], row[other]);
            change += (cos * u - sin * v - u) * row_star[unit] + (sin * u + cos * v - v) * row_star[other];
        }
        for (i, j) in self.row(unit).zip(self.row(other)) {
            let (u, v) = (self.out[i], self.out[j]);
            change += (cos * u - sin * v - u) * self.out_star[i] + (sin * u + cos * v - v) * self.out_star[j];
        }
        gamma * change
    }

    fn rotate(&mut self, unit: usize, other: usize, angle: f64) {
        let (sin, cos) = angle.sin_cos();
        for row in self.into.chunks_exact_mut(self.units) {
            let (u, v) = (row[unit], row[other]);
            (row[unit], row[other]) = (cos * u - sin * v, sin * u + cos * v);
        }
        for (i, j) in self.row(unit).zip(self.row(other)) {
            let (u, v) = (self.out[i], self.out[j]);
            (self.out[i], self.out[j]) = (cos * u - sin * v, sin * u + cos * v);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::dln::{InputDist, Truth};
    use crate::data::synthetic::SyntheticInputs;
    use crate::diagnostics::{Draws, virial_ratio};
    use crate::model::deep_linear::{draw_truth, product};
    use crate::target::{Batch, ConditionalDraw, DeepLinear, LocalPosterior, Target};
    use crate::update::virial_terms;

    fn target() -> DeepLinear {
        let truth = draw_truth(&Truth::Random, Key::new(3), &[5, 3, 2]).unwrap();
        let inputs = SyntheticInputs::new(Key::new(5), InputDist::Uniform, 5, 200);
        let local = LocalPosterior::new(0.1, 2.0, truth.w_star).unwrap();
        DeepLinear::new(inputs, local, &std::sync::atomic::AtomicBool::new(false)).unwrap()
    }

    #[test]
    fn moves_leave_the_product_as_it_is() {
        let target = target();
        let mut w = target.local().w_star().try_clone().unwrap();
        let before = product(&w).unwrap();
        let start = w.try_clone().unwrap();
        for step in 0..20 {
            move_along_fibre(Key::new(step), 2.0, target.local().w_star(), &mut w);
        }
        let change: f64 = (product(&w).unwrap() - before).abs().max().double_value(&[]);
        assert!(change < 1e-12, "{change}");
        assert!(crate::update::squared_distance(&w, &start).unwrap() > 1e-3, "it moves");
    }

    const NUM_CHAINS: usize = 4;

    /// z-scores of E[(W_l − W*_l)·∇U] = d_l for both layers, over sweeps of exact draws with fibre moves between them.
    fn virial_scores(jacobian: f64) -> Vec<f64> {
        let mut target = target();
        let mut terms = [vec![Vec::new(); NUM_CHAINS], vec![Vec::new(); NUM_CHAINS]];
        let [first, second] = &mut terms;
        for (chain, (first, second)) in first.iter_mut().zip(second).enumerate() {
            let mut w = target.local().w_star().try_clone().unwrap();
            let mut grad = w.zeros_like().unwrap();
            for step in 0..6000u64 {
                let key = Key::new(11).chain(chain).step(step);
                move_with_jacobian(key.part(9), 2.0, target.local().w_star(), &mut w, jacobian);
                target.begin_sweep(&w).unwrap();
                for block in 0..2 {
                    target.draw_block(key.part(block as u64), block, &mut w).unwrap();
                }
                // Taken after a further move, to test the state that the move leaves.
                let mut moved = w.try_clone().unwrap();
                move_with_jacobian(key.part(8), 2.0, target.local().w_star(), &mut moved, jacobian);
                target.loss_and_grad(&moved, Batch::Full, &mut grad).unwrap();
                let both = virial_terms(target.local(), &grad, &moved).unwrap();
                first.push(both[0]);
                second.push(both[1]);
            }
        }
        [15, 6].iter().zip(&terms).map(|(&d, chains)| virial_ratio(&Draws::new(chains), d).z(1.0)).collect()
    }

    #[test]
    fn the_posterior_is_invariant_and_a_lost_jacobian_is_found_out() {
        let right = virial_scores(1.0);
        assert!(right.iter().all(|z| z.abs() < 6.0), "{right:.1?}");
        let wrong = virial_scores(0.0);
        assert!(wrong.iter().any(|z| z.abs() > 6.0), "{wrong:.1?}");
    }
}
