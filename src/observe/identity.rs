//! Records what ran and where, in the fields that Sacred's readers show.
//!
//! Sacred copies the sources of a Python run because nothing else identifies the program. A Rust program is identified by its version, the
//! commit it was built from and that commit's `Cargo.lock`: these are recorded, and `experiment.sources` stays empty.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Map, Value, json};

use super::RunInfo;
use crate::record::redact;

/// Recorded environment variables: they identify the job, the task and the device.
const ENVIRONMENT: [&str; 6] = [
    "CUDA_VISIBLE_DEVICES",
    "SLURM_ARRAY_JOB_ID",
    "SLURM_ARRAY_TASK_ID",
    "SLURM_JOB_ID",
    "SLURM_JOB_PARTITION",
    "SLURM_RESTART_COUNT",
];

/// The field `experiment` of `run.json`.
pub(super) fn experiment(info: &RunInfo) -> Value {
    let program = env::current_exe().ok();
    let mainfile = program.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    let repository = program.as_deref().and_then(Path::parent).and_then(repository);
    json!({
        "base_dir": env::current_dir().ok().map(|path| path.to_string_lossy().into_owned()),
        "dependencies": [concat!(env!("CARGO_PKG_NAME"), "==", env!("CARGO_PKG_VERSION"))],
        "mainfile": mainfile.unwrap_or_else(|| env!("CARGO_PKG_NAME").to_owned()),
        "name": info.name,
        "repositories": repository.into_iter().collect::<Vec<_>>(),
        "sources": [],
    })
}

/// The field `host` of `run.json`.
pub(super) fn host() -> Value {
    let environment: Map<String, Value> =
        ENVIRONMENT.into_iter().filter_map(|name| Some((name.to_owned(), Value::from(env::var(name).ok()?)))).collect();
    json!({
        "ENV": environment,
        "cpu": cpu(),
        "hostname": gethostname::gethostname().to_string_lossy(),
        "os": [os(), format!("{}-{}-{}", os(), kernel_release(), env::consts::ARCH)],
        // No Python ran; the key is there because readers look for it.
        "python_version": null,
    })
}

/// The field `meta` of `run.json`. `base` is the folder that `-F` names.
pub(super) fn meta(info: &RunInfo, base: &Path) -> Value {
    let mut config_updates = redact::value(&info.config_updates);
    if !config_updates.is_object() {
        config_updates = json!({});
    }
    let mut updates = Vec::new();
    push_updates(&mut updates, "", &config_updates);
    let comment = info.comment.as_deref().map(redact::text);
    let mut meta = json!({
        "argv": info.argv.iter().map(|argument| redact::text(argument)).collect::<Vec<_>>(),
        "command": info.command,
        "config_updates": config_updates,
        "named_configs": [],
        "options": {
            "--comment": comment,
            "--file_storage": base.to_string_lossy(),
            "--name": info.name,
            "COMMAND": info.command,
            "UPDATE": updates,
            "help": false,
            "with": !updates.is_empty(),
        },
    });
    if let Some(comment) = comment {
        meta["comment"] = Value::from(comment);
    }
    meta
}

/// Flattens nested updates to `sampler.gamma=5.0`.
fn push_updates(updates: &mut Vec<String>, prefix: &str, value: &Value) {
    if let Value::Object(fields) = value {
        for (key, field) in fields {
            let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
            push_updates(updates, &name, field);
        }
    } else {
        updates.push(format!("{prefix}={value}"));
    }
}

/// The git checkout of this package that contains `folder`: `{url, commit, dirty}`. `None` for an installed program.
fn repository(folder: &Path) -> Option<Value> {
    let root = git(folder, &["rev-parse", "--show-toplevel"])?;
    // An installed program may lie in somebody's repository of dot files.
    let manifest = fs::read_to_string(Path::new(&root).join("Cargo.toml")).ok()?;
    if !manifest.lines().any(|line| line == concat!("name = \"", env!("CARGO_PKG_NAME"), "\"")) {
        return None;
    }
    let url = git(folder, &["config", "--get", "remote.origin.url"]).map(|url| redact::text(&url));
    let changes = git(folder, &["status", "--porcelain", "--untracked-files=no"])?;
    Some(json!({"commit": git(folder, &["rev-parse", "HEAD"])?, "dirty": !changes.is_empty(), "url": url}))
}

/// The trimmed output of git; `None` if git is missing or fails.
fn git(folder: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(folder).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The processor's name, or its architecture if the name is not known.
fn cpu() -> String {
    let from_linux = || {
        let text = fs::read_to_string("/proc/cpuinfo").ok()?;
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let from_macos = || {
        let output = Command::new("sysctl").args(["-n", "machdep.cpu.brand_string"]).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let name = if cfg!(target_os = "macos") { from_macos() } else { from_linux() };
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| env::consts::ARCH.to_owned())
}

/// The system's name as Python's `platform.system()` has it.
fn os() -> &'static str {
    match env::consts::OS {
        "linux" => "Linux",
        "macos" => "Darwin",
        "windows" => "Windows",
        other => other,
    }
}

fn kernel_release() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    if release.trim().is_empty() { "unknown".to_owned() } else { release.trim().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn updates_are_flattened_to_dotted_words() {
        let mut updates = Vec::new();
        push_updates(&mut updates, "", &json!({"n": 2, "sampler": {"gamma": 5.0, "kind": "hmc"}, "widths": [2, 3]}));
        assert_eq!(updates, ["n=2", "sampler.gamma=5.0", "sampler.kind=\"hmc\"", "widths=[2,3]"]);
    }

    #[test]
    fn a_run_without_updates_has_none() {
        let meta = meta(&RunInfo::default(), Path::new("runs"));
        assert_eq!((&meta["config_updates"], &meta["options"]["UPDATE"]), (&json!({}), &json!([])));
        assert!(meta.get("comment").is_none());
    }

    #[test]
    fn the_host_has_the_fields_that_readers_want() {
        let host = host();
        for key in ["ENV", "cpu", "hostname", "os", "python_version"] {
            assert!(host.get(key).is_some(), "{key}");
        }
        assert_eq!(host["os"].as_array().map(Vec::len), Some(2));
        assert!(host["cpu"].as_str().is_some_and(|cpu| !cpu.is_empty()));
    }

    #[test]
    fn a_folder_outside_of_this_checkout_has_no_repository() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(repository(folder.path()), None);
    }

    #[test]
    fn a_checkout_of_this_package_is_named_without_credentials() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("Cargo.toml"), "[package]\nname = \"llc\"\n").unwrap();
        let run = |arguments: &[&str]| git(folder.path(), arguments).expect("git works");
        run(&["init", "--quiet"]);
        run(&["remote", "add", "origin", "https://me:secret@example.org/llc.git"]);
        run(&["add", "."]);
        run(&["-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "--quiet", "-m", "First"]);

        let clean = repository(folder.path()).unwrap();
        assert_eq!(clean["url"], "https://***@example.org/llc.git");
        assert_eq!((clean["dirty"].as_bool(), clean["commit"].as_str().map(str::len)), (Some(false), Some(40)));
        fs::write(folder.path().join("Cargo.toml"), "name = \"llc\"\n").unwrap();
        assert_eq!(repository(folder.path()).unwrap()["dirty"], true);
    }
}
