//! Runs `llc rescaling`: λ̂ of ReLU networks at parameters that compute the same function.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use llc::config::RescalingConfig;
use llc::observe::{Event, Observers, RunInfo, Status};
use llc::relu::rescaled;
use llc::report::Report;
use llc::report::trials::{Rescaled, Rescaling, Trial};
use llc::trials::{self as trial, Measured, cannot_build};
use llc::words::counted;

use crate::cli::{Context, Outcome};
use crate::registry::Experiment;
use crate::{session, trials};
use llc::report::table::{Column, cell};

impl Experiment for RescalingConfig {
    /// Measures λ̂ at every factor, records the run, and prints a table.
    fn run(&self, context: &Context) -> anyhow::Result<Outcome> {
        session::record(context, |observers| measure(self, context, observers))
    }
}

/// A network, a factor and a seed, by their places in the configuration: trial `index` of a run.
#[derive(Debug, Clone, Copy)]
struct Place {
    network: usize,
    factor: usize,
    seed: usize,
}

impl Place {
    /// Seeds vary first, then factors.
    fn of(index: usize, config: &RescalingConfig) -> Place {
        let (num_seeds, num_factors) = (config.rescaling().num_seeds, config.rescaling().factors.len());
        Place {
            network: index / num_seeds / num_factors,
            factor: index / num_seeds % num_factors,
            seed: index % num_seeds,
        }
    }

    fn trial(
        self,
        config: &RescalingConfig,
        journal: llc::journal::Journal,
    ) -> Result<trial::Trial, llc::target::TargetError> {
        let widths = &config.model().networks[self.network].0;
        let factor = config.rescaling().factors[self.factor].get();
        rescaled(config, widths, factor, config.seed() + self.seed as u64, journal)
    }
}

fn measure(config: &RescalingConfig, context: &Context, observers: &mut Observers) -> anyhow::Result<Outcome> {
    let sampler = config.sampler(&[]);
    let n_beta = sampler.n_beta(config.num_training_data());
    let info = session::run_info(RescalingConfig::EXPERIMENT, config, context)?;
    observers.emit(&Event::Started(&RunInfo { n_beta, ..info }));
    session::ensure_recorded(observers)?;
    let (num_networks, num_factors) = (config.model().networks.len(), config.rescaling().factors.len());
    let num_seeds = config.rescaling().num_seeds;
    let mut cost_of_network = Vec::new();
    let mut num_parameters = Vec::new();
    for network in 0..num_networks {
        let mut trial = Place { network, factor: 0, seed: 0 }.trial(config, Default::default())?;
        let [full_s, batch_s] = trials::pass_seconds(&mut trial)?;
        // The loss alone is a third of the gradient's work.
        let draw_s = full_s / 3.0 + sampler.thin as f64 * batch_s;
        cost_of_network.push(draw_s * sampler.num_draws() as f64);
        num_parameters.push(trial.target.local().w_star().len());
    }
    let places: Vec<Place> =
        (0..num_networks * num_factors * num_seeds).map(|index| Place::of(index, config)).collect();
    let costs: Vec<f64> = places.iter().map(|place| cost_of_network[place.network]).collect();
    let journal = session::journal(context, observers, config);
    let work = |index: usize, cancel: &_| {
        let trial = places[index].trial(config, journal.stage(&format!("trial-{index:04}"))).map_err(cannot_build)?;
        trial.run(cancel)
    };
    let mut llcs = vec![f64::NAN; places.len()];
    let mut num_done = vec![0; num_networks * num_factors];
    let mut on_result = |index: usize, measured: &Measured| {
        let group = index / num_seeds;
        llcs[index] = measured.llc.mean;
        num_done[group] += 1;
        let llc = trials::over_seeds(&llcs[group * num_seeds..][..num_seeds]);
        let Place { network, factor, .. } = places[index];
        let (network, factor) = (&config.model().networks[network], config.rescaling().factors[factor].get());
        (num_done[group] == num_seeds).then(|| {
            format!(
                "{network} at {factor:9.3e}  λ̂ {} over {} of {}",
                trials::shown(&llc),
                llc.num_seeds,
                counted(num_seeds, "seed")
            )
        })
    };
    let measured = trials::run(&costs, config.run().threads, &work, &mut on_result, context, observers)?;
    let (status, outcome) = trials::ending(&measured);
    let points: Vec<Rescaled> = measured
        .chunks(num_seeds)
        .enumerate()
        .map(|(group, measured)| point(config, group, &num_parameters, measured))
        .collect();
    for (index, point) in points.iter().enumerate() {
        observers.emit(&Event::Metrics { step: index as u64, values: &[("rescaling.llc", point.llc.mean)] });
    }
    observers.emit(&Event::Artifact { name: "rescaling.csv", content: &csv(&points)? });
    let found = Rescaling {
        preconditioner: config.rescaling().preconditioner,
        precision: config.run().precision,
        n: config.num_training_data(),
        n_beta,
        gamma: sampler.fixed_gamma(),
        num_draws: sampler.num_draws(),
        num_warmup: sampler.num_warmup_draws(),
        spread: spread(config, &points),
        points,
    };
    let report = session::report(RescalingConfig::EXPERIMENT, config.seed(), found, status, observers);
    session::end(context, observers, (&report, &render(config, &report)?), &[])?;
    Ok(outcome)
}

