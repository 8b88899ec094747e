//! Holds the text of `llc dln --help` that belongs to no setting.

/// Commands to start from, and the exit codes.
pub(super) const EXAMPLES: &str = "\
Examples:
  llc dln --input-dim 10 --layer-widths 20,20,10 --seed 1
      An estimate by gibbs with four chains, and whether to trust it.
  llc dln --layer-widths 20,20,10 --truth aligned --rank 5 --sampler hmc
      The same by hmc, around a truth whose known λ is the local one.
  llc dln --preset 10k --seed 7 --print-config > run.toml
  llc dln --layer-widths 20,20,10 --train --train-steps 5000 --estimator wbic-slope
      A second estimate, at the end of a training from a random start, and a second estimator.
  llc dln --config run.toml --sampler sgld --epsilon 1e-7 --set sampler.thin=10
      Flags override --set, which overrides files.

Exit codes: 0 done, 1 failed, 2 bad usage or configuration, 3 diverged, 75 interrupted.";

/// The sections of a file, under which `--help` shows their flags.
pub(super) const HEADINGS: [(&str, &str); 7] = [
    ("model.", "The network: f(x) = x W_1 ... W_L, without biases"),
    ("data.", "The data"),
    ("truth.", "The truth w*"),
    ("sampler.", "The sampler"),
    ("train.", "A trained point besides w*"),
    ("measure.", "Further measurements, at w* and at the trained point"),
    ("", "The run"),
];
