//! Runs `llc rescaling`: λ̂ of ReLU networks at parameters that compute the same function.

use std::fmt::Write as _;

use llc::config::RescalingConfig;
use llc::observe::{Event, Observers, RunInfo, Status};
use llc::relu::rescaled;
use llc::trials::{Measured, Trial, cannot_build};
use llc::words::counted;
use serde_json::{Value, json};

use crate::cli::{Context, Outcome};
use crate::registry::Experiment;
use crate::{session, trials};

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
    ) -> Result<Trial, llc::target::TargetError> {
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
    let mut num_told = vec![0; num_networks * num_factors];
    let mut told = |index: usize, measured: &Measured| {
        let group = index / num_seeds;
        llcs[index] = measured.llc.mean;
        num_told[group] += 1;
        let llc = trials::over_seeds(&llcs[group * num_seeds..][..num_seeds]);
        let Place { network, factor, .. } = places[index];
        let (network, factor) = (&config.model().networks[network], config.rescaling().factors[factor].get());
        (num_told[group] == num_seeds).then(|| {
            format!(
                "{network} at {factor:9.3e}  λ̂ {} over {} of {}",
                trials::shown(&llc),
                llc["num_seeds"],
                counted(num_seeds, "seed")
            )
        })
    };
    let measured = trials::run(&costs, config.run().threads, &work, &mut told, context, observers)?;
    let (status, outcome) = trials::ending(&measured);
    let points: Vec<Value> = measured
        .chunks(num_seeds)
        .enumerate()
        .map(|(group, measured)| point(config, group, &num_parameters, measured))
        .collect();
    for (index, point) in points.iter().enumerate() {
        let llc = point["llc"]["mean"].as_f64().unwrap_or(f64::NAN);
        observers.emit(&Event::Metrics { step: index as u64, values: &[("rescaling.llc", llc)] });
    }
    let report = json!({
        "experiment": RescalingConfig::EXPERIMENT,
        "preconditioner": config.rescaling().preconditioner,
        "precision": config.run().precision,
        "n": config.num_training_data(),
        "n_beta": n_beta,
        "gamma": sampler.gamma,
        "num_draws": sampler.num_draws(),
        "num_warmup": sampler.num_warmup_draws(),
        "points": points,
        "spread": spread(config, &points),
        "seed": config.seed(),
        "run_dir": observers.run_dir().as_deref().and_then(|dir| dir.to_str()),
        "status": status.as_str(),
    });
    observers.emit(&Event::Artifact { name: "rescaling.csv", content: &csv(&points)? });
    session::end(context, observers, status, (&report, &render(config, &report, status)?), &[])?;
    Ok(outcome)
}

/// What the report says of one network at one factor.
fn point(config: &RescalingConfig, group: usize, num_parameters: &[usize], measured: &[Option<Measured>]) -> Value {
    let Place { network, factor, .. } = Place::of(group * config.rescaling().num_seeds, config);
    let trials: Vec<Value> = (config.seed()..)
        .zip(measured)
        .filter_map(|(seed, measured)| Some(trials::report(seed, measured.as_ref()?)))
        .collect();
    json!({
        "network": config.model().networks[network].to_string(),
        "d": num_parameters[network],
        "factor": config.rescaling().factors[factor].get(),
        "llc": trials::over_seeds(&trials::of_each(measured, |measured| measured.llc.mean)),
        "num_diverged": measured.iter().flatten().filter(|measured| measured.has_diverged).count(),
        "trials": trials,
    })
}

/// By network, the largest relative difference of a seed's λ̂ between a factor and the factor nearest to 1; null where there is one factor only,
/// and where a chain diverged or was not run.
fn spread(config: &RescalingConfig, points: &[Value]) -> Value {
    let num_factors = config.rescaling().factors.len();
    let distance = |point: &&Value| point["factor"].as_f64().map_or(f64::INFINITY, |factor| factor.ln().abs());
    let of_network = |points: &[Value]| {
        let is_whole = |point: &Value| point["trials"].as_array().map(Vec::len) == Some(config.rescaling().num_seeds);
        if !points.iter().all(is_whole) {
            return None;
        }
        let base = points.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)))?;
        let mut largest = None;
        for point in points.iter().filter(|point| !std::ptr::eq(*point, base)) {
            for (trial, base) in point["trials"].as_array()?.iter().zip(base["trials"].as_array()?) {
                let (llc, base) = (trial["llc"].as_f64()?, base["llc"].as_f64()?);
                largest = Some((llc / base - 1.0).abs().max(largest.unwrap_or(0.0)));
            }
        }
        Some((points[0]["network"].as_str()?.to_owned(), largest?))
    };
    let spreads = points.chunks(num_factors).map(|points| match of_network(points) {
        Some((network, spread)) => (network, json!(spread)),
        None => (points[0]["network"].as_str().unwrap_or_default().to_owned(), Value::Null),
    });
    Value::Object(spreads.collect())
}

fn csv(points: &[Value]) -> anyhow::Result<Vec<u8>> {
    let mut table = csv::Writer::from_writer(Vec::new());
    let columns = ["llc", "llc_mcse", "acceptance", "variance_ratio", "radius", "sampling_s"];
    table.write_record(["network", "factor", "seed"].into_iter().chain(columns).chain(["has_diverged"]))?;
    for point in points {
        for trial in point["trials"].as_array().into_iter().flatten() {
            let place = [&point["network"], &point["factor"], &trial["seed"]];
            let cells =
                place.into_iter().chain(columns.iter().map(|column| &trial[*column])).chain([&trial["has_diverged"]]);
            table.write_record(cells.map(trials::cell))?;
        }
    }
    Ok(table.into_inner()?)
}

/// The table at the end: a line for each factor, a column for each network.
fn render(config: &RescalingConfig, report: &Value, status: Status) -> Result<String, std::fmt::Error> {
    let (networks, factors) = (&config.model().networks, &config.rescaling().factors);
    let mut out = String::new();
    writeln!(
        out,
        "\nλ̂ over {} without those that diverged, mean ± standard error\n",
        counted(config.rescaling().num_seeds, "seed")
    )?;
    write!(out, "{:>10}", "factor")?;
    networks.iter().try_for_each(|network| write!(out, "{:>20}", network.to_string()))?;
    writeln!(out)?;
    for (row, factor) in factors.iter().enumerate() {
        write!(out, "{:>10.3e}", factor.get())?;
        for network in 0..networks.len() {
            let point = &report["points"][network * factors.len() + row];
            let diverged = point["num_diverged"].as_u64().filter(|&count| count > 0);
            let mark = diverged.map_or(String::new(), |count| format!(" ({count} diverged)"));
            write!(out, "{:>20}", format!("{}{mark}", trials::shown(&point["llc"])))?;
        }
        writeln!(out)?;
    }
    writeln!(out)?;
    for network in networks {
        let what = match report["spread"][network.to_string()].as_f64() {
            Some(0.0) => "λ̂ of every seed is the same at every factor, bit for bit".to_owned(),
            Some(spread) => format!("λ̂ of a seed differs between factors by {spread:.1e} of itself at most"),
            None if factors.len() < 2 => "one factor has nothing to be compared with".to_owned(),
            None => "not every chain of it has a λ̂ to compare".to_owned(),
        };
        writeln!(out, "{:<16}{what}", network.to_string())?;
    }
    if let Some(run_dir) = report["run_dir"].as_str() {
        writeln!(
            out,
            "{:<16}{run_dir}{}",
            "record",
            if status == Status::Interrupted { " (interrupted)" } else { "" }
        )?;
    }
    Ok(out)
}
