//! Reads records for figures, tables and reports: runs by [`source`], then by [`details`] only what is asked of them.

#[cfg(feature = "mongo")]
pub mod addresses;
pub mod chains;
pub mod descent;
pub mod details;
#[cfg(feature = "mongo")]
mod downloads;
pub mod estimate;
pub mod group;
pub mod series;
pub mod source;
pub mod trials;
