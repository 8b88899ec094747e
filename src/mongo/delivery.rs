//! Delivers one run's folder to one database; repeated deliveries give the same result.
//!
//! Every document and every file of a run has an id that follows from the run's token, so that whatever was sent twice is
//! there once. What is named is there first: metrics and files before the run's document that lists them.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::SystemTime;

use md5::{Digest as _, Md5};
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, Document};

use super::address::Address;
use super::archive;
use super::database::Database;
use super::document::{Links, document};
use super::error::MongoError;
use super::files::RunFiles;
use super::ledger::Ledger;
use super::metrics::StoredMetrics;

/// The delivery of one run to one address: the connection, and what is known to be there.
#[derive(Debug)]
pub struct Delivery {
    run_dir: PathBuf,
    address: Address,
    /// Counts answers of the server.
    num_answers: Arc<AtomicU64>,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    database: Database,
    ledger: Ledger,
    known: Known,
}

/// What the server is known to have; nothing after an error.
#[derive(Debug, Default)]
struct Known {
    /// The run's number, once its document is there.
    id: Option<i32>,
    run: Document,
    metrics: StoredMetrics,
    /// Files by their artifact's name.
    files: BTreeMap<String, (Stamp, ObjectId)>,
}

/// Changes with a file's content.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp(u64, Option<SystemTime>);

/// How much of the folder is to be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All but the draws: the run continues.
    Beat,
    /// All of it.
    Whole,
}

/// What is in the database now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// Where.
    pub address: String,
    /// The run's number there.
    pub id: i32,
    /// Metrics.
    pub num_metrics: usize,
    /// Their points.
    pub num_points: usize,
    /// Files.
    pub num_artifacts: usize,
    /// Names of what is too large for a database.
    pub left_in_folder: Vec<String>,
}

impl Delivery {
    /// Prepares the delivery of the run in the folder `run_dir` to `address`.
    pub fn new(run_dir: &Path, address: &Address) -> Self {
        Self { run_dir: run_dir.to_owned(), address: address.clone(), num_answers: Arc::default(), open: None }
    }

    /// Grows with every answer of the server, for a thread that waits for a delivery.
    pub fn num_answers(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.num_answers)
    }

    /// Makes the database equal to the folder.
    ///
    /// # Errors
    ///
    /// [`MongoError`] where the server, or the way to it, fails: what was not delivered will be by the next call. Also
    /// where the folder can't be read, or where another process delivers it.
    pub fn deliver(&mut self, extent: Extent) -> Result<Delivered, MongoError> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.open()?,
        };
        let delivered = open.deliver(&self.run_dir, extent);
        if delivered.is_err() {
            // Whether the last words arrived is unknown.
            open.known = Known::default();
        }
        self.open = Some(open);
        delivered
    }

    fn open(&self) -> Result<Open, MongoError> {
        let ledger = Ledger::open(&self.run_dir, &self.address)?;
        let database = Database::new(&self.address, Arc::clone(&self.num_answers))?;
        Ok(Open { database, ledger, known: Known::default() })
    }
}

impl Open {
    fn deliver(&mut self, run_dir: &Path, extent: Extent) -> Result<Delivered, MongoError> {
        if extent == Extent::Whole {
            // The server may have lost what it once acknowledged: all of it is looked at again.
            self.known = Known::default();
        }
        let files = RunFiles::read(run_dir)?;
        let id = self.ensure_run(&files)?;
        let metrics = self.deliver_metrics(id, &files)?;
        let mut links = self.deliver_artifacts(run_dir, id, &files)?;
        if extent == Extent::Whole {
            self.deliver_draws(run_dir, id, &mut links)?;
        }
        links.metrics = metrics;
        self.deliver_document(id, &files, &links)?;
        for (name, file) in &links.artifacts {
            let is_new = self.known.files.get(name).is_none_or(|(_, known)| known != file);
            if is_new || extent == Extent::Whole {
                self.database.remove_others(&self.file_name(id, name), *file)?;
            }
        }
        if extent == Extent::Whole {
            self.ledger.set_delivered(files.state())?;
        }
        Ok(Delivered {
            address: self.database.address.to_string(),
            id,
            num_metrics: links.metrics.len(),
            num_points: files.metrics.values().map(super::files::Series::len).sum(),
            num_artifacts: links.artifacts.len(),
            left_in_folder: links.left_in_folder,
        })
    }

    /// The run's number, after its document was inserted if it was not there.
    fn ensure_run(&mut self, files: &RunFiles) -> Result<i32, MongoError> {
        if let Some(id) = self.known.id {
            return Ok(id);
        }
        let token = self.ledger.token();
        if self.ledger.may_be_there()
            && let Some(id) = self.database.id_of(token)?
        {
            self.ledger.set_id(id)?;
        }
        self.database.ensure_indexes()?;
        loop {
            let id = match self.ledger.id() {
                Some(id) => id,
                None => self.database.next_id()?,
            };
            // Before the insert: if its answer is lost, this is the number to look at.
            self.ledger.set_id(id)?;
            if self.database.is_run(id, token)?
                || self.database.insert_run(&document(id, token, files, &Links::default()))?
                || self.database.is_run(id, token)?
            {
                self.known.id = Some(id);
                return Ok(id);
            }
            // Another run has the number.
            let next = self.database.next_id()?;
            self.ledger.set_id(next)?;
        }
    }

