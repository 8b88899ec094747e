//! Lays out what a training reports at its end.

use std::fmt::Write as _;

use llc::checkpoint::Checkpoint;
use llc::config::training::TrainingConfig;
use llc::observe::Status;
use llc::train::Evaluation;
use llc::words::counted;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{EpochEnd, Run};
use crate::table::rendered;

/// Where a training met the interpolation threshold; checkpoints carry it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Threshold {
    /// Epochs made by then.
    pub epoch: u64,
    /// Seconds of training by then.
    pub runtime_s: f64,
    /// On the test data, there.
    pub test: Scores,
}

/// Loss and accuracy, as records have them.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Scores {
    pub loss: f64,
    pub accuracy: f64,
}

impl From<Evaluation> for Scores {
    fn from(Evaluation { loss, accuracy }: Evaluation) -> Scores {
        Scores { loss, accuracy }
    }
}

impl Threshold {
    /// What `checkpoint` says of it.
    pub fn of(checkpoint: &Checkpoint) -> Option<Threshold> {
        let said = checkpoint.header.facts.get("threshold")?;
        serde_json::from_value(said.clone()).ok().flatten()
    }
}

/// The object that `--json` prints; `last` is `None` where no epoch ended.
pub fn report(run: &Run, last: Option<EpochEnd>, status: Status) -> Value {
    let Run { config, spec, data, trainer, checkpoints, threshold, .. } = run;
    let scores = |pick: fn(&EpochEnd) -> Evaluation| last.as_ref().map(|last| Scores::from(pick(last)));
    json!({
        "experiment": TrainingConfig::EXPERIMENT,
        "model": spec,
        "d": trainer.w().len(),
        "data": config.data().name,
        "n": data.train.len(),
        "num_test": data.test.len(),
        "label_corruption": config.data().label_corruption,
        "label_corruption_observed": data.share_of_changed_labels(),
        "num_epochs": trainer.num_epochs(),
        "num_steps": trainer.num_steps(),
        "train": scores(|last| last.train),
        "test": scores(|last| last.test),
        "test_error": last.map(|last| 1.0 - last.test.accuracy),
        "threshold": threshold,
        "epochs_to_overfit": threshold.as_ref().map(|threshold| threshold.epoch),
        "time_to_overfit": threshold.as_ref().map(|threshold| threshold.runtime_s / 60.0),
        "runtime_s": trainer.runtime_s(),
        "samples_per_s": trainer.num_samples_seen() as f64 / trainer.runtime_s(),
        "seed": config.seed(),
        "run_dir": checkpoints.run_dir().to_str(),
        "status": status.as_str(),
    })
}

/// The same for a person.
pub fn table(report: &Value) -> String {
    rendered(|out| write(out, report))
}

fn write(out: &mut String, report: &Value) -> std::fmt::Result {
    let number = |pointer: &str| report.pointer(pointer).and_then(Value::as_f64).unwrap_or(f64::NAN);
    let count = |name: &str, noun: &str| counted(report[name].as_u64().unwrap_or(0) as usize, noun);
    writeln!(out)?;
    writeln!(out, "{:<12}{}   d = {}", "network", report["model"]["name"].as_str().unwrap_or_default(), report["d"])?;
    writeln!(
        out,
        "{:<12}{}, {} in {:.1} s, {:.0} samples/s",
        "training",
        count("num_epochs", "epoch"),
        count("num_steps", "step"),
        number("/runtime_s"),
        number("/samples_per_s")
    )?;
    for set in ["train", "test"] {
        if report[set].is_object() {
            let [loss, accuracy] = ["loss", "accuracy"].map(|name| number(&format!("/{set}/{name}")));
            writeln!(out, "{set:<12}loss {loss:.4}   accuracy {accuracy:.4}")?;
        }
    }
    if report["threshold"].is_object() {
        writeln!(
            out,
            "{:<12}after {}, {:.2} min",
            "threshold",
            count("epochs_to_overfit", "epoch"),
            number("/time_to_overfit")
        )?;
    }
    writeln!(out, "{:<12}{}", "record", report["run_dir"].as_str().unwrap_or_default())
}
