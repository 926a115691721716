//! `liwatch inspect`: what a recording or a run file holds.

use std::path::PathBuf;

use anyhow::Context;

use super::{Outcome, print, print_json};
use crate::format::{self, RecordingInfo};
use crate::store::{RunSummary, summary_text};

/// Show what a recording holds (shape, type, frames, calibration), or the summary of a run
#[derive(clap::Args)]
#[command(after_help = "Example: liwatch inspect movie.dm4")]
pub struct Args {
    /// A recording (file or folder), or a run file
    file: PathBuf,
    /// Print one JSON object on stdout and nothing else
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    if args.file.extension().is_some_and(|e| e == "h5" || e == "hdf5" || e == "nxs")
        && let Ok(run) = RunSummary::read(&args.file)
    {
        if args.json {
            print_json(&super::report::json(&run));
        } else {
            print(summary_text(&run));
        }
        return Ok(());
    }
    let recording = format::open(&args.file).context("the recording cannot be opened")?;
    let info = recording.info();
    let last = info.frames.checked_sub(1).and_then(|last| recording.time_s(last));
    if args.json {
        print_json(&json(info, last));
    } else {
        print(text(info, last));
    }
    Ok(())
}

fn text(info: &RecordingInfo, last_time_s: Option<f64>) -> String {
    let unknown = || "not in the file".to_owned();
    let pixel = info.pixel_size_nm.map_or_else(unknown, |(x, y)| {
        if (x - y).abs() < 1e-9 * x { format!("{x:.6} nm") } else { format!("{x:.6} x {y:.6} nm") }
    });
    let step = match (info.frame_interval_s, last_time_s) {
        (Some(step), _) => format!("{step:.6} s ({:.3} frames/s)", 1.0 / step),
        (None, Some(last)) => format!("each frame has its own; the last at {last:.3} s"),
        _ => unknown(),
    };
    let start = info.start_unix_time_s.map_or_else(unknown, |start| {
        jiff::Timestamp::from_millisecond((start * 1e3) as i64)
            .map_or_else(|_| unknown(), |stamp| stamp.to_string())
    });
    let bytes = (info.width * info.height * info.pixel_type.size()) as f64 * info.frames as f64;
    let mut out = format!(
        "format       {}\nframes       {}\nsize         {} x {} px, {}\ndata         {:.1} MB\n\
         pixel size   {pixel}\ntime step    {step}\nstart        {start}\n",
        info.format,
        info.frames,
        info.width,
        info.height,
        info.pixel_type,
        bytes / 1e6
    );
    for note in &info.notes {
        out += &format!("note         {}\n", super::printable(note));
    }
    out
}

fn json(info: &RecordingInfo, last_time_s: Option<f64>) -> serde_json::Value {
    serde_json::json!({
        "format": info.format,
        "frames": info.frames,
        "width": info.width,
        "height": info.height,
        "pixel_type": info.pixel_type.to_string(),
        "pixel_size_nm": info.pixel_size_nm.map(|(x, y)| [x, y]),
        "frame_interval_s": info.frame_interval_s,
        "last_frame_time_s": last_time_s,
        "start_unix_time_s": info.start_unix_time_s,
        "notes": info.notes,
    })
}
