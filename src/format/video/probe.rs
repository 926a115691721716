//! What `ffprobe` says of a movie: its size and pixel format, the number of its frames and when
//! each is shown.

use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use super::decoder::input;
use crate::format::FormatError;
use crate::frame::PixelType;

/// A frame larger than this is a damaged header, not a camera.
const MAX_FRAME_BYTES: usize = 1 << 31;

/// How ffmpeg is told to give each frame once: by two names, before and since version 5.1.
const PASSTHROUGH: [&str; 2] = ["-fps_mode", "passthrough"];
const PASSTHROUGH_BEFORE_5_1: [&str; 2] = ["-vsync", "passthrough"];

/// A movie, as the decoder and the recording need it.
pub(super) struct Movie {
    pub(super) codec: String,
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) frames: usize,
    pub(super) frame_bytes: usize,
    pub(super) grey: Grey,
    pub(super) passthrough: [&'static str; 2],
    /// Seconds since the first frame; shorter than `frames` where the file was cut short.
    pub(super) times_s: Vec<f64>,
    pub(super) frame_interval_s: Option<f64>,
    pub(super) start_unix_time_s: Option<f64>,
    pub(super) notes: Vec<String>,
}

/// The grey format that is asked of the decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grey {
    /// ffmpeg's name of it.
    pub(super) name: &'static str,
    /// The first plane of a colour movie is taken, instead of a conversion.
    pub(super) luma_only: bool,
    /// Neither grey nor with a luma plane: ffmpeg converts.
    pub(super) converted: bool,
}

impl Grey {
    /// The format that keeps the stored values of `pixel_format`, where there is one.
    fn of(pixel_format: &str, bits: Option<u32>) -> Self {
        let is_grey = pixel_format.starts_with("gray");
        // Planar only: interleaved formats (yuyv422, nv12, p010) have no plane of their own.
        let is_planar =
            ["yuv4", "yuvj4", "yuva4"].iter().any(|start| pixel_format.starts_with(start))
                && pixel_format.contains('p');
        let known = ["gray9", "gray10", "gray12", "gray14", "gray16"];
        let luma = ["p9", "p10", "p12", "p14", "p16"];
        let deep = known.iter().zip(luma).position(|(grey, planar)| {
            let tail = |rest: &str| matches!(rest, "le" | "be");
            pixel_format.strip_prefix(grey).is_some_and(tail)
                || (is_planar
                    && pixel_format.split_once(planar).is_some_and(|(_, rest)| tail(rest)))
        });
        let names = ["gray9le", "gray10le", "gray12le", "gray14le", "gray16le"];
        let shallow = pixel_format == "gray" || (is_planar && pixel_format.ends_with('p'));
        let (name, converted) = match deep.and_then(|place| names.get(place).copied()) {
            Some(name) => (name, false),
            None if shallow => ("gray", false),
            None if bits.unwrap_or(8) > 8 => ("gray16le", true),
            None => ("gray", true),
        };
        Grey { name, luma_only: is_planar && !is_grey && !converted, converted }
    }

    /// Frames have one byte a pixel, or two.
    pub(super) fn pixel_type(self) -> PixelType {
        if self.name == "gray" { PixelType::U8 } else { PixelType::U16 }
    }

    /// True when the decoder's byte order is the machine's.
    pub(super) fn is_native(self) -> bool {
        self.pixel_type().size() == 1 || cfg!(target_endian = "little")
    }
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    packets: Vec<Packet>,
    #[serde(default)]
    streams: Vec<VideoStream>,
    #[serde(default)]
    format: Option<Container>,
}

#[derive(Deserialize)]
struct Packet {
    pts_time: Option<String>,
    #[serde(default)]
    flags: String,
}

#[derive(Deserialize)]
struct VideoStream {
    codec_name: Option<String>,
    width: Option<usize>,
    height: Option<usize>,
    pix_fmt: Option<String>,
    bits_per_raw_sample: Option<String>,
    avg_frame_rate: Option<String>,
    nb_frames: Option<String>,
}

#[derive(Deserialize)]
struct Container {
    #[serde(default)]
    tags: std::collections::HashMap<String, String>,
}

