//! Lays out what a training with noise on its weights reports: a line for each epoch, a table at the end, a table for other programs.

use std::fmt::Write as _;

use llc::diagnostics::proportion_interval;
use serde_json::{Value, json};

use crate::table::rendered;

/// What an epoch has, by the names of metrics: a dot leads into its training or validation samples.
pub const METRICS: [&str; 16] = [
    "epoch",
    "learning_rate",
    "weight_norm",
    "gradient_norm",
    "mean_alpha",
    "information",
    "train.loss",
    "train.accuracy",
    "train.intersection",
    "train.union",
    "train.agreement",
    "val.loss",
    "val.accuracy",
    "val.intersection",
    "val.union",
    "val.agreement",
];

/// The share that intervals of accuracies claim to cover.
const LEVEL: f64 = 0.9;

fn number(value: &Value, pointer: &str) -> f64 {
    value.pointer(pointer).and_then(Value::as_f64).unwrap_or(f64::NAN)
}

/// The line of an epoch.
pub fn line(epoch: &Value) -> String {
    let set = |name: &str| {
        let at = |what: &str| number(epoch, &format!("/{name}/{what}"));
        let agreement = at("agreement");
        let agreement = if agreement.is_finite() { format!(" agreement {agreement:.3}") } else { String::new() };
        format!("{name} loss {:.4} accuracy {:.4}{agreement}", at("loss"), at("accuracy"))
    };
    let mut line = format!(
        "epoch {:>3} {:<9}  {}  {}  |w| {:.2}  gradient {:.2e}",
        number(epoch, "/epoch"),
        epoch["phase"].as_str().unwrap_or_default(),
        set("train"),
        set("val"),
        number(epoch, "/weight_norm"),
        number(epoch, "/gradient_norm")
    );
    if epoch["mean_alpha"].is_number() {
        let _ = write!(line, "  α {:.4} {:.3} nats", number(epoch, "/mean_alpha"), number(epoch, "/information"));
    }
    line
}

/// Loss and accuracy of the `n` samples of a set, with an interval.
pub fn scores(set: &Value, n: usize) -> Value {
    let accuracy = number(set, "/accuracy");
    let num_right = (accuracy * n as f64).round() as u64;
    json!({
        "loss": set["loss"],
        "accuracy": accuracy,
        "accuracy_ci90": proportion_interval(num_right, n as u64, LEVEL),
    })
}

/// Where there were two phases: the accuracy on the validation samples at the end of the first and now, and how much of it is gone.
pub fn forgotten(epochs: &[Value]) -> Option<Value> {
    let at_end = |phase: &str| epochs.iter().rfind(|epoch| epoch["phase"] == phase);
    let (first, last) = (at_end("train+val")?, at_end("train")?);
    let [before, after] = [first, last].map(|epoch| number(epoch, "/val/accuracy"));
    Some(json!({"val_accuracy_before": before, "val_accuracy_after": after, "difference": before - after}))
}

/// What the report says beside its epochs, each of which had its line when it was there.
pub fn table(report: &Value) -> String {
    rendered(|out| write(out, report))
}

fn write(out: &mut String, report: &Value) -> std::fmt::Result {
    writeln!(out, "\n{:<12}{}", "network", report["model"]["name"].as_str().unwrap_or_default())?;
    for set in ["train", "val"] {
        if report[set].is_object() {
            let at = |what: &str| number(report, &format!("/{set}/{what}"));
            writeln!(
                out,
                "{set:<12}loss {:.4}   accuracy {:.4}   90 % interval [{:.4}, {:.4}]",
                at("loss"),
                at("accuracy"),
                at("accuracy_ci90/0"),
                at("accuracy_ci90/1")
            )?;
        }
    }
    if report["forgotten"].is_object() {
        let at = |what: &str| number(report, &format!("/forgotten/{what}"));
        writeln!(
            out,
            "{:<12}validation accuracy {:.4} at the end of the first phase, {:.4} after the second",
            "forgotten",
            at("val_accuracy_before"),
            at("val_accuracy_after")
        )?;
    }
    writeln!(out, "{:<12}{}", "record", report["run_dir"].as_str().unwrap_or_default())
}

/// The epochs as a table for other programs.
pub fn csv(epochs: &[Value]) -> anyhow::Result<Vec<u8>> {
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(std::iter::once("phase").chain(METRICS))?;
    for epoch in epochs {
        let phase = epoch["phase"].as_str().unwrap_or_default().to_owned();
        let numbers = METRICS.iter().map(|name| number(epoch, &format!("/{}", name.replace('.', "/"))).to_string());
        table.write_record(std::iter::once(phase).chain(numbers))?;
    }
    Ok(table.into_inner()?)
}
