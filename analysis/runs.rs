//! `llc-analysis runs`: lists, shows and exports the runs of a folder.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use llc::record::read::{self, Run};
use llc::record::time;
use serde_json::{Map, Value, json};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists runs, one a line.
    List {
        #[command(flatten)]
        selection: Selection,
        /// Prints comma-separated values instead of a table.
        #[arg(long, conflicts_with = "json")]
        csv: bool,
        /// Prints a JSON array instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Shows all of one run.
    Show {
        /// The run's number.
        id: u64,
        #[command(flatten)]
        folder: Folder,
        /// Prints one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Exports runs with their whole configuration and report, one run a row.
    Export {
        #[command(flatten)]
        selection: Selection,
        /// Writes to this file instead of stdout.
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Writes comma-separated values (the default).
        #[arg(long, conflicts_with = "json")]
        csv: bool,
        /// Writes a JSON array, nested as in the record.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub struct Folder {
    /// The folder of the runs, as given to `llc -F`.
    #[arg(short = 'F', long = "folder", value_name = "DIR", default_value = "runs")]
    folder: PathBuf,
}

#[derive(Debug, Args)]
pub struct Selection {
    #[command(flatten)]
    folder: Folder,
    /// Only runs with this status: completed, failed, interrupted, running, probably_dead, or Sacred's queued, timeout.
    #[arg(long)]
    status: Option<String>,
    /// Only runs of the experiment with this name.
    #[arg(long)]
    name: Option<String>,
}

/// What the user asked for doesn't exist.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    #[error("there is no folder {}; give that of the runs with -F", .0.display())]
    NoFolder(PathBuf),
    #[error("{} has no run {id}; `llc-analysis runs list` shows those there are", folder.display())]
    NoRun { folder: PathBuf, id: u64 },
    #[error("--status {given}: no run has that; did you mean {nearest}? There are {}", STATUSES.join(", "))]
    UnknownStatus { given: String, nearest: &'static str },
}

/// The statuses that `llc` and Sacred write, and the one that a silent run is shown with.
const STATUSES: [&str; 7] = ["completed", "failed", "interrupted", "running", "probably_dead", "queued", "timeout"];

/// Does what `command` says and writes the answer to `output`.
pub fn execute(command: &Command, output: &mut dyn Write) -> Result<()> {
    let now = Timestamp::now();
    match command {
        Command::List { selection, csv, json } => {
            let runs = select(selection, now)?;
            let rows: Vec<_> = runs.iter().map(|run| listed(run, now)).collect();
            if *json {
                write_json(output, &rows.iter().map(to_object).collect())
            } else if *csv {
                write_csv(output, rows.into_iter().map(Vec::from).collect())
            } else {
                write_table(output, &rows)
            }
        }
        Command::Show { id, folder, json } => {
            let run = find(&folder.folder, *id)?;
            if *json { write_json(output, &whole(&run, now)) } else { show(output, &run, now) }
        }
        Command::Export { selection, output: path, csv: _, json } => {
            let runs = select(selection, now)?;
            let mut file;
            let output = match path {
                Some(path) => {
                    file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
                    &mut file as &mut dyn Write
                }
                None => output,
            };
            if *json {
                write_json(output, &runs.iter().map(|run| whole(run, now)).collect())
            } else {
                write_csv(output, runs.iter().map(|run| flat(run, now)).collect())
            }
        }
    }
}

/// The runs that `selection` names. Folders that are no readable runs are told on stderr and left out.
fn select(selection: &Selection, now: Timestamp) -> Result<Vec<Run>> {
    let folder = &selection.folder.folder;
    if !folder.is_dir() {
        return Err(UsageError::NoFolder(folder.clone()).into());
    }
    let found = read::list(folder)?;
    for error in &found.unreadable {
        let _ = writeln!(io::stderr(), "warning: {error}");
    }
    if let Some(status) = &selection.status {
        check_status(status, &found.runs, now)?;
    }
    let is_selected = |run: &Run| {
        let status = selection.status.as_ref();
        status.is_none_or(|status| status.eq_ignore_ascii_case(run.shown_status(now)))
            && selection.name.as_ref().is_none_or(|name| *name == run.name)
    };
    Ok(found.runs.into_iter().filter(is_selected).collect())
}

/// Refuses a status that no run can have. One that a run does have passes, whoever wrote it.
fn check_status(given: &str, runs: &[Run], now: Timestamp) -> Result<(), UsageError> {
    let is_given = |status: &str| status.eq_ignore_ascii_case(given);
    if STATUSES.into_iter().any(is_given) || runs.iter().any(|run| is_given(run.shown_status(now))) {
        return Ok(());
    }
    let likeness = |status: &str| strsim::jaro_winkler(&given.to_ascii_lowercase(), status);
    let nearest = STATUSES.into_iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b))).unwrap_or_default();
    Err(UsageError::UnknownStatus { given: given.to_owned(), nearest })
}

