//! The file of raw frames beside the run file, `RUN.frames.h5`: NeXus, one chunk a frame, packed by
//! bitshuffle and LZ4 before it comes here, and appended so that a reader can follow (SWMR) and a
//! crash leaves all frames but those of the last moment.
//!
//! It is a file of its own so that the run file stays small and is written at its own pace. Nothing
//! waits for it: a frame that finds no room on the disk has its row here with `recorded` 0.

mod layout;
mod recover;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use hdf5::Dataset;

use super::run_file::chunk;
use super::run_file::codes::{FateCode, ReasonCode};
use super::run_file::column::Column;
use super::{StoreError, room};
use crate::format::RecordingInfo;
use crate::pipeline::{KeepFrames, Kept, RunPlan, SinkError};

pub use recover::{move_frames, recover_frames};

/// Readers see a frame, and a crash spares it, at the latest this long after it was written.
const SHOW: Duration = Duration::from_millis(100);
/// Room on the disk that is asked for at once.
const ROOM_AHEAD: u64 = 16 << 20;
/// Raw frames leave this much of the disk to rows and alarms, bytes.
const LEFT_FOR_ROWS: u64 = 256 << 20;
/// Room for rows and for HDF5's own, bytes.
const ROOM_TO_SPARE: u64 = 4 << 20;

/// Where the raw frames of this run are kept.
pub fn frames_path_of(run: &Path) -> PathBuf {
    run.with_extension("frames.h5")
}

/// What became of the raw frames of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct FramesSummary {
    /// Frames that were to be kept.
    pub rows: u64,
    /// … whose pixels are in the file.
    pub recorded: u64,
    /// … that had pixels, or should have had, for which there was no time or room.
    pub not_recorded: u64,
    /// Packed pixels.
    pub bytes: u64,
}

/// How it ended, to be read after the run.
pub type Told = Arc<OnceLock<Result<FramesSummary, SinkError>>>;

/// A file of raw frames that is being written.
pub struct FramesFile {
    path: PathBuf,
    open: Option<Open>,
    summary: FramesSummary,
    /// What HDF5 said when it failed.
    failed: Option<String>,
    /// Up to this byte there is room.
    reserved: u64,
    no_room: bool,
    last_flush: Instant,
    told: Told,
}

struct Open {
    file: hdf5::File,
    frames: Dataset,
    shape: (usize, usize),
    columns: Columns,
}

struct Columns {
    row: Column<u64>,
    sequence: Column<u64>,
    time: Column<f64>,
    unix_time: Column<f64>,
    fate: Column<FateCode>,
    reason: Column<ReasonCode>,
    alarm: Column<u8>,
    recorded: Column<u8>,
}

impl FramesFile {
    /// Creates the file at `path`, over what may be there. `step_s` is the time from frame to frame
    /// that the run measures with.
    ///
    /// # Errors
    /// [`StoreError::Hdf5`] when it cannot be created.
    pub fn create(
        path: &Path,
        plan: &RunPlan,
        info: &RecordingInfo,
        step_s: f64,
    ) -> Result<FramesFile, StoreError> {
        let open = layout::create(path, plan, info, step_s).map_err(|source| StoreError::Hdf5 {
            path: path.to_owned(),
            what: "the file of raw frames cannot be created (is there room?)".to_owned(),
            source,
        })?;
        Ok(FramesFile {
            path: path.to_owned(),
            open: Some(open),
            summary: FramesSummary::default(),
            failed: None,
            reserved: 0,
            no_room: false,
            last_flush: Instant::now(),
            told: Told::default(),
        })
    }

    /// Filled when the file is closed.
    pub fn told(&self) -> Told {
        Arc::clone(&self.told)
    }

    /// True when the disk has room for `bytes` more.
    fn has_room(&mut self, bytes: u64) -> bool {
        let Some(open) = &self.open else { return false };
        let end = open.file.size();
        if end + bytes + ROOM_TO_SPARE <= self.reserved {
            return true;
        }
        let pixels = bytes > 0;
        let ask = if pixels { bytes + ROOM_TO_SPARE + ROOM_AHEAD } else { ROOM_TO_SPARE };
        let allowed = !pixels || room::is_free(&self.path, ask + LEFT_FOR_ROWS);
        let found = (allowed && room::reserve(&self.path, end, ask)).then_some(ask);
        self.reserved = self.reserved.max(end + found.unwrap_or(0));
        if found.is_none() && !self.no_room {
            tracing::warn!(
                "{}: less than {} MB are free on the disk, which rows and alarms may need; raw \
                 frames are not recorded until there is more",
                self.path.display(),
                LEFT_FOR_ROWS >> 20
            );
        }
        self.no_room = found.is_none();
        found.is_some()
    }

