//! Lays out what a descent reports at its end.

use std::fmt::Write as _;

use llc::config::DescentConfig;
use llc::observe::Status;
use llc::words::counted;
use serde_json::{Value, json};

use super::{Descent, INITIAL, TRAINED};
use crate::table::rendered;

/// The object that `--json` prints.
pub fn report(descent: &Descent, status: Status) -> Value {
    let Descent { config, name, spec, data, trainer, series, run_dir, .. } = descent;
    let scores = |[loss, accuracy]: [f64; 2]| json!({"loss": loss, "accuracy": accuracy});
    let model = |name: &str| config.kept().save.then(|| format!("checkpoint/{name}.safetensors"));
    let is_done = status == Status::Completed;
    json!({
        "experiment": DescentConfig::EXPERIMENT,
        "name": name,
        "model": spec,
        "d": trainer.w().len(),
        "data": config.data().name,
        "classes": data.pictures.classes,
        "n": data.samples.len(),
        "share_of_changed_labels": data.share_of_changed_labels(),
        "loss": config.train().loss,
        "batch_size": trainer.batch_size(),
        "num_epochs": trainer.num_epochs(),
        "initial": series.initial.map(scores),
        "first": series.measured().next(),
        "last": series.measured().next_back(),
        "best_accuracy": series.accuracy.iter().copied().reduce(f64::max),
        "epochs_to_memorise": series.measured().find(|measured| measured.accuracy == 1.0).map(|measured| measured.epoch),
        "outputs": {
            "initial_model": model(INITIAL),
            "model": model(TRAINED).filter(|_| is_done),
            "losses": "descent.csv",
            "accuracies": "descent.csv",
            "gradients": "descent.csv",
        },
        "runtime_s": trainer.runtime_s(),
        "epochs_per_s": trainer.num_epochs() as f64 / trainer.runtime_s(),
        "seed": config.seed(),
        "run_dir": run_dir.to_str(),
        "status": status.as_str(),
    })
}

/// The same for a person.
pub fn table(report: &Value) -> String {
    rendered(|out| write(out, report))
}

fn write(out: &mut String, report: &Value) -> std::fmt::Result {
    let number = |pointer: &str| report.pointer(pointer).and_then(Value::as_f64).unwrap_or(f64::NAN);
    let text = |name: &str| report[name].as_str().unwrap_or_default();
    let classes: Vec<&str> = report["classes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    writeln!(out)?;
    writeln!(out, "{:<12}{}   d = {}", "network", report["model"]["name"].as_str().unwrap_or_default(), report["d"])?;
    writeln!(
        out,
        "{:<12}{} of {}, classes {}; {:.1} % of the labels are not the true ones",
        "samples",
        report["n"],
        text("data"),
        classes.join(", "),
        100.0 * number("/share_of_changed_labels")
    )?;
    writeln!(out, "{:<12}{}", "loss", text("loss"))?;
    writeln!(
        out,
        "{:<12}{} of batches of {} in {:.1} s, {:.0} epochs/s",
        "descent",
        counted(report["num_epochs"].as_u64().unwrap_or(0) as usize, "epoch"),
        report["batch_size"],
        number("/runtime_s"),
        number("/epochs_per_s")
    )?;
    if report["initial"].is_object() {
        let [loss, accuracy] = ["loss", "accuracy"].map(|name| number(&format!("/initial/{name}")));
        writeln!(out, "{:<12}loss {loss:.4e}   accuracy {accuracy:.4}", "start")?;
    }
    for which in ["first", "last"] {
        if report[which].is_object() {
            let [epoch, loss, accuracy, gradient] =
                ["epoch", "loss", "accuracy", "gradient_norm"].map(|name| number(&format!("/{which}/{name}")));
            let label = format!("epoch {epoch}");
            writeln!(out, "{label:<12}loss {loss:.4e}   accuracy {accuracy:.4}   gradient {gradient:.2e}")?;
        }
    }
    match report["epochs_to_memorise"].as_u64() {
        Some(epoch) => writeln!(out, "{:<12}every sample is right from epoch {epoch} on, first", "memorised")?,
        None => writeln!(out, "{:<12}not: the best accuracy is {:.4}", "memorised", number("/best_accuracy"))?,
    }
    writeln!(out, "{:<12}{}", "name", text("name"))?;
    writeln!(out, "{:<12}{}", "record", text("run_dir"))
}
