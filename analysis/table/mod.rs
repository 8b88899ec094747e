//! `llc-analysis table`: how far λ̂ is from the exact λ, how often its interval covers it, and what that cost, by group.

mod layout;

use std::io::Write;

use anyhow::Result;
use clap::Args;
use llc::record::filter::Filter;
use llc::record::read::Run;

use crate::figures::field_path;
use crate::records::estimate::{Known, Verdict, known};
use crate::records::group::{groups, size_group, size_of};
use crate::records::source::Source;
use crate::statistics::quantiles::{mean, quantile, share};

#[derive(Debug, Args)]
pub struct Arguments {
    /// Only runs that meet these conditions, as for `runs list`: status=COMPLETED config.sampler.kind=gibbs
    #[arg(value_name = "FILTER")]
    filters: Vec<Filter>,
    #[command(flatten)]
    source: Source,
    /// Group by this field instead of the size of the network, such as config.sampler.kind.
    #[arg(long, value_name = "FIELD", value_parser = field_path)]
    by: Option<String>,
    /// Print comma-separated values instead of a table.
    #[arg(long, conflicts_with = "markdown")]
    csv: bool,
    /// Print a table in Markdown.
    #[arg(long)]
    markdown: bool,
}

/// What is known of a group of runs; a number is NaN where no run has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub group: String,
    /// Runs whose λ is known, with or without an estimate.
    pub num_runs: usize,
    /// Of these, those with a finite λ̂: all that follows is of them.
    pub num_estimates: usize,
    pub num_trusted: usize,
    /// Relative errors (λ̂ − λ)/λ.
    pub mean: f64,
    pub quartiles: [f64; 3],
    /// Shares of the runs whose relative error is within 5 and 10 %.
    pub within_5: f64,
    pub within_10: f64,
    /// Share of the 90 % intervals that hold λ, and λ as it shows at this nβ; of the runs whose λ is the local one.
    pub num_local: usize,
    pub coverage: f64,
    pub coverage_at_n_beta: f64,
    /// Seconds of sampling: the median run, and all together.
    pub median_s: f64,
    pub total_s: f64,
}

/// Prints what `arguments` ask for.
pub fn execute(arguments: &Arguments, output: &mut dyn Write) -> Result<()> {
    let runs = arguments.source.find(&arguments.filters)?.runs;
    let rows = rows(&runs, arguments.by.as_deref());
    anyhow::ensure!(!rows.is_empty(), "none of the {} runs is of a network whose λ is known", runs.len());
    if arguments.csv {
        layout::csv(output, &rows)
    } else if arguments.markdown {
        layout::markdown(output, &rows)
    } else {
        layout::text(output, &rows)
    }
}

/// A row for each group, and one of all where there are several.
pub fn rows(runs: &[Run], by: Option<&str>) -> Vec<Row> {
    let known = known(runs);
    let mut rows: Vec<Row> = match by {
        Some(field) => {
            let all: Vec<&Run> = known.iter().map(|known| known.run).collect();
            let of = |group: crate::records::group::Group| {
                let members: Vec<Known> = group.runs.iter().filter_map(|run| Known::read(run)).collect();
                row(group.name, &members.iter().collect::<Vec<_>>())
            };
            groups(&all, Some(field)).into_iter().map(of).collect()
        }
        None => {
            let mut names: Vec<String> = known.iter().map(|known| size_group(known.run, known.d)).collect();
            names.sort_by_key(|name| size_of(name));
            names.dedup();
            let is_in = |known: &&Known, name: &str| size_group(known.run, known.d) == name;
            names
                .into_iter()
                .map(|name| row(name.clone(), &known.iter().filter(|k| is_in(k, &name)).collect::<Vec<_>>()))
                .collect()
        }
    };
    if rows.len() > 1 {
        rows.push(row("all".to_owned(), &known.iter().collect::<Vec<_>>()));
    }
    rows
}

fn row(group: String, known: &[&Known]) -> Row {
    let errors: Vec<f64> = known.iter().filter_map(|known| known.relative_error()).map(|(error, _)| error).collect();
    let estimated = || known.iter().filter_map(|known| known.estimate.map(|estimate| (known, estimate)));
    // A lower bound is not what an interval should cover.
    let covers = |lambda: &dyn Fn(&Known) -> Option<f64>| -> f64 {
        let covered = estimated().filter(|(known, _)| known.is_local).filter_map(|(known, estimate)| {
            let ([low, high], lambda) = (estimate.interval?, lambda(known)?);
            Some(f64::from(u8::from((low..=high).contains(&lambda))))
        });
        mean(&covered.collect::<Vec<f64>>())
    };
    let num_local = estimated().filter(|(known, _)| known.is_local).count();
    let seconds: Vec<f64> = estimated().filter_map(|(known, _)| known.said.sampling_s()).collect();
    Row {
        group,
        num_runs: known.len(),
        num_estimates: estimated().count(),
        num_trusted: estimated().filter(|(_, estimate)| estimate.verdict == Verdict::Trusted).count(),
        mean: mean(&errors),
        quartiles: [0.25, 0.5, 0.75].map(|p| quantile(&errors, p)),
        within_5: share(&errors, |error| error.abs() <= 0.05),
        within_10: share(&errors, |error| error.abs() <= 0.1),
        num_local,
        coverage: covers(&|known| Some(known.lambda)),
        coverage_at_n_beta: covers(&|known| known.said.lambda_at_n_beta),
        median_s: quantile(&seconds, 0.5),
        total_s: seconds.iter().sum(),
    }
}
