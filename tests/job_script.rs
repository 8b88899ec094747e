//! Runs `slurm/job.slurm` as SLURM would, with bash and a program that tells what it was given; tests/slurm.rs has a real SLURM.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::{TempDir, tempdir};

/// Tells its words one a line, its process and what it finds in the environment; ends with the code that `--end` says.
const PROGRAM: &str = r#"#!/bin/bash
[[ $1 == --version ]] && { echo "llc 0.1.0"; exit; }
printf '%s\n' "$@" > words
printf '%s' "$$" > process
printf '%s' "$LLC_REQUEUE $FROM_SETUP" > environment
while (($#)); do [[ $1 == --end ]] && exit "$2"; shift; done
"#;

/// A folder to submit from, with its own program.
struct Site {
    folder: TempDir,
}

impl Site {
    fn new(commands: &str) -> Site {
        let site = Site { folder: tempdir().unwrap() };
        fs::write(site.path("COMMANDS.txt"), commands).unwrap();
        site.add_program("bin/llc", PROGRAM);
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn add_program(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn command(&self, task: &str, variables: &[(&str, &str)]) -> Command {
        let mut command = Command::new("bash");
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("slurm/job.slurm")).current_dir(self.folder.path());
        let bin = self.path("bin");
        command.env_clear().env("PATH", format!("{}:/usr/bin:/bin", bin.display()));
        command.env("SLURM_ARRAY_TASK_ID", task).envs(variables.iter().copied());
        command
    }

    fn run(&self, task: &str, variables: &[(&str, &str)]) -> Output {
        let _ = fs::remove_file(self.path("words"));
        self.command(task, variables).output().unwrap()
    }

    /// The words that the program was called with, if it was called.
    fn words(&self) -> Option<Vec<String>> {
        let text = fs::read_to_string(self.path("words")).ok()?;
        Some(text.lines().map(str::to_owned).collect())
    }
}

/// Checks that a task ended with 2 and one sentence that holds `part`, and ran nothing.
fn assert_refused(site: &Site, output: &Output, part: &str) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.starts_with("job.slurm: ") && error.lines().count() == 1 && error.contains(part), "{part}: {error}");
    assert_eq!(site.words(), None, "{part}");
}

#[test]
fn task_n_runs_line_n_word_by_word() {
    let site = Site::new(
        "llc dln --seed 1\n\
         # llc dln --seed 2\n\
         \n\
         \x20 llc  dln --layer-widths [20, 20, 10]\t--params bin/*\n\
         llc dln --seed 5\r\n\
         llc dln --seed 6",
    );
    for (task, words) in [
        ("1", vec!["dln", "--seed", "1"]),
        ("4", vec!["dln", "--layer-widths", "[20,", "20,", "10]", "--params", "bin/*"]),
        ("5", vec!["dln", "--seed", "5"]),
        ("6", vec!["dln", "--seed", "6"]),
    ] {
        let output = site.run(task, &[]);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(site.words().unwrap(), words, "task {task}");
    }
    site.run("1", &[("LLC_OFFSET", "4")]);
    assert_eq!(site.words().unwrap(), ["dln", "--seed", "5"]);
}

#[test]
fn a_task_without_a_command_ends_with_0_and_a_sentence() {
    let site = Site::new("llc dln\n# a remark\n\n");
    for (task, part) in [("2", "line 2"), ("3", "line 3"), ("4", "beyond the last line, 3"), ("100", "beyond")] {
        let output = site.run(task, &[]);
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{task}");
        assert!(text.contains(part) && text.contains("nothing to do") && output.stderr.is_empty(), "{task}: {text}");
        assert_eq!(site.words(), None, "{task}");
    }
    fs::write(site.path("COMMANDS.txt"), "").unwrap();
    assert_eq!(site.run("1", &[]).status.code(), Some(0));
}

#[test]
fn what_is_missing_ends_with_2_and_a_sentence_that_names_it() {
    let site = Site::new("llc dln\n");
    assert_refused(&site, &site.run("0", &[]), "counted from 1");
    assert_refused(&site, &site.run("", &[]), "sbatch job.slurm");
    assert_refused(&site, &site.run("1", &[("COMMANDS", "sweep.txt")]), "sweep.txt");
    assert_refused(&site, &site.run("1", &[("COMMANDS", "bin")]), "no file bin");
    assert_refused(&site, &site.run("1", &[("LLC_PROGRAM", "bin/other")]), "LLC_PROGRAM=bin/other");
    assert_refused(&site, &site.run("1", &[("LLC_SETUP", "setup.sh")]), "setup.sh");
    assert_refused(&site, &site.run("1", &[("LLC_OFFSET", "ten")]), "ten");
    fs::remove_file(site.path("bin/llc")).unwrap();
    assert_refused(&site, &site.run("1", &[]), "LLC_PROGRAM");
}

#[test]
fn a_line_that_a_shell_would_take_in_its_own_way_is_refused_and_not_shown() {
    for line in [
        "llc dln --comment 'two words'",
        "llc dln --comment \"word\"",
        "llc dln --seed $SLURM_ARRAY_TASK_ID",
        "llc dln --seed `date`",
        "llc dln > log",
        "llc dln; touch words",
        "llc dln & touch words",
        "llc dln | tee words",
        "llc dln \\",
        "llc dln --seed {1,2}",
        "llc dln --seed (1)",
        "llc dln --seed !1",
        "llc dln # that's no remark",
        "touch words",
        "LLC_PROGRAM=x llc dln",
    ] {
        let site = Site::new(&format!("{line} --mongo-url mongodb://user:secret@host\n"));
        let output = site.run("1", &[]);
        assert_refused(&site, &output, "line 1 of COMMANDS.txt");
        let output = [output.stdout, output.stderr].concat();
        assert!(!String::from_utf8_lossy(&output).contains("secret"), "{line}");
    }
}

#[test]
fn variables_become_flags_unless_the_line_has_them() {
    let site = Site::new(
        "llc dln\n\
         llc dln -F mine -m other --device=cuda:1\n\
         llc dln --file-storage=mine --mongo other --device cpu\n",
    );
    let variables = [
        ("LLC_RUNS", "all runs"),
        ("LLC_MONGO", "node:27017:llc"),
        ("LLC_DEVICE", "cuda"),
        ("LLC_FLAGS", "--num-chains 2  --quiet"),
    ];
    let more = ["--num-chains", "2", "--quiet"];
    for (task, words) in [
        ("1", &["dln", "--file-storage", "all runs", "--mongo", "node:27017:llc", "--device", "cuda"][..]),
        ("2", &["dln", "-F", "mine", "-m", "other", "--device=cuda:1"]),
        ("3", &["dln", "--file-storage=mine", "--mongo", "other", "--device", "cpu"]),
    ] {
        site.run(task, &variables);
        assert_eq!(site.words().unwrap(), [words, &more].concat(), "task {task}");
    }
}

#[test]
fn the_program_takes_the_script_s_place_and_its_exit_code_is_the_task_s() {
    let site = Site::new("llc dln --end 75\n");
    let mut child = site.command("1", &[]).stdout(Stdio::null()).spawn().unwrap();
    let process = child.id().to_string();
    assert_eq!(child.wait().unwrap().code(), Some(75));
    assert_eq!(fs::read_to_string(site.path("process")).unwrap(), process);
}

#[test]
fn requeueing_is_asked_for_unless_it_is_declined_and_the_set_up_is_sourced() {
    let site = Site::new("llc dln\n");
    fs::write(site.path("setup.sh"), "export FROM_SETUP=loaded\n").unwrap();
    site.run("1", &[("LLC_SETUP", "setup.sh")]);
    assert_eq!(fs::read_to_string(site.path("environment")).unwrap(), "1 loaded");
    site.run("1", &[("LLC_REQUEUE", "0")]);
    assert_eq!(fs::read_to_string(site.path("environment")).unwrap(), "0 ");
}

#[test]
fn llvm_s_llc_is_passed_over() {
    let site = Site::new("llc dln\n");
    site.add_program("bin/llc", "#!/bin/sh\necho 'LLVM (http://llvm.org/):'\n");
    assert_refused(&site, &site.run("1", &[]), "LLVM");
    assert_refused(&site, &site.run("1", &[("LLC_PROGRAM", "llc")]), "not our llc");
    site.add_program("target/release/llc", PROGRAM);
    assert_eq!(site.run("1", &[]).status.code(), Some(0));
    assert_eq!(site.words().unwrap(), ["dln"]);
}

#[test]
fn a_line_s_own_path_of_the_program_is_kept() {
    let site = Site::new("own/llc dln\n");
    site.add_program("own/llc", &PROGRAM.replace("\"$@\"", "own \"$@\""));
    site.run("1", &[]);
    assert_eq!(site.words().unwrap(), ["own", "dln"]);
    site.run("1", &[("LLC_PROGRAM", "llc")]);
    assert_eq!(site.words().unwrap(), ["dln"]);
}

#[test]
fn the_options_that_let_runs_survive_are_asked_for() {
    let script = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("slurm/job.slurm")).unwrap();
    let options: Vec<&str> = script.lines().filter_map(|line| line.strip_prefix("#SBATCH ")).collect();
    for option in ["--array=1-100", "--signal=B:USR1@120", "--requeue", "--output=logs/%A_%a.log", "--open-mode=append"]
    {
        assert!(options.contains(&option), "{option}");
    }
    // SLURM does not make the folder of the logs.
    assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join("slurm/logs").is_dir());
}