    fn write(&mut self, kept: &Kept, packed: Option<&[u8]>) -> hdf5::Result<bool> {
        let room = packed.is_none_or(|packed| self.has_room(packed.len() as u64));
        let Some(open) = &mut self.open else { return Ok(false) };
        let packed = packed.filter(|_| room);
        if let Some(packed) = packed {
            open.append(self.summary.rows, packed)?;
        }
        open.columns.push(kept, packed.is_some());
        self.summary.rows += 1;
        Ok(packed.is_some())
    }

    fn flush_if_due(&mut self) {
        if self.last_flush.elapsed() < SHOW {
            return;
        }
        self.last_flush = Instant::now();
        // Rows wait in memory while the disk is full.
        if !self.has_room(0) {
            return;
        }
        let rows = self.summary.rows;
        if let Some(Err(error)) = self.open.as_mut().map(|open| open.flush(rows)) {
            self.fail(&error);
        }
    }

    /// HDF5 is in no known state after a failure, so its handles are left alone.
    fn fail(&mut self, error: &hdf5::Error) {
        let what = error.to_string().lines().next().unwrap_or_default().to_owned();
        tracing::warn!("{}: {what}; no more raw frames are recorded", self.path.display());
        self.failed.get_or_insert(what);
        std::mem::forget(self.open.take());
    }

    fn end(&mut self) -> Result<FramesSummary, SinkError> {
        let path = self.path.display().to_string();
        let wrong = |what: &str| {
            SinkError(format!("{path}: raw frames were lost: {what}; is the disk full?"))
        };
        if !self.has_room(0) && self.failed.is_none() {
            std::mem::forget(self.open.take());
            return Err(wrong("there is no room for the end of the file"));
        }
        if let Some(mut open) = self.open.take() {
            let flushed = open.flush(self.summary.rows);
            if flushed.is_err() {
                std::mem::forget(open);
                return Err(wrong("its end could not be written"));
            }
            drop(open);
            recover::complete(&self.path).map_err(|error| wrong(&error.to_string()))?;
            room::give_back(&self.path).map_err(|error| wrong(&error.to_string()))?;
        }
        match &self.failed {
            Some(failed) => Err(wrong(failed)),
            None => Ok(self.summary),
        }
    }
}

impl KeepFrames for FramesFile {
    fn frame(&mut self, kept: &Kept, packed: Option<&[u8]>) {
        match self.write(kept, packed) {
            Ok(true) => {
                self.summary.recorded += 1;
                self.summary.bytes += packed.map_or(0, |packed| packed.len() as u64);
            }
            Ok(false) => self.summary.not_recorded += u64::from(should_have(kept)),
            Err(error) => {
                self.summary.not_recorded += 1;
                self.fail(&error);
            }
        }
        self.flush_if_due();
    }

    fn idle(&mut self) {
        self.flush_if_due();
    }

    fn close(&mut self) {
        let ended = self.end();
        // Set once, here.
        let _ = self.told.set(ended);
    }
}

/// A frame that was measured had pixels.
fn should_have(kept: &Kept) -> bool {
    use crate::frame::Fate;
    matches!(kept.fate, Fate::Measured | Fate::Degraded)
}

impl Open {
    fn append(&mut self, row: u64, packed: &[u8]) -> hdf5::Result<()> {
        let (height, width) = self.shape;
        self.frames.resize((row as usize + 1, height, width))?;
        chunk::write_frame(&self.frames, row, packed)
    }

    /// `recorded` comes last: what a reader sees there is complete everywhere.
    fn flush(&mut self, rows: u64) -> hdf5::Result<()> {
        let (height, width) = self.shape;
        self.frames.resize((rows as usize, height, width))?;
        self.frames.flush()?;
        let columns = &mut self.columns;
        columns.row.flush()?;
        columns.sequence.flush()?;
        columns.time.flush()?;
        columns.unix_time.flush()?;
        columns.fate.flush()?;
        columns.reason.flush()?;
        columns.alarm.flush()?;
        columns.recorded.flush()
    }
}

impl Columns {
    fn push(&mut self, kept: &Kept, recorded: bool) {
        self.row.push(kept.stamp.index);
        self.sequence.push(kept.stamp.sequence);
        self.time.push(kept.stamp.time_s);
        self.unix_time.push(kept.stamp.unix_time_s);
        self.fate.push(FateCode(kept.fate as u8));
        self.reason.push(ReasonCode(kept.reason as u16));
        self.alarm.push(u8::from(kept.alarm));
        self.recorded.push(u8::from(recorded));
    }
}
