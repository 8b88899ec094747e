//! Runs the program `llc-analysis runs` on records that the observer wrote.

use std::path::Path;
use std::process::{Command, Output};

use llc::observe::file_tree::FileTreeObserver;
use llc::observe::{Event, Observer, RunInfo, Status};
use llc::sweep::Fingerprint;
use serde_json::{Value, json};

fn write_run(base: &Path, name: &str, status: Status, report: Option<Value>) {
    let info = RunInfo {
        name: name.to_owned(),
        command: "dln".to_owned(),
        config: json!({"seed": 7, "widths": [20, 10], "sampler": {"gamma": 2.5}}),
        comment: Some("a remark\nof two lines".to_owned()),
        ..RunInfo::default()
    };
    let mut observer = FileTreeObserver::create(base).unwrap();
    observer.on_event(&Event::Started(&info)).unwrap();
    let fail_trace = ["every chain, \"all\" of them, diverged".to_owned()];
    observer.on_event(&Event::Ended { status, report: report.as_ref(), fail_trace: &fail_trace }).unwrap();
}

fn three_runs() -> tempfile::TempDir {
    let base = tempfile::tempdir().unwrap();
    let report = json!({"llc": {"mean": 49.8125, "mcse": 0.25}, "verdict": "trusted"});
    write_run(base.path(), "dln", Status::Completed, Some(report));
    write_run(base.path(), "dln", Status::Failed, None);
    write_run(base.path(), "other", Status::Interrupted, None);
    base
}

fn runs(base: &Path, arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_llc-analysis");
    Command::new(program).arg("runs").args(arguments).arg("-F").arg(base).output().unwrap()
}

fn stdout(base: &Path, arguments: &[&str]) -> String {
    let output = runs(base, arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_list_is_a_table_of_the_selected_runs() {
    let base = three_runs();
    let table = stdout(base.path(), &["list"]);
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["id", "status", "name", "started", "(UTC)", "seconds", "λ̂", "mcse", "verdict"]);
    assert_eq!(lines[1][..3], ["1", "COMPLETED", "dln"]);
    assert_eq!(lines[1][6..], ["49.812", "0.250", "trusted"]);
    assert_eq!((lines.len(), lines[2][1], lines[3][1]), (4, "FAILED", "INTERRUPTED"));
    assert_eq!(stdout(base.path(), &["list", "--status", "failed"]).lines().count(), 2);
    assert_eq!(stdout(base.path(), &["list", "--name", "other"]).lines().count(), 2);
    assert_eq!(stdout(base.path(), &["list", "--name", "oth"]).lines().count(), 1);
}

#[test]
fn filters_choose_runs_for_lists_and_exports() {
    let base = three_runs();
    for (filters, count) in [
        (vec!["status=COMPLETED"], 1),
        (vec!["config.sampler.gamma=2.50", "name!=other"], 2),
        (vec!["config.widths=20,10", "status~ed"], 3),
        (vec!["llc>49", "report.verdict=trusted"], 1),
        (vec!["llc<0"], 0),
        (vec!["name=dln", "--status", "failed"], 1),
    ] {
        assert_eq!(stdout(base.path(), &[&["list"], &*filters].concat()).lines().count(), 1 + count, "{filters:?}");
        let json: Value =
            serde_json::from_str(&stdout(base.path(), &[&["export", "--json"], &*filters].concat())).unwrap();
        assert_eq!(json.as_array().map(Vec::len), Some(count), "{filters:?}");
    }
}

/// Writes a run of the command `line`.
fn write_run_of(base: &Path, line: &str, status: Status) {
    let words: Vec<&str> = line.split_whitespace().skip(1).collect();
    let mut config = Fingerprint::of(&words).unwrap().unwrap().config().clone();
    config["run"]["threads"] = json!(48);
    let info = RunInfo { name: "dln".to_owned(), command: "dln".to_owned(), config, ..RunInfo::default() };
    let mut observer = FileTreeObserver::create(base).unwrap();
    observer.on_event(&Event::Started(&info)).unwrap();
    observer.on_event(&Event::Ended { status, report: None, fail_trace: &[] }).unwrap();
}

#[test]
fn missing_lines_are_those_without_a_completed_run_of_their_configuration() {
    let base = tempfile::tempdir().unwrap();
    let file = base.path().join("COMMANDS.txt");
    let seed = |seed: u64| format!("llc dln --preset 1k --seed {seed}");
    let lines: Vec<String> = [1, 2, 3, 4, 4].map(seed).to_vec();
    std::fs::write(&file, format!("# a sweep\n{}\nllc theory dln --layer-widths 5 --rank 2\n", lines.join("\n")))
        .unwrap();
    let file = file.to_str().unwrap();
    let missing = |flags: &[&str]| stdout(base.path(), &[&["missing", file], flags].concat());
    assert_eq!(missing(&[]), "2-6\n");
    write_run_of(base.path(), &format!("{} --name again --threads 3", seed(2)), Status::Completed);
    write_run_of(base.path(), &seed(3), Status::Failed);
    write_run_of(base.path(), &format!("{} --gamma 2", seed(1)), Status::Completed);
    write_run_of(base.path(), &seed(4), Status::Completed);
    assert_eq!(missing(&[]), "2,4,6\n");
    assert_eq!(missing(&["--lines"]), [seed(1), seed(3), seed(4), String::new()].join("\n"));
    for line in [1, 3, 4] {
        write_run_of(base.path(), &seed(line), Status::Completed);
    }
    let output = runs(base.path(), &["missing", file]);
    assert!(output.status.success() && output.stdout.is_empty());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("none of the 6 lines is missing") && said.contains("line 7 records no run"), "{said}");
}

