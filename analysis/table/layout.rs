//! Lays the table out: as text, as comma-separated values, in Markdown.

use std::io::Write;

use anyhow::Result;
use llc::record::time::duration;

use super::Row;
use crate::plot::panel::cell;

/// A column: its head, and what a row has there.
type Column = (&'static str, fn(&Row) -> String);

/// Columns for people.
const COLUMNS: [Column; 12] = [
    ("group", |row| row.group.clone()),
    ("runs", |row| row.num_runs.to_string()),
    ("with λ̂", |row| row.num_estimates.to_string()),
    ("trusted", |row| row.num_trusted.to_string()),
    ("mean", |row| percent(row.mean, true)),
    ("median", |row| percent(row.quartiles[1], true)),
    ("quartiles", |row| format!("{} to {}", percent(row.quartiles[0], true), percent(row.quartiles[2], true))),
    ("within 5 %", |row| percent(row.within_5, false)),
    ("within 10 %", |row| percent(row.within_10, false)),
    ("90 % covers λ", |row| coverage(row, row.coverage)),
    ("covers λ(nβ)", |row| coverage(row, row.coverage_at_n_beta)),
    ("sampling", |row| format!("{} (median), {}", seconds(row.median_s), seconds(row.total_s))),
];

const NOTE: &str =
    "Relative error (λ̂ − λ)/λ; coverage is of runs whose λ is the local one only, λ(nβ) = λ − (m − 1)/ln(nβ).";

/// The cells of a row.
fn cells(row: &Row) -> Vec<String> {
    COLUMNS.iter().map(|(_, cell)| cell(row)).collect()
}

/// The heads of [`COLUMNS`].
fn heads() -> Vec<String> {
    COLUMNS.iter().map(|(head, _)| (*head).to_owned()).collect()
}

/// Aligned columns.
pub fn text(output: &mut dyn Write, rows: &[Row]) -> Result<()> {
    let lines: Vec<Vec<String>> = std::iter::once(heads()).chain(rows.iter().map(cells)).collect();
    // The accent of λ̂ is a character without a width.
    let width = |cell: &String| cell.chars().filter(|&character| character != '\u{302}').count();
    let widest = |column: usize| lines.iter().map(|line| width(&line[column])).max().unwrap_or(0);
    for line in &lines {
        let padded = line.iter().enumerate().map(|(i, cell)| {
            let space = " ".repeat(widest(i).saturating_sub(width(cell)));
            if i == 0 { format!("{cell}{space}") } else { format!("{space}{cell}") }
        });
        writeln!(output, "{}", padded.collect::<Vec<_>>().join("  "))?;
    }
    Ok(writeln!(output, "\n{NOTE}")?)
}

/// A table of GitHub's Markdown.
pub fn markdown(output: &mut dyn Write, rows: &[Row]) -> Result<()> {
    let line = |cells: &[String]| {
        let escaped: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        format!("| {} |", escaped.join(" | "))
    };
    writeln!(output, "{}", line(&heads()))?;
    writeln!(output, "|---{}|", "|---:".repeat(COLUMNS.len() - 1))?;
    for row in rows {
        writeln!(output, "{}", line(&cells(row)))?;
    }
    Ok(writeln!(output, "\n{NOTE}")?)
}

/// Every number in full.
pub fn csv(output: &mut dyn Write, rows: &[Row]) -> Result<()> {
    let mut writer = csv::Writer::from_writer(output);
    writer.write_record([
        "group",
        "num_runs",
        "num_estimates",
        "num_trusted",
        "mean",
        "first_quartile",
        "median",
        "third_quartile",
        "within_5_percent",
        "within_10_percent",
        "num_local",
        "coverage",
        "coverage_at_n_beta",
        "median_sampling_s",
        "total_sampling_s",
    ])?;
    for row in rows {
        let counts = [row.num_runs, row.num_estimates, row.num_trusted].map(|count| count.to_string());
        let [first, median, third] = row.quartiles;
        let num_local = row.num_local as f64;
        let numbers = [
            row.mean,
            first,
            median,
            third,
            row.within_5,
            row.within_10,
            num_local,
            row.coverage,
            row.coverage_at_n_beta,
            row.median_s,
            row.total_s,
        ];
        let numbers = numbers.map(cell);
        writer.write_record(std::iter::once(&row.group).chain(&counts).chain(&numbers))?;
    }
    Ok(writer.flush()?)
}

fn percent(share: f64, is_signed: bool) -> String {
    match (share.is_finite(), is_signed) {
        (false, _) => "–".to_owned(),
        (true, true) => format!("{:+.1} %", 100.0 * share),
        (true, false) => format!("{:.0} %", 100.0 * share),
    }
}

fn coverage(row: &Row, share: f64) -> String {
    if row.num_local == 0 { "–".to_owned() } else { format!("{} of {}", percent(share, false), row.num_local) }
}

fn seconds(seconds: f64) -> String {
    if seconds.is_finite() { duration(seconds) } else { "–".to_owned() }
}
