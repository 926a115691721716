//! The raw frames of a run: where they go, whether the run waits for them, and what became of them.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};

use super::Failure;
use super::replay::Args;
use crate::config::{Policy, RecordMode};
use crate::pipeline::{Keep, RunPlan, Setup};
use crate::source::{FrameTimes, Speed};
use crate::store::{FramesFile, FramesSummary, StoreError, Told, frames_path_of};

/// A file that can be written.
pub struct RawFrames {
    path: PathBuf,
}

impl RawFrames {
    /// Nothing when the configuration asks for none.
    ///
    /// # Errors
    /// [`Failure::Usage`] when the file exists, or is the recording itself.
    pub fn reserve(args: &Args, setup: &Setup) -> Result<Option<RawFrames>, Failure> {
        if setup.config.record.mode == RecordMode::None {
            return Ok(None);
        }
        let path = frames_path_of(&args.out);
        let whole = |path: &Path| path.canonicalize().ok();
        if path.exists() && (whole(&path) == whole(&args.recording)) {
            return Err(Failure::Usage(anyhow!(
                "{}: these raw frames are the recording that is to be measured; give --out another \
                 name, or set record.mode = \"none\"",
                path.display()
            )));
        }
        let taken = [&args.out, &path].into_iter().find(|path| path.exists());
        if let (Some(path), false) = (taken, args.force) {
            return Err(Failure::Usage(StoreError::Exists { path: path.clone() }.into()));
        }
        Ok(Some(RawFrames { path }))
    }

    /// The file's name, as the run file beside it links to it.
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Creates the file.
    ///
    /// # Errors
    /// [`Failure::Run`] when it cannot be created.
    pub fn create(
        self,
        args: &Args,
        setup: &Setup,
        plan: &RunPlan,
        times: &FrameTimes,
    ) -> Result<(Keep, Told), Failure> {
        let info = setup.recording.info();
        let step_s = times.step_s(&*setup.recording);
        let record = &setup.config.record;
        let frame_mb = (info.width * info.height * info.pixel_type.size().max(2)) as f64 / 1e6;
        let holds_s = record.memory_mb / frame_mb * step_s;
        if record.mode == RecordMode::Triggered && holds_s < record.before_s {
            tracing::warn!(
                "record.memory_mb holds {holds_s:.2} s of frames, less than record.before_s: {:.0} MB \
                 are needed",
                record.before_s / step_s * frame_mb
            );
        }
        let file = FramesFile::create(&self.path, plan, info, step_s)
            .context("raw frames cannot be kept")?;
        let told = file.told();
        let wait = args.speed == Speed::Max && setup.config.pipeline.policy == Policy::Block;
        Ok((Keep { to: Box::new(file), wait }, told))
    }
}

/// What became of the frames, after the run.
///
/// # Errors
/// When their file could not be written to its end.
pub fn ended(told: &Told) -> anyhow::Result<FramesSummary> {
    let ended = told.get().ok_or_else(|| anyhow!("the raw frames were not closed"))?;
    let summary = ended.as_ref().map_err(|error| anyhow!("{error}"))?;
    if summary.not_recorded > 0 {
        tracing::warn!(
            "storage overrun: {} raw frames were measured but not recorded; their rows in the file \
             of raw frames say recorded = 0",
            summary.not_recorded
        );
    }
    Ok(*summary)
}

/// The same for a program.
pub fn json(ended: &anyhow::Result<FramesSummary>) -> serde_json::Value {
    match ended {
        Ok(summary) => serde_json::json!(summary),
        Err(error) => serde_json::json!({ "error": error.to_string() }),
    }
}

/// One line for a person.
pub fn show(summary: &FramesSummary, run: &Path) {
    super::print(format_args!(
        "raw       {} of {} frames, {:.1} MB  {}\n",
        summary.recorded,
        summary.rows,
        summary.bytes as f64 / 1e6,
        frames_path_of(run).display()
    ));
}
