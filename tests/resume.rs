//! Kills runs at random moments and continues with them: what comes out is what a run that was never stopped gives, bit for bit.

#[path = "common/skip.rs"]
mod skip;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use llc::record::json;
use llc::rng::Key;
use serde_json::Value;

/// `llc` with `words`, in the folder `base`.
fn llc(base: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_llc"));
    command.args(words).current_dir(base).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    for name in ["SLURM_RESTART_COUNT", "SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID"] {
        command.env_remove(name);
    }
    command
}

fn finish(mut command: Command) -> Output {
    command.output().expect("llc starts")
}

fn read(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    json::parse(&text).unwrap()
}

fn status(run_dir: &Path) -> String {
    read(&run_dir.join("run.json"))["status"].as_str().unwrap().to_owned()
}

/// Every file below `folder` that holds draws: its name and its bytes.
fn chunks(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().unwrap().to_str().unwrap().starts_with(|c: char| c.is_ascii_digit()) {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.push((name, fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// The folders of draws in `run_dir`.
fn draws(run_dir: &Path) -> Vec<String> {
    let names = fs::read_dir(run_dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut found: Vec<String> = names.filter(|name| name.starts_with("draws")).collect();
    found.sort();
    found
}

/// Compares two runs: every draw, every metric but the running estimate, whose points depend on which chain was seen first, and what a
/// report says of the estimate.
fn assert_same(found: &Path, expected: &Path) {
    assert_eq!(draws(found), draws(expected));
    for name in draws(expected) {
        assert!(chunks(&found.join(&name)) == chunks(&expected.join(&name)), "{name} differs");
    }
    let [of_found, of_expected] = [found, expected].map(|run_dir| read(&run_dir.join("metrics.json")));
    let names = |metrics: &Value| metrics.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&of_found), names(&of_expected));
    for (name, series) in of_found.as_object().unwrap() {
        let steps: Vec<u64> = series["steps"].as_array().unwrap().iter().map(|step| step.as_u64().unwrap()).collect();
        assert!(steps.is_sorted_by(|a, b| a < b), "{name} has a point twice: {steps:?}");
        if name.ends_with("llc") && !name.starts_with("curve.") {
            let last = |metrics: &Value| metrics[name]["values"].as_array().unwrap().last().unwrap().as_f64().unwrap();
            assert!((last(&of_found) - last(&of_expected)).abs() <= 1e-9 * last(&of_expected).abs(), "{name}");
        } else if !["runtime_s", "time_to_overfit"].contains(&name.as_str()) {
            assert_eq!(series["steps"], of_expected[name]["steps"], "{name}");
            assert_eq!(series["values"], of_expected[name]["values"], "{name}");
        }
    }
    let [of_found, of_expected] = [found, expected].map(|run_dir| read(&run_dir.join("report.json")));
    for key in ["llc", "diagnostics", "verdict", "localisation_check", "hessian_trace", "status"] {
        assert_eq!(of_found[key], of_expected[key], "{key}");
    }
    for key in ["llc", "train_loss", "num_steps", "distance"] {
        assert_eq!(of_found["trained"][key], of_expected["trained"][key], "trained.{key}");
    }
}

/// Starts `words` and continues with the run by `llc resume` until it is complete, killing it after times that `key` draws from
/// `window`; the number of kills.
fn kill_often(base: &Path, words: &[&str], pace: &[&str], key: Key, window: [Duration; 2], most: usize) -> usize {
    let run_dir = base.join("runs/1");
    let mut num_kills = 0;
    let mut child: Child = llc(base, &[words, pace].concat()).spawn().unwrap();
    while num_kills < most {
        let [least, longest] = window;
        let patience = least + (longest - least).mul_f64(key.uniform(num_kills as u64));
        let began = Instant::now();
        while began.elapsed() < patience && child.try_wait().unwrap().is_none() {
            thread::sleep(Duration::from_millis(2));
        }
        if let Some(ended) = child.try_wait().unwrap() {
            assert!(ended.success(), "{}", String::from_utf8_lossy(&child.wait_with_output().unwrap().stderr));
            return num_kills;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // It had come to its end, and was about to leave.
        if run_dir.join("run.json").exists() && status(&run_dir) == "COMPLETED" {
            return num_kills;
        }
        num_kills += 1;
        // Killed before there was a record, it starts anew, under the same number once that is free.
        let again = run_dir.join("run.json").exists();
        if !again && run_dir.exists() {
            fs::remove_dir_all(&run_dir).unwrap();
        }
        let resume = [&["resume", "runs/1"], pace].concat();
        let next = if again { resume } else { [words, pace].concat() };
        child = llc(base, &next).spawn().unwrap();
    }
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    num_kills
}

/// Keeps what it has at every draw, as far as a hundredth of the time allows; beats often.
const OFTEN: [&str; 4] = ["--journal-every", "0", "--beat-interval", "0.1"];

fn unbroken(words: &[&str]) -> (tempfile::TempDir, PathBuf) {
    let base = tempfile::tempdir().unwrap();
    let output = finish(llc(base.path(), words));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let run_dir = base.path().join("runs/1");
    (base, run_dir)
}

#[test]
fn an_interrupted_run_continues_under_its_number_and_ends_as_if_nothing_had_been() {
    let words = "dln --input-dim 10 --layer-widths 10,10 --truth aligned --rank 5 --seed 3 --num-chains 2 --threads 2 --num-steps 12000 \
                 --sampler sgld --epsilon 1e-7 --check-localisation off --quiet";
    let words: Vec<&str> = words.split_whitespace().collect();
    let (_keep, expected) = unbroken(&words);
    let base = tempfile::tempdir().unwrap();
    let mut child = llc(base.path(), &[&words[..], &OFTEN].concat()).spawn().unwrap();
    let run_dir = base.path().join("runs/1");
    let journal = run_dir.join("checkpoint/journal");
    while !journal.exists() && child.try_wait().unwrap().is_none() {
        thread::sleep(Duration::from_millis(1));
    }
    let kill = Command::new("kill").args(["-USR1", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(75), "{stderr}");
    assert!(stderr.contains("llc resume"), "{stderr}");
    assert_eq!(status(&run_dir), "INTERRUPTED");

    let output = finish(llc(base.path(), &["resume", "runs/1", "--quiet"]));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(status(&run_dir), "COMPLETED");
    assert!(!base.path().join("runs/2").exists());
    assert!(!run_dir.join("checkpoint").exists(), "what only a run that goes on needs is gone");
    assert_same(&run_dir, &expected);

    let again = finish(llc(base.path(), &["resume", "runs/1"]));
    assert_eq!(again.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&again.stderr).contains("is complete"));
}

/// A curve on the images of tests/fixtures, whose phases take some seconds each.
const CURVE: &str = "curve --model mlp --widths 32 --crop 16 --train-steps 1500 --logging-period 500 --learning-rate 0.01 --train-batch-size 50 \
                     --num-steps 600 --num-chains 2 --epsilon 1e-6 --batch-size 50 --data cifar10 --threads 1 --seed 5 --quiet";

/// What a report says of every point of a curve, but for times.
fn points(run_dir: &Path) -> Vec<Value> {
    let mut points = read(&run_dir.join("report.json"))["points"].as_array().cloned().unwrap_or_default();
    for point in &mut points {
        let point = point.as_object_mut().unwrap();
        point.retain(|name, _| !["timing", "train_s"].contains(&name.as_str()));
    }
    points
}

/// The weights of the newest checkpoint, with the state of its training.
fn weights(run_dir: &Path) -> Vec<llc::checkpoint::NamedTensor> {
    llc::checkpoint::Checkpoint::read(&run_dir.join("checkpoint/latest.safetensors")).unwrap().tensors
}

#[test]
fn a_curve_that_is_interrupted_while_it_trains_and_again_while_it_samples_ends_as_an_unbroken_one() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/cifar10");
    let words = format!("{CURVE} --data-dir {}", data.display());
    let words: Vec<&str> = words.split_whitespace().collect();
    let (_keep, expected) = unbroken(&words);
    let base = tempfile::tempdir().unwrap();
    let run_dir = base.path().join("runs/1");
    let journal = run_dir.join("checkpoint/journal");
    let resume = ["resume", "runs/1", "--quiet"];
    let stages = [
        (&words[..], run_dir.join("checkpoint/step0000500.safetensors")),
        (&resume[..], journal.join("curve.points.safetensors")),
    ];
    for (words, sign) in stages {
        let mut child = llc(base.path(), &[words, &OFTEN].concat()).spawn().unwrap();
        while !sign.exists() && child.try_wait().unwrap().is_none() {
            thread::sleep(Duration::from_millis(1));
        }
        assert!(Command::new("kill").args(["-USR1", &child.id().to_string()]).status().unwrap().success());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(75), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(status(&run_dir), "INTERRUPTED");
        let num_points = points(&run_dir).len();
        assert_eq!(num_points > 0, sign.starts_with(&journal), "{num_points} points");
        assert!(num_points < 4, "it was over before it was interrupted");
    }
    let output = finish(llc(base.path(), &resume));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_same(&run_dir, &expected);
    assert!(weights(&run_dir) == weights(&expected), "other weights");
    assert_eq!(points(&expected).len(), 4);
    assert_eq!(points(&run_dir), points(&expected));
}

#[test]
fn a_job_that_was_put_back_in_its_queue_continues_with_its_own_run() {
    let words =
        "dln --input-dim 4 --layer-widths 4,4 --truth aligned --rank 2 --seed 3 --num-chains 1 --num-steps 200 --quiet";
    let words: Vec<&str> = words.split_whitespace().collect();
    let base = tempfile::tempdir().unwrap();
    let task = |restarts: Option<&str>, index: &str, words: &[&str]| {
        let mut command = llc(base.path(), words);
        command.envs([("SLURM_ARRAY_JOB_ID", "7"), ("SLURM_ARRAY_TASK_ID", index), ("SLURM_JOB_ID", "12")]);
        restarts.map(|restarts| command.env("SLURM_RESTART_COUNT", restarts));
        let output = finish(command);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        fs::read_dir(base.path().join("runs")).unwrap().count()
    };
    assert_eq!(task(None, "1", &words), 1);
    // As a node leaves it that lost its power.
    let path = base.path().join("runs/1/run.json");
    let mut run = read(&path);
    run["status"] = "RUNNING".into();
    fs::write(&path, run.to_string()).unwrap();

    let other_settings: Vec<&str> = words.iter().map(|word| if *word == "200" { "201" } else { word }).collect();
    assert_eq!(task(Some("1"), "2", &words), 2, "another task begins a run of its own");
    assert_eq!(task(Some("1"), "1", &other_settings), 3, "other settings begin a run of their own");
    assert_eq!(task(None, "1", &words), 4, "a job that runs for the first time begins a run");
    assert_eq!(status(&base.path().join("runs/1")), "RUNNING");
    assert_eq!(task(Some("1"), "1", &words), 4);
    assert_eq!(status(&base.path().join("runs/1")), "COMPLETED");
    assert_eq!(task(Some("2"), "1", &words), 5, "a run that is complete is left alone");
}

#[test]
fn what_is_kept_belongs_to_its_configuration() {
    let words = "dln --input-dim 10 --layer-widths 10,10 --seed 3 --num-chains 1 --num-steps 2000000 --sampler sgld --epsilon 1e-7 --quiet";
    let words: Vec<&str> = words.split_whitespace().collect();
    let base = tempfile::tempdir().unwrap();
    let mut child = llc(base.path(), &[&words[..], &OFTEN].concat()).spawn().unwrap();
    let run_dir = base.path().join("runs/1");
    while !run_dir.join("checkpoint/journal").exists() && child.try_wait().unwrap().is_none() {
        thread::sleep(Duration::from_millis(1));
    }
    let second = finish(llc(base.path(), &["resume", "runs/1"]));
    assert_eq!(second.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&second.stderr).contains("belongs to a running process"));
    child.kill().unwrap();
    child.wait().unwrap();

    let path = run_dir.join("config.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"seed\": 3", "\"seed\": 4")).unwrap();
    let output = finish(llc(base.path(), &["resume", "runs/1", "--quiet"]));
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("another configuration"));
}

