//! Holds the text of `llc descent --help` that belongs to no setting, and the published experiments.

use crate::config::preset::Settings;

/// Commands to start from, and the exit codes.
pub(super) const EXAMPLES: &str = "\
Examples:
  llc descent --preset test
      512 threes and sevens of MNIST, a network 784-32-2, 10,000 steps of gradient descent: seconds.
  llc descent --preset test --label-seed 0 --loss accuracy
      The same with permuted labels, and a loss that does not memorise them.
  llc descent --loss 'piecewise: [-1,-0.5,0,0.5,1]: -7x-3; -x; x; 7x-3' --num-epochs 1000
      A loss of prediction − target in four pieces: polynomials, abs, exp, log, sin, …
  llc descent --data cifar10 --classes cat,dog --learning-rate 0.1 --batch-size 64 --num-epochs 100 --nickname PETS
  llc descent --again PETS
      The same experiment, from its record, given by name, number or folder; flags override its settings.

Names in brackets are those of the original. Exit codes: 0 done, 1 failed, 2 bad usage or configuration, 3 diverged, 75 interrupted.";

/// The sections of a file, under which `--help` shows their flags.
pub(super) const HEADINGS: [(&str, &str); 5] = [
    ("model.", "The network"),
    ("data.", "The samples"),
    ("train.", "The descent"),
    ("descent.", "Measurements and records"),
    ("", "The run"),
];

/// What `--preset` takes.
pub(super) const PRESETS: [&str; 2] = ["test", "cifar10"];

/// What `--preset` does.
pub(super) const PRESETS_HELP: &str = "A published experiment, which all other settings override: test (MNIST's \
                                       threes and sevens), cifar10 (its ten classes in an MLP of 512 units at a \
                                       constant rate, which needs whitening)";

/// The settings of the preset `name`.
pub(super) fn preset(name: &str) -> Option<Settings> {
    match name {
        "test" => Some(&[
            ("model.name", "mlp"),
            ("model.widths", "32"),
            ("data.name", "mnist"),
            ("data.classes", "3,7"),
            ("data.train_size", "512"),
            // Whitened, the first losses that the original reports would be other ones.
            ("data.preprocessing", "scale"),
            ("train.learning_rate", "0.1"),
            ("train.num_epochs", "10000"),
            ("train.loss", "cross-entropy"),
            ("descent.nickname", "TEST-EXPERIMENT"),
        ]),
        "cifar10" => Some(&[
            ("model.name", "mlp1"),
            ("data.name", "cifar10"),
            ("data.train_size", "1000"),
            ("data.crop", "28"),
            ("data.label_seed", "0"),
            ("train.learning_rate", "0.01"),
            ("train.batch_size", "100"),
            ("train.num_epochs", "200"),
            ("descent.nickname", "CIFAR10"),
        ]),
        _ => None,
    }
}