#[test]
fn every_line_is_missing_where_nothing_has_been_run() {
    let base = tempfile::tempdir().unwrap();
    let file = base.path().join("COMMANDS.txt");
    std::fs::write(&file, "llc dln\nllc dln --seed 1\n").unwrap();
    let output = runs(&base.path().join("runs"), &["missing", file.to_str().unwrap()]);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), b"1,2\n".as_slice()));
}

#[test]
fn list_as_csv_and_as_json_agree() {
    let base = three_runs();
    let json: Value = serde_json::from_str(&stdout(base.path(), &["list", "--json"])).unwrap();
    let text = stdout(base.path(), &["list", "--csv"]);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let columns = reader.headers().unwrap().clone();
    for (i, row) in reader.records().enumerate() {
        for (column, cell) in columns.iter().zip(row.unwrap().iter()) {
            let value = &json[i][column];
            let expected = value.as_str().map_or_else(|| value.to_string().replace("null", ""), str::to_owned);
            assert_eq!(cell, expected, "{column} of row {i}");
        }
    }
    assert_eq!(json.as_array().map(Vec::len), Some(3));
}

#[test]
fn an_export_has_the_configuration_and_the_report_in_columns() {
    let base = three_runs();
    let file = base.path().join("runs.csv");
    stdout(base.path(), &["export", "-o", file.to_str().unwrap()]);
    let mut reader = csv::Reader::from_path(&file).unwrap();
    let columns = reader.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let cell = |row: usize, column: &str| rows[row][columns.iter().position(|name| name == column).unwrap()].to_owned();
    assert_eq!((cell(0, "config.sampler.gamma"), cell(0, "config.widths")), ("2.5".to_owned(), "[20,10]".to_owned()));
    assert_eq!((cell(0, "report.llc.mean"), cell(1, "report.llc.mean")), ("49.8125".to_owned(), String::new()));

    let json: Value = serde_json::from_str(&stdout(base.path(), &["export", "--json"])).unwrap();
    assert_eq!(json[0]["report"]["llc"]["mcse"], 0.25);
    assert_eq!(json[1]["fail_trace"], json!(["every chain, \"all\" of them, diverged"]));
}

#[test]
fn one_run_is_shown_in_full() {
    let base = three_runs();
    let text = stdout(base.path(), &["show", "2"]);
    assert!(text.contains("FAILED") && text.contains("every chain") && text.contains("\"gamma\": 2.5"), "{text}");
    let json: Value = serde_json::from_str(&stdout(base.path(), &["show", "1", "--json"])).unwrap();
    assert_eq!((&json["id"], &json["result"]), (&json!(1), &json!(49.8125)));
}

#[test]
fn a_status_that_only_another_program_writes_can_be_asked_for_where_a_run_has_it() {
    let base = three_runs();
    assert_eq!(stdout(base.path(), &["list", "--status", "running"]).lines().count(), 1, "known, though no run has it");
    let file = base.path().join("2/run.json");
    let run = std::fs::read_to_string(&file).unwrap().replace("FAILED", "MY_STATUS");
    std::fs::write(file, run).unwrap();
    assert_eq!(stdout(base.path(), &["list", "--status", "my_status"]).lines().count(), 2);
}

#[test]
fn line_breaks_in_a_name_or_remark_are_shown_escaped() {
    let base = tempfile::tempdir().unwrap();
    write_run(base.path(), "two\nlines\u{1b}[2J", Status::Completed, None);
    let table = stdout(base.path(), &["list"]);
    assert!(table.lines().count() == 2 && table.contains("two\\nlines\\u{1b}[2J"), "{table}");
    let shown = stdout(base.path(), &["show", "1"]);
    assert!(shown.contains("\ncomment    a remark\\nof two lines\n") && !shown.contains('\u{1b}'), "{shown}");
}

#[test]
fn what_is_not_there_is_bad_usage() {
    let base = three_runs();
    let illegal = base.path().join("illegal.txt");
    std::fs::write(&illegal, "llc dln --rank 3").unwrap();
    for (folder, arguments, named) in [
        (base.path().join("nowhere"), vec!["list"], "nowhere"),
        (base.path().to_owned(), vec!["show", "9"], "no run 9"),
        (base.path().to_owned(), vec!["list", "--csv", "--json"], "--json"),
        (base.path().to_owned(), vec!["list", "--status", "complete"], "did you mean completed?"),
        (base.path().to_owned(), vec!["export", "--status", "foo"], "--status foo"),
        (base.path().to_owned(), vec!["list", "stauts=FAILED"], "did you mean `status`?"),
        (base.path().to_owned(), vec!["list", "config.sampler.gama=1"], "did you mean `config.sampler.gamma`?"),
        (base.path().to_owned(), vec!["export", "llc<many"], "not a number"),
        (base.path().to_owned(), vec!["missing", "nowhere.txt"], "cannot read nowhere.txt"),
        (base.path().to_owned(), vec!["missing", illegal.to_str().unwrap()], "line 1: --rank"),
    ] {
        let output = runs(&folder, &arguments);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(message.contains(named), "{message}");
    }
}

#[test]
fn a_broken_run_is_reported_and_the_others_are_listed() {
    let base = three_runs();
    std::fs::write(base.path().join("2/run.json"), "{").unwrap();
    let output = runs(base.path(), &["list"]);
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 3);
    assert!(String::from_utf8_lossy(&output.stderr).contains("run.json is not JSON"));
}
