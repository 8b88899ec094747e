//! Checks the record on disk: what is written when, and what is left of a run that ends badly.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use llc::observe::file_tree::FileTreeObserver;
use llc::observe::{DrawBlock, Event, Observer, PointInfo, RunInfo, Status};
use llc::record::read::Run;
use llc::record::zarr::read_floats;
use llc::record::{json, time};
use serde_json::{Value, json};

/// A heartbeat short enough for a test to see many.
const BEAT: Duration = Duration::from_millis(20);

fn info() -> RunInfo {
    RunInfo {
        name: "dln".to_owned(),
        command: "dln".to_owned(),
        argv: ["llc", "dln", "-m", "mongodb://me:secret@db.example.org/llc"].map(str::to_owned).to_vec(),
        config: json!({"seed": 7, "sampler": {"gamma": 1.0}, "mongo": "mongodb://me:secret@db.example.org/llc"}),
        config_updates: json!({"sampler": {"gamma": 1.0}}),
        comment: Some("λ so far".to_owned()),
        num_chains: 2,
        num_draws: 3000,
        num_warmup: 500,
        num_parameters: 600,
        n_beta: 100.0,
        init_loss: 0.25,
        draws_at_points: false,
    }
}

fn block(first: usize, len: usize) -> DrawBlock {
    let loss: Vec<f64> = (first..first + len).map(|draw| 0.5 + draw as f64 / 1e6).collect();
    DrawBlock { distance: vec![2.0; len], acceptance: vec![0.75; len], loss, ..DrawBlock::default() }
}

fn started(base: &Path, beat: Duration) -> FileTreeObserver {
    let mut observer = FileTreeObserver::with_heartbeat(base, beat).unwrap();
    observer.on_event(&Event::Started(&info())).unwrap();
    observer
}

fn draw(observer: &mut FileTreeObserver, chain: usize, draws: std::ops::Range<usize>) {
    let event = Event::Draws { chain, first_draw: draws.start, block: &block(draws.start, draws.len()) };
    observer.on_event(&event).unwrap();
}

fn end(observer: &mut FileTreeObserver, status: Status, report: Option<&Value>, fail_trace: &[String]) {
    observer.on_event(&Event::Ended { status, report, fail_trace }).unwrap();
}

fn names(folder: &Path) -> BTreeSet<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn read_json(path: &Path) -> Value {
    json::parse(&fs::read_to_string(path).unwrap()).unwrap()
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(20), "waited in vain until {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn draws_around_another_point_go_to_a_folder_of_their_own_and_no_draw_is_lost() {
    let base = tempfile::tempdir().unwrap();
    let mut observer = started(base.path(), BEAT);
    for chain in 0..2 {
        draw(&mut observer, chain, 0..3000);
    }
    observer.on_event(&Event::Training { first_step: 0, num_steps: 2, loss: &[3.0, 2.0] }).unwrap();
    observer
        .on_event(&Event::Point(&PointInfo { name: "trained".to_owned(), init_loss: 0.125, n_beta: None }))
        .unwrap();
    draw(&mut observer, 0, 0..700);
    end(&mut observer, Status::Interrupted, None, &[]);

    let run_dir = base.path().join("1");
    let (shape, loss) = read_floats(&run_dir.join("draws.zarr/posterior/loss")).unwrap();
    assert_eq!(shape, [2, 2500]);
    assert_eq!(loss, [block(500, 2500).loss, block(500, 2500).loss].concat());
    let (shape, loss) = read_floats(&run_dir.join("draws-trained.zarr/posterior/loss")).unwrap();
    assert_eq!((shape.as_slice(), &loss[..200]), (&[2, 200][..], block(500, 200).loss.as_slice()));
    assert!(loss[200..].iter().all(|loss| loss.is_nan()), "the second chain drew nothing there");
    let init_loss = |store: &str| read_json(&run_dir.join(store).join(".zattrs"))["init_loss"].as_f64();
    assert_eq!((init_loss("draws.zarr"), init_loss("draws-trained.zarr")), (Some(0.25), Some(0.125)));
    let metrics = read_json(&run_dir.join("metrics.json"));
    assert_eq!(metrics["train.loss"]["values"], json!([3.0, 2.0]));
    // λ̂ = nβ·(mean of L − L_n), at each point with its own L_n.
    let last = |name: &str| metrics[name]["values"].as_array().unwrap().last().unwrap().as_f64().unwrap();
    assert!((last("llc") - 100.0 * (0.5 + 1749.5 / 1e6 - 0.25)).abs() < 1e-9, "{}", last("llc"));
    assert!((last("trained.llc") - 100.0 * (0.5 + 599.5 / 1e6 - 0.125)).abs() < 1e-9, "{}", last("trained.llc"));
}

