//! Bias and current: the cell's own time series, on their own clock, and their values at the
//! frames' times.

/// A cell log at its own rate. All columns have the same length; absent numbers are NaN.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CellSeries {
    /// Seconds on the instrument's clock, strictly increasing.
    pub test_time_s: Vec<f64>,
    /// Seconds since 1970-01-01 UTC, NaN where the log has no date.
    pub unix_time_s: Vec<f64>,
    pub voltage_v: Vec<f64>,
    /// Positive charges the cell.
    pub current_a: Vec<f64>,
    /// What was odd: rows left out, times put in order.
    pub notes: Vec<String>,
    /// How the log's clock relates to the frames'.
    pub clock: ClockModel,
}

/// `frame time = offset + rate · test time`.
#[derive(Clone, Debug, PartialEq)]
pub struct ClockModel {
    pub offset_s: f64,
    pub rate: f64,
    /// Root mean square of what the model leaves; NaN where nothing was fitted.
    pub residual_s: f64,
    /// How it was found: `first frame`, `unix time`, `configuration`.
    pub method: String,
}

impl Default for ClockModel {
    fn default() -> Self {
        ClockModel {
            offset_s: 0.0,
            rate: 1.0,
            residual_s: f64::NAN,
            method: "first frame".to_owned(),
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
