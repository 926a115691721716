//! `liwatch replay --corrected`: the drift-corrected stack beside the run file.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use indicatif::{ProgressBar, ProgressStyle};

use super::Failure;
use crate::correct::{self, CorrectError, Output, Plan, Row, Shift, Written};
use crate::pipeline::Setup;
use crate::store::RunSummary;

/// What `replay` takes for the corrected stack.
#[derive(clap::Args, Clone, Debug, Default)]
#[group(id = "stack")]
pub struct Args {
    /// Write the drift-corrected stack too: .tif (ImageJ, Fiji), .h5 or .nxs (HyperSpy), .btf
    #[arg(long, value_name = "OUT")]
    pub corrected: Option<PathBuf>,
    /// How far frames are moved
    #[arg(long, value_enum, default_value_t, requires = "corrected")]
    pub corrected_shift: Shift,
    /// Write only the largest rectangle that all placed frames cover
    #[arg(long, requires = "corrected")]
    pub corrected_crop: bool,
}

impl Args {
    /// Makes sure, before anything runs, that the stack can be written.
    ///
    /// # Errors
    /// [`Failure::Usage`] when it cannot be.
    pub fn reserve(
        &self,
        force: bool,
        recording: &Path,
        run: &Path,
    ) -> Result<Option<Output>, Failure> {
        let Some(path) = &self.corrected else { return Ok(None) };
        let picture = run.with_extension("png");
        let taken = [
            (recording, "the recording"),
            (run, "the run file"),
            (picture.as_path(), "the run's picture"),
        ];
        let output = Output::reserve(path, force, &taken);
        output.map(Some).map_err(|error| match error {
            CorrectError::Create { .. } => Failure::Run(error.into()),
            usage => Failure::Usage(usage.into()),
        })
    }
}

/// A run that is measured, and whose stack is to be written.
pub struct Corrected<'a> {
    pub setup: &'a Setup,
    pub summary: &'a RunSummary,
    /// The frames' times are not assumed.
    pub times_known: bool,
    pub threads: usize,
    pub stop: &'a AtomicBool,
}

impl Corrected<'_> {
    /// Writes the stack and tells of it: in words on stdout unless `quiet`, and as JSON.
    ///
    /// # Errors
    /// What [`correct::write`] says.
    pub fn write(
        &self,
        args: &Args,
        output: Output,
        quiet: bool,
    ) -> anyhow::Result<serde_json::Value> {
        let info = self.setup.recording.info();
        let run = self.summary.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let names = (self.summary.title.clone(), run);
        let mut plan =
            Plan::new(info, names, self.rows(), args.corrected_shift, args.corrected_crop)?;
        plan.pixel_size_nm = self.setup.calibration.pixel_size_nm;
        plan.times_known = self.times_known;
        let bar = if quiet {
            ProgressBar::hidden()
        } else {
            ProgressBar::new(plan.rows.len() as u64).with_style(style())
        };
        let path = output.path().to_owned();
        let recording = &*self.setup.recording;
        let written =
            correct::write(recording, &plan, output, self.threads, self.stop, || bar.inc(1));
        bar.finish_and_clear();
        let written = written?;
        if !quiet {
            print!("{}", words(&path, &plan, &written));
        }
        Ok(json(&path, &plan, &written))
    }

    /// One row for each row of the ledger. Only a trusted drift places a frame.
    fn rows(&self) -> Vec<Row> {
        let drift = |axis: usize, k: usize| {
            let series = self.summary.drift.get(axis);
            series.and_then(|series| series.values.get(k)).copied().unwrap_or(f64::NAN)
        };
        let times = self.summary.time_s.iter().enumerate();
        times
            .map(|(k, time_s)| {
                let drift = (drift(0, k), drift(1, k));
                let locked = self.summary.locked.get(k) == Some(&1);
                let map = self.summary.maps.get(k).copied().filter(|map| locked && map.is_finite());
                Row { time_s: *time_s, drift, map }
            })
            .collect()
    }
}

fn style() -> ProgressStyle {
    let form = "{bar:40} {pos}/{len} corrected frames  {per_sec}  {eta} left";
    ProgressStyle::with_template(form).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn words(path: &Path, plan: &Plan, written: &Written) -> String {
    let mut out = format!(
        "corrected {}\n          {} frames of {} x {} px, {}, {:.1} MB",
        path.display(),
        written.frames,
        plan.window.width,
        plan.window.height,
        plan.pixel_type,
        written.bytes as f64 * 1e-6
    );
    let empty = written.frames - written.placed;
    if empty > 0 {
        let value = plan.empty_value();
        out += &format!("  ·  {empty} could not be placed and hold {value}");
    }
    match plan.common {
        Some(common) if common != plan.window => {
            out += &format!("\n          common to all placed frames: {common} px");
        }
        Some(_) => {}
        None => out += "\n          no pixel is common to all placed frames",
    }
    let rate = written.frames as f64 / written.seconds.max(1e-9);
    out + &format!("\n          {rate:.0} frames/s in {:.2} s\n", written.seconds)
}

fn json(path: &Path, plan: &Plan, written: &Written) -> serde_json::Value {
    serde_json::json!({
        "path": path.display().to_string(),
        "frames": written.frames,
        "placed": written.placed,
        "pixel_type": plan.pixel_type.to_string(),
        "interpolation": plan.interpolation(),
        "empty_value": plan.empty_value(),
        "window": plan.window,
        "common": plan.common,
        "bytes": written.bytes,
        "seconds": written.seconds,
    })
}