mod slow {
    use super::*;

    /// Its own file system of so many kilobytes; `None` where this user can't make one.
    struct SmallDisk(tempfile::TempDir);

    impl SmallDisk {
        fn new(kilobytes: usize) -> Option<SmallDisk> {
            let folder = tempfile::tempdir().unwrap();
            let disk = SmallDisk(folder);
            disk.mount(&format!("size={kilobytes}k")).then_some(disk)
        }

        fn mount(&self, options: &str) -> bool {
            let mut mount = Command::new("mount");
            mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(self.0.path());
            mount.stderr(Stdio::null()).status().is_ok_and(|status| status.success())
        }
    }

    impl Drop for SmallDisk {
        fn drop(&mut self) {
            let _ = Command::new("umount").arg(self.0.path()).stderr(Stdio::null()).status();
        }
    }

    #[test]
    #[ignore = "slow: waits for a full disk to be told"]
    fn a_full_disk_ends_the_run_with_what_it_has_and_it_continues_when_there_is_room() {
        let Some(disk) = SmallDisk::new(1500) else {
            return skip::unavailable("this user has no right to mount a small file system");
        };
        let words = "dln --input-dim 10 --layer-widths 10,10 --truth aligned --rank 5 --seed 5 --num-chains 2 --threads 2 --sampler sgld \
                     --epsilon 1e-7 --num-steps 40000 --check-localisation off --quiet";
        let words: Vec<&str> = words.split_whitespace().collect();
        let (_keep, expected) = unbroken(&words);
        let base = disk.0.path();
        let output = finish(llc(base, &[&words[..], &OFTEN].concat()));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains("No space left") && stderr.contains("llc resume"), "{stderr}");
        assert!(disk.mount("remount,size=50m"));
        let output = finish(llc(base, &["resume", "runs/1", "--quiet"]));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_same(&base.join("runs/1"), &expected);
    }

    /// Each sampler, a trained point and the measurements, with a checkpoint as often as it can be had.
    const RUNS: [&str; 4] = [
        "--sampler sgld --num-steps 150000 --num-chains 2 --train --train-steps 40000 --learning-rate 0.001 --hessian-trace",
        "--sampler gibbs --num-steps 3000 --num-chains 3",
        "--sampler hmc --num-steps 2500 --num-chains 2",
        "--sampler mala --num-steps 60000 --num-chains 2",
    ];

    #[test]
    #[ignore = "slow: dozens of runs that are killed"]
    fn a_run_killed_at_thirty_random_moments_draws_what_an_unbroken_one_does() {
        let mut num_kills = 0;
        for (index, sampler) in RUNS.into_iter().enumerate() {
            let words = format!(
                "dln --input-dim 10 --layer-widths 10,10 --truth aligned --rank 5 --seed 5 --threads 2 --quiet {sampler}"
            );
            let words: Vec<&str> = words.split_whitespace().collect();
            let began = Instant::now();
            let (_keep, expected) = unbroken(&words);
            let whole = began.elapsed();
            let base = tempfile::tempdir().unwrap();
            // Long enough to get on, short enough for many kills; a machine that is busy takes longer for both.
            let window = [whole.mul_f64(0.1), whole.mul_f64(0.35)];
            let key = Key::new(2026).part(index as u64);
            num_kills += kill_often(base.path(), &words, &OFTEN, key, window, 12);
            assert_same(&base.path().join("runs/1"), &expected);
        }
        assert!(num_kills >= 30, "only {num_kills} kills");
    }

    /// Experiments on the images of tests/fixtures, with what comes before and after the estimates.
    const NETWORK_RUNS: [&str; 3] = [
        "curve --model mlp --widths 32 --train-steps 60 --logging-period 20 --learning-rate 0.05 --train-batch-size 20 \
         --num-steps 1500 --num-chains 2 --sampler sgld --epsilon 1e-6 --batch-size 50",
        "train --model mlp --widths 256 --num-epochs 100 --learning-rate 0.001 --batch-size 10",
        "train --model resnet18 --width-factor 2 --num-epochs 40 --optimizer adam --learning-rate 0.001 --batch-size 50",
    ];

    #[test]
    #[ignore = "slow: dozens of runs that are killed"]
    fn a_curve_and_a_training_killed_at_random_moments_end_as_unbroken_ones_do() {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/cifar10");
        for (index, run) in NETWORK_RUNS.into_iter().enumerate() {
            let words = format!("{run} --data cifar10 --data-dir {} --threads 1 --seed 5 --quiet", data.display());
            let words: Vec<&str> = words.split_whitespace().collect();
            let began = Instant::now();
            let (_keep, expected) = unbroken(&words);
            let whole = began.elapsed();
            let base = tempfile::tempdir().unwrap();
            let window = [whole.mul_f64(0.2), whole.mul_f64(0.5)];
            let num_kills = kill_often(base.path(), &words, &OFTEN, Key::new(2027).part(index as u64), window, 6);
            assert!(num_kills >= 2, "only {num_kills} kills of {run}");
            let found = base.path().join("runs/1");
            assert_same(&found, &expected);
            assert!(weights(&found) == weights(&expected), "other weights");
            assert_eq!(points(&found), points(&expected));
        }
    }
}
