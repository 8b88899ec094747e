//! Saves the state of a run in its folder, so that a killed run can resume.
//!
//! A run is a sequence of stages (the draws around w*, those at a smaller γ, a training, …), each with several parts (its chains). A part
//! writes an [`Entry`] from time to time, and once more when it ends, unless it took only a moment. A resumed run repeats everything in the
//! same order; parts that find their entry continue from it, or are done at once. Every random number is a function of seed, chain and step,
//! so the result equals that of a run that was never stopped, bit for bit on the CPU at the same number of threads.
//!
//! An entry is replaced in one step and the previous one is kept, so that a crash during a write costs at most one interval.
//! Entries of another configuration or another layout are errors.
//!
//! *Tested by* `tests/resume.rs`: kills at random moments against uninterrupted runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use llc_core::store::{self, Slot, Snapshot, Store, StoreError};

use crate::checkpoint::{Checkpoint, CheckpointError, NamedTensor};

/// The layout version of entries, raised when the meaning of their contents changes.
const VERSION: u64 = 1;
/// Largest share of a run's time for writing entries.
const SHARE: f64 = 0.01;
/// Work that took less is not saved, since repeating it is about as fast: an entry takes 2 to 5 ms, mostly to sync the disk.
const MOMENT: Duration = Duration::from_millis(20);
/// Seconds between two attempts at an entry that can't be written.
const RETRY_EVERY: Duration = Duration::from_secs(1);

/// The interval between entries, and how long a failed write is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Least time between two entries of a part; a hundred times what writing one takes, if that is longer.
    pub every: Duration,
    /// Time after which a part whose entry can't be written gives up.
    pub patience: Duration,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace { every: Duration::from_secs(60), patience: Duration::from_secs(60) }
    }
}

/// The entries of one stage; without a folder nothing is saved.
///
/// ```
/// use llc::checkpoint::Checkpoint;
/// use llc::journal::{Journal, Pace};
/// let folder = tempfile::tempdir()?;
/// let stage = Journal::new(folder.path(), "a hash of the configuration", Pace::default()).stage("w_star");
/// assert!(stage.entry("chain-0").read()?.is_none());
/// stage.entry("chain-0").write(Checkpoint::default())?;
/// assert!(stage.entry("chain-0").read()?.is_some());
/// // Entries of another configuration do not belong to this run.
/// let other = Journal::new(folder.path(), "another hash", Pace::default()).stage("w_star");
/// assert!(other.entry("chain-0").read().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Journal {
    location: Option<Arc<Location>>,
    stage: String,
}

#[derive(Debug)]
struct Location {
    folder: PathBuf,
    config_hash: String,
    pace: Pace,
}

/// Why an entry can't be used or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// Neither the entry nor the previous one can be read.
    #[error("{why}; without this file the run can only be started again")]
    Read { why: Box<CheckpointError> },
    /// It can't be written.
    #[error("{why}; the previous state is still saved: `llc resume` continues from it once this is fixed")]
    Write { why: Box<CheckpointError> },
    /// libtorch can't read or write a tensor.
    #[cfg(feature = "torch")]
    #[error("libtorch: {}", .0.to_string().lines().next().unwrap_or_default())]
    Torch(tch::TchError),
    /// It was written under another configuration.
    #[error("{} belongs to a run with another configuration: config.json was changed, or the file is from elsewhere", path.display())]
    OtherConfig { path: PathBuf },
    /// It was written by another version of `llc`.
    #[error("{} has layout {found}, but this llc reads {VERSION}: resume with the llc that wrote it", path.display())]
    Version { path: PathBuf, found: Value },
    /// It lacks a part that such an entry must have.
    #[error("{} is incomplete: {what} is missing or has another size", path.display())]
    Incomplete { path: PathBuf, what: &'static str },
}

#[cfg(feature = "torch")]
impl From<tch::TchError> for JournalError {
    fn from(error: tch::TchError) -> Self {
        Self::Torch(error)
    }
}

impl Journal {
    /// Saves entries in `folder`, which is created with the first one; `config_hash` identifies the configuration that they belong to.
    pub fn new(folder: &Path, config_hash: &str, pace: Pace) -> Journal {
        let location = Location { folder: folder.to_owned(), config_hash: config_hash.to_owned(), pace };
        Journal { location: Some(Arc::new(location)), stage: String::new() }
    }

    /// The stage `name` within this one. A name belongs to one stage of a run; letters, digits, `-` and `_`.
    pub fn stage(&self, name: &str) -> Journal {
        let stage = if self.stage.is_empty() { name.to_owned() } else { format!("{}.{name}", self.stage) };
        Journal { location: self.location.clone(), stage }
    }

