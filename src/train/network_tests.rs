//! Tests the trainer of networks: against gradients by hand, a stop that leaves no trace, and what it refuses.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde_json::Map;
use tch::{Device, Kind, Tensor};

use super::{NetworkTrainer, Objective, Stop, TrainError, evaluate};
use crate::checkpoint::Checkpoint;
use crate::config::network::{Length, TrainConfig, TrainDefaults, train};
use crate::config::{PositiveF64, RawConfig, Setting};
use crate::data::{Pictures, Preprocessing};
use crate::model::{ModelOptions, ModelSpec};
use crate::rng::Key;
use crate::samples::Samples;
use crate::tensors::Tensors;

/// 40 images of 1×4×4 in three classes, brighter in one place each.
fn samples() -> Samples {
    let key = Key::new(3);
    let n = 40;
    let labels: Vec<u8> = (0..n).map(|i| (i % 3) as u8).collect();
    let pixel = |i: u64| {
        let bright = if (i % 16) / 5 == (i / 16) % 3 { 100 } else { 0 };
        (key.below(i, 150) + bright) as u8
    };
    let pixels = (0..n * 16).map(pixel).collect();
    let classes = ["a", "b", "c"].map(String::from).to_vec();
    Samples::new(&Pictures { shape: [1, 4, 4], pixels, labels, classes }, &Preprocessing::default()).unwrap()
}

fn spec(name: &str) -> ModelSpec {
    let widths = (name == "mlp").then(|| vec![8]);
    let options =
        ModelOptions { widths, input_shape: Some([1, 4, 4]), num_classes: Some(3), ..ModelOptions::default() };
    ModelSpec { name: name.into(), options }
}

fn config(settings: &[(&str, &str)]) -> TrainConfig {
    let defaults = TrainDefaults {
        is_beside_sampler: false,
        sgd_learning_rate: PositiveF64::new(0.1).unwrap(),
        momentum: 0.9,
        batch_size: 16,
        length: Length::Epochs(4),
        evaluate_train: false,
    };
    let keys: &'static [Setting] = train::keys(&defaults).leak();
    let mut raw = RawConfig::new(keys);
    raw.layer_text(settings.iter().copied()).unwrap();
    train::check(&raw, &defaults).unwrap()
}

fn trainer(model: &str, settings: &[(&str, &str)], seed: u64) -> NetworkTrainer {
    let network = Arc::new(spec(model).build().unwrap());
    NetworkTrainer::new(network, samples(), &config(settings), Key::new(seed), Device::Cpu).unwrap()
}

fn not_cancelled() -> AtomicBool {
    AtomicBool::new(false)
}

fn finish(trainer: &mut NetworkTrainer) -> Vec<f64> {
    let mut losses = Vec::new();
    while !trainer.is_finished() {
        assert_eq!(
            trainer.epoch(&not_cancelled(), &mut |step| losses.extend_from_slice(step.loss)).unwrap(),
            Stop::Epoch
        );
    }
    losses
}

fn bits(trainer: &NetworkTrainer) -> Vec<u32> {
    trainer.w().as_slice::<f32>().unwrap().iter().map(|w| w.to_bits()).collect()
}

#[test]
fn full_batch_steps_of_a_linear_classifier_are_gradient_descent_by_hand() {
    let options =
        ModelOptions { widths: Some(vec![]), input_shape: Some([1, 4, 4]), num_classes: Some(3), ..Default::default() };
    let network = Arc::new(ModelSpec { name: "deep-linear".into(), options }.build().unwrap());
    let settings = [
        ("train.full_batch", "on"),
        ("train.momentum", "0"),
        ("train.learning_rate", "0.5"),
        ("train.num_steps", "3"),
        ("train.precision", "f64"),
        ("train.weight_decay", "0.01"),
    ];
    let mut trainer = NetworkTrainer::new(network, samples(), &config(&settings), Key::new(5), Device::Cpu).unwrap();
    let (x, y) = samples().range(0..40, Kind::Double, Device::Cpu).unwrap();
    let (x, y) = (x.flatten(1, -1), y.one_hot(3).to_kind(Kind::Double));
    // W is [3, 16] as PyTorch has it: ∇L = (softmax(xWᵀ) − Y)ᵀx/n.
    let mut w = trainer.w().view(0).copy();
    for _ in 0..3 {
        let gradient = (x.matmul(&w.tr()).softmax(1, Kind::Double) - &y).tr().matmul(&x) / 40.0;
        assert_eq!(trainer.advance(1, &not_cancelled(), &mut |_| {}).unwrap(), Stop::Epoch);
        let norm = trainer.running().gradient_norm;
        assert!((norm - gradient.norm().double_value(&[])).abs() < 1e-12);
        w = &w - 0.5 * (gradient + 0.01 * &w);
        assert!((trainer.w().view(0) - &w).abs().max().double_value(&[]) < 1e-12);
    }
}

