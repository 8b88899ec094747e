//! Trains networks: minibatch gradients, an optimiser, a schedule of learning rates.
//!
//! One file an optimiser. [`Trainer`] moves any [`Target`](crate::target::Target) from a start, [`NetworkTrainer`] a network with
//! buffers on labelled samples, epoch by epoch, as every experiment on images does. The interpolation threshold needs no
//! libtorch.

#[cfg(feature = "torch")]
mod adam;
mod agreement;
#[cfg(feature = "torch")]
mod epoch_order;
#[cfg(feature = "torch")]
mod evaluate;
#[cfg(feature = "torch")]
mod log_uniform;
#[cfg(feature = "torch")]
mod measured;
#[cfg(feature = "torch")]
mod memory;
#[cfg(feature = "torch")]
mod network_checkpoint;
#[cfg(all(test, feature = "torch"))]
mod network_tests;
#[cfg(feature = "torch")]
mod network_trainer;
#[cfg(feature = "torch")]
mod objective;
#[cfg(feature = "torch")]
mod optimizer;
#[cfg(feature = "torch")]
mod parametrisation;
#[cfg(feature = "torch")]
mod running;
#[cfg(feature = "torch")]
mod selected_data;
#[cfg(feature = "torch")]
mod sgd;
mod threshold;
#[cfg(feature = "torch")]
mod trainer;
#[cfg(feature = "torch")]
mod training_data;
#[cfg(feature = "torch")]
mod weight_noise;

#[cfg(feature = "torch")]
pub use adam::Adam;
pub use agreement::Agreement;
#[cfg(feature = "torch")]
pub use epoch_order::EpochOrder;
#[cfg(feature = "torch")]
pub(crate) use evaluate::sums;
#[cfg(feature = "torch")]
pub use evaluate::{Evaluation, Outcomes, check_fit, evaluate, outcomes};
#[cfg(feature = "torch")]
pub use log_uniform::log_uniform_start;
#[cfg(feature = "torch")]
pub use network_checkpoint::ResumeError;
#[cfg(feature = "torch")]
pub use network_trainer::{NetworkTrainer, Stop};
#[cfg(feature = "torch")]
pub use objective::{Objective, Target};
#[cfg(feature = "torch")]
use optimizer::decayed;
#[cfg(all(test, feature = "torch"))]
use optimizer::testing;
#[cfg(feature = "torch")]
pub use optimizer::{Optimizer, OptimizerState};
#[cfg(feature = "torch")]
pub use parametrisation::Parametrisation;
#[cfg(feature = "torch")]
pub use running::{Running, StepLosses};
#[cfg(feature = "torch")]
pub use selected_data::SelectedData;
#[cfg(feature = "torch")]
pub use sgd::Sgd;
pub use threshold::{THRESHOLD_ACCURACY, THRESHOLD_LOSS, reaches_threshold};
#[cfg(feature = "torch")]
pub use trainer::{Losses, Progress, TrainError, Trained, Trainer};
#[cfg(feature = "torch")]
pub use training_data::{TrainingData, TrainingDataError};
#[cfg(feature = "torch")]
pub use weight_noise::WeightNoise;