    /// The entry of the part `name` of this stage.
    pub fn entry(&self, name: &str) -> Entry {
        let stem = self.stage(name).stage;
        let path = self.location.as_ref().map(|location| location.folder.join(format!("{stem}.safetensors")));
        Entry { journal: self.clone(), path, last: Instant::now(), cost: Duration::ZERO, failing: None }
    }
}

/// The saved state of one part of a stage.
#[derive(Debug)]
pub struct Entry {
    journal: Journal,
    /// `None` if nothing is saved.
    path: Option<PathBuf>,
    /// When it was written last, or tried.
    last: Instant,
    /// Time of the last write.
    cost: Duration,
    /// When writing began to fail.
    failing: Option<Instant>,
}

/// The facts that every entry's header has.
const VERSION_KEY: &str = "journal_version";
const CONFIG_KEY: &str = "config_hash";

impl Entry {
    /// The saved state, if there is any. If the newest entry can't be read, the previous one is used.
    ///
    /// # Errors
    /// [`JournalError`] if there are entries but none of them can be used.
    pub fn read(&self) -> Result<Option<Checkpoint>, JournalError> {
        let (Some(path), Some(location)) = (&self.path, &self.journal.location) else { return Ok(None) };
        let Some(read) = Checkpoint::read_newest(path).map_err(|why| JournalError::Read { why: Box::new(why) })? else {
            return Ok(None);
        };
        let fact = |key: &str| read.header.facts.get(key).cloned().unwrap_or_default();
        if fact(VERSION_KEY) != json!(VERSION) {
            return Err(JournalError::Version { path: path.clone(), found: fact(VERSION_KEY) });
        }
        if fact(CONFIG_KEY) != json!(location.config_hash) {
            return Err(JournalError::OtherConfig { path: path.clone() });
        }
        Ok(Some(read))
    }

    /// The error for an entry that lacks `what`.
    pub fn incomplete(&self, what: &'static str) -> JournalError {
        JournalError::Incomplete { path: self.path.clone().unwrap_or_default(), what }
    }

    /// Whether it is time for another entry.
    pub fn is_due(&self) -> bool {
        let Some(location) = &self.journal.location else { return false };
        let pause = match self.failing {
            Some(_) => RETRY_EVERY,
            None => location.pace.every.max(self.cost.div_f64(SHARE)),
        };
        self.last.elapsed() >= pause
    }

    /// Whether too little was done since the last entry to justify another.
    pub fn is_hardly_newer(&self) -> bool {
        self.failing.is_none() && self.last.elapsed() < MOMENT
    }

    /// Whether entries are saved at all.
    pub fn is_kept(&self) -> bool {
        self.path.is_some()
    }

    /// Whether the last write failed and must be tried again.
    pub fn is_failing(&self) -> bool {
        self.failing.is_some()
    }

    /// Replaces the entry, and keeps the old one as the previous one. A failure is reported only after it has lasted for the
    /// [`Pace::patience`], since a network file system may be briefly unavailable.
    ///
    /// # Errors
    /// [`JournalError::Write`].
    pub fn write(&mut self, content: Checkpoint) -> Result<(), JournalError> {
        let patience = self.journal.location.as_ref().map_or(Duration::ZERO, |location| location.pace.patience);
        match self.write_now(content) {
            Err(_) if self.failing.is_none_or(|since| since.elapsed() < patience) => {
                self.failing.get_or_insert_with(Instant::now);
                Ok(())
            }
            written => written,
        }
    }

    /// As [`Entry::write`], without patience: for the last entry.
    ///
    /// # Errors
    /// [`JournalError::Write`].
    pub fn write_now(&mut self, mut content: Checkpoint) -> Result<(), JournalError> {
        let (Some(path), Some(location)) = (&self.path, &self.journal.location) else { return Ok(()) };
        let facts = [(VERSION_KEY, json!(VERSION)), (CONFIG_KEY, json!(location.config_hash))];
        content.header.facts.extend(Map::from_iter(facts.map(|(key, value)| (key.to_owned(), value))));
        let began = Instant::now();
        let written = content.write_keeping(path);
        (self.last, self.cost) = (Instant::now(), began.elapsed());
        if written.is_ok() {
            self.failing = None;
        }
        written.map_err(|why| JournalError::Write { why: Box::new(why) })
    }
}

impl Store for Journal {
    fn stage(&self, name: &str) -> Arc<dyn Store> {
        Arc::new(Journal::stage(self, name))
    }

    fn slot(&self, name: &str) -> Box<dyn Slot> {
        Box::new(self.entry(name))
    }
}

impl Slot for Entry {
    fn is_kept(&self) -> bool {
        Entry::is_kept(self)
    }

    fn is_due(&self) -> bool {
        Entry::is_due(self)
    }

    fn is_hardly_newer(&self) -> bool {
        Entry::is_hardly_newer(self)
    }

