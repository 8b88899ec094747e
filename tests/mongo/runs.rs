//! Makes runs without any sampling, and looks at what a database has of them.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use llc::mongo::address::Address;
use llc::observe::file_tree::FileTreeObserver;
use llc::observe::mongo::MongoObserver;
use llc::observe::{DrawBlock, Event, Observers, RunInfo, Status};
use llc::record::json;
use mongodb::bson::{Bson, Document, doc};
use mongodb::sync::{Client, Database};
use serde_json::{Value, json};

/// A heartbeat short enough for a test to see many.
pub const BEAT: Duration = Duration::from_millis(20);
pub const NUM_DRAWS: usize = 2000;

/// A database of a name that no other test has.
pub fn database(host: &str) -> (Address, Database) {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("llc_test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let client = Client::with_uri_str(format!("mongodb://{host}/?serverSelectionTimeoutMS=5000")).unwrap();
    (Address::parse(&format!("{host}:{name}")).unwrap(), client.database(&name))
}

/// A run that is being recorded and delivered.
pub struct Recorded {
    pub observers: Observers,
    pub run_dir: PathBuf,
}

pub fn info() -> RunInfo {
    RunInfo {
        name: "synthetic".to_owned(),
        command: "dln".to_owned(),
        argv: ["llc", "dln", "--mongo-url", "mongodb://anna:geheim@db.example.org/llc"].map(str::to_owned).to_vec(),
        config: json!({"seed": 7, "sampler": {"gamma": 2.5}}),
        config_updates: json!({"seed": 7}),
        comment: Some("a remark".to_owned()),
        num_chains: 2,
        num_draws: NUM_DRAWS,
        num_warmup: 300,
        num_parameters: 3,
        n_beta: 80.0,
        init_loss: 0.125,
        draws_at_points: false,
    }
}

impl Recorded {
    /// Starts a run in `base` that goes to `addresses`.
    pub fn start(base: &Path, addresses: &[Address]) -> Self {
        let mut observers = Observers::default();
        observers.push(Box::new(FileTreeObserver::with_heartbeat(base, BEAT).unwrap()));
        let run_dir = observers.run_dir().unwrap();
        observers.push(Box::new(MongoObserver::with_heartbeat(&run_dir, addresses, BEAT)));
        observers.emit(&Event::Started(&info()));
        Self { observers, run_dir }
    }

    /// Makes these draws of both chains; one distance in seven of the second is not a number.
    pub fn draw(&mut self, draws: Range<usize>) {
        for chain in 0..2 {
            let distance = |draw: usize| if chain == 1 && draw % 7 == 3 { f64::NAN } else { draw as f64 };
            let block = DrawBlock {
                loss: draws.clone().map(|draw| 0.5 + (draw as f64).sin() / 8.0).collect(),
                distance: draws.clone().map(distance).collect(),
                acceptance: vec![0.75; draws.len()],
                ..DrawBlock::default()
            };
            self.observers.emit(&Event::Draws { chain, first_draw: draws.start, block: &block });
        }
    }

    pub fn end(&mut self) {
        self.observers.emit(&Event::Artifact { name: "curve.csv", content: b"a,b\n1,2\n" });
        self.observers.emit(&Event::Output("the last words"));
        let report = json!({"llc": {"mean": 30.25}, "verdict": "good"});
        self.observers.emit(&Event::Ended { status: Status::Completed, report: Some(&report), fail_trace: &[] });
    }

    /// What `cout.txt` says.
    pub fn output(&self) -> String {
        std::fs::read_to_string(self.run_dir.join("cout.txt")).unwrap()
    }
}

/// A whole run.
pub fn complete(base: &Path, addresses: &[Address]) -> Recorded {
    let mut run = Recorded::start(base, addresses);
    run.draw(0..NUM_DRAWS);
    run.end();
    run
}

pub fn metrics_json(run_dir: &Path) -> Value {
    json::parse(&std::fs::read_to_string(run_dir.join("metrics.json")).unwrap()).unwrap()
}

/// The metrics of the run `id` as `metrics.json` would have them, but for timestamps to the millisecond. Each is there once.
pub fn stored_metrics(database: &Database, id: i32) -> Value {
    let mut found = serde_json::Map::new();
    for metric in database.collection::<Document>("metrics").find(doc! {"run_id": id}).run().unwrap() {
        let metric = metric.unwrap();
        let list = |key: &str| metric.get_array(key).unwrap().iter().map(plain).collect::<Vec<_>>();
        let series = json!({"steps": list("steps"), "timestamps": list("timestamps"), "values": list("values")});
        let before = found.insert(metric.get_str("name").unwrap().to_owned(), series);
        assert!(before.is_none(), "two documents of one metric");
    }
    Value::Object(found)
}

fn plain(value: &Bson) -> Value {
    match value {
        Bson::DateTime(at) => json!(at.timestamp_millis()),
        Bson::Int32(number) => json!(number),
        Bson::Double(number) => json!(number),
        other => panic!("{other:?}"),
    }
}

/// Checks that every metric of the folder is there, point by point.
pub fn assert_metrics(database: &Database, id: i32, run_dir: &Path) {
    let mut expected = metrics_json(run_dir);
    for series in expected.as_object_mut().unwrap().values_mut() {
        for at in series["timestamps"].as_array_mut().unwrap() {
            *at = json!(llc::record::time::parse(at.as_str().unwrap()).unwrap().as_millisecond());
        }
    }
    let stored = stored_metrics(database, id);
    assert_eq!(stored["llc"], expected["llc"]);
    assert_eq!(stored, expected);
}

/// The document of the run `id`.
pub fn run_document(database: &Database, id: i32) -> Document {
    database.collection::<Document>("runs").find_one(doc! {"_id": id}).run().unwrap().expect("the run is there")
}

pub fn num_runs(database: &Database) -> u64 {
    database.collection::<Document>("runs").count_documents(doc! {}).run().unwrap()
}

pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(30), "waited in vain until {what}");
        thread::sleep(Duration::from_millis(10));
    }
}
