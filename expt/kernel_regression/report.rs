//! Lays out what a kernel regression reports: a line for each fit, a table at the end, tables for other programs.

use std::fmt::Write as _;

use llc::report::Report;
use llc::report::kernel_regression::{Fit, KernelRegression};

use llc::report::table::{Column, cell, csv, number, rendered};

/// The columns of `points.csv`.
const COLUMNS: [Column<Fit>; 15] = [
    ("n", |fit| fit.n.to_string()),
    ("test_error", |fit| number(fit.test_error)),
    ("ci90_low", |fit| number(fit.test_error_ci90[0])),
    ("ci90_high", |fit| number(fit.test_error_ci90[1])),
    ("test_loss", |fit| number(fit.test_loss)),
    ("train_error", |fit| number(fit.train_error)),
    ("train_loss", |fit| number(fit.train_loss)),
    ("norm", |fit| number(fit.norm)),
    ("residual", |fit| number(fit.residual)),
    ("num_iterations", |fit| number(fit.iterative.as_ref().map(|iterative| iterative.num_iterations as f64))),
    ("max_difference", |fit| number(fit.max_difference)),
    ("direct_s", |fit| number(fit.direct_s)),
    ("iterative_s", |fit| number(fit.iterative.as_ref().map(|iterative| iterative.iterative_s))),
    ("peak_memory_gb", |fit| number(fit.peak_memory_gb)),
    ("solver", |fit| fit.solver.clone()),
];

/// The line of a fit.
pub fn line(fit: &Fit) -> String {
    let [low, high] = fit.test_error_ci90.map(|end| 100.0 * end);
    let mut line = format!(
        "n {:>6}  test error {:.2} % [{low:.2}, {high:.2}]  training error {:.2} %  norm {:.4}  residual {:.1e}  {:.1} s",
        fit.n,
        100.0 * fit.test_error,
        100.0 * fit.train_error,
        fit.norm,
        fit.residual,
        fit.total_s
    );
    if let Some(difference) = fit.max_difference.filter(|difference| difference.is_finite()) {
        line.push_str(&format!("  direct and iterative differ by {difference:.1e}"));
    }
    line
}

/// The report's text besides its fits, whose lines were printed during the run.
pub fn table(report: &Report<KernelRegression>) -> String {
    rendered(|out| write(out, report))
}

fn write(out: &mut String, report: &Report<KernelRegression>) -> std::fmt::Result {
    let found = &report.found;
    writeln!(
        out,
        "\n{:<12}exp(-{} |x - y|²) on {} numbers, ridge {}",
        "kernel",
        cell(found.bandwidth),
        found.input_dim,
        cell(found.ridge)
    )?;
    writeln!(
        out,
        "{:<12}{}, {} test samples, {:.1} % of the training labels changed",
        "data",
        found.data,
        found.num_test,
        100.0 * found.label_corruption_observed
    )?;
    writeln!(out, "{:<12}intervals: 90 %, from the number of test samples", "error")?;
    writeln!(out, "{:<12}{}", "record", report.run_dir.as_deref().unwrap_or_default())
}

/// The fits as a table for other programs.
pub fn points_csv(fits: &[Fit]) -> ::csv::Result<Vec<u8>> {
    csv(&COLUMNS, fits)
}

/// The residual after every iteration of every fit.
pub fn residuals_csv(fits: &[Fit]) -> anyhow::Result<Vec<u8>> {
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(["n", "iteration", "residual", "num_inner_steps", "seconds"])?;
    for (n, iterative) in fits.iter().filter_map(|fit| Some((fit.n, fit.iterative.as_ref()?))) {
        let steps = iterative.num_inner_steps.iter().zip(&iterative.iteration_s);
        for (i, (residual, (num_inner_steps, seconds))) in iterative.residuals.iter().zip(steps).enumerate() {
            table.write_record([
                n.to_string(),
                (i + 1).to_string(),
                number(*residual),
                num_inner_steps.to_string(),
                number(*seconds),
            ])?;
        }
    }
    Ok(table.into_inner()?)
}
