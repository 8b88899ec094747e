//! Configures `llc curve`: λ̂ followed over the training of a network on images.
//!
//! The tables are `model`, `data`, `train`, `curve`, `point`, `sampler` and `run`. Defaults are those of the published experiment (ResNet18
//! on CIFAR-10, SGD at 10⁻³, 20,000 steps), but for the sampler: four chains and the control variate, where one chain without was
//! published.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde::{Serialize, Serializer};

use super::experiment::{CommandLine, Configuration};
use super::network::point::{LossAround, PointConfig, PointDefaults, PointLabels};
use super::network::train::{Length, TrainDefaults};
use super::network::{DataConfig, DataDefaults, ModelDefaults, TrainConfig, data, model, point, train, without};
use super::run::Work;
use super::sampler::{self, ConfigWarning, ExtrapolateStep, Gamma, LossTrace, SamplerConfig, SamplerDefaults, Switch};
use super::{ConfigError, Kind, PositiveF64, RawConfig, RunConfig, Setting, run};
use crate::data::DatasetName;
use crate::kernel::SamplerKind;
use crate::model::ModelSpec;

const EXAMPLES: &str = "\
Examples:
  llc curve --model resnet18 --width-factor 8 --train-steps 3000 --logging-period 300 --num-chains 2
      A small ResNet18 on CIFAR-10, an estimate at ten points of its training; `llc data fetch cifar10` fetches the images.
  llc curve --model mlp1 --data mnist --crop 28 --train-steps 2000
      A perceptron on MNIST; each point is the coefficient of the function that the network computes there.
  llc curve --label-corruption 0.5 --label-corruption-kind noise --loss-around labels --llc-labels clean
      Trained on noisy labels, and the loss taken on clean ones, as published.
  llc curve --resume runs/7
      Resume an interrupted run.

Exit codes: 0 done, 1 failed, 2 bad usage or configuration, 3 diverged, 75 interrupted.";

/// The sections of a file, under which `--help` shows their flags.
const HEADINGS: [(&str, &str); 7] = [
    ("model.", "The network"),
    ("data.", "The images"),
    ("train.", "The training"),
    ("curve.", "The curve"),
    ("point.", "The loss around each point"),
    ("sampler.", "The sampler"),
    ("", "The run"),
];

const MODEL: ModelDefaults = ModelDefaults { name: Some("resnet18") };
const DATA: DataDefaults = DataDefaults { name: DatasetName::Cifar10, is_normalised: false };
const POINT: PointDefaults = PointDefaults { labels: PointLabels::Clean, loss_around: LossAround::OwnFunction };
/// Steps from one estimate to the next, as published.
const LOGGING_PERIOD: usize = 200;
const SEED: u64 = 0;

const TRAIN: TrainDefaults = TrainDefaults {
    is_beside_sampler: true,
    sgd_learning_rate: PositiveF64::literal(0.001),
    momentum: 0.0,
    batch_size: 128,
    length: Length::Steps(20_000),
    evaluate_train: true,
};

/// Settings of a training that a curve has its own ways for.
const NOT_HERE: [&str; 4] =
    ["train.evaluate_train", "train.log_every", "train.checkpoint_every", "train.stop_at_threshold"];

const SAMPLER: SamplerDefaults = SamplerDefaults {
    kind: SamplerKind::Sgld,
    num_steps: Some(2000),
    warmup: Some(0.5),
    batch_size: sampler::BATCH_SIZE_OF_CURVE,
    num_chains: 4,
    // The losses at w* are known for every sample, so that it costs nothing.
    minibatch_trace: LossTrace::ControlVariate,
    // A second run at every point would double the cost of the curve.
    check_localisation: Switch::Off,
    gamma: Gamma::Auto,
    extrapolate_step: ExtrapolateStep::Auto,
};

/// A legal configuration of `llc curve`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CurveConfig {
    experiment: &'static str,
    seed: u64,
    model: ModelSpec,
    data: DataConfig,
    #[serde(serialize_with = "of_a_curve")]
    train: TrainConfig,
    curve: LoggingConfig,
    point: PointConfig,
    sampler: SamplerConfig,
    run: RunConfig,
}

fn of_a_curve<S: Serializer>(train: &TrainConfig, serializer: S) -> Result<S::Ok, S::Error> {
    without(train, &NOT_HERE, serializer)
}

