//! Runs `llc mala-vs-sgld`: λ̂, acceptance and time of samplers on the same networks and data, against n.

use std::fmt::Write as _;

use llc::config::MalaVsSgldConfig;
use llc::kernel::SamplerKind;
use llc::observe::{Event, Observers, RunInfo};
use llc::relu::compared;
use llc::report::Report;
use llc::report::trials::{Comparison, Sampled, Trial};
use llc::trials::{self as trial, Measured, cannot_build};
use llc::words::{counted, fixed};

use crate::cli::{Context, Outcome};
use crate::registry::Experiment;
use crate::{session, trials};
use llc::report::table::{Column, cell};

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
    ) -> Result<trial::Trial, llc::target::TargetError> {
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
    let mut num_done = vec![0; num_groups];
    let mut on_result = |index: usize, measured: &Measured| {
        let group = index / num_runs;
        llcs[index] = measured.llc.mean;
        num_done[group] += 1;
        let llc = trials::over_seeds(&llcs[group * num_runs..][..num_runs]);
        let Place { n, sampler, .. } = places[index];
        (num_done[group] == num_runs).then(|| {
            format!(
                "n {n:>7}  {:<5} λ̂ {} over {} of {}",
                sampler.name(),
                trials::shown(&llc),
                llc.num_seeds,
                counted(num_runs, "run")
            )
        })
    };
    let measured = trials::run(&costs, config.run().threads, &work, &mut on_result, context, observers)?;
    let (status, outcome) = trials::ending(&measured);
    let points: Vec<Sampled> =
        measured.chunks(num_runs).enumerate().map(|(group, measured)| point(config, group, measured)).collect();
    for (index, point) in points.iter().enumerate() {
        observers.emit(&Event::Metrics { step: index as u64, values: &[("mala-vs-sgld.llc", point.llc.mean)] });
    }
    observers.emit(&Event::Artifact { name: "mala-vs-sgld.csv", content: &csv(&points)? });
    let found = Comparison {
        d: num_parameters,
        gamma: config.samplers().gamma,
        epsilon: config.samplers().epsilon.get(),
        precision: config.run().precision,
        points,
    };
    let report = session::report(MalaVsSgldConfig::EXPERIMENT, config.seed(), found, status, observers);
    session::end(context, observers, (&report, &render(config, &report)?), &[])?;
    Ok(outcome)
}

/// What the report says of one sampler at one n.
fn point(config: &MalaVsSgldConfig, group: usize, measured: &[Option<Measured>]) -> Sampled {
    let Place { n, sampler, .. } = Place::of(group * config.comparison().num_runs, config);
    let over = |f: fn(&Measured) -> f64| trials::over_seeds(&trials::of_each(measured, f));
    let settings = config.sampler(sampler, n);
    Sampled {
        n,
        n_beta: settings.n_beta(n),
        sampler: sampler.name().to_owned(),
        num_draws: settings.num_draws(),
        num_warmup: settings.num_warmup_draws(),
        llc: over(|measured| measured.llc.mean),
        acceptance: over(|measured| measured.diagnostics.acceptance.unwrap_or(f64::NAN)),
        sampling_s: over(|measured| measured.sampling_s),
        num_diverged: trials::num_diverged(measured),
        trials: trials::reports(config.seed(), measured),
    }
}

fn csv(points: &[Sampled]) -> anyhow::Result<Vec<u8>> {
    const COLUMNS: [Column<Trial>; 8] = [
        ("llc", |trial| cell(trial.llc)),
        ("llc_mcse", |trial| cell(trial.llc_mcse)),
        ("acceptance", |trial| cell(trial.acceptance)),
        ("epsilon", |trial| cell(trial.epsilon)),
        ("variance_ratio", |trial| cell(trial.variance_ratio)),
        ("ess_bulk", |trial| cell(trial.ess_bulk)),
        ("radius", |trial| cell(trial.radius)),
        ("sampling_s", |trial| cell(trial.sampling_s)),
    ];
    let place = |point: &Sampled| [point.n.to_string(), point.sampler.clone()];
    let rows = points.iter().flat_map(|point| point.trials.iter().map(move |trial| (place(point), trial)));
    trials::csv(["n", "sampler"], &COLUMNS, rows)
}

/// The table at the end: a line for each n and sampler.
fn render(config: &MalaVsSgldConfig, report: &Report<Comparison>) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    writeln!(
        out,
        "\nmeans over {} that did not diverge ± standard error\n",
        counted(config.comparison().num_runs, "run")
    )?;
    writeln!(out, "{:>9}  {:<7}{:>18}{:>16}{:>20}", "n", "sampler", "λ̂", "acceptance", "seconds")?;
    for point in &report.found.points {
        let diverged = match point.num_diverged {
            0 => String::new(),
            count => format!("  {count} diverged"),
        };
        writeln!(
            out,
            "{:>9}  {:<7}{:>18}{:>16}{:>20}{diverged}",
            point.n,
            point.sampler,
            trials::shown(&point.llc),
            fixed(point.acceptance.mean, 3),
            trials::shown(&point.sampling_s),
        )?;
    }
    if let Some(run_dir) = &report.run_dir {
        writeln!(out, "\n{:<16}{run_dir}", "record")?;
    }
    Ok(out)
}
