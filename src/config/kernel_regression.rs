//! Configures `llc kernel-regression`: labels fitted by a Gaussian kernel, at several numbers of training samples.
//!
//! The tables are `data`, `regression` and `run`. Defaults are those of the published experiment on MNIST (bandwidth 0.02 on bytes over
//! 255, no ridge, all samples).

use llc_core::setting::{Choice, choice};
use std::sync::LazyLock;

use serde::Serialize;

use super::experiment::{CommandLine, Configuration};
use super::machine::{self, MachineConfig};
use super::network::{DataConfig, DataDefaults, data};
use super::{ConfigError, ConfigWarning, Kind, PositiveF64, RawConfig, Setting, Value, run};
use crate::data::DatasetName;

const EXAMPLES: &str = "\
Examples:
  llc kernel-regression --train-sizes 500,1000,2000,4000,8000
      MNIST: test error, norm and training error of the interpolant, at five numbers of samples; `llc data fetch mnist` downloads it.
  llc kernel-regression --train-sizes 8000 --label-corruption 1 --corrupt-test=off
      Random labels: the training error is still 0.
  llc kernel-regression --data fashion-mnist --solver iterative --memory 4 --tolerance 1e-3
      All 60,000 samples in 4 GB for the kernel, in less than an hour on two cores.
  llc kernel-regression --data cifar10 --train-sizes 4000 --bandwidth 0.002 --solver both
      Both solvers, and the difference of their predictions.

Exit codes: 0 done, 1 failed, 2 bad usage or configuration, 75 interrupted.";

/// The sections of a file, under which `--help` shows their flags.
const HEADINGS: [(&str, &str); 3] = [("data.", "The images"), ("regression.", "The regression"), ("", "The run")];

const DATA: DataDefaults = DataDefaults { name: DatasetName::Mnist, is_normalised: false };
/// The setting of the images that `train_sizes` stands in for.
const NOT_HERE: &str = "data.train_size";
const BANDWIDTH: PositiveF64 = PositiveF64::literal(0.02);
const TOLERANCE: PositiveF64 = PositiveF64::literal(1e-8);
const MEMORY_GB: PositiveF64 = PositiveF64::literal(4.0);
const RANK: usize = 1000;
const MAX_ITERATIONS: u64 = 500;
const SEED: u64 = 0;

/// A legal configuration of `llc kernel-regression`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KernelRegressionConfig {
    experiment: &'static str,
    seed: u64,
    data: DataConfig,
    regression: RegressionConfig,
    run: MachineConfig,
}

/// The fit, in files the table `regression`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RegressionConfig {
    /// Factor of the squared distance in the kernel's exponent.
    pub bandwidth: PositiveF64,
    /// What is added to the diagonal of the kernel matrix, 0 or more.
    pub ridge: f64,
    /// Numbers of training samples, in the order in which they are fitted; all samples if it is empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub train_sizes: Vec<usize>,
    /// How the system is solved.
    pub solver: Solver,
    /// Gigabytes (10⁹ bytes) for the kernel matrix.
    pub memory: PositiveF64,
    /// iterative: ‖residual‖/‖targets‖ of every class at which it ends.
    pub tolerance: PositiveF64,
    /// iterative: samples that the preconditioner is made of, at least 1.
    pub preconditioner_rank: usize,
    /// iterative: iterations after which it ends at the latest, at least 1.
    pub max_iterations: u64,
}

/// How the system is solved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Solver {
    /// Direct where the memory suffices, else iterative.
    Auto,
    /// By a Cholesky factor.
    Direct,
    /// By conjugate gradients.
    Iterative,
    /// By both, which are then compared.
    Both,
}

choice!(Solver: Auto = "auto", Direct = "direct", Iterative = "iterative", Both = "both");

impl KernelRegressionConfig {
    /// The name of the experiment, in files and records.
    pub const EXPERIMENT: &'static str = "kernel-regression";

    /// Seed of the preconditioner's samples, below 2⁶³.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The images.
    pub fn data(&self) -> &DataConfig {
        &self.data
    }

    /// The fit.
    pub fn regression(&self) -> &RegressionConfig {
        &self.regression
    }

    /// Threads and device.
    pub fn run(&self) -> &MachineConfig {
        &self.run
    }
}

impl Configuration for KernelRegressionConfig {
    const COMMAND_LINE: CommandLine = CommandLine {
        name: Self::EXPERIMENT,
        about: "Fit true or random labels by a Gaussian kernel: test error and norm of the interpolant against the number of samples",
        examples: EXAMPLES,
        headings: &HEADINGS,
        ..CommandLine::WITHOUT_PRESETS
    };

