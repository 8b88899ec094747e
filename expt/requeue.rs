//! Makes a SLURM job that was stopped at its time limit, or preempted, continue when it runs again.
//!
//! | moment | what happens |
//! |---|---|
//! | SIGUSR1 or SIGUSR2 ahead of the limit (`sbatch --signal`), with `LLC_REQUEUE=1` | the run keeps where it is, then `scontrol requeue` puts the job back |
//! | the job starts again (`SLURM_RESTART_COUNT` ≥ 1) | the run of the same job and task that did not end is resumed, under its own number |

use std::env;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use llc::config::Configuration;
use llc::record::folder;
use llc::sweep::fingerprint;
use signal_hook::consts::{SIGTERM, SIGUSR1, SIGUSR2};

use crate::resume::Record;

/// The last signal that asked the run to end; 0 for none.
pub fn signal() -> Arc<AtomicUsize> {
    static SIGNAL: LazyLock<Arc<AtomicUsize>> = LazyLock::new(Arc::default);
    Arc::clone(&SIGNAL)
}

/// Puts the job back in its queue if that was asked for and its time limit ended it. Says so, or why it could not.
pub fn requeue_job() {
    let is_limit = [SIGUSR1, SIGUSR2].contains(&(signal().load(Ordering::Relaxed) as i32));
    let is_requested = env::var("LLC_REQUEUE").is_ok_and(|value| value == "1");
    let Ok(job) = env::var("SLURM_JOB_ID") else { return };
    if !(is_limit && is_requested) {
        return;
    }
    eprintln!("putting job {job} back in the queue");
    match Command::new("scontrol").args(["requeue", &job]).status() {
        // SLURM ends the job as soon as it has taken it back, and scontrol with it.
        Ok(status) if status.success() || status.signal() == Some(SIGTERM) => {}
        Ok(status) => eprintln!(
            "warning: scontrol requeue {job} failed ({status}); `sbatch` the task again to \
                                 continue"
        ),
        Err(error) => {
            eprintln!("warning: cannot run scontrol requeue {job}: {error}; `sbatch` the task again to continue")
        }
    }
}

/// The run in `base` that this job began before it was put back in the queue: of the same task, with the same settings (threads apart,
/// which depend on the node), and without an end.
pub fn unfinished<C: Configuration>(base: &Path, config: &C) -> Option<Record> {
    let restarts: u64 = env::var("SLURM_RESTART_COUNT").ok()?.parse().ok()?;
    if restarts == 0 {
        return None;
    }
    let task = task(|name| env::var(name).ok())?;
    let ours = fingerprint(&serde_json::to_value(config).ok()?);
    let mut ids = folder::run_ids(base).ok()?;
    ids.sort_unstable();
    let mut records = ids.into_iter().rev().filter_map(|id| Record::read(&base.join(id.to_string())).ok());
    records.find(|record| {
        let is_open = ["RUNNING", "INTERRUPTED"].contains(&record.text("/status"));
        let is_ours = || self::task(|name| record.variable(name).map(str::to_owned)).as_ref() == Some(&task);
        let is_same = || record.config().is_ok_and(|config| fingerprint(&config) == ours);
        is_open && is_ours() && is_same()
    })
}

/// Job and task: an array's tasks share the first, and each has its own job number besides, which stays the same when it is requeued.
fn task(variable: impl Fn(&str) -> Option<String>) -> Option<(String, Option<String>)> {
    match (variable("SLURM_ARRAY_JOB_ID"), variable("SLURM_ARRAY_TASK_ID")) {
        (Some(job), Some(task)) => Some((job, Some(task))),
        _ => Some((variable("SLURM_JOB_ID")?, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_of_an_array_is_known_by_array_and_index_and_another_job_by_its_number() {
        let of = |pairs: &[(&str, &str)]| {
            task(|name| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
        };
        let array = [("SLURM_ARRAY_JOB_ID", "7"), ("SLURM_ARRAY_TASK_ID", "3"), ("SLURM_JOB_ID", "12")];
        assert_eq!(of(&array), Some(("7".to_owned(), Some("3".to_owned()))));
        assert_eq!(of(&array[2..]), Some(("12".to_owned(), None)));
        assert_eq!(of(&[]), None);
    }
}
