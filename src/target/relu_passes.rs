//! Computes the squared error of a ReLU network and its gradient by hand, a tile of samples at a time, in buffers that stay in cache.
//!
//! With h₀ = x, z_l = W_l·h_(l−1) + b_l, h_l = max(0, z_l) and e = z_L − y: δ_L = e, δ_(l−1) = 1[h_(l−1) > 0] ⊙ W_lᵀ·δ_l,
//! ∇_(W_l) L = c·Σ δ_l·h_(l−1)ᵀ, ∇_(b_l) L = c·Σ δ_l, c = 2/(rows·out), the derivative of max(0, z) at 0 being 0. Samples lie side by
//! side in vector lanes, so that a product with a small matrix is a few fused multiply-adds of whole registers; for the layers of ten to
//! forty units that these experiments have, a library's matrix product would be idle most of its time.
//!
//! Sums over the samples of a tile are in the network's own precision, those over tiles, and the loss, in f64.
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
/// Units whose sums are formed at once: the widths of the published networks are multiples of it.
const BLOCK: usize = 5;
/// Lanes of the sums over samples: two vectors of an older processor in f64.
const SUMS: usize = 8;

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
    /// The sums that the gradient is c times of, in the order of the parameters.
    gradient: Vec<f64>,
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
            gradient: vec![0.0; num_parameters],
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
        self.gradient.fill(0.0);
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
                for (tile, (x, y)) in
                    samples.x.chunks_exact(inputs).zip(samples.y.chunks_exact(outputs)).enumerate()
                {
                    sum += self.tile(w, x, y, TILE.min(samples.len - tile * TILE), has_grad);
                }
                samples.len
            }
        };
        let scale = 1.0 / (count * samples.outputs) as f64;
        if let Some(grad) = grad {
            grad.iter_mut().zip(&self.gradient).for_each(|(g, sum)| *g = T::of(2.0 * scale * sum));
        }
        scale * sum
    }

    /// Σ e² over the first `count` samples of a tile; adds to the gradient's sums where they are wanted.
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
            let input = before.last().map_or(x, Vec::as_slice);
            let output = &mut after[0];
            let mut unit = 0;
            while unit < fan_out {
                let (weight, bias, output) = (&weight[unit * fan_in..], &bias[unit..], &mut output[unit * GROUPS..]);
                if unit + BLOCK <= fan_out {
                    outputs::<T, BLOCK>(weight, bias, &input[..fan_in * GROUPS], output, groups, is_hidden);
                    unit += BLOCK;
                } else {
                    outputs::<T, 1>(weight, bias, &input[..fan_in * GROUPS], output, groups, is_hidden);
                    unit += 1;
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
            let input = if l == 0 { x } else { &self.activations[l - 1] };
            let (before, after) = self.deltas.split_at_mut(l);
            let delta = &after[0];
            for (unit, sum) in bias_sums.iter_mut().enumerate() {
                let mut lanes = [T::zero(); LANES];
                for group in &delta[unit * GROUPS..][..groups] {
                    (0..LANES).for_each(|lane| lanes[lane] += group[lane]);
                }
                *sum += lanes.iter().copied().sum::<T>().wide();
            }
            let mut unit = 0;
            while unit < fan_out {
                let (delta, sums) = (&delta[unit * GROUPS..], &mut weight_sums[unit * fan_in..]);
                if unit + BLOCK <= fan_out {
                    add_products::<T, BLOCK>(delta, input, fan_in, groups, sums);
                    unit += BLOCK;
                } else {
                    add_products::<T, 1>(delta, input, fan_in, groups, sums);
                    unit += 1;
                }
            }
            if let Some(delta_before) = before.last_mut() {
                let weight = &w[first..first + fan_in * fan_out];
                let delta = &delta[..fan_out * GROUPS];
                let mut unit = 0;
                while unit < fan_in {
                    let (input, out) = (&input[unit * GROUPS..], &mut delta_before[unit * GROUPS..]);
                    if unit + BLOCK <= fan_in {
                        send_back::<T, BLOCK>(&weight[unit..], fan_in, delta, input, out, groups);
                        unit += BLOCK;
                    } else {
                        send_back::<T, 1>(&weight[unit..], fan_in, delta, input, out, groups);
                        unit += 1;
                    }
                }
            }
            end = first;
        }
    }
}

/// z = b + W·h of `B` units, and max(0, z) of hidden ones.
#[inline(always)]
fn outputs<T: Element, const B: usize>(
    weight: &[T],
    bias: &[T],
    input: &[Group<T>],
    output: &mut [Group<T>],
    groups: usize,
    is_hidden: bool,
) {
    let fan_in = input.len() / GROUPS;
    let rows: [&[T]; B] = from_fn(|unit| &weight[unit * fan_in..][..fan_in]);
    for group in 0..groups {
        let mut z: [Group<T>; B] = from_fn(|unit| [bias[unit]; LANES]);
        for (i, h) in input.chunks_exact(GROUPS).enumerate() {
            for unit in 0..B {
                for lane in 0..LANES {
                    z[unit][lane] = rows[unit][i].mul_add(h[group][lane], z[unit][lane]);
                }
            }
        }
        for unit in 0..B {
            if is_hidden {
                // Not `max`, which would make a 0 of NaN: a loss that is not finite must be seen.
                z[unit] = z[unit].map(|z| if z < T::zero() { T::zero() } else { z });
            }
            output[unit * GROUPS + group] = z[unit];
        }
    }
}

/// 1[h > 0] ⊙ Wᵀ·δ of `B` units; `weight` begins at the first of them, in rows of `fan_in`.
#[inline(always)]
fn send_back<T: Element, const B: usize>(
    weight: &[T],
    fan_in: usize,
    delta: &[Group<T>],
    input: &[Group<T>],
    out: &mut [Group<T>],
    groups: usize,
) {
    for group in 0..groups {
        let mut sum = [[T::zero(); LANES]; B];
        for (delta, weight) in delta.chunks_exact(GROUPS).zip(weight.chunks(fan_in)) {
            for unit in 0..B {
                for lane in 0..LANES {
                    sum[unit][lane] = weight[unit].mul_add(delta[group][lane], sum[unit][lane]);
                }
            }
        }
        for unit in 0..B {
            let h = &input[unit * GROUPS + group];
            let at = &mut out[unit * GROUPS + group];
            for lane in 0..LANES {
                at[lane] = if h[lane] > T::zero() { sum[unit][lane] } else { T::zero() };
            }
        }
    }
}

/// Adds Σ δ·hᵀ of `B` units, over the samples of a tile, to `sums`.
#[inline(always)]
fn add_products<T: Element, const B: usize>(
    delta: &[Group<T>],
    input: &[Group<T>],
    fan_in: usize,
    groups: usize,
    sums: &mut [f64],
) {
    let deltas: [&[Group<T>]; B] = from_fn(|unit| &delta[unit * GROUPS..][..groups]);
    for i in 0..fan_in {
        let input = &input[i * GROUPS..][..groups];
        let mut products = [[T::zero(); SUMS]; B];
        for (group, h) in input.iter().enumerate() {
            for part in (0..LANES).step_by(SUMS) {
                for unit in 0..B {
                    for lane in 0..SUMS {
                        let delta = deltas[unit][group][part + lane];
                        products[unit][lane] = delta.mul_add(h[part + lane], products[unit][lane]);
                    }
                }
            }
        }
        for unit in 0..B {
            let [a, b, c, d, e, f, g, h] = products[unit];
            sums[unit * fan_in + i] += (((a + b) + (c + d)) + ((e + f) + (g + h))).wide();
        }
    }
}
