//! Loads checkpoints into networks: names with wrappers, names of others, and what is said where they don't fit.

use std::path::PathBuf;

use llc::checkpoint::{Checkpoint, CheckpointError, Dtype, Header, NamedTensor, assign};
use llc::model::{ModelOptions, ModelSpec, Network};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/checkpoints").join(name)
}

/// ResNet18 as torchvision names it, one channel wide.
fn resnet(name: &str) -> (ModelSpec, Network) {
    let options = ModelOptions { width_factor: Some(1), ..ModelOptions::default() };
    let spec = ModelSpec { name: name.into(), options };
    let network = spec.build().unwrap();
    (spec, network)
}

fn perceptron() -> (ModelSpec, Network) {
    let options = ModelOptions {
        widths: Some(vec![5]),
        input_shape: Some([1, 2, 2]),
        num_classes: Some(3),
        ..ModelOptions::default()
    };
    let spec = ModelSpec { name: "mlp".into(), options };
    let network = spec.build().unwrap();
    (spec, network)
}

/// Zeros for all of the network's tensors, under names that `rename` makes.
fn zeros(network: &Network, rename: impl Fn(&str) -> String) -> Checkpoint {
    let params = network.params().iter().map(|spec| (&spec.name, &spec.shape));
    let tensors = params.chain(network.buffers().iter().map(|spec| (&spec.name, &spec.shape)));
    let tensor = |(name, shape): (&String, &Vec<usize>)| NamedTensor {
        name: rename(name),
        shape: shape.clone(),
        dtype: Dtype::F32,
        bytes: vec![0; Dtype::F32.tensor_bytes(shape).unwrap()],
    };
    Checkpoint { tensors: tensors.map(tensor).collect(), header: Header::default() }
}

#[test]
fn words_of_wrappers_before_the_names_do_not_matter() {
    let (_, network) = resnet("resnet18-torchvision");
    let plain = assign(&zeros(&network, str::to_owned), &network).unwrap();
    assert!(!plain.is_by_order);
    for wrapper in ["module.", "model.module.", "_orig_mod.", "state_dict.backbone.", "net._orig_mod."] {
        let wrapped = zeros(&network, |name| format!("{wrapper}{name}"));
        assert_eq!(assign(&wrapped, &network).unwrap(), plain, "{wrapper}");
    }
}

#[test]
fn of_two_sets_of_parameters_the_usual_one_is_taken() {
    let (_, network) = perceptron();
    let mut checkpoint = zeros(&network, |name| format!("ema.{name}"));
    checkpoint.tensors.extend(zeros(&network, |name| format!("model.{name}")).tensors);
    assert_eq!(assign(&checkpoint, &network).unwrap().params, [4, 5, 6, 7]);
}

#[test]
fn counters_of_batches_may_be_missing_and_running_statistics_may_not() {
    let (_, network) = resnet("resnet18-cifar");
    let mut checkpoint = zeros(&network, str::to_owned);
    checkpoint.tensors.retain(|tensor| !tensor.name.ends_with("num_batches_tracked"));
    assert!(assign(&checkpoint, &network).unwrap().buffers.contains(&None));
    checkpoint.tensors.retain(|tensor| tensor.name != "bn1.running_var");
    let message = assign(&checkpoint, &network).unwrap_err().to_string();
    assert!(message.contains("1 missing (bn1.running_var)"), "{message}");
}

