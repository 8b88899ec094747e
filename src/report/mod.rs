//! Holds what runs report, as structs: `report.json` is their serialisation, and tables, resumed runs and `llc-analysis` read their fields.
//!
//! What a run did not measure is a `None`. A number that could not be computed is NaN, and null in JSON. Keys are never renamed: records
//! outlive the program. A key that version 0.1.0 did not write is an `Option` or has a default here, so that its records are still read.
//!
//! *Tested by* the reports in tests/fixtures/records, each read as the struct of its experiment and written back (`read`).

pub mod dln;
pub mod kernel_regression;
pub mod network;
pub mod paths;
mod point;
pub mod profile;
pub mod read;
pub mod rungs;
pub mod saddle;
pub mod table;
pub mod theory;
pub mod toy;
pub mod training;
pub mod trials;

use serde::{Deserialize, Serialize};

use crate::observe::Status;

pub use point::{Chains, Diagnostics, Estimate, Judgement, Lambda, SamplingTime, Scores};

/// The version of the reports' form, raised where a key changes what it means. Records of `llc` 0.1.0 say none, which is read as 0.
pub const SCHEMA_VERSION: u32 = 1;

/// The report of a run: what every experiment says, and what it `found`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report<R> {
    #[serde(default)]
    pub schema_version: u32,
    /// The subcommand of `llc`.
    pub experiment: String,
    #[serde(flatten)]
    pub found: R,
    pub seed: u64,
    /// The record's folder, if there is a record.
    pub run_dir: Option<String>,
    pub status: Status,
}
