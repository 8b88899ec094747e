//! Holds the text of `llc train --help` that belongs to no setting.

/// Commands to start from, and the exit codes.
pub(super) const EXAMPLES: &str = "\
Examples:
  llc train --preset zhang-fig1/mlp1 --label-corruption 0.5
      MLP1 on CIFAR-10, half of the labels redrawn, to the interpolation threshold.
  llc train --preset fitting-random-labels/mlp --label-corruption 1 --num-epochs 5
  llc train --model mlp --widths 512,512 --data mnist --num-epochs 10 --optimizer adam
      Any network on any images; `llc model list` lists the networks, `llc data fetch mnist` downloads the images.
  llc train --preset zhang-fig1/mlp1 --resume runs/7
      Continues where run 7 was stopped, bit for bit.

Exit codes: 0 done, 1 failed, 2 bad usage or configuration, 3 diverged, 75 interrupted.";

/// The sections of a file, under which `--help` shows their flags.
pub(super) const HEADINGS: [(&str, &str); 4] =
    [("model.", "The network"), ("data.", "The images"), ("train.", "The training"), ("", "The run")];

/// What `--preset` does.
pub(super) const PRESETS: &str = "A published experiment, which all other settings override: zhang-fig1/ with mlp1, \
                                  mlp3, alexnet-small, inception-small or wide-resnet; zhang-fig2/ with inception or \
                                  inception-nobn; fitting-random-labels/ with mlp, wrn28-1, wrn28-10 or wrn16-4";
