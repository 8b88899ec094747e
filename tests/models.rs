//! Compares every network's outputs with those of the PyTorch programs in tests/fixtures/models.py.
#![cfg(feature = "torch")]

use llc::model::{Buffers, Mode, ModelSpec, Network};
use llc::params::Params;
use llc::rng::Key;
use llc::tensors::Tensors;
use serde_json::Value;
use tch::{Device, Kind, Tensor};

fn cases() -> Vec<(Network, Value)> {
    // The tests have their own threads.
    tch::set_num_threads(1);
    let cases: Vec<Value> = serde_json::from_str(include_str!("fixtures/models.json")).unwrap();
    let network = |case: &Value| serde_json::from_value::<ModelSpec>(case["spec"].clone()).unwrap().build().unwrap();
    cases.into_iter().map(|case| (network(&case), case)).collect()
}

/// The numbers of models.py's `filled`, from a tensor's name and their places.
fn filled(name: &str, len: usize, low: f64, high: f64) -> Vec<f64> {
    let seed = name.bytes().fold(0u32, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
    let mixed = |i: u32| {
        let mut x = i.wrapping_mul(0x9E37_79B1).wrapping_add(seed);
        x ^= x >> 15;
        x = x.wrapping_mul(0x85EB_CA77);
        x ^ (x >> 13)
    };
    (0..len as u32).map(|i| low + (high - low) * (f64::from(mixed(i)) / 4_294_967_296.0)).collect()
}

fn pictures(name: &str, num_samples: usize, network: &Network) -> Tensor {
    let shape: Vec<i64> = [num_samples].iter().chain(&network.input_shape()).map(|&side| side as i64).collect();
    Tensor::from_slice(&filled(name, shape.iter().product::<i64>() as usize, -1.0, 1.0)).view(shape.as_slice())
}

fn parameters(network: &Network) -> Params {
    let mut w = Params::zeros_on(&network.layout(), Kind::Double, Device::Cpu).unwrap();
    let (layout, flat) = (w.layout().clone(), w.as_mut_slice::<f64>().unwrap());
    for (index, spec) in network.params().iter().enumerate() {
        let bound = (6.0 / spec.shape[1..].iter().product::<usize>() as f64).sqrt();
        let (low, high) = match (spec.name.ends_with(".bias"), spec.shape.len()) {
            (true, _) => (-0.1, 0.1),
            // The scale of a norm.
            (false, 1) => (0.8, 1.2),
            (false, _) => (-bound, bound),
        };
        let range = layout.range(index);
        flat[range.clone()].copy_from_slice(&filled(&spec.name, range.len(), low, high));
    }
    w
}

/// Buffers that are not those of a start, except for what has seen no batch by its own count.
fn buffers(network: &Network) -> Buffers {
    let mut buffers = network.initial_buffers().unwrap().to(Kind::Double, Device::Cpu).unwrap();
    for spec in network.buffers().iter().filter(|spec| !spec.is_count) {
        let (low, high) = if spec.name.ends_with("_mean") { (-0.1, 0.1) } else { (0.5, 1.5) };
        buffers.set(&spec.name, &Tensor::from_slice(&filled(&spec.name, spec.shape[0], low, high))).unwrap();
    }
    buffers
}

/// Asserts that outputs agree to `tolerance`, of the largest expected one.
fn assert_outputs(outputs: &Tensor, expected: &Value, tolerance: f64, case: &Value) {
    let expected: Vec<Vec<f64>> = serde_json::from_value(expected.clone()).unwrap();
    assert_eq!(outputs.size(), [expected.len() as i64, expected[0].len() as i64], "{}", case["spec"]);
    let expected = Tensor::from_slice2(&expected);
    let difference = (outputs.to_kind(Kind::Double) - &expected).abs().max().double_value(&[]);
    let size = expected.abs().max().double_value(&[]);
    assert!(difference <= tolerance * size, "{}: {difference:e} off, of {size:e}", case["spec"]);
}

#[test]
fn frozen_outputs_are_those_of_pytorch() {
    for (network, case) in cases() {
        assert_eq!(network.num_parameters() as u64, case["num_parameters"].as_u64().unwrap(), "{}", case["spec"]);
        let (w, mut buffers) = (parameters(&network), buffers(&network));
        let outputs = network.forward(w.views(), &mut buffers, &pictures("x", 2, &network), Mode::Frozen).unwrap();
        assert_outputs(&outputs, &case["frozen"], 1e-9, &case);
    }
}

#[test]
fn frozen_outputs_in_single_precision_and_channels_last_are_those_of_pytorch() {
    for (network, case) in cases() {
        let w = parameters(&network).to(Kind::Float, Device::Cpu).unwrap();
        let mut buffers = buffers(&network).to(Kind::Float, Device::Cpu).unwrap();
        let x = pictures("x", 2, &network).to_kind(Kind::Float);
        // The strides of channels-last images under the usual order of dimensions.
        let channels_last = x.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2]);
        for x in [x, channels_last] {
            let outputs = network.forward(w.views(), &mut buffers, &x, Mode::Frozen).unwrap();
            assert_outputs(&outputs, &case["frozen"], 1e-5, &case);
        }
    }
}

