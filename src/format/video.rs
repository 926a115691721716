//! Movies (AVI, MP4, MOV, MKV, WebM, …) through the `ffprobe` and `ffmpeg` that are installed.
//!
//! `ffprobe` lists the packets, which gives the number of frames and their times; one `ffmpeg`
//! then writes grey frames to a pipe. It is a stream: the next frame is cheap, an earlier one
//! costs a new start. Grey movies and the luma of colour movies come as stored, to the bit;
//! palettes and RGB are converted to grey by ffmpeg, and a note says so.

mod decoder;
mod probe;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use self::decoder::Decoder;
use self::probe::Movie;
use super::{Access, FormatError, Recording, RecordingInfo};

/// Endings of the containers that microscopes and screen grabbers write.
const EXTENSIONS: [&str; 13] =
    ["avi", "mp4", "m4v", "mov", "mkv", "webm", "wmv", "mpg", "mpeg", "mts", "m2ts", "flv", "ogv"];

/// True for the marks of AVI, MP4/MOV and Matroska, and for the endings of other movies.
pub(super) fn matches(path: &Path, head: &[u8]) -> bool {
    let riff = head.starts_with(b"RIFF") && head.get(8..12) == Some(b"AVI ");
    let iso = head.get(4..8) == Some(b"ftyp");
    let matroska = head.starts_with(&[0x1a, 0x45, 0xdf, 0xa3]);
    let ending = path
        .extension()
        .is_some_and(|found| EXTENSIONS.iter().any(|known| found.eq_ignore_ascii_case(known)));
    riff || iso || matroska || ending
}

/// Opens the first video stream of a movie.
///
/// # Errors
/// [`FormatError::Unsupported`] when ffmpeg is not installed or knows no video in the file;
/// [`FormatError::Malformed`] when it refuses the file.
pub(super) fn open(path: &Path) -> Result<Box<dyn Recording>, FormatError> {
    let movie = probe::movie(path)?;
    let info = RecordingInfo {
        format: format!("movie ({})", movie.codec),
        width: movie.width,
        height: movie.height,
        frames: movie.frames,
        pixel_type: movie.grey.pixel_type(),
        pixel_size_nm: None,
        frame_interval_s: movie.frame_interval_s,
        start_unix_time_s: movie.start_unix_time_s,
        notes: movie.notes.clone(),
    };
    Ok(Box::new(Video { path: path.to_owned(), info, movie, stream: Mutex::default() }))
}

/// An opened movie.
struct Video {
    path: PathBuf,
    info: RecordingInfo,
    movie: Movie,
    stream: Mutex<Stream>,
}

/// The decoder that runs, and what is known of the movie's end.
#[derive(Default)]
struct Stream {
    decoder: Option<Decoder>,
    /// Frames that decode, once the end was met.
    decodable: Option<usize>,
}

impl Video {
    fn cut_short(&self, index: usize, decodable: usize) -> FormatError {
        let frame_bytes = self.movie.frame_bytes as u64;
        FormatError::Truncated {
            path: self.path.clone(),
            what: format!(
                "frame {index} of the decoded movie ({} frames announced, {decodable} decode)",
                self.info.frames
            ),
            expected: (index as u64 + 1).saturating_mul(frame_bytes),
            found: (decodable as u64).saturating_mul(frame_bytes),
        }
    }
}

impl Recording for Video {
    fn info(&self) -> &RecordingInfo {
        &self.info
    }

    fn read<'a>(&'a self, index: usize, scratch: &'a mut Vec<u8>) -> Result<&'a [u8], FormatError> {
        if index >= self.info.frames {
            return Err(FormatError::no_frame(&self.path, index, self.info.frames));
        }
        // A decoder whose reader panicked is only a stream at an unknown place; see below.
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(decodable) = stream.decodable.filter(|decodable| index >= *decodable) {
            return Err(self.cut_short(index, decodable));
        }
        let running = stream.decoder.take().filter(|decoder| decoder.next_index() <= index);
        let mut decoder = match running {
            Some(decoder) => decoder,
            None => Decoder::start(&self.path, &self.movie)?,
        };
        while decoder.next_index() <= index {
            if !decoder.read_next(self.movie.frame_bytes, scratch)? {
                let decodable = decoder.next_index();
                stream.decodable = Some(decodable);
                return Err(self.cut_short(index, decodable));
            }
        }
        stream.decoder = Some(decoder);
        if !self.movie.grey.is_native() {
            scratch.chunks_exact_mut(2).for_each(<[u8]>::reverse);
        }
        Ok(scratch)
    }

    fn time_s(&self, index: usize) -> Option<f64> {
        self.movie.times_s.get(index).copied()
    }

    fn access(&self) -> Access {
        Access::Sequential
    }
}