#[test]
fn a_checkpoint_of_another_network_is_refused_with_the_tensors_that_differ() {
    let (_, network) = resnet("resnet18-torchvision");
    let mut checkpoint = zeros(&network, |name| format!("module.{name}"));
    checkpoint.tensors.retain(|tensor| !tensor.name.contains("layer4.1.conv2"));
    let fc = checkpoint.tensors.iter_mut().find(|tensor| tensor.name == "module.fc.weight").unwrap();
    (fc.shape, fc.bytes) = (vec![100, 8], vec![0; 3200]);
    let extra = checkpoint.tensors[0].clone();
    checkpoint.tensors.extend((0..9).map(|i| NamedTensor { name: format!("module.head.{i}.w"), ..extra.clone() }));
    let message = assign(&checkpoint, &network).unwrap_err().to_string();
    for part in [
        "`resnet18-torchvision`",
        "1 missing (layer4.1.conv2.weight)",
        "9 unexpected (head.0.w, head.1.w, head.2.w, head.3.w, head.4.w, …)",
        "1 of another shape (fc.weight is 100×8 but should be 10×8)",
        "--model",
    ] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn a_header_of_another_network_is_reported_even_where_all_shapes_are_the_same() {
    let (_, torchvision) = resnet("resnet18-torchvision");
    let (haiku, _) = resnet("resnet18");
    let mut checkpoint = zeros(&torchvision, str::to_owned);
    assert!(assign(&checkpoint, &torchvision).is_ok());
    checkpoint.header.model = Some(haiku);
    let error = assign(&checkpoint, &torchvision).unwrap_err();
    assert!(matches!(error, CheckpointError::OtherNetwork { .. }));
    let message = error.to_string();
    assert!(message.contains(r#"{"name":"resnet18","width_factor":1}"#) && message.contains("--model"), "{message}");
}

#[test]
fn names_of_others_fit_by_order_only_where_the_order_is_known_and_every_shape_fits() {
    let (_, network) = perceptron();
    let checkpoint = Checkpoint::read(&fixture("perceptron.pt")).unwrap();
    // x and y, beside the state dict, are not the network's and don't matter.
    let assignment = assign(&checkpoint, &network).unwrap();
    assert_eq!((assignment.params, assignment.is_by_order), (vec![0, 1, 2, 3], true));

    let square = ModelSpec {
        name: "deep-linear".into(),
        options: ModelOptions {
            widths: Some(vec![4; 11]),
            input_shape: Some([1, 1, 4]),
            num_classes: Some(4),
            ..Default::default()
        },
    };
    let network = square.build().unwrap();
    let mut numbered = zeros(&network, str::to_owned);
    for (index, tensor) in numbered.tensors.iter_mut().enumerate() {
        tensor.name = format!("{index}.weight");
    }
    assert!(assign(&numbered, &network).unwrap().is_by_order);
    // As a file of sorted names has them: 0, 1, 10, 11, 2, …
    numbered.tensors.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(assign(&numbered, &network).is_err());
}

#[cfg(feature = "torch")]
mod with_libtorch {
    use llc::checkpoint::load_into;
    use llc::model::Mode;
    use llc::rng::Key;
    use llc::tensors::Tensors;
    use serde_json::Map;
    use tch::{Kind, Tensor};

    use super::*;

    #[test]
    fn a_network_loaded_from_pytorch_s_file_has_pytorch_s_outputs() {
        let (_, network) = perceptron();
        let checkpoint = Checkpoint::read(&fixture("perceptron.pt")).unwrap();
        let (w, mut buffers) = load_into(&checkpoint, &network).unwrap();
        let tensor = |name: &str| checkpoint.tensor(name).unwrap().to_tensor().unwrap();
        let y = network.forward(w.views(), &mut buffers, &tensor("x"), Mode::Frozen).unwrap();
        let difference = (y - tensor("y")).abs().max().double_value(&[]);
        assert!(difference < 1e-6, "{difference}");
    }

    #[test]
    fn a_network_its_buffers_and_its_training_come_back_bit_for_bit_from_a_file() {
        let (spec, network) = resnet("resnet18");
        let w = network.init(Key::new(3)).unwrap();
        let mut buffers = network.initial_buffers().unwrap();
        let x = Tensor::arange(2 * 3072, (Kind::Float, tch::Device::Cpu)).sin().view([2, 3, 32, 32]);
        let _logits = network.forward(w.views(), &mut buffers, &x, Mode::Train { key: Key::new(4) }).unwrap();
        let momentum = Tensor::arange(5, (Kind::Double, tch::Device::Cpu));
        let mut facts = Map::new();
        facts.insert("epoch".into(), 3.into());
        facts.insert("runtime_s".into(), 0.1.into());
        let extras = vec![("momentum".to_owned(), momentum.shallow_clone())];
        let written = Checkpoint::from_parts(&spec, &w, &buffers, facts, extras).unwrap();

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("e_003.safetensors");
        written.write(&path).unwrap();
        let read = Checkpoint::read(&path).unwrap();
        assert_eq!(read.header, written.header);
        let (w_read, buffers_read) = load_into(&read, &network).unwrap();
        assert_eq!(w_read.as_slice::<f32>(), w.as_slice::<f32>());
        for (name, tensor) in buffers.tensors() {
            assert!(tensor.equal(buffers_read.get(name).unwrap()), "{name}");
            assert_eq!(tensor.kind(), buffers_read.get(name).unwrap().kind());
        }
        let (name, extra) = read.extras().next().unwrap();
        assert_eq!((name, extra.to_tensor().unwrap()), ("momentum", momentum));
    }

    #[test]
    fn a_resnet_loaded_from_haiku_s_file_has_haiku_s_outputs() {
        let (_, network) = resnet("resnet18");
        let mut checkpoint = Checkpoint::read(&fixture("haiku.pkl")).unwrap();
        let place = checkpoint.tensors.iter().position(|tensor| tensor.name == "y").unwrap();
        let expected = checkpoint.tensors.remove(place).to_tensor().unwrap();
        let (w, mut buffers) = load_into(&checkpoint, &network).unwrap();
        let index = Tensor::arange(2 * 3072, (Kind::Int64, tch::Device::Cpu));
        let x = index.square().remainder(17).to_kind(Kind::Float) / 8 - 1;
        let y = network.forward(w.views(), &mut buffers, &x.view([2, 3, 32, 32]), Mode::Frozen).unwrap();
        let difference = (y - &expected).abs().max().double_value(&[]);
        let largest = expected.abs().max().double_value(&[]);
        assert!(largest > 1.0 && difference < 1e-5 * largest, "{difference} of {largest}");
        assert_eq!(buffers.get("bn1.num_batches_tracked").unwrap().int64_value(&[]), 1);
    }

    #[test]
    fn every_format_of_numbers_becomes_the_tensor_of_its_values() {
        let checkpoint = Checkpoint::read(&fixture("dtypes.pt")).unwrap();
        let floats = Tensor::from_slice(&[-1.0, -0.875, -0.75, -0.625, -0.5, -0.375]).view([2, 3]);
        for name in ["float32", "float64", "float16", "bfloat16"] {
            let tensor = checkpoint.tensor(name).unwrap().to_tensor().unwrap();
            assert!(tensor.to_kind(Kind::Double).equal(&floats), "{name}");
        }
        for tensor in &checkpoint.tensors {
            let again = NamedTensor::from_tensor(&tensor.name, &tensor.to_tensor().unwrap()).unwrap();
            assert_eq!(&again, tensor);
        }
    }
}
