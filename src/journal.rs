//! Keeps what a run has done so far in its folder, so that a run that was killed goes on where it was.
//!
//! A run is a sequence of stages (the draws around w*, those at a smaller γ, a training, …), each made of parts (its chains). A part
//! writes an [`Entry`] now and then, and one more when it ends, unless it was over in a moment. A run that starts again does everything once
//! more in the same order; parts that find their entry go on from it, or are done at once. As every random number is a function of seed,
//! chain and step, what comes out equals the run that was never stopped, bit for bit on the CPU at the same number of threads.
//!
//! An entry is replaced in one step and the one before is kept, so that a crash in the middle of a write costs one interval at most.
//! Entries of another configuration or another layout are refused.
//!
//! *Tested by* `tests/resume.rs`: kills at random moments against unbroken runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use llc_core::store::{self, Slot, Snapshot, Store, StoreError};

use crate::checkpoint::{Checkpoint, CheckpointError, NamedTensor};

/// The layout of entries: raised when what they hold changes its meaning.
const VERSION: u64 = 1;
/// Writing an entry may take this share of a run's time at most.
const SHARE: f64 = 0.01;
/// What took less is done again almost as soon as it is kept: an entry takes 2 to 5 ms, most of them for the disk's word that it has it.
const MOMENT: Duration = Duration::from_millis(20);
/// Seconds between two attempts at an entry that can't be written.
const RETRY_EVERY: Duration = Duration::from_secs(1);

/// How often entries are written, and how long one that can't be written is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Time between two entries of a part, at least; a hundred times what writing one takes, where that is longer.
    pub every: Duration,
    /// Time after which a part whose entry can't be written gives up.
    pub patience: Duration,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace { every: Duration::from_secs(60), patience: Duration::from_secs(60) }
    }
}

/// The place of one stage's entries; without a folder nothing is kept.
///
/// ```
/// use llc::checkpoint::Checkpoint;
/// use llc::journal::{Journal, Pace};
/// let folder = tempfile::tempdir()?;
/// let stage = Journal::new(folder.path(), "a hash of the configuration", Pace::default()).stage("w_star");
/// assert!(stage.entry("chain-0").read()?.is_none());
/// stage.entry("chain-0").write(Checkpoint::default())?;
/// assert!(stage.entry("chain-0").read()?.is_some());
/// // Another configuration's entries are none of this run's.
/// let other = Journal::new(folder.path(), "another hash", Pace::default()).stage("w_star");
/// assert!(other.entry("chain-0").read().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Journal {
    kept: Option<Arc<Kept>>,
    stage: String,
}

#[derive(Debug)]
struct Kept {
    folder: PathBuf,
    config_hash: String,
    pace: Pace,
}

/// Says why an entry can't be used or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// Neither the entry nor the one before it can be read.
    #[error("{why}; without this file the run can only be started again")]
    Read { why: Box<CheckpointError> },
    /// It can't be written.
    #[error("{why}; the previous state is still saved: `llc resume` continues from it once this is fixed")]
    Write { why: Box<CheckpointError> },
    /// libtorch can't hand over or take a tensor.
    #[cfg(feature = "torch")]
    #[error("libtorch: {}", .0.to_string().lines().next().unwrap_or_default())]
    Torch(tch::TchError),
    /// It was written under another configuration.
    #[error("{} belongs to a run with another configuration: config.json was changed, or the file is from elsewhere", path.display())]
    OtherConfig { path: PathBuf },
    /// It was written by another version of `llc`.
    #[error("{} has layout {found}, but this llc reads {VERSION}: resume with the llc that wrote it", path.display())]
    Version { path: PathBuf, found: Value },
    /// It does not hold what such an entry has to.
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
    /// Keeps entries in `folder`, which is made when the first is written; `config_hash` names the configuration that they belong to.
    pub fn new(folder: &Path, config_hash: &str, pace: Pace) -> Journal {
        let kept = Kept { folder: folder.to_owned(), config_hash: config_hash.to_owned(), pace };
        Journal { kept: Some(Arc::new(kept)), stage: String::new() }
    }

    /// The stage `name` within this one. A name belongs to one stage of a run; letters, digits, `-` and `_`.
    pub fn stage(&self, name: &str) -> Journal {
        let stage = if self.stage.is_empty() { name.to_owned() } else { format!("{}.{name}", self.stage) };
        Journal { kept: self.kept.clone(), stage }
    }

    /// The entry of the part `name` of this stage.
    pub fn entry(&self, name: &str) -> Entry {
        let stem = self.stage(name).stage;
        let path = self.kept.as_ref().map(|kept| kept.folder.join(format!("{stem}.safetensors")));
        Entry { journal: self.clone(), path, last: Instant::now(), cost: Duration::ZERO, failing: None }
    }
}

