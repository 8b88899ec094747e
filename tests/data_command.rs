//! Tests `llc data` from outside: what it prints, draws and refuses.
#![cfg(feature = "torch")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::tempdir;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn llc(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_llc"));
    command.arg("data").args(args).current_dir(folder).env_remove("LLC_DATA").output().unwrap()
}

/// What a command that succeeds prints.
fn printed(folder: &Path, args: &[&str]) -> String {
    let output = llc(folder, args);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn check_counts_what_is_there() {
    let folder = tempdir().unwrap();
    let [cifar10, mnist] = ["cifar10", "mnist"].map(|name| fixture(name).display().to_string());
    assert_eq!(
        printed(folder.path(), &["check", &cifar10]),
        "cifar10, binary batches\n\
         train: 200 images of 3×32×32, 10 classes of 20 (a part of the 50000 published)\n\
         test: 100 images of 3×32×32, 10 classes of 10 (a part of the 10000 published)\n"
    );
    let text = printed(folder.path(), &["check", &mnist]);
    assert!(text.starts_with("mnist, IDX files\ntrain: 200 images of 1×28×28, 10 classes of"), "{text}");
}

#[test]
fn stats_are_those_of_the_bytes() {
    let folder = tempdir().unwrap();
    let text =
        printed(folder.path(), &["stats", &fixture("cifar10").display().to_string(), "--split", "test", "--json"]);
    let found: serde_json::Value = serde_json::from_str(&text).unwrap();
    let bytes = fs::read(fixture("cifar10/test_batch.bin")).unwrap();
    let green = bytes.chunks_exact(3073).flat_map(|record| &record[1 + 1024..1 + 2048]);
    let mean = green.map(|byte| f64::from(*byte)).sum::<f64>() / (100.0 * 1024.0 * 255.0);
    assert!((found["mean"][1].as_f64().unwrap() - mean).abs() < 1e-12, "{found}");
    assert_eq!(found["shape"], serde_json::json!([3, 32, 32]));
}

#[test]
fn show_draws_each_picture_with_its_spoilt_variants_below() {
    let folder = tempdir().unwrap();
    let cifar10 = fixture("cifar10").display().to_string();
    let args = ["show", &cifar10, "--grid", "grid.png", "--crop", "28", "--pixels", "all", "--count", "20"];
    let text = printed(folder.path(), &args);
    assert!(text.contains("grid.png: 20 images of 28×28, 4 lines for each"), "{text}");
    assert!(text.contains("   0: airplane automobile bird"), "{text}");
    let image = image::open(folder.path().join("grid.png")).unwrap().into_rgb8();
    assert_eq!(image.dimensions(), (2 + 10 * 58, 2 + 8 * 58));
    // Shuffled with seed 42, place 0 shows what was at 470 = 16·28 + 22.
    assert_eq!(image.get_pixel(2, 2 + 58), image.get_pixel(2 + 2 * 22, 2 + 2 * 16));
}

#[test]
fn show_reports_how_many_labels_a_level_changed_and_which() {
    let folder = tempdir().unwrap();
    let cifar10 = fixture("cifar10").display().to_string();
    let text = printed(folder.path(), &["show", &cifar10, "--label-corruption", "1", "--seed", "12345"]);
    assert!(text.starts_with("labels: ") && text.contains("expected at level 1: 0.9000"), "{text}");
    let args = ["show", &cifar10, "--grid", "grid.png", "--count", "4", "--label-corruption", "1", "--seed", "42"];
    assert!(printed(folder.path(), &args).contains("airplane→"));
    let text = printed(folder.path(), &["show", &cifar10, "--permute-labels"]);
    assert!(text.contains("of 200 changed"), "{text}");
}

#[test]
fn what_cannot_be_done_is_one_sentence_that_says_what_to_do() {
    let folder = tempdir().unwrap();
    let cifar10 = fixture("cifar10").display().to_string();
    fs::create_dir(folder.path().join("cut")).unwrap();
    fs::write(folder.path().join("cut/test_batch.bin"), [0; 100]).unwrap();
    fs::write(folder.path().join("cut/data_batch_1.bin"), [0; 3074]).unwrap();
    for (args, code, message) in [
        (vec!["check", "nowhere"], 1, "`llc data fetch cifar10` downloads one"),
        (
            vec!["check", "cut"],
            1,
            "expected a whole number of records of 3073 bytes (30730000 bytes as published), found 3074",
        ),
        (vec!["stats", "cut", "--split", "test"], 1, "test_batch.bin: expected a whole number"),
        (vec!["check", &cifar10, "--dataset", "mnist"], 1, "no mnist in"),
        (vec!["stats", &cifar10, "--crop", "27"], 1, "has no centre"),
        (vec!["show", &cifar10], 1, "nothing to show"),
        (vec!["show", &cifar10, "--label-corruption", "2"], 1, "give a number in [0, 1]"),
        (vec!["show", &cifar10, "--grid", "nowhere/grid.png"], 1, "nowhere/grid.png: cannot be written"),
        (vec!["fetch", "mnist", "--from", "http://127.0.0.1:1"], 1, "give another address with --from"),
        (vec!["fetch", "imagenet"], 2, "possible values: cifar10, mnist, fashion-mnist"),
    ] {
        let output = llc(folder.path(), &args);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {error}");
        assert!(error.starts_with("error: ") && error.contains(message), "{args:?}: {error}");
        assert!(code == 2 || error.trim_end().lines().count() == 1, "{args:?}: {error}");
    }
}

#[test]
fn every_task_has_a_help_with_an_example() {
    let folder = tempdir().unwrap();
    for task in ["fetch", "check", "stats", "show"] {
        let help = printed(folder.path(), &[task, "--help"]);
        assert!(help.contains(&format!("llc data {task}")) && help.contains("Example"), "{help}");
    }
}