/// Asks ffprobe, and ffmpeg for its version.
///
/// # Errors
/// [`FormatError`] when they are not installed, or refuse the file.
pub(super) fn movie(path: &Path) -> Result<Movie, FormatError> {
    let unsupported = |what: String| FormatError::Unsupported { path: path.to_owned(), what };
    let answer = ask(path)?;
    let Some(stream) = answer.streams.first() else {
        return Err(unsupported("ffprobe finds no video in the file".to_owned()));
    };
    let pixel_format = stream.pix_fmt.as_deref().unwrap_or("unknown");
    let bits = stream.bits_per_raw_sample.as_deref().and_then(|bits| bits.parse().ok());
    let grey = Grey::of(pixel_format, bits);
    let (width, height) = (stream.width.unwrap_or(0), stream.height.unwrap_or(0));
    let frame_bytes = width
        .checked_mul(height)
        .and_then(|pixels| pixels.checked_mul(grey.pixel_type().size()))
        .filter(|bytes| (1..=MAX_FRAME_BYTES).contains(bytes));
    let Some(frame_bytes) = frame_bytes else {
        return Err(unsupported(format!("a movie of {width}×{height} pixels cannot be measured")));
    };
    let passthrough = passthrough(path)?;
    let mut movie = Movie {
        codec: stream.codec_name.clone().unwrap_or_else(|| "unknown codec".to_owned()),
        width,
        height,
        frames: 0,
        frame_bytes,
        grey,
        passthrough,
        times_s: Vec::new(),
        frame_interval_s: None,
        start_unix_time_s: start(&answer),
        notes: Vec::new(),
    };
    if movie.grey.luma_only {
        movie.notes.push(format!("a colour movie ({pixel_format}): its luma is read"));
    } else if movie.grey.converted {
        movie.notes.push(format!("{pixel_format} pixels are converted to grey by ffmpeg"));
    }
    count_and_time(&answer, stream, &mut movie);
    if movie.frames == 0 {
        return Err(unsupported("the movie has no frames".to_owned()));
    }
    Ok(movie)
}

fn ask(path: &Path) -> Result<Answer, FormatError> {
    let entries = "packet=pts_time,flags:stream=codec_name,width,height,pix_fmt,\
                   bits_per_raw_sample,avg_frame_rate,nb_frames:format_tags=creation_time";
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "v:0", "-show_entries", entries])
        .args(["-of", "json"])
        .arg(input(path))
        .output()
        .map_err(|error| not_installed(path, error))?;
    let malformed =
        |what: String| FormatError::Malformed { path: path.to_owned(), offset: 0, what };
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().last().unwrap_or("no reason given").trim();
        // The file's name is already in the error.
        let reason = last.rsplit_once(": ").map_or(last, |(_, reason)| reason);
        return Err(malformed(format!("ffprobe cannot read the movie: {reason}")));
    }
    serde_json::from_slice(&output.stdout)
        .map_err(|error| malformed(format!("ffprobe's answer cannot be understood: {error}")))
}

/// Frames, their times and their step.
fn count_and_time(answer: &Answer, stream: &VideoStream, movie: &mut Movie) {
    // Packets that an edit list discards are decoded but never shown, and never written out.
    let shown = || answer.packets.iter().filter(|packet| !packet.flags.contains('D'));
    let present = shown().count();
    let discarded = answer.packets.len() - present;
    let announced = stream.nb_frames.as_deref().and_then(|count| count.parse::<usize>().ok());
    let announced = announced.map_or(present, |count| count.saturating_sub(discarded));
    movie.frames = announced.max(present);
    if announced > present {
        movie.notes.push(format!(
            "the movie announces {announced} frames and {present} are there; it was cut short"
        ));
    }
    let times: Option<Vec<f64>> = shown()
        .map(|packet| {
            packet.pts_time.as_deref()?.parse().ok().filter(|time: &f64| time.is_finite())
        })
        .collect();
    match times {
        Some(mut times) => {
            // Packets lie in the order of decoding.
            times.sort_by(f64::total_cmp);
            let first = times.first().copied().unwrap_or(0.0);
            movie.times_s = times.into_iter().map(|time| time - first).collect();
            movie.frame_interval_s = constant_step(&movie.times_s);
        }
        None => {
            movie.frame_interval_s = stream.avg_frame_rate.as_deref().and_then(step_of_rate);
            movie.notes.push("some frames have no time of their own in the file".to_owned());
        }
    }
}

