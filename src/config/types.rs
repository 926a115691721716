//! The configuration as types: one struct for each table of the TOML.

use std::path::PathBuf;

use serde::Deserialize;

use super::GaugeEntry;
use crate::frame::Region;

/// A whole configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub calibration: CalibrationConfig,
    pub camera: CameraConfig,
    pub drift: DriftConfig,
    pub pipeline: PipelineConfig,
    pub budget: BudgetConfig,
    pub cell: CellConfig,
    pub store: StoreConfig,
    pub record: RecordConfig,
    /// Read by [`Config::parse`] from the tables in `gauge`.
    #[serde(skip)]
    pub gauges: Vec<GaugeEntry>,
    /// `[[gauge]]` as it stands, since its keys depend on the kind.
    #[serde(rename = "gauge")]
    pub(super) _gauge_tables: toml::Value,
    #[serde(rename = "alarm")]
    pub alarms: Vec<AlarmConfig>,
    /// The text as it was read, for the run file.
    #[serde(skip)]
    pub text: String,
    /// Where it was read from, for messages.
    #[serde(skip)]
    pub path: PathBuf,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            calibration: CalibrationConfig::default(),
            camera: CameraConfig::default(),
            drift: DriftConfig::default(),
            pipeline: PipelineConfig::default(),
            budget: BudgetConfig::default(),
            cell: CellConfig::default(),
            store: StoreConfig::default(),
            record: RecordConfig::default(),
            gauges: Vec::new(),
            _gauge_tables: toml::Value::Array(Vec::new()),
            alarms: Vec::new(),
            text: String::new(),
            path: PathBuf::new(),
        }
    }
}

/// `[calibration]`: what overrides the recording's own numbers.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CalibrationConfig {
    /// Overrides the recording's own; absent in both: results are in px.
    pub pixel_size_nm: Option<f64>,
    /// Only where the frames carry no time.
    pub frame_rate_hz: Option<f64>,
}

/// `[camera]`: the noise model; what is absent is estimated from the first frame.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CameraConfig {
    pub offset_counts: Option<f64>,
    pub gain_counts_per_electron: Option<f64>,
    pub read_noise_counts: Option<f64>,
}

/// `[drift]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DriftConfig {
    /// Larger drift is reported as not locked.
    pub max_shift_px: f64,
    /// Rotation and magnification are followed too.
    pub similarity: bool,
    /// The time of one line, where frames are scanned line by line: the shear and stretch of the
    /// drift within a frame are then corrected.
    pub line_time_us: Option<f64>,
    /// Left out of the registration, beside the gauges' own regions; reference px.
    pub exclude: Vec<Region>,
}

impl Default for DriftConfig {
    fn default() -> Self {
        DriftConfig {
            max_shift_px: 64.0,
            similarity: false,
            line_time_us: None,
            exclude: Vec::new(),
        }
    }
}

/// What a full queue does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    #[default]
    Block,
    DropOldest,
    DropNewest,
    Fail,
}

/// `[pipeline]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PipelineConfig {
    /// The tracker's state after frame n − lag is what the observer of frame n is told.
    pub lag_frames: usize,
    /// Frames that wait for an observer.
    pub queue_frames: usize,
    pub policy: Policy,
}

impl Default for PipelineConfig {
    fn default() -> Self {
        PipelineConfig { lag_frames: 16, queue_frames: 4, policy: Policy::Block }
    }
}

/// `[budget]`, all in milliseconds; what is absent is not judged.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BudgetConfig {
    /// Work is left out to keep `total_ms`, `queue_ms` and `gauge_ms`, where frames come at a pace
    /// of their own: first gauges that no alarm needs, then frames.
    pub shed: bool,
    /// From a frame's arrival to the decision of its alarms.
    pub total_ms: Option<f64>,
    pub queue_ms: Option<f64>,
    pub register_ms: Option<f64>,
    pub track_ms: Option<f64>,
    /// For each gauge by itself: one that no alarm needs is left out while it takes longer.
    pub gauge_ms: Option<f64>,
}

impl Default for BudgetConfig {
    fn default() -> Self {
        BudgetConfig {
            shed: true,
            total_ms: None,
            queue_ms: None,
            register_ms: None,
            track_ms: None,
            gauge_ms: None,
        }
    }
}

/// `[cell]`: how to read a cell log; what is absent is found from the header.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CellConfig {
    /// Names of columns.
    pub time: Option<String>,
    pub voltage: Option<String>,
    pub current: Option<String>,
    /// `s`, `ms`, `min`, `h`, or a date form such as `%Y-%m-%d %H:%M:%S`.
    pub time_unit: Option<String>,
    /// `V`, `mV`, `uV`.
    pub voltage_unit: Option<String>,
    /// `A`, `mA`, `uA`, `nA`, `pA`.
    pub current_unit: Option<String>,
    pub delimiter: Option<String>,
    /// `.` or `,`.
    pub decimal: Option<String>,
    /// A label of the WHATWG Encoding Standard, such as `windows-1252`.
    pub encoding: Option<String>,
    /// Added to the log's times to bring them to the frames' clock.
    pub time_offset_s: f64,
    /// Between rows further apart than this, values at frames are NaN.
    pub max_gap_s: Option<f64>,
}

/// `[store]`: how results reach the disk.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// From a row to the fsync that covers it, at most, ms; an alarm is brought to the disk at
    /// once.
    pub sync_ms: f64,
    /// Memory for rows that wait for a stalled or full disk, MB (10^6 bytes).
    pub memory_mb: f64,
    /// The journal stays beside the complete run file, as `RUN.h5.journal.kept`.
    pub keep_journal: bool,
}

impl Default for StoreConfig {
    fn default() -> Self {
        StoreConfig { sync_ms: 100.0, memory_mb: 256.0, keep_journal: false }
    }
}

/// Which raw frames are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecordMode {
    #[default]
    None,
    /// Every frame.
    All,
    /// Those around an alarm.
    Triggered,
}

/// `[record]`: raw frames, kept in `RUN.frames.h5`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecordConfig {
    pub mode: RecordMode,
    /// Of triggered: kept from before an alarm is raised, s.
    pub before_s: f64,
    /// Of triggered: kept after the last alarm was raised, s.
    pub after_s: f64,
    /// Memory for frames that wait, for an alarm or for the disk, MB (10^6 bytes).
    pub memory_mb: f64,
    /// Threads that compress; absent: half of those that observe.
    pub threads: Option<usize>,
}

impl Default for RecordConfig {
    fn default() -> Self {
        RecordConfig {
            mode: RecordMode::None,
            before_s: 10.0,
            after_s: 10.0,
            memory_mb: 1000.0,
            threads: None,
        }
    }
}

/// One `[[alarm]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlarmConfig {
    pub name: String,
    /// CEL over `<gauge>.<field>`, `drift.x`, `cell.voltage`, `cell.current`, `time`; in the
    /// units of the file. A comparison with NaN is false.
    pub when: String,
    /// How long the rule must hold before the alarm is raised.
    #[serde(default)]
    pub hold_s: f64,
    /// `log`, `bias-off`.
    #[serde(default)]
    pub actions: Vec<String>,
}
