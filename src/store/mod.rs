//! What a run leaves behind: the journal, raw frames where they are asked for, the run file (HDF5, NeXus style) that is built from it,
//! its summary, and the picture of a run.

mod builder;
mod faulty_disk;
mod frames_file;
pub mod journal;
mod picture;
mod recorder;
mod recover;
mod room;
mod run_file;
mod summary;
mod tail;
mod text;

pub use builder::BuildError;
pub use faulty_disk::FaultyDisk;
pub use frames_file::{FramesFile, FramesSummary, Told, frames_path_of, move_frames};
pub use picture::{PictureError, draw};
pub use recorder::{Recorder, StoreOptions, WhenSlow};
pub use recover::{Outcome, RecoverError, Recovery, recover};
use run_file::RAW_FRAMES;
pub(crate) use run_file::{attributes, chunk, texts};
pub use summary::{AlarmSummary, GaugeSummary, RunSummary, Series, SheddingSummary, StageSummary};
pub use tail::{Event, RunState, Tail};
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
    #[error(
        "{}: an earlier run left this journal; complete its run file first: liwatch recover {}",
        journal.display(), run.display()
    )]
    JournalLeft { run: PathBuf, journal: PathBuf },
    #[error("{}: {what}: {source}", path.display())]
    Io { path: PathBuf, what: String, source: std::io::Error },
    #[error("{}: {what}: {source}", path.display())]
    Hdf5 { path: PathBuf, what: String, source: hdf5::Error },
    #[error("{}: {what}", path.display())]
    NotARun { path: PathBuf, what: String },
}