#[test]
fn training_passes_and_the_running_statistics_behind_them_are_those_of_pytorch_and_haiku() {
    let mut num_compared = 0;
    for (network, case) in cases().into_iter().filter(|(_, case)| case["trained"].is_array()) {
        let (w, mut buffers) = (parameters(&network), buffers(&network));
        let batches = case["trained"].as_array().unwrap();
        for (i, expected) in batches.iter().enumerate() {
            let x = pictures(&format!("batch {i}"), 4, &network);
            let mode = Mode::Train { key: Key::new(1) };
            let outputs = network.forward(w.views(), &mut buffers, &x, mode).unwrap();
            assert_outputs(&outputs, expected, 1e-8, &case);
        }
        for (name, tensor) in buffers.tensors() {
            if name.ends_with("num_batches_tracked") {
                assert_eq!(tensor.int64_value(&[]), batches.len() as i64, "{name} of {}", case["spec"]);
                continue;
            }
            let expected = case["buffers"][name].as_f64().unwrap();
            let mean = tensor.mean(None::<Kind>).double_value(&[]);
            assert!((mean - expected).abs() < 1e-8 * expected.abs().max(1.0), "{name} of {}: {mean}", case["spec"]);
            num_compared += 1;
        }
    }
    assert!(num_compared > 100, "only {num_compared} running statistics were compared");
}

/// A pass writes over values that it need not keep: had a gradient needed one of them, it would be an error or another number.
#[test]
fn gradients_are_those_of_pytorch() {
    for (network, case) in cases() {
        let w = parameters(&network).to(Kind::Float, Device::Cpu).unwrap();
        let mut buffers = buffers(&network).to(Kind::Float, Device::Cpu).unwrap();
        let passes = [
            ("frozen_slope", pictures("x", 2, &network), Mode::Frozen),
            ("trained_slope", pictures("batch 0", 4, &network), Mode::Train { key: Key::new(1) }),
        ];
        for (name, x, mode) in passes {
            let Some(expected) = case[name].as_f64() else { continue };
            let leaves: Vec<Tensor> = w.views().iter().map(|view| view.detach().set_requires_grad(true)).collect();
            let outputs = network.forward(&leaves, &mut buffers, &x.to_kind(Kind::Float), mode).unwrap();
            let weights = Tensor::from_slice(&filled("outputs", outputs.numel(), -1.0, 1.0));
            let gradients =
                Tensor::run_backward(&[(outputs.view(-1) * weights).sum(Kind::Double)], &leaves, false, false);
            let terms = network.params().iter().zip(&gradients).map(|(spec, gradient)| {
                let direction =
                    Tensor::from_slice(&filled(&format!("along {}", spec.name), gradient.numel(), -1.0, 1.0));
                let products = gradient.view(-1) * direction;
                [products.sum(Kind::Double).double_value(&[]), products.abs().sum(Kind::Double).double_value(&[])]
            });
            let [slope, size] = terms.fold([0.0; 2], |sum, term| [sum[0] + term[0], sum[1] + term[1]]);
            assert!((slope - expected).abs() < 1e-5 * size, "{name} of {}: {slope}, {expected}", case["spec"]);
        }
    }
}

/// The same weights between the same shapes: only where the zeros lie differs.
#[test]
fn even_padding_differs_from_the_published_one() {
    let (published, case) = cases().into_iter().find(|(network, _)| network.name() == "resnet18").unwrap();
    let mut spec: ModelSpec = serde_json::from_value(case["spec"].clone()).unwrap();
    spec.name = "resnet18-torchvision".into();
    let even = spec.build().unwrap();
    assert_eq!(even.layout(), published.layout());
    let (w, mut buffers) = (parameters(&even), buffers(&even));
    let outputs = even.forward(w.views(), &mut buffers, &pictures("x", 2, &even), Mode::Frozen).unwrap();
    let expected = Tensor::from_slice2(&serde_json::from_value::<Vec<Vec<f64>>>(case["frozen"].clone()).unwrap());
    let difference = (outputs - &expected).abs().max().double_value(&[]);
    assert!(difference > 0.1 * expected.abs().max().double_value(&[]), "{difference}");
}

#[test]
fn a_pass_in_bfloat16_with_norms_in_single_precision_is_close() {
    for (network, case) in cases().into_iter().filter(|(network, _)| network.name().starts_with("resnet18")) {
        let w = parameters(&network).to(Kind::BFloat16, Device::Cpu).unwrap();
        let mut buffers = buffers(&network).to(Kind::Float, Device::Cpu).unwrap();
        let x = pictures("x", 2, &network).to_kind(Kind::BFloat16);
        let outputs = network.forward(w.views(), &mut buffers, &x, Mode::Frozen).unwrap();
        assert_eq!(outputs.kind(), Kind::BFloat16);
        // Eight bits, through twenty layers.
        assert_outputs(&outputs, &case["frozen"], 0.1, &case);
    }
}
