//! Tests of the settings of the trained point, and of what is measured at each point.

use super::{checked, config, from_toml};
use crate::config::dln::{Estimator, FunctionalRank, HessianTrace, OptimizerConfig, Training, defaults};
use crate::config::{Configuration as _, Switch};
use serde_json::json;

#[test]
fn training_is_off_unless_asked_for_and_then_the_published_one() {
    assert_eq!(config("").train(), &Training::Off);
    let Training::On(published) = config("--train").train().clone() else { panic!("off") };
    assert_eq!(published.optimizer, OptimizerConfig::Sgd { momentum: 0.9 });
    assert_eq!((published.learning_rate.get(), published.batch_size, published.num_steps), (0.01, 500, 50_000));
    let Training::On(adam) = config("--train --optimizer adam --num-training-data 100").train().clone() else {
        panic!("off")
    };
    assert_eq!((adam.optimizer, adam.learning_rate.get(), adam.batch_size), (OptimizerConfig::Adam, 0.001, 100));
}

#[test]
fn a_switch_is_its_flag_alone_and_can_be_turned_off_again() {
    for line in ["--train", "--train=on", "--set train.enabled=on", "--set train.enabled=true", "--train --seed 1"] {
        assert!(matches!(config(line).train(), Training::On(_)), "{line}");
    }
    for line in ["", "--train=off", "--train=false", "--set train.enabled=true --train=off"] {
        assert_eq!(config(line).train(), &Training::Off, "{line}");
    }
    assert_eq!(config("--compute-distance").measure().distance, Switch::On);
    let [boolean, word] =
        ["true", "\"on\""].map(|on| from_toml(&format!("[train]\nenabled = {on}\nnum_steps = 7")).unwrap());
    assert_eq!(boolean, word);
}

#[test]
fn turning_a_switch_off_over_a_file_takes_back_what_belonged_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run.toml");
    let everything = "--train --optimizer adam --learning-rate 0.1 --functional-rank --functional-rank-threshold 1e-6 \
                      --hessian-trace --hessian-probes 7";
    std::fs::write(&file, config(everything).to_toml()).unwrap();
    let line = format!("--config {}", file.display());
    assert_eq!(config(&line), config(everything));
    let off = config(&format!("{line} --train=off --functional-rank=off --hessian-trace=off"));
    assert_eq!(off, config(""));
    let Training::On(sgd) = config(&format!("{line} --optimizer sgd")).train().clone() else { panic!("off") };
    assert_eq!(
        sgd.learning_rate,
        defaults::learning_rate(&sgd.optimizer),
        "the rate was meant for the other optimiser"
    );
}

#[test]
fn what_is_measured_has_the_defaults_that_help_states() {
    let measured = config("--functional-rank --hessian-trace --estimator wbic-slope").measure().clone();
    assert_eq!(measured.functional_rank, FunctionalRank::On { functional_rank_threshold: 1e-10 });
    assert_eq!(measured.hessian_trace, HessianTrace::On { hessian_probes: 100 });
    assert_eq!((measured.estimator, measured.save_true_param), (Estimator::WbicSlope, Switch::Off));
    let plain = config("").measure().clone();
    assert_eq!(
        (plain.estimator, plain.functional_rank, plain.hessian_trace),
        (Estimator::Mean, FunctionalRank::Off, HessianTrace::Off)
    );
}

#[test]
fn updates_mention_a_training() {
    let updates = checked("--train --train-steps 5").updates;
    assert_eq!(updates, json!({"train": {"enabled": "on", "num_steps": 5}}));
}
