//! Checks that a test whose environment is missing is left out on a developer's machine and fails under CI.

#[path = "common/skip.rs"]
mod skip;

use std::process::{Command, Output};

#[test]
#[ignore = "called by the tests below"]
fn lacks_a_program() {
    skip::missing("frobnicate is not installed", "`.ci/install` installs it");
}

#[test]
#[ignore = "called by the tests below"]
fn lacks_a_device() {
    skip::unavailable("there is no quantum computer here");
}

/// Runs one test of this file by itself.
fn run(name: &str, ci: Option<&str>) -> (bool, String) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", name]).env_remove("CI").envs(ci.map(|value| ("CI", value)));
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.success(), String::from_utf8([stdout, stderr].concat()).unwrap())
}

#[test]
fn what_is_missing_fails_the_test_where_ci_is_true_and_only_there() {
    let (has_passed, output) = run("lacks_a_program", Some("true"));
    assert!(!has_passed && output.contains("frobnicate is not installed. `.ci/install` installs it."), "{output}");
    for ci in [None, Some("false"), Some("")] {
        let (has_passed, output) = run("lacks_a_program", ci);
        assert!(has_passed, "{ci:?}: {output}");
        assert!(output.contains("skipped: lacks_a_program: frobnicate is not installed."), "{ci:?}: {output}");
    }
}

#[test]
fn what_cannot_be_installed_leaves_a_test_out_under_ci_too_and_says_so() {
    for ci in [None, Some("true")] {
        let (has_passed, output) = run("lacks_a_device", ci);
        assert!(has_passed && output.contains("skipped: lacks_a_device: there is no quantum computer"), "{output}");
    }
}
