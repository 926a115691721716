//! The drift-corrected stack of a recording: a second pass, after the run, in which each frame is
//! brought to reference coordinates and written to a TIFF for ImageJ or an HDF5 for HyperSpy.
//!
//! Each frame has an [`Affine`](crate::resample::Affine) map from reference to frame coordinates,
//! as the run file keeps it. [`Plan`] fixes what is written, [`write()`] does it on many threads, in frame order
//! and in bounded memory. One output frame stands for each row of the ledger: a frame that could
//! not be placed is empty (NaN, or 0 in integers) and marked as such, so that frame numbers agree
//! with those of the run file.
//!
//! Values between pixels come from the 17-tap least-squares kernel that registration also uses
//! (`src/resample/kernel.rs`), made to keep a flat image flat. It was chosen against a quintic
//! B-spline with prefilter: on waves up to 0.35 cycles per pixel it errs by 5e-4 of the image's
//! contrast, the spline by 6e-3, and a shift costs two passes of a plain filter without recursion.
//! At 0.1 cycles per pixel the spline is nearer (7e-7 against 9e-5), but no camera's noise leaves
//! that to be seen. `benches/peers/corrected.py` measures both in one run.

mod area;
mod nexus;
mod output;
mod pass;
mod plan;
mod tiff;
mod whole;

pub use area::Area;
pub use output::{Kind, Output};
pub use pass::write;
pub use plan::{Plan, Row, Shift, Written};

use std::path::PathBuf;

/// Why a corrected stack could not be written.
#[derive(Debug, thiserror::Error)]
pub enum CorrectError {
    #[error(
        "{}: exists already and is not overwritten by itself: give another name, or --force",
        path.display()
    )]
    Exists { path: PathBuf },
    #[error(
        "{}: a corrected stack is written as .tif or .tiff (ImageJ), .btf (BigTIFF), .h5, .hdf5 \
         or .nxs (NeXus HDF5); use one of these endings",
        path.display()
    )]
    UnknownKind { path: PathBuf },
    #[error("{}: is also {what}; give the corrected stack another name", path.display())]
    SameFile { path: PathBuf, what: &'static str },
    #[error("{}: cannot be created: {source}; does its folder exist, and may you write there?", path.display())]
    Create { path: PathBuf, source: std::io::Error },
    #[error(
        "no pixel of the reference is covered by all {placed} placed frames, so there is nothing \
         to crop to; leave out --corrected-crop"
    )]
    NothingInCommon { placed: usize },
    /// Writing failed on the way; the part that was written is gone.
    #[error(
        "{}: frame {frame} of {frames} could not be written: {reason}; what was written of \
         the stack is removed, the run file is kept",
        path.display()
    )]
    Write { path: PathBuf, frame: usize, frames: usize, reason: String },
    #[error("{}: stopped after {frame} of {frames} frames; what was written is removed, the run file is kept", path.display())]
    Stopped { path: PathBuf, frame: usize, frames: usize },
}

#[cfg(test)]
mod tests;
