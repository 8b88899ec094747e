//! Tests the program `llc` from outside: exit codes, one-sentence errors, and that a refused run leaves nothing behind.
#![cfg(feature = "torch")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::tempdir;

fn llc(folder: &Path, line: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_llc")).args(line.split_whitespace()).current_dir(folder).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn a_refused_run_ends_with_2_and_one_sentence_and_leaves_nothing_behind() {
    let folder = tempdir().unwrap();
    for line in [
        "dln --layer-widths 10,0",
        "dln --truth aligned --rank 11",
        "dln --sampler hmc --epsilon 0",
        "dln --sampler mala --epsilon nan",
        "dln --num-steps many",
        "dln --num-training-data 100 --batch-size 500",
        "dln --sampler hmc --gradient minibatch",
        "dln --set sampler.epsilom=1",
        "dln --config missing.toml",
        "dln --file-storage /dev/null/runs",
        "theory dln --layer-widths 10,10 --rank 11",
    ] {
        let output = llc(folder.path(), line);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{line}: {error}");
        assert!(error.starts_with("error: ") && error.trim_end().lines().count() == 1, "{line}: {error}");
        assert!(output.stdout.is_empty(), "{line}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{line}");
    }
}

#[test]
fn an_unknown_flag_ends_with_2_and_the_nearest_one() {
    let folder = tempdir().unwrap();
    let output = llc(folder.path(), "dln --epsilom 1e-7");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("'--epsilon'"));
}

#[test]
fn a_printed_configuration_is_taken_back() {
    let folder = tempdir().unwrap();
    let first = llc(folder.path(), "dln --preset 1k --seed 5 --gamma 2 --print-config");
    assert_eq!(first.status.code(), Some(0), "{}", text(&first.stderr));
    let file = folder.path().join("run.toml");
    fs::write(&file, &first.stdout).unwrap();
    let second = llc(folder.path(), "dln --config run.toml --print-config");
    assert_eq!(text(&second.stdout), text(&first.stdout));
}

#[test]
fn theory_prints_the_known_value() {
    let folder = tempdir().unwrap();
    let line = "theory dln --input-dim 10 --layer-widths 10,10,10 --rank";
    assert_eq!(text(&llc(folder.path(), &format!("{line} 5")).stdout), "λ = 46, multiplicity 3\n");
    assert_eq!(text(&llc(folder.path(), &format!("{line} 0")).stdout), "λ = 67/2, multiplicity 3\n");
    let json: serde_json::Value =
        serde_json::from_slice(&llc(folder.path(), &format!("{line} 0 --json")).stdout).unwrap();
    assert_eq!((json["lambda_true"].as_f64(), json["multiplicity"].as_u64()), (Some(33.5), Some(3)));
}

#[test]
fn version_and_help_end_with_0() {
    let folder = tempdir().unwrap();
    for line in ["--version", "--help", "help", "dln --help", "help dln", "theory dln --help"] {
        let output = llc(folder.path(), line);
        assert_eq!(output.status.code(), Some(0), "{line}");
        assert!(!output.stdout.is_empty(), "{line}");
    }
}

#[test]
fn the_help_of_theory_says_that_the_exact_coefficient_is_printed() {
    let folder = tempdir().unwrap();
    for line in ["theory --help", "theory dln --help", "help theory dln"] {
        let help = llc(folder.path(), line);
        assert!(text(&help.stdout).contains("Print the exact coefficient of a deep linear network"), "{line}");
    }
}
