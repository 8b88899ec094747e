//! Lists the settings of a training: their places in a file, their flags, their help.

use super::text;
use super::train::{
    ADAM_LEARNING_RATE, EXPONENTIAL_DECAY, Length, MULTI_STEP_DECAY, OPTIMIZER, SCHEDULE, TrainDefaults,
};
use crate::config::dln::OptimizerKind;
use crate::config::{Kind, Setting};
use llc_core::kernel::Precision;
use llc_core::setting::Choice;

/// The settings of a training, in the order of `--help`.
pub fn keys(defaults: &TrainDefaults) -> Vec<Setting> {
    let flag = |plain: &'static str, beside: &'static str| if defaults.is_beside_sampler { beside } else { plain };
    let length =
        |of: fn(&Length) -> Option<u64>| of(&defaults.length).map_or(String::new(), |n| format!(" [default: {n}]"));
    let on_off = |is_on: bool| if is_on { "on" } else { "off" };
    vec![
        Setting::new(
            OPTIMIZER,
            "optimizer",
            Kind::Choice(OptimizerKind::NAMES),
            "sgd|adam",
            "Optimiser of the training [default: sgd]",
        ),
        Setting::new(
            "train.learning_rate",
            "learning-rate",
            Kind::Real,
            "RATE",
            text(format!(
                "Base learning rate [default: sgd {}, adam {}]",
                defaults.sgd_learning_rate.get(),
                ADAM_LEARNING_RATE.get()
            )),
        )
        .chosen_for(&[OPTIMIZER]),
        Setting::new(
            "train.momentum",
            "momentum",
            Kind::Real,
            "SHARE",
            text(format!("sgd: momentum, the share of the previous step that is kept, in [0, 1) [default: {}]", defaults.momentum)),
        )
        .chosen_for(&[OPTIMIZER]),
        Setting::new(
            "train.weight_decay",
            "weight-decay",
            Kind::Real,
            "DECAY",
            "Weight decay: adds DECAY w to the gradient, the penalty DECAY/2 |w|^2 [default: 0]",
        ),
        Setting::new(
            SCHEDULE,
            "schedule",
            Kind::Choice(&["constant", "exponential", "multi-step", "cosine", "plateaus", "list"]),
            "KIND",
            "Learning rate over the epochs: constant, exponential (times --decay each epoch), multi-step (times \
             --decay at --milestones), cosine (down to --final-learning-rate), plateaus (constant for half of the \
             epochs, then linear down to a hundredth at nine tenths) or list (--learning-rates) [default: constant]",
        ),
        Setting::new(
            "train.decay",
            "decay",
            Kind::Real,
            "FACTOR",
            text(format!(
                "exponential, multi-step: factor of the learning rate, in (0, 1] [default: {EXPONENTIAL_DECAY} and {MULTI_STEP_DECAY}]"
            )),
        )
        .chosen_for(&[SCHEDULE]),
        Setting::new(
            "train.milestones",
            "milestones",
            Kind::WholeList,
            "EPOCHS",
            "multi-step: epochs at which the rate drops, counted from 0: 150,225",
        )
        .chosen_for(&[SCHEDULE]),
        Setting::new(
            "train.cosine_epochs",
            "cosine-epochs",
            Kind::Whole,
            "EPOCHS",
            "cosine: epochs from the base rate to the final one [default: --num-epochs]",
        )
        .chosen_for(&[SCHEDULE]),
        Setting::new(
            "train.final_learning_rate",
            "final-learning-rate",
            Kind::Real,
            "RATE",
            "cosine: final learning rate [default: 0]",
        )
        .chosen_for(&[SCHEDULE]),
        Setting::new(
            "train.learning_rates",
            "learning-rates",
            Kind::RealList,
            "RATES",
            "list: one rate for each epoch, instead of --learning-rate: 0.1,0.1,0.01",
        )
        .chosen_for(&[SCHEDULE]),
        Setting::new(
            "train.batch_size",
            flag("batch-size", "train-batch-size"),
            Kind::Whole,
            "SAMPLES",
            text(format!(
                "Samples in a minibatch of the training; the last one of an epoch may be smaller [default: {}]",
                defaults.batch_size
            )),
        ),
        Setting::new(
            "train.full_batch",
            "full-batch",
            Kind::Switch,
            "on|off",
            "Use all samples in every training step [default: off]",
        ),
        Setting::new(
            "train.num_epochs",
            "num-epochs",
            Kind::Whole,
            "EPOCHS",
            text(format!("Passes over the data{}", length(|length| match length {
                Length::Epochs(num_epochs) => Some(*num_epochs),
                Length::Steps(_) => None,
            }))),
        ),
        Setting::new(
            "train.num_steps",
            flag("num-steps", "train-steps"),
            Kind::Whole,
            "STEPS",
            text(format!("Number of training steps, instead of --num-epochs{}", length(|length| match length {
                Length::Epochs(_) => None,
                Length::Steps(num_steps) => Some(*num_steps),
            }))),
        ),
        loss_key(),
        Setting::new(
            "train.augmentation",
            "augmentation",
            Kind::Switch,
            "on|off",
            "Shift each image by up to 4 pixels and mirror it, at random in every epoch [default: off]",
        ),
        Setting::new(
            "train.stop_at_threshold",
            "stop-at-threshold",
            Kind::Switch,
            "on|off",
            "Stop after the first epoch with a running training loss below 0.01 or accuracy above 0.997 [default: off]",
        ),
        Setting::new(
            "train.evaluate_train",
            "evaluate-train",
            Kind::Switch,
            "on|off",
            text(format!(
                "Measure training loss and accuracy in a pass over the training data after each epoch, not from its \
                 minibatches [default: {}]",
                on_off(defaults.evaluate_train)
            )),
        ),
        Setting::new(
            "train.log_every",
            "log-every",
            Kind::Whole,
            "STEPS",
            "Steps between two additional evaluations on the test data; 0 for the ends of epochs only [default: 0]",
        ),
        Setting::new(
            "train.checkpoint_every",
            "checkpoint-every",
            Kind::Whole,
            "EPOCHS",
            "Epochs between two checkpoints; 0 for the last one only [default: 0]",
        ),
        Setting::new(
            "train.precision",
            flag("precision", "train-precision"),
            Kind::Choice(Precision::NAMES),
            "f32|bf16|f64",
            "Arithmetic of the network; bf16 keeps parameters, normalisations and losses in f32 [default: f32]",
        ),
        Setting::new(
            "train.channels_last",
            "channels-last",
            Kind::Switch,
            "on|off",
            "Store images with channels last in memory: the same numbers, often faster [default: off]",
        ),
    ]
}

/// The setting of the loss.
pub fn loss_key() -> Setting {
    Setting::new(
        "train.loss",
        "loss",
        Kind::Text,
        "LOSS",
        "The loss: cross-entropy in nats; squared-error against one-hot labels, averaged over classes; accuracy, 1 - \
         p of the label; or, for two classes, a function of p - label: 'piecewise: [-1,0,1]: -x; x' [default: \
         cross-entropy]",
    )
}
