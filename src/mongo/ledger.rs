//! Remembers in a run's folder what was delivered where, so that another process can continue with it.
//!
//! ```text
//! RUN_DIR/.llc/token            the run's name for itself, in every document that is made of it
//! RUN_DIR/.llc/mongo/NAME.json  for one address: the run's number there, and up to what it was delivered
//! RUN_DIR/.llc/mongo/NAME.lock  held by the process that delivers
//! ```
//!
//! A number is written down before a document with it is inserted. Where the answer to an insert was lost, the number is
//! tried again: the token of the document that has it says whose it is.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use md5::{Digest as _, Md5};
use mongodb::bson::oid::ObjectId;
use serde::{Deserialize, Serialize};

use super::address::Address;
use super::error::MongoError;
use crate::record;
use crate::record::atomic::{Durability, replace};
use crate::record::lock::Held;

/// What one run's folder knows of one address.
#[derive(Debug)]
pub(super) struct Ledger {
    path: PathBuf,
    token: ObjectId,
    /// Whether the run may have been delivered before this process knew of it.
    is_old: bool,
    entry: Entry,
    /// Held until it is dropped.
    _lock: File,
}

/// The file's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// The address without credentials.
    pub(super) url: String,
    /// The run's number there; it may be that no document has it yet.
    pub(super) id: Option<i32>,
    /// The state of the folder that was delivered whole.
    pub(super) delivered: Option<State>,
}

/// Tells two states of a run's folder apart. Every change of the other files comes with a new heartbeat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) status: String,
    pub(super) heartbeat: String,
}

impl Ledger {
    /// Opens the ledger of the run in `run_dir` for `address`, or begins it.
    pub(super) fn open(run_dir: &Path, address: &Address) -> Result<Self, MongoError> {
        let folder = run_dir.join(".llc").join("mongo");
        fs::create_dir_all(&folder).map_err(|source| MongoError::io(&folder, source))?;
        let name = file_name(address);
        let lock = lock(&folder.join(format!("{name}.lock")), run_dir, address)?;
        let (token, is_old) = token(&run_dir.join(".llc"))?;
        let path = folder.join(format!("{name}.json"));
        let entry = read(&path)?;
        let is_new = entry.is_none();
        let entry = entry.unwrap_or_else(|| Entry { url: address.public_url(), id: None, delivered: None });
        let ledger = Self { path, token, is_old, entry, _lock: lock };
        if is_new {
            // So that the address is known even if its server is never there.
            ledger.write()?;
        }
        Ok(ledger)
    }

    /// The run's name for itself.
    pub(super) fn token(&self) -> ObjectId {
        self.token
    }

    /// Whether the run may be in the database without this ledger knowing its number.
    pub(super) fn may_be_there(&self) -> bool {
        self.is_old && self.entry.id.is_none()
    }

    /// The number that is the run's, or that was to be.
    pub(super) fn id(&self) -> Option<i32> {
        self.entry.id
    }

    /// Writes the number down.
    pub(super) fn set_id(&mut self, id: i32) -> Result<(), MongoError> {
        self.change(Entry { id: Some(id), delivered: None, ..self.entry.clone() })
    }

    /// Writes down that `state` was delivered whole.
    pub(super) fn set_delivered(&mut self, state: State) -> Result<(), MongoError> {
        self.change(Entry { delivered: Some(state), ..self.entry.clone() })
    }

    fn change(&mut self, entry: Entry) -> Result<(), MongoError> {
        if entry == self.entry {
            return Ok(());
        }
        self.entry = entry;
        self.write()
    }

    fn write(&self) -> Result<(), MongoError> {
        // An Entry has string keys and plain values: it can't fail to become JSON.
        let text = serde_json::to_string_pretty(&self.entry).unwrap_or_default();
        replace(&self.path, text.as_bytes(), Durability::Power).map_err(|source| MongoError::io(&self.path, source))
    }
}

/// The entries of every address that the run in `run_dir` was to be delivered to.
pub(super) fn entries(run_dir: &Path) -> Result<Vec<Entry>, MongoError> {
    let folder = run_dir.join(".llc").join("mongo");
    let listing = match fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listing => listing.map_err(|source| MongoError::io(&folder, source))?,
    };
    let mut paths = Vec::new();
    for file in listing {
        paths.push(file.map_err(|source| MongoError::io(&folder, source))?.path());
    }
    // A file that is being replaced has its own name, with a dot before it.
    let is_entry = |path: &PathBuf| {
        path.extension().is_some_and(|extension| extension == "json")
            && !path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
    };
    paths.retain(is_entry);
    paths.sort();
    paths.iter().filter_map(|path| read(path).transpose()).collect()
}

