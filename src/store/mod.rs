//! The run file (HDF5, NeXus style), its summary, and the picture of a run.

mod picture;
mod run_file;
mod summary;
mod text;

pub use picture::{PictureError, draw};
pub use run_file::RunFile;
pub(crate) use run_file::{attributes, texts};
pub use summary::{GaugeSummary, RunSummary, Series, StageLatency};
pub use text::summary_text;

use std::path::PathBuf;

/// Why a run file could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(
        "{}: exists already; a run is never overwritten by itself: give another name, or --force",
        path.display()
    )]
    Exists { path: PathBuf },
    #[error("{}: {what}: {source}", path.display())]
    Hdf5 { path: PathBuf, what: String, source: hdf5::Error },
    #[error("{}: {what}", path.display())]
    NotARun { path: PathBuf, what: String },
}