/// Where on the training estimates are made, in files the table `curve`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LoggingConfig {
    /// Steps from one estimate to the next; the first is at step 0, the last at the end.
    pub logging_period: usize,
    /// The folder of a run, or the checkpoint, that this one resumes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resume: Option<PathBuf>,
}

impl CurveConfig {
    /// The name of the experiment, in files and records.
    pub const EXPERIMENT: &'static str = "curve";

    /// Seed of everything random, below 2⁶³.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The network.
    pub fn model(&self) -> &ModelSpec {
        &self.model
    }

    /// The images.
    pub fn data(&self) -> &DataConfig {
        &self.data
    }

    /// The training.
    pub fn train(&self) -> &TrainConfig {
        &self.train
    }

    /// Where estimates are made.
    pub fn curve(&self) -> &LoggingConfig {
        &self.curve
    }

    /// What it resumes.
    pub fn resume(&self) -> Option<&Path> {
        self.curve.resume.as_deref()
    }

    /// The loss around each point.
    pub fn point(&self) -> &PointConfig {
        &self.point
    }

    /// The sampler.
    pub fn sampler(&self) -> &SamplerConfig {
        &self.sampler
    }

    /// Threads, device, precision.
    pub fn run(&self) -> &RunConfig {
        &self.run
    }
}

impl Configuration for CurveConfig {
    const COMMAND_LINE: CommandLine = CommandLine {
        name: Self::EXPERIMENT,
        about: "Track the learning coefficient of a network over its training",
        examples: EXAMPLES,
        headings: &HEADINGS,
        ..CommandLine::WITHOUT_PRESETS
    };

