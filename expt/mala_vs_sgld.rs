//! Runs `llc mala-vs-sgld`: λ̂, acceptance and time of samplers on the same networks and data, against n.

use std::fmt::Write as _;

use llc::config::MalaVsSgldConfig;
use llc::kernel::SamplerKind;
use llc::observe::{Event, Observers, RunInfo};
use llc::relu::compared;
use llc::trials::{Measured, Trial, cannot_build};
use llc::words::{MISSING, counted, fixed};
use serde_json::{Value, json};

use crate::cli::{Context, Outcome};
use crate::registry::Experiment;
use crate::{session, trials};

impl Experiment for MalaVsSgldConfig {
    /// Measures λ̂ by every sampler at every n, records the run, and prints a table.
    fn run(&self, context: &Context) -> anyhow::Result<Outcome> {
        session::record(context, |observers| measure(self, context, observers))
    }
}

/// A number of samples, a sampler and a run: trial `index`.
#[derive(Debug, Clone, Copy)]
struct Place {
    n: usize,
    sampler: SamplerKind,
    run: usize,
}

impl Place {
    /// Runs vary first, then samplers.
    fn of(index: usize, config: &MalaVsSgldConfig) -> Place {
        let comparison = config.comparison();
        let (num_runs, num_samplers) = (comparison.num_runs, comparison.samplers.len());
        Place {
            n: comparison.n[index / num_runs / num_samplers],
            sampler: comparison.samplers[index / num_runs % num_samplers],
            run: index % num_runs,
        }
    }

    fn trial(
        self,
        config: &MalaVsSgldConfig,
        journal: llc::journal::Journal,
    ) -> Result<Trial, llc::target::TargetError> {
        compared(config, self.sampler, self.n, config.seed() + self.run as u64, journal)
    }
}

fn measure(config: &MalaVsSgldConfig, context: &Context, observers: &mut Observers) -> anyhow::Result<Outcome> {
    let comparison = config.comparison();
    let (num_runs, num_groups) = (comparison.num_runs, comparison.n.len() * comparison.samplers.len());
    let num_parameters = config.widths().windows(2).map(|pair| (pair[0] + 1) * pair[1]).sum();
    let info = session::run_info(MalaVsSgldConfig::EXPERIMENT, config, context)?;
    observers.emit(&Event::Started(&RunInfo { num_parameters, ..info }));
    session::ensure_recorded(observers)?;
    let places: Vec<Place> = (0..num_groups * num_runs).map(|index| Place::of(index, config)).collect();
    let mut costs = Vec::new();
    for group in places.chunks(num_runs) {
        let mut trial = group[0].trial(config, Default::default())?;
        let [full_s, batch_s] = trials::pass_seconds(&mut trial)?;
        let pass_s = if group[0].sampler == SamplerKind::Sgld { batch_s } else { full_s };
        let passes = trial.sampler.kernel.sampler().passes_per_step() * trial.sampler.num_steps as f64;
        costs.extend(group.iter().map(|_| pass_s * passes));
    }
    let journal = session::journal(context, observers, config);
    let work = |index: usize, cancel: &_| {
        let trial = places[index].trial(config, journal.stage(&format!("trial-{index:04}"))).map_err(cannot_build)?;
        trial.run(cancel)
    };
    let mut llcs = vec![f64::NAN; places.len()];
    let mut num_told = vec![0; num_groups];
    let mut told = |index: usize, measured: &Measured| {
        let group = index / num_runs;
        llcs[index] = measured.llc.mean;
        num_told[group] += 1;
        let llc = trials::over_seeds(&llcs[group * num_runs..][..num_runs]);
        let Place { n, sampler, .. } = places[index];
        (num_told[group] == num_runs).then(|| {
            format!(
                "n {n:>7}  {:<5} λ̂ {} over {} of {}",
                sampler.name(),
                trials::shown(&llc),
                llc["num_seeds"],
                counted(num_runs, "run")
            )
        })
    };
    let measured = trials::run(&costs, config.run().threads, &work, &mut told, context, observers)?;
    let (status, outcome) = trials::ending(&measured);
    let points: Vec<Value> =
        measured.chunks(num_runs).enumerate().map(|(group, measured)| point(config, group, measured)).collect();
    for (index, point) in points.iter().enumerate() {
        let llc = point["llc"]["mean"].as_f64().unwrap_or(f64::NAN);
        observers.emit(&Event::Metrics { step: index as u64, values: &[("mala-vs-sgld.llc", llc)] });
    }
    let report = json!({
        "experiment": MalaVsSgldConfig::EXPERIMENT,
        "d": num_parameters,
        "gamma": config.samplers().gamma,
        "epsilon": config.samplers().epsilon,
        "precision": config.run().precision,
        "points": points,
        "seed": config.seed(),
        "run_dir": observers.run_dir().as_deref().and_then(|dir| dir.to_str()),
        "status": status.as_str(),
    });
    observers.emit(&Event::Artifact { name: "mala-vs-sgld.csv", content: &csv(&points)? });
    session::end(context, observers, status, (&report, &render(config, &report)?), &[])?;
    Ok(outcome)
}