    fn keys() -> &'static [Setting] {
        static KEYS: LazyLock<Vec<Setting>> = LazyLock::new(|| {
            let experiment =
                Setting::new("experiment", "", Kind::Choice(&[KernelRegressionConfig::EXPERIMENT]), "", "");
            let pictures = data::keys(&DATA).into_iter().filter(|key| key.path != NOT_HERE);
            std::iter::once(experiment).chain(pictures).chain(own()).chain(run::bare_keys()).collect()
        });
        &KEYS
    }

    fn build(raw: &RawConfig, threads: usize) -> Result<Self, ConfigError> {
        let data = data::check(raw, &DATA)?;
        let regression = RegressionConfig {
            bandwidth: raw.positive("regression.bandwidth")?.unwrap_or(BANDWIDTH),
            ridge: raw.non_negative("regression.ridge")?.unwrap_or(0.0),
            train_sizes: train_sizes(raw)?,
            solver: raw.choice("regression.solver").unwrap_or(Solver::Auto),
            memory: raw.positive("regression.memory")?.unwrap_or(MEMORY_GB),
            tolerance: raw.positive("regression.tolerance")?.unwrap_or(TOLERANCE),
            preconditioner_rank: raw.count("regression.preconditioner_rank", 1)?.unwrap_or(RANK),
            max_iterations: raw.count("regression.max_iterations", 1)?.map_or(MAX_ITERATIONS, |count| count as u64),
        };
        let run = machine::check(raw, threads)?;
        let seed = raw.whole("seed").unwrap_or(SEED);
        Ok(Self { experiment: Self::EXPERIMENT, seed, data, regression, run })
    }

    fn warnings(&self, _raw: &RawConfig) -> Vec<ConfigWarning> {
        Vec::new()
    }

    fn remark(&self) -> String {
        let RegressionConfig { bandwidth, ridge, .. } = &self.regression;
        format!("k(x, y) = exp(-{}·|x - y|²) on {}, ridge {ridge}", bandwidth.get(), self.data.name)
    }

    fn threads(&self) -> usize {
        self.run.threads
    }
}

fn train_sizes(raw: &RawConfig) -> Result<Vec<usize>, ConfigError> {
    let key = raw.key("regression.train_sizes")?;
    let Some(Value::WholeList(sizes)) = raw.get(key.path) else { return Ok(Vec::new()) };
    if sizes.is_empty() || !sizes.is_sorted_by(|a, b| a < b) || sizes[0] == 0 {
        let reason = "give numbers of samples in ascending order, such as 500,1000,2000".to_owned();
        return Err(ConfigError::Refused { key, reason });
    }
    Ok(sizes.iter().map(|&size| size as usize).collect())
}

/// The settings that no other experiment has.
fn own() -> Vec<Setting> {
    vec![
        Setting::new(
            "regression.bandwidth",
            "bandwidth",
            Kind::Real,
            "BANDWIDTH",
            "Factor of the squared distance: k(x, y) = exp(-BANDWIDTH |x - y|^2), often written 1/(2 sigma^2); larger \
             is narrower [default: 0.02, published for MNIST's bytes over 255]",
        ),
        Setting::new(
            "regression.ridge",
            "ridge",
            Kind::Real,
            "RIDGE",
            "Number added to the diagonal of the kernel matrix; 0 interpolates the labels, and requires that all \
             images differ [default: 0]",
        ),
        Setting::new(
            "regression.train_sizes",
            "train-sizes",
            Kind::WholeList,
            "SIZES",
            "Numbers of training samples, ascending; each fit uses the first N samples, with the same corruption as \
             in the full set [default: all]",
        ),
        Setting::new(
            "regression.solver",
            "solver",
            Kind::Choice(Solver::NAMES),
            "auto|direct|iterative|both",
            "direct: Cholesky, 16 n^2 bytes; iterative: conjugate gradients in --memory; both: compares their \
             predictions; auto: direct if --memory is enough for it [default: auto]",
        ),
        Setting::new(
            "regression.memory",
            "memory",
            Kind::Real,
            "GB",
            "Gigabytes for the kernel matrix; iterative stores it in f64 if 4 n^2 bytes fit, in 16 bits as a \
             preconditioner if n^2 bytes fit, and otherwise computes it anew at every iteration [default: 4]",
        ),
        Setting::new(
            "regression.tolerance",
            "tolerance",
            Kind::Real,
            "RESIDUAL",
            "iterative: stop once the residual of every class is this share of its targets [default: 1e-8]",
        ),
        Setting::new(
            "regression.preconditioner_rank",
            "preconditioner-rank",
            Kind::Whole,
            "SAMPLES",
            "iterative: number of samples in the preconditioner, which takes 4 bytes times this number for each \
             training sample [default: 1000]",
        ),
        Setting::new(
            "regression.max_iterations",
            "max-iterations",
            Kind::Whole,
            "ITERATIONS",
            "iterative: most iterations, after which it stops with a warning [default: 500]",
        ),
        Setting::new("seed", "seed", Kind::Whole, "SEED", "Seed of the preconditioner's samples [default: 0]"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::{self, assert_examples_are_legal, assert_printed_reads_back};

    fn config(line: &str) -> Result<KernelRegressionConfig, ConfigError> {
        testing::resolved(line)
    }

    #[test]
    fn a_printed_configuration_reads_back_to_an_equal_one() {
        assert_printed_reads_back::<KernelRegressionConfig>([
            "",
            "--data cifar10 --train-sizes 100,200 --label-corruption 1 --ridge 1e-6 --solver both --seed 3",
            "--bandwidth 0.1 --memory 2.5 --tolerance 1e-4 --preconditioner-rank 50 --max-iterations 7 --preprocessing channels",
        ]);
    }

    #[test]
    fn the_commands_that_help_shows_are_legal() {
        assert_examples_are_legal::<KernelRegressionConfig>(4);
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_what_to_do() {
        let refused = |line: &str| config(line).unwrap_err().to_string();
        assert!(refused("--train-sizes 200,100").contains("ascending order, such as 500,1000,2000"));
        assert!(refused("--train-sizes 0,100").contains("ascending order"));
        assert!(refused("--bandwidth 0").contains("--bandwidth (regression.bandwidth) is 0"));
        assert!(refused("--ridge -1").contains("0 or more"));
    }
}
