//! Passes the events of a run on to a list of observers, and drops those that fail.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Event, Observer};
use crate::run::Progress;

/// The observers of one run.
///
/// ```
/// use llc::observe::{Event, Observers};
/// let mut observers = Observers::default();
/// observers.emit(&Event::Stage("reading the data"));
/// assert!(observers.failures().is_empty());
/// ```
#[derive(Default)]
pub struct Observers {
    active: Vec<Active>,
    failures: Vec<String>,
    is_record_lost: bool,
}

struct Active {
    observer: Box<dyn Observer>,
    /// Set if it fails and the run must not continue without it.
    stop: Option<Arc<AtomicBool>>,
}

impl Observers {
    /// Adds an observer, which receives the events from now on.
    pub fn push(&mut self, observer: Box<dyn Observer>) {
        self.active.push(Active { observer, stop: None });
    }

    /// Adds the observer that writes the run's record: if it fails `stop` is set, since results without a record are useless.
    pub fn push_record(&mut self, observer: Box<dyn Observer>, stop: Arc<AtomicBool>) {
        self.active.push(Active { observer, stop: Some(stop) });
    }

    /// Whether the observer of [`push_record`](Self::push_record) has failed.
    pub fn is_record_lost(&self) -> bool {
        self.is_record_lost
    }

    /// Passes `event` to every observer, in the order of [`push`](Self::push). One that fails is dropped, the
    /// others get an [`Event::Warning`], and the run continues. Notices of observers become warnings too.
    pub fn emit(&mut self, event: &Event) {
        for (failure, is_last) in self.deliver(event) {
            let what_follows = if is_last { "the run ends" } else { "it gets no more data, but the run continues" };
            let warning = format!("{failure}; {what_follows}");
            self.failures.push(warning.clone());
            self.emit(&Event::Warning(&warning));
        }
        let notices: Vec<String> = self.active.iter_mut().flat_map(|active| active.observer.notices()).collect();
        notices.iter().for_each(|notice| self.emit(&Event::Warning(notice)));
    }

    /// The folder of the first observer that writes one.
    pub fn run_dir(&self) -> Option<PathBuf> {
        self.active.iter().find_map(|active| active.observer.run_dir())
    }

    /// The failures of observers, one sentence each: for a program whose last observer is gone.
    pub fn failures(&self) -> &[String] {
        &self.failures
    }

    /// Removes one active observer for each returned error, so that the recursion of [`emit`](Self::emit) ends.
    fn deliver(&mut self, event: &Event) -> Vec<(String, bool)> {
        let mut errors = Vec::new();
        self.active.retain_mut(|Active { observer, stop }| match observer.on_event(event) {
            Ok(()) => true,
            Err(error) => {
                errors.push((error.to_string(), stop.is_some()));
                stop.iter().for_each(|stop| stop.store(true, Ordering::Relaxed));
                false
            }
        });
        self.is_record_lost |= errors.iter().any(|&(_, is_last)| is_last);
        errors
    }
}

/// Passes the progress of chains on to `observers`.
///
/// ```
/// use llc::observe::{Observers, forward};
/// use llc::run::Progress;
///
/// let mut observers = Observers::default();
/// let mut progress = forward(&mut observers);
/// progress(Progress::Stage("sampling again"));
/// ```
pub fn forward(observers: &mut Observers) -> impl FnMut(Progress) + '_ {
    |progress| match progress {
        Progress::Stage(stage) => observers.emit(&Event::Stage(stage)),
        Progress::Draws { chain, first_draw, block } => {
            observers.emit(&Event::Draws { chain, first_draw, block: &block });
        }
        Progress::Ended { chain, num_draws, error } => {
            observers.emit(&Event::ChainEnded { chain, num_draws, error: error.as_deref() });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::super::ObserverError;
    use super::*;

    /// Notes every event's text; fails from the event number `fails_at` on.
    struct Probe {
        seen: Arc<Mutex<Vec<String>>>,
        fails_at: usize,
    }

    impl Observer for Probe {
        fn on_event(&mut self, event: &Event) -> Result<(), ObserverError> {
            let mut seen = self.seen.lock().unwrap();
            seen.push(format!("{event:?}"));
            if seen.len() > self.fails_at {
                return Err(ObserverError::Io { path: "somewhere".into(), error: io::ErrorKind::StorageFull.into() });
            }
            Ok(())
        }

        fn run_dir(&self) -> Option<PathBuf> {
            Some(self.fails_at.to_string().into())
        }
    }

    #[test]
    fn a_failing_observer_is_dropped_and_the_others_hear_of_it_once() {
        let (good, bad) = (Arc::new(Mutex::default()), Arc::new(Mutex::default()));
        let mut observers = Observers::default();
        observers.push(Box::new(Probe { seen: Arc::clone(&bad), fails_at: 1 }));
        observers.push(Box::new(Probe { seen: Arc::clone(&good), fails_at: 100 }));
        assert_eq!(observers.run_dir(), Some("1".into()));
        for stage in ["one", "two", "three"] {
            observers.emit(&Event::Stage(stage));
        }

        assert_eq!(bad.lock().unwrap().len(), 2);
        let good = good.lock().unwrap();
        assert_eq!(good.len(), 4);
        assert!(good[2].contains("Warning") && good[2].contains("cannot write somewhere"), "{}", good[2]);
        assert_eq!((observers.run_dir(), observers.failures().len()), (Some("100".into()), 1));
    }

    /// Has notices after the first event.
    struct Teller(Vec<String>);

    impl Observer for Teller {
        fn on_event(&mut self, _: &Event) -> Result<(), ObserverError> {
            Ok(())
        }

        fn notices(&mut self) -> Vec<String> {
            std::mem::take(&mut self.0)
        }
    }

    #[test]
    fn a_notice_of_one_observer_reaches_all_of_them_once() {
        let seen = Arc::new(Mutex::default());
        let mut observers = Observers::default();
        observers.push(Box::new(Probe { seen: Arc::clone(&seen), fails_at: 100 }));
        observers.push(Box::new(Teller(vec!["the server is away".to_owned()])));
        observers.emit(&Event::Stage("one"));
        observers.emit(&Event::Stage("two"));
        let seen = seen.lock().unwrap();
        assert_eq!(seen.len(), 3);
        assert!(seen[1].contains("Warning(\"the server is away\")"), "{}", seen[1]);
    }

    #[test]
    fn a_run_ends_with_its_record_and_with_no_other_observer() {
        let mut observers = Observers::default();
        let stop = Arc::new(AtomicBool::new(false));
        observers.push(Box::new(Probe { seen: Arc::default(), fails_at: 0 }));
        observers.push_record(Box::new(Probe { seen: Arc::default(), fails_at: 2 }), Arc::clone(&stop));
        observers.emit(&Event::Stage("one"));
        assert!(!stop.load(Ordering::Relaxed) && !observers.is_record_lost());
        observers.emit(&Event::Stage("two"));
        assert!(stop.load(Ordering::Relaxed) && observers.is_record_lost());
        assert!(observers.failures()[1].ends_with("the run ends"), "{:?}", observers.failures());
    }

    #[test]
    fn observers_that_all_fail_end_in_an_empty_list() {
        let mut observers = Observers::default();
        for _ in 0..3 {
            observers.push(Box::new(Probe { seen: Arc::default(), fails_at: 0 }));
        }
        observers.emit(&Event::Stage("one"));
        observers.emit(&Event::Stage("two"));
        assert_eq!((observers.failures().len(), observers.run_dir()), (3, None));
    }
}
