//! Reads what a gradient descent measured: loss, accuracy and gradient of each epoch.

use std::collections::BTreeMap;

use llc::record::read::Run;
use llc::report::training::Epoch;

use super::details::Details;
use super::series::Series;

/// The measured epochs of `run` in order: all of them where it has its table, else the thousand or so of its metrics.
pub fn measured(run: &Run, details: &Details) -> Vec<Epoch> {
    let table = details.path(run, "descent.csv").ok().and_then(|path| csv::Reader::from_path(path).ok());
    let rows = table.and_then(|mut table| table.deserialize().collect::<Result<Vec<Epoch>, _>>().ok());
    if let Some(rows) = rows.filter(|rows| !rows.is_empty()) {
        return rows;
    }
    let metrics = details.metrics(run);
    let at = |name: &str| -> BTreeMap<u64, f64> {
        metrics.get(name).into_iter().flat_map(Series::points).map(|[step, value]| (step as u64, value)).collect()
    };
    let [loss, accuracy, gradient] = ["train.mean_loss", "train.accuracy", "gradient_norm"].map(at);
    let measured = |(step, epoch): (u64, f64)| {
        let [loss, accuracy, gradient_norm] =
            [&loss, &accuracy, &gradient].map(|series| series.get(&step).copied().unwrap_or(f64::NAN));
        Epoch { epoch: epoch as u64, loss, accuracy, gradient_norm }
    };
    at("epoch").into_iter().map(measured).collect()
}
