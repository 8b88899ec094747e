//! Says what one run's line holds, and writes lines as comma-separated values.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::Result;
use jiff::Timestamp;
use llc::record::read::Run;
use llc::record::time;
use serde_json::{Value, json};

/// A column's name and what one run has there.
pub type Cell = (String, Value);

/// The fields of a run in a line of the list.
pub fn listed(run: &Run, now: Timestamp) -> [Cell; 8] {
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

/// All that is known of a run, nested.
pub fn whole(run: &Run, now: Timestamp) -> Value {
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

/// The same in one row: the fields of the list, then `config.sampler.gamma` and so on.
pub fn flat(run: &Run, now: Timestamp) -> Vec<Cell> {
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

/// Writes `value` for programs, and so that people can read it.
pub fn write_json(output: &mut dyn Write, value: &Value) -> Result<()> {
    Ok(writeln!(output, "{value:#}")?)
}

/// Writes rows whose columns may differ: the first row's columns first, then those of the others.
pub fn write_csv(output: &mut dyn Write, rows: Vec<Vec<Cell>>) -> Result<()> {
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

/// A cell's text: strings without quotes, nothing for null, JSON for the rest.
pub fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        _ => value.to_string(),
    }
}

/// `text` on one line: a name or remark may hold line breaks, or what moves a terminal's cursor.
pub fn line(text: &str) -> String {
    let shown = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(shown).collect()
}
