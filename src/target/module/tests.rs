//! Tests of the loss that a module computes: against the formula of the fixture, L = mean (2 w·x + b − y)².

use std::path::PathBuf;

use super::*;
use crate::target::{Batch, Target as _};

fn fixture(name: &str) -> PathBuf {
    crate::data::test_fixture("module").join(name)
}

fn target(sampled: Option<Vec<usize>>) -> ModuleTarget {
    let module = TrainedModule::read(&fixture("loss.pt"), Device::Cpu).unwrap();
    let data = ModuleData::read(&fixture("data.safetensors"), Device::Cpu).unwrap();
    ModuleTarget::of_module(&module, &data, sampled, (10.0, 1.0), Key::new(5)).unwrap()
}

/// L and its gradient by the formula at `w` = (w, b) over the samples `rows`.
fn by_formula(w: &[f64], rows: &[u64]) -> (f64, [f64; 4]) {
    let data = ModuleData::read(&fixture("data.safetensors"), Device::Cpu).unwrap();
    let numbers = |index: usize| Vec::<f64>::try_from(data.inputs()[index].1.flatten(0, -1)).unwrap();
    let (x, y) = (numbers(0), numbers(1));
    let (mut loss, mut grad) = (0.0, [0.0; 4]);
    for &row in rows {
        let x = &x[3 * row as usize..][..3];
        let residual = 2.0 * x.iter().zip(w).map(|(x, w)| x * w).sum::<f64>() + w[3] - y[row as usize];
        let share = 1.0 / rows.len() as f64;
        loss += share * residual * residual;
        for (grad, factor) in grad.iter_mut().zip([2.0 * x[0], 2.0 * x[1], 2.0 * x[2], 1.0]) {
            *grad += share * 2.0 * residual * factor;
        }
    }
    (loss, grad)
}

#[test]
fn loss_and_gradient_are_those_of_the_formula_where_two_layers_share_a_weight() {
    let mut target = target(None);
    let all: Vec<u64> = (0..12).collect();
    let some = [3, 11, 0, 7];
    let mut w = target.local().w_star().try_clone().unwrap();
    assert_eq!(w.len(), 4, "the shared weight counts once");
    for shift in [0.0, 0.3, -1.0] {
        w.as_mut_slice::<f64>().unwrap().iter_mut().enumerate().for_each(|(i, w)| *w += shift * (i as f64 - 1.5));
        let batches = [(Batch::Full, &all[..]), (Batch::Minibatch { key: Key::new(0), indices: &some }, &some)];
        for (batch, rows) in batches {
            let (loss, expected) = by_formula(w.as_slice::<f64>().unwrap(), rows);
            let mut grad = w.zeros_like().unwrap();
            let found = target.loss_and_grad(&w, batch, &mut grad).unwrap();
            assert!((found - loss).abs() < 1e-12 && (target.loss(&w, batch).unwrap() - loss).abs() < 1e-12);
            let off = grad.as_slice::<f64>().unwrap().iter().zip(expected).map(|(a, b)| (a - b).abs());
            assert!(off.fold(0.0, f64::max) < 1e-12, "{grad:?} against {expected:?}");
        }
    }
    let w_star = target.local().w_star().as_slice::<f64>().unwrap().to_vec();
    assert!((target.init_loss() - by_formula(&w_star, &all).0).abs() < 1e-12);
}

#[test]
fn a_part_moves_alone_and_chains_have_modules_of_their_own() {
    let mut part = target(Some(vec![1]));
    let mut other = part.with_density(10.0, 1.0).unwrap();
    let all: Vec<u64> = (0..12).collect();
    let whole = target(None).local().w_star().as_slice::<f64>().unwrap().to_vec();
    let mut moved = part.local().w_star().try_clone().unwrap();
    assert_eq!(moved.len(), 1);
    moved.as_mut_slice::<f64>().unwrap()[0] += 2.0;
    let mut grad = moved.zeros_like().unwrap();
    let loss = part.loss_and_grad(&moved, Batch::Full, &mut grad).unwrap();
    let (expected, gradient) = by_formula(&[whole[0], whole[1], whole[2], whole[3] + 2.0], &all);
    assert!((loss - expected).abs() < 1e-12 && (grad.as_slice::<f64>().unwrap()[0] - gradient[3]).abs() < 1e-12);
    let w_star = other.local().w_star().try_clone().unwrap();
    assert!((other.loss(&w_star, Batch::Full).unwrap() - by_formula(&whole, &all).0).abs() < 1e-12);
}
