//! Tests the program `gen-commands` from outside: what it prints, where, and how it runs files of lines.

#[path = "common/skip.rs"]
mod skip;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tempfile::{TempDir, tempdir};

/// A stand-in for llc: says what it was given, writes down that it ran, and fails where the seed is 2 and no file `mended` is there.
const STAND_IN: &str = r#"#!/bin/sh
echo "ran $* with $SLURM_CPUS_PER_TASK threads"
echo "$*" >> ran.txt
case "$* " in
    *"--seed 2 "*) [ -e mended ] || { echo "no luck" >&2; exit 3; } ;;
    *"--seed 99 "*) trap 'echo stopped; exit 75' INT; touch started; while :; do sleep 0.05; done ;;
esac
"#;

fn command(folder: &Path, line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gen-commands"));
    command
        .args(line.split_whitespace())
        .current_dir(folder)
        .env_remove("SLURM_CPUS_ON_NODE")
        .env("SLURM_CPUS_PER_TASK", "6");
    command
}

fn gen_commands(folder: &Path, line: &str) -> Output {
    command(folder, line).output().unwrap()
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", stderr(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn read(path: PathBuf) -> String {
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A folder with the stand-in as `llc` and `seeds` as lines of COMMANDS.txt.
fn folder_with(seeds: &[u64]) -> TempDir {
    let folder = tempdir().unwrap();
    let program = folder.path().join("llc");
    fs::write(&program, STAND_IN).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let lines: String = seeds.iter().map(|seed| format!("llc dln --seed {seed}\n")).collect();
    fs::write(folder.path().join("COMMANDS.txt"), lines).unwrap();
    folder
}

fn run(folder: &Path, flags: &str) -> Output {
    gen_commands(folder, &format!("run COMMANDS.txt --program ./llc {flags}"))
}

/// Number, exit code and signal of each line of the job log.
fn job_log(folder: &Path) -> Vec<[i64; 3]> {
    let text = read(folder.join("COMMANDS.joblog"));
    let rows = text.lines().skip(1).map(|line| line.split('\t').collect::<Vec<_>>());
    let mut rows: Vec<[i64; 3]> = rows.map(|row| [0, 6, 7].map(|column| row[column].parse().unwrap())).collect();
    rows.sort_unstable();
    rows
}

const SWEEP: &str = r#"
experiment = "dln"
count = 30
seed = 5
[fixed]
truth.kind = "rand-rank"
[grid]
sampler.kind = ["gibbs", "sgld", "hmc"]
[random]
model.layer_widths = { integers = "5..50", length = "2..5" }
sampler.epsilon = { log-uniform = [1e-8, 1e-6] }
sampler.gamma = { uniform = [0.5, 2] }
data.input_dist = { choice = ["uniform", "unit-ball"] }
seed = { integers = "0..1000000" }
"#;

/// The lines are published behaviour: who made a sweep last year must get the same lines today, on any machine. A change of a checksum
/// breaks that, and belongs in the changelog.
#[test]
fn the_same_arguments_always_give_the_same_lines() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("sweep.toml"), SWEEP).unwrap();
    for (line, count, checksum) in [
        ("", 100, "f87d0b1558a7c336"),
        ("dln --seed 1000 --num-layers 2..=9 --widths 5..100 --input-dim 1..200", 100, "7cc9e82ee7465ba6"),
        ("dln --preset 100m --count 20 -- --device cuda", 20, "b1ea5ebd6fe54c15"),
        ("curve --optimizer sgd,adam --momentum 0,0.9 --learning-rate 1e-3,1e-2 --seeds 0..5", 30, "95df10a80f0b4d9f"),
        ("random-labels", 72, "d9fe5b2e7e0061c4"),
        ("sweep sweep.toml", 90, "10df94bee00e559a"),
    ] {
        let output = gen_commands(folder.path(), line);
        let text = stdout(&output);
        assert_eq!((text.lines().count(), stderr(&output)), (count, format!("{count} commands\n")), "{line}");
        let found: String = Sha256::digest(&text).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(found, checksum, "{line}");
    }
}

