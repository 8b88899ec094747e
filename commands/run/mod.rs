//! `gen-commands run`: runs the lines of a file on this machine, several at a time, without a shell.
//!
//! [`jobs`] starts and watches programs, [`job_log`] keeps GNU parallel's log of them, [`program`] finds `llc`.

mod job_log;
mod jobs;
mod program;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{ArgMatches, Args, Command, FromArgMatches};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use llc::config::available_threads;
use llc::sweep::command_file::{self, Command as Line};
use llc::words::counted;

use crate::Usage;
use job_log::{Entry, JobLog};
use jobs::{Ended, Job};

/// Interrupted: --resume continues. The code that `llc` itself ends with.
const EXIT_INTERRUPTED: u8 = 75;

/// Which lines, and how.
#[derive(Debug, Args)]
struct Arguments {
    /// File with one llc command on each line
    #[arg(value_name = "COMMANDS.txt")]
    file: PathBuf,
    /// Lines that run at once [default: the number of threads]
    #[arg(short, long, value_parser = clap::value_parser!(u64).range(1..=4096))]
    jobs: Option<u64>,
    /// Threads of each line without --threads [default: all threads divided among the jobs]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=4096))]
    threads: Option<u64>,
    /// Program to run instead of llc [default: llc in the folder of gen-commands, else on the PATH]
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Job log, in the format of GNU parallel's --joblog [default: COMMANDS.joblog in the folder of the file]
    #[arg(long, value_name = "FILE")]
    joblog: Option<PathBuf>,
    /// Folder for the output of the lines, N.log for line N [default: COMMANDS.logs in the folder of the file]
    #[arg(long, value_name = "DIR")]
    logs: Option<PathBuf>,
    /// Run only lines that are not yet in the job log
    #[arg(long)]
    resume: bool,
    /// Also run failed lines again
    #[arg(long, conflicts_with = "resume")]
    resume_failed: bool,
    /// Show no progress
    #[arg(long)]
    quiet: bool,
}

const EXAMPLES: &str = "\
Every line is checked before the first one starts. Ctrl-C is passed on: llc records the draws so far, and --resume continues later. A line
and its run have the line's number in the file, here as in SLURM arrays.

Exit codes: 0 all lines succeeded, 1 some failed, 2 bad usage or an illegal line, 75 interrupted.

Examples:
  gen-commands run COMMANDS.txt --jobs 2
  gen-commands run COMMANDS.txt --resume-failed
  parallel --jobs 2 --resume-failed --joblog COMMANDS.joblog < COMMANDS.txt
      GNU parallel reads the same job log.";

/// The subcommand.
pub fn command() -> Command {
    let command = Arguments::augment_args(Command::new("run"));
    command.about("Run the lines of a file on this machine").after_help(EXAMPLES)
}

/// Runs what `matches` say.
pub fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let arguments = Arguments::from_arg_matches(matches)?;
    let lines = command_file::read(&arguments.file).with_context(|| arguments.file.display().to_string())?;
    let program = program::find(arguments.program.as_deref(), &lines)?;
    let beside = |ending| arguments.file.with_extension(ending);
    let log_path = arguments.joblog.clone().unwrap_or_else(|| beside("joblog"));
    let logs = arguments.logs.clone().unwrap_or_else(|| beside("logs"));
    let before = arguments.entries(&log_path, &lines)?;
    let is_due = |line: &&Line| match before.get(&line.number) {
        None => true,
        Some(entry) => arguments.resume_failed && !entry.has_succeeded(),
    };
    let due: Vec<Job> = lines
        .iter()
        .filter(is_due)
        .map(|line| Job {
            number: line.number,
            program: program::of_line(&program, line),
            words: line.words.clone(),
            text: line.text(),
            log: logs.join(format!("{}.log", line.number)),
        })
        .collect();
    fs::create_dir_all(&logs).with_context(|| format!("cannot make the folder {}", logs.display()))?;
    let mut log = JobLog::append(&log_path).with_context(|| format!("cannot write {}", log_path.display()))?;
    let (jobs, threads) = arguments.share();
    let bar = arguments.progress_bar(due.len());
    let mut failed: Vec<usize> = lines.iter().filter(|line| !is_due(line)).map(|line| line.number).collect();
    failed.retain(|number| before.get(number).is_some_and(|entry| !entry.has_succeeded()));
    let on_end = |ended: &Ended| {
        log.write(ended).with_context(|| format!("cannot write {}", log_path.display()))?;
        if !ended.has_succeeded() {
            failed.push(ended.number);
            bar.suspend(|| {
                eprintln!(
                    "line {} {}, see {}",
                    ended.number,
                    ended.fate(),
                    logs.join(format!("{}.log", ended.number)).display()
                )
            });
            bar.set_message(format!("{} failed", failed.len()));
        }
        bar.inc(1);
        Ok(())
    };
    let num_due = due.len();
    let outcome = jobs::run(due, jobs, threads, on_end)?;
    bar.finish_and_clear();
    failed.sort_unstable();
    let num_left = num_due - outcome.num_ended;
    let num_done = lines.len() - num_left - failed.len();
    eprintln!("{num_done} of {} succeeded{}", counted(lines.len(), "line"), summary(&failed, num_left));
    Ok(match () {
        () if outcome.is_interrupted => ExitCode::from(EXIT_INTERRUPTED),
        () if failed.is_empty() => ExitCode::SUCCESS,
        () => ExitCode::FAILURE,
    })
}

/// What is to be done about lines that failed, and about those not run.
fn summary(failed: &[usize], num_left: usize) -> String {
    let mut text = String::new();
    if !failed.is_empty() {
        let lines = llc::sweep::missing::array_list(failed);
        text += &format!("; failed: {lines}; --resume-failed runs them again");
    }
    if num_left > 0 {
        text += &format!("; {num_left} not run; --resume continues");
    }
    text
}

impl Arguments {
    /// What the job log says of each line; nothing where a new one is begun.
    fn entries(&self, path: &Path, lines: &[Line]) -> anyhow::Result<BTreeMap<usize, Entry>> {
        let entries = job_log::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        if !(self.resume || self.resume_failed || entries.is_empty()) {
            return Err(Usage(format!(
                "{} has {} lines already: continue with --resume or --resume-failed, or give another file with \
                 --joblog",
                path.display(),
                entries.len()
            ))
            .into());
        }
        for line in lines {
            if let Some(entry) = entries.get(&line.number).filter(|entry| entry.command != line.text()) {
                return Err(Usage(format!(
                    "line {} is `{}` in {} and `{}` in {}: the file has changed since; run the new lines with another \
                     --joblog",
                    line.number,
                    line.text(),
                    self.file.display(),
                    entry.command,
                    path.display()
                ))
                .into());
            }
        }
        Ok(entries)
    }

    /// Jobs at once, and threads of each.
    fn share(&self) -> (usize, usize) {
        let all = available_threads();
        let jobs = self.jobs.map_or(all, |jobs| jobs as usize);
        (jobs, self.threads.map_or((all / jobs).max(1), |threads| threads as usize))
    }

    fn progress_bar(&self, num_jobs: usize) -> ProgressBar {
        let is_shown = !self.quiet && io::stderr().is_terminal();
        let target = if is_shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} lines, {elapsed} elapsed, {eta} left {msg}");
        let bar = ProgressBar::with_draw_target(Some(num_jobs as u64), target);
        style.map_or(bar.clone(), |style| bar.with_style(style))
    }
}
