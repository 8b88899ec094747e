//! Reads runs out of a database, `llc`'s and Sacred's, as [`record::read`](crate::record::read) reads them from folders.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use mongodb::bson::{Bson, Document, doc};
use serde_json::Value;

use super::address::Address;
use super::bson::{timestamp, to_json};
use super::database::{Database, integer, real};
use super::error::MongoError;
use crate::record::read::Run;

/// Every run of the collection that `address` names, by number. A run whose `_id` is not a number is not listed.
///
/// # Errors
///
/// [`MongoError`] where the server can't be asked.
pub fn list(address: &Address) -> Result<Vec<Run>, MongoError> {
    let runs = Database::new(address, Arc::default())?.runs(Document::new())?;
    Ok(runs.iter().filter_map(|run| from_document(address, run)).collect())
}

/// The run `id` of that collection.
///
/// # Errors
///
/// [`MongoError`] if there is none, or the server can't be asked.
pub fn find(address: &Address, id: u64) -> Result<Run, MongoError> {
    // A number that BSON can't hold belongs to no run.
    let filter = doc! {"_id": i64::try_from(id).unwrap_or(-1)};
    let runs = Database::new(address, Arc::default())?.runs(filter)?;
    let found = runs.iter().find_map(|run| from_document(address, run));
    found.ok_or_else(|| MongoError::NoRun { address: address.to_string(), id })
}

/// The points of a metric: steps, and as many values.
pub type Points = (Vec<f64>, Vec<f64>);

/// Reads what runs hold beside their documents: their metrics and their files.
#[derive(Debug)]
pub struct Reader {
    database: Database,
}

impl Reader {
    /// Reads runs of the collection that `address` names; nothing is asked yet.
    ///
    /// # Errors
    ///
    /// [`MongoError`] where the address makes no connection.
    pub fn new(address: &Address) -> Result<Self, MongoError> {
        Ok(Self { database: Database::new(address, Arc::default())? })
    }

    /// The metrics of the run `id` by name.
    ///
    /// # Errors
    ///
    /// [`MongoError`] where the server can't be asked.
    pub fn metrics(&self, id: u64) -> Result<BTreeMap<String, Points>, MongoError> {
        let Ok(run_id) = i64::try_from(id) else { return Ok(BTreeMap::new()) };
        let wanted = doc! {"name": 1, "steps": 1, "values": 1};
        let found = self.database.metrics.find(doc! {"run_id": run_id}).projection(wanted).run();
        let mut metrics = BTreeMap::new();
        for document in self.database.answer(found)? {
            let document = self.database.answer(document)?;
            let numbers = |key: &str| -> Vec<f64> {
                let list = document.get_array(key).map(Vec::as_slice).unwrap_or_default();
                list.iter().map(|number| real(number).unwrap_or(f64::NAN)).collect()
            };
            if let Ok(name) = document.get_str("name") {
                metrics.insert(name.to_owned(), (numbers("steps"), numbers("values")));
            }
        }
        Ok(metrics)
    }

    /// The content of the artifact `name` of the run `id`; `None` where it has none of that name.
    ///
    /// # Errors
    ///
    /// [`MongoError`] where the server can't be asked, or where parts of the file are missing there.
    pub fn artifact(&self, id: u64, name: &str) -> Result<Option<Vec<u8>>, MongoError> {
        let Some(run) = i64::try_from(id).ok().map(|id| self.database.artifacts_of(id)).transpose()?.flatten() else {
            return Ok(None);
        };
        let artifacts = run.get_array("artifacts").map(Vec::as_slice).unwrap_or_default();
        let is_named = |artifact: &&Document| artifact.get_str("name").is_ok_and(|known| known == name);
        match artifacts.iter().filter_map(Bson::as_document).find(is_named).and_then(|artifact| artifact.get("file_id"))
        {
            Some(file_id) => self.database.content(file_id, name).map(Some),
            None => Ok(None),
        }
    }
}

fn from_document(address: &Address, document: &Document) -> Option<Run> {
    let id = u64::try_from(integer(document.get("_id")?)?).ok()?;
    let at = |path: &[&str]| {
        let (last, first) = path.split_last()?;
        first.iter().try_fold(document, |document, key| document.get_document(key).ok())?.get(last)
    };
    let text = |path: &[&str]| at(path).and_then(Bson::as_str).unwrap_or_default().to_owned();
    let moment = |key: &str| document.get_datetime(key).ok().and_then(|at| timestamp(*at));
    let lines = document.get_array("fail_trace").map(Vec::as_slice).unwrap_or_default();
    let words = at(&["meta", "argv"]).and_then(Bson::as_array).map(Vec::as_slice).unwrap_or_default();
    Some(Run {
        id,
        path: PathBuf::from(format!("{address}/{id}")),
        status: text(&["status"]),
        name: text(&["experiment", "name"]),
        command: text(&["command"]),
        comment: text(&["meta", "comment"]),
        argv: words.iter().filter_map(Bson::as_str).map(str::to_owned).collect(),
        hostname: text(&["host", "hostname"]),
        start: moment("start_time"),
        stop: moment("stop_time"),
        heartbeat: moment("heartbeat"),
        result: document.get("result").and_then(Bson::as_f64).filter(|result| result.is_finite()),
        fail_trace: lines.iter().filter_map(Bson::as_str).map(|line| line.trim_end().to_owned()).collect(),
        config: document.get("config").map_or(Value::Null, to_json),
        report: at(&["info", "report"]).map(to_json),
    })
}

#[cfg(test)]
mod tests {
    use mongodb::bson::DateTime;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_is_read_as_the_folder_would_be() {
        let start = DateTime::from_millis(1_795_281_643_704);
        let document = doc! {
            "_id": 7, "experiment": {"name": "exp"}, "command": "main", "host": {"hostname": "h"}, "start_time": start,
            "config": {"seed": 3, "a": {"b": 0.5}}, "meta": {"comment": "c"}, "status": "FAILED", "heartbeat": Bson::Null,
            "result": f64::NAN, "fail_trace": ["a\n"], "info": {"report": {"verdict": "good"}},
        };
        let run = from_document(&Address::parse("h:1:llc").unwrap(), &document).unwrap();
        assert_eq!((run.id, run.name.as_str(), run.status.as_str(), run.comment.as_str()), (7, "exp", "FAILED", "c"));
        assert_eq!((run.start.unwrap().as_millisecond(), run.heartbeat), (1_795_281_643_704, None));
        assert_eq!((run.result, run.fail_trace), (None, vec!["a".to_owned()]));
        assert_eq!((run.config, run.report), (json!({"seed": 3, "a": {"b": 0.5}}), Some(json!({"verdict": "good"}))));
        assert_eq!(run.path.to_str(), Some("h:1:llc/7"));
    }

    #[test]
    fn sacreds_queued_run_is_read_without_its_missing_fields() {
        let run = from_document(&Address::parse("llc").unwrap(), &doc! {"_id": 1_i64, "status": "QUEUED"}).unwrap();
        assert_eq!((run.status.as_str(), run.start, run.report), ("QUEUED", None, None));
        assert!(from_document(&Address::parse("llc").unwrap(), &doc! {"_id": "a"}).is_none());
    }
}
