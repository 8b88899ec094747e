//! `llc-analysis runs list`: one line a run.

use std::io::Write;

use anyhow::Result;
use clap::Args;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::row::{Cell, line, listed, plain, write_csv, write_json};
use super::selection::Selection;

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    selection: Selection,
    /// Prints comma-separated values instead of a table.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Prints a JSON array instead of a table.
    #[arg(long)]
    json: bool,
}

/// Lists the selected runs.
pub fn execute(arguments: &Arguments, now: Timestamp, output: &mut dyn Write) -> Result<()> {
    let runs = arguments.selection.runs(now)?;
    let rows: Vec<_> = runs.iter().map(|run| listed(run, now)).collect();
    if arguments.json {
        write_json(output, &rows.iter().map(to_object).collect())
    } else if arguments.csv {
        write_csv(output, rows.into_iter().map(Vec::from).collect())
    } else {
        write_table(output, &rows)
    }
}

fn to_object(row: &[Cell; 8]) -> Value {
    Value::Object(Map::from_iter(row.iter().cloned()))
}

fn write_table(output: &mut dyn Write, rows: &[[Cell; 8]]) -> Result<()> {
    let head = ["id", "status", "name", "started (UTC)", "seconds", "λ̂", "mcse", "verdict"].map(str::to_owned);
    let lines: Vec<[String; 8]> = rows
        .iter()
        .map(|row| {
            let mut cells = row.each_ref().map(|(_, value)| value.as_f64().map_or_else(|| line(&plain(value)), short));
            cells[0] = plain(&row[0].1);
            cells[3] = cells[3].chars().take("2026-11-21T17:20:43".len()).collect::<String>().replace('T', " ");
            cells
        })
        .collect();
    let widths: [usize; 8] = std::array::from_fn(|column| {
        // The accent of λ̂ is a character without a width.
        let width = |cell: &String| cell.chars().filter(|&character| character != '\u{302}').count();
        lines.iter().chain([&head]).map(|line| width(&line[column])).max().unwrap_or(0)
    });
    for line in [&head].into_iter().chain(&lines) {
        let mut text = String::new();
        for (column, (cell, width)) in line.iter().zip(widths).enumerate() {
            let is_number = matches!(column, 0 | 4 | 5 | 6);
            let padding = " ".repeat(width.saturating_sub(cell.chars().filter(|&c| c != '\u{302}').count()));
            text += &if is_number { format!("{padding}{cell}  ") } else { format!("{cell}{padding}  ") };
        }
        writeln!(output, "{}", text.trim_end())?;
    }
    Ok(())
}

/// A number for people: three decimals, or four digits where that shows nothing.
fn short(number: f64) -> String {
    if number != 0.0 && number.abs() < 0.01 { format!("{number:.3e}") } else { format!("{number:.3}") }
}
