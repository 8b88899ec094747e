//! Submits `slurm/job.slurm` to a real SLURM of one node and looks at what became of the runs.
//!
//! The node is `tools/slurm_node.py`: where that cannot be had the tests say so and are left out, or fail under CI.
#![cfg(all(unix, feature = "torch"))]

#[cfg(feature = "mongo")]
#[path = "common/mongo_server.rs"]
mod mongo_server;
#[path = "common/skip.rs"]
mod skip;
#[path = "slurm_node/mod.rs"]
mod slurm_node;

mod slow {
    use std::collections::BTreeMap;
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::{Path, PathBuf};
    use std::process::{Command, Stdio};
    use std::thread;
    use std::time::Duration;

    use serde_json::Value;

    use super::slurm_node::{Node, Task, logs, node, site, until};

    const LLC: &str = env!("CARGO_BIN_EXE_llc");
    const ANALYSIS: &str = env!("CARGO_BIN_EXE_llc-analysis");
    /// A run of a moment.
    const SHORT: &str = "llc dln --input-dim 5 --layer-widths 5,5 --num-training-data 1000 --num-steps 200 --quiet";
    /// A run of some seconds on one thread.
    const LONG: &str = "llc dln --input-dim 10 --layer-widths 10,10 --num-steps 6000 --seed 3 --threads 1 --quiet";
    /// A run that meets losses that are not finite: exit code 3.
    const DIVERGING: &str = "llc dln --input-dim 5 --layer-widths 5,5 --num-training-data 1000 --num-steps 100 \
                             --sampler sgld --epsilon 1 --batch-size 10 --seed 2 --quiet";

    fn submit(node: &Node, folder: &Path, arguments: &[&str]) -> u64 {
        submit_with(node, folder, arguments, &[])
    }

    fn submit_with(node: &Node, folder: &Path, arguments: &[&str], variables: &[(&str, &OsStr)]) -> u64 {
        let arguments = [arguments, &["job.slurm"]].concat();
        node.submit(folder, &arguments, &[variables, &[("LLC_PROGRAM", OsStr::new(LLC))]].concat())
    }

    fn run_record(folder: &Path, id: u32) -> Option<Value> {
        let text = fs::read_to_string(folder.join(format!("runs/{id}/run.json"))).ok()?;
        Some(llc::record::json::parse(&text).expect("run.json is written in one piece"))
    }

    fn status(folder: &Path, id: u32) -> String {
        run_record(folder, id).and_then(|run| Some(run["status"].as_str()?.to_owned())).unwrap_or_default()
    }