    fn read(&self) -> Result<Option<Snapshot>, StoreError> {
        let Some(content) = Entry::read(self).map_err(StoreError::new)? else { return Ok(None) };
        let array = |tensor: NamedTensor| {
            let elements = tensor.to_host()?;
            Some(store::Array { name: tensor.name, shape: tensor.shape, elements })
        };
        // What is not of floating-point numbers is none of a chain's.
        let arrays = content.tensors.into_iter().filter_map(array).collect();
        Ok(Some(Snapshot { arrays, facts: content.header.facts }))
    }

    fn write(&mut self, snapshot: Snapshot) -> Result<(), StoreError> {
        Entry::write(self, checkpoint(snapshot)).map_err(StoreError::new)
    }

    fn write_now(&mut self, snapshot: Snapshot) -> Result<(), StoreError> {
        Entry::write_now(self, checkpoint(snapshot)).map_err(StoreError::new)
    }

    fn incomplete(&self, what: &'static str) -> StoreError {
        StoreError::new(Entry::incomplete(self, what))
    }
}

/// A snapshot in the format in which it is written.
fn checkpoint(snapshot: Snapshot) -> Checkpoint {
    let mut checkpoint = Checkpoint::default();
    checkpoint.header.facts = snapshot.facts;
    let tensor = |array: &store::Array| NamedTensor::from_host(&array.name, &array.shape, &array.elements);
    checkpoint.tensors = snapshot.arrays.iter().map(tensor).collect();
    checkpoint
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn numbered(number: u64) -> Checkpoint {
        let mut content = Checkpoint::default();
        content.header.facts.insert("number".to_owned(), json!(number));
        content
    }

    fn number(entry: &Entry) -> Option<u64> {
        entry.read().unwrap().map(|read| read.header.facts["number"].as_u64().unwrap())
    }

    fn journal(folder: &Path, patience_s: u64) -> Journal {
        let pace = Pace { every: Duration::ZERO, patience: Duration::from_secs(patience_s) };
        Journal::new(folder, "hash", pace)
    }

    #[test]
    fn a_torn_entry_gives_way_to_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let mut entry = journal(folder.path(), 0).stage("w_star").entry("chain-0");
        for count in 1..=3 {
            entry.write(numbered(count)).unwrap();
        }
        assert_eq!(number(&entry), Some(3));
        let path = folder.path().join("w_star.chain-0.safetensors");
        let whole = fs::read(&path).unwrap();
        for length in [0, 1, 9, whole.len() - 1] {
            fs::write(&path, &whole[..length]).unwrap();
            assert_eq!(number(&entry), Some(2), "cut to {length} bytes");
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(number(&entry), Some(2));
        fs::remove_file(path.with_extension("previous")).unwrap();
        assert_eq!(number(&entry), None);
    }

    #[test]
    fn an_unreadable_entry_without_another_is_an_error_and_not_a_fresh_start() {
        let folder = tempfile::tempdir().unwrap();
        let mut entry = journal(folder.path(), 0).stage("w_star").entry("chain-0");
        entry.write(numbered(1)).unwrap();
        fs::write(folder.path().join("w_star.chain-0.safetensors"), "torn").unwrap();
        assert!(matches!(entry.read(), Err(JournalError::Read { .. })));
    }

    #[test]
    fn a_folder_that_can_t_be_written_is_reported_after_the_patience_and_costs_nothing_that_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let mut patient = journal(&file.join("below"), 3600).entry("chain-0");
        assert!(patient.write(numbered(1)).is_ok() && patient.is_failing());
        assert!(!patient.is_due(), "the next attempt waits for a moment");
        let mut hasty = journal(&file.join("below"), 0).entry("chain-0");
        assert!(hasty.write(numbered(1)).is_ok());
        let error = hasty.write(numbered(1)).unwrap_err().to_string();
        assert!(error.contains("chain-0") && error.contains("llc resume"), "{error}");
        assert!(patient.write_now(numbered(1)).is_err());
        assert!(patient.is_failing() && hasty.is_failing());
    }

    #[test]
    fn another_layout_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let entry = journal(folder.path(), 0).stage("w_star").entry("chain-0");
        let mut content = numbered(1);
        content.header.facts.insert(VERSION_KEY.to_owned(), json!(VERSION + 1));
        content.write(&folder.path().join("w_star.chain-0.safetensors")).unwrap();
        assert!(entry.read().unwrap_err().to_string().contains("resume with the llc that wrote it"));
    }

    #[test]
    fn without_a_folder_nothing_is_kept_and_nothing_is_due() {
        let mut entry = Journal::default().stage("w_star").entry("chain-0");
        entry.write(numbered(1)).unwrap();
        assert!(!entry.is_due() && !entry.is_kept() && entry.read().unwrap().is_none());
    }
}
