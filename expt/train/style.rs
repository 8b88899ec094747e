//! Names runs and checkpoints, and words their lines, as this program does or as the originals of the presets do.

use jiff::Zoned;
use llc::checkpoint::Checkpoint;
use llc::config::dln::OptimizerConfig;
use llc::config::training::{Style, TrainingConfig};
use llc::data::PixelCorruption;
use llc::report::training::Threshold;
use llc::train::{Evaluation, NetworkTrainer, TrainingData};
use llc::words::counted;

use super::Kind;
use crate::cli::Context;

/// The run's name in its record: the one given, in the originals' styles with what they add.
pub fn run_name(config: &TrainingConfig, context: &Context) -> String {
    let is_given = context.name != TrainingConfig::EXPERIMENT;
    match config.run().style {
        Style::Zhang if !is_given => zhang_name(config),
        Style::FittingRandomLabels => {
            let prefix = if is_given { format!("{}_", context.name) } else { String::new() };
            format!("{prefix}{}", fitting_random_labels_name(config))
        }
        _ => context.name.clone(),
    }
}

/// `MLP1_0.5_none`; the second figure's has `bnTrue` or `bnFalse` instead.
fn zhang_name(config: &TrainingConfig) -> String {
    let model = match config.model().name.as_str() {
        "mlp1" => "MLP1",
        "mlp3" => "MLP3",
        "alexnet-small" => "AlexNet",
        "inception-small" => "Inception",
        "wide-resnet" => "WideResNet",
        other => other,
    };
    let is_figure_2 = model == "Inception" && !config.train().stop_at_threshold;
    if is_figure_2 {
        let has_norms = config.model().options.batch_norm.unwrap_or(true);
        return format!("{model}_bn{}", if has_norms { "True" } else { "False" });
    }
    let pixels = match config.data().pixel_corruption {
        PixelCorruption::None => "none",
        PixelCorruption::Shuffled => "shuff_pix",
        PixelCorruption::Random => "rand_pix",
        PixelCorruption::Gaussian => "gauss_pix",
    };
    // Python writes 1.0 where Rust's plain format writes 1.
    format!("{model}_{:?}_{pixels}", config.data().label_corruption)
}

/// `cifar10_corrupt0.5_mlp512_lr0.01_mmt0.9_Wd0.0001_NoAug`.
fn fitting_random_labels_name(config: &TrainingConfig) -> String {
    let (model, data, train) = (config.model(), config.data(), config.train());
    let mut name = data.name.to_string();
    if data.label_corruption > 0.0 {
        name.push_str(&format!("_corrupt{}", data.label_corruption));
    }
    match model.name.strip_prefix("wrn-") {
        Some(size) => name.push_str(&format!("_wide-resnet{size}")),
        None => name.push_str(&format!("_{}", model.name.replacen("mlp-", "mlp", 1))),
    }
    if let Some(dropout) = model.options.dropout.filter(|&dropout| dropout > 0.0) {
        name.push_str(&format!("-dr{dropout}"));
    }
    let momentum = match train.optimizer {
        OptimizerConfig::Sgd { momentum } => momentum,
        _ => 0.0,
    };
    name.push_str(&format!("_lr{}_mmt{momentum}", train.learning_rate.get()));
    match train.weight_decay {
        0.0 => name.push_str("_NoWd"),
        decay => name.push_str(&format!("_Wd{decay}")),
    }
    if !train.has_augmentation {
        name.push_str("_NoAug");
    }
    name
}

/// The name under which a checkpoint after `epoch` epochs stays, as the originals have it; none for one that is only the newest.
pub fn checkpoint_name(config: &TrainingConfig, kind: Kind, epoch: u64) -> Option<String> {
    let suffix = match config.run().style {
        Style::Zhang => format!("_{}", zhang_name(config)),
        _ => String::new(),
    };
    let at_threshold = if kind == Kind::Threshold { "_interp" } else { "" };
    (kind != Kind::Latest).then(|| format!("e_{epoch:03}{suffix}{at_threshold}"))
}

/// Today's log file of `fitting-random-labels`.
pub fn log_name() -> String {
    format!("LOG.{}.txt", Zoned::now().strftime("%y%m%d"))
}

/// What is said before the first epoch.
pub fn opening(
    config: &TrainingConfig,
    trainer: &NetworkTrainer,
    data: &TrainingData,
    resumed: Option<&Checkpoint>,
) -> Vec<String> {
    let mut lines = vec![match config.run().style {
        Style::FittingRandomLabels => format!("Number of parameters: {}", trainer.w().len()),
        _ => format!(
            "{} with {}, {} training and {}, {:.2} % of the training labels changed",
            trainer.network().name(),
            counted(trainer.w().len(), "parameter"),
            data.train.len(),
            counted(data.test.len(), "test sample"),
            100.0 * data.share_of_changed_labels()
        ),
    }];
    let Some(resumed) = resumed else { return lines };
    let planned = trainer.num_epochs_planned();
    match resumed.header.facts.get("num_epochs").and_then(serde_json::Value::as_u64) {
        Some(before) if before < planned => lines.push(format!("Updated epochs from {before} to {planned}")),
        _ => {}
    }
    lines.push(format!(
        "resumed after {}, {} and {:.1} s",
        counted(trainer.num_epochs() as usize, "epoch"),
        counted(trainer.num_steps() as usize, "step"),
        trainer.runtime_s()
    ));
    lines
}

/// What is said of the epoch that `trainer` just ended.
pub fn epoch_line(config: &TrainingConfig, trainer: &NetworkTrainer, train: Evaluation, test: Evaluation) -> String {
    let epoch = trainer.num_epochs();
    match config.run().style {
        Style::FittingRandomLabels => format!(
            "{:03}: Acc-tr: {:6.2}, Acc-val: {:6.2}, L-tr: {:6.4}, L-val: {:6.4}",
            epoch.saturating_sub(1),
            100.0 * train.accuracy,
            100.0 * test.accuracy,
            train.loss,
            test.loss
        ),
        _ => format!(
            "epoch {epoch:>3}  train loss {:.4} accuracy {:.4}  test loss {:.4} accuracy {:.4}  gradient {:.2e}  {:.1} s",
            train.loss,
            train.accuracy,
            test.loss,
            test.accuracy,
            trainer.running().gradient_norm,
            trainer.runtime_s()
        ),
    }
}

/// What is said where the threshold is reached.
pub fn threshold_lines(config: &TrainingConfig, threshold: &Threshold) -> Vec<String> {
    let Threshold { epoch, runtime_s, test } = threshold;
    match config.run().style {
        Style::Zhang => vec![
            format!("Zero-loss condition reached at epoch {epoch} after {runtime_s:.1} s"),
            format!("Test accuracy: {:.4}", test.accuracy),
            format!(
                "Interpolation threshold reached{}",
                if config.train().stop_at_threshold { ", ending the training" } else { ", continuing" }
            ),
        ],
        _ => vec![format!(
            "interpolation threshold reached after {} and {runtime_s:.1} s, with test accuracy {:.4}",
            counted(*epoch as usize, "epoch"),
            test.accuracy
        )],
    }
}
