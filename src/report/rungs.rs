//! Lays out the rungs of a ladder: a line for each, what is said at the end, CSV for other programs.

use std::fmt::Write as _;

use crate::record::time::duration;

use super::Report;
use super::profile::{Profile, Rung, Subject};
use super::table::{self, Column, decimals, part, rendered, widths, write_record};

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

/// The names of what [`line()`] shows.
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
pub fn line(rung: &Rung, columns: Columns) -> String {
    let (llc, judgement) = (&rung.estimate.llc, &rung.estimate.judgement);
    let digits = decimals(llc.mcse).min(4);
    let [low, high] = llc.ci90;
    let test = match columns.has_test {
        true => {
            let [loss, accuracy] = [rung.test_loss, rung.test_accuracy].map(|number| number.unwrap_or(f64::NAN));
            format!("  {loss:>9.4}  {:>6.1} %", 100.0 * accuracy)
        }
        false => String::new(),
    };
    let exact = match columns.has_exact {
        true => format!("  {:>8.digits$}", rung.llc_exact.unwrap_or(f64::NAN)),
        false => String::new(),
    };
    format!(
        "{:>9}  {:>9}  {:>16}  {:^19}{exact}  {:>8}  {:>6}  {:>16}  {:>4.0} %{test}  {:>8}  {:>6}  {}",
        short(rung.estimate.gamma),
        short(rung.estimate.n_beta),
        shown(llc.mean, llc.mcse),
        format!("[{low:.digits$}, {high:.digits$}]"),
        short(rung.radius),
        short(rung.relative_radius),
        shown(rung.llc_per_ln_gamma, rung.llc_per_ln_gamma_mcse),
        100.0 * rung.held_by_gamma,
        rung.num_steps,
        duration(rung.seconds),
        judgement.words(),
    )
}

/// What the report says beside the lines of its rungs.
pub fn render(report: &Report<Profile>) -> String {
    rendered(|out| write(out, report))
}

fn write(out: &mut String, report: &Report<Profile>) -> std::fmt::Result {
    let found = &report.found;
    writeln!(out)?;
    match &found.subject {
        Subject::Checkpoint { network, num_parameters, scores, .. } => writeln!(
            out,
            "{:<16}{network}, {}, on test data loss {:.4}, accuracy {:.2} %",
            "network",
            part(found.d, *num_parameters),
            scores.test_loss,
            100.0 * scores.test_accuracy
        )?,
        Subject::Model { network, num_parameters, notes, .. } => {
            writeln!(out, "{:<16}{network}, {}", "network", part(found.d, *num_parameters))?;
            notes.iter().try_for_each(|note| writeln!(out, "{:<16}- {note}", ""))?;
        }
        Subject::DeepLinear { network, .. } => {
            writeln!(out, "{:<16}{}   d = {}", "network", widths(network), found.d)?;
        }
        Subject::Potential { potential, formula, .. } => {
            writeln!(out, "{:<16}{potential}, K = {formula}", "potential")?;
        }
    }
    if let Some(known) = found.subject.lambda() {
        let kind = if known.lambda_true_is_local { "exact" } else { "a lower bound of the local value" };
        writeln!(out, "{:<16}{} ({kind}, multiplicity {})", "λ", known.lambda_true_exact, known.multiplicity)?;
    }
    writeln!(
        out,
        "{:<16}{} of {} rungs certified, of {} on the ladder; {} by {}",
        "profile",
        found.num_certified,
        found.rungs.len(),
        found.ladder.len(),
        duration(found.timing.sampling_s),
        found.chains.sampler
    )?;
    if let Some(stopped) = &found.stopped {
        writeln!(out, "{:<16}{stopped}", "stopped")?;
    }
    write_record(out, report)
}

/// The rungs as a table for other programs; nothing where there is no number.
///
/// # Errors
/// Whatever the writer reports, which writes to memory.
pub fn csv(rungs: &[Rung]) -> ::csv::Result<Vec<u8>> {
    fn number(value: impl Into<Option<f64>>) -> String {
        value.into().filter(|value| value.is_finite()).map_or(String::new(), |value| value.to_string())
    }
    const COLUMNS: [Column<Rung>; 28] = [
        ("rung", |rung| rung.rung.to_string()),
        ("gamma", |rung| number(rung.estimate.gamma)),
        ("n_beta", |rung| number(rung.estimate.n_beta)),
        ("llc", |rung| number(rung.estimate.llc.mean)),
        ("llc_mcse", |rung| number(rung.estimate.llc.mcse)),
        ("ci90_low", |rung| number(rung.estimate.llc.ci90[0])),
        ("ci90_high", |rung| number(rung.estimate.llc.ci90[1])),
        ("half_width", |rung| number(rung.half_width)),
        ("llc_exact", |rung| number(rung.llc_exact)),
        ("radius", |rung| number(rung.radius)),
        ("relative_radius", |rung| number(rung.relative_radius)),
        ("llc_per_ln_gamma", |rung| number(rung.llc_per_ln_gamma)),
        ("llc_per_ln_gamma_mcse", |rung| number(rung.llc_per_ln_gamma_mcse)),
        ("held_by_gamma", |rung| number(rung.held_by_gamma)),
        ("test_loss", |rung| number(rung.test_loss)),
        ("test_accuracy", |rung| number(rung.test_accuracy)),
        ("rhat", |rung| number(rung.estimate.diagnostics.rhat)),
        ("rhat_distance", |rung| number(rung.estimate.diagnostics.rhat_distance)),
        ("ess_bulk", |rung| number(rung.estimate.diagnostics.ess_bulk)),
        ("acceptance", |rung| number(rung.estimate.diagnostics.acceptance)),
        ("num_rounds", |rung| rung.num_rounds.to_string()),
        ("num_draws", |rung| rung.num_draws.to_string()),
        ("num_steps", |rung| rung.num_steps.to_string()),
        ("seconds", |rung| number(rung.seconds)),
        ("has_converged", |rung| rung.has_converged.to_string()),
        ("is_certified", |rung| rung.is_certified.to_string()),
        ("verdict", |rung| rung.estimate.judgement.verdict.as_str().to_owned()),
        ("reasons", |rung| rung.estimate.judgement.reasons.join(" ")),
    ];
    table::csv(&COLUMNS, rungs)
}
