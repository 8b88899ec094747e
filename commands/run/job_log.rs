//! Keeps the log of jobs as GNU parallel does with `--joblog`, so that its `--resume` and `--resume-failed` read it too.
//!
//! A line a job, tab-separated, written when it ends: `Seq Host Starttime JobRuntime Send Receive Exitval Signal Command`. Seq is the
//! number of the line in the file of commands; a job that runs again gets another line, and the last one counts.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use csv::{QuoteStyle, ReaderBuilder, Writer, WriterBuilder};

use super::jobs::Ended;

const COLUMNS: [&str; 9] =
    ["Seq", "Host", "Starttime", "JobRuntime", "Send", "Receive", "Exitval", "Signal", "Command"];
/// How GNU parallel calls this machine.
const HOST: &str = ":";

/// What the log says of a job that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    exit: i32,
    signal: i32,
    /// The command, its words one space apart.
    pub command: String,
}

impl Entry {
    /// Whether it ended with 0.
    pub fn has_succeeded(&self) -> bool {
        self.exit == 0 && self.signal == 0
    }
}

/// The last entry of each job in the log at `path`; none where there is no log. A line that was cut off in the middle doesn't count.
pub fn read(path: &Path) -> io::Result<BTreeMap<usize, Entry>> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        text => text?,
    };
    let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
    let mut reader = ReaderBuilder::new().delimiter(b'\t').quoting(false).flexible(true).from_reader(whole.as_bytes());
    let entry = |row: csv::StringRecord| {
        let number = row.get(0)?.trim().parse().ok()?;
        let [exit, signal] = [row.get(6)?.trim().parse().ok()?, row.get(7)?.trim().parse().ok()?];
        Some((number, Entry { exit, signal, command: row.get(8)?.to_owned() }))
    };
    Ok(reader.records().filter_map(Result::ok).filter_map(entry).collect())
}

/// A log that jobs are added to.
#[derive(Debug)]
pub struct JobLog {
    writer: Writer<File>,
}

impl JobLog {
    /// Opens the log at `path` to add to it, and begins it if it is empty.
    pub fn append(path: &Path) -> io::Result<Self> {
        let text = fs::read_to_string(path).unwrap_or_default();
        let mut file = File::options().create(true).append(true).open(path)?;
        if !text.is_empty() && !text.ends_with('\n') {
            // The job that was being written down when the power went: it doesn't count, and must not spoil the next line.
            file.write_all(b"\n")?;
        }
        let mut writer = WriterBuilder::new().delimiter(b'\t').quote_style(QuoteStyle::Never).from_writer(file);
        if text.is_empty() {
            writer.write_record(COLUMNS)?;
            writer.flush()?;
        }
        Ok(Self { writer })
    }

    /// Adds a job.
    pub fn write(&mut self, ended: &Ended) -> io::Result<()> {
        self.writer.write_record([
            ended.number.to_string(),
            HOST.to_owned(),
            format!("{:.3}", ended.started.as_millisecond() as f64 / 1e3),
            format!("{:10.3}", ended.runtime_s),
            "0".to_owned(),
            "0".to_owned(),
            ended.exit.to_string(),
            ended.signal.to_string(),
            ended.text.clone(),
        ])?;
        self.writer.flush()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn ended(number: usize, exit: i32) -> Ended {
        let started = Timestamp::from_millisecond(1_700_000_000_123).unwrap();
        Ended { number, text: format!("llc dln --seed {number}"), started, runtime_s: 1.5, exit, signal: 0 }
    }

    #[test]
    fn a_job_is_written_as_gnu_parallel_writes_it_and_the_last_try_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("joblog");
        assert!(read(&path).unwrap().is_empty());
        JobLog::append(&path).unwrap().write(&ended(3, 1)).unwrap();
        JobLog::append(&path).unwrap().write(&ended(3, 0)).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(
            text.lines().collect::<Vec<_>>(),
            [
                "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand",
                "3\t:\t1700000000.123\t     1.500\t0\t0\t1\t0\tllc dln --seed 3",
                "3\t:\t1700000000.123\t     1.500\t0\t0\t0\t0\tllc dln --seed 3",
            ]
        );
        assert!(read(&path).unwrap()[&3].has_succeeded());
    }

    #[test]
    fn a_line_that_was_cut_off_does_not_count_and_spoils_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("joblog");
        JobLog::append(&path).unwrap().write(&ended(1, 0)).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{text}2\t:\t1700000000.123\t     1.500\t0\t0\t0\t0\tllc dl")).unwrap();
        assert_eq!(read(&path).unwrap().keys().collect::<Vec<_>>(), [&1]);
        JobLog::append(&path).unwrap().write(&ended(4, 7)).unwrap();
        let entries = read(&path).unwrap();
        assert_eq!(entries.get(&4).map(Entry::has_succeeded), Some(false));
        assert_eq!(entries[&1].command, "llc dln --seed 1");
    }
}
