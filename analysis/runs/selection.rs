//! Chooses runs by what the user says of them.

use anyhow::Result;
use clap::Args;
use jiff::Timestamp;
use llc::record::filter::{self, Filter};
use llc::record::read::Run;

use super::UsageError;
use super::source::Source;

#[derive(Debug, Args)]
pub struct Selection {
    /// Only runs that meet all of these conditions: status=COMPLETED config.sampler.gamma=1 'llc>0' name~dln. Fields are
    /// id, status, name, command, comment, hostname, llc, mcse, verdict, duration_s, config.PATH and report.PATH; operators = != < <= > >=
    /// and ~ (contains). Quote < and > from the shell.
    #[arg(value_name = "FILTER")]
    filters: Vec<Filter>,
    #[command(flatten)]
    source: Source,
    /// Only runs with this status: completed, failed, interrupted, running, probably_dead, or Sacred's queued, timeout.
    #[arg(long)]
    status: Option<String>,
    /// Only runs of the experiment with this name.
    #[arg(long)]
    name: Option<String>,
}

/// The statuses that `llc` and Sacred write, and the one that a silent run is shown with.
pub const STATUSES: [&str; 7] = ["completed", "failed", "interrupted", "running", "probably_dead", "queued", "timeout"];

impl Selection {
    /// The runs that it names, by number, as they are at the time `now`.
    pub fn runs(&self, now: Timestamp) -> Result<Vec<Run>> {
        let runs = self.source.runs()?;
        if let Some(status) = &self.status {
            check_status(status, &runs, now)?;
        }
        let is_selected = |run: &Run| {
            let status = self.status.as_ref();
            status.is_none_or(|status| status.eq_ignore_ascii_case(run.shown_status(now)))
                && self.name.as_ref().is_none_or(|name| *name == run.name)
        };
        let runs = filter::select(runs, &self.filters, now)?;
        Ok(runs.into_iter().filter(is_selected).collect())
    }
}

/// Refuses a status that no run can have. One that a run does have is accepted.
fn check_status(given: &str, runs: &[Run], now: Timestamp) -> Result<(), UsageError> {
    let is_given = |status: &str| status.eq_ignore_ascii_case(given);
    if STATUSES.into_iter().any(is_given) || runs.iter().any(|run| is_given(run.shown_status(now))) {
        return Ok(());
    }
    let likeness = |status: &str| strsim::jaro_winkler(&given.to_ascii_lowercase(), status);
    let nearest = STATUSES.into_iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b))).unwrap_or_default();
    Err(UsageError::UnknownStatus { given: given.to_owned(), nearest })
}
