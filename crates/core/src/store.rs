//! Defines where chains save their state, so that a killed run can resume.
//!
//! A run is a sequence of stages (the draws around w*, those at a smaller γ, …), each with several parts (its chains). A part writes a
//! [`Snapshot`] to its [`Slot`] from time to time, and once more when it ends. A resumed run repeats everything in the same
//! order; parts that find their snapshot continue from it. The core has no files: a program that has them implements [`Store`].

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::memory::HostMemory;

/// The saved state of a part: named arrays and named facts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// The arrays in the order in which they were added.
    pub arrays: Vec<Array>,
    /// Numbers and words.
    pub facts: Map<String, Value>,
}

/// One array of a [`Snapshot`].
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Its name.
    pub name: String,
    /// Its shape, rows first.
    pub shape: Vec<usize>,
    /// Its elements, in row order.
    pub elements: HostMemory,
}

impl Snapshot {
    /// Adds an array.
    pub fn push(&mut self, name: &str, shape: &[usize], elements: HostMemory) {
        self.arrays.push(Array { name: name.to_owned(), shape: shape.to_vec(), elements });
    }

    /// The array `name`.
    pub fn array(&self, name: &str) -> Option<&Array> {
        self.arrays.iter().find(|array| array.name == name)
    }

    /// The fact `name`; null if there is none.
    pub fn fact(&self, name: &str) -> &Value {
        self.facts.get(name).unwrap_or(&Value::Null)
    }
}

/// The place of one stage's snapshots.
pub trait Store: fmt::Debug + Send + Sync {
    /// The stage `name` within this one. A name belongs to one stage of a run; letters, digits, `-` and `_`.
    fn stage(&self, name: &str) -> Arc<dyn Store>;

    /// The slot for the snapshot of the part `name` of this stage.
    fn slot(&self, name: &str) -> Box<dyn Slot>;
}

/// The place of one part's snapshot.
pub trait Slot: Send {
    /// Whether snapshots are saved at all.
    fn is_kept(&self) -> bool;

    /// Whether it is time for another snapshot.
    fn is_due(&self) -> bool;

    /// Whether too little was done since the last snapshot to justify another.
    fn is_hardly_newer(&self) -> bool;

    /// The saved snapshot, if there is one.
    ///
    /// # Errors
    /// [`StoreError`] if there is one that can't be used.
    fn read(&self) -> Result<Option<Snapshot>, StoreError>;

    /// Replaces the saved snapshot. A failure may be reported only after it has lasted for some time.
    ///
    /// # Errors
    /// [`StoreError`] if it can't be written.
    fn write(&mut self, snapshot: Snapshot) -> Result<(), StoreError>;

    /// As [`Slot::write`], but reports every failure: for the last snapshot.
    ///
    /// # Errors
    /// [`StoreError`] if it can't be written.
    fn write_now(&mut self, snapshot: Snapshot) -> Result<(), StoreError>;

    /// The error for a snapshot that lacks `what`.
    fn incomplete(&self, what: &'static str) -> StoreError;
}

/// Why a snapshot can't be used or written.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct StoreError(Box<dyn std::error::Error + Send + Sync>);

impl StoreError {
    /// With `reason` as its text or its cause.
    pub fn new(reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
        StoreError(reason.into())
    }
}

/// Saves nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nowhere;

impl Store for Nowhere {
    fn stage(&self, _: &str) -> Arc<dyn Store> {
        Arc::new(Nowhere)
    }

    fn slot(&self, _: &str) -> Box<dyn Slot> {
        Box::new(Nowhere)
    }
}

impl Slot for Nowhere {
    fn is_kept(&self) -> bool {
        false
    }

    fn is_due(&self) -> bool {
        false
    }

    fn is_hardly_newer(&self) -> bool {
        true
    }

    fn read(&self) -> Result<Option<Snapshot>, StoreError> {
        Ok(None)
    }

    fn write(&mut self, _: Snapshot) -> Result<(), StoreError> {
        Ok(())
    }

    fn write_now(&mut self, _: Snapshot) -> Result<(), StoreError> {
        Ok(())
    }

    fn incomplete(&self, what: &'static str) -> StoreError {
        StoreError::new(format!("{what} is missing or has another size"))
    }
}
