//! Runs `llc checkpoint show` on files that PyTorch wrote.
#![cfg(feature = "torch")]

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::{Value, json};

fn show(name: &str, flags: &[&str]) -> Output {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/checkpoints").join(name);
    Command::new(env!("CARGO_BIN_EXE_llc")).args(["checkpoint", "show"]).arg(path).args(flags).output().unwrap()
}

#[test]
fn facts_and_tensors_with_shapes_and_norms_are_shown() {
    let output = show("training.pt", &[]);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("epoch           7\n") && text.contains("runtime         12.5\n"), "{text}");
    let row = text.lines().find(|line| line.starts_with("model.conv.weight")).unwrap();
    let words: Vec<&str> = row.split_whitespace().collect();
    // The elements are i/8 − 1 for i below 18.
    let norm = (0..18).map(|i| (f64::from(i) / 8.0 - 1.0).powi(2)).sum::<f64>().sqrt();
    assert_eq!(words, ["model.conv.weight", "2×1×3×3", "f32", &format!("{norm:.5e}")]);
}

#[test]
fn the_json_holds_what_the_table_shows() {
    let report: Value = serde_json::from_slice(&show("dtypes-legacy.pt", &["--json"]).stdout).unwrap();
    let tensors = report["tensors"].as_array().unwrap();
    assert_eq!((tensors.len(), &report["model"]), (17, &Value::Null));
    let tensor = tensors.iter().find(|tensor| tensor["name"] == "bfloat16").unwrap();
    assert_eq!((&tensor["shape"], &tensor["dtype"]), (&json!([2, 3]), &json!("bf16")));
}

#[test]
fn a_file_that_would_run_code_fails_with_a_sentence() {
    let output = show("evil.pt", &[]);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(message.contains("evil.pt") && message.contains("posix.system"), "{message}");
}
