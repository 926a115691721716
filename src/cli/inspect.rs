//! `liwatch inspect`: what a recording says of itself, as aligned text or as one JSON object.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;

use crate::format::{self, Access, Recording, RecordingInfo};

/// Show a recording's shape, type, frame count and calibration.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The recording: a file, or a folder of numbered images
    pub file: PathBuf,
    /// Print one JSON object and nothing else
    #[arg(long)]
    pub json: bool,
}

/// Opens the recording and prints what it says of itself.
///
/// # Errors
/// When the recording cannot be opened, or standard output cannot be written.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let recording = format::open(&args.file)?;
    let text = if args.json {
        let mut text = serde_json::to_string_pretty(&json(recording.as_ref()))?;
        text.push('\n');
        text
    } else {
        table(recording.as_ref())
    };
    std::io::stdout().write_all(text.as_bytes()).context("writing to standard output")
}

fn json(recording: &dyn Recording) -> serde_json::Value {
    let info = recording.info();
    serde_json::json!({
        "format": info.format,
        "width": info.width,
        "height": info.height,
        "frames": info.frames,
        "pixel_type": info.pixel_type.numpy_name(),
        "pixel_size_nm": info.pixel_size_nm.map(|(x, y)| [x, y]),
        "frame_interval_s": info.frame_interval_s,
        "duration_s": duration_s(recording),
        "times_per_frame": recording.time_s(0).is_some(),
        "start_unix_time_s": info.start_unix_time_s,
        "start_utc": start_utc(info),
        "random_access": recording.access() == Access::Random,
        "notes": info.notes,
    })
}

fn table(recording: &dyn Recording) -> String {
    let info = recording.info();
    let unknown = || "not in the file".to_owned();
    let bytes = (info.width * info.height) as f64 * info.pixel_type.size() as f64;
    let rows = [
        ("format", info.format.clone()),
        ("frames", info.frames.to_string()),
        ("frame", format!("{} x {} {}", info.width, info.height, info.pixel_type)),
        ("pixels", format!("{:.1} MB", bytes * info.frames as f64 * 1e-6)),
        (
            "pixel size",
            info.pixel_size_nm.map_or_else(unknown, |(x, y)| format!("{x:.6} x {y:.6} nm")),
        ),
        ("time step", time_step(recording)),
        ("duration", duration_s(recording).map_or_else(unknown, |s| format!("{s:.3} s"))),
        ("start", start_utc(info).unwrap_or_else(unknown)),
    ];
    let mut text = String::new();
    for (name, value) in rows.into_iter().chain(info.notes.iter().map(|n| ("note", n.clone()))) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:<12}{value}");
    }
    text
}

fn time_step(recording: &dyn Recording) -> String {
    match (recording.info().frame_interval_s, recording.time_s(0)) {
        (Some(step), _) => format!("{step} s ({:.3} Hz)", 1.0 / step),
        (None, Some(_)) => "a time for each frame".to_owned(),
        (None, None) => "not in the file".to_owned(),
    }
}

/// Seconds from the first frame to the last.
fn duration_s(recording: &dyn Recording) -> Option<f64> {
    let last = recording.info().frames.checked_sub(1)?;
    recording.time_s(last).or_else(|| Some(recording.info().frame_interval_s? * last as f64))
}

fn start_utc(info: &RecordingInfo) -> Option<String> {
    let seconds = info.start_unix_time_s?;
    let duration = jiff::SignedDuration::try_from_secs_f64(seconds).ok()?;
    Some(jiff::Timestamp::from_duration(duration).ok()?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::FormatError;
    use crate::frame::PixelType;

    struct Movie(RecordingInfo);

    impl Recording for Movie {
        fn info(&self) -> &RecordingInfo {
            &self.0
        }

        fn read<'a>(&'a self, _: usize, scratch: &'a mut Vec<u8>) -> Result<&'a [u8], FormatError> {
            Ok(scratch)
        }
    }

    fn movie() -> Movie {
        Movie(RecordingInfo {
            format: "TIFF stack".to_owned(),
            width: 640,
            height: 480,
            frames: 11,
            pixel_type: PixelType::U16,
            pixel_size_nm: Some((1.6, 1.7)),
            frame_interval_s: Some(0.25),
            start_unix_time_s: Some(1_709_287_200.5),
            notes: vec!["cut short: 9 of 11 frames are whole".to_owned()],
        })
    }

    #[test]
    fn the_table_and_the_object_say_the_same() {
        insta::assert_snapshot!(table(&movie()), @r"
        format      TIFF stack
        frames      11
        frame       640 x 480 uint16
        pixels      6.8 MB
        pixel size  1.600000 x 1.700000 nm
        time step   0.25 s (4.000 Hz)
        duration    2.500 s
        start       2024-03-01T10:00:00.5Z
        note        cut short: 9 of 11 frames are whole
        ");
        let object = json(&movie());
        assert_eq!(object["pixel_size_nm"], serde_json::json!([1.6, 1.7]));
        assert_eq!(object["duration_s"], 2.5);
        assert_eq!(object["start_utc"], "2024-03-01T10:00:00.5Z");
    }
}
