//! Tests the configuration of `llc descent`.

use super::*;
use crate::config::ExperimentArgs;
use crate::config::network::{BatchSize, PreprocessingConfig};
use crate::config::testing::assert_printed_reads_back;
use crate::data::{DatasetName, Split};
use crate::loss::Loss;
use crate::schedule::Schedule;

fn try_resolve(words: &[&str]) -> Result<DescentConfig, ConfigError> {
    let args = ExperimentArgs::<DescentConfig>::try_parse_from(words).unwrap_or_else(|error| panic!("{error}"));
    args.resolve().map(|checked| checked.config)
}

fn resolve(line: &str) -> DescentConfig {
    let words: Vec<&str> = line.split_whitespace().collect();
    try_resolve(&words).unwrap_or_else(|error| panic!("{line}: {error}"))
}

#[test]
fn a_printed_configuration_reads_back_to_an_equal_one() {
    assert_printed_reads_back::<DescentConfig>([
        "",
        "--preset test --label-seed 3 --selection-seed 0",
        "--learning-rate 0.1,0.05,0.01 --num-epochs 3 --batch-size 64 --loss accuracy --save=off --plot=off --beep=off --trace",
        "--data cifar10 --classes cat,dog --preprocessing scale --crop 32 --split test --optimizer adam --precision f64",
        "--data image-folder --metrics-every 10 --nickname A-B --loss squared-error --device cuda:1",
    ]);
}

#[test]
fn the_preset_test_is_the_original_s() {
    let config = resolve("--preset test");
    let (shape, num_classes) = config.data.shape().unwrap();
    let network = model::for_data(&config.model, shape, num_classes).build().unwrap();
    assert_eq!((network.num_parameters(), shape), (25_186, [1, 28, 28]));
    assert_eq!((config.data.train_size, &config.data.classes[..]), (512, &["3".to_owned(), "7".to_owned()][..]));
    assert_eq!(config.data.preprocessing, PreprocessingConfig::Scale);
    assert_eq!(resolve("").data.preprocessing, PreprocessingConfig::Whitening);
    let train = &config.train;
    assert_eq!(
        (train.learning_rate.get(), train.batch_size, train.length),
        (0.1, BatchSize::Full(true), Length::Epochs(10_000))
    );
    assert_eq!((&train.loss, &train.schedule), (&Loss::CrossEntropy, &Schedule::Constant));
    assert_eq!((config.descent.save, config.descent.plot, config.descent.beep), (true, true, true));
    // What a user says lies over it.
    let narrower = resolve("--preset test --data cifar10 --train-size 20 --batch-size 5");
    assert_eq!((narrower.data.name, narrower.data.classes.len()), (DatasetName::Cifar10, 10));
    assert_eq!(narrower.train.batch_size, BatchSize::Samples(5));
}

#[test]
fn a_list_of_rates_is_one_for_each_epoch_and_one_rate_is_constant() {
    let config = resolve("--learning-rate 0.1,0.05,0.01 --num-epochs 3 --nickname A");
    assert_eq!(config.train.schedule, Schedule::List { learning_rates: vec![0.1, 0.05, 0.01] });
    assert_eq!(config.run_name("f00"), "A-lr_variable-bs_512-eps_3_f00");
    assert_eq!(resolve("--learning-rate 0.25").train.learning_rate.get(), 0.25);
    let error = |line: &str| try_resolve(&line.split_whitespace().collect::<Vec<_>>()).unwrap_err().to_string();
    assert!(error("--learning-rate 0.1,0.05 --num-epochs 3").contains("2 rates for 3 epochs"));
    assert!(error("--learning-rate 0.1,-1 --num-epochs 2").contains("-1"));
    assert!(error("--learning-rate 0").contains("give a finite number above 0"));
    assert!(error("--learning-rate 0.1,0.2 --schedule cosine --num-epochs 2").contains("both given"));
}

#[test]
fn what_can_t_be_is_refused_with_what_would_do() {
    for (words, said) in [
        (&["--classes", "3,x"][..], "no class is called `x`: the classes of mnist are 0, 1"),
        (&["--classes", "3,3"], "`3` is given twice"),
        (&["--classes", "3"], "give two or more"),
        (&["--train-size", "511"], "give a multiple of 2"),
        (&["--crop", "27"], "has no centre"),
        (&["--label-seed", "5e9"], "give 4294967295 or less"),
        (&["--loss", "acuracy"], "did you mean `accuracy`?"),
        (&["--loss", "piecewise: [-1,0,1]: -x"], "3 ends bound 2 intervals, but there are 1 functions"),
        (&["--loss", "piecewise: [-1,1]: x^2", "--data", "cifar10", "--train-size", "10"], "there are 10: choose two"),
        (&["--metrics-every", "0"], "give 1 or more"),
    ] {
        let error = try_resolve(words).unwrap_err().to_string();
        assert!(error.contains(said), "{words:?}: {error}");
    }
    // Larger than the images is not a crop, as the original documents it.
    assert_eq!(resolve("--crop 40").data.shape().unwrap().0, [1, 28, 28]);
    assert_eq!(resolve("--split test").data.split, Split::Test);
}

#[test]
fn the_commands_that_help_shows_are_legal() {
    let commands: Vec<&str> = help::EXAMPLES.lines().filter_map(|line| line.strip_prefix("  llc descent ")).collect();
    assert!(commands.len() >= 4);
    for command in commands.into_iter().filter(|command| !command.starts_with("--again")) {
        // The shell's quotes hold one word together.
        let parts = command.split('\'').enumerate();
        let words: Vec<&str> = parts
            .flat_map(|(i, part)| if i % 2 == 1 { vec![part] } else { part.split_whitespace().collect() })
            .collect();
        try_resolve(&words).unwrap_or_else(|error| panic!("{command}: {error}"));
    }
}
