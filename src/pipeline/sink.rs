//! What the pipeline hands on: the plan of the run before the first frame, one row for each
//! frame in order, alarm events, and the ledger at the end.

use super::keep::Keep;
use super::shed::Shedding;
use crate::alarm::AlarmEvent;
use crate::cell::{CellSample, CellSeries};
use crate::frame::{Calibration, Fate, Ledger, Reason, Region, Stamp};
use crate::gauge::{Measurement, Schema};
use crate::noise::CameraModel;
use crate::register::Drift;

/// Why a sink could not take what it was given; the text says what and where.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SinkError(pub String);

/// One gauge, as the run file describes it.
#[derive(Clone, Debug)]
pub struct GaugePlan {
    pub name: String,
    pub kind: String,
    pub region: Region,
    pub schema: Schema,
    /// The gauge's own configuration.
    pub configuration: toml::Table,
}

/// Where the frames came from.
#[derive(Clone, Debug, Default, serde::Deserialize, serde::Serialize)]
pub struct SourceDescription {
    /// The file's name or the device's, without its folder.
    pub name: String,
    /// The format or interface.
    pub format: String,
    pub width: usize,
    pub height: usize,
    /// NumPy's name of the pixel type.
    pub pixel_type: String,
}

/// The program that measures, which need not be the one that writes the run file.
#[derive(Clone, Debug, Default, serde::Deserialize, serde::Serialize)]
pub struct Program {
    pub version: String,
    pub commit: String,
    /// The computer's name.
    pub host: String,
}

impl Program {
    /// This program on this computer.
    pub fn this() -> Program {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        Program {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: option_env!("LIWATCH_COMMIT").unwrap_or("unknown").to_owned(),
            host: host.trim().to_owned(),
        }
    }
}

/// Everything that is known before the first row: groups, datasets and attributes follow from it.
#[derive(Clone, Debug)]
pub struct RunPlan {
    pub title: String,
    /// Where raw frames are kept: a file's name, beside the run file.
    pub frames_file: Option<String>,
    /// The whole TOML.
    pub configuration: String,
    pub source: SourceDescription,
    pub program: Program,
    pub calibration: Calibration,
    pub camera: CameraModel,
    pub gauges: Vec<GaugePlan>,
    /// The whole log in a replay; nothing when the run has no cell.
    pub cell: Option<CellSeries>,
    /// Stages that are timed, in the order of [`FrameRow::latency_ns`]: `queue`, `register`, one
    /// for each gauge, `track`, `total`.
    pub stages: Vec<String>,
    pub threads: usize,
    /// Seconds since 1970-01-01 UTC at the start of the run (not of the recording).
    pub start_unix_time_s: f64,
}

/// One row of the ledger with all that was measured, in the units of the file.
#[derive(Clone, Debug)]
pub struct FrameRow {
    pub stamp: Stamp,
    pub fate: Fate,
    pub reason: Reason,
    /// Pixels.
    pub drift: Drift,
    /// One for each gauge of the plan; blank where nothing was measured.
    pub gauges: Vec<Measurement>,
    pub cell: CellSample,
    /// One for each stage of the plan.
    pub latency_ns: Vec<u64>,
}

/// Who takes the results; called from one thread, in this order: rows and events as they come,
/// `close` once.
pub trait Sink: Send {
    /// Who keeps the raw frames; asked once, before the first row.
    fn keep(&mut self) -> Option<Keep> {
        None
    }

    /// Takes the next row.
    ///
    /// # Errors
    /// [`SinkError`] when the row could not be kept; the run ends.
    fn row(&mut self, row: &FrameRow) -> Result<(), SinkError>;

    /// Takes an alarm event.
    ///
    /// # Errors
    /// [`SinkError`] when it could not be kept.
    fn alarm(&mut self, event: &AlarmEvent) -> Result<(), SinkError>;

    /// Takes a change of what is left out to keep the budget.
    ///
    /// # Errors
    /// [`SinkError`] when it could not be kept.
    fn shedding(&mut self, change: &Shedding) -> Result<(), SinkError>;

    /// Takes the final count; nothing comes after it.
    ///
    /// # Errors
    /// [`SinkError`] when the end of the run could not be written.
    fn close(&mut self, ledger: &Ledger) -> Result<(), SinkError>;
}
