//! Lays out what a descent reports at its end.

use std::fmt::Write as _;

use llc::observe::Status;
use llc::report::Report;
use llc::report::training::{self as report, Epoch, Evaluation, Outputs};
use llc::words::counted;

use super::{Descent, INITIAL, TRAINED};
use llc::report::table::rendered;

/// What the report says.
pub fn found(descent: &Descent, status: Status) -> report::Descent {
    let Descent { config, name, spec, data, trainer, series, .. } = descent;
    let model = |name: &str| config.output().save.then(|| format!("checkpoint/{name}.safetensors"));
    let series_file = || "descent.csv".to_owned();
    report::Descent {
        name: name.clone(),
        model: spec.clone(),
        d: trainer.w().len(),
        data: config.data().name,
        classes: data.pictures.classes.clone(),
        n: data.samples.len(),
        share_of_changed_labels: data.share_of_changed_labels(),
        loss: config.train().loss.to_string(),
        batch_size: trainer.batch_size(),
        num_epochs: trainer.num_epochs(),
        initial: series.initial.map(|[loss, accuracy]| Evaluation { loss, accuracy }),
        first: series.measured().next(),
        last: series.measured().next_back(),
        best_accuracy: series.accuracy.iter().copied().reduce(f64::max),
        epochs_to_memorise: series.measured().find(|measured| measured.accuracy == 1.0).map(|measured| measured.epoch),
        outputs: Outputs {
            initial_model: model(INITIAL),
            model: model(TRAINED).filter(|_| status == Status::Completed),
            losses: series_file(),
            accuracies: series_file(),
            gradients: series_file(),
        },
        runtime_s: trainer.runtime_s(),
        epochs_per_s: trainer.num_epochs() as f64 / trainer.runtime_s(),
    }
}

/// The report for a person.
pub fn table(report: &Report<report::Descent>) -> String {
    rendered(|out| write(out, report))
}

fn write(out: &mut String, report: &Report<report::Descent>) -> std::fmt::Result {
    let found = &report.found;
    writeln!(out)?;
    writeln!(out, "{:<12}{}   d = {}", "network", found.model.name, found.d)?;
    writeln!(
        out,
        "{:<12}{} of {}, classes {}; {:.1} % of the labels are not the true ones",
        "samples",
        found.n,
        found.data,
        found.classes.join(", "),
        100.0 * found.share_of_changed_labels
    )?;
    writeln!(out, "{:<12}{}", "loss", found.loss)?;
    writeln!(
        out,
        "{:<12}{} of batches of {} in {:.1} s, {:.0} epochs/s",
        "descent",
        counted(found.num_epochs as usize, "epoch"),
        found.batch_size,
        found.runtime_s,
        found.epochs_per_s
    )?;
    if let Some(Evaluation { loss, accuracy }) = found.initial {
        writeln!(out, "{:<12}loss {loss:.4e}   accuracy {accuracy:.4}", "start")?;
    }
    for Epoch { epoch, loss, accuracy, gradient_norm } in found.first.iter().chain(&found.last) {
        let label = format!("epoch {epoch}");
        writeln!(out, "{label:<12}loss {loss:.4e}   accuracy {accuracy:.4}   gradient {gradient_norm:.2e}")?;
    }
    match found.epochs_to_memorise {
        Some(epoch) => writeln!(out, "{:<12}every sample is right from epoch {epoch} on, first", "memorised")?,
        None => {
            let best = found.best_accuracy.unwrap_or(f64::NAN);
            writeln!(out, "{:<12}not: the best accuracy is {best:.4}", "memorised")?;
        }
    }
    writeln!(out, "{:<12}{}", "name", found.name)?;
    writeln!(out, "{:<12}{}", "record", report.run_dir.as_deref().unwrap_or_default())
}
