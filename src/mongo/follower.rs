//! Delivers a run while it continues, from its own thread: whatever the server does, the run never waits for it.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::address::Address;
use super::delivery::{Delivered, Delivery, Extent};
use super::error::MongoError;

/// The last delivery is given up where nothing was answered for this long.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two attempts at the end.
const RETRY: Duration = Duration::from_millis(250);
/// Between two looks at whether the server answers.
const LOOK: Duration = Duration::from_millis(50);

/// Follows the folder of one run for one address.
#[derive(Debug)]
pub(crate) struct Follower {
    address: String,
    /// Dropping it asks for the last delivery.
    stop: mpsc::Sender<()>,
    ended: mpsc::Receiver<Result<Delivered, MongoError>>,
    num_answers: Arc<AtomicU64>,
    outage: Arc<Mutex<Outage>>,
}

/// Whether the server takes the run, and what was said of it.
#[derive(Debug, Default)]
struct Outage {
    /// Why the last delivery failed; `None` if it did not.
    reason: Option<String>,
    /// Whether the user knows of this outage.
    is_reported: bool,
}

impl Follower {
    /// Begins to deliver the run in the folder `run_dir` to `address`, at once and then at every `beat`.
    pub(crate) fn spawn(run_dir: &Path, address: &Address, beat: Duration) -> io::Result<Self> {
        let delivery = Delivery::new(run_dir, address);
        let num_answers = delivery.num_answers();
        let outage = Arc::default();
        let (stop, stopped) = mpsc::channel();
        let (end, ended) = mpsc::channel();
        let for_thread = Arc::clone(&outage);
        thread::Builder::new().name("mongo".to_owned()).spawn(move || {
            // Whoever started this may be gone by then.
            let _ = end.send(follow(delivery, &stopped, beat, &for_thread));
        })?;
        Ok(Self { address: address.to_string(), stop, ended, num_answers, outage })
    }

    /// A sentence on an outage that was not yet reported to the user.
    pub(crate) fn notice(&self) -> Option<String> {
        let mut outage = self.outage.lock().unwrap_or_else(PoisonError::into_inner);
        if outage.is_reported {
            return None;
        }
        let notice = outage.reason.as_ref().map(|reason| {
            format!("{reason}: the run continues in its folder, and is delivered when the server is available")
        });
        outage.is_reported = notice.is_some();
        notice
    }

    /// Waits for the last delivery of a run that has ended: for seconds where the server doesn't answer, for `max_wait` where it
    /// does and there is much to deliver.
    ///
    /// # Errors
    ///
    /// Why the run is not wholly there.
    pub(crate) fn finish(self, max_wait: Duration) -> Result<Delivered, String> {
        let Self { address, stop, ended, num_answers, outage } = self;
        drop(stop);
        let start = Instant::now();
        let (mut last, mut last_at) = (num_answers.load(Ordering::Relaxed), start);
        loop {
            match ended.recv_timeout(LOOK) {
                Ok(result) => return result.map_err(|error| error.to_string()),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(format!("MongoDB at {address}: the delivery failed"));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            let now = num_answers.load(Ordering::Relaxed);
            if now != last {
                (last, last_at) = (now, Instant::now());
            }
            if last_at.elapsed() > PATIENCE || start.elapsed() > max_wait {
                let outage = outage.lock().unwrap_or_else(PoisonError::into_inner);
                let unknown = || format!("MongoDB at {address}: the server does not answer");
                return Err(outage.reason.clone().unwrap_or_else(unknown));
            }
        }
    }
}

/// Delivers at every beat until the sender of `stopped` is dropped, then for the last time.
fn follow(
    mut delivery: Delivery,
    stopped: &mpsc::Receiver<()>,
    beat: Duration,
    outage: &Mutex<Outage>,
) -> Result<Delivered, MongoError> {
    let mut deliver = |extent| {
        let delivered = delivery.deliver(extent);
        let mut outage = outage.lock().unwrap_or_else(PoisonError::into_inner);
        outage.reason = delivered.as_ref().err().map(ToString::to_string);
        outage.is_reported &= outage.reason.is_some();
        delivered
    };
    loop {
        // Told by `notice`; the next beat tries again.
        let _ = deliver(Extent::Beat);
        if stopped.recv_timeout(beat) != Err(RecvTimeoutError::Timeout) {
            break;
        }
    }
    let start = Instant::now();
    loop {
        match deliver(Extent::Whole) {
            Err(_) if start.elapsed() < PATIENCE => thread::sleep(RETRY),
            delivered => return delivered,
        }
    }
}
