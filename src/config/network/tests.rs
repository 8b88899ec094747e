//! Tests the sections that experiments on images share.

use super::train::{self, BatchSize, Length};
use super::{DataDefaults, ModelDefaults, PreprocessingConfig, TrainDefaults, data, model};
use crate::config::{ConfigError, PositiveF64, RawConfig, Setting};
use crate::data::DatasetName;
use crate::schedule::Schedule;

const MODEL: ModelDefaults = ModelDefaults { name: None };
const DATA: DataDefaults = DataDefaults { name: DatasetName::Cifar10, is_normalised: true };
const TRAIN: TrainDefaults = TrainDefaults {
    is_beside_sampler: false,
    sgd_learning_rate: PositiveF64::literal(0.01),
    momentum: 0.9,
    batch_size: 128,
    length: Length::Epochs(100),
    evaluate_train: false,
};

fn raw(settings: &[(&str, &str)]) -> RawConfig {
    let keys: &'static [Setting] = [model::keys(&MODEL), data::keys(&DATA), train::keys(&TRAIN)].concat().leak();
    let mut raw = RawConfig::new(keys);
    raw.layer_text(settings.iter().copied()).unwrap();
    raw
}

fn training(settings: &[(&str, &str)]) -> Result<train::TrainConfig, ConfigError> {
    train::check(&raw(settings), &TRAIN)
}

fn pictures(settings: &[(&str, &str)]) -> Result<data::DataConfig, ConfigError> {
    data::check(&raw(settings), &DATA)
}

fn sentence<T: std::fmt::Debug>(checked: Result<T, ConfigError>) -> String {
    checked.unwrap_err().to_string()
}

#[test]
fn a_flag_beside_a_sampler_is_none_of_the_sampler_s() {
    let beside = train::keys(&TrainDefaults { is_beside_sampler: true, ..TRAIN });
    for flag in ["batch-size", "num-steps", "precision"] {
        assert!(beside.iter().all(|key| key.flag != flag), "{flag}");
        assert!(train::keys(&TRAIN).iter().any(|key| key.flag == flag), "{flag}");
    }
    let flags = |keys: &[Setting]| keys.iter().map(|key| key.flag).collect::<std::collections::BTreeSet<_>>().len();
    assert_eq!(flags(&beside), beside.len());
}

#[test]
fn every_help_text_names_the_default_that_is_taken() {
    let config = training(&[]).unwrap();
    let help = |path: &str| raw(&[]).key(path).unwrap().help;
    assert!(
        help("train.learning_rate").ends_with(&format!("[default: sgd {}, adam 0.001]", config.learning_rate.get()))
    );
    assert!(help("train.batch_size").ends_with("[default: 128]"));
    assert_eq!(config.batch_size, BatchSize::Samples(128));
    assert!(help("train.num_epochs").ends_with("[default: 100]"));
    assert!(!help("train.num_steps").contains("default"));
    assert_eq!(config.length, Length::Epochs(100));
    assert_eq!(training(&[("train.optimizer", "adam")]).unwrap().learning_rate.get(), 0.001);
    let data = pictures(&[]).unwrap();
    assert!(help("data.corruption_seed").ends_with(&format!("[default: {}]", data.corruption_seed)));
    assert!(help("data.preprocessing").ends_with("[default: channels]"));
    assert!(matches!(&data.preprocessing, PreprocessingConfig::Channels { mean, .. } if mean[0] == 125.3 / 255.0));
    assert_eq!(data.preprocessing().normalise, crate::data::Normalise::cifar10(), "to the last bit of f32");
}

#[test]
fn a_schedule_takes_its_own_settings_and_no_other_s() {
    let schedule = |settings: &[(&str, &str)]| training(settings).unwrap().schedule;
    assert_eq!(schedule(&[]), Schedule::Constant);
    assert_eq!(schedule(&[("train.schedule", "exponential")]), Schedule::Exponential { decay: 0.95 });
    let steps = [("train.schedule", "multi-step"), ("train.milestones", "150,225")];
    assert_eq!(schedule(&steps), Schedule::MultiStep { milestones: vec![150, 225], decay: 0.1 });
    let cosine = schedule(&[("train.schedule", "cosine"), ("train.num_epochs", "30")]);
    assert_eq!(cosine, Schedule::Cosine { cosine_epochs: 30, final_learning_rate: 0.0 });
    assert_eq!(
        sentence(training(&[("train.milestones", "3")])),
        "--milestones (train.milestones) is used by --schedule multi-step only, and it is constant: leave it out or change \
         --schedule"
    );
    assert!(sentence(training(&[("train.schedule", "multi-step")])).ends_with("such as 150,225"));
    let falling = [("train.schedule", "multi-step"), ("train.milestones", "225,150")];
    assert!(sentence(training(&falling)).contains("ascending"));
    let no_length = [("train.schedule", "cosine"), ("train.num_steps", "30")];
    assert!(sentence(training(&no_length)).contains("--cosine-epochs 100"));
}

