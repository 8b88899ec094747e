//! Runs what users type, as they type it: in a fresh copy of the checkout, with the programs on the PATH and nothing else prepared.
//!
//! The copy holds what git tracks, so a file that was forgotten in a commit is missing here too.
#![cfg(all(unix, feature = "torch"))]

#[path = "common/skip.rs"]
mod skip;
#[path = "slurm_node/mod.rs"]
mod slurm_node;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::{TempDir, tempdir};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A checkout as `git clone` leaves it.
struct Checkout {
    folder: TempDir,
}

impl Checkout {
    /// A copy, or `None` where these sources are no checkout: from an archive nothing can be told of what git tracks.
    fn new() -> Option<Checkout> {
        let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(ROOT).output();
        let Some(listed) = listed.ok().filter(|output| output.status.success()) else {
            skip::missing(
                "these sources are not a git checkout",
                "Clone the repository instead of unpacking an archive",
            );
            return None;
        };
        let folder = tempdir().unwrap();
        for name in String::from_utf8(listed.stdout).unwrap().split('\0').filter(|name| !name.is_empty()) {
            let (from, to) = (Path::new(ROOT).join(name), folder.path().join(name));
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(&from, &to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
        }
        Some(Checkout { folder })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A line for the shell, to be run in `folder` of the checkout.
    fn command(&self, folder: &str, line: &str) -> Command {
        let mut command = Command::new("bash");
        command.args(["-c", line]).current_dir(self.path(folder)).env("PATH", path_with_programs());
        command
    }

    /// Runs a line and gives back its standard output.
    fn run(&self, folder: &str, line: &str) -> String {
        let output = self.command(folder, line).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {}\n{told}", output.status);
        String::from_utf8(output.stdout).unwrap()
    }
}

/// The PATH, with the programs that were built for this test first.
fn path_with_programs() -> OsString {
    let bin = Path::new(env!("CARGO_BIN_EXE_llc")).parent().unwrap().to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(std::iter::once(bin).chain(std::env::split_paths(&path))).unwrap()
}

/// The commands of the README that run `llc`, as if it were installed; what stands in brackets there may be left out.
fn readme_commands() -> Vec<String> {
    let readme = fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    let in_text =
        readme.lines().filter(|line| !line.starts_with("./x ")).flat_map(|line| line.split('`').skip(1).step_by(2));
    let in_blocks = readme.lines().filter(|line| line.starts_with("./x "));
    let llc = |text: &str| match text.strip_prefix("./x run ") {
        Some(rest) => Some(format!("llc {rest}")),
        None => text.starts_with("llc ").then(|| text.to_owned()),
    };
    in_blocks.chain(in_text).filter_map(llc).map(|line| line.replace(['[', ']'], "")).collect()
}

#[test]
fn gen_commands_prints_as_many_lines_as_the_array_of_job_slurm_has_tasks() {
    let Some(checkout) = Checkout::new() else { return };
    checkout.run("slurm", "gen-commands > COMMANDS.txt");
    let lines = fs::read_to_string(checkout.path("slurm/COMMANDS.txt")).unwrap().lines().count();
    let script = fs::read_to_string(checkout.path("slurm/job.slurm")).unwrap();
    assert!(script.contains(&format!("\n#SBATCH --array=1-{lines}\n")), "{lines} lines");
    // Each of them is missing, as no run was made.
    let missing = checkout.run("slurm", "llc-analysis runs missing COMMANDS.txt -F runs");
    assert_eq!(missing.trim(), format!("1-{lines}"));
}

mod slow {
    use serde_json::Value;

    use super::slurm_node::{logs, node};
    use super::*;

    fn report(checkout: &Checkout, id: u32) -> Value {
        let text = fs::read_to_string(checkout.path(&format!("runs/{id}/report.json"))).unwrap();
        llc::record::json::parse(&text).unwrap()
    }

    #[test]
    #[ignore = "slow: calls a program that loads libtorch a dozen times"]
    fn every_command_of_the_readme_is_understood() {
        let Some(checkout) = Checkout::new() else { return };
        let commands = readme_commands();
        assert!(commands.len() >= 8, "{commands:?}");
        for line in commands {
            let words: Vec<&str> = line.split_whitespace().collect();
            let line = match words[1..] {
                // It would fetch from the network.
                ["data", "fetch", ..] => format!("{line} --help"),
                // A name, not a command.
                [_] => format!("{line} --help"),
                ["dln" | "curve" | "descent" | "estimate" | "train", ..] if !words.contains(&"--help") => {
                    format!("{line} --print-config")
                }
                _ => line,
            };
            assert!(!checkout.run(".", &line).is_empty(), "{line}");
            assert!(!checkout.path("runs").exists(), "{line}");
        }
    }

    #[test]
    #[ignore = "slow: a residual network"]
    fn a_curve_of_a_resnet_runs_on_pictures_of_ones_own() {
        let Some(checkout) = Checkout::new() else { return };
        let line = "llc curve --model resnet18 --data-dir tests/fixtures --crop 8 --width-factor 2 --train-steps 2 --logging-period 1 \
                    --train-batch-size 20 --num-chains 1 --num-steps 10 --batch-size 20 --epsilon 1e-6 --threads 1 --seed 1";
        let told = checkout.run(".", line);
        assert!(told.contains("resnet18") && told.contains("COMPLETED"), "{told}");
        let table = fs::read_to_string(checkout.path("runs/1/curve.csv")).unwrap();
        assert_eq!(table.lines().count(), 4, "{table}");
    }

    #[test]
    #[ignore = "slow: whole estimates"]
    fn the_first_command_comes_within_its_error_of_the_exact_coefficient_in_either_spelling() {
        let Some(checkout) = Checkout::new() else { return };
        checkout.run(".", "llc dln --layer-widths 20,20,10 --seed 1");
        checkout.run(".", "llc dln --layer-widths [20, 20, 10] --seed 1");
        let (first, second) = (report(&checkout, 1), report(&checkout, 2));
        assert_eq!(first["lambda_true"], 50.0);
        let [mean, mcse] = ["mean", "mcse"].map(|name| first["llc"][name].as_f64().unwrap());
        // The published network's coefficient at n = 10⁵ differs from the limit by less than a percent.
        assert!((mean - 50.0).abs() < 6.0 * mcse + 0.5, "{mean} ± {mcse}");
        assert_eq!(first["verdict"], "trusted");
        assert_eq!(second["llc"], first["llc"]);
    }

    #[test]
    #[ignore = "slow: whole estimates"]
    fn the_first_command_of_the_readme_prints_a_trusted_estimate() {
        let Some(checkout) = Checkout::new() else { return };
        let line = readme_commands().into_iter().next().unwrap();
        let told = checkout.run(".", &line);
        assert!(told.lines().any(|line| line.split_whitespace().eq(["verdict", "trusted"])), "{line}: {told}");
    }

    #[test]
    #[ignore = "slow: needs a SLURM"]
    fn a_generated_sweep_goes_through_slurm_as_the_readme_of_slurm_says() {
        let Some(checkout) = Checkout::new() else { return };
        let Some(node) = node() else { return };
        let readme = fs::read_to_string(checkout.path("slurm/README.md")).unwrap();
        let block = readme.split("```sh\n").nth(1).and_then(|text| text.split("```").next()).unwrap();
        assert!(block.contains("gen-commands > COMMANDS.txt") && block.contains("\nsbatch job.slurm"), "{block}");
        // Three tasks of the hundred.
        let mut command = node.command("bash");
        command.args(["-euc", block]).current_dir(checkout.path("."));
        command.env("PATH", path_with_programs()).env("SBATCH_ARRAY_INX", "1-2,100");
        let output = command.output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let job = told.trim().strip_prefix("Submitted batch job ").unwrap().parse().unwrap();
        let tasks = node.wait(job, 3);
        let slurm = checkout.path("slurm");
        assert!(tasks.values().all(|task| task.state == "COMPLETED"), "{tasks:?}\n{}", logs(&slurm));
        let table = checkout.run("slurm", "llc-analysis runs list -F runs");
        assert_eq!(table.matches("COMPLETED").count(), 3, "{table}");
        let missing = checkout.run("slurm", "llc-analysis runs missing COMMANDS.txt -F runs");
        assert_eq!(missing.trim(), "3-99");
        let left = ["slurm/COMMANDS.txt", "slurm/runs/1/run.json", "slurm/logs/1_1.log"];
        let mut git = Command::new("git");
        let ignored = git.args(["check-ignore", "--no-index"]).args(left).current_dir(ROOT).output().unwrap().stdout;
        assert_eq!(String::from_utf8(ignored).unwrap().lines().collect::<Vec<_>>(), left, "git would see the rest");
    }
}
