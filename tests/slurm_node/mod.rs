//! Gives tests a SLURM of one node, which all of a test program share, from `tools/slurm_node.py`.

// Each test file uses its own part of this.
#![allow(dead_code, reason = "every file of tests/ that wants a SLURM compiles this module for itself")]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use crate::skip;

/// What `tools/slurm_node.py` ends with where there can be no SLURM.
const EXIT_UNAVAILABLE: i32 = 69;
/// How long the states of jobs that SLURM is done with may take on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(150);
/// The states of a task that has ended; there are more of those in between than SLURM's manual lists first.
const FINAL_STATES: [&str; 7] =
    ["COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "OUT_OF_MEMORY", "NODE_FAIL", "PREEMPTED"];

/// A running SLURM. It ends with this value, and also where the test program is killed: its standard input closes then.
pub struct Node {
    process: Child,
    configuration: String,
}

/// What SLURM says of one task of an array.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    pub state: String,
    pub exit_code: i32,
    pub restarts: u32,
    /// The task's own number, where it differs from the array's.
    pub job: u64,
}

/// The node that tests share, started by the first and ended by the last of those that run side by side. Where there can be
/// none it says so, and gives `None`: the test is left out, or fails under CI.
pub fn node() -> Option<Arc<Node>> {
    static NODE: Mutex<Weak<Node>> = Mutex::new(Weak::new());
    // A test that failed to start it leaves nothing half done.
    let mut shared = NODE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(node) = shared.upgrade() {
        return Some(node);
    }
    let node = Arc::new(Node::start()?);
    *shared = Arc::downgrade(&node);
    Some(node)
}

impl Node {
    fn start() -> Option<Node> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/slurm_node.py");
        let mut command = Command::new("python3");
        command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = match command.spawn() {
            Ok(process) => process,
            Err(error) => {
                skip::missing(&format!("python3 does not start: {error}"), "Install Python 3");
                return None;
            }
        };
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        if let Some(configuration) = line.trim_end().strip_prefix("SLURM_CONF=") {
            return Some(Node { process, configuration: configuration.to_owned() });
        }
        let mut stderr = String::new();
        process.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        let status = process.wait().unwrap();
        assert_eq!(status.code(), Some(EXIT_UNAVAILABLE), "tools/slurm_node.py ended with {status}: {stderr}");
        skip::missing(
            stderr.trim(),
            "`.ci/install` installs SLURM, and running it needs root or a sudo without a password",
        );
        None
    }

    /// A command that speaks to this SLURM, and knows of no other.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            if ["SLURM_", "SBATCH_", "LLC_"].iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
                command.env_remove(name);
            }
        }
        command.env("SLURM_CONF", &self.configuration);
        command
    }

    /// Runs `scontrol`, `scancel` or another of SLURM's programs, and checks that it succeeds.
    pub fn run<T: AsRef<OsStr>>(&self, program: &str, arguments: impl IntoIterator<Item = T>) -> String {
        let output = self.command(program).args(arguments).output().unwrap();
        text_of(program, output)
    }

    /// Calls `sbatch` in `folder` with variables for the job, and gives the job's number.
    pub fn submit(&self, folder: &Path, arguments: &[&str], variables: &[(&str, &OsStr)]) -> u64 {
        let mut command = self.command("sbatch");
        command.arg("--parsable").args(arguments).current_dir(folder).envs(variables.iter().copied());
        text_of("sbatch", command.output().unwrap()).trim().parse().expect("sbatch --parsable prints a number")
    }

    /// What SLURM says of each task of a job that has been started at least once; a job without an array is task 0.
    pub fn tasks(&self, job: u64) -> BTreeMap<u32, Task> {
        let text = self.run("scontrol", ["--oneliner", "show", "job", &job.to_string()]);
        text.lines().filter_map(task_of_line).collect()
    }

    /// Waits until each of `num_tasks` tasks has ended, and does not come again.
    pub fn wait(&self, job: u64, num_tasks: usize) -> BTreeMap<u32, Task> {
        let mut tasks = BTreeMap::new();
        until(&format!("{num_tasks} tasks of job {job} to end"), || {
            tasks = self.tasks(job);
            tasks.len() == num_tasks && tasks.values().all(|task| FINAL_STATES.contains(&&*task.state))
        });
        tasks
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// The task that a line of `scontrol --oneliner show job` tells of: one that stands for several is still waiting.
fn task_of_line(line: &str) -> Option<(u32, Task)> {
    let fields: BTreeMap<&str, &str> = line.split_whitespace().filter_map(|field| field.split_once('=')).collect();
    let number = fields.get("ArrayTaskId").map_or(Ok(0), |number| number.parse()).ok()?;
    let (code, _signal) = fields["ExitCode"].split_once(':').expect("an exit code is CODE:SIGNAL");
    let task = Task {
        state: fields["JobState"].to_owned(),
        exit_code: code.parse().unwrap(),
        restarts: fields["Restarts"].parse().unwrap(),
        job: fields["JobId"].parse().unwrap(),
    };
    Some((number, task))
}

fn text_of(program: &str, output: Output) -> String {
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Waits until `is_so`, which is to come true within the time that a test may take.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(100));
    }
}

/// A folder on which `sbatch job.slurm` can be called: the script, the folder of its logs, and a file of commands.
pub fn site(commands: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("logs")).unwrap();
    std::fs::write(folder.path().join("COMMANDS.txt"), commands).unwrap();
    std::fs::copy(script(), folder.path().join("job.slurm")).unwrap();
    folder
}

/// Our script in the checkout.
pub fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("slurm/job.slurm")
}

/// What the tasks of a job have said, for the message of a test that fails.
pub fn logs(folder: &Path) -> String {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder.join("logs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |path: &PathBuf| std::fs::read_to_string(path).unwrap_or_default();
    files.iter().map(|path| format!("--- {}\n{}", path.display(), read(path))).collect()
}