    fn keys() -> &'static [Setting] {
        static KEYS: LazyLock<Vec<Setting>> = LazyLock::new(|| {
            let mut keys = vec![Setting::new("experiment", "", Kind::Choice(&[CurveConfig::EXPERIMENT]), "", "")];
            keys.extend(model::keys(&MODEL));
            keys.extend(data::keys(&DATA));
            keys.extend(train::keys(&TRAIN).into_iter().filter(|key| !NOT_HERE.contains(&key.path)));
            keys.push(Setting::new(
                "curve.logging_period",
                "logging-period",
                Kind::Whole,
                "STEPS",
                "Training steps between two estimates [default: 200]",
            ));
            keys.push(Setting::new(
                "curve.resume",
                "resume",
                Kind::Text,
                "DIR",
                "Resume the run in this folder (or from this checkpoint), with its settings unless a flag overrides them \
                 [default: start a new run]",
            ));
            keys.extend(point::keys(POINT));
            keys.extend(sampler::keys::keys(&SAMPLER, false));
            keys.push(Setting::new("seed", "seed", Kind::Whole, "SEED", "Seed of everything random [default: 0]"));
            keys.extend(run::network_keys());
            keys
        });
        &KEYS
    }

    fn build(raw: &RawConfig, threads: usize) -> Result<Self, ConfigError> {
        let data = data::check(raw, &DATA)?;
        let model = model::check(raw, &MODEL, data.shape())?;
        let train = train::check(raw, &TRAIN)?;
        let logging_period = raw.count("curve.logging_period", 1)?.unwrap_or(LOGGING_PERIOD);
        // Labels where a network's own outputs are not a minimum, unless they were asked for: that is refused below.
        let loss_around = if train.loss.is_minimal_at_own_outputs() { POINT.loss_around } else { LossAround::Labels };
        let point = point::check(raw, PointDefaults { loss_around, ..POINT })?;
        if let Some((_, num_classes)) = data.shape() {
            train::check_classes(raw, &train.loss, num_classes)?;
        }
        point::check_loss(raw, &point, &train.loss)?;
        let sampler = sampler::check::sampler(raw, &SAMPLER, point.subject(&data))?;
        let work = Work::Network { num_chains: sampler.num_chains };
        let run = run::check(raw, work, sampler.kernel.kind(), threads)?;
        Ok(Self {
            experiment: Self::EXPERIMENT,
            seed: raw.whole("seed").unwrap_or(SEED),
            model,
            data,
            train,
            curve: LoggingConfig { logging_period, resume: raw.word("curve.resume").map(PathBuf::from) },
            point,
            sampler,
            run,
        })
    }

    fn warnings(&self, raw: &RawConfig) -> Vec<ConfigWarning> {
        let mut warnings = point::warnings(raw, &self.point, POINT.loss_around);
        warnings.extend(sampler::check::warnings(raw, &self.sampler));
        warnings
    }

    fn remark(&self) -> String {
        format!("{} on {}", self.model.name, self.data.name)
    }

    fn threads(&self) -> usize {
        self.run.threads
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ExperimentArgs;
    use crate::config::testing::{assert_examples_are_legal, assert_printed_reads_back, resolved};

    #[test]
    fn a_printed_configuration_reads_back_to_an_equal_one() {
        assert_printed_reads_back::<CurveConfig>([
            "",
            "--model mlp --widths 20,30 --data mnist --train-steps 50 --schedule exponential --precision bf16 --seed 7",
            "--label-corruption 0.3 --llc-labels training --params fc.* --llc-size 5000 --sampler hmc --resume runs/3",
            "--num-epochs 3 --optimizer adam --train-size 1000 --force-realisable --n-beta 100",
            "--loss-around labels --llc-labels training",
            "--loss accuracy",
        ]);
    }

    #[test]
    fn the_commands_that_help_shows_are_legal() {
        assert_examples_are_legal::<CurveConfig>(4);
    }

    fn around(line: &str) -> LossAround {
        resolved::<CurveConfig>(line).unwrap_or_else(|error| panic!("{line}: {error}")).point().loss_around
    }

    #[test]
    fn a_curve_is_taken_around_the_network_s_own_function_unless_labels_are_asked_for_by_either_name() {
        assert_eq!(around(""), LossAround::OwnFunction);
        assert_eq!(around("--loss-around labels"), LossAround::Labels);
        assert_eq!(around("--force-realisable"), LossAround::OwnFunction);
        assert_eq!(around("--force-realisable=off"), LossAround::Labels);
        assert_eq!(around("--set point.force_realisable=off"), LossAround::Labels);
        assert_eq!(around("--force-realisable --loss-around own-function"), LossAround::OwnFunction);
    }

    #[test]
    fn former_and_present_name_at_odds_are_refused_and_a_later_layer_wins() {
        let error = resolved::<CurveConfig>("--force-realisable --loss-around labels").unwrap_err().to_string();
        assert!(error.contains("--force-realisable") && error.contains("--loss-around"), "{error}");
        let record = "[point]\nforce_realisable = false\nlabels = \"clean\"".parse().unwrap();
        let of_record = |flags: &[(&str, &str)]| {
            let mut raw = RawConfig::new(CurveConfig::keys());
            raw.layer_table(&record).unwrap();
            raw.layer_text(flags.iter().copied()).unwrap();
            CurveConfig::check(&raw, 1).unwrap()
        };
        assert_eq!(of_record(&[]).config.point().loss_around, LossAround::Labels);
        assert_eq!(of_record(&[]).updates["point"]["loss_around"], "labels");
        let flagged = of_record(&[("point.loss_around", "own-function")]);
        assert_eq!(flagged.config.point().loss_around, LossAround::OwnFunction);
        let former = of_record(&[("point.force_realisable", "on")]);
        assert_eq!(former.config.point().loss_around, LossAround::OwnFunction);
    }

    #[test]
    fn a_loss_that_own_outputs_do_not_minimise_takes_labels_with_a_warning_or_is_refused() {
        let warnings = |line: &str| {
            let args = ExperimentArgs::<CurveConfig>::try_parse_from(line.split_whitespace()).unwrap();
            args.resolve().unwrap().warnings
        };
        assert_eq!(around("--loss accuracy"), LossAround::Labels);
        assert_eq!(warnings("--loss accuracy"), [ConfigWarning::LabelsAreTheTargets]);
        assert_eq!(warnings("--loss accuracy --loss-around labels"), []);
        let error = resolved::<CurveConfig>("--loss accuracy --loss-around own-function").unwrap_err().to_string();
        assert!(
            error.contains("--loss-around (point.loss_around): a network's own outputs are not a minimum"),
            "{error}"
        );
        assert_eq!(warnings("--llc-labels clean"), [ConfigWarning::LabelsAreUnused]);
        assert_eq!(warnings("--llc-labels clean --loss-around labels"), []);
    }
}
