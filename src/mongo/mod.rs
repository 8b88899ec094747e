//! Brings runs to MongoDB as Sacred would have written them, and reads them back.
//!
//! The run's folder is the truth: a run is delivered by making documents and files of the database equal to what the folder
//! holds, as often as needed, so that a server may be away, slow or restarted at any time. [`address`] says where to.

pub mod address;

/// Says whether this program can talk to MongoDB at all: it was built with the feature `mongo`.
pub const IS_BUILT_IN: bool = cfg!(feature = "mongo");
