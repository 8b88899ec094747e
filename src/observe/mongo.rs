//! Delivers the record of a run to MongoDB servers while it is being written, with [`crate::mongo`].
//!
//! It reads the run's folder, and uses only the start and end events, so that it delivers exactly what is on disk. Each
//! server has its own thread: a server that is down, slow or silent delays neither the run nor the others.
//!
//! *Tested by* `tests/mongo.rs`, against a server that is available, that isn't, and that dies and returns.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::file_tree::HEARTBEAT;
use super::writer::io_error;
use super::{Event, Observer, ObserverError, Status};
use crate::mongo::Follower;
use crate::mongo::address::Address;

/// The longest wait for the last delivery.
const MAX_WAIT: Duration = Duration::from_secs(60);
/// The same for an interrupted run, which will soon be killed by the sender of the signal.
const MAX_WAIT_INTERRUPTED: Duration = Duration::from_secs(10);

/// Delivers one run to any number of servers.
#[derive(Debug)]
pub struct MongoObserver {
    run_dir: PathBuf,
    addresses: Vec<Address>,
    heartbeat: Duration,
    followers: Vec<Follower>,
    /// Messages that were not yet reported to the user.
    notices: Vec<String>,
}

impl MongoObserver {
    /// Prepares to deliver the run whose record is in the folder `run_dir`. The observer of that folder
    /// must receive every event before this one.
    pub fn new(run_dir: &Path, addresses: &[Address]) -> Self {
        Self::with_heartbeat(run_dir, addresses, HEARTBEAT)
    }

    /// The same with a time between deliveries other than 10 s, for tests.
    pub fn with_heartbeat(run_dir: &Path, addresses: &[Address], heartbeat: Duration) -> Self {
        Self {
            run_dir: run_dir.to_owned(),
            addresses: addresses.to_vec(),
            heartbeat,
            followers: Vec::new(),
            notices: Vec::new(),
        }
    }

    fn start(&mut self) -> Result<(), ObserverError> {
        for address in &self.addresses {
            let follower = Follower::spawn(&self.run_dir, address, self.heartbeat);
            self.followers.push(follower.map_err(|source| io_error(&self.run_dir, source))?);
        }
        Ok(())
    }

    fn finish(&mut self, max_wait: Duration) {
        let base = self.run_dir.parent().unwrap_or(&self.run_dir).display();
        for follower in self.followers.drain(..) {
            if let Err(reason) = follower.finish(max_wait) {
                let remedy = format!("deliver it with `llc-analysis runs sync {base}`");
                self.notices.push(format!("{reason}: the database does not have all of this run; {remedy}"));
            }
        }
    }
}

impl Observer for MongoObserver {
    fn on_event(&mut self, event: &Event) -> Result<(), ObserverError> {
        match event {
            Event::Started(_) => return self.start(),
            Event::Ended { status: Status::Interrupted, .. } => self.finish(MAX_WAIT_INTERRUPTED),
            Event::Ended { .. } => self.finish(MAX_WAIT),
            _ => {}
        }
        Ok(())
    }

    fn notices(&mut self) -> Vec<String> {
        let mut notices = std::mem::take(&mut self.notices);
        notices.extend(self.followers.iter().filter_map(Follower::notice));
        notices
    }
}

impl Drop for MongoObserver {
    fn drop(&mut self) {
        self.finish(MAX_WAIT_INTERRUPTED);
    }
}