#[test]
fn a_training_that_was_stopped_ends_in_the_same_bits_as_one_that_was_not() {
    for (model, settings) in [
        ("mlp", &[("train.schedule", "exponential")][..]),
        ("mlp", &[("train.optimizer", "adam")][..]),
        ("mlp", &[("train.precision", "f64")][..]),
    ] {
        let mut whole = trainer(model, settings, 1);
        let losses = finish(&mut whole);
        assert_eq!(losses.len(), 4 * 3, "40 samples in batches of 16 are two and a short one");
        let mut first = trainer(model, settings, 1);
        // One epoch, and one step of the next.
        first.epoch(&not_cancelled(), &mut |_| {}).unwrap();
        assert_eq!(first.advance(1, &not_cancelled(), &mut |_| {}).unwrap(), Stop::Steps);
        let saved = first.save(&spec(model), Map::new()).unwrap().to_bytes().unwrap();
        let mut second = trainer(model, settings, 1);
        second.resume(&Checkpoint::read_bytes(&saved).unwrap()).unwrap();
        assert_eq!((second.num_steps(), second.num_epochs(), second.running()), (4, 1, first.running()));
        assert!(second.runtime_s() > 0.0);
        let rest = finish(&mut second);
        assert_eq!(rest, losses[4..]);
        assert_eq!(second.running(), whole.running());
        let (second, whole) = (second.w().flat(), whole.w().flat());
        assert_eq!(second, whole);
    }
}

#[test]
fn another_training_s_checkpoint_is_refused_with_what_differs() {
    let mut first = trainer("mlp", &[], 1);
    first.epoch(&not_cancelled(), &mut |_| {}).unwrap();
    let saved = first.save(&spec("mlp"), Map::new()).unwrap();
    let refusal =
        |settings: &[(&str, &str)], seed| trainer("mlp", settings, seed).resume(&saved).unwrap_err().to_string();
    assert!(refusal(&[], 2).contains("a seed whose stream is"));
    assert!(refusal(&[("train.batch_size", "8")], 1).contains("a minibatch size of 16, not 8"));
    assert!(refusal(&[("train.optimizer", "adam")], 1).contains("the optimiser sgd, not adam"));
    let mut bare = saved.clone();
    bare.header.facts.clear();
    let error = trainer("mlp", &[], 1).resume(&bare).unwrap_err();
    assert!(error.to_string().contains("no training to continue"), "{error}");
    // More epochs, another rate: the same training continues.
    trainer("mlp", &[("train.num_epochs", "9"), ("train.learning_rate", "0.01")], 1).resume(&saved).unwrap();
}

#[test]
fn a_seed_s_training_is_its_own_and_does_learn() {
    let run = |seed| {
        let mut trainer = trainer("mlp", &[("train.num_epochs", "60")], seed);
        finish(&mut trainer);
        trainer
    };
    let mut trained = run(1);
    assert_eq!(bits(&trained), bits(&run(1)));
    assert_ne!(bits(&trained), bits(&run(2)));
    let evaluated = trained.evaluate_train().unwrap();
    assert!(evaluated.accuracy > 0.9 && evaluated.loss < 0.5, "{evaluated:?}");
    assert_eq!(trained.evaluate(&samples()).unwrap(), evaluated);
}

#[test]
fn a_pass_in_chunks_is_the_mean_over_all_samples() {
    let network = spec("mlp").build().unwrap();
    let w = network.init(Key::new(2)).unwrap();
    let mut buffers = network.initial_buffers().unwrap();
    let many: Vec<u8> = (0..1203u64 * 16).map(|i| Key::new(9).below(i, 256) as u8).collect();
    let classes = ["a", "b", "c"].map(String::from).to_vec();
    let labels = (0..1203).map(|i| (i % 3) as u8).collect();
    let pictures = Pictures { shape: [1, 4, 4], pixels: many, labels, classes };
    let samples = Samples::new(&pictures, &Preprocessing::default()).unwrap();
    let objective = Objective::cross_entropy();
    let found = evaluate(&network, &w, &mut buffers, &samples, None, &objective, Device::Cpu).unwrap();
    let (x, y) = samples.range(0..1203, Kind::Float, Device::Cpu).unwrap();
    let outputs = network.forward(w.views(), &mut buffers, &x, crate::model::Mode::Frozen).unwrap();
    let loss = outputs.cross_entropy_for_logits(&y).double_value(&[]);
    assert!((found.loss - loss).abs() < 1e-6, "{} against {loss}", found.loss);
    let accuracy = outputs.accuracy_for_logits(&y).double_value(&[]);
    assert!((found.accuracy - accuracy).abs() < 1e-6);
}