/// What one part of a stage keeps.
#[derive(Debug)]
pub struct Entry {
    journal: Journal,
    /// `None` where nothing is kept.
    path: Option<PathBuf>,
    /// When it was written last, or tried.
    last: Instant,
    /// What the last write took.
    cost: Duration,
    /// Since when it can't be written.
    failing: Option<Instant>,
}

/// The facts that every entry's header has.
const VERSION_KEY: &str = "journal_version";
const CONFIG_KEY: &str = "config_hash";

impl Entry {
    /// What was kept, if anything was. Where the newest can't be read the one before it serves.
    ///
    /// # Errors
    /// [`JournalError`] where there are entries and none of them can be used.
    pub fn read(&self) -> Result<Option<Checkpoint>, JournalError> {
        let (Some(path), Some(kept)) = (&self.path, &self.journal.kept) else { return Ok(None) };
        let Some(read) = Checkpoint::read_newest(path).map_err(|why| JournalError::Read { why: Box::new(why) })? else {
            return Ok(None);
        };
        let fact = |key: &str| read.header.facts.get(key).cloned().unwrap_or_default();
        if fact(VERSION_KEY) != json!(VERSION) {
            return Err(JournalError::Version { path: path.clone(), found: fact(VERSION_KEY) });
        }
        if fact(CONFIG_KEY) != json!(kept.config_hash) {
            return Err(JournalError::OtherConfig { path: path.clone() });
        }
        Ok(Some(read))
    }

    /// The error for an entry that lacks `what`.
    pub fn incomplete(&self, what: &'static str) -> JournalError {
        JournalError::Incomplete { path: self.path.clone().unwrap_or_default(), what }
    }

    /// Whether it is time for another.
    pub fn is_due(&self) -> bool {
        let Some(kept) = &self.journal.kept else { return false };
        let pause = match self.failing {
            Some(_) => RETRY_EVERY,
            None => kept.pace.every.max(self.cost.div_f64(SHARE)),
        };
        self.last.elapsed() >= pause
    }

    /// Whether so little was done since the last entry that another is not worth its time.
    pub fn is_hardly_newer(&self) -> bool {
        self.failing.is_none() && self.last.elapsed() < MOMENT
    }

    /// Whether entries are kept at all.
    pub fn is_kept(&self) -> bool {
        self.path.is_some()
    }

    /// Whether what was written last did not arrive, so that it is to be tried again.
    pub fn is_failing(&self) -> bool {
        self.failing.is_some()
    }

    /// Replaces what was kept, which becomes the one before. A failure is told once it has lasted for the [`Pace::patience`]: a network
    /// file system may be away for a moment.
    ///
    /// # Errors
    /// [`JournalError::Write`].
    pub fn write(&mut self, content: Checkpoint) -> Result<(), JournalError> {
        let patience = self.journal.kept.as_ref().map_or(Duration::ZERO, |kept| kept.pace.patience);
        match self.write_now(content) {
            Err(_) if self.failing.is_none_or(|since| since.elapsed() < patience) => {
                self.failing.get_or_insert_with(Instant::now);
                Ok(())
            }
            written => written,
        }
    }

    /// As [`Entry::write`], without patience: for the last one.
    ///
    /// # Errors
    /// [`JournalError::Write`].
    pub fn write_now(&mut self, mut content: Checkpoint) -> Result<(), JournalError> {
        let (Some(path), Some(kept)) = (&self.path, &self.journal.kept) else { return Ok(()) };
        let facts = [(VERSION_KEY, json!(VERSION)), (CONFIG_KEY, json!(kept.config_hash))];
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

/// A snapshot as it is written.
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
    fn a_folder_that_can_t_be_written_is_told_after_the_patience_and_costs_nothing_that_is_there() {
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
