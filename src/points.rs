//! Records the results of a run of many points, so that a later process continues after the last of them.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::checkpoint::{Checkpoint, NamedTensor};
use crate::journal::{Entry, Journal, JournalError};

/// The points so far, as the report has them.
#[derive(Debug)]
pub struct Points<T> {
    all: Vec<T>,
    /// Tensors that belong to the last of them.
    tensors: Vec<NamedTensor>,
    /// How many of them are in the journal.
    num_kept: usize,
    entry: Entry,
}

/// What the entry's header calls them.
const POINTS: &str = "points";

impl<T: Serialize + DeserializeOwned> Points<T> {
    /// The points in `journal`; none in a new run.
    ///
    /// # Errors
    /// [`JournalError`] where they can't be read.
    pub fn of(journal: &Journal) -> Result<Points<T>, JournalError> {
        let entry = journal.entry(POINTS);
        let (all, tensors) = match entry.read()? {
            None => Default::default(),
            Some(mut kept) => {
                let all = kept.header.facts.remove(POINTS).unwrap_or_default();
                (serde_json::from_value::<Vec<T>>(all).map_err(|_| entry.incomplete(POINTS))?, kept.tensors)
            }
        };
        Ok(Points { num_kept: all.len(), all, tensors, entry })
    }

    /// All of them, in their order.
    pub fn all(&self) -> &[T] {
        &self.all
    }

    /// All of them, for the report.
    pub fn into_all(self) -> Vec<T> {
        self.all
    }

    /// The tensors that belong to the last of them.
    pub fn tensors(&self) -> &[NamedTensor] {
        &self.tensors
    }

    /// As [`Points::push`], with `tensors` that the next point needs, in place of those before.
    ///
    /// # Errors
    /// As [`Points::push`].
    pub fn push_with(&mut self, point: T, tensors: Vec<NamedTensor>) -> Result<(), JournalError> {
        self.tensors = tensors;
        self.push(point)
    }

    /// Adds `point` and writes the journal. If that fails, the next point tries again, for as long as the journal is patient.
    ///
    /// # Errors
    /// [`JournalError`] where its patience is over.
    pub fn push(&mut self, point: T) -> Result<(), JournalError> {
        self.all.push(point);
        self.entry.write(self.content())?;
        if !self.entry.is_failing() {
            self.num_kept = self.all.len();
        }
        Ok(())
    }

    /// Adds all of `points` and writes the journal at once.
    ///
    /// # Errors
    /// [`JournalError`] where they can't be kept.
    pub fn extend(&mut self, points: Vec<T>) -> Result<(), JournalError> {
        self.all.extend(points);
        self.entry.write_now(self.content())?;
        self.num_kept = self.all.len();
        Ok(())
    }

    /// As [`Points::push`], but writes the journal only now and then: for many quick points that can be computed again.
    ///
    /// # Errors
    /// As [`Points::push`].
    pub fn push_quick(&mut self, point: T) -> Result<(), JournalError> {
        if self.entry.is_hardly_newer() {
            self.all.push(point);
            return Ok(());
        }
        self.push(point)
    }

    /// Writes the journal after the last point, if it is not up to date.
    ///
    /// # Errors
    /// [`JournalError`] where they can't be kept.
    pub fn finish(&mut self) -> Result<(), JournalError> {
        if self.num_kept < self.all.len() {
            self.entry.write_now(self.content())?;
            self.num_kept = self.all.len();
        }
        Ok(())
    }

    fn content(&self) -> Checkpoint {
        let mut content = Checkpoint { tensors: self.tensors.clone(), ..Checkpoint::default() };
        content.header.facts.insert(POINTS.to_owned(), json!(self.all));
        content
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::Value;

    use super::*;
    use crate::journal::Pace;

    #[test]
    fn points_that_could_not_be_written_are_written_with_the_next_or_reported_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let away = folder.path().join("away");
        fs::write(&away, "").unwrap();
        // Below a file there is no folder.
        let journal = Journal::new(&away.join("journal"), "hash", Pace::default());
        let mut points: Points<Value> = Points::of(&Journal::default()).unwrap();
        points.entry = journal.entry(POINTS);
        points.push(json!(1)).unwrap();
        assert!(points.finish().is_err());
        fs::remove_file(&away).unwrap();
        points.push(json!(2)).unwrap();
        points.finish().unwrap();
        assert_eq!(Points::<Value>::of(&journal).unwrap().all(), [json!(1), json!(2)]);
    }

    #[test]
    fn many_quick_points_are_all_written_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::new(folder.path(), "hash", Pace::default());
        let mut points = Points::of(&journal).unwrap();
        let all: Vec<Value> = (0..1000).map(|number| json!(number)).collect();
        for point in &all {
            points.push_quick(point.clone()).unwrap();
            let kept = Points::<Value>::of(&journal).unwrap();
            assert!(all.starts_with(kept.all()), "{kept:?}");
        }
        points.finish().unwrap();
        assert_eq!(Points::<Value>::of(&journal).unwrap().all(), all);
    }
}
