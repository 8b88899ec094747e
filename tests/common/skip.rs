//! Leaves out a test that lacks something outside of the repository: visibly on a developer's machine, never unseen under CI.
//!
//! `.ci/run` sets `CI` to `true`, as GitHub and others do. What is [`missing`] fails the test there, for `.ci/install` installs it; what is
//! [`unavailable`] leaves it out there too.
//!
//! *Tested by* tests/skip.rs.

#![allow(dead_code, reason = "every file of tests/ that may leave out a test compiles this module for itself")]

use std::io::{self, Write as _};

/// Leaves out the calling test, which must return: it lacks what an installer brings. `what` says what is missing, `remedy` what to do.
///
/// # Panics
///
/// Where `CI` is `true`.
#[track_caller]
pub fn missing(what: &str, remedy: &str) {
    assert!(
        std::env::var_os("CI").is_none_or(|value| value != "true"),
        "{what}. {remedy}. (The environment variable CI is `true`, so no test may be left out for this.)"
    );
    say(&format!("{what}. {remedy}."));
}

/// Leaves out the calling test, or a part of it, under CI too: it lacks what no script of the repository can install. The callers are all
/// the tests that CI may leave out; CONTRIBUTING.md lists them.
pub fn unavailable(what: &str) {
    say(&format!("{what}."));
}

/// Writes past the test harness, which would keep `eprintln!` of a passing test to itself.
fn say(reason: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let _ = writeln!(io::stderr(), "skipped: {test}: {reason}");
}
