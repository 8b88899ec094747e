//! Checks the settings of `llc paths`: printing and reading back, presets, and errors.

use super::*;
use crate::config::testing::{self, assert_examples_are_legal, assert_printed_reads_back};
use crate::schedule::Schedule;

fn resolved(line: &str) -> Result<PathsConfig, ConfigError> {
    testing::resolved(line)
}

fn refusal(line: &str) -> String {
    resolved(line).unwrap_err().to_string()
}

#[test]
fn a_printed_configuration_reads_back_to_an_equal_one() {
    let lines = [
        "",
        "--model mlp --widths 20,30 --activation sigmoid --train-steps 50 --curve bezier --num-bends 3 --fit-momentum 0.5 --seed 7",
        "--fit-optimizer adam --llc-every 4 --num-minima 5 --segment-end 2 --plane-from -0.2 --plane-to 1.2 --plane-size 100",
        "--schedule plateaus --num-epochs 30 --fit-schedule cosine --fit-weight-decay 5e-4 --plane-points 0",
    ];
    let presets = presets::NAMES.map(|name| format!("--preset {name}"));
    assert_printed_reads_back::<PathsConfig>(lines.into_iter().map(str::to_owned).chain(presets));
}

#[test]
fn the_commands_that_help_shows_are_legal() {
    assert_examples_are_legal::<PathsConfig>(4);
}

#[test]
fn presets_are_the_published_settings_and_give_way_to_flags() {
    let published = resolved("--preset garipov/vgg16-bn").unwrap();
    assert_eq!(published.train().schedule, Schedule::Plateaus { num_epochs: 200 });
    assert_eq!((published.train().learning_rate.get(), published.train().weight_decay), (0.05, 5e-4));
    let fit = published.fit().training(published.train());
    assert_eq!(fit.schedule, Schedule::Plateaus { num_epochs: 600 });
    assert_eq!((fit.learning_rate.get(), fit.weight_decay), (0.015, 0.0), "the curve has its own decay");
    assert_eq!(published.fit().weight_decay, 5e-4);
    assert_eq!(published.points().plane_points, 21);
    let lab = resolved("--preset lab/sigmoid --num-epochs 7 --fit-optimizer sgd").unwrap();
    assert_eq!(lab.train().length, Length::Epochs(7));
    assert_eq!(lab.train().schedule, Schedule::Cosine { cosine_epochs: 7, final_learning_rate: 0.0 });
    // Adam's rate is none of SGD's.
    assert_eq!(lab.fit().learning_rate.get(), 0.02);
    assert_eq!((lab.points().segment_points, lab.points().segment_end, lab.points().curve_points), (30, 1.5, 61));
}

#[test]
fn minibatches_are_of_the_pictures_that_the_loss_is_taken_on() {
    let batch_size = |line| resolved(line).unwrap().sampler().kernel.batch_size();
    assert_eq!(batch_size("--train-size 8000"), Some(256));
    assert_eq!(batch_size("--train-size 8000 --llc-size 100"), Some(100));
    assert_eq!(batch_size("--train-size 90"), Some(90));
    assert_eq!(batch_size("--train-size 90 --llc-size 200"), Some(90));
    assert!(refusal("--train-size 8000 --llc-size 100 --batch-size 200").contains("--batch-size"));
}

#[test]
fn what_can_t_be_is_refused_with_what_would_do() {
    for (line, expected) in [
        ("--num-minima 1", "--num-minima (paths.num_minima) is 1"),
        ("--segment-end 0.5", "--segment-end (paths.segment_end) is 0.5"),
        ("--plane-from 1 --plane-to 1", "1 is not above --plane-from, 1"),
        ("--plane-points 1", "--plane-points (paths.plane_points) is 1"),
        ("--fit-optimizer adam --fit-momentum 0.5", "--fit-momentum"),
        ("--num-bends 0", "--num-bends (fit.num_bends) is 0"),
        ("--train-steps 10 --schedule plateaus", "--num-epochs"),
    ] {
        let found = refusal(line);
        assert!(found.contains(expected), "{line}: {found}");
    }
}
