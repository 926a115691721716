//! One `ffmpeg` that writes grey frames, one after the other, to a pipe.

use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use super::probe::{Movie, not_installed};
use crate::format::FormatError;

/// What is reserved for a frame before its first byte has come.
const FIRST_BYTES: usize = 1 << 20;

/// A running decoder and the number of the frame that it gives next.
pub(super) struct Decoder {
    path: PathBuf,
    child: Child,
    frames: ChildStdout,
    next_index: usize,
}

impl Decoder {
    /// Starts ffmpeg at the first frame.
    ///
    /// # Errors
    /// [`FormatError`] when it cannot be started.
    pub(super) fn start(path: &Path, movie: &Movie) -> Result<Self, FormatError> {
        let mut command = Command::new("ffmpeg");
        // Frames as they lie in the file: none turned, doubled or left out to please a clock.
        command.args(["-v", "quiet", "-nostdin", "-noautorotate", "-i"]).arg(input(path));
        command.args(["-map", "0:v:0"]).args(movie.passthrough);
        if movie.grey.luma_only {
            command.args(["-vf", "extractplanes=y"]);
        }
        command.args(["-pix_fmt", movie.grey.name, "-f", "rawvideo", "pipe:1"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|error| not_installed(path, error))?;
        let Some(frames) = child.stdout.take() else {
            unreachable!("the child was started with its output piped");
        };
        Ok(Decoder { path: path.to_owned(), child, frames, next_index: 0 })
    }

    /// The number of the frame that is read next.
    pub(super) fn next_index(&self) -> usize {
        self.next_index
    }

    /// The next frame, of so many bytes, to `frame`; false at the end of what decodes. Memory is
    /// taken as the bytes come, not for what the file announces.
    ///
    /// # Errors
    /// [`FormatError::Io`] when the pipe breaks in another way than by its end.
    pub(super) fn read_next(
        &mut self,
        bytes: usize,
        frame: &mut Vec<u8>,
    ) -> Result<bool, FormatError> {
        frame.clear();
        frame.reserve(bytes.min(FIRST_BYTES));
        let read = self.frames.by_ref().take(bytes as u64).read_to_end(frame);
        let read = read.map_err(|source| FormatError::Io { path: self.path.clone(), source })?;
        self.next_index += usize::from(read == bytes);
        Ok(read == bytes)
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // Both fail only when the child has ended by itself, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The path as ffmpeg takes it: never as an option or as the address of a protocol.
pub(super) fn input(path: &Path) -> OsString {
    let mut input = OsString::from("file:");
    input.push(path);
    input
}
