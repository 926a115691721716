//! Bias and current: the cell's own time series, on their own clock, and their values at the
//! frames' times.

mod at_frames;
mod clock;
mod columns;
mod log;
mod table;

pub use clock::ClockModel;
pub use log::CellError;

/// A cell log at its own rate. All columns have the same length; absent numbers are NaN.
#[derive(Clone, Debug, PartialEq)]
pub struct CellSeries {
    /// Seconds on the instrument's clock, strictly increasing.
    pub test_time_s: Vec<f64>,
    /// Seconds since 1970-01-01 UTC, NaN where the log has no date.
    pub unix_time_s: Vec<f64>,
    pub voltage_v: Vec<f64>,
    /// Positive charges the cell.
    pub current_a: Vec<f64>,
    /// Between rows further apart than this, nothing is known.
    pub max_gap_s: f64,
    /// What was odd: rows left out, times put in order.
    pub notes: Vec<String>,
    /// How the log's clock relates to the frames'.
    pub clock: ClockModel,
}

impl Default for CellSeries {
    fn default() -> Self {
        CellSeries {
            test_time_s: Vec::new(),
            unix_time_s: Vec::new(),
            voltage_v: Vec::new(),
            current_a: Vec::new(),
            max_gap_s: f64::INFINITY,
            notes: Vec::new(),
            clock: ClockModel::default(),
        }
    }
}

/// Voltage and current at one frame's time; NaN outside the log and in its gaps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CellSample {
    pub test_time_s: f64,
    pub unix_time_s: f64,
    pub voltage_v: f64,
    pub current_a: f64,
}

impl CellSample {
    /// A sample of which nothing is known.
    pub const UNKNOWN: CellSample = CellSample {
        test_time_s: f64::NAN,
        unix_time_s: f64::NAN,
        voltage_v: f64::NAN,
        current_a: f64::NAN,
    };
}