#[test]
fn a_file_that_is_there_is_not_replaced_unasked_and_its_neighbours_are_named() {
    let folder = tempdir().unwrap();
    let first = gen_commands(folder.path(), "dln --count 3 -o COMMANDS.txt");
    assert_eq!((stdout(&first), stderr(&first)), (String::new(), "3 commands in COMMANDS.txt\n".to_owned()));
    let lines = read(folder.path().join("COMMANDS.txt"));
    fs::write(folder.path().join("curves.txt"), "llc curve\n").unwrap();
    fs::write(folder.path().join("notes.md"), "").unwrap();

    let refused = gen_commands(folder.path(), "-o COMMANDS.txt");
    assert_eq!(refused.status.code(), Some(2));
    let said = "error: COMMANDS.txt exists already (3 lines): give another name, or --force to replace it; the folder \
                also has curves.txt (1 line)\n";
    assert_eq!(stderr(&refused), said);
    assert_eq!(read(folder.path().join("COMMANDS.txt")), lines);

    assert!(gen_commands(folder.path(), "dln --count 2 -o COMMANDS.txt --force").status.success());
    assert_eq!(
        read(folder.path().join("COMMANDS.txt")),
        lines.lines().take(2).map(|line| format!("{line}\n")).collect::<String>()
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "no temporary file is left");
    assert_eq!(gen_commands(folder.path(), "-o . --force").status.code(), Some(2));
}

#[test]
fn bad_usage_ends_with_2_and_one_sentence_and_prints_no_line() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("sweep.toml"), "experiment = \"dln\"\nfixed.sampler.epsilom = 1").unwrap();
    fs::write(folder.path().join("bad.txt"), "llc dln\nllc dln --epsilom 1").unwrap();
    for (line, said) in [
        ("dln --count 2 -- --gamma -1", "give a finite number, 0 or more"),
        ("dln --count 2 -- --comment it's", "has a `'`"),
        ("curve --optimizer adam --momentum 0.9", "--momentum"),
        ("sweep sweep.toml", "did you mean `sampler.epsilon`?"),
        ("run bad.txt --program /bin/true", "line 2: unexpected argument '--epsilom'"),
    ] {
        let output = gen_commands(folder.path(), line);
        assert_eq!(output.status.code(), Some(2), "{line}: {}", stderr(&output));
        assert!(stderr(&output).starts_with("error: ") && stderr(&output).contains(said), "{}", stderr(&output));
        assert!(output.stdout.is_empty(), "{line}");
    }
    assert_eq!(gen_commands(folder.path(), "--no-such-flag").status.code(), Some(2));
    assert_eq!(gen_commands(folder.path(), "sweep nowhere.toml").status.code(), Some(2));
}

#[test]
fn a_reader_that_has_had_enough_is_no_failure() {
    let folder = tempdir().unwrap();
    let mut child =
        command(folder.path(), "--count 1000").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && stderr(&output).is_empty(), "{}", stderr(&output));
}

#[test]
fn run_runs_every_line_with_its_share_of_threads_and_logs_it() {
    let folder = folder_with(&[0, 1, 3]);
    let output = run(folder.path(), "--jobs 2");
    assert_eq!((stdout(&output), stderr(&output)), (String::new(), "3 of 3 lines succeeded\n".to_owned()));
    assert_eq!(job_log(folder.path()), [[1, 0, 0], [2, 0, 0], [3, 0, 0]]);
    assert_eq!(
        read(folder.path().join("COMMANDS.logs/2.log")),
        "$ llc dln --seed 1\nran dln --seed 1 with 3 threads\n"
    );
    let head = "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n";
    assert!(read(folder.path().join("COMMANDS.joblog")).starts_with(head));
}

