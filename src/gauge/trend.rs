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
        self.line().map_or((f64::NAN, f64::NAN), |line| {
            (line.slope, (line.excess / line.information).sqrt())
        })
    }

    /// By how much the points scatter more about their line than their errors say, as a factor of one sigma; 1 where
    /// they do not, or for fewer than four.
    pub fn excess(&self) -> f64 {
        self.line().map_or(1.0, |line| line.excess.sqrt())
    }

    fn line(&self) -> Option<Line> {
        if self.points.len() < 4 {
            return None;
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
            return None;
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
        Some(Line { slope, information: tt, excess })
    }
}

/// The straight line through the points: slope, 1/variance of that by the points' errors, and mean square of what
/// they are off over these, 1 at least.
struct Line {
    slope: f64,
    information: f64,
    excess: f64,
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
        assert_eq!(trend.excess(), 1.0);
    }

    #[test]
    fn values_that_jump_say_so() {
        let mut trend = Trend::new(8);
        for k in 0..8 {
            trend.push(f64::from(k), f64::from(k % 2) * 6.0, 1.0);
        }
        assert!((3.0..4.0).contains(&trend.excess()), "{}", trend.excess());
    }
}
