//! Tests of the loss around a network: gradients, parts, centres, coarse passes.

use tch::{Device, Kind};

use super::*;
use crate::data::{Pictures, Preprocessing};
use crate::model::{ModelOptions, ModelSpec};
use crate::target::{Batch, Target as _};

fn pictures(n: usize) -> Samples {
    let key = Key::new(11);
    let pixels = (0..n * 16).map(|index| key.below(index as u64, 256) as u8).collect();
    let labels = (0..n).map(|index| key.part(1).below(index as u64, 3) as u8).collect();
    let classes = ["a", "b", "c"].map(str::to_owned).to_vec();
    let pictures = Pictures { shape: [1, 4, 4], pixels, labels, classes };
    Samples::new(&pictures, &Preprocessing::default()).unwrap()
}

fn trained() -> TrainedNetwork {
    let options = ModelOptions {
        input_shape: Some([1, 4, 4]),
        num_classes: Some(3),
        widths: Some(vec![5]),
        activation: Some(crate::model::layer::Activation::Tanh),
        ..ModelOptions::default()
    };
    let network = Arc::new(ModelSpec { name: "mlp".to_owned(), options }.build().unwrap());
    let w = network.init(Key::new(3)).unwrap().to(Kind::Double, Device::Cpu).unwrap();
    TrainedNetwork { buffers: network.initial_buffers().unwrap(), w, network }
}

fn target(n: usize, loss: Loss, answers: Answers, sampled: Option<Vec<usize>>) -> NetworkTarget {
    let precision = crate::kernel::Precision::F64;
    let objective = Objective { loss, precision, has_channels_last: false };
    let evaluation = Evaluation { objective, answers, sampled };
    NetworkTarget::new(&trained(), pictures(n), evaluation, (10.0, 1.0), Key::new(5)).unwrap()
}

fn moved(target: &NetworkTarget, by: f64) -> Params {
    let mut w = target.local().w_star().try_clone().unwrap();
    let mut z = vec![0.0; w.len()];
    crate::rng::fill_normal(Key::new(9), 0, &mut z);
    w.as_mut_slice::<f64>().unwrap().iter_mut().zip(z).for_each(|(w, z)| *w += by * z);
    w
}

#[test]
fn gradients_equal_finite_differences_for_every_loss_target_and_choice_of_tensors() {
    let indices = [3u64, 700, 15, 9];
    let batches = [Batch::Full, Batch::Probe, Batch::Minibatch { key: Key::new(0), indices: &indices }];
    for loss in [Loss::CrossEntropy, Loss::SquaredError] {
        for (answers, sampled) in [(Answers::Labels, None), (Answers::OwnOutputs, Some(vec![0, 3]))] {
            let mut target = target(1203, loss.clone(), answers, sampled);
            let w = moved(&target, 0.3);
            for batch in batches {
                let mut grad = w.zeros_like().unwrap();
                let loss = target.loss_and_grad(&w, batch, &mut grad).unwrap();
                assert!((loss - target.loss(&w, batch).unwrap()).abs() < 1e-12);
                for i in (0..w.len()).step_by(11) {
                    let h = 1e-5;
                    let mut at = |shift: f64| {
                        let mut w = w.try_clone().unwrap();
                        w.as_mut_slice::<f64>().unwrap()[i] += shift;
                        target.loss(&w, batch).unwrap()
                    };
                    let difference = (at(h) - at(-h)) / (2.0 * h);
                    let found = grad.as_slice::<f64>().unwrap()[i];
                    assert!((difference - found).abs() < 1e-8 * (1.0 + found.abs()), "{difference} {found}");
                }
            }
        }
    }
}

#[test]
fn what_is_known_at_the_centre_is_what_a_pass_there_gives() {
    let indices = [1u64, 2, 3, 1100];
    for answers in [Answers::Labels, Answers::OwnOutputs] {
        let mut target = target(1203, Loss::CrossEntropy, answers, None);
        let w_star = target.local().w_star().try_clone().unwrap();
        for batch in [Batch::Full, Batch::Probe, Batch::Minibatch { key: Key::new(0), indices: &indices }] {
            let known = target.loss_at_centre(batch).unwrap();
            assert!((known - target.loss(&w_star, batch).unwrap()).abs() < 1e-12);
        }
        assert_eq!(target.init_loss(), target.loss_at_centre(Batch::Full).unwrap());
    }
}

#[test]
fn its_own_outputs_make_a_minimum_of_positive_loss_and_labels_do_not() {
    let gradient = |answers| {
        let mut target = target(300, Loss::CrossEntropy, answers, None);
        let w_star = target.local().w_star().try_clone().unwrap();
        let mut grad = w_star.zeros_like().unwrap();
        let loss = target.loss_and_grad(&w_star, Batch::Full, &mut grad).unwrap();
        (loss, crate::update::dot(&grad, &grad).unwrap().sqrt())
    };
    let (entropy, at_minimum) = gradient(Answers::OwnOutputs);
    assert!(entropy > 0.1 && at_minimum < 1e-14, "{entropy} {at_minimum}");
    assert!(gradient(Answers::Labels).1 > 1e-2);
}

#[test]
fn a_part_of_the_tensors_moves_alone_and_gives_the_whole_s_loss_and_gradient_of_that_part() {
    let mut whole = target(200, Loss::CrossEntropy, Answers::Labels, None);
    let mut part = target(200, Loss::CrossEntropy, Answers::Labels, Some(vec![2]));
    let w_part = moved(&part, 0.2);
    let w = whole.local().w_star().try_clone().unwrap();
    w.view(2).shallow_clone().copy_(w_part.view(0));
    let (mut grad, mut grad_part) = (w.zeros_like().unwrap(), w_part.zeros_like().unwrap());
    let loss = whole.loss_and_grad(&w, Batch::Full, &mut grad).unwrap();
    let loss_part = part.loss_and_grad(&w_part, Batch::Full, &mut grad_part).unwrap();
    assert_eq!(loss, loss_part);
    assert_eq!(grad.view(2), grad_part.view(0));
    assert_eq!(part.local().w_star().len(), whole.local().w_star().view(2).numel());
}

#[test]
fn coarse_passes_know_the_precise_loss_and_precise_ones_have_none_beside_it() {
    let trained = TrainedNetwork { w: trained().w.to(Kind::Float, Device::Cpu).unwrap(), ..trained() };
    let losses = |precision| {
        let objective = Objective { loss: Loss::CrossEntropy, precision, has_channels_last: false };
        let evaluation = Evaluation { objective, answers: Answers::Labels, sampled: None };
        let mut target = NetworkTarget::new(&trained, pictures(600), evaluation, (10.0, 1.0), Key::new(5)).unwrap();
        (target.loss(&trained.w, Batch::Full).unwrap(), target.precise_loss(&trained.w).unwrap())
    };
    let (single, beside) = losses(Precision::F32);
    assert_eq!(beside, None);
    let (coarse, precise) = losses(Precision::Bf16);
    assert_eq!(precise, Some(single));
    // Eight bits: a relative error of some thousandths, and hardly none at all.
    assert!(coarse != single && (coarse - single).abs() < 0.02 * single, "{coarse} and {single}");
}