    fn deliver_metrics(&mut self, id: i32, files: &RunFiles) -> Result<Vec<(String, ObjectId)>, MongoError> {
        let mut delivered = Vec::new();
        for (name, series) in &files.metrics {
            let document = self.derived(&["metric", &id.to_string(), name]);
            self.known.metrics.deliver(&self.database, (id, name), document, series)?;
            delivered.push((name.clone(), document));
        }
        Ok(delivered)
    }

    fn deliver_artifacts(&mut self, run_dir: &Path, id: i32, files: &RunFiles) -> Result<Links, MongoError> {
        let mut links = Links::default();
        for name in files.artifacts() {
            let path = run_dir.join(&name);
            let error = |source| MongoError::io(&path, source);
            let mut file = match File::open(&path) {
                // It was removed; the others are still worth delivering.
                Err(missing) if missing.kind() == io::ErrorKind::NotFound => continue,
                file => file.map_err(error)?,
            };
            let metadata = file.metadata().map_err(error)?;
            let stamp = Stamp(metadata.len(), metadata.modified().ok());
            let file_id = match self.known.files.get(&name) {
                Some((known, file_id)) if *known == stamp => *file_id,
                _ => {
                    let digest = digest(&mut file).and_then(|digest| file.rewind().map(|()| digest)).map_err(error)?;
                    let file_id = self.derived(&["file", &id.to_string(), &name, &digest]);
                    self.database.store(file_id, &self.file_name(id, &name), &mut file, &path)?;
                    self.known.files.insert(name.clone(), (stamp, file_id));
                    file_id
                }
            };
            links.artifacts.push((name, file_id));
        }
        Ok(links)
    }

    fn deliver_draws(&mut self, run_dir: &Path, id: i32, links: &mut Links) -> Result<(), MongoError> {
        for draws in archive::draws(run_dir).map_err(|source| MongoError::io(run_dir, source))? {
            if draws.is_large() {
                links.left_in_folder.push(draws.name);
                continue;
            }
            let name = format!("{}.zip", draws.name);
            let path = run_dir.join(&name);
            let error = |source| MongoError::io(&path, source);
            let bytes = draws.zip().map_err(error)?;
            let file_id =
                self.derived(&["file", &id.to_string(), &name, &digest(&mut bytes.as_slice()).map_err(error)?]);
            self.database.store(file_id, &self.file_name(id, &name), &mut bytes.as_slice(), &path)?;
            links.artifacts.push((name, file_id));
        }
        Ok(())
    }

    /// Sends the fields of the run's document that have changed.
    fn deliver_document(&mut self, id: i32, files: &RunFiles, links: &Links) -> Result<(), MongoError> {
        let token = self.ledger.token();
        let document = document(id, token, files, links);
        let has_changed = |(key, value): &(&String, &Bson)| *key != "_id" && self.known.run.get(*key) != Some(*value);
        let set: Document =
            document.iter().filter(has_changed).map(|(key, value)| (key.clone(), value.clone())).collect();
        // A run that was resumed has no end any more.
        let gone = if document.contains_key("stop_time") {
            Document::new()
        } else {
            [("stop_time".to_owned(), Bson::from(""))].into_iter().collect()
        };
        if !self.database.update_run(id, token, set, gone)? {
            self.known.id = None;
            return Err(MongoError::problem(
                &self.database.address,
                &format!("run {id} was removed from the database in the meantime"),
            ));
        }
        self.known.run = document;
        Ok(())
    }

    /// An id that follows from the run and `parts`, beginning with the seconds of the token as every such id does.
    fn derived(&self, parts: &[&str]) -> ObjectId {
        let token = self.ledger.token().bytes();
        let mut digest = Md5::new();
        digest.update(token);
        for part in parts {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part.as_bytes());
        }
        let digest = digest.finalize();
        let mut bytes = token;
        bytes[4..].copy_from_slice(&digest[..8]);
        ObjectId::from_bytes(bytes)
    }

    fn file_name(&self, id: i32, name: &str) -> String {
        format!("artifact://{}/{id}/{name}", self.database.address.collection())
    }
}

impl fmt::Display for Delivered {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Self { address, id, num_metrics, num_points, num_artifacts, left_in_folder } = self;
        let plural = |number: usize, noun| format!("{number} {noun}{}", if number == 1 { "" } else { "s" });
        let [metrics, points] =
            [(*num_metrics, "metric"), (*num_points, "point")].map(|(number, noun)| plural(number, noun));
        write!(f, "{address} as {id}: {metrics}, {points}, {}", plural(*num_artifacts, "artifact"))?;
        if left_in_folder.is_empty() {
            Ok(())
        } else {
            write!(f, "; too large, so only in the folder: {}", left_in_folder.join(", "))
        }
    }
}

fn digest(content: &mut dyn Read) -> io::Result<String> {
    let mut digest = Md5::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match content.read(&mut buffer)? {
            0 => return Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            length => digest.update(&buffer[..length]),
        }
    }
}