#[test]
fn an_artifact_is_written_while_the_run_continues_and_listed_before_the_report() {
    let base = tempfile::tempdir().unwrap();
    let mut observer = started(base.path(), BEAT);
    observer.on_event(&Event::Artifact { name: "true_param.npz", content: &[1, 2, 3] }).unwrap();
    let run_dir = base.path().join("1");
    wait_until("it is listed", || read_json(&run_dir.join("run.json"))["artifacts"] == json!(["true_param.npz"]));
    assert_eq!(fs::read(run_dir.join("true_param.npz")).unwrap(), [1, 2, 3]);
    end(&mut observer, Status::Completed, Some(&json!({"llc": {"mean": 1.0}})), &[]);
    assert_eq!(read_json(&run_dir.join("run.json"))["artifacts"], json!(["true_param.npz", "report.json"]));
}

#[test]
fn a_completed_run_has_sacreds_files_and_fields() {
    let base = tempfile::tempdir().unwrap();
    let mut observer = started(base.path(), Duration::from_secs(60));
    let run_dir = base.path().join("1");
    assert_eq!(
        names(&run_dir),
        ["checkpoint", "config.json", "cout.txt", "draws.zarr", "run.json"].map(str::to_owned).into(),
        "no info.json while the run goes on: sacredboard would fail"
    );
    let running = read_json(&run_dir.join("run.json"));
    assert_eq!((&running["status"], &running["heartbeat"]), (&json!("RUNNING"), &running["start_time"]));

    for chain in 0..2 {
        draw(&mut observer, chain, 0..3000);
    }
    observer.on_event(&Event::Output("the table")).unwrap();
    let report = json!({"llc": {"mean": 49.5}, "verdict": "trusted"});
    end(&mut observer, Status::Completed, Some(&report), &[]);

    let files = ["config.json", "cout.txt", "draws.zarr", "info.json", "metrics.json", "report.json", "run.json"];
    assert_eq!(names(&run_dir), files.map(str::to_owned).into());
    let text = fs::read_to_string(run_dir.join("run.json")).unwrap();
    assert!(
        text.is_ascii() && text.starts_with("{\n  \"artifacts\": [\n    \"report.json\"\n  ],\n  \"command\": \"dln\"")
    );
    let run = json::parse(&text).unwrap();
    let keys: Vec<&str> = run.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = "artifacts command experiment heartbeat host meta resources result start_time status stop_time";
    assert_eq!(keys, expected.split(' ').collect::<Vec<_>>());
    let keys: Vec<&str> = run["experiment"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["base_dir", "dependencies", "mainfile", "name", "repositories", "sources"]);
    assert_eq!(run["meta"]["options"]["UPDATE"], json!(["sampler.gamma=1.0"]));
    assert_eq!(run["meta"]["comment"], "λ so far");
    assert_eq!((&run["status"], &run["result"]), (&json!("COMPLETED"), &json!(49.5)));
    for key in ["start_time", "heartbeat", "stop_time"] {
        let text = run[key].as_str().unwrap();
        assert_eq!(text, time::format(time::parse(text).unwrap()), "{key}");
    }
    assert!(run["heartbeat"].as_str() <= run["stop_time"].as_str());

    assert_eq!(read_json(&run_dir.join("report.json")), report);
    assert_eq!(read_json(&run_dir.join("info.json"))["report"], report);
    assert_eq!(fs::read_to_string(run_dir.join("cout.txt")).unwrap(), "the table\n");
    let metrics = read_json(&run_dir.join("metrics.json"));
    assert_eq!(metrics["loss_1"]["steps"].as_array().unwrap().len(), 1000);
    let draws: Vec<f64> = (500..3000).map(|draw| 0.25 + f64::from(draw) / 1e6).collect();
    let llc = 100.0 * draws.iter().sum::<f64>() / draws.len() as f64;
    assert!((metrics["llc"]["values"].as_array().unwrap().last().unwrap().as_f64().unwrap() - llc).abs() < 1e-9);
}

