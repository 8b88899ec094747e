//! Tests the configuration of `llc train`.

use super::*;
use crate::config::experiment::from_table;
use crate::config::{Checked, ExperimentArgs};
use crate::schedule::Schedule;

fn resolved(words: &str) -> Checked<TrainingConfig> {
    ExperimentArgs::<TrainingConfig>::try_parse_from(words.split_whitespace()).unwrap().resolve().unwrap()
}

#[test]
fn every_preset_sets_all_that_it_says_and_is_read_back_from_its_file() {
    for name in presets::NAMES {
        let config = resolved(&format!("--preset {name} --threads 2")).config;
        let table: toml::Table = config.to_toml().parse().unwrap();
        assert_eq!(from_table::<TrainingConfig>(&table, 2).unwrap(), config, "{name}");
        assert_eq!(
            config.train.schedule,
            match name {
                "zhang-fig1/mlp1" => Schedule::MultiStep { milestones: vec![100, 200], decay: 0.1 },
                name if name.starts_with("zhang") => Schedule::Exponential { decay: 0.95 },
                _ => Schedule::MultiStep { milestones: vec![150, 225], decay: 0.1 },
            }
        );
        let (batch, length) = (config.train.batch_size, config.train.length);
        assert_eq!((batch, length), (network::BatchSize::Samples(128), Length::Epochs(300)), "{name}");
        let is_figure_1 = name.starts_with("zhang-fig1");
        assert_eq!((config.train.stop_at_threshold, config.data.corrupt_test), (is_figure_1, true), "{name}");
    }
}

#[test]
fn presets_have_the_published_networks() {
    for (name, num_parameters) in [
        ("zhang-fig1/mlp1", 1_209_866),
        ("zhang-fig1/mlp3", 1_735_178),
        ("zhang-fig1/alexnet-small", 1_375_690),
        ("zhang-fig1/inception-small", 1_651_114),
        ("zhang-fig1/wide-resnet", 1_549_850),
        ("zhang-fig2/inception-nobn", 1_647_690),
        ("fitting-random-labels/mlp", 1_577_984),
        ("fitting-random-labels/wrn28-1", 369_498),
        ("fitting-random-labels/wrn28-10", 36_479_194),
        ("fitting-random-labels/wrn16-4", 2_748_890),
    ] {
        let remark = resolved(&format!("--preset {name}")).config.remark();
        assert_eq!(remark, format!("d = {num_parameters} parameters"), "{name}");
    }
}

#[test]
fn flags_lie_over_a_preset_and_take_its_own_settings_along() {
    let base = "--preset fitting-random-labels/mlp --threads 2";
    let config = resolved(&format!("{base} --label-corruption 0.5 --optimizer adam --num-steps 7")).config;
    assert_eq!((config.data.label_corruption, config.train.length), (0.5, Length::Steps(7)));
    assert_eq!(config.train.learning_rate.get(), 0.001, "0.01 is said of SGD");
    let config = resolved("--preset zhang-fig2/inception-nobn --model resnet18").config;
    assert_eq!(config.model.options, Default::default());
    let config = resolved("--preset zhang-fig1/mlp1 --schedule constant").config;
    assert_eq!(config.train.schedule, Schedule::Constant);
    let config = resolved("--preset zhang-fig1/mlp1 --data mnist --preprocessing scale --crop 20 --model mlp").config;
    assert_eq!(config.data.shape(), Some(([1, 20, 20], 10)));
}

#[test]
fn updates_are_what_the_user_set() {
    let updates = resolved("--model mlp1 --crop 28 --label-corruption 0.5 --num-epochs 100").updates;
    // Without a network there is no base to compare with: all that was set is listed.
    assert_eq!(updates["model"]["name"], "mlp1");
    assert_eq!(updates["data"], serde_json::json!({"crop": 28, "label_corruption": 0.5}));
}