#[test]
fn what_failed_is_reported_and_run_again_alone_when_asked() {
    let folder = folder_with(&[1, 2, 3]);
    let path = folder.path();
    let output = run(path, "--jobs 1 --threads 4");
    let said = "line 2 ended with 3, see COMMANDS.logs/2.log\n2 of 3 lines succeeded; failed: 2; --resume-failed runs them again\n";
    assert_eq!((output.status.code(), stderr(&output)), (Some(1), said.to_owned()));

    assert_eq!(run(path, "--jobs 1").status.code(), Some(2), "a job log is not begun again unasked");
    let output = run(path, "--resume");
    assert_eq!(output.status.code(), Some(1), "nothing is left to run, and line 2 has still failed");
    assert_eq!(read(path.join("ran.txt")).lines().count(), 3);

    fs::write(path.join("mended"), "").unwrap();
    let output = run(path, "--resume-failed");
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), "3 of 3 lines succeeded\n".to_owned()));
    assert_eq!(job_log(path), [[1, 0, 0], [2, 0, 0], [2, 3, 0], [3, 0, 0]]);
    assert_eq!(
        read(path.join("ran.txt")).lines().collect::<Vec<_>>(),
        ["dln --seed 1", "dln --seed 2", "dln --seed 3", "dln --seed 2"]
    );
    assert!(
        read(path.join("COMMANDS.logs/2.log"))
            .contains("ran dln --seed 2 with 4 threads\nno luck\n$ llc dln --seed 2\nran")
    );
}

#[test]
fn a_file_that_has_changed_since_is_not_resumed() {
    let folder = folder_with(&[1, 3]);
    assert!(run(folder.path(), "").status.success());
    fs::write(folder.path().join("COMMANDS.txt"), "llc dln --seed 1\nllc dln --seed 4\n").unwrap();
    let output = run(folder.path(), "--resume");
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("line 2 is `llc dln --seed 4`"), "{}", stderr(&output));
    fs::write(folder.path().join("COMMANDS.txt"), "llc dln --seed 1\nllc dln --seed 3\nllc dln --seed 4\n").unwrap();
    assert!(run(folder.path(), "--resume").status.success(), "lines that were added are run");
    assert_eq!(read(folder.path().join("ran.txt")).lines().count(), 3);
}

#[test]
fn nothing_starts_where_a_line_is_illegal_or_there_is_no_program() {
    let folder = folder_with(&[1]);
    fs::write(folder.path().join("COMMANDS.txt"), "llc dln --seed 1\nllc dln --rank 3\n").unwrap();
    for flags in ["run COMMANDS.txt --program ./llc", "run COMMANDS.txt --program ./nowhere"] {
        assert_eq!(gen_commands(folder.path(), flags).status.code(), Some(2));
    }
    assert!(!folder.path().join("ran.txt").exists() && !folder.path().join("COMMANDS.joblog").exists());
}

