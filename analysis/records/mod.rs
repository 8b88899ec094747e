//! Reads records for figures, tables and reports: runs by [`source`], then only what is asked of them.

pub mod chains;
pub mod descent;
pub mod estimate;
pub mod group;
pub mod series;
pub mod source;