/// The step, where all frames keep it to within the rounding of a container's clock (1 ms).
fn constant_step(times_s: &[f64]) -> Option<f64> {
    let last = *times_s.last()?;
    let step = last / (times_s.len().checked_sub(1).filter(|steps| *steps > 0)? as f64);
    let even = times_s.iter().enumerate().all(|(i, time)| (time - step * i as f64).abs() <= 1.5e-3);
    (even && step > 0.0).then_some(step)
}

/// The step of a rate that ffprobe writes as `30000/1001`.
fn step_of_rate(rate: &str) -> Option<f64> {
    let (count, seconds) = rate.split_once('/')?;
    let step = seconds.parse::<f64>().ok()? / count.parse::<f64>().ok()?;
    (step.is_finite() && step > 0.0).then_some(step)
}

fn start(answer: &Answer) -> Option<f64> {
    let stated = answer.format.as_ref()?.tags.get("creation_time")?;
    let seconds = stated.parse::<jiff::Timestamp>().ok()?.as_duration().as_secs_f64();
    // Writers without a clock leave 1970 or 1904.
    (seconds > 86_400.0).then_some(seconds)
}

fn passthrough(path: &Path) -> Result<[&'static str; 2], FormatError> {
    let output = Command::new("ffmpeg")
        .arg("-version")
        .output()
        .map_err(|error| not_installed(path, error))?;
    let old = version(&String::from_utf8_lossy(&output.stdout)).is_some_and(|found| found < (5, 1));
    Ok(if old { PASSTHROUGH_BEFORE_5_1 } else { PASSTHROUGH })
}

/// `(5, 1)` of `ffmpeg version 5.1.9-0+deb12u1 …` or `ffmpeg version n5.1`; builds from the
/// source tree have no such number and are newer.
fn version(said: &str) -> Option<(u32, u32)> {
    let word = said.split_whitespace().nth(2)?;
    let mut numbers = word.trim_start_matches('n').split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().unwrap_or(0)))
}

/// Why one of the two programs did not start.
pub(super) fn not_installed(path: &Path, error: std::io::Error) -> FormatError {
    if error.kind() != ErrorKind::NotFound {
        return FormatError::Io { path: path.to_owned(), source: error };
    }
    FormatError::Unsupported {
        path: path.to_owned(),
        what: "movies are read through ffmpeg, and `ffmpeg` or `ffprobe` is not installed; \
               install it with `apt install ffmpeg`, `dnf install ffmpeg`, `brew install ffmpeg` \
               or from ffmpeg.org"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_values_are_kept_where_there_is_a_grey_or_luma_plane() {
        let grey = |format| {
            let grey = Grey::of(format, None);
            (grey.name, grey.luma_only, grey.converted)
        };
        assert_eq!(grey("gray"), ("gray", false, false));
        assert_eq!(grey("gray16le"), ("gray16le", false, false));
        assert_eq!(grey("gray12be"), ("gray12le", false, false));
        assert_eq!(grey("yuv420p"), ("gray", true, false));
        assert_eq!(grey("yuvj422p"), ("gray", true, false));
        assert_eq!(grey("yuv420p10le"), ("gray10le", true, false));
        assert_eq!(grey("nv12"), ("gray", false, true));
        assert_eq!(grey("rgb24"), ("gray", false, true));
        assert_eq!(Grey::of("gbrp12le", Some(12)).name, "gray16le");
    }

    #[test]
    fn a_missing_program_says_how_to_install_it() {
        let error = not_installed(Path::new("a.mp4"), ErrorKind::NotFound.into());
        assert!(error.to_string().contains("apt install ffmpeg"), "{error}");
    }

    #[test]
    fn versions_are_read_from_releases_and_packages() {
        assert_eq!(version("ffmpeg version 5.1.9-0+deb12u1 Copyright"), Some((5, 1)));
        assert_eq!(version("ffmpeg version n4.4 Copyright"), Some((4, 4)));
        assert_eq!(version("ffmpeg version N-110-gabc Copyright"), None);
    }

    #[test]
    fn a_step_is_constant_only_when_all_frames_keep_it() {
        assert_eq!(constant_step(&[0.0, 0.25, 0.5]), Some(0.25));
        assert_eq!(constant_step(&[0.0, 0.25, 0.6]), None);
        assert_eq!(constant_step(&[0.0]), None);
        assert_eq!(step_of_rate("0/0"), None);
    }
}
