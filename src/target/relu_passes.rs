//! Computes the squared error of a ReLU network and its gradient by hand, a tile of samples at a time, in buffers that stay in cache.
//!
//! With h₀ = x, z_l = W_l·h_(l−1) + b_l, h_l = max(0, z_l) and e = z_L − y: δ_L = e, δ_(l−1) = 1[h_(l−1) > 0] ⊙ W_lᵀ·δ_l,
//! ∇_(W_l) L = c·Σ δ_l·h_(l−1)ᵀ, ∇_(b_l) L = c·Σ δ_l, c = 2/(rows·out), the derivative of max(0, z) at 0 being 0. Samples lie side by
//! side in vector lanes, so that a product with a small matrix is a few fused multiply-adds of whole registers; for the layers of ten to
//! forty units that these experiments have, a library's matrix product would be idle most of its time.
//!
//! The gradient's sums over samples are in the network's own precision, sixteen side by side that are added up in f64; the loss is in f64.
//!
//! *Tested by*: gradients against finite differences and against autograd of the same network (`relu_network`).

use std::array::from_fn;
use std::sync::Arc;

use crate::data::synthetic::SyntheticInputs;
use crate::params::Element;
use crate::vectors::vectorised;

/// Samples in one operation.
const LANES: usize = 16;
/// Such groups in a tile: 128 samples, 20 KB of f64 for a layer of twenty units.
const GROUPS: usize = 8;
const TILE: usize = LANES * GROUPS;

/// One number of each of a group of samples.
type Group<T> = [T; LANES];

/// All samples in tiles: unit by unit, [`GROUPS`] groups each.
#[derive(Debug)]
pub(super) struct Samples<T> {
    len: usize,
    inputs: usize,
    x: Vec<Group<T>>,
    outputs: usize,
    y: Vec<Group<T>>,
}

impl<T: Element> Samples<T> {
    /// All of `inputs`, with the outputs of the network of `widths` and parameters `w`.
    pub(super) fn of_network(inputs: &SyntheticInputs, widths: &[usize], w: &[T]) -> Samples<T> {
        let len = inputs.len() as usize;
        let num_tiles = len.div_ceil(TILE);
        let (num_inputs, num_outputs) = (widths[0], widths[widths.len() - 1]);
        let mut x = vec![[T::zero(); LANES]; num_tiles * num_inputs * GROUPS];
        let mut y = vec![[T::zero(); LANES]; num_tiles * num_outputs * GROUPS];
        let mut passes = Passes::new(widths);
        let mut columns = vec![T::zero(); TILE * num_inputs];
        for tile in 0..num_tiles {
            let first = tile * TILE;
            let indices: Vec<u64> = (first..len.min(first + TILE)).map(|index| index as u64).collect();
            let columns = &mut columns[..indices.len() * num_inputs];
            inputs.fill_columns(&indices, columns);
            let x = &mut x[tile * num_inputs * GROUPS..][..num_inputs * GROUPS];
            for (unit, column) in columns.chunks_exact(indices.len()).enumerate() {
                x[unit * GROUPS..][..GROUPS].as_flattened_mut()[..column.len()].copy_from_slice(column);
            }
            vectorised(
                #[inline(always)]
                || passes.forward(w, x, GROUPS),
            );
            y[tile * num_outputs * GROUPS..][..num_outputs * GROUPS].copy_from_slice(passes.prediction());
        }
        Samples { len, inputs: num_inputs, x, outputs: num_outputs, y }
    }

    /// Number of samples n.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Copies the samples `indices`, at most a tile of them, to `x` and `y`.
    fn gather(&self, indices: &[u64], x: &mut [Group<T>], y: &mut [Group<T>]) {
        let copy = |from: &[Group<T>], units: usize, to: &mut [Group<T>]| {
            let (from, to) = (from.as_flattened(), to.as_flattened_mut());
            for (place, &index) in indices.iter().enumerate() {
                let first = (index as usize / TILE) * units * TILE + index as usize % TILE;
                for unit in 0..units {
                    to[unit * TILE + place] = from[first + unit * TILE];
                }
            }
        };
        copy(&self.x, self.inputs, x);
        copy(&self.y, self.outputs, y);
    }
}

