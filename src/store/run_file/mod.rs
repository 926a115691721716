//! Writing the run file: every group and dataset exists before the first frame, afterwards rows
//! are only appended (HDF5's single-writer-multiple-readers mode), so that it can be read while
//! it grows.
//!
//! Rows are collected to blocks and written dataset by dataset, the ledger last: a row that a reader
//! sees there is complete everywhere.

pub(crate) mod attributes;
pub(crate) mod chunk;
pub(super) mod codes;
pub(super) mod column;
mod layout;
pub(crate) mod texts;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hdf5::file::LibraryVersion;

use attributes::{set_number, set_text};
use layout::Datasets;

pub use texts::{iso_time, now_unix_s};

use super::{StoreError, room};
use crate::alarm::AlarmEvent;
use crate::frame::Ledger;
use crate::pipeline::{FrameRow, Latencies, RunPlan, Shedding, SinkError};

/// The raw frames in the file beside the run file.
pub const RAW_FRAMES: &str = "/entry/data/frames";

/// A run file that is being written.
pub struct RunFile {
    path: PathBuf,
    file: Option<hdf5::File>,
    datasets: Datasets,
    latencies: Latencies,
    /// Rows that wait to be written.
    waiting: usize,
    last_flush: Instant,
}

impl RunFile {
    /// Creates the file at `path`, over what may be there, with everything that `plan` tells; it
    /// may be moved to `name` later.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be created.
    pub fn create(path: &Path, name: &Path, plan: &RunPlan) -> Result<RunFile, StoreError> {
        let created = create(path, name, plan);
        let (file, datasets) = created.map_err(|source| StoreError::Hdf5 {
            path: path.to_owned(),
            what: "cannot be created (does its folder exist, and is there room?)".to_owned(),
            source,
        })?;
        Ok(RunFile {
            path: path.to_owned(),
            file: Some(file),
            datasets,
            latencies: Latencies::new(&plan.stages),
            waiting: 0,
            last_flush: Instant::now(),
        })
    }

    /// Moves the file, which stays open.
    ///
    /// # Errors
    /// Of the operating system.
    pub fn rename(&mut self, to: &Path) -> std::io::Result<()> {
        std::fs::rename(&self.path, to)?;
        to.clone_into(&mut self.path);
        Ok(())
    }

    /// Takes a row, to be written at the next flush.
    pub fn push(&mut self, row: &FrameRow) {
        self.datasets.push(row);
        self.latencies.enter(row.stamp.index, row.fate, &row.latency_ns);
        self.waiting += 1;
    }

    /// Takes an alarm event, to be written at the next flush.
    pub fn push_alarm(&mut self, event: &AlarmEvent) {
        self.datasets.push_alarm(event);
        self.waiting += 1;
    }

    /// Takes a change of what is left out, to be written at the next flush.
    pub fn push_shedding(&mut self, change: &Shedding) {
        self.datasets.push_shedding(change);
        self.waiting += 1;
    }

    /// Makes sure that the file system has room for about `bytes` more of rows, beside what HDF5
    /// needs for itself; false when it has not.
    pub fn reserve(&self, bytes: u64) -> bool {
        let end = self.file.as_ref().map_or(0, hdf5::File::size);
        let chunks = (self.datasets.count() * (column::CHUNK_BYTES + (8 << 10))) as u64;
        room::reserve(&self.path, end, chunks + 2 * bytes)
    }

    /// Rows and events that wait to be written.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Time since the last flush.
    pub fn since_flush(&self) -> Duration {
        self.last_flush.elapsed()
    }

    /// Writes what waits; readers that follow see it from now on.
    ///
    /// # Errors
    /// [`SinkError`] when it could not be written.
    pub fn flush(&mut self) -> Result<(), SinkError> {
        self.last_flush = Instant::now();
        self.waiting = 0;
        self.datasets.flush().map_err(|source| self.error("rows could not be written", &source))
    }

    /// Writes what waits and the totals, and closes the file. `recovery` tells how a run that was
    /// cut off came to its end.
    ///
    /// # Errors
    /// [`SinkError`] when the end could not be written.
    pub fn finish(
        &mut self,
        ledger: &Ledger,
        end_unix_time_s: f64,
        recovery: Option<&str>,
    ) -> Result<(), SinkError> {
        self.flush()?;
        // Attributes cannot be added while readers may follow; so the file is closed and opened
        // once more, for its totals.
        self.datasets = Datasets::default();
        self.file = None;
        finish(&self.path, ledger, &self.latencies, end_unix_time_s, recovery)
            .map_err(|source| self.error("the totals could not be written", &source))
    }

    fn error(&self, what: &str, source: &hdf5::Error) -> SinkError {
        SinkError(format!(
            "{}: {what} (is the disk full?): {}",
            self.path.display(),
            brief(&source.to_string())
        ))
    }
}

/// The words of the operating system in a message of HDF5, which tells addresses and sizes too.
fn brief(message: &str) -> &str {
    let (_, told) = message.split_once("error message = '").unwrap_or_default();
    let system = told.split_once('\'').map(|(words, _)| words);
    system.unwrap_or_else(|| message.lines().next().unwrap_or_default())
}

fn create(path: &Path, name: &Path, plan: &RunPlan) -> hdf5::Result<(hdf5::File, Datasets)> {
    let file = hdf5::File::with_options()
        // Following a growing file needs the format of HDF5 1.10; a newer one would shut out
        // readers that are not quite new.
        .with_fapl(|access| {
            column::little_cache(access).libver_bounds(LibraryVersion::V110, LibraryVersion::V110)
        })
        .with_fcpl(|creation| creation.obj_track_times(false))
        .create(path)?;
    let datasets = layout::create(&file, name, plan)?;
    file.flush()?;
    file.start_swmr()?;
    Ok((file, datasets))
}

fn finish(
    path: &Path,
    ledger: &Ledger,
    latencies: &Latencies,
    end_unix_time_s: f64,
    recovery: Option<&str>,
) -> hdf5::Result<()> {
    // A reader that opens the file in this moment locks it against writers, and must not keep
    // the totals out.
    let file =
        hdf5::File::with_options().with_fapl(|access| access.file_locking(false)).open_rw(path)?;
    let frames = file.group("entry/frames")?;
    for (name, count) in [
        ("received", ledger.received),
        ("measured", ledger.measured),
        ("degraded", ledger.degraded),
        ("dropped", ledger.dropped),
        ("corrupt", ledger.corrupt),
        ("missing", ledger.missing),
    ] {
        set_number(&frames, name, count)?;
    }
    layout::finish_latency(&file.group("entry/latency")?, latencies)?;
    if let Some(recovery) = recovery {
        let process = file.group("entry/process")?;
        texts::text(&process, "recovery", recovery, "how the file was completed after a crash")?;
    }
    let entry = file.group("entry")?;
    let end = iso_time(end_unix_time_s);
    let end_time = texts::text(&entry, "end_time", &end, "end of the run, UTC")?;
    set_text(&end_time, "units", "ISO8601")?;
    file.close()
}