#[test]
fn a_list_has_one_rate_for_each_epoch_and_begins_with_the_base_rate() {
    let list = |rates: &'static str, epochs: &'static str| {
        training(&[("train.schedule", "list"), ("train.learning_rates", rates), ("train.num_epochs", epochs)])
    };
    assert_eq!(list("0.3,0.2", "2").unwrap().learning_rate.get(), 0.3);
    assert_eq!(
        sentence(list("0.3,0.2", "3")),
        "--learning-rates (train.learning_rates): 2 rates for 3 epochs: give one for each, or change --num-epochs"
    );
    assert!(sentence(list("0.3,0", "2")).contains("above 0"));
}

#[test]
fn a_later_layer_s_length_takes_back_the_former_one() {
    let mut raw = raw(&[("train.num_epochs", "300"), ("train.batch_size", "64")]);
    raw.layer_text([("train.num_steps", "50"), ("train.full_batch", "on")]).unwrap();
    let config = train::check(&raw, &TRAIN).unwrap();
    assert_eq!((config.length, config.batch_size), (Length::Steps(50), BatchSize::Full(true)));
    let both = raw.layer_text([("train.num_steps", "50"), ("train.num_epochs", "5")]).unwrap_err().to_string();
    assert!(both.ends_with("are both given, but set the same quantity: give one of them"), "{both}");
}

#[test]
fn adam_has_no_momentum_and_shares_lie_in_their_intervals() {
    let adam = [("train.optimizer", "adam"), ("train.momentum", "0.9")];
    assert!(matches!(training(&adam), Err(ConfigError::AdamHasNoMomentum { .. })));
    assert!(sentence(training(&[("train.momentum", "1")])).ends_with("give a number in [0, 1)"));
    assert!(sentence(training(&[("train.weight_decay", "-1")])).ends_with("0 or more"));
    assert!(sentence(pictures(&[("data.label_corruption", "1.5")])).ends_with("give a number in [0, 1]"));
    assert!(sentence(pictures(&[("data.corruption_seed", "4294967296")])).ends_with("give 4294967295 or less"));
}

#[test]
fn channels_of_the_data_and_of_their_statistics_agree() {
    assert_eq!(
        sentence(pictures(&[("data.mean", "0.5")])),
        "--mean (data.mean): 1 numbers for 3 channels: give one for each"
    );
    let folder = sentence(pictures(&[("data.name", "image-folder")]));
    assert!(folder.contains("`llc data stats DIR`"), "{folder}");
    assert!(
        sentence(pictures(&[("data.preprocessing", "scale"), ("data.mean", "0.5")]))
            .contains("used by --preprocessing")
    );
    assert!(sentence(pictures(&[("data.crop", "33")])).ends_with("give 32 or less"));
}

#[test]
fn a_network_is_fitted_to_the_data_and_its_own_refusal_is_passed_on() {
    let fit = |settings: &[(&str, &str)]| model::check(&raw(settings), &MODEL, Some(([1, 28, 28], 10)));
    assert!(sentence(fit(&[])).contains("for example --model mlp1"));
    let mlp = fit(&[("model.name", "mlp"), ("model.widths", "100,50"), ("model.activation", "tanh")]).unwrap();
    let built = model::for_data(&mlp, [1, 28, 28], 10).build().unwrap();
    assert_eq!(built.num_parameters(), 784 * 100 + 100 + 100 * 50 + 50 + 50 * 10 + 10);
    assert_eq!(
        serde_json::to_value(&mlp).unwrap(),
        serde_json::json!({"name": "mlp", "widths": [100, 50], "activation": "tanh"})
    );
    let misspelt = sentence(fit(&[("model.name", "resnet-18")]));
    assert!(
        misspelt.starts_with("--model (model.name): ") && misspelt.contains("did you mean `resnet18`?"),
        "{misspelt}"
    );
    assert!(sentence(fit(&[("model.name", "mlp"), ("model.width_factor", "3")])).contains("width-factor"));
    assert!(sentence(fit(&[("model.name", "mlp"), ("model.num_classes", "5")])).contains("10 classes"));
}
