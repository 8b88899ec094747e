//! `llc-analysis runs show`: all of one run.

use std::io::Write;

use anyhow::Result;
use clap::Args;
use jiff::Timestamp;
use llc::record::read::Run;
use llc::record::time;

use super::row::{line, whole, write_json};
use super::source::Source;

#[derive(Debug, Args)]
pub struct Arguments {
    /// The run's number.
    id: u64,
    #[command(flatten)]
    source: Source,
    /// Prints one JSON object.
    #[arg(long)]
    json: bool,
}

/// Shows the run.
pub fn execute(arguments: &Arguments, now: Timestamp, output: &mut dyn Write) -> Result<()> {
    let run = arguments.source.run(arguments.id)?;
    if arguments.json { write_json(output, &whole(&run, now)) } else { show(output, &run, now) }
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
