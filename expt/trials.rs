//! Runs the trials of an experiment that compares small networks, reports their progress, and prepares their report.

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use llc::diagnostics::mean_interval_of_independent;
use llc::estimate::{self, EstimateError};
use llc::kernel::GradientNeed;
use llc::observe::{Event, Observers, Status};
use llc::record::time::duration;
use llc::report::trials::{self as report, OverSeeds};
use llc::target::Batch;
use llc::trials::{Measured, Trial, side_by_side};
use llc::words::{counted, fixed, with_error};

use crate::cli::{Context, Outcome};
use crate::expected;
use llc::report::table::{Column, cell};

/// The share that intervals over seeds claim to cover.
const LEVEL: f64 = 0.9;

/// Does `work` on every trial, the longest first; `costs` are the seconds that they are expected to take, and are reported at the start if
/// they are long. `on_result` returns a line to print for a trial that has ended, if any.
pub fn run(
    costs: &[f64],
    threads: usize,
    work: &(dyn Fn(usize, &AtomicBool) -> Result<Measured, EstimateError> + Sync),
    on_result: &mut dyn FnMut(usize, &Measured) -> Option<String>,
    context: &Context,
    observers: &mut Observers,
) -> anyhow::Result<Vec<Option<Measured>>> {
    let mut order: Vec<usize> = (0..costs.len()).collect();
    order.sort_by(|&a, &b| costs[b].total_cmp(&costs[a]));
    let all: f64 = costs.iter().sum();
    let longest = order.first().map_or(0.0, |&first| costs[first]);
    expected::report((all / threads as f64).max(longest), context, observers);
    let (began, mut done, mut num_done) = (Instant::now(), 0.0, 0);
    let found = side_by_side(
        &order,
        threads,
        &context.cancel,
        &|index| work(index, &context.cancel),
        &mut |index, measured| {
            (done, num_done) = (done + costs[index], num_done + 1);
            let left_s = began.elapsed().as_secs_f64() * (all - done) / done;
            let left = duration(left_s);
            let (chains, last) = (counted(costs.len(), "chain"), fixed(measured.llc.mean, 2));
            let text = format!("{num_done} of {chains}, the last λ̂ {last}, about {left} left");
            observers.emit(&Event::Stage(&text));
            if let Some(line) = on_result(index, measured).filter(|_| !measured.is_interrupted) {
                observers.emit(&Event::Line(&line));
            }
        },
    )?;
    Ok(found.into_iter().map(|measured| measured.filter(|measured| !measured.is_interrupted)).collect())
}

/// Seconds of a pass with gradient over all samples of `trial`, and over a minibatch of its sampler, where that has one.
pub fn pass_seconds(trial: &mut Trial) -> anyhow::Result<[f64; 2]> {
    let full_s = estimate::seconds_per_pass(trial.target.as_mut(), GradientNeed::Exact, Batch::Full)?;
    let Some(batch_size) = trial.sampler.kernel.batch_size() else { return Ok([full_s; 2]) };
    let indices: Vec<u64> = (0..batch_size as u64).collect();
    let batch = Batch::Minibatch { key: trial.key, indices: &indices };
    Ok([full_s, estimate::seconds_per_pass(trial.target.as_mut(), GradientNeed::Minibatch, batch)?])
}

/// What the report says of one trial.
pub fn report(seed: u64, measured: &Measured) -> report::Trial {
    let diagnostics = &measured.diagnostics;
    report::Trial {
        seed,
        llc: measured.llc.mean,
        llc_mcse: measured.llc.mcse,
        ci90: measured.llc.ci90,
        epsilon: measured.epsilon,
        acceptance: diagnostics.acceptance,
        variance_ratio: diagnostics.variance_ratio.value,
        virial: diagnostics.virial.value,
        trend: diagnostics.trend,
        radius: diagnostics.radius,
        ess_bulk: diagnostics.ess_bulk,
        num_steps: measured.num_steps,
        sampling_s: measured.sampling_s,
        has_diverged: measured.has_diverged,
    }
}

/// The same of each of `measured` that was run to its end; the first has the seed `first_seed`, the next ones' follow.
pub fn reports(first_seed: u64, measured: &[Option<Measured>]) -> Vec<report::Trial> {
    let seeded = (first_seed..).zip(measured);
    seeded.filter_map(|(seed, measured)| Some(report(seed, measured.as_ref()?))).collect()
}

/// Trials that diverged.
pub fn num_diverged(measured: &[Option<Measured>]) -> usize {
    measured.iter().flatten().filter(|measured| measured.has_diverged).count()
}

/// `quantity` of each trial; NaN of one that diverged or was not run to its end.
pub fn of_each(measured: &[Option<Measured>], quantity: impl Fn(&Measured) -> f64) -> Vec<f64> {
    let sound =
        |measured: &Option<Measured>| measured.as_ref().filter(|measured| !measured.has_diverged).map(&quantity);
    measured.iter().map(|measured| sound(measured).unwrap_or(f64::NAN)).collect()
}

/// Mean of `per_seed` with its standard error and its interval over seeds; those that are not finite are left out, and not counted.
pub fn over_seeds(per_seed: &[f64]) -> OverSeeds {
    let values: Vec<f64> = per_seed.iter().copied().filter(|value| value.is_finite()).collect();
    let (n, mean) = (values.len() as f64, values.iter().sum::<f64>() / values.len() as f64);
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
    OverSeeds {
        mean,
        standard_error: (variance / n).sqrt(),
        ci90: mean_interval_of_independent(&values, LEVEL),
        num_seeds: values.len(),
        per_seed: per_seed.to_vec(),
    }
}

/// `mean ± standard error`, or the mean alone where that has none.
pub fn shown(value: &OverSeeds) -> String {
    match value.standard_error.is_finite() {
        true => with_error(value.mean, value.standard_error, 2),
        false => fixed(value.mean, 2),
    }
}

/// How the run ended, where `measured` has what each trial came to.
pub fn ending(measured: &[Option<Measured>]) -> (Status, Outcome) {
    if measured.iter().any(Option::is_none) {
        (Status::Interrupted, Outcome::Interrupted)
    } else if measured.iter().flatten().any(|measured| measured.has_diverged) {
        (Status::Completed, Outcome::Diverged)
    } else {
        (Status::Completed, Outcome::Done)
    }
}

/// A table of trials for other programs: two columns that say where a trial stands, its seed, `columns`, and whether it diverged.
pub fn csv<'a>(
    places: [&str; 2],
    columns: &[Column<report::Trial>],
    trials: impl Iterator<Item = ([String; 2], &'a report::Trial)>,
) -> anyhow::Result<Vec<u8>> {
    let mut table = csv::Writer::from_writer(Vec::new());
    let names = columns.iter().map(|(name, _)| *name);
    table.write_record(places.into_iter().chain(["seed"]).chain(names).chain(["has_diverged"]))?;
    for (place, trial) in trials {
        let cells = columns.iter().map(|(_, value)| value(trial));
        table
            .write_record(place.into_iter().chain([cell(trial.seed)]).chain(cells).chain([cell(trial.has_diverged)]))?;
    }
    Ok(table.into_inner()?)
}
