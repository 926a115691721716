//! Recorded formats: one file (or folder) each, all behind [`Recording`].
//!
//! A reader iterates: it knows where each frame lies and reads one at a time, from a memory map
//! where the file allows. Nothing loads a recording whole.

pub mod bitshuffle;
mod bytes;
mod contiguous;
mod cursor;
mod dm;
mod emi;
mod folder;
mod gatan_tree;
mod luminance;
mod mrc;
mod npy;
mod packed_frames;
mod png_image;
mod refused;
mod run_file;
mod ser;
mod tiff;
mod units;
mod video;

use std::path::{Path, PathBuf};

pub(crate) use run_file::follow as follow_hdf5;

use crate::frame::{Fate, PixelType, Reason};

/// What a recording says of itself, before any pixel is read.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordingInfo {
    /// The format's name as a person would say it: `TIFF stack`, `Gatan DM4`.
    pub format: String,
    pub width: usize,
    pub height: usize,
    pub frames: usize,
    pub pixel_type: PixelType,
    /// Pixel size in nanometres (x, y), where the file has it.
    pub pixel_size_nm: Option<(f64, f64)>,
    /// Seconds from one frame to the next, where the file has a constant step.
    pub frame_interval_s: Option<f64>,
    /// When the first frame was taken, s since 1970-01-01 UTC, where the file says.
    pub start_unix_time_s: Option<f64>,
    /// What is worth telling a person: odd or broken parts, assumptions made.
    pub notes: Vec<String>,
}

/// Whether frames can be read in any order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Any frame at any time, from several threads at once.
    Random,
    /// Frames come fastest in order, and out of order only at the cost of starting again.
    Sequential,
}

/// An opened recording.
///
/// Implementations are shared by threads: `read` takes `&self`. Where a decoder has state (a
/// video stream), it stands behind a lock in the implementation and `access` says so.
pub trait Recording: Send + Sync {
    fn info(&self) -> &RecordingInfo;

    /// The pixels of frame `index`, `height · width` of `info().pixel_type`, row-major, in native
    /// byte order: borrowed from the memory map where the file allows, else in `scratch`.
    ///
    /// # Errors
    /// [`FormatError`] with file and offset. A frame that cannot be read does not spoil the
    /// others.
    fn read<'a>(&'a self, index: usize, scratch: &'a mut Vec<u8>) -> Result<&'a [u8], FormatError>;

    /// Seconds of frame `index` since the first frame, where the file keeps a time per frame.
    fn time_s(&self, index: usize) -> Option<f64> {
        let _ = index;
        None
    }

    /// Number of frame `index` as its source counted it.
    fn sequence(&self, index: usize) -> u64 {
        index as u64
    }

    /// What became of frame `index`, where the file says that it has a row and no pixels.
    fn lost(&self, index: usize) -> Option<(Fate, Reason)> {
        let _ = index;
        None
    }

    /// The time step with which these frames were measured when they were recorded, s.
    fn step_s(&self) -> Option<f64> {
        None
    }

    fn access(&self) -> Access {
        Access::Random
    }
}

/// Why a recording or one of its frames cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    /// The file ends before what its header promises.
    #[error(
        "{}: ends at byte {found}, but {what} needs {expected} bytes; the file was cut short",
        path.display()
    )]
    Truncated { path: PathBuf, what: String, expected: u64, found: u64 },
    /// A field of the header, or the data of a frame, makes no sense.
    #[error("{}: at byte {offset}: {what}", path.display())]
    Malformed { path: PathBuf, offset: u64, what: String },
    /// A sound file with something that cannot be measured; the text says what to do.
    #[error("{}: {what}", path.display())]
    Unsupported { path: PathBuf, what: String },
    /// One frame differs from the first in size or type.
    #[error("{}: frame {index} is {found}, but the first frame is {expected}", path.display())]
    WrongShape { path: PathBuf, index: usize, found: String, expected: String },
}

impl FormatError {
    /// For a frame that was asked for and that the recording does not have.
    fn no_frame(path: &Path, index: usize, frames: usize) -> FormatError {
        let what = format!("has no frame {index}; it holds {frames}");
        FormatError::Unsupported { path: path.to_owned(), what }
    }
}

/// One line of the table of formats.
struct Probe {
    /// What a person calls it; listed when nothing matches.
    name: &'static str,
    /// Told from the path and the first bytes (none for a folder).
    matches: fn(&Path, &[u8]) -> bool,
    open: fn(&Path) -> Result<Box<dyn Recording>, FormatError>,
}

/// How much of a file the probes see.
const HEAD_BYTES: u64 = 4096;

/// The formats in the order in which they are tried: those told by content, then those by name.
#[rustfmt::skip]
const PROBES: &[Probe] = &[
    Probe { name: "Gatan In-Situ tree", matches: gatan_tree::matches, open: gatan_tree::open },
    Probe { name: "DM3 and DM4", matches: dm::matches, open: dm::open },
    Probe { name: "SER with EMI", matches: ser::matches, open: ser::open },
    Probe { name: "HDF5", matches: run_file::matches, open: run_file::open },
    Probe { name: "video", matches: video::matches, open: video::open },
    Probe { name: "folder of numbered TIFF or PNG images", matches: |path, _| path.is_dir(), open: |path| boxed(folder::Folder::open(path)) },
    Probe { name: "TIFF", matches: |_, head| tiff::has_magic(head), open: |path| boxed(tiff::Tiff::open(path)) },
    Probe { name: "NPY", matches: |_, head| head.starts_with(npy::MAGIC), open: |path| boxed(npy::Npy::open(path)) },
    Probe { name: "PNG", matches: |_, head| head.starts_with(png_image::MAGIC), open: |path| boxed(png_image::PngImage::open(path)) },
    Probe { name: "MRC", matches: |_, head| mrc::has_magic(head), open: |path| boxed(mrc::Mrc::open(path)) },
    // Known, and refused with advice.
    Probe { name: "", matches: |_, head| refused::advice(head).is_some(), open: refused::refuse },
    // By name only.
    Probe { name: "", matches: mrc::named_as_mrc, open: |path| boxed(mrc::Mrc::open(path)) },
];

fn boxed<R: Recording + 'static>(
    opened: Result<R, FormatError>,
) -> Result<Box<dyn Recording>, FormatError> {
    Ok(Box::new(opened?))
}

/// Opens a recording, told by content first and by name second.
///
/// # Errors
/// [`FormatError`] when nothing at `path` can be read as a recording.
pub fn open(path: &Path) -> Result<Box<dyn Recording>, FormatError> {
    let head = if path.is_dir() { Vec::new() } else { bytes::read_head(path, HEAD_BYTES)? };
    if let Some(probe) = PROBES.iter().find(|probe| (probe.matches)(path, &head)) {
        return (probe.open)(path);
    }
    let what = if head.is_empty() {
        "is empty; the recording was never written".to_owned()
    } else {
        let known: Vec<_> = PROBES.iter().map(|p| p.name).filter(|n| !n.is_empty()).collect();
        format!("is not a recording that liwatch knows ({})", known.join(", "))
    };
    Err(FormatError::Unsupported { path: path.to_owned(), what })
}

/// Frame numbers beyond the end are the caller's mistake, and an error all the same.
fn check_index(path: &Path, index: usize, frames: usize) -> Result<(), FormatError> {
    if index < frames {
        return Ok(());
    }
    let what = format!("has {frames} frames; there is no frame {index}, counted from 0");
    Err(FormatError::Unsupported { path: path.to_owned(), what })
}
