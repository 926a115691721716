//! Recorded formats: one file (or folder) each, all behind [`Recording`].
//!
//! A reader iterates: it knows where each frame lies and reads one at a time, from a memory map
//! where the file allows. Nothing loads a recording whole.

mod bytes;
mod npy;

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::frame::PixelType;

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

/// One format: how it is told, and how it is opened.
struct Probe {
    name: &'static str,
    /// Judges by the path and the first bytes of the file (none, for a folder).
    matches: fn(&Path, &[u8]) -> bool,
    open: fn(&Path) -> Result<Box<dyn Recording>, FormatError>,
}

/// All formats, the surest signs first.
const PROBES: &[Probe] = &[Probe { name: "NPY", matches: npy::matches, open: npy::open }];

/// First bytes that the formats are told by.
const HEAD_BYTES: u64 = 4096;

/// Opens a recording, told by content first and by name second.
///
/// # Errors
/// [`FormatError`] when nothing at `path` can be read as a recording.
pub fn open(path: &Path) -> Result<Box<dyn Recording>, FormatError> {
    let head =
        read_head(path).map_err(|source| FormatError::Io { path: path.to_owned(), source })?;
    match PROBES.iter().find(|probe| (probe.matches)(path, &head)) {
        Some(probe) => (probe.open)(path),
        None => Err(unknown(path, &head)),
    }
}

fn read_head(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    if !std::fs::metadata(path)?.is_dir() {
        std::fs::File::open(path)?.take(HEAD_BYTES).read_to_end(&mut head)?;
    }
    Ok(head)
}

fn unknown(path: &Path, head: &[u8]) -> FormatError {
    let what = if path.is_dir() {
        "the folder holds no numbered TIFF or PNG images and no In-Situ tree".to_owned()
    } else if head.is_empty() {
        "the file is empty".to_owned()
    } else if head.starts_with(b"BM") || head.starts_with(b"GIF8") {
        "BMP and GIF are not read; convert with: ffmpeg -i IN -pix_fmt gray OUT%04d.png".to_owned()
    } else if head.starts_with(&[0x1f, 0x8b]) || head.starts_with(b"BZh") {
        "the file is compressed; unpack it first (gunzip or bunzip2)".to_owned()
    } else {
        let names: Vec<&str> = PROBES.iter().map(|probe| probe.name).collect();
        format!("no recording that liwatch knows; it reads {}", names.join(", "))
    };
    FormatError::Unsupported { path: path.to_owned(), what }
}