/// Buffers for the passes of one tile, and the sums over tiles.
#[derive(Debug)]
pub(super) struct Passes<T> {
    widths: Vec<usize>,
    /// h₁ … h_(L−1) and z_L.
    activations: Vec<Vec<Group<T>>>,
    /// δ₁ … δ_L.
    deltas: Vec<Vec<Group<T>>>,
    /// What the gradient is c times the sum of, in the order of the parameters.
    gradient: Vec<Group<T>>,
    /// A minibatch's samples.
    batch: [Vec<Group<T>>; 2],
}

impl<T: Element> Passes<T> {
    pub(super) fn new(widths: &[usize]) -> Passes<T> {
        let buffer = |&width: &usize| vec![[T::zero(); LANES]; width * GROUPS];
        let num_parameters = widths.windows(2).map(|pair| (pair[0] + 1) * pair[1]).sum();
        Passes {
            widths: widths.to_vec(),
            activations: widths[1..].iter().map(buffer).collect(),
            deltas: widths[1..].iter().map(buffer).collect(),
            gradient: vec![[T::zero(); LANES]; num_parameters],
            batch: [buffer(&widths[0]), buffer(&widths[widths.len() - 1])],
        }
    }

    /// The mean squared error of the network of parameters `w` on `samples`, or on those of `indices`; writes the gradient to `grad`.
    pub(super) fn evaluate(
        &mut self,
        samples: &Arc<Samples<T>>,
        indices: Option<&[u64]>,
        w: &[T],
        grad: Option<&mut [T]>,
    ) -> f64 {
        let mut sum = 0.0;
        self.gradient.fill([T::zero(); LANES]);
        let has_grad = grad.is_some();
        let count = match indices {
            Some(indices) => {
                let [mut x, mut y] = std::mem::take(&mut self.batch);
                for indices in indices.chunks(TILE) {
                    samples.gather(indices, &mut x, &mut y);
                    sum += self.tile(w, &x, &y, indices.len(), has_grad);
                }
                self.batch = [x, y];
                indices.len()
            }
            None => {
                let (inputs, outputs) = (samples.inputs * GROUPS, samples.outputs * GROUPS);
                for (tile, (x, y)) in samples.x.chunks_exact(inputs).zip(samples.y.chunks_exact(outputs)).enumerate() {
                    sum += self.tile(w, x, y, TILE.min(samples.len - tile * TILE), has_grad);
                }
                samples.len
            }
        };
        let scale = 1.0 / (count * samples.outputs) as f64;
        if let Some(grad) = grad {
            grad.iter_mut().zip(&self.gradient).for_each(|(g, sum)| *g = T::of(2.0 * scale * total(sum)));
        }
        scale * sum
    }

    /// Σ e² over the first `count` samples of a tile; adds to the gradient's sums if they are needed.
    fn tile(&mut self, w: &[T], x: &[Group<T>], y: &[Group<T>], count: usize, has_grad: bool) -> f64 {
        let groups = count.div_ceil(LANES);
        vectorised(
            #[inline(always)]
            || {
                self.forward(w, x, groups);
                let sum = self.residual(y, count, groups);
                if has_grad {
                    self.backward(w, x, groups);
                }
                sum
            },
        )
    }

    /// z_L of the last forward pass.
    fn prediction(&self) -> &[Group<T>] {
        &self.activations[self.activations.len() - 1]
    }

    #[inline(always)]
    fn forward(&mut self, w: &[T], x: &[Group<T>], groups: usize) {
        let mut first = 0;
        for l in 0..self.activations.len() {
            let (fan_in, fan_out) = (self.widths[l], self.widths[l + 1]);
            let (weight, bias) = w[first..first + (fan_in + 1) * fan_out].split_at(fan_in * fan_out);
            first += weight.len() + bias.len();
            let is_hidden = l + 1 < self.activations.len();
            let (before, after) = self.activations.split_at_mut(l);
            let input = &before.last().map_or(x, Vec::as_slice)[..fan_in * GROUPS];
            let output = &mut after[0];
            for (unit, &bias) in bias.iter().enumerate() {
                let z = output[unit * GROUPS..][..groups].as_flattened_mut();
                z.fill(bias);
                add_weighted(z, input.as_flattened(), weight[unit * fan_in..][..fan_in].iter().copied());
                if is_hidden {
                    // Not `max`, which would make a 0 of NaN: a loss that is not finite must be seen.
                    z.iter_mut().for_each(|z| *z = if *z < T::zero() { T::zero() } else { *z });
                }
            }
        }
    }

