//! Brings the runs of a folder where they were to be delivered, after they have ended, or died.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::address::Address;
use super::delivery::{Delivered, Delivery, Extent};
use super::error::MongoError;
use super::files::RunFiles;
use super::ledger;
use crate::record::read::Run;

/// A server that answers nothing for this long is given up for a run.
const PATIENCE: Duration = Duration::from_secs(60);

/// What became of one run and one address.
#[derive(Debug)]
pub enum Synced {
    /// It is there now, or the server fails.
    Tried(Result<Delivered, MongoError>),
    /// It was there already, under this number.
    WasThere { address: String, id: i32 },
    /// It is running: its own process delivers it.
    Running,
}

/// The addresses that the run in the folder `run_dir` was to be delivered to, without credentials.
///
/// # Errors
///
/// [`MongoError`] where the folder's list can't be read.
pub fn addresses_of(run_dir: &Path) -> Result<Vec<Address>, MongoError> {
    let entries = ledger::entries(run_dir)?;
    // A URL that this program has written can be read, unless somebody changed it; then there is nothing to deliver to.
    Ok(entries.iter().filter_map(|entry| Address::parse_url(&entry.url).ok()).collect())
}

/// Delivers `run` wholly to `address`, unless that was done, or the run still lives at the time `now`.
///
/// # Errors
///
/// None that ends it: the outcome says what failed. Only a folder that can't be read is an error.
pub fn sync(run: &Run, address: &Address, now: Timestamp) -> Result<Synced, MongoError> {
    if run.shown_status(now) == "RUNNING" {
        return Ok(Synced::Running);
    }
    let state = RunFiles::read(&run.path)?.state();
    for entry in ledger::entries(&run.path)? {
        let is_this = Address::parse_url(&entry.url).is_ok_and(|known| known.to_string() == address.to_string());
        if let (true, Some(id), Some(delivered)) = (is_this, entry.id, &entry.delivered)
            && *delivered == state
        {
            return Ok(Synced::WasThere { address: address.to_string(), id });
        }
    }
    Ok(Synced::Tried(deliver(run, address)))
}

/// Delivers on another thread, so that a server that stays silent can be given up.
fn deliver(run: &Run, address: &Address) -> Result<Delivered, MongoError> {
    let mut delivery = Delivery::new(&run.path, address);
    let num_answers = delivery.num_answers();
    let (end, ended) = mpsc::channel();
    let silent = || MongoError::problem(address, &format!("no answer for {} s", PATIENCE.as_secs()));
    // Whoever waits may have given up.
    thread::spawn(move || drop(end.send(delivery.deliver(Extent::Whole))));
    let (mut last, mut last_at) = (0, Instant::now());
    loop {
        match ended.recv_timeout(Duration::from_millis(50)) {
            Ok(delivered) => return delivered,
            Err(RecvTimeoutError::Disconnected) => return Err(silent()),
            Err(RecvTimeoutError::Timeout) => {}
        }
        let now = num_answers.load(Ordering::Relaxed);
        if now != last {
            (last, last_at) = (now, Instant::now());
        } else if last_at.elapsed() > PATIENCE {
            return Err(silent());
        }
    }
}
