//! Lays out the rungs of a ladder: a line for each, what is said at the end, CSV for other programs.

use std::fmt::Write as _;

use llc::record::time::duration;
use serde_json::Value;

pub use crate::table::Section;
use crate::table::{decimals, rendered, write_record};

/// A value with its error.
pub fn shown(value: f64, error: f64) -> String {
    let digits = decimals(error).min(4);
    format!("{value:.digits$} ± {error:.digits$}")
}

/// A number in a few digits: γ and nβ range over many decades.
pub fn short(value: f64) -> String {
    match value.abs() {
        size if !size.is_finite() => "–".to_owned(),
        0.0 => "0".to_owned(),
        size if !(1e-3..1e6).contains(&size) => format!("{value:.2e}"),
        // Four significant digits.
        size => format!("{value:.*}", (3.0 - size.log10().floor()).clamp(0.0, 6.0) as usize),
    }
}

/// What stands in a rung's line besides what every rung has.
#[derive(Debug, Clone, Copy)]
pub struct Columns {
    /// Loss and accuracy on test data.
    pub has_test: bool,
    /// The exact value.
    pub has_exact: bool,
}

/// The names of what [`line`] shows.
pub fn header(columns: Columns) -> String {
    let test = if columns.has_test { format!("  {:>9}  {:>8}", "test loss", "accuracy") } else { String::new() };
    let exact = if columns.has_exact { format!("  {:>8}", "exact") } else { String::new() };
    // A circumflex takes no room of its own.
    format!(
        "\n{:>9}  {:>9}  {:>17}  {:^19}{exact}  {:>8}  {:>6}  {:>17}  {:>6}{test}  {:>8}  {:>6}  verdict",
        "γ", "nβ", "λ̂ ± error", "90 % interval", "radius", "/|w*|", "dλ̂/dlnγ ± error", "held", "steps", "time",
    )
}

/// One rung, in a line.
pub fn line(rung: &Value, columns: Columns) -> String {
    let rung = Section(rung);
    let mcse = rung.number("/llc/mcse");
    let digits = decimals(mcse).min(4);
    let interval = match rung.numbers("/llc/ci90")[..] {
        [low, high] => format!("[{low:.digits$}, {high:.digits$}]"),
        _ => String::new(),
    };
    let test = match columns.has_test {
        true => format!("  {:>9.4}  {:>6.1} %", rung.number("/test_loss"), 100.0 * rung.number("/test_accuracy")),
        false => String::new(),
    };
    let exact = match columns.has_exact {
        true => format!("  {:>8.digits$}", rung.number("/llc_exact")),
        false => String::new(),
    };
    format!(
        "{:>9}  {:>9}  {:>16}  {interval:^19}{exact}  {:>8}  {:>6}  {:>16}  {:>4.0} %{test}  {:>8}  {:>6}  {}",
        short(rung.number("/gamma")),
        short(rung.number("/n_beta")),
        shown(rung.number("/llc/mean"), mcse),
        short(rung.number("/radius")),
        short(rung.number("/relative_radius")),
        shown(rung.number("/llc_per_ln_gamma"), rung.number("/llc_per_ln_gamma_mcse")),
        100.0 * rung.number("/held_by_gamma"),
        rung.number("/num_steps"),
        duration(rung.number("/seconds")),
        rung.verdict(),
    )
}

/// What the report says beside the lines of its rungs.
pub fn render(report: &Value) -> String {
    rendered(|out| write(out, report))
}

fn write(out: &mut String, report: &Value) -> std::fmt::Result {
    let run = Section(report);
    writeln!(out)?;
    match run.text("/source") {
        "checkpoint" => {
            let (d, all) = (run.number("/d"), run.number("/num_parameters"));
            let part = if d < all { format!("{d} of {all} parameters") } else { format!("d = {d}") };
            writeln!(
                out,
                "{:<16}{}, {part}, on test data loss {:.4}, accuracy {:.2} %",
                "network",
                run.text("/network"),
                run.number("/test_loss"),
                100.0 * run.number("/test_accuracy")
            )?;
        }
        "deep-linear" => {
            let network: Vec<String> = run.list("/network").iter().map(Value::to_string).collect();
            writeln!(out, "{:<16}{}   d = {}", "network", network.join(" → "), run.number("/d"))?;
        }
        _ => writeln!(out, "{:<16}{}, K = {}", "potential", run.text("/potential"), run.text("/formula"))?,
    }
    if run.number("/lambda_true").is_finite() {
        let is_local = report["lambda_true_is_local"] == Value::Bool(true);
        let kind = if is_local { "exact" } else { "a lower bound of the local value" };
        let multiplicity = run.number("/multiplicity");
        writeln!(out, "{:<16}{} ({kind}, multiplicity {multiplicity})", "λ", run.text("/lambda_true_exact"))?;
    }
    let num_rungs = run.list("/rungs").len();
    writeln!(
        out,
        "{:<16}{} of {num_rungs} rungs certified, of {} on the ladder; {} by {}",
        "profile",
        run.number("/num_certified"),
        run.list("/ladder").len(),
        duration(run.number("/timing/sampling_s")),
        run.text("/sampler")
    )?;
    if !run.text("/stopped").is_empty() {
        writeln!(out, "{:<16}{}", "stopped", run.text("/stopped"))?;
    }
    write_record(out, &run)
}

/// The rungs as a table for other programs.
pub fn csv(rungs: &[Value]) -> anyhow::Result<Vec<u8>> {
    const NUMBERS: [(&str, &str); 24] = [
        ("rung", "/rung"),
        ("gamma", "/gamma"),
        ("n_beta", "/n_beta"),
        ("llc", "/llc/mean"),
        ("llc_mcse", "/llc/mcse"),
        ("ci90_low", "/llc/ci90/0"),
        ("ci90_high", "/llc/ci90/1"),
        ("half_width", "/half_width"),
        ("llc_exact", "/llc_exact"),
        ("radius", "/radius"),
        ("relative_radius", "/relative_radius"),
        ("llc_per_ln_gamma", "/llc_per_ln_gamma"),
        ("llc_per_ln_gamma_mcse", "/llc_per_ln_gamma_mcse"),
        ("held_by_gamma", "/held_by_gamma"),
        ("test_loss", "/test_loss"),
        ("test_accuracy", "/test_accuracy"),
        ("rhat", "/diagnostics/rhat"),
        ("rhat_distance", "/diagnostics/rhat_distance"),
        ("ess_bulk", "/diagnostics/ess_bulk"),
        ("acceptance", "/diagnostics/acceptance"),
        ("num_rounds", "/num_rounds"),
        ("num_draws", "/num_draws"),
        ("num_steps", "/num_steps"),
        ("seconds", "/seconds"),
    ];
    let words = ["has_converged", "is_certified", "verdict", "reasons"];
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(NUMBERS.iter().map(|(name, _)| *name).chain(words))?;
    for rung in rungs {
        let is = |name: &str| rung[name].to_string();
        let rung = Section(rung);
        let number = |path: &str| match rung.number(path) {
            number if number.is_nan() => String::new(),
            number => number.to_string(),
        };
        let numbers = NUMBERS.map(|(_, path)| number(path));
        let words =
            [is("has_converged"), is("is_certified"), rung.text("/verdict").to_owned(), rung.reasons().join(" ")];
        table.write_record(numbers.into_iter().chain(words))?;
    }
    Ok(table.into_inner()?)
}
