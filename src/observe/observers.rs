//! Fans the events of a run out to a list of observers, and drops those that fail.

use std::path::PathBuf;

use super::{Event, Observer};

/// Holds the observers of one run.
///
/// ```
/// use llc::observe::{Event, Observers};
/// let mut observers = Observers::default();
/// observers.emit(&Event::Stage("reading the data"));
/// assert!(observers.failures().is_empty());
/// ```
#[derive(Default)]
pub struct Observers {
    active: Vec<Box<dyn Observer>>,
    failures: Vec<String>,
}

impl Observers {
    /// Adds an observer, which sees the events from now on.
    pub fn push(&mut self, observer: Box<dyn Observer>) {
        self.active.push(observer);
    }

    /// Gives `event` to every observer, in the order of [`push`](Self::push). One that fails is dropped, and the
    /// others get a [`Event::Warning`] that says so: the run goes on. What an observer has to tell all is a warning too.
    pub fn emit(&mut self, event: &Event) {
        for failure in self.deliver(event) {
            let warning = format!("{failure}; nothing more is written there, the run goes on");
            self.failures.push(warning.clone());
            self.emit(&Event::Warning(&warning));
        }
        let notices: Vec<String> = self.active.iter_mut().flat_map(|observer| observer.notices()).collect();
        notices.iter().for_each(|notice| self.emit(&Event::Warning(notice)));
    }

    /// The folder of the first observer that keeps one.
    pub fn run_dir(&self) -> Option<PathBuf> {
        self.active.iter().find_map(|observer| observer.run_dir())
    }

    /// What became of the observers that failed, one sentence each: for a program whose last observer is gone.
    pub fn failures(&self) -> &[String] {
        &self.failures
    }

    /// Ends with as many active observers fewer as errors are returned, so that [`emit`](Self::emit) ends too.
    fn deliver(&mut self, event: &Event) -> Vec<String> {
        let mut errors = Vec::new();
        self.active.retain_mut(|observer| match observer.on_event(event) {
            Ok(()) => true,
            Err(error) => {
                errors.push(error.to_string());
                false
            }
        });
        errors
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
                return Err(ObserverError::Io { path: "somewhere".into(), source: io::ErrorKind::StorageFull.into() });
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

    /// Has something to tell after the first event.
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
    fn what_one_observer_has_to_tell_all_of_them_hear_once() {
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
