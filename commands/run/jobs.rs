//! Starts programs, a few at a time, and waits for them.
//!
//! One thread looks at all of them fifty times a second: what it waits for takes seconds at least. Each program leads a process group of
//! its own, so that Ctrl-C reaches this program alone, which passes it on once.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use jiff::Timestamp;
use llc::config::TASK_THREADS;
use rustix::process::{Pid, Signal, kill_process_group};
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;

/// Time between two looks at the programs.
const LOOK: Duration = Duration::from_millis(20);
/// What a shell ends with where a program can't be started.
const EXIT_NOT_STARTED: i32 = 127;

/// A line to run.
#[derive(Debug)]
pub struct Job {
    /// The line's number in its file.
    pub number: usize,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub words: Vec<String>,
    /// The whole line.
    pub text: String,
    /// Where what it prints goes.
    pub log: PathBuf,
}

/// A line that has run.
#[derive(Debug)]
pub struct Ended {
    /// The line's number in its file.
    pub number: usize,
    /// The whole line.
    pub text: String,
    /// When it started.
    pub started: Timestamp,
    /// How long it took.
    pub runtime_s: f64,
    /// Its exit code; 0 where a signal ended it.
    pub exit: i32,
    /// The signal that ended it; 0 where none did.
    pub signal: i32,
}

impl Ended {
    /// Whether it ended with 0.
    pub fn has_succeeded(&self) -> bool {
        self.exit == 0 && self.signal == 0
    }

    /// What became of it, in words.
    pub fn fate(&self) -> String {
        match (self.exit, self.signal) {
            (exit, 0) => format!("ended with {exit}"),
            (_, signal) => format!("was ended by signal {signal}"),
        }
    }
}

/// What became of all jobs.
#[derive(Debug)]
pub struct Outcome {
    /// How many have run.
    pub num_ended: usize,
    /// Whether a signal kept others from starting.
    pub is_interrupted: bool,
}

struct Running {
    job: Job,
    child: Child,
    started: Timestamp,
    clock: Instant,
}

/// Runs `jobs` in order, `at_once` at a time with `threads` threads each, and calls `on_end` for each one that has ended. SIGINT, SIGTERM,
/// SIGUSR1 and SIGUSR2 are passed on to those that run, and no other is started then.
///
/// # Errors
///
/// Those of `on_end`, after the running jobs have ended. A program that can't be started has ended, with 127.
pub fn run(
    jobs: Vec<Job>,
    at_once: usize,
    threads: usize,
    mut on_end: impl FnMut(&Ended) -> anyhow::Result<()>,
) -> anyhow::Result<Outcome> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGUSR1, SIGUSR2]).context("cannot listen for signals")?;
    let mut waiting = VecDeque::from(jobs);
    let mut running: Vec<Running> = Vec::new();
    let mut outcome = Outcome { num_ended: 0, is_interrupted: false };
    let mut failure = None;
    loop {
        for signal in signals.pending() {
            outcome.is_interrupted = true;
            waiting.clear();
            running.iter().for_each(|running| pass_on(signal, &running.child));
        }
        let mut ended = Vec::new();
        while running.len() < at_once
            && let Some(job) = waiting.pop_front()
        {
            match start(&job, threads) {
                Ok(child) => running.push(Running { job, child, started: Timestamp::now(), clock: Instant::now() }),
                Err(error) => ended.push(not_started(job, &error)),
            }
        }
        let mut still = Vec::new();
        for mut one in running {
            match one.child.try_wait() {
                Ok(None) => still.push(one),
                status => ended.push(one.ended(status)),
            }
        }
        running = still;
        for ended in ended {
            outcome.num_ended += 1;
            if let Err(error) = on_end(&ended) {
                waiting.clear();
                failure.get_or_insert(error);
            }
        }
        if running.is_empty() && waiting.is_empty() {
            return failure.map_or(Ok(outcome), Err);
        }
        thread::sleep(LOOK);
    }
}

fn start(job: &Job, threads: usize) -> io::Result<Child> {
    let mut log = open_log(job)?;
    writeln!(log, "$ {}", job.text)?;
    Command::new(&job.program)
        .args(&job.words)
        // As SLURM grants a task its processors; a line that says its threads itself wins.
        .env(TASK_THREADS, threads.to_string())
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0)
        .spawn()
}

fn open_log(job: &Job) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(&job.log)
}

fn not_started(job: Job, error: &io::Error) -> Ended {
    if let Ok(mut log) = open_log(&job) {
        // The exit code shows it too.
        let _ = writeln!(log, "cannot start {}: {error}", job.program.display());
    }
    let (started, exit) = (Timestamp::now(), EXIT_NOT_STARTED);
    Ended { number: job.number, text: job.text, started, runtime_s: 0.0, exit, signal: 0 }
}

impl Running {
    fn ended(self, status: io::Result<Option<ExitStatus>>) -> Ended {
        // A child that can't be waited for counts as failed.
        let status = status.ok().flatten();
        let signal = status.and_then(|status| status.signal()).unwrap_or(0);
        let exit = if signal == 0 { status.and_then(|status| status.code()).unwrap_or(EXIT_NOT_STARTED) } else { 0 };
        let runtime_s = self.clock.elapsed().as_secs_f64();
        Ended { number: self.job.number, text: self.job.text, started: self.started, runtime_s, exit, signal }
    }
}

/// Sends `signal` to `child`, which has not been waited for, so that its number is still its own.
fn pass_on(signal: i32, child: &Child) {
    let signal = match signal {
        SIGINT => Signal::INT,
        SIGUSR1 => Signal::USR1,
        SIGUSR2 => Signal::USR2,
        _ => Signal::TERM,
    };
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // One that has just ended needs no signal.
        let _ = kill_process_group(group, signal);
    }
}
