//! Sums up what several runs say.

pub mod bootstrap;
pub mod quantiles;
pub mod savgol;
