//! Rate of change of a measured number: the weighted straight line through its last values.

use std::collections::VecDeque;

/// The last values of one number.
#[derive(Clone, Debug)]
pub struct Trend {
    points: VecDeque<(f64, f64, f64)>,
    most: usize,
}

impl Trend {
    /// Remembers `most` values.
    pub fn new(most: usize) -> Trend {
        Trend { points: VecDeque::with_capacity(most), most }
    }

    /// Adds a value with its one sigma at a time in seconds; NaN is left out.
    pub fn push(&mut self, time_s: f64, value: f64, error: f64) {
        if !(value.is_finite() && error.is_finite() && error > 0.0) {
            return;
        }
        if self.points.len() == self.most {
            self.points.pop_front();
        }
        self.points.push_back((time_s, value, error));
    }

    /// Slope per second and its one sigma, enlarged where the points scatter more than their
    /// errors say; NaN for fewer than four points.
    pub fn slope(&self) -> (f64, f64) {
        if self.points.len() < 4 {
            return (f64::NAN, f64::NAN);
        }
        let (mut w, mut wt, mut wv) = (0.0, 0.0, 0.0);
        for (time, value, error) in &self.points {
            let weight = 1.0 / (error * error);
            w += weight;
            wt += weight * time;
            wv += weight * value;
        }
        let (mean_t, mean_v) = (wt / w, wv / w);
        let (mut tt, mut tv) = (0.0, 0.0);
        for (time, value, error) in &self.points {
            let weight = 1.0 / (error * error);
            tt += weight * (time - mean_t) * (time - mean_t);
            tv += weight * (time - mean_t) * (value - mean_v);
        }
        if tt <= 0.0 {
            return (f64::NAN, f64::NAN);
        }
        let slope = tv / tt;
        let chi2: f64 = self
            .points
            .iter()
            .map(|(time, value, error)| {
                ((value - mean_v - slope * (time - mean_t)) / error).powi(2)
            })
            .sum();
        let excess = (chi2 / (self.points.len() - 2) as f64).max(1.0);
        (slope, (excess / tt).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_straight_line_has_its_slope() {
        let mut trend = Trend::new(8);
        for k in 0..20 {
            trend.push(f64::from(k) * 0.1, 3.0 - 2.0 * f64::from(k) * 0.1, 0.5);
        }
        let (slope, error) = trend.slope();
        assert!((slope + 2.0).abs() < 1e-9, "slope {slope}");
        // σ / √Σ(t − t̄)² with eight points 0.1 s apart.
        assert!((error - 0.5 / 0.42f64.sqrt()).abs() < 1e-6, "error {error}");
    }
}
