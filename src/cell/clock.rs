//! The cell's clock against the frames'.

use super::CellSeries;

/// `frame time = offset + rate · test time`.
#[derive(Clone, Debug, PartialEq, serde::Deserialize, serde::Serialize)]
pub struct ClockModel {
    pub offset_s: f64,
    pub rate: f64,
    /// Root mean square of what the model leaves; NaN where nothing was fitted.
    pub residual_s: f64,
    /// How it was found.
    pub method: String,
}

impl Default for ClockModel {
    fn default() -> Self {
        ClockModel {
            offset_s: 0.0,
            rate: 1.0,
            residual_s: f64::NAN,
            method: "test time 0 is the first frame".to_owned(),
        }
    }
}

impl CellSeries {
    /// Lines the log up with the frames: by UTC when both know it, else test time 0 is the first
    /// frame; then `time_offset_s` is added.
    pub fn align(&mut self, first_frame_unix_s: Option<f64>, time_offset_s: f64) {
        let dated = self.unix_time_s.iter().position(|time| time.is_finite());
        let mut clock = match (first_frame_unix_s.filter(|time| time.is_finite()), dated) {
            (Some(first), Some(row)) => ClockModel {
                offset_s: self.unix_time_s[row] - self.test_time_s[row] - first,
                method: "both have UTC".to_owned(),
                ..ClockModel::default()
            },
            _ => ClockModel::default(),
        };
        if time_offset_s != 0.0 {
            clock.offset_s += time_offset_s;
            clock.method += &format!(", and cell.time_offset_s = {time_offset_s} s");
        }
        self.clock = clock;
    }
}
