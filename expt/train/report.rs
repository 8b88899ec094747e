//! Lays out what a training reports at its end.

use std::fmt::Write as _;

use llc::checkpoint::Checkpoint;
use llc::report::Report;
use llc::report::training::{Evaluation, Threshold, Training};
use llc::words::counted;

use super::{EpochEnd, Run};
use llc::report::table::rendered;

/// Where the training of `checkpoint` met the interpolation threshold, as it says.
pub fn threshold_of(checkpoint: &Checkpoint) -> Option<Threshold> {
    let said = checkpoint.header.facts.get("threshold")?;
    serde_json::from_value(said.clone()).ok().flatten()
}

/// What the report says; `last` is `None` where no epoch ended.
pub fn found(run: &Run, last: Option<EpochEnd>) -> Training {
    let Run { config, spec, data, trainer, threshold, .. } = run;
    Training {
        model: spec.clone(),
        d: trainer.w().len(),
        data: config.data().name,
        n: data.train.len(),
        num_test: data.test.len(),
        label_corruption: config.data().label_corruption,
        label_corruption_observed: data.share_of_changed_labels(),
        num_epochs: trainer.num_epochs(),
        num_steps: trainer.num_steps(),
        train: last.map(|last| last.train.into()),
        test: last.map(|last| last.test.into()),
        test_error: last.map(|last| 1.0 - last.test.accuracy),
        epochs_to_overfit: threshold.as_ref().map(|threshold| threshold.epoch),
        time_to_overfit: threshold.as_ref().map(|threshold| threshold.runtime_s / 60.0),
        threshold: threshold.clone(),
        runtime_s: trainer.runtime_s(),
        samples_per_s: trainer.num_samples_seen() as f64 / trainer.runtime_s(),
    }
}

/// The report for a person.
pub fn table(report: &Report<Training>) -> String {
    rendered(|out| write(out, report))
}

fn write(out: &mut String, report: &Report<Training>) -> std::fmt::Result {
    let found = &report.found;
    writeln!(out)?;
    writeln!(out, "{:<12}{}   d = {}", "network", found.model.name, found.d)?;
    writeln!(
        out,
        "{:<12}{}, {} in {:.1} s, {:.0} samples/s",
        "training",
        counted(found.num_epochs as usize, "epoch"),
        counted(found.num_steps as usize, "step"),
        found.runtime_s,
        found.samples_per_s
    )?;
    for (set, scores) in [("train", found.train), ("test", found.test)] {
        if let Some(Evaluation { loss, accuracy }) = scores {
            writeln!(out, "{set:<12}loss {loss:.4}   accuracy {accuracy:.4}")?;
        }
    }
    if let (Some(epochs), Some(minutes)) = (found.epochs_to_overfit, found.time_to_overfit) {
        writeln!(out, "{:<12}after {}, {minutes:.2} min", "threshold", counted(epochs as usize, "epoch"))?;
    }
    writeln!(out, "{:<12}{}", "record", report.run_dir.as_deref().unwrap_or_default())
}
