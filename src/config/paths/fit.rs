//! Configures the curve between two minima, and how it is fitted.

use crate::config::dln::OptimizerKind;
use llc_core::setting::{Choice, choice};
use serde::Serialize;

use crate::config::dln::OptimizerConfig;
use crate::config::network::{Length, TrainConfig};
use crate::config::{ConfigError, Kind, PositiveF64, RawConfig, Setting};
use crate::schedule::Schedule;

const OPTIMIZER: &str = "fit.optimizer";

/// A curve between two minima, and how it is fitted; in files the table `fit`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FitConfig {
    /// Which kind of curve.
    pub curve: CurveShape,
    /// Points between its ends that are fitted, at least 1.
    pub num_bends: usize,
    /// What turns gradients into steps.
    #[serde(flatten)]
    pub optimizer: OptimizerConfig,
    /// The base learning rate.
    pub learning_rate: PositiveF64,
    /// δ: adds δ/2·‖w(t)‖² to the loss at the point w(t) of the curve; 0 or more.
    pub weight_decay: f64,
    /// How the learning rate goes with the epochs.
    pub schedule: FitSchedule,
    /// Passes over the data.
    pub num_epochs: u64,
}

/// A kind of curve through given points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CurveShape {
    /// Straight legs from point to point, each for the same share of t.
    Chain,
    /// The Bézier curve with these control points.
    Bezier,
}

choice!(CurveShape: Chain = "chain", Bezier = "bezier");

/// How the learning rate of a fit goes with the epochs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FitSchedule {
    /// It doesn't.
    Constant,
    /// Down to 0 along half a cosine.
    Cosine,
    /// [`Schedule::Plateaus`].
    Plateaus,
}

choice!(FitSchedule: Constant = "constant", Cosine = "cosine", Plateaus = "plateaus");

impl FitConfig {
    /// The training that fits the curve: minibatches, loss and arithmetic as `minima` are trained, the rest its own. The weight decay is
    /// that of points on the curve, so that the optimiser has none.
    pub fn training(&self, minima: &TrainConfig) -> TrainConfig {
        let num_epochs = self.num_epochs;
        TrainConfig {
            optimizer: self.optimizer,
            learning_rate: self.learning_rate,
            weight_decay: 0.0,
            schedule: match self.schedule {
                FitSchedule::Constant => Schedule::Constant,
                FitSchedule::Cosine => Schedule::Cosine { cosine_epochs: num_epochs, final_learning_rate: 0.0 },
                FitSchedule::Plateaus => Schedule::Plateaus { num_epochs },
            },
            length: Length::Epochs(num_epochs),
            ..minima.clone()
        }
    }
}

const NUM_BENDS: usize = 1;
/// So many bends, each as large as the network, are surely a slip.
const MAX_BENDS: u64 = 100;
const SGD_LEARNING_RATE: PositiveF64 = PositiveF64::literal(0.02);
const ADAM_LEARNING_RATE: PositiveF64 = PositiveF64::literal(0.001);
const MOMENTUM: f64 = 0.9;
const NUM_EPOCHS: u64 = 50;

/// The settings, in the order of `--help`.
pub(super) fn keys() -> Vec<Setting> {
    vec![
        Setting::new(
            "fit.curve",
            "curve",
            Kind::Choice(CurveShape::NAMES),
            "chain|bezier",
            "The curve between the first two minima: straight lines from bend to bend, or the Bézier curve with the \
             bends as control points [default: chain]",
        ),
        Setting::new(
            "fit.num_bends",
            "num-bends",
            Kind::Whole,
            "BENDS",
            "Number of bends between its ends [default: \
            1]",
        ),
        Setting::new(
            OPTIMIZER,
            "fit-optimizer",
            Kind::Choice(OptimizerKind::NAMES),
            "sgd|adam",
            "Optimiser of the fit [default: sgd]",
        ),
        Setting::new(
            "fit.learning_rate",
            "fit-learning-rate",
            Kind::Real,
            "RATE",
            "Base learning rate of the fit [default: sgd 0.02, adam 0.001]",
        )
        .chosen_for(&[OPTIMIZER]),
        Setting::new(
            "fit.momentum",
            "fit-momentum",
            Kind::Real,
            "SHARE",
            "sgd: momentum, the share of the previous step that is kept, in [0, 1) [default: 0.9]",
        )
        .chosen_for(&[OPTIMIZER]),
        Setting::new(
            "fit.weight_decay",
            "fit-weight-decay",
            Kind::Real,
            "DECAY",
            "Weight decay: adds DECAY/2 |w(t)|^2 to the loss at the point w(t) of the curve [default: 0]",
        ),
        Setting::new(
            "fit.schedule",
            "fit-schedule",
            Kind::Choice(FitSchedule::NAMES),
            "constant|cosine|plateaus",
            "Learning rate over the epochs: constant, cosine (down to 0), or plateaus (constant for half of them, \
             then linear down to a hundredth at nine tenths) [default: plateaus]",
        ),
        Setting::new("fit.num_epochs", "fit-epochs", Kind::Whole, "EPOCHS", "Passes over the data [default: 50]"),
    ]
}

/// The fit that `raw` asks for.
pub(super) fn check(raw: &RawConfig) -> Result<FitConfig, ConfigError> {
    let optimizer = OptimizerConfig::read(raw, OPTIMIZER, "fit.momentum", MOMENTUM)?;
    let learning_rate = match optimizer {
        OptimizerConfig::Adam => ADAM_LEARNING_RATE,
        OptimizerConfig::Sgd { .. } => SGD_LEARNING_RATE,
    };
    Ok(FitConfig {
        curve: raw.choice("fit.curve").unwrap_or(CurveShape::Chain),
        num_bends: raw.count_to("fit.num_bends", MAX_BENDS)?.unwrap_or(NUM_BENDS),
        optimizer,
        learning_rate: raw.positive("fit.learning_rate")?.unwrap_or(learning_rate),
        weight_decay: raw.non_negative("fit.weight_decay")?.unwrap_or(0.0),
        schedule: raw.choice("fit.schedule").unwrap_or(FitSchedule::Plateaus),
        num_epochs: raw.count("fit.num_epochs", 1)?.map_or(NUM_EPOCHS, |num_epochs| num_epochs as u64),
    })
}
