//! Writes and reads a run on disk: Sacred's file tree, plus draws that ArviZ opens. Needs no libtorch.
//!
//! ```text
//! BASE/<id>/config.json  run.json  cout.txt  metrics.json  info.json  report.json  draws.zarr/
//!            draws-trained.zarr/  true_param.npz  trained_param.npz      if the run has them
//! ```
//!
//! [`folder`] allocates `<id>`, [`atomic`] replaces files so that a reader never sees half of one, [`json`] writes
//! Python's layout, [`time`] Sacred's timestamps, [`redact`] keeps credentials out, [`draw_buffer`] and [`draws`]
//! fill `draws.zarr` with [`zarr`], `npz` writes parameters for NumPy, [`read`] lists runs and [`filter`]
//! selects among them. The observer that uses them is
//! [`FileTreeObserver`](crate::observe::file_tree::FileTreeObserver).

pub mod atomic;
pub mod draw_buffer;
pub mod draws;
pub mod filter;
pub mod folder;
pub mod json;
pub mod lock;
#[cfg(feature = "torch")]
pub mod npz;
pub mod read;
pub mod redact;
pub mod time;
pub mod zarr;