#[test]
fn the_network_s_own_outputs_as_targets_leave_no_gradient() {
    let network = spec("mlp").build().unwrap();
    let start = network.init(Key::new(1).role(crate::rng::Role::Init)).unwrap();
    let mut buffers = network.initial_buffers().unwrap();
    let (x, _) = samples().range(0..40, Kind::Float, Device::Cpu).unwrap();
    let outputs = network.forward(start.views(), &mut buffers, &x, crate::model::Mode::Frozen).unwrap();
    let p = outputs.softmax(1, Kind::Float);
    let mut trainer =
        trainer("mlp", &[("train.full_batch", "on"), ("train.num_steps", "1")], 1).with_soft_targets(&p).unwrap();
    let before = trainer.evaluate_train().unwrap();
    let entropy = -(&p * p.log()).sum(Kind::Double).double_value(&[]) / 40.0;
    assert!((before.loss - entropy).abs() < 1e-6, "the least loss is the targets' entropy, not 0");
    finish(&mut trainer);
    assert!(trainer.running().gradient_norm < 1e-6, "{}", trainer.running().gradient_norm);
    assert!(trainer.with_soft_targets(&Tensor::zeros([39, 3], (Kind::Float, Device::Cpu))).is_err());
}

#[test]
fn a_loss_that_is_not_finite_is_reported_with_its_step() {
    let mut trainer = trainer("mlp", &[("train.learning_rate", "1e30")], 1);
    let mut reported = Vec::new();
    let error = loop {
        match trainer.epoch(&not_cancelled(), &mut |losses| reported.extend_from_slice(losses.loss)) {
            Ok(_) => assert!(!trainer.is_finished()),
            Err(error) => break error,
        }
    };
    let TrainError::Diverged { step, .. } = error else { panic!("{error}") };
    assert_eq!(reported.len() as u64, step + 1);
    assert!(error.to_string().contains("try a smaller --learning-rate"));
}

#[test]
fn a_last_step_that_blows_up_is_reported_by_the_measurement_after_it() {
    let mut trainer = trainer("mlp", &[("train.learning_rate", "1e30"), ("train.batch_size", "40")], 1);
    assert_eq!(
        trainer.epoch(&not_cancelled(), &mut |_| {}).unwrap(),
        Stop::Epoch,
        "the loss before the step is finite"
    );
    let error = trainer.evaluate_train().unwrap_err();
    let TrainError::Diverged { step: 1, loss, learning_rate: 1e30 } = error else { panic!("{error}") };
    assert!(!loss.is_finite());
    assert!(trainer.ensure_finite(2.5).is_ok() && trainer.ensure_finite(f64::INFINITY).is_err());
}

#[test]
fn a_raised_flag_ends_a_training_before_its_next_step() {
    let mut trainer = trainer("mlp", &[], 1);
    assert_eq!(trainer.epoch(&AtomicBool::new(true), &mut |_| {}).unwrap(), Stop::Cancelled);
    assert_eq!(trainer.num_steps(), 0);
}

#[test]
fn bfloat16_and_channels_last_see_the_same_loss_within_their_rounding() {
    let first_loss = |settings: &[(&str, &str)]| {
        let mut trainer = trainer("mlp", settings, 1);
        let mut first = f64::NAN;
        trainer.advance(1, &not_cancelled(), &mut |losses| first = losses.loss[0]).unwrap();
        (first, trainer.w().kind())
    };
    let (single, _) = first_loss(&[]);
    let (rounded, kind) = first_loss(&[("train.precision", "bf16"), ("train.channels_last", "on")]);
    // bfloat16 has eight significant bits.
    assert!(rounded != single && (rounded / single - 1.0).abs() < 0.02, "{rounded} against {single}");
    assert_eq!(kind, Kind::Float, "parameters stay single");
    assert_eq!(first_loss(&[("train.channels_last", "on")]).0, single);
}

#[test]
fn samples_that_do_not_fit_the_network_are_refused() {
    let network = Arc::new(ModelSpec::named("mlp1").build().unwrap());
    let error =
        NetworkTrainer::new(network, samples(), &config(&[]), Key::new(1), Device::Cpu).err().unwrap().to_string();
    assert_eq!(error, "mlp1 takes inputs of shape 3×28×28, but the data have 1×4×4");
}
