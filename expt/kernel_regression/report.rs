//! Lays out what a kernel regression reports: a line for each fit, a table at the end, tables for other programs.

use std::fmt::Write as _;

use serde_json::Value;

use crate::table::rendered;

/// The columns of `points.csv`, and where a point has them.
const COLUMNS: [(&str, &str); 14] = [
    ("n", "/n"),
    ("test_error", "/test_error"),
    ("ci90_low", "/test_error_ci90/0"),
    ("ci90_high", "/test_error_ci90/1"),
    ("test_loss", "/test_loss"),
    ("train_error", "/train_error"),
    ("train_loss", "/train_loss"),
    ("norm", "/norm"),
    ("residual", "/residual"),
    ("num_iterations", "/num_iterations"),
    ("max_difference", "/max_difference"),
    ("direct_s", "/direct_s"),
    ("iterative_s", "/iterative_s"),
    ("peak_memory_gb", "/peak_memory_gb"),
];

fn number(value: &Value, pointer: &str) -> f64 {
    value.pointer(pointer).and_then(Value::as_f64).unwrap_or(f64::NAN)
}

/// The line of a fit.
pub fn line(point: &Value) -> String {
    let mut line = format!(
        "n {:>6}  test error {:.2} % [{:.2}, {:.2}]  training error {:.2} %  norm {:.4}  residual {:.1e}  {:.1} s",
        number(point, "/n"),
        100.0 * number(point, "/test_error"),
        100.0 * number(point, "/test_error_ci90/0"),
        100.0 * number(point, "/test_error_ci90/1"),
        100.0 * number(point, "/train_error"),
        number(point, "/norm"),
        number(point, "/residual"),
        number(point, "/total_s")
    );
    let difference = number(point, "/max_difference");
    if difference.is_finite() {
        line.push_str(&format!("  direct and iterative differ by {difference:.1e}"));
    }
    line
}

/// What the report says beside its fits, each of which had its line when it was there.
pub fn table(report: &Value) -> String {
    rendered(|out| write(out, report))
}

fn write(out: &mut String, report: &Value) -> std::fmt::Result {
    writeln!(
        out,
        "\n{:<12}exp(-{} |x - y|²) on {} numbers, ridge {}",
        "kernel", report["bandwidth"], report["input_dim"], report["ridge"]
    )?;
    writeln!(
        out,
        "{:<12}{}, {} test samples, {:.1} % of the training labels changed",
        "data",
        report["data"].as_str().unwrap_or_default(),
        report["num_test"],
        100.0 * number(report, "/label_corruption_observed")
    )?;
    writeln!(out, "{:<12}intervals: 90 %, of the test samples' number", "error")?;
    writeln!(out, "{:<12}{}", "record", report["run_dir"].as_str().unwrap_or_default())
}

/// The fits as a table for other programs.
pub fn points_csv(points: &[Value]) -> anyhow::Result<Vec<u8>> {
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(COLUMNS.iter().map(|(name, _)| *name).chain(["solver"]))?;
    for point in points {
        let numbers = COLUMNS.iter().map(|(_, path)| number(point, path).to_string());
        table.write_record(numbers.chain([point["solver"].as_str().unwrap_or_default().to_owned()]))?;
    }
    Ok(table.into_inner()?)
}

/// The residual after every iteration of every fit.
pub fn residuals_csv(points: &[Value]) -> anyhow::Result<Vec<u8>> {
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(["n", "iteration", "residual", "num_inner_steps", "seconds"])?;
    for point in points {
        let num_iterations = point["residuals"].as_array().map_or(0, Vec::len);
        for i in 0..num_iterations {
            let at = |name: &str| number(point, &format!("/{name}/{i}")).to_string();
            let n = point["n"].to_string();
            table.write_record([n, (i + 1).to_string(), at("residuals"), at("num_inner_steps"), at("iteration_s")])?;
        }
    }
    Ok(table.into_inner()?)
}