fn find(folder: &Path, id: u64) -> Result<Run> {
    let path = folder.join(id.to_string());
    if !path.is_dir() {
        return Err(UsageError::NoRun { folder: folder.to_owned(), id }.into());
    }
    Ok(Run::open(&path)?)
}

type Cell = (String, Value);

/// What a line of the list tells of a run.
fn listed(run: &Run, now: Timestamp) -> [Cell; 8] {
    let report = |pointer: &str| run.report.as_ref().and_then(|report| report.pointer(pointer)).cloned();
    [
        ("id", json!(run.id)),
        ("status", json!(run.shown_status(now))),
        ("name", json!(run.name)),
        ("start_time", json!(run.start.map(time::format))),
        ("duration_s", json!(run.duration_s())),
        ("llc", json!(run.result)),
        ("mcse", report("/llc/mcse").unwrap_or_default()),
        ("verdict", report("/verdict").unwrap_or_default()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
}

fn to_object(row: &[Cell; 8]) -> Value {
    Value::Object(Map::from_iter(row.iter().cloned()))
}

/// All that is known of a run, nested.
fn whole(run: &Run, now: Timestamp) -> Value {
    json!({
        "id": run.id,
        "status": run.shown_status(now),
        "name": run.name,
        "command": run.command,
        "comment": run.comment,
        "hostname": run.hostname,
        "start_time": run.start.map(time::format),
        "stop_time": run.stop.map(time::format),
        "duration_s": run.duration_s(),
        "result": run.result,
        "fail_trace": run.fail_trace,
        "run_dir": run.path,
        "config": run.config,
        "report": run.report,
    })
}

/// The same in one row: what the list tells, then `config.sampler.gamma` and so on.
fn flat(run: &Run, now: Timestamp) -> Vec<Cell> {
    let mut row = Vec::from(listed(run, now));
    for (name, value) in [("command", &run.command), ("comment", &run.comment), ("hostname", &run.hostname)] {
        row.push((name.to_owned(), json!(value)));
    }
    push_flat(&mut row, "config", &run.config);
    push_flat(&mut row, "report", run.report.as_ref().unwrap_or(&Value::Null));
    row
}

fn push_flat(row: &mut Vec<Cell>, name: &str, value: &Value) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, field)| push_flat(row, &format!("{name}.{key}"), field)),
        Value::Null => {}
        _ => row.push((name.to_owned(), value.clone())),
    }
}

fn write_json(output: &mut dyn Write, value: &Value) -> Result<()> {
    Ok(writeln!(output, "{value:#}")?)
}

/// Writes rows whose columns may differ: the first row's order first, the others' columns behind.
fn write_csv(output: &mut dyn Write, rows: Vec<Vec<Cell>>) -> Result<()> {
    let mut columns: Vec<String> = Vec::new();
    let mut place = BTreeMap::new();
    for (name, _) in rows.iter().flatten() {
        place.entry(name.clone()).or_insert_with(|| {
            columns.push(name.clone());
            columns.len() - 1
        });
    }
    let mut writer = csv::Writer::from_writer(output);
    writer.write_record(&columns)?;
    for row in rows {
        let mut cells = vec![String::new(); columns.len()];
        for (name, value) in row {
            cells[place[&name]] = plain(&value);
        }
        writer.write_record(&cells)?;
    }
    Ok(writer.flush()?)
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

fn show(output: &mut dyn Write, run: &Run, now: Timestamp) -> Result<()> {
    let moment = |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), time::format);
    writeln!(output, "run        {} ({})", run.id, run.path.display())?;
    writeln!(output, "status     {}", line(run.shown_status(now)))?;
    writeln!(output, "name       {}", line(&run.name))?;
    writeln!(output, "command    {}", line(&run.command))?;
    if !run.comment.is_empty() {
        writeln!(output, "comment    {}", line(&run.comment))?;
    }
    writeln!(output, "host       {}", line(&run.hostname))?;
    writeln!(output, "started    {}", moment(run.start))?;
    writeln!(output, "stopped    {}", moment(run.stop))?;
    writeln!(output, "heartbeat  {}", moment(run.heartbeat))?;
    if let Some(llc) = run.result {
        writeln!(output, "λ̂          {llc}")?;
    }
    for failure in &run.fail_trace {
        writeln!(output, "failure    {}", line(failure))?;
    }
    writeln!(output, "\nconfig\n{:#}", run.config)?;
    if let Some(report) = &run.report {
        writeln!(output, "\nreport\n{report:#}")?;
    }
    Ok(())
}

/// A cell's text: strings without quotes, nothing for null, JSON for the rest.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        _ => value.to_string(),
    }
}

/// `text` on one line: a name or remark may hold line breaks, or what moves a terminal's cursor.
fn line(text: &str) -> String {
    let shown = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(shown).collect()
}

/// A number for people: three decimals, or four digits where that shows nothing.
fn short(number: f64) -> String {
    if number != 0.0 && number.abs() < 0.01 { format!("{number:.3e}") } else { format!("{number:.3}") }
}