#[test]
fn credentials_reach_no_file() {
    let base = tempfile::tempdir().unwrap();
    let mut observer = started(base.path(), Duration::from_secs(60));
    observer.on_event(&Event::Warning("cannot reach mongodb://me:secret@db.example.org/llc")).unwrap();
    let report = json!({"argv": ["mongodb://me:secret@db.example.org/llc"]});
    end(&mut observer, Status::Failed, Some(&report), &["no mongodb://me:secret@db.example.org/llc".to_owned()]);
    for name in
        names(&base.path().join("1")).iter().filter(|name| !["draws.zarr", "checkpoint"].contains(&name.as_str()))
    {
        let text = fs::read_to_string(base.path().join("1").join(name)).unwrap();
        assert!(!text.contains("secret"), "{name}: {text}");
    }
}

#[test]
fn the_heartbeat_moves_and_draws_reach_the_disk_while_nothing_happens() {
    let base = tempfile::tempdir().unwrap();
    let mut observer = started(base.path(), BEAT);
    let run_dir = base.path().join("1");
    draw(&mut observer, 0, 0..1200);
    let first = Run::open(&run_dir).unwrap().heartbeat.unwrap();
    wait_until("the heartbeat moved", || Run::open(&run_dir).unwrap().heartbeat.unwrap() > first);
    let metrics = run_dir.join("metrics.json");
    wait_until("metrics are there", || metrics.exists());

    // What a run killed now would leave.
    let (shape, loss) = read_floats(&run_dir.join("draws.zarr/posterior/loss")).unwrap();
    assert_eq!(shape, [2, 2500]);
    assert_eq!(loss[..700], block(500, 700).loss);
    assert!(loss[700..].iter().all(|loss| loss.is_nan()));
    assert_eq!(Run::open(&run_dir).unwrap().status, "RUNNING");
    end(&mut observer, Status::Completed, None, &[]);
}

#[test]
fn an_interrupted_run_keeps_its_draws_in_their_true_shape() {
    let base = tempfile::tempdir().unwrap();
    let mut observer = started(base.path(), Duration::from_secs(60));
    draw(&mut observer, 0, 0..900);
    draw(&mut observer, 1, 0..600);
    end(&mut observer, Status::Interrupted, None, &[]);
    let run_dir = base.path().join("1");
    let run = Run::open(&run_dir).unwrap();
    assert_eq!((run.status.as_str(), run.result, run.fail_trace.len()), ("INTERRUPTED", None, 0));
    let (shape, loss) = read_floats(&run_dir.join("draws.zarr/posterior/loss")).unwrap();
    assert_eq!(shape, [2, 400]);
    assert_eq!(loss[..400], block(500, 400).loss);
    assert_eq!(loss[400..500], block(500, 100).loss);
    assert!(loss[500..].iter().all(|loss| loss.is_nan()), "the shorter chain ends in NaN");
    assert_eq!(read_floats(&run_dir.join("draws.zarr/warmup_posterior/loss")).unwrap().0, [2, 500]);
}

#[test]
fn a_failed_run_says_why_even_without_a_draw() {
    let base = tempfile::tempdir().unwrap();
    let mut observer = started(base.path(), Duration::from_secs(60));
    let event = Event::ChainEnded { chain: 1, num_draws: 0, error: Some("the loss is NaN at step 0") };
    observer.on_event(&event).unwrap();
    end(&mut observer, Status::Failed, None, &["every chain diverged".to_owned(), "try a smaller ε\n".to_owned()]);
    let run_dir = base.path().join("1");
    let run = read_json(&run_dir.join("run.json"));
    assert_eq!(run["fail_trace"], json!(["every chain diverged\n", "try a smaller ε\n"]));
    assert_eq!(
        (read_json(&run_dir.join("metrics.json")), read_json(&run_dir.join("info.json"))),
        (json!({}), json!({}))
    );
    let cout = fs::read_to_string(run_dir.join("cout.txt")).unwrap();
    assert_eq!(cout, "chain 1 ended after 0 draws: the loss is NaN at step 0\nevery chain diverged\ntry a smaller ε\n");
}

#[test]
fn a_run_that_never_says_how_it_ended_is_recorded_as_failed() {
    let base = tempfile::tempdir().unwrap();
    let mut observer = started(base.path(), Duration::from_secs(60));
    draw(&mut observer, 0, 0..10);
    drop(observer);
    assert_eq!(Run::open(&base.path().join("1")).unwrap().status, "FAILED");
}