#[test]
fn ctrl_c_is_passed_on_waited_for_and_written_down() {
    let folder = folder_with(&[99, 1]);
    let path = folder.path();
    let mut child = command(path, "run COMMANDS.txt --program ./llc --jobs 1").stderr(Stdio::piped()).spawn().unwrap();
    let clock = Instant::now();
    while !path.join("started").exists() {
        assert!(clock.elapsed() < Duration::from_secs(60) && child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(75), "{}", stderr(&output));
    assert!(stderr(&output).ends_with(
        "0 of 2 lines succeeded; failed: 1; --resume-failed runs them again; 1 not run; --resume continues\n"
    ));
    assert_eq!(job_log(path), [[1, 75, 0]]);
    assert!(read(path.join("COMMANDS.logs/1.log")).ends_with("stopped\n"));
}

mod slow {
    use super::*;

    /// Runs `script` by bash in `folder`, with the folder on the PATH.
    fn bash(folder: &Path, script: &str) -> Output {
        let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
        Command::new("bash").args(["-c", script]).current_dir(folder).env("PATH", path).output().unwrap()
    }

    /// The arguments that llc was given, in order.
    fn ran(folder: &Path) -> Vec<String> {
        let text = fs::read_to_string(folder.join("ran.txt")).unwrap_or_default();
        let _ = fs::remove_file(folder.join("ran.txt"));
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    }

    fn has_parallel() -> bool {
        let version = Command::new("parallel").arg("--version").output();
        version.is_ok_and(|output| output.stdout.starts_with(b"GNU parallel"))
    }

    #[test]
    #[ignore = "slow: starts programs by other programs"]
    fn the_same_file_runs_by_bash_xargs_and_a_script_that_reads_words() {
        let folder = folder_with(&[]);
        let path = folder.path();
        fs::write(path.join("mended"), "").unwrap();
        assert!(gen_commands(path, "dln --count 12 -o lines.txt -- -F runs/a --comment a,b=c").status.success());
        let mut expected: Vec<String> =
            read(path.join("lines.txt")).lines().map(|line| line.trim_start_matches("llc ").to_owned()).collect();
        expected.sort_unstable();
        for script in [
            "bash lines.txt",
            "xargs -L 1 -P 2 env < lines.txt",
            "while read -ra words; do \"${words[@]}\"; done < lines.txt",
            "for i in $(seq 12); do sed -n \"${i}p\" lines.txt | bash; done",
        ] {
            let output = bash(path, script);
            assert!(output.status.success(), "{script}: {}", stderr(&output));
            assert_eq!(ran(path), expected, "{script}");
        }
    }

    #[cfg(feature = "torch")]
    #[test]
    #[ignore = "slow: samples"]
    fn real_runs_of_generated_lines_are_not_missing_afterwards() {
        let llc = env!("CARGO_BIN_EXE_llc");
        let folder = tempdir().unwrap();
        let path = folder.path();
        let flags = "--widths 3..6 --input-dim 3..6 -- --num-steps 60";
        assert!(gen_commands(path, &format!("dln --count 3 -o COMMANDS.txt {flags}")).status.success());
        let missing = || {
            let mut command = Command::new(env!("CARGO_BIN_EXE_llc-analysis"));
            stdout(&command.args(["runs", "missing", "COMMANDS.txt"]).current_dir(path).output().unwrap())
        };
        assert_eq!(missing(), "1-3\n");
        let output = gen_commands(path, &format!("run COMMANDS.txt --jobs 2 --program {llc}"));
        assert!(output.status.success(), "{}", stderr(&output));
        assert_eq!(missing(), "");
        let text = read(path.join("COMMANDS.txt"));
        let first = text.lines().next().unwrap();
        fs::write(path.join("COMMANDS.txt"), format!("{text}\n{first}\n{first} --gamma 3\n")).unwrap();
        assert_eq!(missing(), "5,6\n", "the same line twice needs two runs, another configuration its own");
    }

    #[test]
    #[ignore = "slow: needs GNU parallel"]
    fn gnu_parallel_runs_the_same_file_and_reads_our_job_log_as_we_read_its() {
        if !has_parallel() {
            return skip::missing("GNU parallel is not installed", "`.ci/install` installs it");
        }
        let folder = folder_with(&[1, 2, 3, 4]);
        let path = folder.path();
        let parallel = "parallel --will-cite --jobs 2 --joblog COMMANDS.joblog";
        run(path, "--jobs 2");
        assert_eq!(ran(path).len(), 4);
        fs::write(path.join("mended"), "").unwrap();
        let output = bash(path, &format!("{parallel} --resume-failed < COMMANDS.txt"));
        assert!(output.status.success(), "{}", stderr(&output));
        assert_eq!(ran(path), ["dln --seed 2"], "what failed here is what parallel runs again");

        fs::remove_file(path.join("COMMANDS.joblog")).unwrap();
        fs::remove_file(path.join("mended")).unwrap();
        assert!(!bash(path, &format!("{parallel} < COMMANDS.txt")).status.success());
        assert_eq!(ran(path).len(), 4);
        fs::write(path.join("mended"), "").unwrap();
        assert!(run(path, "--resume-failed").status.success());
        assert_eq!(ran(path), ["dln --seed 2"], "what failed there is what we run again");
    }
}
