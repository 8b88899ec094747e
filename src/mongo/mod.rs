//! Brings runs to MongoDB as Sacred would have written them, and reads them back.
//!
//! The run's folder is the truth. [`Delivery`] makes documents and files of the database equal to what the folder holds, as
//! often as needed: a server may be down, slow or restarted at any time, and no point is doubled or lost.
//!
//! ```text
//! runs      {_id: 7, experiment, host, config, status, captured_out, info.metrics, artifacts, …}
//! metrics   {run_id: 7, name: "llc", steps: […], values: […], timestamps: […]}
//! fs.files  {filename: "artifact://runs/7/report.json", contentType, …}     fs.chunks  its bytes
//! ```
//!
//! [`address`] says where, a ledger in the run's folder what was delivered, a follower delivers while a run continues, [`sync()`]
//! afterwards, and [`source`] reads runs for `llc-analysis`.
//!
//! *Tested by* `tests/mongo.rs`, against Sacred's own documents, incense, pymongo and Omniboard.

pub mod address;
#[cfg(feature = "mongo")]
mod archive;
#[cfg(feature = "mongo")]
mod bson;
#[cfg(feature = "mongo")]
mod database;
#[cfg(feature = "mongo")]
mod delivery;
#[cfg(feature = "mongo")]
mod document;
#[cfg(feature = "mongo")]
mod error;
#[cfg(feature = "mongo")]
mod files;
#[cfg(feature = "mongo")]
mod follower;
#[cfg(feature = "mongo")]
mod grid_fs;
#[cfg(feature = "mongo")]
mod ledger;
#[cfg(feature = "mongo")]
mod metrics;
#[cfg(feature = "mongo")]
pub mod source;
#[cfg(feature = "mongo")]
mod sync;

#[cfg(feature = "mongo")]
pub use delivery::{Delivered, Delivery, Extent};
#[cfg(feature = "mongo")]
pub use error::MongoError;
#[cfg(feature = "mongo")]
pub(crate) use follower::Follower;
#[cfg(feature = "mongo")]
pub use sync::{Synced, addresses_of, sync};

/// Whether this program can talk to MongoDB at all: it was built with the feature `mongo`.
pub const IS_BUILT_IN: bool = cfg!(feature = "mongo");