/// What the report says of one network at one factor.
fn point(config: &RescalingConfig, group: usize, num_parameters: &[usize], measured: &[Option<Measured>]) -> Rescaled {
    let Place { network, factor, .. } = Place::of(group * config.rescaling().num_seeds, config);
    Rescaled {
        network: config.model().networks[network].to_string(),
        d: num_parameters[network],
        factor: config.rescaling().factors[factor].get(),
        llc: trials::over_seeds(&trials::of_each(measured, |measured| measured.llc.mean)),
        num_diverged: trials::num_diverged(measured),
        trials: trials::reports(config.seed(), measured),
    }
}

/// By network, the largest relative difference of a seed's λ̂ between a factor and the factor nearest to 1; `None` where there is one factor
/// only, and where a chain diverged or was not run.
fn spread(config: &RescalingConfig, points: &[Rescaled]) -> BTreeMap<String, Option<f64>> {
    let distance = |point: &&Rescaled| point.factor.ln().abs();
    let of_network = |points: &[Rescaled]| {
        if points.iter().any(|point| point.trials.len() != config.rescaling().num_seeds) {
            return None;
        }
        let base = points.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)))?;
        let mut largest: Option<f64> = None;
        for point in points.iter().filter(|point| !std::ptr::eq(*point, base)) {
            for (trial, base) in point.trials.iter().zip(&base.trials) {
                if !(trial.llc.is_finite() && base.llc.is_finite()) {
                    return None;
                }
                largest = Some((trial.llc / base.llc - 1.0).abs().max(largest.unwrap_or(0.0)));
            }
        }
        largest
    };
    let networks = points.chunks(config.rescaling().factors.len());
    networks.map(|points| (points[0].network.clone(), of_network(points))).collect()
}

fn csv(points: &[Rescaled]) -> anyhow::Result<Vec<u8>> {
    const COLUMNS: [Column<Trial>; 6] = [
        ("llc", |trial| cell(trial.llc)),
        ("llc_mcse", |trial| cell(trial.llc_mcse)),
        ("acceptance", |trial| cell(trial.acceptance)),
        ("variance_ratio", |trial| cell(trial.variance_ratio)),
        ("radius", |trial| cell(trial.radius)),
        ("sampling_s", |trial| cell(trial.sampling_s)),
    ];
    let place = |point: &Rescaled| [point.network.clone(), cell(point.factor)];
    let rows = points.iter().flat_map(|point| point.trials.iter().map(move |trial| (place(point), trial)));
    trials::csv(["network", "factor"], &COLUMNS, rows)
}

/// The table at the end: a line for each factor, a column for each network.
fn render(config: &RescalingConfig, report: &Report<Rescaling>) -> Result<String, std::fmt::Error> {
    let (networks, factors) = (&config.model().networks, &config.rescaling().factors);
    let mut out = String::new();
    writeln!(
        out,
        "\nλ̂ over {} that did not diverge, mean ± standard error\n",
        counted(config.rescaling().num_seeds, "seed")
    )?;
    write!(out, "{:>10}", "factor")?;
    networks.iter().try_for_each(|network| write!(out, "{:>20}", network.to_string()))?;
    writeln!(out)?;
    for (row, factor) in factors.iter().enumerate() {
        write!(out, "{:>10.3e}", factor.get())?;
        for network in 0..networks.len() {
            let point = &report.found.points[network * factors.len() + row];
            let mark = match point.num_diverged {
                0 => String::new(),
                count => format!(" ({count} diverged)"),
            };
            write!(out, "{:>20}", format!("{}{mark}", trials::shown(&point.llc)))?;
        }
        writeln!(out)?;
    }
    writeln!(out)?;
    for network in networks {
        let what = match report.found.spread.get(&network.to_string()).copied().flatten() {
            Some(0.0) => "λ̂ of every seed is the same at every factor, bit for bit".to_owned(),
            Some(spread) => format!("λ̂ of a seed differs between factors by {spread:.1e} of itself at most"),
            None if factors.len() < 2 => "one factor can't be compared with others".to_owned(),
            None => "some of its chains have no λ̂ to compare".to_owned(),
        };
        writeln!(out, "{:<16}{what}", network.to_string())?;
    }
    if let Some(run_dir) = &report.run_dir {
        writeln!(
            out,
            "{:<16}{run_dir}{}",
            "record",
            if report.status == Status::Interrupted { " (interrupted)" } else { "" }
        )?;
    }
    Ok(out)
}
