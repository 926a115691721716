//! Bias and current at the frames' times: linear between two rows of the log, nothing beyond its
//! ends and across its gaps.

use super::{CellSample, CellSeries};

impl CellSeries {
    /// The cell at a frame's time, s since the first frame. Between two rows that are further
    /// apart than `max_gap_s`, and outside the log, all is NaN.
    pub fn at(&self, frame_time_s: f64) -> CellSample {
        let time = (frame_time_s - self.clock.offset_s) / self.clock.rate;
        let after = self.test_time_s.partition_point(|row| *row < time);
        if self.test_time_s.get(after) == Some(&time) {
            return self.row(after);
        }
        let (Some(before), Some(next)) = (after.checked_sub(1), self.test_time_s.get(after)) else {
            return CellSample::UNKNOWN;
        };
        let step = next - self.test_time_s[before];
        if !(step <= self.max_gap_s) {
            return CellSample::UNKNOWN;
        }
        let share = (time - self.test_time_s[before]) / step;
        let (a, b) = (self.row(before), self.row(after));
        let between = |a: f64, b: f64| a + share * (b - a);
        CellSample {
            test_time_s: time,
            unix_time_s: between(a.unix_time_s, b.unix_time_s),
            voltage_v: between(a.voltage_v, b.voltage_v),
            current_a: between(a.current_a, b.current_a),
        }
    }

    fn row(&self, k: usize) -> CellSample {
        CellSample {
            test_time_s: self.test_time_s[k],
            unix_time_s: self.unix_time_s[k],
            voltage_v: self.voltage_v[k],
            current_a: self.current_a[k],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_linear_within_the_log_and_unknown_beyond_and_in_gaps() {
        let series = CellSeries {
            test_time_s: vec![0.0, 1.0, 2.0, 10.0],
            unix_time_s: vec![f64::NAN; 4],
            voltage_v: vec![1.0, 3.0, 3.0, 5.0],
            current_a: vec![0.0, 0.0, 2.0, 2.0],
            max_gap_s: 2.0,
            ..CellSeries::default()
        };
        assert_eq!(series.at(0.5).voltage_v, 2.0);
        assert_eq!(series.at(1.5).current_a, 1.0);
        assert_eq!(series.at(2.0).voltage_v, 3.0);
        assert_eq!(series.at(10.0).voltage_v, 5.0);
        assert!(series.at(-0.1).voltage_v.is_nan(), "before the log");
        assert!(series.at(10.1).voltage_v.is_nan(), "after the log");
        assert!(series.at(5.0).voltage_v.is_nan(), "in a gap of 8 s");
    }
}
