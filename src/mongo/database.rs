//! Holds the connection to one database, its collections, and what Sacred's layout asks of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mongodb::IndexModel;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, Document, doc};
use mongodb::error::{Error, ErrorKind};
use mongodb::options::{ClientOptions, IndexOptions};
use mongodb::sync::{Client, Collection};

use super::address::Address;
use super::error::{MongoError, is_duplicate};

/// How long a server may take to answer at all before it counts as being away.
pub(super) const SERVER_WAIT: Duration = Duration::from_secs(3);

/// One database, connected to when it is first asked something.
#[derive(Debug)]
pub(super) struct Database {
    pub(super) address: Address,
    runs: Collection<Document>,
    pub(super) metrics: Collection<Document>,
    pub(super) files: Collection<Document>,
    pub(super) chunks: Collection<Document>,
    /// Counts answers of the server, for a waiting thread.
    num_answers: Arc<AtomicU64>,
}

impl Database {
    /// Prepares a connection; nothing is sent yet.
    pub(super) fn new(address: &Address, num_answers: Arc<AtomicU64>) -> Result<Self, MongoError> {
        let error = |error| MongoError::server(address, &error);
        let mut options = ClientOptions::parse(address.secret_url()).run().map_err(error)?;
        options.app_name = Some(env!("CARGO_PKG_NAME").to_owned());
        options.server_selection_timeout = Some(SERVER_WAIT);
        options.connect_timeout = Some(SERVER_WAIT);
        let client = Client::with_options(options).map_err(error)?;
        let database = client.database(address.database());
        Ok(Self {
            address: address.clone(),
            runs: database.collection(address.collection()),
            metrics: database.collection("metrics"),
            files: database.collection("fs.files"),
            chunks: database.collection("fs.chunks"),
            num_answers,
        })
    }

    /// What the server answered, or its error freed of credentials.
    pub(super) fn answer<T>(&self, answer: Result<T, Error>) -> Result<T, MongoError> {
        let answer = answer.map_err(|error| MongoError::server(&self.address, &error))?;
        self.num_answers.fetch_add(1, Ordering::Relaxed);
        Ok(answer)
    }

    /// The same, with `None` where a document of that `_id` was there already.
    pub(super) fn insertion<T>(&self, answer: Result<T, Error>) -> Result<Option<T>, MongoError> {
        match answer {
            Err(error) if is_duplicate(&error) => Ok(None),
            answer => self.answer(answer).map(Some),
        }
    }

    /// Makes the indexes of GridFS, and one that finds the metrics of a run, if they are missing.
    pub(super) fn ensure_indexes(&self) -> Result<(), MongoError> {
        let unique = IndexOptions::builder().unique(true).build();
        let indexes = [
            (&self.files, IndexModel::builder().keys(doc! {"filename": 1, "uploadDate": 1}).build()),
            (&self.chunks, IndexModel::builder().keys(doc! {"files_id": 1, "n": 1}).options(unique).build()),
            (&self.metrics, IndexModel::builder().keys(doc! {"run_id": 1, "name": 1}).build()),
        ];
        for (collection, index) in indexes {
            match collection.create_index(index).run() {
                // Somebody made one of other options, or this user may not make any: all works without, only slower.
                Err(error) if matches!(*error.kind, ErrorKind::Command(_)) => {}
                answer => self.answer(answer).map(drop)?,
            }
        }
        Ok(())
    }

    /// The next number: the highest of the runs' plus one.
    pub(super) fn next_id(&self) -> Result<i32, MongoError> {
        let find =
            self.runs.find_one(doc! {"_id": {"$type": "number"}}).sort(doc! {"_id": -1}).projection(doc! {"_id": 1});
        let highest = self.answer(find.run())?.and_then(|run| integer(run.get("_id")?)).unwrap_or(0);
        i32::try_from(highest + 1).map_err(|_| {
            MongoError::problem(&self.address, &format!("the number after {highest} is too large for a run"))
        })
    }

    /// Inserts a run; `false` where its number is taken.
    pub(super) fn insert_run(&self, run: &Document) -> Result<bool, MongoError> {
        Ok(self.insertion(self.runs.insert_one(run).run())?.is_some())
    }

    /// Sets fields of the run `id` and takes others away; `false` if there is no such run with this token.
    pub(super) fn update_run(
        &self,
        id: i32,
        token: ObjectId,
        set: Document,
        unset: Document,
    ) -> Result<bool, MongoError> {
        let mut update = Document::new();
        for (operator, fields) in [("$set", set), ("$unset", unset)] {
            if !fields.is_empty() {
                update.insert(operator, fields);
            }
        }
        let filter = doc! {"_id": id, "meta.token": token.to_hex()};
        Ok(self.answer(self.runs.update_one(filter, update).run())?.matched_count == 1)
    }

    /// Whether the run `id` has this token.
    pub(super) fn is_run(&self, id: i32, token: ObjectId) -> Result<bool, MongoError> {
        let filter = doc! {"_id": id, "meta.token": token.to_hex()};
        Ok(self.answer(self.runs.find_one(filter).projection(doc! {"_id": 1}).run())?.is_some())
    }

    /// The number of the run with this token. No index helps: it is for rare cases.
    pub(super) fn id_of(&self, token: ObjectId) -> Result<Option<i32>, MongoError> {
        let find = self.runs.find_one(doc! {"meta.token": token.to_hex()}).projection(doc! {"_id": 1});
        Ok(self.answer(find.run())?.and_then(|run| i32::try_from(integer(run.get("_id")?)?).ok()))
    }

    /// The runs that match `filter`, by number, without the fields that only a reader of one run needs.
    pub(super) fn runs(&self, filter: Document) -> Result<Vec<Document>, MongoError> {
        let unwanted = doc! {"captured_out": 0, "artifacts": 0, "resources": 0, "experiment.sources": 0};
        let found = self.answer(self.runs.find(filter).sort(doc! {"_id": 1}).projection(unwanted).run())?;
        found.map(|run| self.answer(run)).collect()
    }

    /// What the run `id` has of artifacts, in its document; `None` if there is no such run.
    pub(super) fn artifacts_of(&self, id: i64) -> Result<Option<Document>, MongoError> {
        self.answer(self.runs.find_one(doc! {"_id": id}).projection(doc! {"artifacts": 1}).run())
    }
}

/// A number of any of BSON's types.
pub(super) fn real(number: &Bson) -> Option<f64> {
    number.as_f64().or_else(|| integer(number).map(|number| number as f64))
}

/// A whole number of any of BSON's types.
pub(super) fn integer(number: &Bson) -> Option<i64> {
    match *number {
        Bson::Int32(number) => Some(i64::from(number)),
        Bson::Int64(number) => Some(number),
        Bson::Double(number) if number.fract() == 0.0 => Some(number as i64),
        _ => None,
    }
}
