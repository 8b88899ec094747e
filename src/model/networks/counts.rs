//! Tests the numbers of parameters against those that were published or counted in the originals.

use crate::model::layer::Activation;
use crate::model::{ModelOptions, ModelSpec, Network};

fn network(name: &str, options: ModelOptions) -> Network {
    ModelSpec { name: name.into(), options }.build().unwrap()
}

fn count(name: &str) -> usize {
    network(name, ModelOptions::default()).num_parameters()
}

fn count_at_width(name: &str, width_factor: usize) -> usize {
    network(name, ModelOptions { width_factor: Some(width_factor), ..Default::default() }).num_parameters()
}

#[test]
fn perceptrons_have_as_many_parameters_as_published() {
    let mlp = |widths: &[usize], num_classes| {
        let (widths, activation) = (Some(widths.to_vec()), Some(Activation::Sigmoid));
        network("mlp", ModelOptions { widths, activation, num_classes: Some(num_classes), ..Default::default() })
    };
    assert_eq!(mlp(&[32], 2).num_parameters(), 25_186);
    assert_eq!(count("mlp"), 50_890);
    assert_eq!(count("mlp1"), 1_209_866);
    assert_eq!(count("mlp3"), 1_735_178);
    assert_eq!(count("mlp-512"), 1_577_984);
    assert_eq!(count("mlp-512x128x512"), 3072 * 512 + 512 * 128 + 128 * 512 + 512 * 10);
    let biased = ModelOptions { input_shape: Some([3, 32, 32]), widths: Some(vec![512]), ..Default::default() };
    assert_eq!(network("mlp", biased.clone()).num_parameters(), 1_578_506);
    assert_eq!(network("mlp", ModelOptions { has_bias: Some(false), ..biased }).num_parameters(), 1_577_984);
    let hidden = ModelOptions { widths: Some(vec![10]), ..Default::default() };
    assert_eq!(network("deep-linear", hidden).num_parameters(), 200);
}

#[test]
fn small_networks_for_cropped_pictures_have_as_many_parameters_as_published() {
    assert_eq!(count("alexnet-small"), 1_375_690);
    assert_eq!(count("inception-small"), 1_651_114);
    let without = ModelOptions { batch_norm: Some(false), ..Default::default() };
    assert_eq!(network("inception-small", without).num_parameters(), 1_647_690);
    assert_eq!(count("wide-resnet"), 1_549_850);
    let alexnet = network("alexnet-small", ModelOptions::default());
    let of = |layer: &str| alexnet.rows().iter().find(|row| row.name == layer).unwrap().num_parameters;
    assert_eq!(["conv1", "conv2", "fc1", "fc2", "fc"].map(of), [4_864, 409_856, 885_120, 73_920, 1_930]);
}

#[test]
fn wide_resnets_have_as_many_parameters_as_published() {
    assert_eq!(count("wrn-28-1"), 369_498);
    assert_eq!(count("wrn-28-10"), 36_479_194);
    assert_eq!(count("wrn-16-4"), 2_748_890);
}

#[test]
fn resnet18_has_as_many_parameters_as_published_at_every_width() {
    let published = [
        (1, 3_111),
        (2, 11_660),
        (4, 45_102),
        (8, 177_362),
        (16, 703_386),
        (32, 2_801_450),
        (64, 11_181_642),
        (100, 27_277_710),
        (128, 44_678_282),
    ];
    for (k, d) in published {
        assert_eq!(count_at_width("resnet18", k), d);
    }
    assert_eq!(count("resnet18"), 11_181_642);
    assert_eq!(count("resnet18-torchvision"), 11_181_642);
    let thousand = ModelOptions { num_classes: Some(1000), ..Default::default() };
    assert_eq!(network("resnet18-torchvision", thousand).num_parameters(), 11_689_512);
    assert_eq!(count("resnet18-cifar"), 11_173_962);
    assert_eq!(count_at_width("resnet18-cifar", 8), 176_402);
}

#[test]
fn vgg16_has_as_many_parameters_as_its_layers() {
    // 13 convolutions with 4,224 channels in all, then 512 → 512 → 512 → 10.
    let convs = 9 * (3 * 64 + 64 * 64 + 64 * 128 + 128 * 128 + 128 * 256 + 2 * 256 * 256 + 256 * 512 + 5 * 512 * 512);
    let head = 2 * (512 * 512 + 512) + 5_130;
    assert_eq!(count("vgg16"), convs + 3 * 4_224 + head);
    let without = ModelOptions { batch_norm: Some(false), ..Default::default() };
    assert_eq!(network("vgg16", without).num_parameters(), convs + 4_224 + head);
}

#[test]
fn tensors_of_resnet18_are_named_and_shaped_as_torchvision_s() {
    let network = network("resnet18-torchvision", ModelOptions::default());
    assert_eq!((network.params().len(), network.buffers().len()), (62, 60));
    let shape = |name: &str| network.params().iter().find(|spec| spec.name == name).unwrap().shape.clone();
    assert_eq!(shape("conv1.weight"), [64, 3, 7, 7]);
    assert_eq!(shape("layer1.0.bn1.weight"), [64]);
    assert_eq!(shape("layer2.0.downsample.0.weight"), [128, 64, 1, 1]);
    assert_eq!(shape("layer4.0.downsample.1.bias"), [512]);
    assert_eq!(shape("layer4.1.conv2.weight"), [512, 512, 3, 3]);
    assert_eq!(shape("fc.weight"), [10, 512]);
    let buffers: Vec<&str> = network.buffers()[..3].iter().map(|spec| spec.name.as_str()).collect();
    assert_eq!(buffers, ["bn1.running_mean", "bn1.running_var", "bn1.num_batches_tracked"]);
}

#[test]
fn pictures_shrink_through_resnet18_as_published() {
    let network = network("resnet18", ModelOptions::default());
    let sides: Vec<usize> = network.rows().iter().filter_map(|row| row.output.get(1).copied()).collect();
    let mut steps = sides.clone();
    steps.dedup();
    // The last halving passes the shortcut too, which is visited after the body.
    assert_eq!(steps, [16, 8, 4, 2, 1]);
}
