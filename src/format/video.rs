//! Videos through an installed ffmpeg: frames come as grey values from one child process, in
//! order.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Mutex;

use super::{Access, FormatError, Recording, RecordingInfo};
use crate::frame::PixelType;

const SUFFIXES: [&str; 9] = ["avi", "mp4", "mov", "mkv", "webm", "m4v", "wmv", "mpg", "mpeg"];

pub(super) fn matches(path: &Path, _: &[u8]) -> bool {
    let suffix = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    SUFFIXES.contains(&suffix.as_str())
}

pub(super) fn open(path: &Path) -> Result<Box<dyn Recording>, FormatError> {
    Ok(Box::new(Video::open(path)?))
}

struct Video {
    path: PathBuf,
    info: RecordingInfo,
    times_s: Vec<f64>,
    decoder: Mutex<Option<Decoder>>,
}

/// A running ffmpeg and the number of the frame that it gives next.
struct Decoder {
    child: Child,
    output: ChildStdout,
    next: usize,
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Video {
    fn open(path: &Path) -> Result<Video, FormatError> {
        let unsupported = |what: String| FormatError::Unsupported { path: path.to_owned(), what };
        let probe = run(
            Command::new("ffprobe")
                .args(["-v", "error", "-select_streams", "v:0", "-show_packets"])
                .args(["-show_entries", "stream=width,height,pix_fmt:packet=pts_time"])
                .args(["-of", "json"])
                .arg(path),
            path,
        )?;
        let told: serde_json::Value = serde_json::from_slice(&probe)
            .map_err(|error| unsupported(format!("ffprobe's answer cannot be read: {error}")))?;
        let stream = &told["streams"][0];
        let size = |key: &str| stream[key].as_u64().and_then(|n| usize::try_from(n).ok());
        let (Some(width), Some(height)) = (size("width"), size("height")) else {
            return Err(unsupported("ffmpeg finds no video in it".to_owned()));
        };
        let mut times_s: Vec<f64> = told["packets"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|packet| packet["pts_time"].as_str()?.parse().ok())
            .collect();
        times_s.sort_by(f64::total_cmp);
        let frames = told["packets"].as_array().map_or(0, Vec::len);
        if frames == 0 {
            return Err(unsupported("the video has no frames".to_owned()));
        }
        if times_s.len() != frames {
            times_s.clear();
        }
        let format = stream["pix_fmt"].as_str().unwrap_or_default();
        let deep = ["10", "12", "14", "16"].iter().any(|bits| format.contains(bits));
        let pixel_type = if deep { PixelType::U16 } else { PixelType::U8 };
        let colour = !format.starts_with("gray");
        let step = times_s.last().zip(times_s.first()).filter(|_| frames > 1);
        let info = RecordingInfo {
            format: format!("video ({format})"),
            width,
            height,
            frames,
            pixel_type,
            pixel_size_nm: None,
            frame_interval_s: step.map(|(last, first)| (last - first) / (frames - 1) as f64),
            start_unix_time_s: None,
            notes: if colour { vec!["colours are read as grey values".to_owned()] } else { vec![] },
        };
        Ok(Video { path: path.to_owned(), info, times_s, decoder: Mutex::new(None) })
    }

    fn start(&self) -> Result<Decoder, FormatError> {
        let format = if self.info.pixel_type == PixelType::U16 {
            if cfg!(target_endian = "little") { "gray16le" } else { "gray16be" }
        } else {
            "gray"
        };
        let child = Command::new("ffmpeg")
            .args(["-v", "error", "-nostdin", "-i"])
            .arg(&self.path)
            .args(["-map", "0:v:0", "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt"])
            .args([format, "-"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut child = child.map_err(|error| missing(&self.path, "ffmpeg", error))?;
        let Some(output) = child.stdout.take() else {
            unreachable!("the child's output was asked to be piped");
        };
        Ok(Decoder { child, output, next: 0 })
    }
}

fn run(command: &mut Command, path: &Path) -> Result<Vec<u8>, FormatError> {
    let output = command.output().map_err(|error| missing(path, "ffprobe", error))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let told = String::from_utf8_lossy(&output.stderr);
    let told = told.lines().last().unwrap_or("no reason given").to_owned();
    Err(FormatError::Unsupported {
        path: path.to_owned(),
        what: format!("ffprobe cannot read it: {told}"),
    })
}

fn missing(path: &Path, program: &str, error: std::io::Error) -> FormatError {
    FormatError::Unsupported {
        path: path.to_owned(),
        what: format!(
            "videos are read through {program}, which cannot be started ({error}); install it with: \
             apt-get install ffmpeg"
        ),
    }
}

impl Recording for Video {
    fn info(&self) -> &RecordingInfo {
        &self.info
    }

    fn read<'a>(&'a self, index: usize, scratch: &'a mut Vec<u8>) -> Result<&'a [u8], FormatError> {
        super::check_index(&self.path, index, self.info.frames)?;
        let mut decoder = match self.decoder.lock() {
            Ok(decoder) => decoder,
            // A reader that failed left a decoder at an unknown place; it is started anew below.
            Err(poisoned) => {
                let mut decoder = poisoned.into_inner();
                *decoder = None;
                decoder
            }
        };
        if decoder.as_ref().is_none_or(|running| running.next > index) {
            *decoder = Some(self.start()?);
        }
        let Some(running) = decoder.as_mut() else {
            unreachable!("a decoder was just started");
        };
        scratch.resize(self.info.width * self.info.height * self.info.pixel_type.size(), 0);
        while running.next <= index {
            running.output.read_exact(scratch).map_err(|_| FormatError::Truncated {
                path: self.path.clone(),
                what: format!("frame {index}"),
                expected: (index as u64 + 1) * scratch.len() as u64,
                found: running.next as u64 * scratch.len() as u64,
            })?;
            running.next += 1;
        }
        Ok(scratch)
    }

    fn time_s(&self, index: usize) -> Option<f64> {
        self.times_s.get(index).copied()
    }

    fn access(&self) -> Access {
        Access::Sequential
    }
}