    fn ids(folder: &Path) -> Vec<u32> {
        let entries = fs::read_dir(folder.join("runs")).unwrap();
        let mut ids: Vec<u32> = entries.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok()).collect();
        ids.sort_unstable();
        ids
    }

    /// The bytes of all draws of a run, by file; not the descriptions beside them, which hold the time.
    fn draws(folder: &Path, id: u32) -> BTreeMap<PathBuf, Vec<u8>> {
        fn add(base: &Path, folder: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    add(base, &path, found);
                } else if !path.file_name().unwrap().to_string_lossy().starts_with('.') {
                    found.insert(path.strip_prefix(base).unwrap().to_owned(), fs::read(&path).unwrap());
                }
            }
        }
        let base = folder.join(format!("runs/{id}/draws.zarr"));
        let mut found = BTreeMap::new();
        add(&base, &base, &mut found);
        found
    }

    fn missing(folder: &Path) -> String {
        let mut command = Command::new(ANALYSIS);
        command.args(["runs", "missing", "COMMANDS.txt", "-F", "runs"]).current_dir(folder);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn ended(state: &str, exit_code: i32, task: &Task) -> bool {
        task.state == state && task.exit_code == exit_code
    }

    #[test]
    #[ignore = "slow: needs a SLURM"]
    fn an_array_of_twenty_runs_is_on_record_with_the_ids_1_to_20() {
        let Some(node) = node() else { return };
        let commands: String = (1..=20).map(|seed| format!("{SHORT} --seed {seed}\n")).collect();
        let site = site(&commands);
        let job = submit(&node, site.path(), &["--array=1-21"]);
        let tasks = node.wait(job, 21);
        assert!(tasks.values().all(|task| ended("COMPLETED", 0, task)), "{tasks:?}\n{}", logs(site.path()));
        assert_eq!(ids(site.path()), (1..=20).collect::<Vec<_>>());
        let mut seeds: Vec<u64> = Vec::new();
        for id in 1..=20 {
            assert_eq!(status(site.path(), id), "COMPLETED", "run {id}");
            let config = fs::read_to_string(site.path().join(format!("runs/{id}/config.json"))).unwrap();
            seeds.push(llc::record::json::parse(&config).unwrap()["seed"].as_u64().unwrap());
        }
        seeds.sort_unstable();
        assert_eq!(seeds, (1..=20).collect::<Vec<_>>());
        assert_eq!(missing(site.path()), "");
        let beyond = fs::read_to_string(site.path().join(format!("logs/{job}_21.log"))).unwrap();
        assert!(beyond.contains("beyond the last line, 20"), "{beyond}");
    }

    #[test]
    #[ignore = "slow: needs a SLURM"]
    fn the_exit_code_of_a_run_that_fails_reaches_slurm_and_only_its_line_is_submitted_again() {
        let Some(node) = node() else { return };
        let site = site(&format!("{SHORT} --seed 1\n{DIVERGING}\n{SHORT} --seed 3\n"));
        let first = node.wait(submit(&node, site.path(), &["--array=1-3"]), 3);
        assert!(ended("COMPLETED", 0, &first[&1]) && ended("COMPLETED", 0, &first[&3]), "{first:?}");
        assert!(ended("FAILED", 3, &first[&2]), "{first:?}\n{}", logs(site.path()));
        assert_eq!(missing(site.path()), "2");
        let again = submit(&node, site.path(), &[&format!("--array={}", missing(site.path()))]);
        let again = node.wait(again, 1);
        assert!(ended("FAILED", 3, &again[&2]), "{again:?}");
        assert_eq!(ids(site.path()), [1, 2, 3, 4]);
        assert_eq!(status(site.path(), 4), "FAILED");
    }

    /// Submits [`LONG`], calls `disturb` with the task when the run is under way, and compares what is on record in the
    /// end with the record of a run that nothing disturbed.
    fn continues_as_if_undisturbed(disturb: impl Fn(&Node, &Task)) {
        let Some(node) = node() else { return };
        let site = site(LONG);
        let folder = site.path();
        let job = submit(&node, folder, &["--array=1"]);
        let (_unbroken_guard, unbroken) = unbroken_run();
        until("the run to start", || status(folder, 1) == "RUNNING");
        thread::sleep(Duration::from_secs(1));
        disturb(&node, &node.tasks(job)[&1]);
        until("the run to be interrupted", || status(folder, 1) == "INTERRUPTED");
        let tasks = node.wait(job, 1);
        assert!(ended("COMPLETED", 0, &tasks[&1]), "{tasks:?}\n{}", logs(folder));
        assert_eq!(tasks[&1].restarts, 1, "{}", logs(folder));
        assert_eq!(ids(folder), [1], "{}", logs(folder));
        assert_eq!(status(folder, 1), "COMPLETED");
        assert_eq!(missing(folder), "");
        let expected = unbroken();
        assert!(!expected.is_empty() && draws(folder, 1) == expected, "the draws differ from those of an unbroken run");
        let log = logs(folder);
        assert!(log.contains("start 1") && log.contains("start 2"), "one log for both: {log}");
    }

    /// Starts [`LONG`] on its own; its draws come when they are asked for.
    fn unbroken_run() -> (tempfile::TempDir, impl FnOnce() -> BTreeMap<PathBuf, Vec<u8>>) {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(LLC);
        command.args(LONG.split_whitespace().skip(1)).current_dir(folder.path()).stdout(Stdio::null());
        let mut child = command.spawn().unwrap();
        let path = folder.path().to_owned();
        let finish = move || {
            assert!(child.wait().unwrap().success());
            draws(&path, 1)
        };
        (folder, finish)
    }

    #[test]
    #[ignore = "slow: needs a SLURM"]
    fn a_run_that_is_requeued_continues_under_its_id_and_draws_what_an_unbroken_run_draws() {
        continues_as_if_undisturbed(|node, task| {
            node.run("scontrol", ["requeue", &task.job.to_string()]);
        });
    }

    #[test]
    #[ignore = "slow: needs a SLURM"]
    fn the_signal_ahead_of_a_limit_puts_a_run_back_into_the_queue_and_it_continues() {
        // As SLURM sends it: to the batch script's process alone.
        continues_as_if_undisturbed(|node, task| {
            node.run("scancel", ["--batch", "--signal=USR1", &task.job.to_string()]);
        });
    }

    #[cfg(feature = "mongo")]
    #[test]
    #[ignore = "slow: needs a SLURM and a MongoDB server"]
    fn runs_that_write_to_one_mongodb_at_once_are_all_there_with_ids_of_their_own() {
        use super::mongo_server::Server;

        let Some(node) = node() else { return };
        let server = Server::start();
        let site = site(&(1..=4).map(|seed| format!("{SHORT} --seed {seed}\n")).collect::<String>());
        // A server that is not the test's own may have runs of others.
        let address = format!("{}:llc_slurm_{}", server.host, std::process::id());
        let job = submit_with(&node, site.path(), &["--array=1-4"], &[("LLC_MONGO", OsStr::new(&address))]);
        let tasks = node.wait(job, 4);
        assert!(tasks.values().all(|task| ended("COMPLETED", 0, task)), "{tasks:?}\n{}", logs(site.path()));
        assert_eq!(ids(site.path()), [1, 2, 3, 4]);

        let export = |source: [&str; 2]| -> Vec<Value> {
            let mut command = Command::new(ANALYSIS);
            command.args(["runs", "export", "--json"]).args(source).current_dir(site.path());
            let output = command.output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            serde_json::from_slice(&output.stdout).unwrap()
        };
        let (stored, written) = (export(["-m", &address]), export(["-F", "runs"]));
        let ids: Vec<u64> = stored.iter().map(|run| run["id"].as_u64().unwrap()).collect();
        assert_eq!(ids, [1, 2, 3, 4]);
        // Ids may differ between folder and database: each counts for itself.
        let estimates = |runs: &[Value]| -> BTreeMap<u64, (Value, Value)> {
            let of = |run: &Value| {
                let seed = run["config"]["seed"].as_u64().unwrap();
                (seed, (run["status"].clone(), run["report"]["llc"]["mean"].clone()))
            };
            runs.iter().map(of).collect()
        };
        assert!(estimates(&stored).len() == 4 && stored.iter().all(|run| run["report"]["llc"]["mean"].is_number()));
        assert_eq!(estimates(&stored), estimates(&written));
    }

    #[test]
    #[ignore = "slow: needs a SLURM"]
    fn the_signal_ahead_of_a_limit_reaches_the_program_that_took_the_script_s_place() {
        let Some(node) = node() else { return };
        let site = site("llc wait\n");
        let program = site.path().join("program");
        // SLURM looks at limits every half a minute.
        let text = "#!/bin/bash\n[[ $1 == --version ]] && { echo 'llc 0'; exit; }\n\
                    trap 'echo \"the signal came\"; exit 75' USR1\nfor ((i = 0; i < 590; i++)); do sleep 0.1; done\n";
        fs::write(&program, text).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let job =
            node.submit(site.path(), &["--array=1", "--time=1", "job.slurm"], &[("LLC_PROGRAM", program.as_os_str())]);
        let tasks = node.wait(job, 1);
        assert!(ended("FAILED", 75, &tasks[&1]), "{tasks:?}");
        assert!(logs(site.path()).contains("the signal came"), "{}", logs(site.path()));
    }
}