fn read(path: &Path) -> Result<Option<Entry>, MongoError> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(MongoError::io(path, source)),
        Ok(text) => match serde_json::from_str(&text) {
            Ok(entry) => Ok(Some(entry)),
            Err(error) => Err(MongoError::Json { path: path.to_owned(), error }),
        },
    }
}

/// The run's token, and whether it was there before.
fn token(folder: &Path) -> Result<(ObjectId, bool), MongoError> {
    let path = folder.join("token");
    let error = |source| MongoError::io(&path, source);
    // Of several processes that make one, the first wins: the file is there with its content or not at all.
    let mut new = tempfile::NamedTempFile::new_in(folder).map_err(error)?;
    new.write_all(ObjectId::new().to_hex().as_bytes()).and_then(|()| new.as_file().sync_all()).map_err(error)?;
    let is_old = match new.persist_noclobber(&path) {
        Ok(_) => false,
        Err(failed) if failed.error.kind() == io::ErrorKind::AlreadyExists => true,
        Err(failed) => return Err(error(failed.error)),
    };
    let text = fs::read_to_string(&path).map_err(error)?;
    let token = ObjectId::parse_str(text.trim()).map_err(|source| error(io::Error::other(source)))?;
    Ok((token, is_old))
}

fn lock(path: &Path, run_dir: &Path, address: &Address) -> Result<File, MongoError> {
    // On a file system without locks two may deliver at a time: that is idempotent.
    let locked = record::lock::lock(path).map_err(|source| MongoError::io(path, source))?;
    locked.map_err(|Held| MongoError::Busy { run_dir: run_dir.to_owned(), address: address.to_string() })
}

/// A name that every file system takes, and that no two addresses share.
fn file_name(address: &Address) -> String {
    let shown = address.to_string();
    let plain: String = shown.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '_' }).collect();
    let digest = Md5::digest(shown.as_bytes());
    format!("{:.80}-{:02x}{:02x}{:02x}", plain.trim_start_matches('.'), digest[0], digest[1], digest[2])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    #[test]
    fn what_was_written_down_is_there_for_the_next_process() {
        let run_dir = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::open(run_dir.path(), &address("h:1:a")).unwrap();
        let token = ledger.token();
        assert!(!ledger.may_be_there());
        let state = State { status: "COMPLETED".to_owned(), heartbeat: "now".to_owned() };
        ledger.set_id(7).unwrap();
        ledger.set_delivered(state.clone()).unwrap();
        drop(ledger);

        let again = Ledger::open(run_dir.path(), &address("h:1:a")).unwrap();
        assert_eq!((again.token(), again.id(), &again.entry.delivered), (token, Some(7), &Some(state)));
        let other = Ledger::open(run_dir.path(), &address("h:1:b")).unwrap();
        assert_eq!((other.token(), other.id()), (token, None));
        assert!(other.may_be_there(), "h may have another name, under which the run was delivered");
        assert_eq!(entries(run_dir.path()).unwrap().len(), 2);
    }

    #[test]
    fn a_new_number_takes_back_what_was_delivered() {
        let run_dir = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::open(run_dir.path(), &address("h:1:a")).unwrap();
        ledger.set_id(7).unwrap();
        ledger.set_delivered(State { status: "COMPLETED".to_owned(), heartbeat: "now".to_owned() }).unwrap();
        ledger.set_id(8).unwrap();
        assert_eq!((ledger.id(), &ledger.entry.delivered), (Some(8), &None));
    }

    #[test]
    fn one_process_at_a_time_delivers_to_one_address() {
        let run_dir = tempfile::tempdir().unwrap();
        let first = Ledger::open(run_dir.path(), &address("h:1:a")).unwrap();
        assert!(matches!(Ledger::open(run_dir.path(), &address("h:1:a")), Err(MongoError::Busy { .. })));
        assert!(Ledger::open(run_dir.path(), &address("h:1:b")).is_ok());
        drop(first);
        assert!(Ledger::open(run_dir.path(), &address("h:1:a")).is_ok());
    }

    #[test]
    fn no_file_of_the_ledger_holds_credentials() {
        let run_dir = tempfile::tempdir().unwrap();
        let address = Address::parse_url("mongodb://anna:geheim@h/llc?appName=geheim&tls=true").unwrap();
        Ledger::open(run_dir.path(), &address).unwrap().set_id(1).unwrap();
        for entry in entries(run_dir.path()).unwrap() {
            assert_eq!(entry.url, "mongodb://h:27017/llc.runs?tls=true");
        }
    }
}
