//! Keeps what a run of many estimates has found, so that a later process goes on behind the last of them.

use llc::checkpoint::Checkpoint;
use llc::journal::{Entry, Journal};
use serde_json::{Value, json};

/// The estimates so far, as the report has them.
#[derive(Debug)]
pub struct Points {
    all: Vec<Value>,
    entry: Entry,
}

/// What the entry's header calls them.
const POINTS: &str = "points";

impl Points {
    /// Those that `journal` holds; none in a new run.
    pub fn of(journal: &Journal) -> anyhow::Result<Points> {
        let entry = journal.entry(POINTS);
        let all = match entry.read()? {
            None => Vec::new(),
            Some(kept) => match kept.header.facts.get(POINTS) {
                Some(Value::Array(all)) => all.clone(),
                _ => return Err(entry.incomplete(POINTS).into()),
            },
        };
        Ok(Points { all, entry })
    }

    /// All of them, in their order.
    pub fn all(&self) -> &[Value] {
        &self.all
    }

    /// Adds `point`, and keeps it.
    pub fn push(&mut self, point: Value) -> anyhow::Result<()> {
        self.all.push(point);
        let mut content = Checkpoint::default();
        content.header.facts.insert(POINTS.to_owned(), json!(self.all));
        Ok(self.entry.write_now(content)?)
    }
}