/// What the report says of one sampler at one n.
fn point(config: &MalaVsSgldConfig, group: usize, measured: &[Option<Measured>]) -> Value {
    let Place { n, sampler, .. } = Place::of(group * config.comparison().num_runs, config);
    let trials: Vec<Value> = (config.seed()..)
        .zip(measured)
        .filter_map(|(seed, measured)| Some(trials::report(seed, measured.as_ref()?)))
        .collect();
    let over = |f: fn(&Measured) -> f64| trials::over_seeds(&trials::of_each(measured, f));
    let settings = config.sampler(sampler, n);
    json!({
        "n": n,
        "n_beta": settings.n_beta(n),
        "sampler": sampler.name(),
        "num_draws": settings.num_draws(),
        "num_warmup": settings.num_warmup_draws(),
        "llc": over(|measured| measured.llc.mean),
        "acceptance": over(|measured| measured.diagnostics.acceptance.unwrap_or(f64::NAN)),
        "sampling_s": over(|measured| measured.sampling_s),
        "num_diverged": measured.iter().flatten().filter(|measured| measured.has_diverged).count(),
        "trials": trials,
    })
}

fn csv(points: &[Value]) -> anyhow::Result<Vec<u8>> {
    let mut table = csv::Writer::from_writer(Vec::new());
    let columns = ["llc", "llc_mcse", "acceptance", "epsilon", "variance_ratio", "ess_bulk", "radius", "sampling_s"];
    table.write_record(["n", "sampler", "seed"].into_iter().chain(columns).chain(["has_diverged"]))?;
    for point in points {
        for trial in point["trials"].as_array().into_iter().flatten() {
            let place = [&point["n"], &point["sampler"], &trial["seed"]];
            let cells =
                place.into_iter().chain(columns.iter().map(|column| &trial[*column])).chain([&trial["has_diverged"]]);
            table.write_record(cells.map(trials::cell))?;
        }
    }
    Ok(table.into_inner()?)
}

/// The table at the end: a line for each n and sampler.
fn render(config: &MalaVsSgldConfig, report: &Value) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    writeln!(
        out,
        "\nmeans over {} without those that diverged ± standard error\n",
        counted(config.comparison().num_runs, "run")
    )?;
    writeln!(out, "{:>9}  {:<7}{:>18}{:>16}{:>20}", "n", "sampler", "λ̂", "acceptance", "seconds")?;
    for point in report["points"].as_array().into_iter().flatten() {
        let acceptance = point["acceptance"]["mean"].as_f64().map_or(MISSING.to_owned(), |mean| fixed(mean, 3));
        let diverged = point["num_diverged"].as_u64().filter(|&count| count > 0);
        writeln!(
            out,
            "{:>9}  {:<7}{:>18}{acceptance:>16}{:>20}{}",
            point["n"].as_u64().unwrap_or_default(),
            point["sampler"].as_str().unwrap_or_default(),
            trials::shown(&point["llc"]),
            trials::shown(&point["sampling_s"]),
            diverged.map_or(String::new(), |count| format!("  {count} diverged")),
        )?;
    }
    if let Some(run_dir) = report["run_dir"].as_str() {
        writeln!(out, "\n{:<16}{run_dir}", "record")?;
    }
    Ok(out)
}