#[test]
fn a_run_that_never_starts_leaves_nothing_behind() {
    let base = tempfile::tempdir().unwrap();
    let below = base.path().join("a/runs");
    let mut observer = FileTreeObserver::create(&below).unwrap();
    observer.on_event(&Event::Stage("reading the data")).unwrap();
    end(&mut observer, Status::Failed, None, &[]);
    drop(observer);
    assert!(names(base.path()).is_empty());
}

#[test]
fn an_impossible_base_fails_before_anything_is_written() {
    let base = tempfile::tempdir().unwrap();
    fs::write(base.path().join("file"), "").unwrap();
    let error = FileTreeObserver::create(&base.path().join("file")).unwrap_err().to_string();
    assert!(error.contains("-F") && error.contains("file"), "{error}");
    assert_eq!(names(base.path()).len(), 1);
}

#[test]
#[cfg(unix)]
fn an_unwritable_base_fails_before_anything_is_written() {
    use std::os::unix::fs::PermissionsExt;
    let base = tempfile::tempdir().unwrap();
    fs::set_permissions(base.path(), fs::Permissions::from_mode(0o555)).unwrap();
    // The superuser may write everywhere; then there is nothing to see.
    if fs::create_dir(base.path().join("probe")).is_err() {
        let error = FileTreeObserver::create(&base.path().join("runs")).unwrap_err().to_string();
        assert!(error.contains("-F"), "{error}");
        assert!(names(base.path()).is_empty());
    }
    fs::set_permissions(base.path(), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_reader_never_sees_half_a_file() {
    let base = tempfile::tempdir().unwrap();
    let mut observer = started(base.path(), Duration::from_millis(1));
    let is_done = AtomicBool::new(false);
    let run_dir = base.path().join("1");
    let num_reads = thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut num_reads = 0;
            while !is_done.load(Ordering::Relaxed) {
                for name in ["run.json", "metrics.json", "draws.zarr/posterior/loss/.zarray"] {
                    if let Ok(text) = fs::read_to_string(run_dir.join(name)) {
                        json::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}: {text:?}"));
                        num_reads += 1;
                    }
                }
                if let Ok(chunk) = fs::read(run_dir.join("draws.zarr/posterior/loss/0.0")) {
                    assert_eq!(chunk.len(), 1024 * 8);
                }
            }
            num_reads
        });
        for first in (0..3000).step_by(20) {
            draw(&mut observer, 0, first..first + 20);
            thread::sleep(Duration::from_millis(2));
        }
        end(&mut observer, Status::Completed, None, &[]);
        is_done.store(true, Ordering::Relaxed);
        reader.join().unwrap()
    });
    assert!(num_reads > 100, "{num_reads} reads prove little");
    assert!(names(&run_dir).iter().all(|name| !name.ends_with(".tmp")), "{:?}", names(&run_dir));
}

/// Takes the run's folder away while a draw comes, waits until `is_over`, and brings it back.
fn without_folder(observer: &mut FileTreeObserver, base: &Path, is_over: impl Fn(&mut FileTreeObserver) -> bool) {
    fs::rename(base.join("1"), base.join("away")).unwrap();
    draw(observer, 0, 0..3);
    let start = Instant::now();
    while !is_over(observer) {
        assert!(start.elapsed() < Duration::from_secs(20), "waited in vain");
        thread::sleep(Duration::from_millis(5));
    }
    fs::rename(base.join("away"), base.join("1")).unwrap();
}

#[test]
fn a_disk_that_comes_back_gets_every_draw() {
    let base = tempfile::tempdir().unwrap();
    // The first attempt comes after a quarter of a heartbeat, the observer gives up after six heartbeats.
    let mut observer = started(base.path(), Duration::from_secs(2));
    let start = Instant::now();
    without_folder(&mut observer, base.path(), |_| start.elapsed() > Duration::from_millis(800));
    end(&mut observer, Status::Completed, None, &[]);
    let loss = base.path().join("1/draws.zarr/warmup_posterior/loss");
    assert_eq!(read_floats(&loss).unwrap().1[..3], block(0, 3).loss);
}

#[test]
fn a_disk_that_stays_away_ends_the_record_but_not_as_a_failed_run() {
    let base = tempfile::tempdir().unwrap();
    let mut observer = started(base.path(), BEAT);
    without_folder(&mut observer, base.path(), |observer| {
        let event = Event::Draws { chain: 0, first_draw: 3, block: &block(3, 1) };
        observer.on_event(&event).is_err_and(|error| error.to_string().contains("cannot write"))
    });
    drop(observer);
    assert_eq!(Run::open(&base.path().join("1")).unwrap().status, "RUNNING");
}