    /// Makes δ_L = e of the prediction, 0 beyond the samples that there are; gives back Σ e².
    #[inline(always)]
    fn residual(&mut self, y: &[Group<T>], count: usize, groups: usize) -> f64 {
        let last = self.activations.len() - 1;
        let (prediction, delta) = (&self.activations[last], &mut self.deltas[last]);
        let mut sum = [0.0; LANES];
        for at in (0..prediction.len()).filter(|at| at % GROUPS < groups) {
            let present = (count - (at % GROUPS) * LANES).min(LANES);
            let mut e: Group<T> = from_fn(|lane| prediction[at][lane] - y[at][lane]);
            e[present..].fill(T::zero());
            delta[at] = e;
            for lane in 0..LANES {
                sum[lane] += e[lane].wide() * e[lane].wide();
            }
        }
        sum.iter().sum()
    }

    #[inline(always)]
    fn backward(&mut self, w: &[T], x: &[Group<T>], groups: usize) {
        let mut end = self.gradient.len();
        for l in (0..self.activations.len()).rev() {
            let (fan_in, fan_out) = (self.widths[l], self.widths[l + 1]);
            let first = end - (fan_in + 1) * fan_out;
            let (weight_sums, bias_sums) = self.gradient[first..end].split_at_mut(fan_in * fan_out);
            let input = if l == 0 { x } else { &self.activations[l - 1][..] };
            let (before, after) = self.deltas.split_at_mut(l);
            let delta = &after[0];
            for (unit, sum) in bias_sums.iter_mut().enumerate() {
                let delta = &delta[unit * GROUPS..][..groups];
                for group in delta {
                    (0..LANES).for_each(|lane| sum[lane] += group[lane]);
                }
                add_products(delta, input, &mut weight_sums[unit * fan_in..][..fan_in]);
            }
            if let Some(delta_before) = before.last_mut() {
                let (weight, delta) = (&w[first..first + fan_in * fan_out], delta.as_flattened());
                for unit in 0..fan_in {
                    let sum = delta_before[unit * GROUPS..][..groups].as_flattened_mut();
                    sum.fill(T::zero());
                    add_weighted(sum, delta, weight[unit..].iter().copied().step_by(fan_in));
                    let h = input[unit * GROUPS..][..groups].as_flattened();
                    sum.iter_mut().zip(h).for_each(|(sum, h)| *sum = if *h > T::zero() { *sum } else { T::zero() });
                }
            }
            end = first;
        }
    }
}

/// out ← out + Σ wᵢ·hᵢ, with hᵢ the rows of `rows`: five at a time, so that `out` is rarely read and written.
#[inline(always)]
fn add_weighted<T: Element>(out: &mut [T], rows: &[T], mut weights: impl Iterator<Item = T> + Clone) {
    let len = out.len();
    let mut rows = rows.chunks_exact(TILE).map(|row| &row[..len]);
    loop {
        let mut rest = weights.clone();
        if let [Some(a), Some(b), Some(c), Some(d), Some(e)] = from_fn(|_| rest.next())
            && let [Some(p), Some(q), Some(r), Some(s), Some(t)] = from_fn(|_| rows.next())
        {
            weights = rest;
            for i in 0..len {
                let sum = c.mul_add(r[i], b.mul_add(q[i], a.mul_add(p[i], out[i])));
                out[i] = e.mul_add(t[i], d.mul_add(s[i], sum));
            }
        } else {
            let (Some(a), Some(p)) = (weights.next(), rows.next()) else { return };
            for i in 0..len {
                out[i] = a.mul_add(p[i], out[i]);
            }
        }
    }
}

/// Adds δ·hᵀ of one unit, sample by sample of a group, to `sums`: an entry for each of its inputs.
#[inline(always)]
fn add_products<T: Element>(delta: &[Group<T>], input: &[Group<T>], sums: &mut [Group<T>]) {
    for (h, sum) in input.chunks_exact(GROUPS).zip(sums) {
        let mut products = *sum;
        for (delta, h) in delta.iter().zip(h) {
            for lane in 0..LANES {
                products[lane] = delta[lane].mul_add(h[lane], products[lane]);
            }
        }
        *sum = products;
    }
}

/// The sum of a group's numbers.
fn total<T: Element>(group: &Group<T>) -> f64 {
    group.iter().map(|x| x.wide()).sum()
}
