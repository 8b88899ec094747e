//! Lays out what a training with noise on its weights reports: a line for each epoch, a table at the end, a table for other programs.

use std::fmt::Write as _;

use llc::diagnostics::proportion_interval;
use llc::report::Report;
use llc::report::training::{Evaluation, Forgotten, NoisyEpoch, NoisyWeights, OnSet, WithInterval};

use llc::report::table::{number, rendered};

/// A metric's name, and what an epoch has there.
type Metric = (&'static str, fn(&NoisyEpoch) -> Option<f64>);

/// What an epoch has, by the names of metrics.
pub const METRICS: [Metric; 16] = [
    ("epoch", |epoch| Some(epoch.epoch as f64)),
    ("learning_rate", |epoch| Some(epoch.learning_rate)),
    ("weight_norm", |epoch| Some(epoch.weight_norm)),
    ("gradient_norm", |epoch| Some(epoch.gradient_norm)),
    ("mean_alpha", |epoch| epoch.mean_alpha),
    ("information", |epoch| epoch.information),
    ("train.loss", |epoch| Some(epoch.train.evaluation.loss)),
    ("train.accuracy", |epoch| Some(epoch.train.evaluation.accuracy)),
    ("train.intersection", |epoch| epoch.train.intersection.map(|count| count as f64)),
    ("train.union", |epoch| epoch.train.union.map(|count| count as f64)),
    ("train.agreement", |epoch| epoch.train.agreement),
    ("val.loss", |epoch| Some(epoch.val.evaluation.loss)),
    ("val.accuracy", |epoch| Some(epoch.val.evaluation.accuracy)),
    ("val.intersection", |epoch| epoch.val.intersection.map(|count| count as f64)),
    ("val.union", |epoch| epoch.val.union.map(|count| count as f64)),
    ("val.agreement", |epoch| epoch.val.agreement),
];

/// The share that intervals of accuracies claim to cover.
const LEVEL: f64 = 0.9;

/// The line of an epoch.
pub fn line(epoch: &NoisyEpoch) -> String {
    let set = |name: &str, set: &OnSet| {
        let Evaluation { loss, accuracy } = set.evaluation;
        let agreement = set.agreement.map_or(String::new(), |agreement| format!(" agreement {agreement:.3}"));
        format!("{name} loss {loss:.4} accuracy {accuracy:.4}{agreement}")
    };
    let mut line = format!(
        "epoch {:>3} {:<9}  {}  {}  |w| {:.2}  gradient {:.2e}",
        epoch.epoch,
        epoch.phase,
        set("train", &epoch.train),
        set("val", &epoch.val),
        epoch.weight_norm,
        epoch.gradient_norm
    );
    if let (Some(alpha), Some(information)) = (epoch.mean_alpha, epoch.information) {
        let _ = write!(line, "  α {alpha:.4} {information:.3} nats");
    }
    line
}

/// Loss and accuracy of the `n` samples of a set, with an interval.
pub fn with_interval(set: &OnSet, n: usize) -> WithInterval {
    let num_right = (set.evaluation.accuracy * n as f64).round() as u64;
    let accuracy_ci90 = proportion_interval(num_right, n as u64, LEVEL);
    WithInterval { evaluation: set.evaluation, accuracy_ci90 }
}

/// Where there were two phases: the accuracy on the validation samples at the end of the first and now, and how much of it is gone.
pub fn forgotten(epochs: &[NoisyEpoch]) -> Option<Forgotten> {
    let at_end = |phase: &str| epochs.iter().rfind(|epoch| epoch.phase == phase);
    let [before, after] = [at_end("train+val")?, at_end("train")?].map(|epoch| epoch.val.evaluation.accuracy);
    Some(Forgotten { val_accuracy_before: before, val_accuracy_after: after, difference: before - after })
}

/// The report's text besides its epochs, whose lines were printed during the run.
pub fn table(report: &Report<NoisyWeights>) -> String {
    rendered(|out| write(out, report))
}

fn write(out: &mut String, report: &Report<NoisyWeights>) -> std::fmt::Result {
    let found = &report.found;
    writeln!(out, "\n{:<12}{}", "network", found.model.name)?;
    for (set, scores) in [("train", found.train), ("val", found.val)] {
        if let Some(WithInterval { evaluation: Evaluation { loss, accuracy }, accuracy_ci90: [low, high] }) = scores {
            writeln!(out, "{set:<12}loss {loss:.4}   accuracy {accuracy:.4}   90 % interval [{low:.4}, {high:.4}]")?;
        }
    }
    if let Some(Forgotten { val_accuracy_before, val_accuracy_after, .. }) = found.forgotten {
        writeln!(
            out,
            "{:<12}validation accuracy {val_accuracy_before:.4} at the end of the first phase, {val_accuracy_after:.4} after the second",
            "forgotten"
        )?;
    }
    writeln!(out, "{:<12}{}", "record", report.run_dir.as_deref().unwrap_or_default())
}

/// The epochs as a table for other programs.
pub fn csv(epochs: &[NoisyEpoch]) -> anyhow::Result<Vec<u8>> {
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(std::iter::once("phase").chain(METRICS.map(|(name, _)| name)))?;
    for epoch in epochs {
        let numbers = METRICS.iter().map(|(_, value)| number(value(epoch)));
        table.write_record(std::iter::once(epoch.phase.clone()).chain(numbers))?;
    }
    Ok(table.into_inner()?)
}
