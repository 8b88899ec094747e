//! Makes the document of a run, field by field as Sacred 0.8.7's `MongoObserver-0.7.0` has it.
//!
//! What Sacred adds in the course of a run is there from the start, because readers fail on runs without it: `heartbeat` (the
//! start), `result`, `info`, `artifacts`, `resources`, `fail_trace`. `stop_time` alone comes with the end. Two things are
//! added: `meta.token`, by which a run knows its own document, and `info.left_in_folder`, names of what is too large.

use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, Document, doc};
use serde_json::Value;

use super::bson::{date, from_json, from_object};
use super::files::{RunFiles, without_middle};

/// What Sacred writes into `format`, which says how the document is to be read.
const FORMAT: &str = "MongoObserver-0.7.0";
/// Bytes that a document may have: MongoDB takes 16 MiB, with a margin for what others add, such as Omniboard's notes.
const MAX_BYTES: usize = 15 << 20;

/// What the document names that lies elsewhere in the database.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// Files in GridFS, by the artifact's name.
    pub(super) artifacts: Vec<(String, ObjectId)>,
    /// Documents of the metrics, by the metric's name.
    pub(super) metrics: Vec<(String, ObjectId)>,
    /// Names of what is too large for the database.
    pub(super) left_in_folder: Vec<String>,
}

/// The document of the run `id`.
pub(super) fn document(id: i32, token: ObjectId, files: &RunFiles, links: &Links) -> Document {
    let field = |key: &str| files.run.get(key).unwrap_or(&Value::Null);
    let list =
        |key: &str| from_json(Some(field(key)).filter(|value| value.is_array()).unwrap_or(&Value::Array(vec![])));
    let mut meta = field("meta").as_object().map(from_object).unwrap_or_default();
    meta.insert("token", token.to_hex());
    let mut document = doc! {
        "_id": id,
        "experiment": from_json(field("experiment")),
        "format": FORMAT,
        "command": from_json(field("command")),
        "host": from_json(field("host")),
        "start_time": date(field("start_time")),
        "config": from_json(&files.config),
        "meta": meta,
        "status": from_json(field("status")),
        "resources": list("resources"),
        "artifacts": links.artifacts.iter().map(|(name, id)| doc! {"name": name, "file_id": *id}).collect::<Vec<_>>(),
        "captured_out": "",
        "info": info(from_object(&files.info), links),
        "heartbeat": date(field("heartbeat")),
        "result": from_json(field("result")),
        "fail_trace": list("fail_trace"),
    };
    if let stop @ Bson::DateTime(_) = date(field("stop_time")) {
        document.insert("stop_time", stop);
    }
    if num_bytes(&document) > MAX_BYTES {
        let left_in_folder = [links.left_in_folder.as_slice(), &["info.json".to_owned()]].concat();
        document.insert(
            "info",
            info(Document::new(), &Links { left_in_folder, metrics: links.metrics.clone(), ..Links::default() }),
        );
    }
    let room = MAX_BYTES.saturating_sub(num_bytes(&document));
    document.insert("captured_out", without_middle(&files.captured_out, room));
    document
}

fn info(mut info: Document, links: &Links) -> Document {
    if !links.metrics.is_empty() {
        let metrics = links.metrics.iter().map(|(name, id)| doc! {"name": name, "id": id.to_hex()});
        info.insert("metrics", metrics.collect::<Vec<_>>());
    }
    if !links.left_in_folder.is_empty() {
        info.insert("left_in_folder", links.left_in_folder.clone());
    }
    info
}

/// The document's length in BSON.
fn num_bytes(document: &Document) -> usize {
    // Only keys with a NUL can't be encoded, and super::bson makes none.
    document.to_vec().map_or(usize::MAX, |bytes| bytes.len())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    fn files(run: &Value, captured_out: &str) -> RunFiles {
        RunFiles {
            run: run.as_object().unwrap().clone(),
            config: json!({"seed": 3, "model": {"layer_widths": [2, 2]}}),
            info: json!({"report": {"verdict": "good"}}).as_object().unwrap().clone(),
            captured_out: captured_out.to_owned(),
            metrics: BTreeMap::new(),
        }
    }

    fn running() -> Value {
        json!({
            "artifacts": [], "command": "dln", "experiment": {"name": "dln"}, "heartbeat": "2026-11-21T17:20:43.704198",
            "host": {"hostname": "h"}, "meta": {"command": "dln"}, "resources": [], "result": null,
            "start_time": "2026-11-21T17:20:43.704198", "status": "RUNNING",
        })
    }

    #[test]
    fn every_field_that_readers_need_is_there_from_the_start() {
        let document = document(7, ObjectId::new(), &files(&running(), "out"), &Links::default());
        for key in ["experiment", "format", "command", "host", "start_time", "config", "meta", "status", "resources"] {
            assert!(document.contains_key(key), "{key}");
        }
        assert_eq!(document.get("_id"), Some(&Bson::Int32(7)));
        assert_eq!(document.get("heartbeat"), document.get("start_time"));
        assert_eq!((document.get("result"), document.get("stop_time")), (Some(&Bson::Null), None));
        for list in ["artifacts", "fail_trace", "resources"] {
            assert_eq!(document.get_array(list).unwrap(), &[], "{list}");
        }
    }

    #[test]
    fn an_ended_run_has_its_end_its_links_and_its_trace() {
        let mut run = running();
        run["status"] = json!("FAILED");
        run["fail_trace"] = json!(["line\n"]);
        run["stop_time"] = json!("2026-11-21T17:20:44.000000");
        let id = ObjectId::new();
        let links = Links {
            artifacts: vec![("report.json".to_owned(), id)],
            metrics: vec![("llc".to_owned(), id)],
            left_in_folder: vec!["draws.zarr".to_owned()],
        };
        let document = document(7, ObjectId::new(), &files(&run, "out"), &links);
        assert_eq!(document.get_array("fail_trace").unwrap(), &[Bson::from("line\n")]);
        assert!(document.get_datetime("stop_time").is_ok());
        assert_eq!(
            document.get_array("artifacts").unwrap()[0],
            Bson::from(doc! {"name": "report.json", "file_id": id})
        );
        let info = document.get_document("info").unwrap();
        assert_eq!(info.get_array("metrics").unwrap()[0], Bson::from(doc! {"name": "llc", "id": id.to_hex()}));
        assert_eq!(info.get_array("left_in_folder").unwrap(), &[Bson::from("draws.zarr")]);
        assert_eq!(info.get_document("report").unwrap().get_str("verdict").unwrap(), "good");
    }

    #[test]
    fn a_document_stays_below_mongodbs_limit() {
        let output = "x".repeat(16 << 20);
        let document = document(1, ObjectId::new(), &files(&running(), &output), &Links::default());
        assert!(num_bytes(&document) < 16 << 20);
        let shown = document.get_str("captured_out").unwrap();
        assert!(shown.len() > 14 << 20 && shown.contains("bytes are omitted"));

        let mut large = files(&running(), "out");
        large.info.insert("report".to_owned(), json!("x".repeat(16 << 20)));
        let document = super::document(1, ObjectId::new(), &large, &Links::default());
        assert!(num_bytes(&document) < 16 << 20);
        assert_eq!(document.get_str("captured_out").unwrap(), "out");
        assert_eq!(document.get_document("info").unwrap().get_array("left_in_folder").unwrap().len(), 1);
    }
}
