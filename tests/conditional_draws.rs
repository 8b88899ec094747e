//! Holds the exact draws of a deep linear network's layers to the Gaussian law that a dense solver gives.
#![cfg(feature = "torch")]

mod common;

use common::{Dln, MAX_Z, sample};
use llc::diagnostics::{Draws, Estimate, mcse_mean};
use llc::kernel::gibbs::Gibbs;
use llc::params::Params;
use llc::rng::{Key, fill_normal};
use llc::target::{ConditionalDraw, Target};
use llc::tensors::Tensors;
use nalgebra::{DMatrix, DVector};

/// nβ small enough for γ to be felt in every direction, widths that leave flat directions in every layer.
const NET: &str =
    "--input-dim 4 --layer-widths 6,3,5 --truth aligned --rank 2 --num-training-data 500 --n-beta 2 --gamma 3";

/// The law of layer `block` given the others: the precision P and the mean of vec(W), row by row, from
/// U = (nβ/out)·‖A·W·B − Y‖² + γ/2·‖W − W*‖², with no decomposition.
fn dense_law(dln: &Dln, w: &Params, block: usize) -> (DMatrix<f64>, DVector<f64>) {
    let matrix = |x: &tch::Tensor| {
        let size = x.size();
        DMatrix::from_row_slice(size[0] as usize, size[1] as usize, &Vec::<f64>::try_from(x.flatten(0, -1)).unwrap())
    };
    let layers: Vec<DMatrix<f64>> = w.views().iter().map(matrix).collect();
    let (r, y) = (matrix(dln.target.factor()), matrix(dln.target.targets()));
    let a = layers[..block].iter().fold(r, |product, layer| product * layer);
    let out = y.ncols();
    let b =
        layers[block + 1..].iter().fold(DMatrix::identity(layers[block].ncols(), layers[block].ncols()), |p, l| p * l);
    let local = dln.target.local();
    let c = 2.0 * local.n_beta() / out as f64;
    // vec(A·W·B) = (A ⊗ Bᵀ)·vec(W) for row-wise vec.
    let design = a.kronecker(&b.transpose());
    let precision = design.tr_mul(&design) * c + DMatrix::identity(design.ncols(), design.ncols()) * local.gamma();
    let vector = |x: &DMatrix<f64>| DVector::from_column_slice(x.transpose().as_slice());
    let w_star = matrix(local.w_star().view(block));
    let force = design.tr_mul(&vector(&y)) * c + vector(&w_star) * local.gamma();
    let mean = precision.clone().cholesky().unwrap().solve(&force);
    (precision, mean)
}

/// z-scores of (w − μ)ᵀP(w − μ) against its mean d, and of every element of w against μ, over draws of `block` with the other
/// layers fixed; `spoil` may change each draw.
fn scores(block: usize, spoil: impl Fn(&Dln, &Params, Vec<f64>) -> Vec<f64>) -> Vec<f64> {
    let mut dln = Dln::new(NET, 0.0);
    let mut others = dln.target.local().w_star().try_clone().unwrap();
    let mut z = vec![0.0; others.len()];
    fill_normal(Key::new(4), 0, &mut z);
    others.as_mut_slice::<f64>().unwrap().iter_mut().zip(z).for_each(|(w, z)| *w += 0.5 * z);
    let (precision, mean) = dense_law(&dln, &others, block);
    let range = others.layout().range(block);
    let (mut squares, mut elements) = (Vec::new(), vec![Vec::new(); range.len()]);
    for draw in 0..4000 {
        let mut w = others.try_clone().unwrap();
        dln.target.begin_sweep(&w).unwrap();
        for earlier in 0..block {
            dln.target.skip_block(earlier, &w).unwrap();
        }
        dln.target.draw_block(Key::new(9).step(draw), block, &mut w).unwrap();
        let drawn = spoil(&dln, &w, w.as_slice::<f64>().unwrap()[range.clone()].to_vec());
        let off = DVector::from_column_slice(&drawn) - &mean;
        squares.push((off.transpose() * &precision * &off)[0]);
        elements.iter_mut().zip(&drawn).for_each(|(column, w)| column.push(*w));
    }
    let score = |values: Vec<f64>, expected: f64| {
        let draws = Draws::new(&[values]);
        Estimate { value: draws.mean(), mcse: mcse_mean(&draws) }.z(expected)
    };
    let mut scores = vec![score(squares, range.len() as f64)];
    scores.extend(elements.into_iter().zip(mean.iter()).map(|(values, &mean)| score(values, mean)));
    scores
}

#[test]
fn every_layer_is_drawn_from_its_exact_gaussian_law() {
    for block in 0..3 {
        let scores = scores(block, |_, _, drawn| drawn);
        assert!(scores.iter().all(|z| z.abs() < MAX_Z), "layer {}: {scores:.1?}", block + 1);
    }
}

#[test]
fn a_draw_that_forgets_the_flat_directions_is_found_out() {
    // The mutant of a thin decomposition: nothing outside the block that the data determine.
    let thin = |dln: &Dln, w: &Params, _: Vec<f64>| {
        let (_, _, v_a) = dln.target.factor().mm(w.view(0)).svd(true, true);
        let layer = w.view(1);
        let kept = v_a.mm(&v_a.tr()).mm(layer);
        let (v_b, _, _) = w.view(2).svd(true, true);
        Vec::<f64>::try_from(kept.mm(&v_b.mm(&v_b.tr())).flatten(0, -1)).unwrap()
    };
    let scores = scores(1, thin);
    assert!(scores[0].abs() > MAX_Z, "passes: {scores:.1?}");
}

#[test]
fn one_layer_is_linear_regression_with_its_closed_form() {
    // λ̂ = (out/2)·Σᵢ nβhᵢ/(nβhᵢ + γ) with hᵢ = 2sᵢ²/out, sᵢ the singular values of R.
    let flags = "--input-dim 5 --layer-widths 3 --truth random --num-training-data 500 --n-beta 0.05 --gamma 3";
    let mut dln = Dln::new(flags, 0.0);
    let s: Vec<f64> = Vec::try_from(dln.target.factor().svd(true, true).1).unwrap();
    let law: f64 = s.iter().map(|s| 0.05 * 2.0 * s * s / 3.0).map(|a| 1.5 * a / (a + 3.0)).sum();
    let traced = sample(&Gibbs, &mut dln.target, 40_000);
    let excess = traced.loss.map(|loss| 0.05 * loss);
    let z = Estimate { value: excess.mean(), mcse: mcse_mean(&excess) }.z(law);
    assert!(z.abs() < MAX_Z, "λ̂ = {} against {law}: z = {z:.1}", excess.mean());
}
